/*
 * Mutexes with direct hand-over: a release names the longest waiter as the next holder before it
 * wakes it, so that nobody overtakes, and a waiter that wakes up has nothing to try again.
 */
#include "sched/mutex.h"
#include "arch/arch/cpu.h"
#include "debug/assert.h"

/* For a mutex taken without waiting, which cannot deadlock: any rank. For DEBUG_ASSERT, hence the
 * answer. */
static bool note_held_any(struct thread *thread, uint8_t rank)
{
    uint8_t count = thread->held_mutex_count;
    ASSERT(count < THREAD_HELD_MUTEXES_MAX);
    thread->held_mutexes[count] = rank;
    thread->held_mutex_count = (uint8_t)(count + 1);
    return true;
}

/* The ranks of the mutexes a thread holds and waits for must rise. */
static bool note_held(struct thread *thread, uint8_t rank)
{
    uint8_t count = thread->held_mutex_count;
    if (count > 0 && thread->held_mutexes[count - 1] >= rank)
        panic("mutex order: rank %d taken while rank %d is held", rank,
              thread->held_mutexes[count - 1]);
    return note_held_any(thread, rank);
}

static bool note_given(struct thread *thread, uint8_t rank)
{
    uint8_t count = thread->held_mutex_count;
    uint8_t at = count;
    while (at > 0 && thread->held_mutexes[at - 1] != rank)
        at--;
    if (at == 0) panic("release of a mutex of rank %d that is not held", rank);
    for (; at < count; at++)
        thread->held_mutexes[at - 1] = thread->held_mutexes[at];
    thread->held_mutex_count = (uint8_t)(count - 1);
    return true;
}

void mutex_init(mutex *mutex, enum lock_rank rank)
{
    *mutex = (struct mutex){.lock = SPIN_LOCK_INIT(LOCK_RANK_WAIT_QUEUE), .rank = rank};
    wait_queue_init(&mutex->waiters);
}

void mutex_acquire(mutex *mutex) NO_LOCK_CHECK
{
    struct thread *self = cpu_current_thread();
    DEBUG_ASSERT(!spin_any_held());
    DEBUG_ASSERT(note_held(self, mutex->rank));
    spin_acquire(&mutex->lock);
    ASSERT(mutex->holder != self);
    if (!mutex->holder) {
        mutex->holder = self;
    } else {
        status woken = wait_queue_sleep(&mutex->waiters, &mutex->lock, deadline_never(), false);
        ASSERT(is_ok(woken) && mutex->holder == self);
    }
    spin_release(&mutex->lock);
}

void mutex_release(mutex *mutex) NO_LOCK_CHECK
{
    spin_acquire(&mutex->lock);
    ASSERT(mutex->holder == cpu_current_thread());
    mutex->holder = wait_queue_wake_first(&mutex->waiters, false);
    spin_release(&mutex->lock);
    DEBUG_ASSERT(note_given(cpu_current_thread(), mutex->rank));
}

bool mutex_try_acquire(mutex *mutex) NO_LOCK_CHECK
{
    struct thread *self = cpu_current_thread();
    spin_acquire(&mutex->lock);
    bool is_free = !mutex->holder;
    if (is_free) mutex->holder = self;
    spin_release(&mutex->lock);
    DEBUG_ASSERT(!is_free || note_held_any(self, mutex->rank));
    return is_free;
}

bool mutex_is_held_by_me(const mutex *mutex)
{
    return __atomic_load_n(&mutex->holder, __ATOMIC_RELAXED) == cpu_current_thread();
}
