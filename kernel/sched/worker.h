/*
 * Kernel worker threads: for work that waits step by step.
 *
 * A work item is part of what it works on, so queueing cannot fail. Items run in order of
 * priority, then of submission, several at a time; every eighth is of the lowest priority there is,
 * so that none waits for ever; an item may queue itself again. A queue grows threads up to its
 * maximum when all are busy.
 *
 * Context: work_submit from any context; functions run in task context and may sleep.
 * Locking: LOCK_RANK_WORK_QUEUE inside.
 */
#pragma once
#include "sched/wait_queue.h"

struct work;
typedef void work_function(struct work *work);
struct work {
    struct list link;
    work_function *function;
};

struct work_queue;
/* `threads_max` threads at most, one at once. nullptr: no memory. Lives as long as the kernel. */
struct work_queue *work_queue_create(const char *name, uint32_t threads_max);
/* The item must not be queued already; it belongs to the queue until its function is called. */
void work_submit(struct work_queue *queue, struct work *work, work_function *function);
/* The same with a priority, 0 lowest, as for work_submit, .. WORK_PRIORITY_MAX. */
#define WORK_PRIORITY_MAX 7u
void work_submit_at(struct work_queue *queue, struct work *work, work_function *function,
                    uint8_t priority);
/* The queue for whatever has none of its own: operations that wait for disks. */
struct work_queue *work_queue_shared(void);
/* Boot, after scheduler_init. */
status worker_init(void);
