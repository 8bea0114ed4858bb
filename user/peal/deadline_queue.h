/*
 * Deadlines in order: which comes first. Pure.
 *
 * A pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986) over nodes that lie inside what has the
 * deadline, so that nothing is allocated and adding cannot fail.
 *
 * Locking:  whoever owns the queue.
 * Cost:     adding and looking constant; removing logarithmic over many, without recursion.
 */
#pragma once
#include <stdint.h>

struct deadline_node {
    uint64_t deadline_ns;
    struct deadline_node *child;    /* the first of those that come no earlier */
    struct deadline_node *next;     /* of the same parent */
    struct deadline_node *previous; /* the one before it, or the parent */
};

/* Nil when zero. */
struct deadline_queue {
    struct deadline_node *first; /* nullptr: empty */
};

/* The node is in no queue; its deadline stays as it is while it is in this one. */
void deadline_queue_add(struct deadline_queue *queue, struct deadline_node *node);
/* The node is in the queue. */
void deadline_queue_remove(struct deadline_queue *queue, struct deadline_node *node);
