/*
 * Waiting, time and chance; and how much a program may have of anything: requests in flight,
 * completions, handles, registrations, regions, threads.
 */
#include "peal/bytes.h"
#include "peal/clock.h"
#include "peal/memory.h"
#include "peal/ring.h"
#include "peal/thread.h"
#include "support/child.h"
#include "support/guest_test.h"
#include "support/raw.h"

#define PROGRAM        TEXT("boot/test/waits")
#define PAGE           ABI_PAGE_BYTES
#define SCRATCH_BYTES  (1u << 20)
#define CENTURY_NS     3'155'760'000'000'000'000ull
#define MS             1'000'000ull
#define IN_FLIGHT_MAX  (2 * ABI_RING_ENTRIES_DEFAULT)
#define SLEEPS         8u
#define REGIONS_MAX    4096u /* kernel/vm/address_space.h */
#define REGISTERED_MAX 4096u /* kernel/vm/buffer_table.h */

static struct raw_scratch scratch;
static struct abi_completion completions[IN_FLIGHT_MAX];

/* ---- submissions ---- */

static uint32_t *word_at(uint32_t offset)
{
    return (uint32_t *)(void *)(scratch.bytes + offset);
}

static struct abi_submission wait_on(uint32_t index, uint32_t offset, uint64_t expected,
                                     uint64_t deadline_ns)
{
    return (struct abi_submission){
        .op = ABI_OP_ADDRESS_WAIT,
        .buffer_index = index,
        .buffer_offset_bytes = offset,
        .length_bytes = 4,
        .args = {expected, deadline_ns},
    };
}

static struct abi_submission wake_on(uint32_t index, uint32_t offset, uint64_t count)
{
    return (struct abi_submission){
        .op = ABI_OP_ADDRESS_WAKE,
        .buffer_index = index,
        .buffer_offset_bytes = offset,
        .length_bytes = 4,
        .args = {count},
    };
}

static struct abi_submission sleep_until(uint64_t deadline_ns)
{
    return (struct abi_submission){.op = ABI_OP_SLEEP, .args = {deadline_ns}};
}

/* Publishes one submission with this user data, and enters without waiting. */
static void submit(struct abi_submission submission, uint64_t user_data)
{
    submission.user_data = user_data;
    EXPECT_EQUAL(1, raw_publish(&submission, 1));
    EXPECT_EQUAL(1, ABI_ENTER_ACCEPTED(raw_enter(0, 0)));
}

/* Submits a wake while others are in flight; answers how many waits it says it ended. What else
 * completes goes to `completions`, *out_count of them. */
static uint64_t wake_beside_others(struct abi_submission wake, uint32_t *out_count)
{
    uint64_t woken = UINT64_MAX;
    *out_count = 0;
    submit(wake, 999);
    while (woken == UINT64_MAX) {
        struct abi_completion done;
        if (!raw_reap(&done, 1)) {
            raw_enter(1, ABI_DEADLINE_NEVER);
            continue;
        }
        if (done.user_data != 999)
            completions[(*out_count)++] = done;
        else
            woken = raw_is_ok(done) ? done.value : 0;
    }
    while (*out_count < woken && raw_reap(&completions[*out_count], 1))
        (*out_count)++;
    return woken;
}

/* ---- waiting on a word ---- */

GUEST_TEST(a_wait_whose_word_has_changed_does_not_wait)
{
    *word_at(0) = 5;
    EXPECT_EQUAL(ABI_STATUS_WOULD_BLOCK,
                 raw_status(raw_call(wait_on(scratch.index, 0, 6, ABI_DEADLINE_NEVER))));
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT,
                 raw_status(raw_call(wait_on(scratch.index, 0, 5 | 1ull << 32, 0))));
    EXPECT_EQUAL(ABI_STATUS_TIMED_OUT, raw_status(raw_call(wait_on(scratch.index, 0, 5, 0))));
    EXPECT_EQUAL(ABI_STATUS_TIMED_OUT, raw_status(raw_call(wait_on(scratch.index, 0, 5, 1))));
    uint64_t deadline_ns = peal_deadline_in_ms(3);
    EXPECT_EQUAL(ABI_STATUS_TIMED_OUT,
                 raw_status(raw_call(wait_on(scratch.index, 0, 5, deadline_ns))));
    EXPECT(peal_clock_now_ns() >= deadline_ns);
    /* A page that was never touched holds zeros. */
    const uint32_t untouched = SCRATCH_BYTES / 2;
    EXPECT_EQUAL(ABI_STATUS_WOULD_BLOCK,
                 raw_status(raw_call(wait_on(scratch.index, untouched, 1, 0))));
    EXPECT_EQUAL(ABI_STATUS_TIMED_OUT,
                 raw_status(raw_call(wait_on(scratch.index, untouched, 0, 0))));
    EXPECT_EQUAL(ABI_STATUS_OK, raw_status(raw_call(wake_on(scratch.index, 0, UINT64_MAX))));
}

