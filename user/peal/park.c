/*
 * Who is parked lies in a table by the word's address, with a lock for each bucket. A wake takes
 * the waiting out of the table. One of the waker's own thread it makes ready; others it puts into
 * the inbox of their scheduler, a stack that only ever grows or is taken as a whole, and wakes that
 * thread if it sleeps.
 *
 * A scheduler sleeps in the kernel, waiting for completions. So that a wake is one, it has a wait
 * on `inbox_sequence` in flight while some of its tasks are parked:
 *
 *     scheduler                                   waker, on another thread
 *         inbox_is_waited = 1                         puts the task into the inbox
 *         reads inbox_sequence                        inbox_sequence++
 *         empties the inbox                           looks at inbox_is_waited: wakes the sequence
 *         waits while the sequence is that
 *
 * All four in one order for everybody (seq_cst), so a waker that sees no waiting came before the
 * scheduler's look into the inbox.
 *
 * Locking: a bucket's lock guards its list. It is held for a few instructions, never across a
 * suspension, and whoever finds it taken waits as a thread.
 */
#include "peal/park.h"
#include "peal/memory.h"
#include "peal/ring_internal.h"
#include "peal/task_internal.h"

#define BUCKETS 64u

/* On the stack of the one that waits. */
struct parked {
    struct list link; /* in its bucket, while the bucket's lock says so */
    const uint32_t *word;
    struct task_scheduler *scheduler;
    struct task *task;
    struct parked *next_in_inbox;
    bool is_in_table; /* guarded by the bucket's lock */
    bool was_stopped; /* its own thread's */
};

/* A word as in mutex.h: 0 free, 1 taken, 2 waited for. */
struct __attribute__((capability("mutex"))) bucket_lock {
    _Atomic uint32_t state;
};
struct bucket {
    struct bucket_lock lock;
    struct list parked __attribute__((guarded_by(&lock)));
};
static struct bucket buckets[BUCKETS];

static struct bucket *bucket_of(const uint32_t *word)
{
    uint64_t hash = ((uint64_t)word >> 2) * 0x9e37'79b9'7f4a'7c15u; /* 2^64 / golden ratio */
    return &buckets[hash >> 58];
}
static_assert(BUCKETS == 1u << (64 - 58));

/* The thread waits, not the task: nobody else of this thread may run with a bucket half changed. */
[[gnu::noinline]] static void thread_wait(struct bucket_lock *lock)
{
    struct peal_ring *ring = &peal_thread_self()->ring;
    size_result (*finish)(void) = ring->finish;
    struct location where;
    status located =
        peal_locate_whole((const void *)&lock->state, sizeof(uint32_t), ABI_ACCESS_READ, &where);
    if (!is_ok(located)) return; /* it looks again */
    peal_ring_block_calls(ring);
    ignore_status(peal_call(&(struct abi_submission){.op = ABI_OP_ADDRESS_WAIT,
                                                     .buffer_index = where.buffer_index,
                                                     .buffer_offset_bytes = where.offset_bytes,
                                                     .length_bytes = sizeof(uint32_t),
                                                     .args = {2, ABI_DEADLINE_NEVER}})
                      .status); /* it looks again */
    ring->finish = finish;
}

[[gnu::noinline]] static void thread_wake(const uint32_t *word)
{
    struct peal_ring *ring = &peal_thread_self()->ring;
    size_result (*finish)(void) = ring->finish;
    struct location where;
    if (!is_ok(peal_locate_whole(word, sizeof(*word), ABI_ACCESS_READ, &where))) return;
    peal_ring_block_calls(ring);
    ignore_status(peal_call(&(struct abi_submission){.op = ABI_OP_ADDRESS_WAKE,
                                                     .buffer_index = where.buffer_index,
                                                     .buffer_offset_bytes = where.offset_bytes,
                                                     .length_bytes = sizeof(uint32_t),
                                                     .args = {1}})
                      .status); /* nobody waits any more: fine */
    ring->finish = finish;
}

static void bucket_lock(struct bucket_lock *lock) __attribute__((acquire_capability(lock)));
static void bucket_unlock(struct bucket_lock *lock) __attribute__((release_capability(lock)));
static struct list *parked_in(struct bucket *bucket)
    __attribute__((requires_capability(&bucket -> lock)));

__attribute__((no_thread_safety_analysis)) static void bucket_lock(struct bucket_lock *lock)
{
    uint32_t expected = 0;
    /* acquire: pairs with the release in bucket_unlock() */
    if (atomic_compare_exchange_strong_explicit(&lock->state, &expected, 1, memory_order_acquire,
                                                memory_order_relaxed))
        return;
    while (atomic_exchange_explicit(&lock->state, 2, memory_order_acquire) != 0)
        thread_wait(lock);
}

__attribute__((no_thread_safety_analysis)) static void bucket_unlock(struct bucket_lock *lock)
{
    /* release: pairs with the acquire in bucket_lock() */
    if (atomic_exchange_explicit(&lock->state, 0, memory_order_release) == 2)
        thread_wake((const uint32_t *)&lock->state);
}

/* ---- the inbox ---- */

