/* The pairing heap of timers. Loops only: depth is never a matter of the stack. */
#include "time/timer_heap.h"

/* Joins two trees; either may be nullptr. The later root becomes the first child of the earlier. */
static struct timer *join(struct timer *a, struct timer *b)
{
    if (!a) return b;
    if (!b) return a;
    struct timer *parent = a->at_ns <= b->at_ns ? a : b;
    struct timer *child = parent == a ? b : a;
    child->previous = parent;
    child->sibling = parent->child;
    if (parent->child) parent->child->previous = child;
    parent->child = child;
    return parent;
}

static struct timer *detach_first(struct timer **list)
{
    struct timer *first = *list;
    if (!first) return nullptr;
    *list = first->sibling;
    first->sibling = nullptr;
    first->previous = nullptr;
    return first;
}

/* One tree of a list of siblings: joined two by two from the left, then one by one from the right.
 */
static struct timer *join_siblings(struct timer *siblings)
{
    struct timer *pairs = nullptr; /* the pairs so far, last first */
    while (siblings) {
        struct timer *one = detach_first(&siblings);
        struct timer *pair = join(one, detach_first(&siblings));
        pair->sibling = pairs;
        pairs = pair;
    }
    struct timer *root = nullptr;
    while (pairs)
        root = join(root, detach_first(&pairs));
    return root;
}

void timer_heap_insert(struct timer_heap *heap, struct timer *timer)
{
    timer->child = nullptr;
    timer->sibling = nullptr;
    timer->previous = nullptr;
    heap->earliest = join(heap->earliest, timer);
}

/* Takes a node that is not the root out of its parent's children. */
static void unlink_child(struct timer *timer)
{
    if (timer->previous->child == timer) {
        timer->previous->child = timer->sibling;
    } else {
        timer->previous->sibling = timer->sibling;
    }
    if (timer->sibling) timer->sibling->previous = timer->previous;
    timer->sibling = nullptr;
    timer->previous = nullptr;
}

void timer_heap_remove(struct timer_heap *heap, struct timer *timer)
{
    struct timer *below = join_siblings(timer->child);
    timer->child = nullptr;
    if (timer == heap->earliest) {
        heap->earliest = below;
    } else {
        unlink_child(timer);
        heap->earliest = join(heap->earliest, below);
    }
}
