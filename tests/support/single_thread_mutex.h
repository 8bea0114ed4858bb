/*
 * Mutexes for a test that has one thread: they check how they are used and never wait. Included by
 * the test's own file, once; it takes the place of sched/mutex.c.
 */
#pragma once
#include "debug/assert.h"
#include "sched/mutex.h"

static int single_thread; /* whose address stands for the only thread */

void mutex_init(mutex *mutex, enum lock_rank rank)
{
    *mutex = (struct mutex){.rank = rank};
}

void mutex_acquire(mutex *mutex) NO_LOCK_CHECK
{
    ASSERT(mutex->holder == nullptr);
    ASSERT(interrupts_are_enabled()); /* else a spin lock is held */
    mutex->holder = (struct thread *)(void *)&single_thread;
}

void mutex_release(mutex *mutex) NO_LOCK_CHECK
{
    ASSERT(mutex->holder != nullptr);
    mutex->holder = nullptr;
}

bool mutex_try_acquire(mutex *mutex) NO_LOCK_CHECK
{
    if (mutex->holder != nullptr) return false;
    mutex_acquire(mutex);
    return true;
}

bool mutex_is_held_by_me(const mutex *mutex)
{
    return mutex->holder != nullptr;
}
