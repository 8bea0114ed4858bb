/*
 * Revocation as a barrier over memory: when REVOKE has completed nothing reads or writes through
 * what was taken back, on any processor, and what it kept is free.
 *
 * The owner keeps a handle, a mapping and a registration of its own, through which it looks; what
 * is taken back are those of a second handle, here or in a child. Environment BARRIER_ROUNDS says
 * how often the orders of closing, unregistering, unmapping and revoking are gone through.
 */
#include "peal/bytes.h"
#include "peal/clock.h"
#include "peal/file.h"
#include "peal/memory.h"
#include "peal/ring.h"
#include "peal/system.h"
#include "peal/thread.h"
#include "support/child.h"
#include "support/guest_test.h"
#include "support/raw.h"

#define PROGRAM        TEXT("boot/test/barrier")
#define PAGE           ABI_PAGE_BYTES
#define READ           ABI_ACCESS_READ
#define WRITE          ABI_ACCESS_WRITE
#define SHARED_BYTES   (16 * PAGE)
#define HANG_MS        20'000u
#define ROUNDS_DEFAULT 1'000u
#define RIGHTS_LENT \
    (ABI_RIGHT_READ | ABI_RIGHT_WRITE | ABI_RIGHT_MAP | ABI_RIGHT_CLOSE | ABI_RIGHT_STAT)

static struct raw_scratch scratch;
static file_handle disk_file; /* mostly not in memory; nil without a disk */
static uint64_t disk_file_bytes, disk_offset;

/* ---- asking ---- */

static struct abi_submission map_all(uint64_t handle, uint64_t address, uint64_t bytes)
{
    return (struct abi_submission){.op = ABI_OP_BUFFER_MAP,
                                   .capability = handle,
                                   .op_flags = READ | WRITE,
                                   .args = {address, bytes}};
}

static uint32_t unmap(uint64_t address, uint64_t bytes)
{
    return raw_status(
        raw_call((struct abi_submission){.op = ABI_OP_BUFFER_UNMAP, .args = {address, bytes}}));
}

static struct abi_submission revoke(uint64_t handle)
{
    return (struct abi_submission){.op = ABI_OP_REVOKE, .capability = handle};
}

/* Random bytes: the cheapest operation that writes to a span. */
static struct abi_submission fill(uint32_t index, uint32_t length)
{
    return (struct abi_submission){
        .op = ABI_OP_RANDOM, .buffer_index = index, .length_bytes = length};
}

static struct abi_stat_process own_process(void)
{
    struct abi_stat stat = {0};
    process_result opened = peal_process_open(peal_granted_system(TEXT("system")),
                                              peal_startup()->process_id, ABI_RIGHTS_ALL);
    if (is_ok(opened.status)) EXPECT_STATUS(OK, process_stat(process_borrow(&opened.value), &stat));
    process_handle_drop(&opened.value);
    return stat.process;
}

/* The same byte in all of it, and whether it is that still. */
static void paint(uint8_t *bytes, uint64_t length, uint8_t colour)
{
    memset(bytes, colour, length);
}

static bool is_painted(const uint8_t *bytes, uint64_t length, uint8_t colour)
{
    for (uint64_t i = 0; i < length; i++)
        if (bytes[i] != colour) return false;
    return true;
}

/* ---- in one process ---- */

GUEST_TEST(a_revoked_handle_is_good_for_nothing_but_closing)
{
    uint64_t lent = raw_dup(scratch.handle, ABI_RIGHTS_ALL);
    struct abi_completion mapped = raw_call(map_all(lent, 0, SHARED_BYTES));
    REQUIRE(raw_is_ok(mapped));
    uint32_t index = raw_register(lent, READ | WRITE);
    *(volatile uint8_t *)mapped.value = 1;
    struct abi_completion done = raw_call(revoke(scratch.handle));
    EXPECT(raw_is_ok(done) && done.value == 1);

    EXPECT_EQUAL(ABI_STATUS_CAPABILITY_REVOKED, raw_status(raw_call(map_all(lent, 0, PAGE))));
    EXPECT_EQUAL(ABI_STATUS_CAPABILITY_REVOKED, raw_status(raw_call(fill(index, 8))));
    EXPECT_EQUAL(ABI_STATUS_NOT_FOUND, unmap(mapped.value, PAGE));
    EXPECT_EQUAL(ABI_STATUS_OK, raw_status(raw_call(fill(scratch.index, 8)))); /* its own */
    scratch.bytes[0] = 1;
    EXPECT_STATUS(OK, peal_buffer_unregister(index));
    EXPECT(raw_close(lent));
}

