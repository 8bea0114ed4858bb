#include "uefi/calendar.h"
#include "uefi/uefi.h"

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int64_t days_in(int64_t year, uint8_t month)
{
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days from 1970-01-01 to January 1st of the year, by the rule of leap years. */
static int64_t days_before_year(int64_t year)
{
    int64_t past = year - 1;
    return (year - 1970) * 365 + (past / 4 - past / 100 + past / 400) -
           (1969 / 4 - 1969 / 100 + 1969 / 400);
}

uint64_t calendar_seconds(const struct efi_time *time)
{
    if (time->year < 1970 || time->year > 9999 || time->month < 1 || time->month > 12) return 0;
    if (time->day < 1 || time->day > days_in(time->year, time->month)) return 0;
    if (time->hour > 23 || time->minute > 59 || time->second > 59) return 0;
    int64_t zone_minutes = time->time_zone_minutes;
    if (zone_minutes == EFI_TIME_ZONE_UNSPECIFIED) zone_minutes = 0;
    if (zone_minutes < -1440 || zone_minutes > 1440) return 0;

    int64_t days = days_before_year(time->year) + time->day - 1;
    for (uint8_t month = 1; month < time->month; month++)
        days += days_in(time->year, month);
    int64_t minutes = (days * 24 + time->hour) * 60 + time->minute + zone_minutes;
    int64_t seconds = minutes * 60 + time->second;
    return seconds > 0 ? (uint64_t)seconds : 0;
}
