#include "sched/mutex.h"
#include "support/test.h"
#include <sched.h>

static mutex shared;
static uint64_t count;
static _Atomic uint32_t finished;
static _Atomic uint32_t order_count;
static uint32_t order[3];

static void count_up(void *unused)
{
    (void)unused;
    for (uint32_t i = 0; i < 3000; i++) {
        mutex_acquire(&shared);
        uint64_t seen = count;
        if (i % 50 == 0) sched_yield(); /* a mutex is held across sleeps */
        count = seen + 1;
        mutex_release(&shared);
    }
    atomic_fetch_add(&finished, 1);
    thread_exit();
}

static void take_turn(void *which)
{
    mutex_acquire(&shared);
    order[atomic_fetch_add(&order_count, 1)] = (uint32_t)(uintptr_t)which;
    mutex_release(&shared);
    atomic_fetch_add(&finished, 1);
    thread_exit();
}

static void start(void (*entry)(void *), void *argument)
{
    struct thread_options options = {.entry = entry, .argument = argument, .name = "holder"};
    thread_result made = thread_create(&options);
    CHECK_STATUS(OK, made.status);
    thread_start(made.value);
    thread_put(made.value);
}

static void wait_until_finished(uint32_t wanted)
{
    while (atomic_load(&finished) != wanted)
        sched_yield();
}

static uint32_t waiters(void)
{
    uint32_t waiting = 0;
    spin_acquire(&shared.lock);
    for (struct list *l = shared.waiters.waiters.next; l != &shared.waiters.waiters; l = l->next)
        waiting++;
    spin_release(&shared.lock);
    return waiting;
}

TEST(one_thread_at_a_time_is_inside)
{
    mutex_init(&shared, LOCK_RANK_VOLUME);
    count = 0;
    atomic_store(&finished, 0);
    for (uint32_t i = 0; i < 3; i++)
        start(count_up, nullptr);
    wait_until_finished(3);
    CHECK_EQUAL(9000, count);
}

TEST(waiters_are_served_in_the_order_they_came)
{
    mutex_init(&shared, LOCK_RANK_VOLUME);
    atomic_store(&finished, 0);
    atomic_store(&order_count, 0);
    mutex_acquire(&shared);
    CHECK(mutex_is_held_by_me(&shared));
    for (uint32_t i = 0; i < 3; i++) {
        start(take_turn, (void *)(uintptr_t)i);
        while (waiters() != i + 1)
            sched_yield();
    }
    mutex_release(&shared);
    CHECK(!mutex_is_held_by_me(&shared));
    wait_until_finished(3);
    for (uint32_t i = 0; i < 3; i++)
        CHECK_EQUAL(i, order[i]);
}

static bool try_to_take(mutex *mutex) NO_LOCK_CHECK
{
    return mutex_try_acquire(mutex);
}

static void acquire(mutex *mutex) NO_LOCK_CHECK
{
    mutex_acquire(mutex);
}

static void release(mutex *mutex) NO_LOCK_CHECK
{
    mutex_release(mutex);
}

TEST(a_try_does_not_wait)
{
    mutex own;
    mutex_init(&own, LOCK_RANK_VNODE);
    CHECK(try_to_take(&own));
    CHECK(!try_to_take(&own));
    release(&own);
    CHECK(try_to_take(&own));
    release(&own);
}

TEST(misuse_stops_a_debug_kernel)
{
    mutex low, high;
    mutex_init(&low, LOCK_RANK_VNODE);
    mutex_init(&high, LOCK_RANK_VOLUME);
    CHECK_STOPS("rank 20 taken while rank 25 is held", {
        acquire(&high);
        acquire(&low);
    });
    CHECK_STOPS("assertion failed", release(&low));
    CHECK_STOPS("while rank 20 is held", {
        acquire(&low);
        acquire(&low);
    });
}
