#include "peal/calendar.h"

#define SECONDS_PER_DAY 86400u

/* Days since 0000-03-01 make leap days come last; 400 years are 146097 days. */
struct calendar_time calendar_from_ns(uint64_t real_ns)
{
    uint64_t seconds = real_ns / 1'000'000'000u;
    uint64_t days = seconds / SECONDS_PER_DAY + 719468;
    uint32_t of_day = (uint32_t)(seconds % SECONDS_PER_DAY);
    uint64_t era = days / 146097;
    uint32_t of_era = (uint32_t)(days % 146097);
    uint32_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint32_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint32_t shifted_month = (5 * of_year + 2) / 153; /* 0 is March */
    uint32_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
    return (struct calendar_time){
        .year = (uint32_t)(era * 400) + year_of_era + (month <= 2),
        .month = month,
        .day = of_year - (153 * shifted_month + 2) / 5 + 1,
        .hour = of_day / 3600,
        .minute = of_day / 60 % 60,
        .second = of_day % 60,
    };
}
