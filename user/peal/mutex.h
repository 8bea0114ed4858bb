/*
 * Mutual exclusion and waiting between tasks and threads of a process.
 *
 * Taking a free mutex, giving one back that nobody waits for, and signalling when nobody waits do
 * not enter the kernel; nor does any of it between tasks of one thread. A task that has to wait is
 * suspended, a thread without tasks waits in the kernel. A mutex and a condition are nil when zero;
 * they lie in ordinary memory (data, heap, stack), not in memory shared with other processes.
 *
 * A mutex may be held across calls and awaits: other tasks that want it wait. Waiting for a mutex
 * is not stopped when the task is told to (scope.h); waiting for a condition is.
 *
 * Context: any thread. A mutex is not recursive, and the flow that took it gives it back.
 */
#pragma once
#include "peal/status.h"

/* 0 free, 1 taken, 2 taken and perhaps waited for */
struct __attribute__((capability("mutex"))) mutex {
    uint32_t state;
};

void mutex_lock(struct mutex *mutex) __attribute__((acquire_capability(mutex)));
bool mutex_lock_try(struct mutex *mutex) __attribute__((try_acquire_capability(true, mutex)));
void mutex_unlock(struct mutex *mutex) __attribute__((release_capability(mutex)));

struct condition {
    uint32_t sequence; /* counts signals */
    uint32_t waiters;
};

/*
 * Gives the mutex back, waits for a signal, takes it again. Wakes may be spurious: look again. What
 * is waited for is changed with the mutex held; signalling needs no mutex.
 *
 *   INTERRUPTED, TIMED_OUT   the task was told to stop; the mutex is held all the same
 */
status condition_wait(struct condition *condition, struct mutex *mutex)
    __attribute__((requires_capability(mutex)));
void condition_signal(struct condition *condition);
void condition_broadcast(struct condition *condition);

/*
 * The kernel's own waiting on words, which also works between processes that share the memory. The
 * word is 4-byte aligned, in registered memory.
 *
 *   WOULD_BLOCK   the word does not hold `expected`
 *   TIMED_OUT     the deadline came first
 */
status peal_address_wait(const uint32_t *word, uint32_t expected, uint64_t deadline_ns);
/* Ends up to `count` waits, the oldest first; the value is how many. */
size_result peal_address_wake(const uint32_t *word, uint32_t count);
