#include "support/test.h"
#include "sync/spin_lock.h"
#include <pthread.h>
#include <sched.h>

TEST(a_lock_keeps_interrupts_off_until_it_is_released)
{
    spin_lock lock = SPIN_LOCK_INIT(LOCK_RANK_DEVICE);
    CHECK(interrupts_are_enabled());
    spin_acquire(&lock);
    CHECK(!interrupts_are_enabled());
    CHECK(spin_is_held(&lock) && spin_any_held());
    spin_release(&lock);
    CHECK(interrupts_are_enabled());
    CHECK(!spin_is_held(&lock) && !spin_any_held());
}

TEST(interrupts_that_were_off_stay_off)
{
    spin_lock lock = SPIN_LOCK_INIT(LOCK_RANK_DEVICE);
    bool were_on = interrupts_disable();
    spin_acquire(&lock);
    spin_release(&lock);
    CHECK(!interrupts_are_enabled());
    interrupts_restore(were_on);
}

static bool try_to_take(spin_lock *lock) NO_LOCK_CHECK
{
    return spin_acquire_try(lock);
}

static void release(spin_lock *lock) NO_LOCK_CHECK
{
    spin_release(lock);
}

TEST(a_try_succeeds_only_on_a_free_lock)
{
    spin_lock lock = SPIN_LOCK_INIT(LOCK_RANK_DEVICE);
    CHECK(try_to_take(&lock));
    CHECK(!interrupts_are_enabled());
    CHECK(!try_to_take(&lock));
    release(&lock);
    CHECK(interrupts_are_enabled());
    atomic_store(&lock.next, lock.next + 1); /* as if somebody else had drawn a ticket */
    CHECK(!try_to_take(&lock));
    CHECK(interrupts_are_enabled() && !spin_any_held());
}

TEST(ranks_must_rise)
{
    spin_lock low = SPIN_LOCK_INIT(LOCK_RANK_DEVICE);
    spin_lock high = SPIN_LOCK_INIT(LOCK_RANK_HEAP);
    spin_lock same = SPIN_LOCK_INIT(LOCK_RANK_HEAP);
    spin_acquire(&low);
    spin_acquire(&high);
    spin_release(&high);
    spin_release(&low);
    CHECK_STOPS("rank 60 taken while rank 84 is held", {
        spin_acquire(&high);
        spin_acquire(&low);
        spin_release(&low);
        spin_release(&high);
    });
    CHECK_STOPS("rank 84 taken while rank 84 is held", {
        spin_acquire(&high);
        spin_acquire(&same);
        spin_release(&same);
        spin_release(&high);
    });
}

static void acquire_again(spin_lock *lock) NO_LOCK_CHECK
{
    spin_acquire(lock);
    spin_acquire(lock);
}

TEST(a_lock_held_twice_or_released_unheld_stops_a_debug_kernel)
{
    spin_lock lock = SPIN_LOCK_INIT(LOCK_RANK_DEVICE);
    CHECK_STOPS("taken twice", acquire_again(&lock));
    CHECK_STOPS("does not hold", release(&lock));
}

static constexpr uint32_t ROUNDS = 20000;
static spin_lock shared_lock = SPIN_LOCK_INIT(LOCK_RANK_DEVICE);
static uint64_t shared_count;

static void *count_up(void *unused)
{
    for (uint32_t i = 0; i < ROUNDS; i++) {
        if (i % 64 == 0) sched_yield();
        spin_acquire(&shared_lock);
        shared_count++;
        spin_release(&shared_lock);
    }
    return unused;
}

TEST(only_one_processor_is_inside_at_a_time)
{
    pthread_t threads[2];
    shared_count = 0;
    for (size_t i = 0; i < 2; i++)
        pthread_create(&threads[i], nullptr, count_up, nullptr);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], nullptr);
    CHECK_EQUAL(2 * ROUNDS, shared_count);
}

TEST(tickets_wrap_around)
{
    spin_lock lock = SPIN_LOCK_INIT(LOCK_RANK_DEVICE);
    for (uint32_t i = 0; i < 70000; i++) {
        spin_acquire(&lock);
        spin_release(&lock);
    }
    CHECK_EQUAL(70000 % 65536, atomic_load(&lock.serving));
}
