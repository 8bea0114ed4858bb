/* The native library on the real kernel: ring use, threads, locks, heap and look-up. */
#include "peal/atomic.h"
#include "peal/call.h"
#include "peal/clock.h"
#include "peal/file.h"
#include "peal/heap.h"
#include "peal/memory.h"
#include "peal/mutex.h"
#include "peal/thread.h"
#include "support/guest_test.h"

static bool push_nop(uint64_t user_data)
{
    struct abi_submission *slot = peal_ring_slot();
    if (slot == nullptr) return false;
    peal_prepare_nop(slot, (struct abi_submission){.user_data = user_data});
    peal_ring_push();
    return true;
}

GUEST_TEST(calls_and_submissions_share_a_ring_without_mixing_their_completions)
{
    uint64_t next = 1, expected = 1;
    struct abi_completion done;
    for (uint32_t round = 0; round < 50; round++) {
        for (uint32_t i = 0; i < 3; i++)
            EXPECT(push_nop(next++));
        EXPECT(is_ok(peal_nop().status)); /* takes the other three along */
        EXPECT(is_ok(peal_nop().status));
        for (uint32_t i = 0; i < 2; i++) { /* one stays, so that calls find it in front of theirs */
            EXPECT(peal_reap(&done));
            EXPECT_EQUAL(expected++, done.user_data);
        }
        if (round % 16 != 15) continue;
        while (peal_reap(&done))
            EXPECT_EQUAL(expected++, done.user_data);
        EXPECT_EQUAL(next, expected);
    }
    while (peal_reap(&done))
        EXPECT_EQUAL(expected++, done.user_data);
    EXPECT_EQUAL(next, expected);
}

GUEST_TEST(a_call_that_finds_the_ring_full_is_taken_back)
{
    struct abi_completion done;
    uint32_t pushed = 0, reaped = 0;
    for (;;) {
        if (push_nop(pushed + 1)) {
            pushed++;
            continue;
        }
        if (peal_submit(0, 0).status.code == STATUS_QUEUE_FULL) break;
    }
    for (uint32_t i = 0; i < 3; i++)
        EXPECT_STATUS(QUEUE_FULL, peal_nop().status);
    while (reaped < pushed) {
        if (peal_reap(&done))
            EXPECT_EQUAL(++reaped, done.user_data);
        else
            EXPECT(peal_submit(1, ABI_DEADLINE_NEVER).value > 0);
        if (guest_test_has_failed()) return;
    }
    EXPECT(is_ok(peal_nop().status));
    EXPECT(!peal_reap(&done));
}

GUEST_TEST(a_call_waits_for_its_own_completion_and_not_for_a_sleeper)
{
    struct abi_submission *slot = peal_ring_slot();
    uint64_t start_ns = peal_clock_now_ns();
    REQUIRE(slot != nullptr);
    peal_prepare_sleep(slot,
                       (struct abi_submission){.user_data = 5, .args = {peal_deadline_in_ms(50)}});
    peal_ring_push();
    EXPECT(is_ok(peal_nop().status));
    struct abi_completion done;
    EXPECT(!peal_reap(&done) || peal_clock_now_ns() - start_ns >= 50'000'000);
    EXPECT(is_ok(peal_submit(1, ABI_DEADLINE_NEVER).status));
    EXPECT(peal_reap(&done));
    EXPECT_EQUAL(5, done.user_data);
    EXPECT(peal_clock_now_ns() - start_ns >= 50'000'000);
}

static int add_one(uint64_t argument)
{
    return (int)argument + 1;
}

GUEST_TEST(threads_end_with_their_codes_and_their_stacks_are_used_again)
{
    int first_stack = 0;
    for (uint32_t i = 0; i < 200; i++) {
        running_thread_result started = peal_thread_create(add_one, i);
        REQUIRE(is_ok(started.status));
        running_thread thread = TAKE(started.value);
        if (i == 0) first_stack = (int)(thread.stack >> 12);
        EXPECT_EQUAL(first_stack, (int)(thread.stack >> 12));
        size_result code = peal_thread_join(&thread);
        EXPECT(is_ok(code.status));
        EXPECT_EQUAL(i + 1, code.value);
    }
}

