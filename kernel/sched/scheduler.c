/*
 * Who runs where.
 *
 * Locking: `processor->lock` guards its run queue, its `current`, and the state of every thread
 * whose `cpu` it is. A switch happens with that lock held: the thread that leaves took it, the
 * thread that comes releases it, on the new stack. So nobody can see a thread in a queue, or find
 * it sleeping and wake it, before its registers are saved; there is nothing to wait for. No two of
 * these locks are ever held by a processor, except that an idle one tries (without waiting)
 * another's to take work from it.
 *
 * Sleeping: a thread declares itself SLEEPING under the lock of what it waits for, then comes here.
 * A waker that finds it not yet switched away (it is still `current`) makes it RUNNING again, and
 * thread_sleep() returns at once. Each wait has exactly one waker (thread_claim_wake), so `cpu` of
 * a sleeping thread changes only at that waker's hand.
 *
 * Idle: a processor with nothing to do sets its bit in `idle_processors` and halts with interrupts
 * off until the halt itself, so that a kick sent any time after it looked at its queue ends the
 * halt. Wakers claim the bit, so two do not pick the same sleeper.
 */
#include "sched/scheduler.h"
#include "arch/arch/cpu.h"
#include "arch/arch/trap.h"
#include "base/checked.h"
#include "debug/assert.h"
#include "sched/run_queue.h"
#include "sched/scheduler_internal.h"

struct processor {
    spin_lock lock; /* LOCK_RANK_RUN_QUEUE */
    struct run_queue queue GUARDED_BY(lock);
    struct thread *current GUARDED_BY(lock); /* written by the processor itself */
    struct thread *idle;                     /* fixed once it runs */
    /* Time spent halted; what handling interrupts takes is not part of it. Statistics: relaxed. */
    _Atomic uint64_t halted_ticks;
    _Atomic uint64_t halted_since; /* 0: it runs */
    struct thread *dead;           /* to be buried by who runs next; handed over with the lock */
    _Atomic bool
        need_reschedule; /* relaxed: set under the lock, looked at on the way to user mode */
} CACHE_ALIGNED;

static struct processor processors[CPU_COUNT_MAX];
static _Atomic uint64_t idle_processors; /* one bit each; a hint that a waker turns into a claim */
static void (*switch_hook)(struct thread *from, struct thread *to); /* fixed at boot */

/* This processor. Interrupts off. */
static struct processor *own_processor(void)
{
    return &processors[cpu_index()];
}

static uint32_t index_of(const struct processor *processor)
{
    return (uint32_t)(processor - processors);
}

static const bool may_move[THREAD_DEAD + 1][THREAD_DEAD + 1] = {
    [THREAD_NEW] = {[THREAD_READY] = true},
    [THREAD_READY] = {[THREAD_RUNNING] = true},
    [THREAD_RUNNING] = {[THREAD_READY] = true, [THREAD_SLEEPING] = true, [THREAD_DEAD] = true},
    [THREAD_SLEEPING] = {[THREAD_READY] = true, [THREAD_RUNNING] = true},
};

/* The only writer of a thread's state. */
static void move(struct thread *thread, enum thread_state next)
{
    DEBUG_ASSERT(may_move[thread_state(thread)][next]);
    atomic_store_explicit(&thread->state, next, memory_order_relaxed);
}

/* --- Switching -------------------------------------------------------------------------------- */

static void account(struct thread *from, uint64_t now)
{
    uint64_t sum = atomic_load_explicit(&from->runtime_ns, memory_order_relaxed);
    sum += now - from->running_since_ns;
    atomic_store_explicit(&from->runtime_ns, sum, memory_order_relaxed);
}

/* A whole slice, or what is left of one in which somebody more urgent came between. */
static void begin_slice(struct thread *thread, uint64_t now)
{
    uint64_t length = thread->slice_left_ns > 0 ? thread->slice_left_ns : THREAD_SLICE_NS;
    thread->slice_end_ns = now + length;
    thread->slice_left_ns = 0;
    thread->slice_is_over = false;
    timer_queue_set_slice_end(thread->slice_end_ns);
}

/*
 * What the processor holds of a program changes hands: its registers here, its address space by the
 * hook, which knows when one begins and ends.
 */
static void switch_program(struct thread *from, struct thread *to)
{
    if (from->user) user_state_save(from->user);
    if (to->user) {
        user_state_load(to->user);
        cpu_set_kernel_stack(to->kernel_stack_top);
    }
    if (switch_hook && (from->owner || to->owner)) switch_hook(from, to);
}

/* The second half of every switch, on the new thread's stack: the lock was taken on the old one's.
 */
