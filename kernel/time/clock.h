/*
 * What time it is.
 *
 * Monotonic time is nanoseconds since the kernel started, from the time stamp counter at the rate
 * measured at boot; the clock page (abi/clock.h) lets programs compute the same. Real time is that
 * plus an offset.
 *
 * Context: any after clock_init.
 */
#pragma once
#include "base/address.h"
#include <stdint.h>

/* Boot: after arch timer calibration and the frame pool. Allocates and fills the clock page. */
void clock_init(uint64_t real_time_seconds);
uint64_t clock_now_ns(void);
/* How long a number of cpu_ticks() takes. */
uint64_t clock_ticks_to_ns(uint64_t ticks);
uint64_t clock_real_ns(void);
/* The frame to map read-only into every process. */
physical_address clock_page_frame(void);
/* Nanoseconds to ticks of cpu_ticks(), rounded up, saturating. */
uint64_t clock_ns_to_ticks(uint64_t ns);

/* A point in monotonic time. */
typedef struct deadline {
    uint64_t at_ns; /* UINT64_MAX: never */
} deadline;

static inline deadline deadline_never(void)
{
    return (deadline){UINT64_MAX};
}

static inline deadline deadline_in_ns(uint64_t ns)
{
    uint64_t now = clock_now_ns();
    return (deadline){ns > UINT64_MAX - now ? UINT64_MAX : now + ns};
}

static inline deadline deadline_in_ms(uint64_t ms)
{
    return deadline_in_ns(ms > UINT64_MAX / 1000000 ? UINT64_MAX : ms * 1000000);
}

static inline bool deadline_passed(deadline limit)
{
    return limit.at_ns != UINT64_MAX && clock_now_ns() >= limit.at_ns;
}