GUEST_TEST(a_wake_ends_as_many_waits_as_it_says_the_oldest_first)
{
    uint32_t count;
    *word_at(64) = 1;
    for (uint64_t i = 0; i < 6; i++)
        submit(wait_on(scratch.index, 64, 1, CENTURY_NS + i), i);
    submit(wait_on(scratch.index, 68, 0, ABI_DEADLINE_NEVER), 50); /* the word beside it */
    EXPECT_EQUAL(0, wake_beside_others(wake_on(scratch.index, 64, 0), &count));
    EXPECT_EQUAL(0, count);
    EXPECT_EQUAL(1, wake_beside_others(wake_on(scratch.index, 64, 1), &count));
    EXPECT(count == 1 && completions[0].user_data == 0 && raw_is_ok(completions[0]));
    EXPECT_EQUAL(2, wake_beside_others(wake_on(scratch.index, 64, 2), &count));
    EXPECT(count == 2 && completions[0].user_data == 1 && completions[1].user_data == 2);
    EXPECT_EQUAL(3, wake_beside_others(wake_on(scratch.index, 64, UINT64_MAX), &count));
    EXPECT(count == 3 && completions[0].user_data == 3 && completions[2].user_data == 5);
    EXPECT_EQUAL(0, wake_beside_others(wake_on(scratch.index, 64, UINT64_MAX), &count));
    EXPECT_EQUAL(1, wake_beside_others(wake_on(scratch.index, 68, 1ull << 32), &count));
    EXPECT(count == 1 && completions[0].user_data == 50);
}

GUEST_TEST(waits_on_one_word_of_two_registrations_are_the_same)
{
    uint32_t count;
    uint32_t second = raw_register(scratch.handle, ABI_ACCESS_READ);
    EXPECT(second != scratch.index);
    *word_at(128) = 9;
    submit(wait_on(second, 128, 9, ABI_DEADLINE_NEVER), 1);
    EXPECT_EQUAL(1, wake_beside_others(wake_on(scratch.index, 128, 1), &count));
    EXPECT_EQUAL(1, count);
    submit(wait_on(second, 128, 9, ABI_DEADLINE_NEVER), 2);
    EXPECT_EQUAL(1, wake_beside_others(wake_on(second, 128, 1), &count));
    EXPECT_STATUS(OK, peal_buffer_unregister(second));
}

/* Wakes everybody on the words that the parent waits on: by number in its own memory, or in a
 * buffer it was given. */
static int play_waker(void)
{
    struct abi_completion done = raw_call(wake_on(scratch.index, 256, UINT64_MAX));
    CHILD_CHECK(raw_is_ok(done) && done.value == 0);
    peal_raw_handle shared = peal_granted_raw(TEXT("shared"));
    if (shared == ABI_HANDLE_NONE) return 0;
    done = raw_call(wake_on(raw_register(shared, ABI_ACCESS_READ), 256, UINT64_MAX));
    CHILD_CHECK(raw_is_ok(done) && done.value == 1);
    return 0;
}

GUEST_TEST(a_wake_reaches_other_processes_only_through_shared_memory)
{
    submit(wait_on(scratch.index, 256, 0, ABI_DEADLINE_NEVER), 7);
    EXPECT_EQUAL(0, child_run(PROGRAM, TEXT("waker"), &(struct peal_spawn){0}));
    struct abi_completion done;
    EXPECT_EQUAL(0, raw_reap(&done, 1));

    struct peal_grant grants[] = {
        {.name = TEXT("shared"), .raw = scratch.handle, .rights = ABI_RIGHT_READ | ABI_RIGHT_MAP}};
    EXPECT_EQUAL(0, child_run(PROGRAM, TEXT("waker"),
                              &(struct peal_spawn){.grants = grants, .grants_count = 1}));
    EXPECT_EQUAL(1, raw_reap(&done, 1));
    EXPECT(raw_is_ok(done) && done.user_data == 7);
}

