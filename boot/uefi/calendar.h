/* Dates to seconds. Pure. */
#pragma once
#include <stdint.h>

struct efi_time;

/*
 * Seconds since 1970-01-01 UTC; 0 when the time is before that or makes no sense. A time without a
 * zone is taken as UTC.
 */
uint64_t calendar_seconds(const struct efi_time *time);
