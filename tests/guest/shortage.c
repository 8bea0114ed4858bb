/*
 * No memory left: who touches a page dies, who asks is refused, and everybody else goes on.
 *
 * The parts are played by children. A hog touches pages until it dies of it; a holder has the
 * kernel write to its pages until that is refused, and then holds what it has; a reader reads a
 * file over and over, whose pages have to come and go in what little is left.
 */
#include "peal/bytes.h"
#include "peal/clock.h"
#include "peal/memory.h"
#include "peal/system.h"
#include "support/child.h"
#include "support/guest_test.h"
#include "support/raw.h"

#define PROGRAM      TEXT("boot/test/shortage")
#define TRUE_PROGRAM TEXT("boot/bin/true")
#define FILE_PATH    TEXT("disk0/numbers/lines.txt")
#define LARGE_PATH                                                                 \
    TEXT("disk0/LARGE.BIN") /* on a disk made for it: word n is n times 2654435761 \
                             */
#define PAGE           ABI_PAGE_BYTES
#define PIECE_BYTES    (16 * PAGE)
#define FRESH_PAGES    64u
#define READERS        2u
#define READER_ROUNDS  40u
#define SETTLE_MS      3'000u
#define GIVEN_BACK_MAX (64u << 10) /* what the kernel's heap may keep of it */

static struct raw_scratch shared; /* its first word: a holder has all it gets */

static struct abi_stat_system machine_now(void)
{
    struct abi_stat stat = {0};
    EXPECT_STATUS(OK, system_stat(peal_granted_system(TEXT("system")), &stat));
    return stat.system;
}

static uint64_t memory_held(void)
{
    struct abi_stat_system now = machine_now();
    return now.memory_total_bytes - now.memory_free_bytes - now.memory_cache_bytes;
}

/* ---- parts ---- */

/* More than there is, of address range. */
static uint64_t range_bytes(void)
{
    struct abi_stat stat = {0};
    if (!is_ok(system_stat(peal_granted_system(TEXT("system")), &stat))) return 0;
    return (stat.system.memory_total_bytes + (1u << 20)) & ~(uint64_t)(PAGE - 1);
}

static int play_hog(void)
{
    const uint64_t range = range_bytes();
    buffer_result made = peal_buffer_create(range, 0);
    CHILD_CHECK(is_ok(made.status));
    pointer_result mapped =
        peal_buffer_map(buffer_borrow(&made.value),
                        (struct mapping_request){.length_bytes = range,
                                                 .access = ABI_ACCESS_READ | ABI_ACCESS_WRITE});
    CHILD_CHECK(is_ok(mapped.status));
    volatile uint8_t *bytes = mapped.value;
    for (uint64_t at = 0; at < range; at += PAGE)
        bytes[at] = 1;
    return 0; /* that cannot be */
}

static int play_holder(void)
{
    const uint64_t range = range_bytes();
    peal_raw_handle word = peal_granted_raw(TEXT("shared"));
    uint32_t word_index = raw_register(word, ABI_ACCESS_READ | ABI_ACCESS_WRITE);
    buffer_result made = peal_buffer_create(range, 0);
    CHILD_CHECK(is_ok(made.status));
    uint32_t index = raw_register(made.value.raw, ABI_ACCESS_READ | ABI_ACCESS_WRITE);
    struct abi_completion done;
    uint64_t at = 0;
    do {
        done = raw_call((struct abi_submission){
            .op = ABI_OP_STAT,
            .capability = made.value.raw,
            .buffer_index = index,
            .buffer_offset_bytes = (uint32_t)at,
            .length_bytes = 32,
        });
        at += PAGE;
    } while (raw_is_ok(done) && at < range);
    CHILD_CHECK(raw_status(done) == ABI_STATUS_OUT_OF_MEMORY);
    /* Tells by making the word other than zero. */
    done = raw_call((struct abi_submission){
        .op = ABI_OP_STAT, .capability = word, .buffer_index = word_index, .length_bytes = 32});
    CHILD_CHECK(raw_is_ok(done));
    ignore_status(peal_sleep_until(ABI_DEADLINE_NEVER)); /* until it is killed */
    return 0;
}

/* The sum of a file's bytes, each times its place; 0 when it cannot be read. */
static uint64_t sum_of_file(void)
{
    static uint8_t piece[PIECE_BYTES];
    file_result opened =
        peal_file_open(peal_granted_directory(TEXT("root")), FILE_PATH, RIGHTS_READ);
    if (!is_ok(opened.status)) return 0;
    OWNED(file_handle) file = TAKE(opened.value);
    uint64_t sum = 1, at = 0;
    for (;;) {
        size_result read = peal_file_read_at(file_borrow(&file), SPAN_OF(piece), at);
        if (!is_ok(read.status)) return 0;
        if (read.value == 0) return sum;
        for (uint64_t i = 0; i < read.value; i++)
            sum += piece[i] * (at + i + 1);
        at += read.value;
    }
}