/* ---- sleeping ---- */

GUEST_TEST(a_sleep_is_over_at_its_time_or_at_once)
{
    EXPECT(raw_is_ok(raw_call(sleep_until(0))));
    EXPECT(raw_is_ok(raw_call(sleep_until(peal_clock_now_ns()))));
    uint64_t later_ns = peal_deadline_in_ms(4);
    EXPECT(raw_is_ok(raw_call(sleep_until(later_ns))));
    EXPECT(peal_clock_now_ns() >= later_ns);
}

/* Sleeps of which the first is over in `first_ns`, accepted by one enter: so they are in the queue
 * of one processor, which ends them in order. False when it took so long that some may have been
 * over before others began. */
static bool sleeps_begin_in_time(uint64_t first_ns)
{
    static const uint64_t order[SLEEPS] = {0, 5, 2, 7, 4, 1, 6, 3};
    struct abi_submission sleeps[SLEEPS];
    uint64_t begin_ns = peal_clock_now_ns() + first_ns;
    for (uint32_t i = 0; i < SLEEPS; i++) {
        sleeps[i] = sleep_until(begin_ns + order[i] * 2 * MS);
        sleeps[i].user_data = order[i];
    }
    EXPECT_EQUAL(SLEEPS, raw_publish(sleeps, SLEEPS));
    EXPECT_EQUAL(SLEEPS, ABI_ENTER_ACCEPTED(raw_enter(0, 0)));
    return peal_clock_now_ns() < begin_ns;
}

GUEST_TEST(sleeps_end_in_the_order_of_their_times)
{
    /* A busy machine may need more time to begin: up to a second. */
    bool is_in_time = false;
    for (uint64_t first_ns = 2 * MS; first_ns <= 1024 * MS && !is_in_time; first_ns *= 2) {
        is_in_time = sleeps_begin_in_time(first_ns);
        EXPECT_EQUAL(ABI_STATUS_OK, ABI_ENTER_STATUS(raw_enter(SLEEPS, ABI_DEADLINE_NEVER)));
        EXPECT_EQUAL(SLEEPS, raw_reap(completions, IN_FLIGHT_MAX));
    }
    EXPECT(is_in_time);
    for (uint64_t i = 0; i < SLEEPS; i++)
        EXPECT_EQUAL(i, completions[i].user_data);
}

/* Leaves much in flight that would go on for centuries, and ends. */
static int play_leaver(void)
{
    for (uint32_t i = 0; i < 30; i++) {
        struct abi_submission never[] = {sleep_until(UINT64_MAX - i),
                                         wait_on(scratch.index, 0, 0, CENTURY_NS)};
        CHILD_CHECK(raw_publish(never, 2) == 2);
        CHILD_CHECK(ABI_ENTER_ACCEPTED(raw_enter(0, 0)) == 2);
    }
    return 0;
}

GUEST_TEST(the_end_of_a_program_ends_what_it_waits_for)
{
    for (uint32_t i = 0; i < 5; i++)
        EXPECT_EQUAL(0, child_run(PROGRAM, TEXT("leaver"), &(struct peal_spawn){0}));
}

/* ---- clocks ---- */

static uint64_t read_clock(uint64_t number)
{
    struct abi_completion done =
        raw_call((struct abi_submission){.op = ABI_OP_CLOCK_READ, .args = {number}});
    EXPECT(raw_is_ok(done));
    return done.value;
}

GUEST_TEST(the_clock_page_and_the_kernel_tell_the_same_time)
{
    for (uint32_t i = 0; i < 2000; i++) {
        uint64_t before = peal_clock_now_ns();
        uint64_t kernel = read_clock(ABI_CLOCK_MONOTONIC);
        uint64_t after = peal_clock_now_ns();
        EXPECT_MESSAGE(before <= kernel && kernel <= after, "%lu, %lu, %lu ns", before, kernel,
                       after);
        if (guest_test_has_failed()) return;
    }
    uint64_t before = peal_clock_real_ns();
    uint64_t kernel = read_clock(ABI_CLOCK_REAL);
    uint64_t after = peal_clock_real_ns();
    EXPECT(before <= kernel && kernel <= after);
    EXPECT(kernel > 1'577'836'800'000'000'000); /* 2020 */
}

