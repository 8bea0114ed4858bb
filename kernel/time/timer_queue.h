/*
 * Things to do at a time: a queue of deadlines per processor, tickless.
 *
 * A timer is part of what it times; arming cannot fail. Its function runs once, in interrupt
 * context, on the processor it was armed on, at or after the deadline. The queue is an intrusive
 * pairing heap. The processor's own timer is armed for the earliest of the queue's and the
 * scheduler's needs.
 *
 * Context: any. Locking: LOCK_RANK_TIMER_QUEUE inside; functions run without it.
 * Cost: arm is constant, cancel and expiry logarithmic (amortised).
 */
#pragma once
#include "time/clock.h"
#include <stdatomic.h>

struct timer;
typedef void timer_function(struct timer *timer);

struct timer {
    timer_function *function; /* fixed while armed */
    uint64_t at_ns;
    _Atomic uint32_t state;                   /* idle, armed or fired: timer_queue.c */
    uint32_t cpu;                             /* the queue it is in */
    struct timer *child, *sibling, *previous; /* guarded by that queue's lock */
};

void timer_init(struct timer *timer, timer_function *function);
/* Arms an idle timer on this processor. A deadline that never comes leaves it idle; one in the past
 * fires at once. */
void timer_arm(struct timer *timer, deadline when);
/*
 * Makes sure the function will not run any more, unless it is running now: true when it was taken
 * out before it fired (or was not armed since), false when the function has run or is running on
 * its processor. Does not wait. Whoever owns the timer sees to it that arming and cancelling do not
 * meet.
 */
bool timer_cancel(struct timer *timer);
/* After a cancel that answered false: waits until the function has returned. Not from the function
 * itself, bounded by it. */
void timer_wait_idle(struct timer *timer);

/* Interrupt context: runs what is due on this processor. */
void timer_queue_run(void);
/* The earliest deadline of this processor's queue, UINT64_MAX when empty. Interrupts off. */
uint64_t timer_queue_next_ns(void);
/*
 * The scheduler wants an interrupt at `at_ns` too (end of a time slice), or UINT64_MAX for none.
 * Programs the processor's timer for the earlier of both. Interrupts off.
 */
void timer_queue_set_slice_end(uint64_t at_ns);
