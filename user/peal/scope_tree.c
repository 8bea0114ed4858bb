#include "peal/scope_tree.h"

void scope_tree_root(struct task_scope *scope)
{
    *scope = (struct task_scope){0};
    list_init(&scope->children);
    list_init(&scope->sibling_link);
    list_init(&scope->tasks);
}

void scope_tree_add(struct task_scope *scope, struct task_scope *parent, bool is_shield)
{
    scope_tree_root(scope);
    scope->parent = parent;
    scope->is_shield = is_shield;
    scope->reason = is_shield ? OK : parent->reason;
    list_add_last(&parent->children, &scope->sibling_link);
}

bool scope_tree_remove(struct task_scope *scope)
{
    if (!list_is_empty(&scope->tasks) || !list_is_empty(&scope->children)) return false;
    list_remove(&scope->sibling_link);
    scope->parent = nullptr;
    return true;
}

static struct task_scope *scope_of(struct list *sibling_link)
{
    return LIST_ELEMENT(sibling_link, struct task_scope, sibling_link);
}

static void stop_one(struct task_scope *scope, status reason, void (*reached)(struct list *task))
{
    scope->reason = reason;
    struct list *next;
    for (struct list *task = scope->tasks.next; task != &scope->tasks; task = next) {
        next = task->next;
        reached(task);
    }
}

/* What is marked has only marked ones below it, up to a shield. */
static bool may_enter(const struct task_scope *scope)
{
    return !scope->is_shield && is_ok(scope->reason);
}

/* The scope after `scope` on a walk from parents to children that stays below `top`. */
static struct task_scope *walk_on(struct task_scope *scope, struct task_scope *top, bool descend)
{
    if (descend && !list_is_empty(&scope->children)) return scope_of(scope->children.next);
    while (scope != top && scope->sibling_link.next == &scope->parent->children)
        scope = scope->parent;
    return scope == top ? nullptr : scope_of(scope->sibling_link.next);
}

void scope_tree_stop(struct task_scope *scope, status reason, void (*reached)(struct list *task))
{
    if (!is_ok(scope->reason)) return;
    bool enters = true; /* a shield can be stopped itself */
    for (struct task_scope *at = scope; at != nullptr; at = walk_on(at, scope, enters)) {
        enters = at == scope || may_enter(at);
        if (enters) stop_one(at, reason, reached);
    }
}

bool scope_tree_is_within(const struct task_scope *inner, const struct task_scope *outer)
{
    for (; inner != nullptr; inner = inner->parent)
        if (inner == outer) return true;
    return false;
}
