/*
 * Mutexes: may be held across sleeps. Not recursive; ranked like spin locks (sync/lock_rank.h).
 *
 * Context: task, interrupts on, no spin lock held. First come, first served: release hands over to
 * the waiter that came first. Cost: a spin lock each way when nobody waits.
 */
#pragma once
#include "sched/wait_queue.h"

typedef struct CAPABILITY("mutex") mutex {
    spin_lock lock;        /* LOCK_RANK_WAIT_QUEUE: guards the rest */
    struct thread *holder; /* compared by waiters and releasers, never followed */
    struct wait_queue waiters;
    uint8_t rank;
} mutex;

void mutex_init(mutex *mutex, enum lock_rank rank);
void mutex_acquire(mutex *mutex) ACQUIRES(mutex);
void mutex_release(mutex *mutex) RELEASES(mutex);
bool mutex_try_acquire(mutex *mutex) TRY_ACQUIRES(mutex);
bool mutex_is_held_by_me(const mutex *mutex);
