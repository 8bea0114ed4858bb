/*
 * Timers: a deadline, or a series of them, that handles name and operations wait for.
 *
 * Expirations are counted by arithmetic, not by interrupts: how many there have been follows from
 * the clock. So none is lost however late somebody asks, a timer that nobody waits for costs
 * nothing, and no number of missed periods takes longer than one. Each expiration is told once, to
 * the oldest wait; several that have gathered are told together.
 *
 * Context:  any, unless a function says otherwise.
 * Locking:  LOCK_RANK_TIMER_OBJECT inside; `expired` is called without it.
 * Cost:     constant.
 */
#pragma once
#include "base/list.h"
#include "cap/object.h"
#include "mm/quota.h"

struct timer_object;
RESULT_TYPE(timer_object_result, struct timer_object *);
RESULT_TYPE(expirations_result, uint64_t);

struct timer_setting {
    uint64_t deadline_ns; /* of the first expiration; ABI_DEADLINE_NEVER: it is stopped */
    uint64_t period_ns;   /* between this and the next; 0: there is no next */
};

/*
 * One reference, for the caller. Put it in task context. The quota (nullptr: the kernel's) is
 * counted.
 *   INVALID_ARGUMENT   a period below ABI_TIMER_PERIOD_NS_MIN, which is not 0
 *   OUT_OF_MEMORY
 */
timer_object_result timer_object_create(struct memory_quota *quota, struct timer_setting setting);
struct object *timer_object_base(struct timer_object *timer);
struct timer_object *timer_object_of(struct object *object); /* the kind has been checked */

/* From now on by this setting. What expired before and was not told still will be.
 * INVALID_ARGUMENT as for create; then nothing changes */
status timer_object_set(struct timer_object *timer, struct timer_setting setting);

/* Somebody who waits for the next expiration; part of what waits. */
struct timer_wait {
    /*
     * Called once when the timer has expired, `count` times since the last wait that was told; the
     * wait is its owner's again. Any context.
     */
    void (*expired)(struct timer_wait *wait, uint64_t count);
    /*
     * True: it must not wait any more. Asked under the timer's lock when the wait has been entered:
     * who cancels says so first and calls timer_object_cancel() then, so that one of both finds
     * the other.
     */
    bool (*is_cancelled)(const struct timer_wait *wait);

    /* Guarded by the timer's lock. */
    struct list link;
    bool is_waiting;
};
/*
 * The expirations that nobody has been told of, if there are any. Otherwise waits, behind those
 * that wait already.
 *   WOULD_BLOCK   `expired` will be called, or has been, unless timer_object_cancel() is faster
 *   INTERRUPTED   is_cancelled() said so: it does not wait
 */
expirations_result timer_object_wait(struct timer_object *timer, struct timer_wait *wait);
/* True: taken back, `expired` will not be called. False: it was, or is being. */
bool timer_object_cancel(struct timer_object *timer, struct timer_wait *wait);