GUEST_TEST(there_are_two_clocks)
{
    static const uint64_t numbers[] = {2, 3, 255, 1ull << 32, UINT64_MAX};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT,
                     raw_status(raw_call(
                         (struct abi_submission){.op = ABI_OP_CLOCK_READ, .args = {numbers[i]}})));
}

/* ---- chance ---- */

static struct abi_completion fill_random(uint32_t offset, uint32_t length)
{
    return raw_call((struct abi_submission){
        .op = ABI_OP_RANDOM,
        .buffer_index = scratch.index,
        .buffer_offset_bytes = offset,
        .length_bytes = length,
    });
}

GUEST_TEST(random_bytes_fill_the_span_and_nothing_else)
{
    static const uint32_t lengths[] = {0, 1, 31, 64, PAGE - 1, PAGE + 1, 17 * PAGE + 3};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        uint32_t length = lengths[i];
        memset(scratch.bytes, 0, 20 * PAGE);
        struct abi_completion done = fill_random(PAGE - 7, length);
        EXPECT(raw_is_ok(done) && done.value == length);
        EXPECT_EQUAL(0, scratch.bytes[PAGE - 8]);
        EXPECT_EQUAL(0, scratch.bytes[PAGE - 7 + length]);
    }
}

GUEST_TEST(random_bytes_do_not_repeat_and_are_balanced)
{
    struct abi_completion done = fill_random(0, SCRATCH_BYTES);
    EXPECT(raw_is_ok(done) && done.value == SCRATCH_BYTES);
    uint64_t *words = (uint64_t *)(void *)scratch.bytes;
    const uint32_t count = SCRATCH_BYTES / 8;
    int64_t ones = 0;
    for (uint32_t i = 0; i < count; i++)
        ones += __builtin_popcountll(words[i]);
    int64_t expected = (int64_t)count * 32;
    /* One standard deviation is 1,449 bits: ten of them never happen. */
    EXPECT_MESSAGE(ones > expected - 14'490 && ones < expected + 14'490, "%ld ones of %ld", ones,
                   2 * expected);
    for (uint32_t step = 8; step <= count / 2; step *= 2) /* blocks, pages, the halves */
        for (uint32_t i = 0; i + step < count; i += step)
            EXPECT(words[i] != words[i + step]);
    uint64_t first = words[0];
    EXPECT(raw_is_ok(fill_random(0, 8)));
    EXPECT(words[0] != first);
    memset(scratch.bytes, 0, SCRATCH_BYTES);
}

/* ---- the ring's limits ---- */

GUEST_TEST(an_enter_waits_for_no_more_than_can_come)
{
    EXPECT_EQUAL(ABI_STATUS_OK, raw_enter(0, 0));
    EXPECT_EQUAL(ABI_STATUS_OK, raw_enter(1, 0)); /* nothing in flight */
    EXPECT_EQUAL(ABI_STATUS_OK, raw_enter(UINT64_MAX, ABI_DEADLINE_NEVER));

    submit(wait_on(scratch.index, 0, *word_at(0), ABI_DEADLINE_NEVER), 1);
    EXPECT_EQUAL(ABI_STATUS_TIMED_OUT, raw_enter(1, 0));
    EXPECT_EQUAL(ABI_STATUS_TIMED_OUT, raw_enter(UINT64_MAX, 1));
    uint64_t deadline_ns = peal_deadline_in_ms(3);
    EXPECT_EQUAL(ABI_STATUS_TIMED_OUT, raw_enter(1, deadline_ns));
    EXPECT(peal_clock_now_ns() >= deadline_ns);
    uint32_t count;
    EXPECT_EQUAL(1, wake_beside_others(wake_on(scratch.index, 0, 1), &count));

    for (uint64_t i = 0; i < 3; i++)
        submit(sleep_until(peal_deadline_in_ms(1 + i)), i);
    EXPECT_EQUAL(ABI_STATUS_OK, raw_enter(UINT64_MAX, ABI_DEADLINE_NEVER));
    EXPECT_EQUAL(3, raw_reap(completions, IN_FLIGHT_MAX));
    EXPECT_EQUAL(ABI_STATUS_NOT_IMPLEMENTED, peal_system_call(3, 0, 0));
    EXPECT_EQUAL(ABI_STATUS_NOT_IMPLEMENTED, peal_system_call(UINT64_MAX, 0, 0));
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT, peal_system_call(ABI_SYSCALL_EXIT, 0, 2));
}

