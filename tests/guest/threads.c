/* Threads: starting and joining them, each refusal, and what ends with them. */
#include "peal/atomic.h"
#include "peal/clock.h"
#include "peal/process.h"
#include "peal/thread.h"
#include "support/guest_test.h"
#include "support/raw.h"
#include <abi/ring.h>

static struct raw_scratch scratch;

static int give_back(uint64_t argument)
{
    return (int)argument;
}

GUEST_TEST(a_thread_gets_its_argument_and_gives_its_code)
{
    for (uint64_t i = 0; i < 50; i++) {
        running_thread_result made = peal_thread_create(give_back, 100 + i);
        REQUIRE(is_ok(made.status));
        running_thread thread = made.value;
        size_result joined = peal_thread_join(&thread);
        EXPECT_STATUS(OK, joined.status);
        EXPECT_EQUAL(100 + i, joined.value);
    }
}

static uint32_t create(const struct abi_thread_start *start, uint32_t length)
{
    __builtin_memcpy(scratch.bytes, start, sizeof(*start));
    struct abi_completion done = raw_call((struct abi_submission){
        .op = ABI_OP_THREAD_CREATE, .buffer_index = scratch.index, .length_bytes = length});
    if (raw_is_ok(done)) raw_close(done.value);
    return raw_status(done);
}

GUEST_TEST(a_start_that_makes_no_sense_is_refused)
{
    const uint32_t length = sizeof(struct abi_thread_start);
    struct abi_thread_start good = {
        .entry_address = ABI_USER_ADDRESS_MIN,
        .stack_address = (uint64_t)scratch.bytes + ABI_PAGE_BYTES,
    };
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT, create(&good, length - 1));
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT, create(&good, length + 1));
#define EXPECT_START(name, ...)                                  \
    do {                                                         \
        struct abi_thread_start start = good;                    \
        __VA_ARGS__;                                             \
        EXPECT_EQUAL(ABI_STATUS_##name, create(&start, length)); \
    } while (0)
    EXPECT_START(INVALID_ARGUMENT, start.stack_address += 8);
    EXPECT_START(INVALID_ARGUMENT, start.priority = 8);
    EXPECT_START(OUT_OF_RANGE, start.entry_address = 0);
    EXPECT_START(OUT_OF_RANGE, start.entry_address = ABI_USER_ADDRESS_END);
    EXPECT_START(OUT_OF_RANGE, start.entry_address = 0x8000'0000'0000'0000ull);
    EXPECT_START(OUT_OF_RANGE, start.stack_address = 0);
    EXPECT_START(OUT_OF_RANGE, start.stack_address = 0xffff'8000'0000'0000ull);
    EXPECT_START(OUT_OF_RANGE, start.thread_pointer = 0x8000'0000'0000'0000ull);
    EXPECT_START(OUT_OF_RANGE, start.ring_entries = 5);
    EXPECT_START(OUT_OF_RANGE, start.ring_entries = 2);
    EXPECT_START(OUT_OF_RANGE, start.ring_entries = ABI_RING_ENTRIES_MAX * 2);
}

static _Atomic uint32_t may_end;

static int wait_for_leave(uint64_t argument)
{
    while (!atomic_load_explicit(&may_end, memory_order_acquire))
        ignore_status(peal_sleep_until(peal_deadline_in_ms(1))); /* looks again either way */
    return (int)argument;
}

GUEST_TEST(a_join_ends_at_its_deadline_and_at_the_end)
{
    atomic_store_explicit(&may_end, 0, memory_order_relaxed);
    running_thread_result made = peal_thread_create(wait_for_leave, 9);
    REQUIRE(is_ok(made.status));
    running_thread thread = made.value;
    struct abi_submission join = {
        .op = ABI_OP_THREAD_JOIN, .capability = thread.raw, .args = {peal_deadline_in_ms(3)}};
    EXPECT_EQUAL(ABI_STATUS_TIMED_OUT, raw_status(raw_call(join)));
    atomic_store_explicit(&may_end, 1, memory_order_release);
    join.args[0] = ABI_DEADLINE_NEVER;
    for (int i = 0; i < 2; i++) { /* as often as one likes */
        struct abi_completion done = raw_call(join);
        EXPECT(raw_is_ok(done));
        EXPECT_EQUAL(9, done.value);
    }
    running_thread_drop(&thread);
}

enum { MANY = 24 };

/* So many threads at once; true when all came back with their codes. */
static bool run_many(void)
{
    static running_thread threads[MANY];
    uint32_t made = 0, right = 0;
    atomic_store_explicit(&may_end, 0, memory_order_relaxed);
    for (; made < MANY; made++) {
        running_thread_result started = peal_thread_create(wait_for_leave, made);
        if (!is_ok(started.status)) break;
        threads[made] = started.value;
    }
    atomic_store_explicit(&may_end, 1, memory_order_release);
    for (uint32_t i = 0; i < made; i++) {
        size_result joined = peal_thread_join(&threads[i]);
        right += is_ok(joined.status) && joined.value == i;
    }
    return right == MANY;
}

/* The library keeps stacks: what it will keep is made before anything is counted. */
GUEST_TEST_SETUP
{
    scratch = raw_scratch_make(ABI_PAGE_BYTES);
    run_many();
}

GUEST_TEST(many_threads_at_once_all_come_back)
{
    EXPECT(run_many());
}