GUEST_TEST(memory_is_free_however_many_stale_handles_and_registrations_are_left)
{
    const uint64_t bytes = 64 * PAGE;
    uint64_t before = own_process().memory_bytes;
    buffer_result made = peal_buffer_create(bytes, 0);
    REQUIRE(is_ok(made.status));
    uint64_t lent = raw_dup(made.value.raw, ABI_RIGHTS_ALL);
    struct abi_completion mapped = raw_call(map_all(lent, 0, bytes));
    REQUIRE(raw_is_ok(mapped));
    paint((uint8_t *)mapped.value, bytes, 1);
    uint32_t index = raw_register(lent, READ | WRITE);
    uint32_t own = raw_register(made.value.raw, READ);
    EXPECT(own_process().memory_bytes >= before + bytes);
    EXPECT(raw_is_ok(raw_call(revoke(made.value.raw))));
    buffer_handle_drop(&made.value);
    EXPECT(own_process().memory_bytes >= before + bytes); /* there is a registration of its own */
    EXPECT_STATUS(OK, peal_buffer_unregister(own));
    EXPECT(own_process().memory_bytes < before + bytes / 2);
    EXPECT_EQUAL(ABI_STATUS_CAPABILITY_REVOKED, raw_status(raw_call(fill(index, 8))));
    EXPECT_STATUS(OK, peal_buffer_unregister(index));
    EXPECT(raw_close(lent));
}

GUEST_TEST(a_revocation_goes_down_through_all_that_was_derived)
{
    uint64_t chain[8], addresses[8];
    uint64_t from = scratch.handle;
    for (uint32_t i = 0; i < 8; i++) {
        chain[i] = from = raw_dup(from, ABI_RIGHTS_ALL);
        struct abi_completion mapped = raw_call(map_all(from, 0, SHARED_BYTES));
        addresses[i] = mapped.value;
        REQUIRE(raw_is_ok(mapped));
        *(volatile uint8_t *)mapped.value = (uint8_t)i;
    }
    struct abi_completion done = raw_call(revoke(chain[2]));
    EXPECT(raw_is_ok(done) && done.value == 5);
    for (uint32_t i = 0; i < 8; i++) {
        EXPECT_EQUAL(i <= 2 ? ABI_STATUS_OK : ABI_STATUS_NOT_FOUND,
                     unmap(addresses[i], SHARED_BYTES));
        EXPECT(raw_close(chain[i]));
    }
}

/* ---- operations in flight, in all orders ---- */

enum step : uint8_t { STEP_CLOSE, STEP_UNREGISTER, STEP_UNMAP, STEP_REVOKE, STEP_COUNT };

/* What is lent in one round. */
struct loan {
    uint64_t handle;
    uint64_t address;
    uint32_t index;
};

static struct abi_submission submission_of(enum step step, const struct loan *loan)
{
    switch (step) {
    case STEP_CLOSE:
        return (struct abi_submission){.op = ABI_OP_CLOSE, .capability = loan->handle};
    case STEP_UNREGISTER:
        return (struct abi_submission){.op = ABI_OP_BUFFER_UNREGISTER, .args = {loan->index}};
    case STEP_UNMAP:
        return (struct abi_submission){.op = ABI_OP_BUFFER_UNMAP,
                                       .args = {loan->address, SHARED_BYTES}};
    case STEP_REVOKE:
    case STEP_COUNT:
        break;
    }
    return revoke(scratch.handle);
}

/* The `number`th order of the steps. */
static void order_steps(uint32_t number, enum step *out_steps)
{
    enum step left[STEP_COUNT] = {STEP_CLOSE, STEP_UNREGISTER, STEP_UNMAP, STEP_REVOKE};
    for (uint32_t count = STEP_COUNT; count > 0; count--) {
        uint32_t chosen = number % count;
        number /= count;
        out_steps[STEP_COUNT - count] = left[chosen];
        for (uint32_t i = chosen; i + 1 < count; i++)
            left[i] = left[i + 1];
    }
}

/* A page that is not in memory, as long as there are any, so that the disk writes to memory. */
static struct abi_submission read_disk(uint32_t index)
{
    disk_offset = disk_offset + PAGE < disk_file_bytes ? disk_offset + PAGE : 0;
    return (struct abi_submission){.op = ABI_OP_READ,
                                   .capability = disk_file.raw,
                                   .offset_bytes = disk_offset,
                                   .buffer_index = index,
                                   .buffer_offset_bytes = 3 * PAGE + 8,
                                   .length_bytes = PAGE};
}