static uint32_t publish_many(struct abi_submission submission, uint32_t count)
{
    uint32_t published = 0;
    while (published < count && raw_publish(&submission, 1) == 1)
        published++;
    return published;
}

/* Half of them end by themselves. */
GUEST_TEST(a_ring_full_of_requests_in_flight_refuses_more_and_recovers)
{
    const uint32_t half = IN_FLIGHT_MAX / 2;
    uint64_t refused = raw_ring()->refused_full_total;
    *word_at(512) = 0;
    EXPECT_EQUAL(half, publish_many(wait_on(scratch.index, 512, 0, CENTURY_NS), half));
    EXPECT_EQUAL(half, ABI_ENTER_ACCEPTED(raw_enter(0, 0)));
    uint64_t soon_ns = peal_deadline_in_ms(20);
    EXPECT_EQUAL(half, publish_many(wait_on(scratch.index, 512, 0, soon_ns), half));
    EXPECT_EQUAL(half, ABI_ENTER_ACCEPTED(raw_enter(0, 0)));

    EXPECT_EQUAL(2, publish_many((struct abi_submission){.op = ABI_OP_NOP, .user_data = 5}, 2));
    for (uint32_t i = 0; i < 3; i++)
        EXPECT_EQUAL(ABI_STATUS_QUEUE_FULL, raw_enter(0, 0));
    EXPECT_EQUAL(refused + 3, raw_ring()->refused_full_total);
    EXPECT_EQUAL(ABI_STATUS_QUEUE_FULL, raw_enter(half, ABI_DEADLINE_NEVER));
    EXPECT_EQUAL(half, raw_reap(completions, IN_FLIGHT_MAX));
    for (uint32_t i = 0; i < half; i++)
        EXPECT_EQUAL(ABI_STATUS_TIMED_OUT, raw_status(completions[i]));
    EXPECT_EQUAL(2ull << 32, raw_enter(0, 0)); /* those that had waited in the queue */
    EXPECT_EQUAL(2, raw_reap(completions, IN_FLIGHT_MAX));
    EXPECT_EQUAL(5, completions[0].user_data);

    uint32_t count;
    EXPECT_EQUAL(half, wake_beside_others(wake_on(scratch.index, 512, UINT64_MAX), &count));
    EXPECT_EQUAL(half, count);
    EXPECT_EQUAL(raw_ring()->accepted_total, raw_ring()->completed_total);
}

static _Atomic bool is_over;
static _Atomic uint32_t nops_counted;

static int count_nops(uint64_t)
{
    while (!is_over)
        nops_counted += raw_is_ok(raw_call((struct abi_submission){.op = ABI_OP_NOP}));
    return 0;
}

GUEST_TEST(completions_that_nobody_reads_stop_their_own_ring_only)
{
    is_over = false;
    running_thread_result started = peal_thread_create(count_nops, 0);
    REQUIRE(is_ok(started.status));
    running_thread thread = TAKE(started.value);
    const struct abi_submission nop = {.op = ABI_OP_NOP};
    uint32_t accepted = 0;
    for (uint32_t i = 0; i < 10; i++) {
        publish_many(nop, ABI_RING_ENTRIES_DEFAULT);
        uint64_t entered = raw_enter(i % 2, ABI_DEADLINE_NEVER);
        accepted += ABI_ENTER_ACCEPTED(entered);
        EXPECT_EQUAL(i < 2 ? ABI_STATUS_OK : ABI_STATUS_QUEUE_FULL, ABI_ENTER_STATUS(entered));
    }
    EXPECT_EQUAL(IN_FLIGHT_MAX, accepted);
    for (uint32_t before = nops_counted; nops_counted - before < 100;)
        peal_yield(); /* the other's ring works; a hang otherwise */
    EXPECT_EQUAL(10, raw_reap(completions, 10));
    EXPECT_EQUAL(10, ABI_ENTER_ACCEPTED(raw_enter(0, 0)));
    EXPECT_EQUAL(IN_FLIGHT_MAX, raw_reap(completions, IN_FLIGHT_MAX));
    EXPECT_EQUAL(ABI_RING_ENTRIES_DEFAULT - 10, ABI_ENTER_ACCEPTED(raw_enter(0, 0)));
    EXPECT_EQUAL(ABI_RING_ENTRIES_DEFAULT - 10, raw_reap(completions, IN_FLIGHT_MAX));
    is_over = true;
    EXPECT_STATUS(OK, peal_thread_join(&thread).status);
}

