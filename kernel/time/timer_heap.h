/*
 * The timers of one processor, the earliest first: an intrusive pairing heap. Pure logic.
 *
 * A node's children are a list through `sibling`; `previous` is the sibling before or, for the
 * first child, the parent. No child is earlier than its parent.
 *
 * Context: any; the caller locks. Cost: insertion constant, removal logarithmic (amortised).
 */
#pragma once
#include "time/timer_queue.h"

struct timer_heap {
    struct timer *earliest; /* the root; nullptr: empty */
};

void timer_heap_insert(struct timer_heap *heap, struct timer *timer);
/* The timer must be in this heap. */
void timer_heap_remove(struct timer_heap *heap, struct timer *timer);
