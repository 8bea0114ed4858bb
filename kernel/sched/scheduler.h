/*
 * Who runs where: a run queue with 32 priorities per processor, round robin within a priority.
 *
 * Context: as said. Locking: LOCK_RANK_RUN_QUEUE inside.
 * Cost: constant, except for an idle processor's search for work.
 */
#pragma once
#include "arch/arch/cpu.h"
#include "sched/thread.h"

/* Boot processor, after the heap and timers: makes the run queues and turns this flow into thread
 * "boot". */
void scheduler_init(void);
/* Each other processor, on its own stack, interrupts off: joins and never returns. */
[[noreturn]] void scheduler_start_processor(uint32_t index);

/* Lets others of the same or higher priority run. Task context, no spin lock held. */
void scheduler_yield(void);
/* Runs someone else if the slice is over or someone more urgent is ready. Task context, no spin
 * lock held. */
void scheduler_preempt_point(void);
/* The same for the way back to user mode: interrupts are off before and after. */
void scheduler_return_to_user(void);
/* Between the steps of something long: a preempt point. False: the thread was asked to end and
 * should not go on. */
static inline bool scheduler_pause(void)
{
    scheduler_preempt_point();
    const struct thread *self = cpu_current_thread();
    /* Relaxed: a hint; the way back to user mode looks again. */
    return self == nullptr || !atomic_load_explicit(&self->end_requested, memory_order_relaxed);
}

/*
 * Called by wait queues and the like. A thread that wants to sleep says so with
 * thread_prepare_to_sleep(), under the lock that wakers take; releases that lock; and calls
 * thread_sleep(), which returns when it has been woken, at once if that has happened already.
 * thread_wake makes a sleeping thread READY on a processor of the scheduler's choice, and answers
 * false if it was not sleeping. `prefer_here` puts it on this processor: for a waker that is about
 * to sleep itself.
 */
void thread_prepare_to_sleep(void);
void thread_sleep(void);
bool thread_wake(struct thread *thread, bool prefer_here);

/* What the processor runs, or did when it was stopped; nullptr: nothing yet. For panics: no lock.
 */
const struct thread *scheduler_running(uint32_t cpu);

/* For statistics. */
/* What the calling thread has used of its processors so far. Task context. */
uint64_t scheduler_own_runtime_ns(void);
/* All processors together: the time they were halted. */
uint64_t scheduler_idle_ns(void);
uint32_t scheduler_thread_count(void);
/*
 * Installed by the task layer: called on every switch from or to a thread with an owner, interrupts
 * off. It sees to it that the processor uses the page tables of the thread that comes.
 */
void scheduler_set_switch_hook(void (*hook)(struct thread *from, struct thread *to));
/* Takes effect when the thread is queued next. */
void thread_set_priority(struct thread *thread, uint8_t priority);
