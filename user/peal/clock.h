/*
 * Time. Reading a clock does not enter the kernel: it is computed from the clock page.
 *
 * Deadlines are absolute, in nanoseconds of the monotonic clock; ABI_DEADLINE_NEVER is none.
 * Context: any thread.
 */
#pragma once
#include "peal/status.h"
#include <abi/ring.h>

uint64_t peal_clock_now_ns(void);  /* since boot */
uint64_t peal_clock_real_ns(void); /* since 1970-01-01 00:00 UTC */
uint64_t peal_deadline_in_ms(uint64_t milliseconds);

/* Sleeps until the monotonic clock has reached `deadline_ns`. */
status peal_sleep_until(uint64_t deadline_ns);