#define COUNTERS 4u
#define ROUNDS   2000u

static struct mutex counter_mutex;
static uint64_t counter;

static int count_up(uint64_t)
{
    for (uint32_t i = 0; i < ROUNDS; i++) {
        mutex_lock(&counter_mutex);
        uint64_t seen = counter;
        if (i % 64 == 0) peal_yield(); /* invites another thread in */
        counter = seen + 1;
        mutex_unlock(&counter_mutex);
    }
    return 0;
}

GUEST_TEST(a_mutex_lets_one_thread_in_at_a_time)
{
    running_thread threads[COUNTERS] = {0};
    for (uint32_t i = 0; i < COUNTERS; i++) {
        running_thread_result started = peal_thread_create(count_up, 0);
        EXPECT(is_ok(started.status));
        threads[i] = TAKE(started.value);
    }
    for (uint32_t i = 0; i < COUNTERS; i++)
        running_thread_drop(&threads[i]);
    EXPECT_EQUAL(COUNTERS * ROUNDS, counter);
}

static struct mutex queue_mutex;
static struct condition queue_changed;
static uint32_t queue_length, queue_taken;

static int consume(uint64_t items)
{
    for (uint64_t i = 0; i < items; i++) {
        mutex_lock(&queue_mutex);
        while (queue_length == 0)
            ignore_status(condition_wait(&queue_changed, &queue_mutex)); /* looks again */
        queue_length--;
        queue_taken++;
        mutex_unlock(&queue_mutex);
    }
    return 0;
}

GUEST_TEST(a_condition_wakes_those_who_wait_for_it)
{
    running_thread_result started = peal_thread_create(consume, 500);
    REQUIRE(is_ok(started.status));
    running_thread consumer = TAKE(started.value);
    for (uint32_t i = 0; i < 500; i++) {
        mutex_lock(&queue_mutex);
        queue_length++;
        mutex_unlock(&queue_mutex);
        condition_signal(&queue_changed);
    }
    EXPECT(is_ok(peal_thread_join(&consumer).status));
    EXPECT_EQUAL(500, queue_taken);
}

static int use_heap(uint64_t seed)
{
    uint8_t *blocks[32] = {0};
    uint32_t lengths[32] = {0};
    int wrong = 0;
    for (uint32_t i = 0; i < 3000; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint32_t which = (uint32_t)(seed >> 40) % 32;
        for (uint32_t at = 0; blocks[which] != nullptr && at < lengths[which]; at += 61)
            wrong += blocks[which][at] != (uint8_t)which;
        peal_release(blocks[which]);
        lengths[which] = (uint32_t)(seed >> 20) % 3000 + 1;
        blocks[which] = peal_allocate(lengths[which]);
        if (blocks[which] == nullptr) return -1;
        for (uint32_t at = 0; at < lengths[which]; at += 61)
            blocks[which][at] = (uint8_t)which;
    }
    for (uint32_t i = 0; i < 32; i++)
        peal_release(blocks[i]);
    return wrong;
}

GUEST_TEST(threads_share_the_heap)
{
    running_thread threads[COUNTERS] = {0};
    for (uint32_t i = 0; i < COUNTERS; i++) {
        running_thread_result started = peal_thread_create(use_heap, i + 1);
        EXPECT(is_ok(started.status));
        threads[i] = TAKE(started.value);
    }
    for (uint32_t i = 0; i < COUNTERS; i++) {
        size_result wrong = peal_thread_join(&threads[i]);
        EXPECT(is_ok(wrong.status));
        EXPECT_EQUAL(0, wrong.value);
    }
}

