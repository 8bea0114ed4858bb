#include "support/test.h"
#include "uefi/calendar.h"
#include "uefi/uefi.h"

static struct efi_time date(uint16_t year, uint8_t month, uint8_t day)
{
    return (struct efi_time){
        .year = year, .month = month, .day = day, .time_zone_minutes = EFI_TIME_ZONE_UNSPECIFIED};
}

static uint64_t days(uint16_t year, uint8_t month, uint8_t day)
{
    struct efi_time time = date(year, month, day);
    return calendar_seconds(&time) / 86400;
}

TEST(known_days_have_their_numbers)
{
    CHECK_EQUAL(0, days(1970, 1, 1));
    CHECK_EQUAL(11016, days(2000, 2, 29));
    CHECK_EQUAL(11017, days(2000, 3, 1));
    CHECK_EQUAL(20648, days(2026, 7, 14));
    CHECK_EQUAL(47540, days(2100, 2, 28));
    CHECK_EQUAL(47541, days(2100, 3, 1));
}

TEST(hours_and_zones_count)
{
    struct efi_time time = date(1970, 1, 2);
    time.hour = 1, time.minute = 2, time.second = 3;
    CHECK_EQUAL(86400 + 3723, calendar_seconds(&time));
    time.time_zone_minutes = -60; /* an hour east of Greenwich */
    CHECK_EQUAL(86400 + 123, calendar_seconds(&time));
}

TEST(a_time_that_makes_no_sense_is_unknown)
{
    CHECK_EQUAL(0, days(2001, 2, 29));
    CHECK_EQUAL(0, days(1969, 12, 31));
    CHECK_EQUAL(0, days(2000, 13, 1));
    CHECK_EQUAL(0, days(2000, 0, 1));
    CHECK_EQUAL(0, days(2000, 1, 0));
    struct efi_time time = date(2000, 1, 1);
    time.second = 60;
    CHECK_EQUAL(0, calendar_seconds(&time));
    time = date(2000, 1, 1);
    time.time_zone_minutes = 2000;
    CHECK_EQUAL(0, calendar_seconds(&time));
    time = date(1970, 1, 1);
    time.time_zone_minutes = -60;
    CHECK_EQUAL(0, calendar_seconds(&time));
}