static int play_reader(void)
{
    uint64_t expected = *(volatile uint64_t *)(void *)(shared.bytes + 64);
    for (uint32_t i = 0; i < READER_ROUNDS; i++)
        CHILD_CHECK(sum_of_file() == expected);
    return 0;
}

/* Every word of the large file is checked; more than the machine has, when it is a small one. */
static int play_large(void)
{
    static uint32_t piece[PIECE_BYTES / 4];
    file_result opened =
        peal_file_open(peal_granted_directory(TEXT("root")), LARGE_PATH, RIGHTS_READ);
    CHILD_CHECK(is_ok(opened.status));
    OWNED(file_handle) file = TAKE(opened.value);
    for (uint32_t number = 0;;) {
        size_result read = peal_file_read(file_borrow(&file), SPAN_OF(piece));
        CHILD_CHECK(is_ok(read.status) && read.value % 4 == 0);
        if (read.value == 0) break;
        for (uint64_t i = 0; i < read.value / 4; i++)
            CHILD_CHECK(piece[i] == number++ * 2'654'435'761u);
    }
    return 0;
}

/* ---- what the tests share ---- */

static struct peal_grant grants[3];

static struct peal_spawn with_grants(void)
{
    grants[0] = (struct peal_grant){
        .name = TEXT("system"), .raw = peal_granted_raw(TEXT("system")), .rights = ABI_RIGHT_STAT};
    grants[1] =
        (struct peal_grant){.name = TEXT("shared"), .raw = shared.handle, .rights = ABI_RIGHTS_ALL};
    grants[2] = (struct peal_grant){
        .name = TEXT("root"), .raw = peal_granted_raw(TEXT("root")), .rights = ABI_RIGHTS_ALL};
    return (struct peal_spawn){.grants = grants, .grants_count = 3};
}

static process_handle start_part(text part)
{
    struct peal_spawn spawn = with_grants();
    process_result started = child_start(PROGRAM, part, &spawn);
    EXPECT_STATUS(OK, started.status);
    return started.value;
}

static struct abi_exit end_of(const process_handle *process)
{
    struct abi_exit how = {0};
    EXPECT_STATUS(OK, peal_process_wait(process_borrow(process), ABI_DEADLINE_NEVER, &how));
    return how;
}

/* Together they may have more than there is. */
#define HOLDERS 3u
static process_handle holders[HOLDERS];

static void start_holder(process_handle *out_holder)
{
    volatile uint32_t *word = (volatile uint32_t *)(void *)shared.bytes;
    *word = 0;
    *out_holder = start_part(TEXT("holder"));
    struct abi_exit how = {0};
    while (*word == 0 && !guest_test_has_failed()) {
        status waited =
            peal_process_wait(process_borrow(out_holder), peal_deadline_in_ms(10), &how);
        EXPECT_MESSAGE(waited.code == STATUS_TIMED_OUT, "the holder ended: line %u", how.code);
    }
}

static void hold_everything(void)
{
    for (uint32_t i = 0; i < HOLDERS; i++)
        start_holder(&holders[i]);
}

static void give_everything_back(void)
{
    for (uint32_t i = 0; i < HOLDERS; i++) {
        EXPECT_STATUS(OK, peal_process_kill(process_borrow(&holders[i]), 0));
        EXPECT_EQUAL(ABI_EXIT_REASON_KILLED, end_of(&holders[i]).reason);
        process_handle_drop(&holders[i]);
    }
}

/* This program goes on: it touches new pages, and starts others. */
static void live(void)
{
    pointer_result made = peal_memory_map(FRESH_PAGES * PAGE);
    EXPECT_STATUS(OK, made.status);
    if (!is_ok(made.status)) return;
    volatile uint8_t *bytes = made.value;
    for (uint32_t i = 0; i < FRESH_PAGES; i++)
        bytes[i * PAGE] = (uint8_t)i;
    EXPECT_STATUS(OK, peal_memory_unmap(made.value));
    EXPECT_EQUAL(0, child_run(TRUE_PROGRAM, TEXT("none"), &(struct peal_spawn){0}));
}

/* Held memory once it is down to `wanted`, or after a while. */
static uint64_t memory_held_settled(uint64_t wanted)
{
    uint64_t limit_ns = peal_deadline_in_ms(SETTLE_MS), held;
    while ((held = memory_held()) > wanted && peal_clock_now_ns() < limit_ns)
        ignore_status(peal_sleep_until(peal_deadline_in_ms(10))); /* looks again either way */
    return held;
}

static void expect_given_back(uint64_t held_before)
{
    uint64_t held = memory_held_settled(held_before + GIVEN_BACK_MAX);
    EXPECT_MESSAGE(held <= held_before + GIVEN_BACK_MAX, "%lu KiB held before, %lu after",
                   held_before >> 10, held >> 10);
}

/* ---- tests ---- */

static void hogs_meet(void)
{
    process_handle hogs[3];
    struct abi_exit how = {0};
    for (uint32_t i = 0; i < 3; i++)
        hogs[i] = start_part(TEXT("hog"));
    while (peal_process_wait(process_borrow(&hogs[0]), peal_deadline_in_ms(20), &how).code ==
           STATUS_TIMED_OUT)
        live();
    for (uint32_t i = 0; i < 3; i++) {
        EXPECT_EQUAL(ABI_EXIT_REASON_OUT_OF_MEMORY, end_of(&hogs[i]).reason);
        process_handle_drop(&hogs[i]);
    }
}

GUEST_TEST(programs_that_take_all_memory_die_of_it_and_nobody_else_does)
{
    uint64_t held = memory_held();
    hogs_meet();
    held = memory_held_settled(held + GIVEN_BACK_MAX); /* with what the kernel's heap now keeps */
    hogs_meet();
    expect_given_back(held);
}

GUEST_TEST(memory_that_somebody_holds_is_refused_to_others_of_its_size_only)
{
    uint64_t held = memory_held();
    hold_everything();
    if (!guest_test_has_failed()) {
        for (uint32_t i = 0; i < 5; i++)
            live();
        process_handle hog = start_part(TEXT("hog"));
        EXPECT_EQUAL(ABI_EXIT_REASON_OUT_OF_MEMORY, end_of(&hog).reason);
        process_handle_drop(&hog);
        live();
    }
    give_everything_back();
    expect_given_back(held);
}

static void run_readers(text part)
{
    process_handle readers[READERS];
    for (uint32_t i = 0; i < READERS; i++)
        readers[i] = start_part(part);
    for (uint32_t i = 0; i < READERS; i++) {
        struct abi_exit how = end_of(&readers[i]);
        EXPECT_EQUAL(ABI_EXIT_REASON_CODE, how.reason);
        EXPECT_EQUAL(0, how.code);
        process_handle_drop(&readers[i]);
    }
}

GUEST_TEST(files_are_read_while_there_is_no_memory_to_keep_them)
{
    uint64_t expected = sum_of_file();
    if (expected == 0) {
        guest_test_skip("no sample disk");
        return;
    }
    *(volatile uint64_t *)(void *)(shared.bytes + 64) = expected;
    hold_everything();
    run_readers(TEXT("reader"));
    EXPECT_EQUAL(expected, sum_of_file());
    give_everything_back();
}

/* Two at once, so that both need what the other has just read. */
GUEST_TEST(a_file_larger_than_memory_is_read_whole)
{
    file_result opened =
        peal_file_open(peal_granted_directory(TEXT("root")), LARGE_PATH, RIGHTS_READ);
    if (!is_ok(opened.status)) {
        guest_test_skip("no disk with a large file");
        return;
    }
    OWNED(file_handle) file = TAKE(opened.value);
    run_readers(TEXT("large"));
    struct abi_stat_system now = machine_now();
    guest_test_note("%lu MiB read on a machine of %lu MiB, %lu MiB of it cached",
                    peal_file_size(file_borrow(&file)).value >> 20, now.memory_total_bytes >> 20,
                    now.memory_cache_bytes >> 20);
}

GUEST_TEST_SETUP
{
    if (child_plays(TEXT("hog"))) peal_exit(play_hog());
    if (child_plays(TEXT("holder"))) peal_exit(play_holder());
    if (child_plays(TEXT("large"))) peal_exit(play_large());
    if (child_plays(TEXT("reader"))) {
        peal_raw_handle handle = peal_granted_raw(TEXT("shared"));
        pointer_result mapped = peal_buffer_map(
            (buffer_ref){handle},
            (struct mapping_request){.length_bytes = PAGE, .access = ABI_ACCESS_READ});
        if (!is_ok(mapped.status)) peal_exit(__LINE__);
        shared.bytes = mapped.value;
        peal_exit(play_reader());
    }
    shared = raw_scratch_make(PAGE);
    live(); /* what the library keeps, it has now */
    guest_test_need_grants();
}
