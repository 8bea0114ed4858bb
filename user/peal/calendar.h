/*
 * Dates. Pure: a number in, a date out. Context: any.
 */
#pragma once
#include <stdint.h>

/* A point in time as people write it, in UTC (proleptic Gregorian calendar). */
struct calendar_time {
    uint32_t year;
    uint32_t month; /* 1..12 */
    uint32_t day;   /* 1..31 */
    uint32_t hour;
    uint32_t minute;
    uint32_t second;
};
struct calendar_time calendar_from_ns(uint64_t real_ns);