static void finish_switch(void) NO_LOCK_CHECK
{
    struct processor *processor = own_processor();
    struct thread *dead = processor->dead;
    processor->dead = nullptr;
    spin_release(&processor->lock);
    if (unlikely(dead)) thread_bury(dead);
}

/*
 * Runs the most urgent ready thread, or idles. The caller has put the current thread where it
 * belongs; interrupts are off, and the lock is released on return, which may be much later and
 * elsewhere.
 */
static void switch_away(struct processor *processor) NO_LOCK_CHECK
{
    struct thread *from = processor->current;
    struct thread *to = run_queue_take(&processor->queue);
    if (!to) to = processor->idle;
    atomic_store_explicit(&processor->need_reschedule, false, memory_order_relaxed);

    uint64_t now = clock_now_ns();
    account(from, now);
    to->running_since_ns = now;
    move(to, THREAD_RUNNING);
    if (to != processor->idle) begin_slice(to, now);
    if (from == to) {
        spin_release(&processor->lock);
        return;
    }
    processor->current = to;
    cpu_set_current_thread(to);
    switch_program(from, to);
    context_switch(&from->context, &to->context);
    finish_switch();
}

/* Puts the current thread back among the ready ones. */
static void requeue_current(struct processor *processor, bool at_front) NO_LOCK_CHECK
{
    struct thread *current = processor->current;
    move(current, THREAD_READY);
    if (current != processor->idle) run_queue_insert(&processor->queue, current, at_front);
}

void scheduler_begin(void)
{
    finish_switch();
    interrupts_restore(true);
}

/* --- Giving up the processor ------------------------------------------------------------------ */

static uint8_t priority_of(const struct thread *thread)
{
    return atomic_load_explicit(&thread->priority, memory_order_relaxed);
}

void scheduler_yield(void) NO_LOCK_CHECK
{
    bool were_on = interrupts_disable();
    struct processor *processor = own_processor();
    if (run_queue_count(&processor->queue) > 0) {
        spin_acquire(&processor->lock);
        DEBUG_ASSERT(lock_order_depth() == 1);
        if (run_queue_highest(&processor->queue) >= priority_of(processor->current)) {
            requeue_current(processor, false);
            switch_away(processor);
        } else {
            spin_release(&processor->lock);
        }
    }
    interrupts_restore(were_on);
}

/* Interrupts off, and the flag was seen. */
static void reschedule(struct processor *processor) NO_LOCK_CHECK
{
    spin_acquire(&processor->lock);
    DEBUG_ASSERT(lock_order_depth() == 1);
    struct thread *current = processor->current;
    uint64_t now = clock_now_ns();
    bool is_over = current->slice_is_over || now >= current->slice_end_ns;
    if (!is_over) current->slice_left_ns = current->slice_end_ns - now;
    requeue_current(processor, !is_over);
    switch_away(processor);
}

static bool wants_reschedule(const struct processor *processor)
{
    return atomic_load_explicit(&processor->need_reschedule, memory_order_relaxed);
}

void scheduler_preempt_point(void)
{
    bool were_on = interrupts_disable();
    struct processor *processor = own_processor();
    if (unlikely(wants_reschedule(processor))) reschedule(processor);
    interrupts_restore(were_on);
}

void scheduler_return_to_user(void)
{
    struct processor *processor = own_processor();
    if (unlikely(wants_reschedule(processor))) reschedule(processor);
}

/* --- Sleeping and waking ---------------------------------------------------------------------- */

void thread_prepare_to_sleep(void)
{
    move(cpu_current_thread(), THREAD_SLEEPING);
}

void thread_sleep(void) NO_LOCK_CHECK
{
    bool were_on = interrupts_disable();
    struct processor *processor = own_processor();
    spin_acquire(&processor->lock);
    DEBUG_ASSERT(lock_order_depth() == 1);
    if (thread_state(processor->current) == THREAD_SLEEPING) {
        switch_away(processor);
    } else {
        spin_release(&processor->lock); /* woken before we came this far */
    }
    interrupts_restore(were_on);
}

/* Makes an idle processor busy with us: of all who try, one gets it. */
static bool claim_idle(uint32_t index)
{
    uint64_t bit = 1ull << index;
    if (!(atomic_load_explicit(&idle_processors, memory_order_relaxed) & bit)) return false;
    return atomic_fetch_and_explicit(&idle_processors, ~bit, memory_order_relaxed) & bit;
}

/* Where it ran last if that is idle, for its caches; else any idle one; else where it ran last. */
static uint32_t choose_processor(const struct thread *thread, bool prefer_here)
{
    uint32_t last = atomic_load_explicit(&thread->cpu, memory_order_relaxed);
    if (thread->is_pinned) return last;
    if (prefer_here) return cpu_index();
    uint64_t idle = atomic_load_explicit(&idle_processors, memory_order_relaxed);
    if (idle == 0 || claim_idle(last)) return last;
    for (; idle != 0; idle &= idle - 1) {
        uint32_t index = (uint32_t)__builtin_ctzll(idle);
        if (claim_idle(index)) return index;
    }
    return last;
}

