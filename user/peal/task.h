/*
 * Tasks: flows of control that share a thread and wait without it.
 *
 * A task is a function on a small stack of its own. The same calls that block a thread suspend a
 * task: peal_file_read() in a task hands the request to the kernel and lets the thread's other
 * tasks run until the completion is there. While a thread has tasks, its own flow is one of them.
 * When no task can run, everything that was begun goes to the kernel in one entry, and the thread
 * waits there.
 *
 * Tasks run on the thread that made them, one at a time, and give way only where they wait: in a
 * call, an await, a lock that is taken, task_yield(). Between those nothing of the thread's
 * changes, so what only one thread's tasks use needs no lock. A task that computes for long holds
 * up the others. Tasks live in groups, see group.h; they are told to stop through scopes, see
 * scope.h.
 *
 * The stack has an unmapped page below it: running over its end is a fault, never silent.
 *
 * Context: any thread, each with tasks of its own.
 * Cost: a switch is about sixty instructions, see bench.
 */
#pragma once
#include "peal/status.h"

/* What a task does; what it answers is for its group. */
typedef status task_function(void *argument);

/* Lets the others that can run go first. */
void task_yield(void);

/* OK, or why the task should end: it was told to stop. For work that makes no calls. */
status task_check(void);
