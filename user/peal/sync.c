#include "peal/sync.h"
#include "peal/atomic.h"
#include "peal/park.h"

#define ONCE_NEW     0u
#define ONCE_RUNNING 1u
#define ONCE_WAITED  2u
#define ONCE_DONE    3u

static bool replace(uint32_t *word, uint32_t expected, uint32_t value)
{
    return atomic_compare_exchange_strong_explicit((_Atomic uint32_t *)word, &expected, value,
                                                   memory_order_acquire, memory_order_relaxed);
}

static void once_wait(struct once *once)
{
    /* acquire: pairs with the release in once_run() */
    while (load_acquire(&once->state) != ONCE_DONE) {
        replace(&once->state, ONCE_RUNNING, ONCE_WAITED);
        ignore_status(peal_park(&once->state, ONCE_WAITED, false)); /* looks again */
    }
}

void once_run(struct once *once, void (*initialise)(void *argument), void *argument)
{
    /* acquire: pairs with the release below */
    if (load_acquire(&once->state) == ONCE_DONE) return;
    if (!replace(&once->state, ONCE_NEW, ONCE_RUNNING)) {
        once_wait(once);
        return;
    }
    initialise(argument);
    /* release: pairs with the acquires above */
    uint32_t before =
        atomic_exchange_explicit((_Atomic uint32_t *)&once->state, ONCE_DONE, memory_order_release);
    if (before == ONCE_WAITED) peal_unpark(&once->state, UINT32_MAX);
}

bool semaphore_take_try(struct semaphore *semaphore)
{
    uint32_t count = load_relaxed(&semaphore->count);
    while (count > 0)
        /* acquire: pairs with the release in semaphore_give() */
        if (atomic_compare_exchange_weak_explicit((_Atomic uint32_t *)&semaphore->count, &count,
                                                  count - 1, memory_order_acquire,
                                                  memory_order_relaxed))
            return true;
    return false;
}

/*
 * Waiter and giver cannot miss each other: the waiter counts itself and then looks at the count, in
 * peal_park(); the giver changes the count and then looks for waiters; both orders are seq_cst.
 */
status semaphore_take(struct semaphore *semaphore)
{
    _Atomic uint32_t *waiters = (_Atomic uint32_t *)&semaphore->waiters;
    status waited = OK;
    if (semaphore_take_try(semaphore)) return OK;
    atomic_fetch_add_explicit(waiters, 1, memory_order_seq_cst);
    bool taken;
    while (!(taken = semaphore_take_try(semaphore)) &&
           (is_ok(waited) || waited.code == STATUS_WOULD_BLOCK))
        waited = peal_park(&semaphore->count, 0, true);
    atomic_fetch_sub_explicit(waiters, 1, memory_order_relaxed); /* a hint too high does no harm */
    return taken ? OK : waited;
}

void semaphore_give(struct semaphore *semaphore, uint32_t count)
{
    /* also release: pairs with the acquire in semaphore_take_try() */
    atomic_fetch_add_explicit((_Atomic uint32_t *)&semaphore->count, count, memory_order_seq_cst);
    if (atomic_load_explicit((_Atomic uint32_t *)&semaphore->waiters, memory_order_seq_cst) != 0)
        peal_unpark(&semaphore->count, count);
}