/* Inserts a READY thread that is in no queue. True when the processor must be told. */
static bool enqueue_locked(struct processor *processor, struct thread *thread)
    REQUIRES(processor->lock)
{
    run_queue_insert(&processor->queue, thread, false);
    const struct thread *current = processor->current;
    if (current != processor->idle && priority_of(thread) <= priority_of(current)) return false;
    atomic_store_explicit(&processor->need_reschedule, true, memory_order_relaxed);
    return true;
}

/* Interrupts off. */
static void enqueue(struct thread *thread, uint32_t index)
{
    struct processor *processor = &processors[index];
    spin_acquire(&processor->lock);
    atomic_store_explicit(&thread->cpu, index, memory_order_relaxed);
    bool must_tell = enqueue_locked(processor, thread);
    spin_release(&processor->lock);
    if (must_tell && index != cpu_index()) cpu_kick(index);
}

bool thread_wake(struct thread *thread, bool prefer_here)
{
    bool were_on = interrupts_disable();
    uint32_t last = atomic_load_explicit(&thread->cpu, memory_order_relaxed);
    struct processor *processor = &processors[last];
    spin_acquire(&processor->lock);
    bool was_sleeping = thread_state(thread) == THREAD_SLEEPING;
    bool is_still_here = processor->current == thread;
    if (was_sleeping) move(thread, is_still_here ? THREAD_RUNNING : THREAD_READY);
    bool is_homeless = was_sleeping && !is_still_here;
    uint32_t chosen = is_homeless ? choose_processor(thread, prefer_here) : last;
    bool must_tell = is_homeless && chosen == last && enqueue_locked(processor, thread);
    spin_release(&processor->lock);

    if (chosen != last) {
        enqueue(thread, chosen);
    } else if (must_tell && last != cpu_index()) {
        cpu_kick(last);
    }
    interrupts_restore(were_on);
    return was_sleeping;
}

void scheduler_admit(struct thread *thread)
{
    bool were_on = interrupts_disable();
    move(thread, THREAD_READY);
    enqueue(thread, choose_processor(thread, false));
    interrupts_restore(were_on);
}

void scheduler_leave(void) NO_LOCK_CHECK
{
    interrupts_disable();
    struct processor *processor = own_processor();
    spin_acquire(&processor->lock);
    DEBUG_ASSERT(lock_order_depth() == 1);
    struct thread *current = processor->current;
    move(current, THREAD_DEAD);
    processor->dead = current;
    switch_away(processor);
    panic("a dead thread was run");
}

/* --- Interrupts ------------------------------------------------------------------------------- */

/* The slice of a thread that nobody waits behind is renewed; else the way back to user mode
 * switches. */
static void check_slice(struct processor *processor)
{
    spin_acquire(&processor->lock);
    struct thread *current = processor->current;
    uint64_t now = clock_now_ns();
    if (current != processor->idle && now >= current->slice_end_ns) {
        bool is_awaited = run_queue_highest(&processor->queue) >= priority_of(current);
        if (is_awaited) {
            current->slice_is_over = true;
            atomic_store_explicit(&processor->need_reschedule, true, memory_order_relaxed);
        } else {
            begin_slice(current, now);
        }
    }
    spin_release(&processor->lock);
}

static void timer_interrupt(void)
{
    timer_queue_run();
    check_slice(own_processor());
}

/* Being interrupted is all: whoever kicked has set what is looked at on the way out. */
static void kick_interrupt(void)
{
}

/* --- Idling ----------------------------------------------------------------------------------- */

/* One thread that waits behind others elsewhere, now ours, or nullptr. Interrupts off, no lock
 * held. */
static struct thread *steal_from(struct processor *victim)
{
    if (run_queue_count(&victim->queue) == 0 || !spin_acquire_try(&victim->lock)) return nullptr;
    struct thread *stolen = run_queue_steal(&victim->queue);
    if (stolen) atomic_store_explicit(&stolen->cpu, cpu_index(), memory_order_relaxed);
    spin_release(&victim->lock);
    return stolen;
}

static bool steal(struct processor *thief)
{
    uint32_t count = cpu_count();
    uint32_t own = index_of(thief);
    for (uint32_t step = 1; step < count; step++) {
        struct thread *stolen = steal_from(&processors[(own + step) % count]);
        if (!stolen) continue;
        enqueue(stolen, own);
        return true;
    }
    return false;
}

