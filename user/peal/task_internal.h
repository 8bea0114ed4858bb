/* Between the files that make up tasks: task.c, await.c, scope.c, group.c. */
#pragma once
#include "peal/await.h"
#include "peal/call.h"
#include "peal/task_scheduler.h"

/* The calling thread's scheduler, made ready at its first use. */
struct task_scheduler *task_scheduler_self(void);
/* The thread ends: gives back what its scheduler keeps. */
void task_scheduler_end(void);
/* A group has ended: without tasks, no stacks are kept. */
void task_scheduler_settle_down(struct task_scheduler *scheduler);
/* One more, or one fewer, task or scope. */
void task_scheduler_activate(struct task_scheduler *scheduler);
void task_scheduler_deactivate(struct task_scheduler *scheduler);

/* Lets others run until somebody has made the current task ready. */
void task_suspend(struct task_scheduler *scheduler);
static inline void task_make_ready(struct task_scheduler *scheduler, struct task *task)
{
    list_add_last(&scheduler->ready, &task->queue_link);
}

/* Tells a task to stop what it waits for: for scope_tree_stop(). */
void task_stop_waiting(struct list *scope_link);
/* Sees to it that a wake on the word, or that it does not hold `expected`, is a completion. */
void operation_watch(struct task_scheduler *scheduler, const uint32_t *word, uint32_t expected);
/* That is not needed any more. */
void operation_watch_end(struct task_scheduler *scheduler);
/* Sends the cancellations that wait for room. */
void operation_stops_send(struct task_scheduler *scheduler);
/* The kernel takes nothing more and nothing can complete: what it has not read ends QUEUE_FULL. */
void operation_take_back(struct task_scheduler *scheduler);
/* What peal_call() does with a filled slot while the thread has tasks. */
size_result operation_call(void);

/* Makes ready whom other threads have woken. */
void park_inbox_take(struct task_scheduler *scheduler);
/* Before the thread waits in the kernel: that wakes end the wait. False: somebody is ready. */
bool park_prepare_to_sleep(struct task_scheduler *scheduler);
/* Ends a wait in peal_park() that may be stopped. */
void park_stop(struct task *task);

/* Stops the scopes whose deadline has come. */
void scope_expire(struct task_scheduler *scheduler);

/* A member has ended: its group hears of it. */
void group_member_ended(struct task_scheduler *scheduler, struct task *member, status outcome);
/* Starts a member on a stack of its own; it is ready. */
void task_start(struct task_scheduler *scheduler, struct task *task);
