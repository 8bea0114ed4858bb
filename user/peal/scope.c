#include "peal/scope.h"
#include "peal/clock.h"
#include "peal/program.h"
#include "peal/task_internal.h"

static struct task_scope *scope_of(struct deadline_node *node)
{
    return LIST_ELEMENT(node, struct task_scope, deadline);
}

static void move_task(struct task *task, struct task_scope *to)
{
    list_remove(&task->scope_link);
    list_add_last(&to->tasks, &task->scope_link);
    task->scope = to;
}

static struct task_scheduler *scope_begin(task_scope *scope, bool is_shield)
{
    struct task_scheduler *scheduler = task_scheduler_self();
    struct task *self = scheduler->current;
    scope_tree_add(scope, self->scope, is_shield);
    move_task(self, scope);
    task_scheduler_activate(scheduler);
    return scheduler;
}

void peal_with_deadline(task_scope *scope, uint64_t deadline_ns)
{
    struct task_scheduler *scheduler = scope_begin(scope, false);
    if (deadline_ns == ABI_DEADLINE_NEVER) return;
    scope->deadline.deadline_ns = deadline_ns;
    scope->has_deadline = true;
    deadline_queue_add(&scheduler->deadlines, &scope->deadline);
    scope_expire(scheduler);
}

void peal_with_shield(task_scope *scope)
{
    scope_begin(scope, true);
}

status peal_scope_reason(const task_scope *scope)
{
    return scope->reason;
}

void task_scope_drop(task_scope *scope)
{
    struct task_scheduler *scheduler = &peal_thread_self()->scheduler;
    struct task_scope *parent = scope->parent;
    if (parent == nullptr) return;
    if (scheduler->current->scope != scope) peal_abort();
    move_task(scheduler->current, parent);
    if (scope->has_deadline) deadline_queue_remove(&scheduler->deadlines, &scope->deadline);
    if (!scope_tree_remove(scope)) peal_abort(); /* a group that began in it is still there */
    *scope = (task_scope){0};
    task_scheduler_deactivate(scheduler);
}

void scope_expire(struct task_scheduler *scheduler)
{
    struct deadline_node *first = scheduler->deadlines.first;
    if (first == nullptr) return;
    uint64_t now_ns = peal_clock_now_ns();
    for (; first != nullptr && first->deadline_ns <= now_ns; first = scheduler->deadlines.first) {
        struct task_scope *scope = scope_of(first);
        deadline_queue_remove(&scheduler->deadlines, first);
        scope->has_deadline = false;
        scope_tree_stop(scope, FAIL(TIMED_OUT), task_stop_waiting);
    }
}
