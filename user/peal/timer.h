/*
 * Timers: deadlines and series of them, as handles that can be waited for, shared and given away.
 *
 *     timer_result made = peal_timer_create((struct timer_setting){.deadline_ns = now + ms,
 *                                                                  .period_ns = ms});
 *     OWNED(timer_handle) timer = TAKE(made.value);
 *     size_result expired = peal_timer_wait(timer_borrow(&timer));     how often, 1 at least
 *
 * Times are those of the monotonic clock (peal/clock.h).
 * Context: any thread.
 */
#pragma once
#include "peal/handle.h"
#include <abi/ring.h>

struct timer_setting {
    uint64_t deadline_ns; /* of the first expiration; ABI_DEADLINE_NEVER: it is stopped */
    uint64_t period_ns;   /* between two; 0: there is only one */
};

/* INVALID_ARGUMENT (a period below ABI_TIMER_PERIOD_NS_MIN), QUOTA_EXCEEDED */
peal_raw_status peal_raw_timer_create(struct timer_setting setting,
                                      peal_raw_handle *out_timer ACQUIRES_HANDLE);
static inline timer_result peal_timer_create(struct timer_setting setting)
{
    timer_result result = {0};
    result.status = status_of_raw(peal_raw_timer_create(setting, &result.value.raw));
    return result;
}

/* Waits for the timer to expire: how often it has since the last wait that told of any. */
size_result peal_timer_wait(timer_ref timer);

/* What expired before by the old setting is still told. INVALID_ARGUMENT */
status peal_timer_set(timer_ref timer, struct timer_setting setting);
