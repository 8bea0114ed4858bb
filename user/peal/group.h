/*
 * Groups: no task outlives the group it was started in.
 *
 *     OWNED(task_group) group = {0};
 *     group_begin(&group);
 *     for (...) TRY(group_spawn(&group, fetch, &jobs[i]));
 *     TRY(group_wait(&group));
 *
 * A group belongs to the flow that began it, and ends before it. Members may start further members
 * and begin groups of their own. A group begun within a scope (scope.h), or by a member of another
 * group, stops with that.
 *
 * Leaving without group_wait, as a TRY does, tells the members to stop and waits for them.
 *
 * Context: one thread: that of group_begin.
 */
#pragma once
#include "peal/scope.h"
#include "peal/task.h"

#define TASK_STACK_BYTES_DEFAULT (16u << 10)
#define TASK_STACK_BYTES_MIN     (8u << 10)
#define TASK_STACK_BYTES_MAX     (1u << 20)

/* Nil when zero. The first two fields are for the program, before group_begin. */
typedef struct task_group {
    uint32_t stack_bytes; /* of each member; 0: the default */
    bool fails_together;  /* the first failure tells the others to stop */
    uint32_t running;     /* members that have not ended */
    status first_failure;
    struct task *waiter; /* nullptr: nobody is in group_wait */
    struct task_scope scope;
} task_group;

void group_begin(task_group *group);

/*
 * Starts `function(argument)`; it runs when the caller next waits. What it answers, the group
 * remembers.
 *
 *   OUT_OF_MEMORY    no stack; also QUOTA_EXCEEDED: some 4,000 tasks fit into a process
 *   OUT_OF_RANGE     stack_bytes is beyond _MIN and _MAX
 *   INTERRUPTED, TIMED_OUT   the group has been told to stop
 */
status group_spawn(task_group *group, task_function *function, void *argument);

/*
 * Waits until all have ended, and gives the first failure: first in time. Then the group is as
 * after group_begin, still stopped if it was. Not for members: it would wait for them.
 */
status group_wait(task_group *group);

/* Tells all members to stop, and what they have begun; for anybody on the thread. */
void group_stop(task_group *group);

/* Tells them, and waits for them. */
void group_cancel(task_group *group);

/* Cancels what still runs. */
void task_group_drop(task_group *group);
