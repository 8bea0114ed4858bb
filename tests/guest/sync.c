/*
 * Flows that wait for each other: tasks of one thread, tasks of several, and threads.
 */
#include "peal/sync.h"
#include "peal/clock.h"
#include "peal/group.h"
#include "peal/park.h"
#include "peal/task_channel.h"
#include "peal/thread.h"
#include "support/guest_test.h"
#include "support/raw.h"

enum { FLOWS = 4, TASKS = 20 };

static status run_group(task_function *function, void *argument, uint32_t count)
{
    OWNED(task_group) group = {0};
    group_begin(&group);
    for (uint32_t i = 0; i < count; i++)
        TRY(group_spawn(&group, function, argument));
    return group_wait(&group);
}

/* On a thread of its own: so many tasks that do this. */
static int thread_of_tasks(uint64_t function)
{
    return (int)run_group((task_function *)function, nullptr, TASKS).code;
}

/* FLOWS threads with TASKS tasks each; whether all ended well. */
static bool run_everywhere(task_function *function)
{
    running_thread threads[FLOWS];
    uint32_t made = 0, well = 0;
    for (; made < FLOWS; made++) {
        running_thread_result started = peal_thread_create(thread_of_tasks, (uint64_t)function);
        if (!is_ok(started.status)) break;
        threads[made] = TAKE(started.value);
    }
    for (uint32_t i = 0; i < made; i++) {
        size_result code = peal_thread_join(&threads[i]);
        well += is_ok(code.status) && code.value == 0;
    }
    return well == FLOWS;
}

TASK_CHANNEL(local_channel, uint32_t);

/* ---- no kernel entry ---- */

GUEST_TEST(what_nobody_waits_for_does_not_enter_the_kernel)
{
    static struct mutex mutex;
    static struct condition condition;
    static struct semaphore semaphore;
    static uint32_t items[4];
    local_channel channel = {TASK_CHANNEL_OVER(items)};
    uint64_t entered = raw_ring()->entered_total;
    for (uint32_t i = 0; i < 1000; i++) {
        uint32_t number;
        mutex_lock(&mutex);
        condition_signal(&condition);
        mutex_unlock(&mutex);
        semaphore_give(&semaphore, 1);
        EXPECT_STATUS(OK, semaphore_take(&semaphore));
        EXPECT_STATUS(OK, local_channel_send(&channel, i));
        EXPECT_STATUS(OK, local_channel_receive(&channel, &number));
        EXPECT_EQUAL(i, number);
    }
    EXPECT_EQUAL(entered, raw_ring()->entered_total);
}

static uint32_t local_items[4];
static local_channel local = {TASK_CHANNEL_OVER(local_items)};

static status send_many(void *argument)
{
    for (uint32_t i = 1; i <= 1000; i++)
        TRY(local_channel_send(&local, i));
    return argument == nullptr ? OK : FAIL(IO_ERROR);
}

static status receive_many(void *argument)
{
    uint64_t *sum = argument;
    for (uint32_t i = 1; i <= 1000; i++) {
        uint32_t item = 0;
        TRY(local_channel_receive(&local, &item));
        if (item != i) return FAIL(IO_ERROR); /* in order */
        *sum += item;
    }
    return OK;
}

GUEST_TEST(tasks_of_one_thread_pass_items_without_the_kernel)
{
    uint64_t sum = 0;
    OWNED(task_group) group = {0};
    group_begin(&group);
    EXPECT_STATUS(OK, group_spawn(&group, receive_many, &sum));
    EXPECT_STATUS(OK, group_spawn(&group, send_many, nullptr));
    uint64_t entered = raw_ring()->entered_total;
    EXPECT_STATUS(OK, group_wait(&group));
    EXPECT_EQUAL(1000 * 1001 / 2, sum);
    EXPECT_EQUAL(entered, raw_ring()->entered_total);
}

/* ---- between threads ---- */

static struct mutex shared_mutex;
static uint64_t shared_count;

static status count_up(void *)
{
    for (uint32_t i = 0; i < 50; i++) {
        mutex_lock(&shared_mutex);
        uint64_t seen = shared_count;
        if (i % 5 == 0) ignore_status(peal_sleep_until(0)); /* held across a call */
        shared_count = seen + 1;
        mutex_unlock(&shared_mutex);
        if (i % 7 == 0) task_yield();
    }
    return OK;
}

GUEST_TEST(a_mutex_lets_one_flow_in_whatever_thread_it_is_of)
{
    shared_count = 0;
    EXPECT(run_everywhere(count_up));
    EXPECT_EQUAL(FLOWS * TASKS * 50, shared_count);
}

static uint32_t cross_items[8];
TASK_CHANNEL(cross_channel, uint32_t);
static cross_channel cross = {TASK_CHANNEL_OVER(cross_items)};
static _Atomic uint64_t cross_sum, cross_received;

