/*
 * Deadlines per processor.
 *
 * Locking: `queue->lock` guards the heap and the state of the timers in it, for others may cancel.
 * What the processor's own timer is set to (`slice_end_ns`, `programmed_ns`) is its own business,
 * with interrupts off.
 *
 * The life of a timer
 *
 *     timer_init         timer_arm             due, on its processor
 *   o ----------> IDLE -------------> ARMED -------------------------> FIRED
 *                  ^                    |                                | timer_arm
 *                  +--------------------+                                v
 *                      timer_cancel                                    ARMED
 *
 * A timer is not touched after its function was called, since the function may end what contains
 * it; that it is still running is known from `queue->running` alone.
 *
 * The processor's timer is set lazily: an interrupt that comes too early finds nothing due and sets
 * it anew, which is cheaper than setting it at each switch of threads.
 */
#include "time/timer_queue.h"
#include "arch/arch/cpu.h"
#include "arch/arch/timer.h"
#include "debug/assert.h"
#include "sync/spin_lock.h"
#include "time/timer_heap.h"

/* Programs may have any number of timers due at once; other interrupts come in between. */
static constexpr uint32_t TIMERS_PER_RUN_MAX = 64;

enum timer_state : uint32_t { TIMER_IDLE, TIMER_ARMED, TIMER_FIRED };

struct timer_queue {
    spin_lock lock; /* LOCK_RANK_TIMER_QUEUE */
    struct timer_heap heap GUARDED_BY(lock);
    _Atomic(struct timer *) running; /* whose function runs now; release when it has returned */

    /* Owned by the processor, interrupts off. */
    uint64_t slice_end_ns;
    uint64_t programmed_ns; /* 0 before first use: the same as "very soon" */
    bool is_started;
} CACHE_ALIGNED;

static struct timer_queue queues[CPU_COUNT_MAX];

/* This processor's queue. Interrupts off. */
static struct timer_queue *own_queue(void)
{
    struct timer_queue *queue = &queues[cpu_index()];
    if (unlikely(!queue->is_started)) {
        spin_lock_init(&queue->lock, LOCK_RANK_TIMER_QUEUE);
        queue->slice_end_ns = UINT64_MAX;
        queue->programmed_ns = UINT64_MAX;
        queue->is_started = true;
    }
    return queue;
}

static uint64_t earliest_locked(const struct timer_queue *queue) REQUIRES(queue->lock)
{
    return queue->heap.earliest ? queue->heap.earliest->at_ns : UINT64_MAX;
}

/* Sets the processor's timer to exactly this time. */
static void program(struct timer_queue *queue, uint64_t at_ns)
{
    queue->programmed_ns = at_ns;
    if (at_ns == UINT64_MAX) {
        arch_timer_disarm();
        return;
    }
    uint64_t now = clock_now_ns();
    arch_timer_arm(at_ns > now ? at_ns - now : 0);
}

void timer_init(struct timer *timer, timer_function *function)
{
    *timer = (struct timer){.function = function};
}

void timer_arm(struct timer *timer, deadline when)
{
    if (when.at_ns == UINT64_MAX) return;
    bool were_on = interrupts_disable();
    struct timer_queue *queue = own_queue();
    spin_acquire(&queue->lock);
    DEBUG_ASSERT(atomic_load_explicit(&timer->state, memory_order_relaxed) != TIMER_ARMED);
    timer->at_ns = when.at_ns;
    timer->cpu = cpu_index();
    atomic_store_explicit(&timer->state, TIMER_ARMED, memory_order_relaxed);
    timer_heap_insert(&queue->heap, timer);
    spin_release(&queue->lock);
    if (when.at_ns < queue->programmed_ns) program(queue, when.at_ns);
    interrupts_restore(were_on);
}

/* The lock orders the state with timer_queue_run(); arming and cancelling are the owner's to order.
 */
bool timer_cancel(struct timer *timer)
{
    /* Pairs with the release in take_due(): who sees FIRED also sees that it may be running. */
    uint32_t state = atomic_load_explicit(&timer->state, memory_order_acquire);
    if (state != TIMER_ARMED) return state == TIMER_IDLE;
    struct timer_queue *queue = &queues[timer->cpu];
    spin_acquire(&queue->lock);
    bool is_armed = atomic_load_explicit(&timer->state, memory_order_relaxed) == TIMER_ARMED;
    if (is_armed) {
        timer_heap_remove(&queue->heap, timer);
        atomic_store_explicit(&timer->state, TIMER_IDLE, memory_order_relaxed);
    }
    spin_release(&queue->lock);
    return is_armed;
}

void timer_wait_idle(struct timer *timer)
{
    struct timer_queue *queue = &queues[timer->cpu];
    /* Pairs with the release in timer_queue_run(). */
    while (atomic_load_explicit(&queue->running, memory_order_acquire) == timer)
        cpu_relax();
}

/* The next due timer, out of the heap and named as running; nullptr when none is. */
static struct timer *take_due(struct timer_queue *queue, uint64_t now)
{
    spin_acquire(&queue->lock);
    struct timer *timer = queue->heap.earliest;
    if (timer && timer->at_ns <= now) {
        timer_heap_remove(&queue->heap, timer);
        /* Before the state, with which timer_cancel() pairs. */
        atomic_store_explicit(&queue->running, timer, memory_order_relaxed);
        atomic_store_explicit(&timer->state, TIMER_FIRED, memory_order_release);
    } else {
        timer = nullptr;
    }
    spin_release(&queue->lock);
    return timer;
}

void timer_queue_run(void)
{
    struct timer_queue *queue = own_queue();
    queue->programmed_ns = UINT64_MAX; /* it has just fired, or will once more for nothing */
    uint64_t now = clock_now_ns();
    for (uint32_t ran = 0; ran < TIMERS_PER_RUN_MAX; ran++, now = clock_now_ns()) {
        struct timer *timer = take_due(queue, now);
        if (!timer) break;
        timer->function(timer);
        /* Pairs with the acquire in timer_wait_idle(). */
        atomic_store_explicit(&queue->running, nullptr, memory_order_release);
    }
    if (queue->slice_end_ns <= now) queue->slice_end_ns = UINT64_MAX; /* delivered by being here */
    uint64_t next = timer_queue_next_ns();
    if (queue->slice_end_ns < next) next = queue->slice_end_ns;
    program(queue, next);
}

uint64_t timer_queue_next_ns(void)
{
    struct timer_queue *queue = own_queue();
    spin_acquire(&queue->lock);
    uint64_t next = earliest_locked(queue);
    spin_release(&queue->lock);
    return next;
}

void timer_queue_set_slice_end(uint64_t at_ns)
{
    struct timer_queue *queue = own_queue();
    queue->slice_end_ns = at_ns;
    if (at_ns < queue->programmed_ns) {
        program(queue, at_ns);
    } else if (at_ns == UINT64_MAX && queue->programmed_ns != UINT64_MAX) {
        uint64_t next = timer_queue_next_ns(); /* going idle: nothing may wake us early */
        if (next != queue->programmed_ns) program(queue, next);
    }
}
