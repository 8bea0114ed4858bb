/*
 * Who is told to stop: scopes in a tree, and the tasks in each. Pure.
 *
 * A scope is a stretch of a program that can be told to stop: a group's members, or a block with a
 * deadline. Each task is in one scope, the innermost. Stopping a scope marks it and all below it
 * with the reason, except what is behind a shield. A scope that begins below a marked one is marked
 * from the start, so that looking at one's own scope is enough.
 *
 * Locking:  none: a tree belongs to one thread.
 * Cost:     stopping is linear in what it reaches; all else is constant.
 */
#pragma once
#include "peal/deadline_queue.h"
#include "peal/list.h"
#include "peal/status.h"

/* Nil when zero. */
struct task_scope {
    struct task_scope *parent; /* nullptr: nil, or the root */
    struct list children;
    struct list sibling_link;
    struct list tasks;             /* whose innermost scope this is, by their scope_link */
    struct deadline_node deadline; /* in the thread's queue when has_deadline */
    status reason;                 /* OK: nobody has told it to stop */
    bool has_deadline;
    bool is_shield; /* what stops those around it does not reach in here */
};

/* The first scope of a thread: it has no parent, and nothing stops it. */
void scope_tree_root(struct task_scope *scope);
/* Enters a scope below `parent`. */
void scope_tree_add(struct task_scope *scope, struct task_scope *parent, bool is_shield);
/* Takes it out. False when there is something in it, a task or a scope, and then it stays. */
bool scope_tree_remove(struct task_scope *scope);

/*
 * Marks the scope and what is below it with `reason`, and calls `reached` for every task that is
 * told for the first time, by its link. What was marked already keeps its reason.
 */
void scope_tree_stop(struct task_scope *scope, status reason, void (*reached)(struct list *task));

/* `inner` is `outer`, or lies below it. */
bool scope_tree_is_within(const struct task_scope *inner, const struct task_scope *outer);