static bool is_expected(enum step step, struct abi_completion done)
{
    uint32_t status = raw_status(done);
    return status == ABI_STATUS_OK || (step == STEP_UNMAP && status == ABI_STATUS_NOT_FOUND);
}

/* Checks a round's completions. That of the transfer may be there a moment after that of the
 * revocation; what it writes may not. */
static void check_round(const enum step *steps, const struct abi_completion *done, bool has_read)
{
    for (uint32_t i = 0; i < STEP_COUNT + has_read; i++) {
        uint32_t status = raw_status(done[i]);
        if (done[i].user_data == STEP_COUNT) {
            EXPECT(status == ABI_STATUS_OK || status == ABI_STATUS_CAPABILITY_REVOKED ||
                   status == ABI_STATUS_INTERRUPTED);
            continue;
        }
        enum step step = steps[done[i].user_data];
        EXPECT_MESSAGE(is_expected(step, done[i]), "step %u: status %u", step, status);
    }
}

static bool lend(struct loan *loan)
{
    loan->handle = raw_dup(scratch.handle, ABI_RIGHTS_ALL);
    struct abi_completion mapped = raw_call(map_all(loan->handle, 0, SHARED_BYTES));
    loan->address = mapped.value;
    loan->index = raw_register(loan->handle, READ | WRITE);
    return raw_is_ok(mapped);
}

static void play_round(uint32_t number)
{
    struct loan loan;
    enum step steps[STEP_COUNT];
    struct abi_submission batch[STEP_COUNT + 1];
    struct abi_completion done[STEP_COUNT + 1];
    bool has_read = !file_is_nil(file_borrow(&disk_file));
    REQUIRE(lend(&loan));
    *(volatile uint8_t *)(loan.address + PAGE) = 1;
    order_steps(number, steps);
    uint32_t count = 0;
    if (has_read) {
        batch[count] = read_disk(loan.index);
        batch[count++].user_data = STEP_COUNT;
    }
    for (uint32_t i = 0; i < STEP_COUNT; i++) {
        batch[count] = submission_of(steps[i], &loan);
        batch[count++].user_data = i;
    }
    EXPECT_EQUAL(count, raw_publish(batch, count));
    EXPECT_EQUAL(ABI_STATUS_OK, ABI_ENTER_STATUS(raw_enter(count, peal_deadline_in_ms(HANG_MS))));
    REQUIRE(raw_reap(done, count) == count);
    paint(scratch.bytes, SHARED_BYTES, 0xa5);
    check_round(steps, done, has_read);
    if (number % 16 == 0) peal_yield();
    EXPECT(is_painted(scratch.bytes, SHARED_BYTES, 0xa5));
}

GUEST_TEST(a_buffer_is_closed_unregistered_unmapped_and_revoked_in_all_orders_during_its_transfer)
{
    uint32_t rounds = (uint32_t)peal_environment_number(TEXT("BARRIER_ROUNDS"), ROUNDS_DEFAULT);
    play_round(0); /* tables grow */
    struct abi_stat_process before = own_process();
    for (uint32_t i = 0; i < rounds && !guest_test_has_failed(); i++)
        play_round(i);
    struct abi_stat_process after = own_process();
    EXPECT_EQUAL(before.memory_bytes, after.memory_bytes);
    EXPECT_EQUAL(before.handle_count, after.handle_count);
}

GUEST_TEST(a_wait_on_memory_that_is_taken_back_ends)
{
    uint64_t lent = raw_dup(scratch.handle, ABI_RIGHTS_ALL);
    uint32_t index = raw_register(lent, READ);
    scratch.bytes[0] = scratch.bytes[1] = scratch.bytes[2] = scratch.bytes[3] = 0;
    struct abi_submission batch[3];
    struct abi_completion done[3];
    for (uint32_t i = 0; i < 2; i++)
        batch[i] = (struct abi_submission){.op = ABI_OP_ADDRESS_WAIT,
                                           .buffer_index = i == 0 ? index : scratch.index,
                                           .length_bytes = 4,
                                           .user_data = i,
                                           .args = {0, ABI_DEADLINE_NEVER}};
    batch[2] = revoke(scratch.handle);
    batch[2].user_data = 2;
    EXPECT_EQUAL(3, raw_publish(batch, 3));
    EXPECT_EQUAL(ABI_STATUS_OK, ABI_ENTER_STATUS(raw_enter(2, peal_deadline_in_ms(HANG_MS))));
    EXPECT_EQUAL(2, raw_reap(done, 3));
    for (uint32_t i = 0; i < 2; i++) {
        EXPECT(done[i].user_data == 0 || done[i].user_data == 2);
        EXPECT_EQUAL(done[i].user_data == 0 ? ABI_STATUS_CAPABILITY_REVOKED : ABI_STATUS_OK,
                     raw_status(done[i]));
    }
    /* The other one, through a handle that stays, waits on. */
    struct abi_submission wake = {.op = ABI_OP_ADDRESS_WAKE,
                                  .buffer_index = scratch.index,
                                  .length_bytes = 4,
                                  .user_data = 3,
                                  .args = {UINT64_MAX}};
    EXPECT_EQUAL(1, raw_publish(&wake, 1));
    raw_enter(2, peal_deadline_in_ms(HANG_MS));
    EXPECT_EQUAL(2, raw_reap(done, 3));
    EXPECT(raw_is_ok(done[0]) && raw_is_ok(done[1]));
    EXPECT_STATUS(OK, peal_buffer_unregister(index));
    EXPECT(raw_close(lent));
}