GUEST_TEST(a_large_block_is_a_buffer_of_its_own_and_goes_back)
{
    for (uint32_t i = 0; i < 20; i++) {
        uint8_t *block = peal_allocate(3u << 20);
        REQUIRE(block != nullptr);
        block[0] = 1;
        block[(3u << 20) - 1] = 2;
        struct location where;
        EXPECT(is_ok(peal_locate_whole(block, 3u << 20, ABI_ACCESS_WRITE, &where)));
        peal_release(block);
        EXPECT_STATUS(BUFFER_NOT_REGISTERED, peal_locate(block, 1, ABI_ACCESS_READ, &where));
    }
}

GUEST_TEST(memory_is_located_by_what_it_is_registered_for)
{
    static const char constant[] = "constant";
    static char data[8];
    char local[8];
    struct location where;
    EXPECT(is_ok(peal_locate_whole(constant, sizeof(constant), ABI_ACCESS_READ, &where)));
    EXPECT_STATUS(BUFFER_NOT_REGISTERED,
                  peal_locate(constant, sizeof(constant), ABI_ACCESS_WRITE, &where));
    EXPECT(is_ok(peal_locate_whole(data, sizeof(data), ABI_ACCESS_WRITE, &where)));
    EXPECT(is_ok(peal_locate_whole(local, sizeof(local), ABI_ACCESS_WRITE, &where)));
    EXPECT_STATUS(BUFFER_NOT_REGISTERED,
                  peal_locate((const void *)0x1000, 1, ABI_ACCESS_READ, &where));
    EXPECT(is_ok(peal_locate(nullptr, 0, ABI_ACCESS_READ, &where)));
    pointer_result page = peal_memory_map(ABI_PAGE_BYTES);
    REQUIRE(is_ok(page.status));
    EXPECT_STATUS(OUT_OF_RANGE,
                  peal_locate_whole((uint8_t *)page.value + 4090, 8, ABI_ACCESS_READ, &where));
    EXPECT(is_ok(peal_locate((uint8_t *)page.value + 4090, 8, ABI_ACCESS_READ, &where)));
    EXPECT_EQUAL(6, where.length_bytes);
    EXPECT(is_ok(peal_memory_unmap(page.value)));
    EXPECT_STATUS(NOT_FOUND, peal_memory_unmap(page.value));
}

GUEST_TEST(a_refusal_names_the_right_even_after_the_handle_was_dropped)
{
    directory_result opened =
        peal_path_open_directory(TEXT("/boot"), ABI_RIGHT_STAT | ABI_RIGHT_CLOSE);
    REQUIRE(is_ok(opened.status));
    {
        OWNED(directory_handle) folder = TAKE(opened.value);
        file_result file = peal_file_open(directory_borrow(&folder), TEXT("bin"), RIGHTS_READ);
        EXPECT_STATUS(INSUFFICIENT_RIGHTS, file.status);
        peal_raw_close(directory_borrow(&folder).raw ^ (1ull << 40)); /* refused, too */
    }
    EXPECT_EQUAL(11, ABI_DETAIL_RIGHT(peal_refusal_detail())); /* look_up */
}

GUEST_TEST(the_clock_never_goes_back_and_a_sleep_is_long_enough)
{
    uint64_t last_ns = peal_clock_now_ns();
    for (uint32_t i = 0; i < 1000; i++) {
        uint64_t now_ns = peal_clock_now_ns();
        EXPECT(now_ns >= last_ns);
        last_ns = now_ns;
    }
    uint64_t deadline_ns = peal_deadline_in_ms(20);
    EXPECT(is_ok(peal_sleep_until(deadline_ns)));
    EXPECT(peal_clock_now_ns() >= deadline_ns);
    EXPECT(peal_clock_real_ns() > 1'577'836'800'000'000'000ull); /* after 2020 */
}

/* The stacks and the heap stay with the process: they are made before handles are counted. */
GUEST_TEST_SETUP
{
    peal_release(peal_allocate(1));
    running_thread_result started = peal_thread_create(add_one, 0);
    if (!is_ok(started.status)) return;
    running_thread thread = TAKE(started.value);
    running_thread_drop(&thread);
}