static void set_idle(uint32_t index, bool is_idle)
{
    uint64_t bit = 1ull << index;
    if (is_idle) {
        atomic_fetch_or_explicit(&idle_processors, bit, memory_order_relaxed);
    } else {
        atomic_fetch_and_explicit(&idle_processors, ~bit, memory_order_relaxed);
    }
}

static void halt(struct processor *processor)
{
    uint64_t since = cpu_ticks();
    atomic_store_explicit(&processor->halted_since, since, memory_order_relaxed);
    uint64_t until = cpu_wait_for_interrupt();
    atomic_store_explicit(&processor->halted_since, 0, memory_order_relaxed);
    uint64_t sum = atomic_load_explicit(&processor->halted_ticks, memory_order_relaxed);
    atomic_store_explicit(&processor->halted_ticks, sum + (until - since), memory_order_relaxed);
}

/* Halts until there may be something to do. The queue is looked at after the bit is set. Interrupts
 * off. */
static void idle_wait(struct processor *processor)
{
    set_idle(index_of(processor), true);
    timer_queue_set_slice_end(UINT64_MAX);
    if (run_queue_count(&processor->queue) == 0) halt(processor);
    set_idle(index_of(processor), false);
}

[[noreturn]] static void idle_loop(void) NO_LOCK_CHECK
{
    for (;;) {
        interrupts_disable();
        struct processor *processor = own_processor();
        if (run_queue_count(&processor->queue) > 0 || steal(processor)) {
            spin_acquire(&processor->lock);
            requeue_current(processor, false);
            switch_away(processor);
        } else {
            idle_wait(processor);
        }
    }
}

static void idle_entry(void *unused)
{
    (void)unused;
    idle_loop();
}

/* --- Beginning -------------------------------------------------------------------------------- */

static void processor_init(struct processor *processor, struct thread *current,
                           struct thread *idle) NO_LOCK_CHECK
{
    spin_lock_init(&processor->lock, LOCK_RANK_RUN_QUEUE);
    run_queue_init(&processor->queue);
    processor->current = current;
    processor->idle = idle;
    current->running_since_ns = clock_now_ns();
    atomic_store_explicit(&current->state, THREAD_RUNNING, memory_order_relaxed);
    cpu_set_current_thread(current);
}

static struct object_grave *grave_of_current(void)
{
    return &cpu_current_thread()->grave;
}

void scheduler_init(void)
{
    thread_init();
    uint32_t own = cpu_index();
    struct thread *boot = thread_adopt("boot", THREAD_PRIORITY_WORKER, false, own);
    struct thread_options options = {
        .entry = idle_entry,
        .name = "idle",
        .priority = THREAD_PRIORITY_IDLE,
        .is_pinned = true,
        .cpu = own,
    };
    thread_result idle = thread_create(&options);
    if (!is_ok(idle.status)) panic("no memory for the idle thread");
    atomic_store_explicit(&idle.value->state, THREAD_READY, memory_order_relaxed);
    processor_init(&processors[own], boot, idle.value);
    object_set_grave(grave_of_current);
    begin_slice(boot, clock_now_ns());
    trap_set_timer(timer_interrupt);
    trap_set_kick(kick_interrupt);
}

void scheduler_start_processor(uint32_t index)
{
    struct thread *idle = thread_adopt("idle", THREAD_PRIORITY_IDLE, true, index);
    processor_init(&processors[index], idle, idle);
    idle_loop();
}

void scheduler_set_switch_hook(void (*hook)(struct thread *from, struct thread *to))
{
    switch_hook = hook;
}

void thread_set_priority(struct thread *thread, uint8_t priority)
{
    ASSERT(priority < THREAD_PRIORITY_COUNT);
    atomic_store_explicit(&thread->priority, priority, memory_order_relaxed);
}

const struct thread *scheduler_running(uint32_t cpu) NO_LOCK_CHECK
{
    return processors[cpu].current;
}

uint64_t scheduler_own_runtime_ns(void)
{
    bool were_on = interrupts_disable();
    const struct thread *self = cpu_current_thread();
    uint64_t sum = atomic_load_explicit(&self->runtime_ns, memory_order_relaxed);
    sum += clock_now_ns() - self->running_since_ns;
    interrupts_restore(were_on);
    return sum;
}

uint64_t scheduler_idle_ns(void)
{
    uint64_t ticks = 0;
    for (uint32_t i = 0; i < cpu_count(); i++) {
        uint64_t since = atomic_load_explicit(&processors[i].halted_since, memory_order_relaxed);
        uint64_t now = cpu_ticks();
        ticks += atomic_load_explicit(&processors[i].halted_ticks, memory_order_relaxed);
        if (since != 0 && now > since) ticks += now - since;
    }
    return clock_ticks_to_ns(ticks);
}
