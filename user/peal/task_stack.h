/*
 * Stacks of tasks: pooled, since a used stack needs no fresh pages.
 *
 * A stack of class c has TASK_STACK_BYTES_MIN << c bytes and an unmapped page below. Stacks come
 * from reservations, each one sparse buffer, which are kept.
 *
 * Context: any thread.
 */
#pragma once
#include "peal/status.h"
#include "peal/task_scheduler.h"

/* The top of a stack is its task. */
RESULT_TYPE(task_result, struct task *);

/* The class whose stacks hold so many bytes; TASK_STACK_CLASSES when none does. */
uint32_t task_stack_class(uint32_t bytes);

/*
 * Takes a stack of the class. Its uppermost page is there, so that the task can be filled without
 * a fault. OUT_OF_MEMORY, QUOTA_EXCEEDED
 */
task_result task_stack_take(uint32_t class);
/* Gives many back at once: a list of tasks, by queue_link. It is empty then. */
void task_stack_give_all(uint32_t class, struct list *tasks);