/* ---- in another process, on other processors ---- */

static uint8_t *lent_bytes;

/* Writes its page for as long as that is there. */
static int write_for_ever(uint64_t page)
{
    volatile uint64_t *words = (volatile uint64_t *)(void *)(lent_bytes + page * PAGE);
    for (;;)
        for (uint32_t i = 0; i < PAGE / sizeof(uint64_t); i++)
            words[i]++;
}

static uint64_t map_granted(uint64_t *out_handle)
{
    *out_handle = peal_granted_raw(TEXT("shared"));
    struct abi_completion mapped = raw_call(map_all(*out_handle, 0, SHARED_BYTES));
    return raw_is_ok(mapped) ? mapped.value : 0;
}

static int play_writer(void)
{
    uint64_t handle;
    lent_bytes = (uint8_t *)map_granted(&handle);
    CHILD_CHECK(lent_bytes != nullptr);
    CHILD_CHECK(is_ok(peal_thread_create(write_for_ever, 1).status));
    CHILD_CHECK(is_ok(peal_thread_create(write_for_ever, 2).status));
    return write_for_ever(0);
}

/* Touches what it was lent while it has it, and lives on without. */
static int play_survivor(void)
{
    uint64_t handle;
    struct abi_stat stat;
    uint64_t address = map_granted(&handle);
    CHILD_CHECK(address != 0);
    uint32_t index = raw_register(handle, READ | WRITE);
    volatile uint8_t *bytes = (volatile uint8_t *)address;
    for (uint32_t page = SHARED_BYTES / PAGE; page-- > 0;)
        bytes[page * PAGE] = 1; /* the first page last: then the owner may take it back */
    while (is_ok(peal_raw_stat(handle, &stat)))
        peal_yield();
    CHILD_CHECK(peal_raw_stat(handle, &stat).code == STATUS_CAPABILITY_REVOKED);
    CHILD_CHECK(raw_status(raw_call(fill(index, 8))) == ABI_STATUS_CAPABILITY_REVOKED);
    /* Soon the place is free for something else. */
    buffer_result fresh = peal_buffer_create(SHARED_BYTES, 0);
    CHILD_CHECK(is_ok(fresh.status));
    while (!raw_is_ok(raw_call(map_all(fresh.value.raw, address, SHARED_BYTES))))
        peal_yield();
    CHILD_CHECK(bytes[0] == 0);
    bytes[0] = 2;
    return 0;
}

static process_result lend_to(text part)
{
    struct peal_grant grants[] = {
        {.name = TEXT("shared"), .raw = scratch.handle, .rights = RIGHTS_LENT}};
    return child_start(PROGRAM, part, &(struct peal_spawn){.grants = grants, .grants_count = 1});
}

/* Waits until all of the child's threads have written. */
static bool has_begun(void)
{
    uint64_t deadline_ns = peal_deadline_in_ms(HANG_MS);
    for (uint32_t page = 0; page < 3; page++)
        while (__atomic_load_n(&scratch.bytes[page * PAGE], __ATOMIC_RELAXED) == 0) {
            if (peal_clock_now_ns() > deadline_ns) return false;
            peal_yield();
        }
    return true;
}