/* ---- a program's limits ---- */

static uint32_t status_of(struct abi_submission submission)
{
    return raw_status(raw_call(submission));
}

/* A table of 40 handles: whatever would need one more is refused, and changes nothing. */
static int play_handles(void)
{
    uint64_t made[64], root = peal_granted_raw(TEXT("root"));
    uint32_t count = 0;
    memcpy(scratch.bytes, "boot", 4);
    struct abi_thread_start start = {
        .entry_address = (uint64_t)(uintptr_t)play_handles,
        .stack_address = (uint64_t)(uintptr_t)scratch.bytes + PAGE,
    };
    memcpy(scratch.bytes + 64, &start, sizeof(start));
    for (uint32_t round = 0; round < 3; round++) {
        while (count < 64 && (made[count] = raw_dup(scratch.handle, ABI_RIGHTS_ALL)) != 0)
            count++;
        CHILD_CHECK(count > 20 && count < 40);
        CHILD_CHECK(status_of((struct abi_submission){.op = ABI_OP_DUP,
                                                      .capability = scratch.handle,
                                                      .args = {ABI_RIGHTS_ALL}}) ==
                    ABI_STATUS_QUOTA_EXCEEDED);
        CHILD_CHECK(status_of((struct abi_submission){
                        .op = ABI_OP_BUFFER_CREATE, .args = {PAGE}}) == ABI_STATUS_QUOTA_EXCEEDED);
        CHILD_CHECK(status_of((struct abi_submission){.op = ABI_OP_OPEN,
                                                      .capability = root,
                                                      .buffer_index = scratch.index,
                                                      .length_bytes = 4}) ==
                    ABI_STATUS_QUOTA_EXCEEDED);
        CHILD_CHECK(status_of((struct abi_submission){.op = ABI_OP_THREAD_CREATE,
                                                      .buffer_index = scratch.index,
                                                      .buffer_offset_bytes = 64,
                                                      .length_bytes = sizeof(start)}) ==
                    ABI_STATUS_QUOTA_EXCEEDED);
        uint64_t replaced = raw_restrict(made[0], ABI_RIGHT_CLOSE); /* one for one */
        CHILD_CHECK(replaced != 0);
        made[0] = replaced;
        while (count > 0)
            CHILD_CHECK(raw_close(made[--count]));
    }
    return 0;
}

GUEST_TEST(a_full_handle_table_refuses_and_recovers)
{
    struct peal_grant grants[] = {
        {.name = TEXT("root"), .raw = peal_granted_raw(TEXT("root")), .rights = ABI_RIGHTS_ALL}};
    EXPECT_EQUAL(
        0, child_run(PROGRAM, TEXT("handles"),
                     &(struct peal_spawn){.grants = grants, .grants_count = 1, .handles_max = 40}));
}

static int end_when_told(uint64_t)
{
    while (!is_over)
        ignore_status(peal_sleep_until(peal_deadline_in_ms(1))); /* looks again either way */
    return 0;
}

static int play_threads(void)
{
    running_thread threads[16];
    for (uint32_t round = 0; round < 3; round++) {
        uint32_t count = 0;
        is_over = false;
        for (;;) {
            CHILD_CHECK(count < 16);
            running_thread_result started = peal_thread_create(end_when_told, 0);
            if (!is_ok(started.status)) {
                CHILD_CHECK(started.status.code == STATUS_QUOTA_EXCEEDED);
                break;
            }
            threads[count++] = TAKE(started.value);
        }
        is_over = true;
        CHILD_CHECK(count == 7);
        while (count > 0)
            CHILD_CHECK(is_ok(peal_thread_join(&threads[--count]).status));
    }
    return 0;
}

GUEST_TEST(a_process_of_eight_threads_gets_no_ninth_until_one_ends)
{
    EXPECT_EQUAL(0, child_run(PROGRAM, TEXT("threads"), &(struct peal_spawn){.threads_max = 8}));
}

static uint64_t map_page(uint64_t buffer, uint64_t address, uint64_t length, uint32_t *out_status)
{
    struct abi_completion done = raw_call((struct abi_submission){
        .op = ABI_OP_BUFFER_MAP,
        .capability = buffer,
        .op_flags = ABI_ACCESS_READ,
        .args = {address, length},
    });
    *out_status = raw_status(done);
    return raw_is_ok(done) ? done.value : 0;
}

