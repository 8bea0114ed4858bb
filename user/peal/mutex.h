/*
 * Mutual exclusion and waiting between threads, on plain words.
 *
 * Taking a free mutex and giving one back that nobody waits for do not enter the kernel.
 * A mutex and a condition are nil when zero; they lie in ordinary memory (data, heap, stack).
 *
 * Context: any thread. A mutex is not recursive.
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
};

/* Gives the mutex back, waits for a signal, takes it again. Wakes may be spurious: look again. */
void condition_wait(struct condition *condition, struct mutex *mutex)
    __attribute__((requires_capability(mutex)));
void condition_signal(struct condition *condition);
void condition_broadcast(struct condition *condition);

/*
 * The operations below them. The word is 4-byte aligned, in registered memory.
 *
 *   WOULD_BLOCK   the word does not hold `expected`
 *   TIMED_OUT     the deadline came first
 */
status peal_address_wait(const uint32_t *word, uint32_t expected, uint64_t deadline_ns);
/* Ends up to `count` waits, the oldest first; the value is how many. */
size_result peal_address_wake(const uint32_t *word, uint32_t count);