static void play_against_writer(void)
{
    static uint8_t seen[3 * PAGE];
    struct abi_exit how = {0};
    paint(scratch.bytes, SHARED_BYTES, 0);
    process_result started = lend_to(TEXT("writer"));
    REQUIRE(is_ok(started.status));
    OWNED(process_handle) writer = TAKE(started.value);
    EXPECT(has_begun());
    EXPECT(raw_is_ok(raw_call(revoke(scratch.handle))));
    memcpy(seen, scratch.bytes, sizeof(seen));
    ignore_status(peal_sleep_until(peal_deadline_in_ms(2))); /* looks afterwards either way */
    for (uint32_t i = 0; i < sizeof(seen); i++)
        EXPECT(seen[i] == scratch.bytes[i]);
    EXPECT_STATUS(OK,
                  peal_process_wait(process_borrow(&writer), peal_deadline_in_ms(HANG_MS), &how));
    EXPECT_EQUAL(ABI_EXIT_REASON_FAULT, how.reason);
}

GUEST_TEST(not_one_byte_changes_after_a_revocation_and_who_writes_on_ends)
{
    for (uint32_t i = 0; i < 10 && !guest_test_has_failed(); i++)
        play_against_writer();
}

GUEST_TEST(who_expects_a_revocation_lives_on)
{
    for (uint32_t i = 0; i < 5 && !guest_test_has_failed(); i++) {
        struct abi_exit how = {0};
        paint(scratch.bytes, SHARED_BYTES, 0);
        process_result started = lend_to(TEXT("survivor"));
        REQUIRE(is_ok(started.status));
        OWNED(process_handle) survivor = TAKE(started.value);
        EXPECT(has_begun());
        EXPECT(raw_is_ok(raw_call(revoke(scratch.handle))));
        EXPECT_STATUS(
            OK, peal_process_wait(process_borrow(&survivor), peal_deadline_in_ms(HANG_MS), &how));
        EXPECT(how.reason == ABI_EXIT_REASON_CODE);
        EXPECT_EQUAL(0, how.code);
        EXPECT(scratch.bytes[0] == 1);
    }
}

/* Two revocations at once: of a process that ends meanwhile, too. */
static int revoke_often(uint64_t handle)
{
    for (uint32_t i = 0; i < 200; i++)
        if (!raw_is_ok(raw_call(revoke(handle)))) return 1;
    return 0;
}

GUEST_TEST(revocations_beside_each_other_all_come_to_an_end)
{
    running_thread threads[2];
    uint64_t middle = raw_dup(scratch.handle, ABI_RIGHTS_ALL);
    threads[0] = peal_thread_create(revoke_often, middle).value;
    threads[1] = peal_thread_create(revoke_often, middle).value;
    for (uint32_t i = 0; i < 200; i++) {
        uint64_t lent = raw_dup(middle, ABI_RIGHTS_ALL);
        if (lent == 0) continue;
        struct abi_completion mapped = raw_call(map_all(lent, 0, SHARED_BYTES));
        if (raw_is_ok(mapped)) {
            uint32_t status = unmap(mapped.value + PAGE, PAGE);
            EXPECT(status == ABI_STATUS_OK || status == ABI_STATUS_NOT_FOUND);
        }
        EXPECT(raw_close(lent));
    }
    for (uint32_t i = 0; i < 2; i++)
        EXPECT_EQUAL(0, peal_thread_join(&threads[i]).value);
    EXPECT(raw_is_ok(raw_call(revoke(scratch.handle)))); /* what is mapped still goes */
    EXPECT(raw_close(middle));
}

static int end_at_once(uint64_t)
{
    return 0;
}

/* The library keeps the stacks of threads that ended: as many as a test has at once. */
static void fill_stack_pool(void)
{
    running_thread threads[2];
    for (uint32_t i = 0; i < 2; i++)
        threads[i] = peal_thread_create(end_at_once, 0).value;
    for (uint32_t i = 0; i < 2; i++)
        ignore_status(peal_thread_join(&threads[i]).status);
}

static void open_disk_file(void)
{
    struct abi_stat stat;
    file_result opened = peal_file_open(peal_granted_directory(TEXT("root")),
                                        TEXT("esp/peal/archive"), ABI_RIGHTS_ALL);
    if (!is_ok(opened.status)) return;
    disk_file = TAKE(opened.value);
    if (is_ok(file_stat(file_borrow(&disk_file), &stat))) disk_file_bytes = stat.size_bytes;
}

GUEST_TEST_SETUP
{
    if (child_plays(TEXT("writer"))) peal_exit(play_writer());
    if (child_plays(TEXT("survivor"))) peal_exit(play_survivor());
    scratch = raw_scratch_make(SHARED_BYTES);
    open_disk_file();
    fill_stack_pool();
    guest_test_need_grants();
}
