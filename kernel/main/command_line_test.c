#include "main/command_line.h"
#include "support/test.h"

#define LINE TEXT("  run=tests; poweroff\tcpus=4 cpus=0x10 empty= odd==x bad=4x")

TEST(an_option_is_found_by_its_whole_name)
{
    CHECK(command_line_has(LINE, TEXT("poweroff")));
    CHECK(command_line_has(LINE, TEXT("run")));
    CHECK(!command_line_has(LINE, TEXT("power")));
    CHECK(!command_line_has(LINE, TEXT("poweroffs")));
    CHECK(!command_line_has(LINE, TEXT("tests")));
    CHECK(!command_line_has(LINE, TEXT("")));
    CHECK(!command_line_has(TEXT(""), TEXT("run")));
    CHECK(!command_line_has(TEXT(" ; "), TEXT("run")));
}

TEST(a_value_is_what_follows_the_first_equals_sign)
{
    text value;
    CHECK(command_line_is(LINE, TEXT("run"), TEXT("tests")));
    CHECK(!command_line_is(LINE, TEXT("run"), TEXT("test")));
    CHECK(command_line_find(LINE, TEXT("empty"), &value));
    CHECK_EQUAL(0, value.length);
    CHECK(command_line_find(LINE, TEXT("poweroff"), &value));
    CHECK_EQUAL(0, value.length);
    CHECK(command_line_is(LINE, TEXT("odd"), TEXT("=x")));
}

TEST(the_last_of_two_counts_and_what_is_no_number_does_not)
{
    CHECK_EQUAL(16, command_line_number(LINE, TEXT("cpus"), 1));
    CHECK_EQUAL(9, command_line_number(LINE, TEXT("bad"), 9));
    CHECK_EQUAL(9, command_line_number(LINE, TEXT("empty"), 9));
    CHECK_EQUAL(9, command_line_number(LINE, TEXT("absent"), 9));
}