static void inbox_put(struct parked *parked)
{
    struct task_scheduler *scheduler = parked->scheduler;
    struct parked *first = atomic_load_explicit(&scheduler->inbox, memory_order_relaxed);
    do {
        parked->next_in_inbox = first;
    } while (!atomic_compare_exchange_weak_explicit(&scheduler->inbox, &first, parked,
                                                    memory_order_seq_cst, memory_order_relaxed));
    /* From here the task may run, and `parked` be gone. The scheduler stays until inbox_senders is
     * zero: see task_scheduler_end(). */
    atomic_fetch_add_explicit(&scheduler->inbox_sequence, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&scheduler->inbox_is_waited, memory_order_seq_cst))
        thread_wake((const uint32_t *)&scheduler->inbox_sequence);
    /* release: pairs with the acquire in task_scheduler_end() */
    atomic_fetch_sub_explicit(&scheduler->inbox_senders, 1, memory_order_release);
}

void park_inbox_take(struct task_scheduler *scheduler)
{
    if (atomic_load_explicit(&scheduler->inbox, memory_order_seq_cst) == nullptr) return;
    /* seq_cst, so also acquire: pairs with inbox_put() */
    struct parked *parked =
        atomic_exchange_explicit(&scheduler->inbox, nullptr, memory_order_seq_cst);
    struct parked *oldest = nullptr;
    while (parked != nullptr) { /* the inbox has the newest first */
        struct parked *next = parked->next_in_inbox;
        parked->next_in_inbox = oldest;
        oldest = parked;
        parked = next;
    }
    for (; oldest != nullptr; oldest = oldest->next_in_inbox)
        task_make_ready(scheduler, oldest->task);
}

bool park_prepare_to_sleep(struct task_scheduler *scheduler)
{
    if (scheduler->parked_count == 0) return true;
    atomic_store_explicit(&scheduler->inbox_is_waited, true, memory_order_seq_cst);
    uint32_t sequence = atomic_load_explicit(&scheduler->inbox_sequence, memory_order_seq_cst);
    park_inbox_take(scheduler);
    if (!list_is_empty(&scheduler->ready)) return false;
    operation_watch(scheduler, (const uint32_t *)&scheduler->inbox_sequence, sequence);
    return true;
}

/* Nobody of this thread is parked any more: what waits for a wake is ended. */
static void parked_one_fewer(struct task_scheduler *scheduler)
{
    if (--scheduler->parked_count > 0) return;
    atomic_store_explicit(&scheduler->inbox_is_waited, false,
                          memory_order_relaxed); /* a hint now */
    operation_watch_end(scheduler);
}

/* ---- parking ---- */

static struct list *parked_in(struct bucket *bucket)
{
    if (bucket->parked.next == nullptr) list_init(&bucket->parked);
    return &bucket->parked;
}

status peal_park(const uint32_t *word, uint32_t expected, bool may_stop)
{
    struct task_scheduler *scheduler = task_scheduler_self();
    struct task *self = scheduler->current;
    struct parked parked = {
        .word = word, .scheduler = scheduler, .task = self, .is_in_table = true};
    struct bucket *bucket = bucket_of(word);
    if (may_stop) TRY(self->scope->reason);

    bucket_lock(&bucket->lock);
    bool waits = load_relaxed(word) == expected; /* ordered by the lock, with any waker after it */
    if (waits) list_add_last(parked_in(bucket), &parked.link);
    bucket_unlock(&bucket->lock);
    if (!waits) return FAIL(WOULD_BLOCK);

    scheduler->parked_count++;
    self->parked = may_stop ? &parked : nullptr;
    task_suspend(scheduler);
    self->parked = nullptr;
    parked_one_fewer(scheduler);
    return parked.was_stopped ? self->scope->reason : OK;
}

void park_stop(struct task *task)
{
    struct parked *parked = task->parked;
    struct bucket *bucket = bucket_of(parked->word);
    bucket_lock(&bucket->lock);
    bool was_in_table = parked->is_in_table;
    if (was_in_table) list_remove(&parked->link);
    parked->is_in_table = false;
    bucket_unlock(&bucket->lock);
    if (!was_in_table) return; /* somebody has woken it: it comes through the inbox, or is ready */
    parked->was_stopped = true;
    task_make_ready(parked->scheduler, task);
}

/* Takes one that waits on the word out of the table, for a waker on `scheduler`. */
static struct parked *take_one(struct bucket *bucket, const uint32_t *word,
                               const struct task_scheduler *scheduler)
{
    struct parked *found = nullptr;
    bucket_lock(&bucket->lock);
    struct list *all = parked_in(bucket);
    for (struct list *link = all->next; link != all && found == nullptr; link = link->next) {
        struct parked *parked = LIST_ELEMENT(link, struct parked, link);
        if (parked->word == word) found = parked;
    }
    if (found != nullptr) {
        list_remove(&found->link);
        found->is_in_table = false;
        /* relaxed: the thread's end is ordered by the task's, which follows from inbox_put() */
        if (found->scheduler != scheduler)
            atomic_fetch_add_explicit(&found->scheduler->inbox_senders, 1, memory_order_relaxed);
    }
    bucket_unlock(&bucket->lock);
    return found;
}

uint32_t peal_unpark(const uint32_t *word, uint32_t count)
{
    struct task_scheduler *scheduler = task_scheduler_self();
    struct bucket *bucket = bucket_of(word);
    uint32_t woken = 0;
    for (; woken < count; woken++) {
        struct parked *parked = take_one(bucket, word, scheduler);
        if (parked == nullptr) break;
        if (parked->scheduler == scheduler)
            task_make_ready(scheduler, parked->task);
        else
            inbox_put(parked);
    }
    return woken;
}
