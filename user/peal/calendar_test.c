#include "peal/calendar.h"
#include "support/test.h"
#include <time.h>

TEST(dates_agree_with_the_c_library)
{
    for (uint64_t seconds = 0; seconds < 8'000'000'000u; seconds += 86'399 * 13) {
        struct calendar_time actual = calendar_from_ns(seconds * 1'000'000'000u);
        time_t when = (time_t)seconds;
        struct tm expected;
        gmtime_r(&when, &expected);
        CHECK_EQUAL(expected.tm_year + 1900, actual.year);
        CHECK_EQUAL(expected.tm_mon + 1, actual.month);
        CHECK_EQUAL(expected.tm_mday, actual.day);
        CHECK_EQUAL(expected.tm_hour, actual.hour);
        CHECK_EQUAL(expected.tm_min, actual.minute);
        CHECK_EQUAL(expected.tm_sec, actual.second);
    }
}