static status cross_receive(void *)
{
    for (;;) {
        uint32_t item;
        status received = cross_channel_receive(&cross, &item);
        if (received.code == STATUS_BROKEN_PIPE) return OK;
        TRY(received);
        cross_sum += item;
        cross_received++;
    }
}

static status cross_send(void *)
{
    for (uint32_t i = 1; i <= 100; i++)
        TRY(cross_channel_send(&cross, i));
    return OK;
}

GUEST_TEST(items_pass_between_tasks_of_several_threads)
{
    running_thread receivers[2];
    for (uint32_t i = 0; i < 2; i++) {
        running_thread_result started =
            peal_thread_create(thread_of_tasks, (uint64_t)cross_receive);
        REQUIRE(is_ok(started.status));
        receivers[i] = TAKE(started.value);
    }
    EXPECT(run_everywhere(cross_send));
    EXPECT_STATUS(OK, run_group(cross_send, nullptr, 3)); /* and from here */
    cross_channel_close(&cross);
    for (uint32_t i = 0; i < 2; i++)
        EXPECT_EQUAL(0, peal_thread_join(&receivers[i]).value);
    EXPECT_EQUAL((FLOWS * TASKS + 3) * 100, cross_received);
    EXPECT_EQUAL((FLOWS * TASKS + 3) * 5050ull, cross_sum);
    uint32_t item;
    EXPECT_STATUS(BROKEN_PIPE, cross_channel_send(&cross, 1));
    EXPECT_STATUS(BROKEN_PIPE, cross_channel_receive(&cross, &item));
}

static struct semaphore permits;
static _Atomic uint32_t inside, most_inside;

static status hold_permit(void *)
{
    for (uint32_t i = 0; i < 10; i++) {
        TRY(semaphore_take(&permits));
        uint32_t now = ++inside;
        if (now > most_inside) most_inside = now;
        TRY(peal_sleep_until(0));
        inside--;
        semaphore_give(&permits, 1);
    }
    return OK;
}

GUEST_TEST(a_semaphore_lets_in_as_many_as_it_has)
{
    permits.count = 3;
    most_inside = 0;
    EXPECT(run_everywhere(hold_permit));
    EXPECT(most_inside <= 3);
    EXPECT_EQUAL(3, permits.count);
    EXPECT(semaphore_take_try(&permits) && semaphore_take_try(&permits) &&
           semaphore_take_try(&permits));
    EXPECT(!semaphore_take_try(&permits));
}

static struct once once;
static _Atomic uint32_t times_done;

static void do_slowly(void *argument)
{
    ignore_status(peal_sleep_until(peal_deadline_in_ms(5))); /* slow either way */
    ++*(_Atomic uint32_t *)argument;
}

static status do_once(void *)
{
    once_run(&once, do_slowly, &times_done);
    return times_done == 1 ? OK : FAIL(IO_ERROR);
}

GUEST_TEST(what_is_done_once_is_done_before_anybody_goes_on)
{
    EXPECT(run_everywhere(do_once));
    EXPECT_EQUAL(1, times_done);
}

/* ---- stopping, again and again, what others are about to wake ---- */

static struct semaphore contested;

static status take_or_stop(void *)
{
    OWNED(task_scope) limit = {0};
    peal_with_deadline(&limit, peal_clock_now_ns() + 20'000);
    status taken = semaphore_take(&contested);
    if (is_ok(taken)) semaphore_give(&contested, 1);
    return is_ok(taken) || taken.code == STATUS_TIMED_OUT ? OK : taken;
}

static status take_many_times(void *)
{
    for (uint32_t i = 0; i < 40; i++)
        TRY(take_or_stop(nullptr));
    return OK;
}

GUEST_TEST(a_wake_that_meets_a_deadline_is_not_lost)
{
    contested.count = 1;
    EXPECT(run_everywhere(take_many_times));
    EXPECT_EQUAL(1, contested.count);
    EXPECT_STATUS(OK, semaphore_take(&contested));
}

GUEST_TEST(a_word_that_has_changed_is_not_waited_for)
{
    static uint32_t word = 5;
    EXPECT_STATUS(WOULD_BLOCK, peal_park(&word, 4, true));
    EXPECT_EQUAL(0, peal_unpark(&word, UINT32_MAX));
    OWNED(task_scope) limit = {0};
    peal_with_deadline(&limit, peal_deadline_in_ms(2));
    EXPECT_STATUS(TIMED_OUT, peal_park(&word, 5, true));
}

GUEST_TEST_SETUP
{
    run_everywhere(do_once); /* the stacks are kept */
    once = (struct once){0};
    times_done = 0;
    running_thread more[2];
    for (uint32_t i = 0; i < 2; i++)
        more[i] = peal_thread_create(thread_of_tasks, (uint64_t)do_once).value;
    run_everywhere(do_once);
    for (uint32_t i = 0; i < 2; i++)
        running_thread_drop(&more[i]);
    once = (struct once){0};
    times_done = 0;
}
