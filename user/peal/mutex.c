#include "peal/mutex.h"
#include "peal/atomic.h"
#include "peal/call.h"
#include "peal/memory.h"
#include "peal/park.h"

#define MUTEX_FREE   0u
#define MUTEX_TAKEN  1u
#define MUTEX_WAITED 2u

status peal_address_wait(const uint32_t *word, uint32_t expected, uint64_t deadline_ns)
{
    struct location where;
    TRY(peal_locate_whole(word, sizeof(*word), ABI_ACCESS_READ, &where));
    return peal_call(&(struct abi_submission){.op = ABI_OP_ADDRESS_WAIT,
                                              .buffer_index = where.buffer_index,
                                              .buffer_offset_bytes = where.offset_bytes,
                                              .length_bytes = sizeof(*word),
                                              .args = {expected, deadline_ns}})
        .status;
}

size_result peal_address_wake(const uint32_t *word, uint32_t count)
{
    struct location where;
    TRY_AS(size_result, peal_locate_whole(word, sizeof(*word), ABI_ACCESS_READ, &where));
    return peal_call(&(struct abi_submission){.op = ABI_OP_ADDRESS_WAKE,
                                              .buffer_index = where.buffer_index,
                                              .buffer_offset_bytes = where.offset_bytes,
                                              .length_bytes = sizeof(*word),
                                              .args = {count}});
}

static uint32_t exchange(uint32_t *word, uint32_t value, memory_order order)
{
    return atomic_exchange_explicit((_Atomic uint32_t *)word, value, order);
}

bool mutex_lock_try(struct mutex *mutex)
{
    uint32_t expected = MUTEX_FREE;
    /* acquire: pairs with the release in mutex_unlock() */
    return atomic_compare_exchange_strong_explicit((_Atomic uint32_t *)&mutex->state, &expected,
                                                   MUTEX_TAKEN, memory_order_acquire,
                                                   memory_order_relaxed);
}

__attribute__((no_thread_safety_analysis)) void mutex_lock(struct mutex *mutex)
{
    if (__builtin_expect(mutex_lock_try(mutex), true)) return;
    while (exchange(&mutex->state, MUTEX_WAITED, memory_order_acquire) != MUTEX_FREE) {
        /* Whatever ends the wait, the state is looked at again. */
        ignore_status(peal_park(&mutex->state, MUTEX_WAITED, false));
    }
}

__attribute__((no_thread_safety_analysis)) void mutex_unlock(struct mutex *mutex)
{
    /* release: pairs with the acquire in mutex_lock() */
    if (exchange(&mutex->state, MUTEX_FREE, memory_order_release) == MUTEX_WAITED)
        peal_unpark(&mutex->state, 1);
}

static void add(uint32_t *word, uint32_t value)
{
    /* Relaxed: park.c looks at words under its own lock, and data is ordered by the mutex. */
    atomic_fetch_add_explicit((_Atomic uint32_t *)word, value, memory_order_relaxed);
}

__attribute__((no_thread_safety_analysis)) status condition_wait(struct condition *condition,
                                                                 struct mutex *mutex)
{
    uint32_t seen = load_relaxed(&condition->sequence); /* ordered by the mutex we hold */
    add(&condition->waiters, 1);
    mutex_unlock(mutex);
    status waited = peal_park(&condition->sequence, seen, true);
    add(&condition->waiters, UINT32_MAX); /* one fewer */
    mutex_lock(mutex);
    return waited.code == STATUS_WOULD_BLOCK ? OK : waited; /* a signal was faster */
}

/* Whoever saw, with the mutex, what was there before the change is counted by now: the change was
 * made with the mutex, too. */
static void condition_wake(struct condition *condition, uint32_t count)
{
    add(&condition->sequence, 1);
    if (load_relaxed(&condition->waiters) != 0) peal_unpark(&condition->sequence, count);
}

void condition_signal(struct condition *condition)
{
    condition_wake(condition, 1);
}

void condition_broadcast(struct condition *condition)
{
    condition_wake(condition, UINT32_MAX);
}
