/* For sched itself. */
#pragma once
#include "sched/scheduler.h"

/* Ends the calling thread's last run: it is DEAD when this processor has left its stack. */
[[noreturn]] void scheduler_leave(void);
/* Makes a NEW thread READY. */
void scheduler_admit(struct thread *thread);
/* Where every created thread begins: ends the switch that led here, interrupts on afterwards. */
void scheduler_begin(void);
/* Called by the next thread on the processor, off the dead one's stack. Interrupts off. */
void thread_bury(struct thread *thread);
/* A thread around a flow of control that arch began. Stops the kernel when there is no memory. */
struct thread *thread_adopt(const char *name, uint8_t priority, bool is_pinned, uint32_t cpu);
/* Claims the right to wake a waiting thread, for this reason; false when somebody else was first.
 */
bool thread_claim_wake(struct thread *thread, enum wake_reason reason);
void thread_init(void);
