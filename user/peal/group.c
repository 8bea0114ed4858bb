#include "peal/group.h"
#include "peal/program.h"
#include "peal/task_internal.h"
#include "peal/task_stack.h"

void group_begin(task_group *group)
{
    struct task_scheduler *scheduler = task_scheduler_self();
    scope_tree_add(&group->scope, scheduler->current->scope, false);
    group->running = 0;
    group->first_failure = OK;
    group->waiter = nullptr;
    if (group->stack_bytes == 0) group->stack_bytes = TASK_STACK_BYTES_DEFAULT;
}

static task_result stack_take(struct task_scheduler *scheduler, uint32_t class)
{
    struct list *idle = list_take_first(&scheduler->idle_stacks[class]);
    if (idle != nullptr) return (task_result){OK, LIST_ELEMENT(idle, struct task, queue_link)};
    return task_stack_take(class);
}

status group_spawn(task_group *group, task_function *function, void *argument)
{
    struct task_scheduler *scheduler = &peal_thread_self()->scheduler;
    uint32_t class = task_stack_class(group->stack_bytes);
    if (class == TASK_STACK_CLASSES) return FAIL(OUT_OF_RANGE);
    TRY(group->scope.reason);
    task_result taken = stack_take(scheduler, class);
    TRY(taken.status);
    struct task *task = taken.value;
    *task = (struct task){.scope = &group->scope,
                          .group = group,
                          .function = function,
                          .argument = argument,
                          .stack_class = class};
    group->running++;
    task_start(scheduler, task);
    return OK;
}

void group_member_ended(struct task_scheduler *scheduler, struct task *member, status outcome)
{
    struct task_group *group = member->group;
    if (!is_ok(outcome) && is_ok(group->first_failure)) {
        group->first_failure = outcome;
        if (group->fails_together) group_stop(group);
    }
    if (--group->running > 0 || group->waiter == nullptr) return;
    task_make_ready(scheduler, group->waiter);
    group->waiter = nullptr;
}

status group_wait(task_group *group)
{
    struct task_scheduler *scheduler = &peal_thread_self()->scheduler;
    struct task *self = scheduler->current;
    if (scope_tree_is_within(self->scope, &group->scope))
        peal_abort(); /* it would wait for itself */
    while (group->running > 0) {
        group->waiter = self;
        task_suspend(scheduler);
    }
    task_scheduler_settle_down(scheduler);
    status failure = group->first_failure;
    group->first_failure = OK;
    return failure;
}

void group_stop(task_group *group)
{
    scope_tree_stop(&group->scope, FAIL(INTERRUPTED), task_stop_waiting);
}

void group_cancel(task_group *group)
{
    group_stop(group);
    ignore_status(group_wait(group)); /* that they were interrupted is what was asked for */
}

void task_group_drop(task_group *group)
{
    if (group->scope.parent == nullptr) return;
    if (group->running > 0) group_cancel(group);
    if (!scope_tree_remove(&group->scope)) peal_abort();
}