static uint32_t unmap(uint64_t address, uint64_t length)
{
    return status_of((struct abi_submission){.op = ABI_OP_BUFFER_UNMAP, .args = {address, length}});
}

static int play_regions(void)
{
    static uint64_t addresses[REGIONS_MAX];
    uint32_t outcome, count = 0;
    buffer_result made = peal_buffer_create(4 * PAGE, 0);
    CHILD_CHECK(is_ok(made.status));
    uint64_t buffer = made.value.raw;
    uint64_t wide = map_page(buffer, 0, 3 * PAGE, &outcome);
    CHILD_CHECK(wide != 0);
    for (;;) {
        CHILD_CHECK(count < REGIONS_MAX);
        addresses[count] = map_page(buffer, 0, PAGE, &outcome);
        if (addresses[count] == 0) break;
        count++;
    }
    CHILD_CHECK(outcome == ABI_STATUS_QUOTA_EXCEEDED && count > REGIONS_MAX - 100);
    /* Cutting one into three, of which the middle then goes, needs two more: nothing is cut. */
    CHILD_CHECK(unmap(wide + PAGE, PAGE) == ABI_STATUS_QUOTA_EXCEEDED);
    volatile const uint8_t *page = (const uint8_t *)(wide + PAGE);
    CHILD_CHECK(page[0] == 0);
    CHILD_CHECK(unmap(addresses[--count], PAGE) == ABI_STATUS_OK);
    CHILD_CHECK(unmap(addresses[--count], PAGE) == ABI_STATUS_OK);
    CHILD_CHECK(unmap(wide + PAGE, PAGE) == ABI_STATUS_OK);
    CHILD_CHECK(unmap(wide, PAGE) == ABI_STATUS_OK && unmap(wide + 2 * PAGE, PAGE) == 0);
    while (count > 0)
        CHILD_CHECK(unmap(addresses[--count], PAGE) == ABI_STATUS_OK);
    return 0;
}

GUEST_TEST(a_full_address_space_refuses_and_recovers)
{
    EXPECT_EQUAL(0, child_run(PROGRAM, TEXT("regions"), &(struct peal_spawn){0}));
}

static int play_registrations(void)
{
    uint32_t first = 0, count = 0, outcome;
    struct abi_submission request = {
        .op = ABI_OP_BUFFER_REGISTER, .capability = scratch.handle, .op_flags = ABI_ACCESS_READ};
    for (;;) {
        struct abi_completion done = raw_call(request);
        outcome = raw_status(done);
        if (!raw_is_ok(done)) break;
        CHILD_CHECK(done.value < REGISTERED_MAX && count < REGISTERED_MAX);
        if (count++ == 0) first = (uint32_t)done.value;
    }
    CHILD_CHECK(outcome == ABI_STATUS_QUOTA_EXCEEDED && count > REGISTERED_MAX - 100);
    CHILD_CHECK(is_ok(peal_buffer_unregister(first)));
    struct abi_completion again = raw_call(request);
    CHILD_CHECK(raw_is_ok(again) && again.value == first);
    for (uint32_t i = 0; i < count; i++)
        CHILD_CHECK(is_ok(peal_buffer_unregister(first + i)));
    CHILD_CHECK(raw_call(request).value < REGISTERED_MAX);
    return 0;
}

GUEST_TEST(a_full_table_of_registrations_refuses_and_recovers)
{
    EXPECT_EQUAL(0, child_run(PROGRAM, TEXT("registrations"), &(struct peal_spawn){0}));
}

GUEST_TEST_SETUP
{
    scratch = raw_scratch_make(SCRATCH_BYTES);
    if (child_plays(TEXT("waker"))) peal_exit(play_waker());
    if (child_plays(TEXT("leaver"))) peal_exit(play_leaver());
    if (child_plays(TEXT("handles"))) peal_exit(play_handles());
    if (child_plays(TEXT("threads"))) peal_exit(play_threads());
    if (child_plays(TEXT("regions"))) peal_exit(play_regions());
    if (child_plays(TEXT("registrations"))) peal_exit(play_registrations());
    running_thread_result started = peal_thread_create(end_when_told, 0);
    is_over = true;
    if (!is_ok(started.status)) return;
    running_thread thread = TAKE(started.value); /* its stack is kept for those that follow */
    running_thread_drop(&thread);
    guest_test_need_grants();
}
