/*
 * Threads that wait for something, in order.
 *
 * Use: under the lock that guards the condition, `wait_queue_sleep(&queue, &lock, limit)` while the
 * condition is false; whoever makes it true calls wake under the same lock. The lock is released
 * while asleep and held again afterwards, so no wake-up is lost.
 *
 * Context: task for sleeping, no other lock held; any for waking.
 */
#pragma once
#include "sched/scheduler.h"

struct wait_queue {
    struct list waiters; /* guarded by the caller's lock */
};

void wait_queue_init(struct wait_queue *queue);
/*
 * Sleeps until woken, the deadline, or the thread's end being requested (when interruptible).
 *   TIMED_OUT     the deadline passed
 *   INTERRUPTED   the thread was asked to end
 */
status wait_queue_sleep(struct wait_queue *queue, spin_lock *lock, deadline limit,
                        bool is_interruptible) REQUIRES(*lock);
/* The caller holds the lock that sleepers gave. Answers how many were woken. */
uint32_t wait_queue_wake(struct wait_queue *queue, uint32_t count, bool prefer_here);
/* The one that waited longest, woken, or nullptr. The pointer only names it: it may be gone any
 * moment. */
struct thread *wait_queue_wake_first(struct wait_queue *queue, bool prefer_here);
/*
 * The same, but the caller wakes it: with thread_wake(), once it has released the lock. Until then
 * the thread sleeps on, whatever happens. nullptr: nobody waits.
 */
struct thread *wait_queue_take_first(struct wait_queue *queue);
static inline uint32_t wait_queue_wake_all(struct wait_queue *queue)
{
    return wait_queue_wake(queue, UINT32_MAX, false);
}
