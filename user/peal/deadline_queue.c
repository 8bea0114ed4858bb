#include "peal/deadline_queue.h"

/* Two trees become one; either may be empty. */
static struct deadline_node *join(struct deadline_node *one, struct deadline_node *other)
{
    if (one == nullptr) return other;
    if (other == nullptr) return one;
    struct deadline_node *first = one->deadline_ns <= other->deadline_ns ? one : other;
    struct deadline_node *second = first == one ? other : one;
    second->next = first->child;
    second->previous = first;
    if (first->child != nullptr) first->child->previous = second;
    first->child = second;
    return first;
}

/* A list of siblings becomes one tree: neighbours in pairs, then the pairs from the last one on. */
static struct deadline_node *join_siblings(struct deadline_node *node)
{
    struct deadline_node *pairs = nullptr; /* linked through `next`, the last pair first */
    while (node != nullptr) {
        struct deadline_node *one = node, *other = node->next;
        node = other == nullptr ? nullptr : other->next;
        one->next = one->previous = nullptr;
        if (other != nullptr) other->next = other->previous = nullptr;
        struct deadline_node *pair = join(one, other);
        pair->next = pairs;
        pairs = pair;
    }
    struct deadline_node *all = nullptr;
    while (pairs != nullptr) {
        struct deadline_node *pair = pairs;
        pairs = pair->next;
        pair->next = nullptr;
        all = join(all, pair);
    }
    return all;
}

void deadline_queue_add(struct deadline_queue *queue, struct deadline_node *node)
{
    node->child = node->next = node->previous = nullptr;
    queue->first = join(queue->first, node);
}

void deadline_queue_remove(struct deadline_queue *queue, struct deadline_node *node)
{
    struct deadline_node *below = join_siblings(node->child);
    if (queue->first == node) {
        queue->first = below;
    } else {
        if (node->previous->child == node)
            node->previous->child = node->next;
        else
            node->previous->next = node->next;
        if (node->next != nullptr) node->next->previous = node->previous;
        queue->first = join(queue->first, below);
    }
    node->child = node->next = node->previous = nullptr;
}
