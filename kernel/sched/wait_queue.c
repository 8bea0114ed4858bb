/*
 * Waiting, and what ends it.
 *
 * Locking: the caller's lock guards the list of waiters. A wait can also be ended without that
 * lock, by its deadline or by thread_request_end(); so what decides is one atomic word,
 * `wake_reason`. Whoever changes it from a waiting value to a reason has claimed the wait: he and
 * nobody else wakes the thread. A wake-up that finds its first waiter claimed goes on to the next,
 * so none is lost.
 *
 *     wait_queue_sleep            thread_claim_wake: once
 *   ------------------> WAITING ----------------------------> SIGNALLED, TIMED_OUT or ENDED
 *
 * The sleeper is in the list before it can be claimed, and takes itself out, under the lock, when
 * it was not the list that woke it.
 */
#include "sched/wait_queue.h"
#include "arch/arch/cpu.h"
#include "debug/assert.h"
#include "sched/scheduler_internal.h"

void wait_queue_init(struct wait_queue *queue)
{
    list_init(&queue->waiters);
}

bool thread_claim_wake(struct thread *thread, enum wake_reason reason)
{
    uint32_t found = atomic_load_explicit(&thread->wake_reason, memory_order_relaxed);
    do {
        bool is_deep = found == WAKE_WAITING_DEEP;
        if (found != WAKE_WAITING && (!is_deep || reason == WAKE_ENDED)) return false;
        /* The acquire pairs with the store in begin_wait(): the claimer sees the thread SLEEPING.
         * The order with `end_requested` is total: either this claim or begin_wait() sees the
         * other's store. */
    } while (!atomic_compare_exchange_weak_explicit(&thread->wake_reason, &found, reason,
                                                    memory_order_seq_cst, memory_order_seq_cst));
    return true;
}

/* The deadline of a wait has come. The thread stays until this function has returned. */
static void wait_timed_out(struct timer *timer)
{
    struct thread *thread = container_of(timer, struct thread, wait_timer);
    if (thread_claim_wake(thread, WAKE_TIMED_OUT)) thread_wake(thread, false);
}

void thread_request_end(struct thread *thread)
{
    atomic_store_explicit(&thread->end_requested, true, memory_order_seq_cst);
    if (thread_claim_wake(thread, WAKE_ENDED)) {
        thread_wake(thread, false);
        return;
    }
    /* It may be in user mode: interrupted, it comes by the return hook, which looks at the request.
     */
    uint32_t cpu = atomic_load_explicit(&thread->cpu, memory_order_relaxed);
    if (thread != cpu_current_thread() && thread_state(thread) == THREAD_RUNNING) cpu_kick(cpu);
}

/* From here on the wait may be ended, even before the thread really sleeps. */
static void begin_wait(struct thread *thread, deadline limit, bool is_interruptible)
{
    thread_prepare_to_sleep();
    atomic_store_explicit(&thread->wake_reason, is_interruptible ? WAKE_WAITING : WAKE_WAITING_DEEP,
                          memory_order_seq_cst);
    if (limit.at_ns != UINT64_MAX) {
        timer_init(&thread->wait_timer, wait_timed_out);
        timer_arm(&thread->wait_timer, limit);
    }
    if (is_interruptible && atomic_load_explicit(&thread->end_requested, memory_order_seq_cst) &&
        thread_claim_wake(thread, WAKE_ENDED))
        thread_wake(thread, false);
}

/* The deadline must not reach into the next wait. */
static void end_wait(struct thread *thread, deadline limit)
{
    if (limit.at_ns != UINT64_MAX && !timer_cancel(&thread->wait_timer))
        timer_wait_idle(&thread->wait_timer);
}

status wait_queue_sleep(struct wait_queue *queue, spin_lock *lock, deadline limit,
                        bool is_interruptible)
{
    struct thread *thread = cpu_current_thread();
    list_push_back(&queue->waiters, &thread->wait_link);
    begin_wait(thread, limit, is_interruptible);
    spin_release(lock);
    thread_sleep();
    end_wait(thread, limit);
    spin_acquire(lock);
    list_remove(&thread->wait_link);

    uint32_t reason = atomic_load_explicit(&thread->wake_reason, memory_order_relaxed);
    DEBUG_ASSERT(reason > WAKE_WAITING_DEEP);
    if (reason == WAKE_TIMED_OUT) return FAIL(TIMED_OUT);
    return reason == WAKE_ENDED ? FAIL(INTERRUPTED) : OK;
}

struct thread *wait_queue_take_first(struct wait_queue *queue)
{
    for (struct list *link; (link = list_take_front(&queue->waiters));) {
        struct thread *thread = list_entry(link, struct thread, wait_link);
        if (thread_claim_wake(thread, WAKE_SIGNALLED)) return thread;
    }
    return nullptr;
}

struct thread *wait_queue_wake_first(struct wait_queue *queue, bool prefer_here)
{
    struct thread *thread = wait_queue_take_first(queue);
    if (thread != nullptr) thread_wake(thread, prefer_here);
    return thread;
}

uint32_t wait_queue_wake(struct wait_queue *queue, uint32_t count, bool prefer_here)
{
    uint32_t woken = 0;
    while (woken < count && wait_queue_wake_first(queue, prefer_here))
        woken++;
    return woken;
}
