/*
 * Spin locks: for a few microseconds, with interrupts off on this processor.
 *
 * Context:  any. The holder may not sleep. Not recursive.
 * Locking:  ranks from sync/lock_rank.h; a debug kernel stops when one is taken out of order or
 * held twice. A lock may be handed over with the processor: taken by one thread and released by the
 * next one that runs there, which is how the scheduler switches. Cost:     about a dozen
 * instructions when nobody else wants it. Waiters queue in order (tickets).
 */
#pragma once
#include "arch/arch/cpu.h"
#include "base/annotations.h"
#include "debug/assert.h"
#include "sync/lock_order.h"
#include "sync/lock_rank.h"
#include <stdatomic.h>

typedef struct CAPABILITY("spin lock") spin_lock {
    _Atomic uint16_t next;    /* the ticket the next to come will draw */
    _Atomic uint16_t serving; /* whose turn it is; written by the holder only */
    uint8_t rank;             /* enum lock_rank */
    bool interrupts_were_on;  /* owned by the holder */
} spin_lock;

#define SPIN_LOCK_INIT(lock_rank) {.rank = (lock_rank)}

static inline void spin_lock_init(spin_lock *lock, enum lock_rank rank)
{
    *lock = (spin_lock){.rank = rank};
}

/* Waits for the turn of a ticket: the part of spin_acquire that is rarely needed. */
void spin_wait_turn(spin_lock *lock, uint16_t ticket);

/* Disables interrupts and takes the lock. */
static inline void spin_acquire(spin_lock *lock) ACQUIRES(lock) NO_LOCK_CHECK
{
    bool were_on = interrupts_disable();
    DEBUG_ASSERT(lock_order_take(lock, lock->rank));
    uint16_t ticket = atomic_fetch_add_explicit(&lock->next, 1, memory_order_relaxed);
    /* Pairs with the release in spin_release(). */
    if (unlikely(atomic_load_explicit(&lock->serving, memory_order_acquire) != ticket))
        spin_wait_turn(lock, ticket);
    lock->interrupts_were_on = were_on;
}

/* Takes the lock if nobody holds it or waits for it; interrupts stay as they were if not. */
static inline bool spin_acquire_try(spin_lock *lock) TRY_ACQUIRES(lock) NO_LOCK_CHECK
{
    bool were_on = interrupts_disable();
    uint16_t ticket = atomic_load_explicit(&lock->serving, memory_order_relaxed);
    uint16_t expected = ticket;
    /* Nobody draws the ticket that is being served unless the lock is free. The acquire pairs with
     * the release in spin_release(): `next` has this value only after `serving` got it. */
    if (!atomic_compare_exchange_strong_explicit(&lock->next, &expected, (uint16_t)(ticket + 1),
                                                 memory_order_acquire, memory_order_relaxed)) {
        interrupts_restore(were_on);
        return false;
    }
    /* Pairs with the release in spin_release(); the turn is already ours. */
    (void)atomic_load_explicit(&lock->serving, memory_order_acquire);
    DEBUG_ASSERT(lock_order_take_any(lock, lock->rank));
    lock->interrupts_were_on = were_on;
    return true;
}

/*
 * Gives the lock back and restores interrupts as they were before spin_acquire. Locks are released
 * in reverse order, or else with the same interrupt state at each.
 */
static inline void spin_release(spin_lock *lock) RELEASES(lock) NO_LOCK_CHECK
{
    bool were_on = lock->interrupts_were_on;
    DEBUG_ASSERT(lock_order_give(lock));
    uint16_t served = atomic_load_explicit(&lock->serving, memory_order_relaxed);
    atomic_store_explicit(&lock->serving, (uint16_t)(served + 1), memory_order_release);
    if (were_on) interrupts_restore(true);
}

/* True when somebody, not necessarily the caller, holds it. For assertions. */
static inline bool spin_is_held(const spin_lock *lock)
{
    return atomic_load_explicit(&lock->next, memory_order_relaxed) !=
           atomic_load_explicit(&lock->serving, memory_order_relaxed);
}

/* True when this processor holds any spin lock; only debug kernels know, others say false. */
static inline bool spin_any_held(void)
{
    return lock_order_depth() > 0;
}
