#include "completion.h"
#include "support/test.h"

static struct completion completion;

TEST(a_single_match_is_completed)
{
    completion_begin(&completion, TEXT("he"));
    completion_offer(&completion, TEXT("hexdump"), false);
    completion_offer(&completion, TEXT("cat"), false);
    CHECK_EQUAL(1, completion.count);
    CHECK(peal_text_equal(completion_addition(&completion), TEXT("xdump")));
}

TEST(several_matches_are_completed_as_far_as_they_agree)
{
    completion_begin(&completion, TEXT(""));
    completion_offer(&completion, TEXT("abcd"), false);
    completion_offer(&completion, TEXT("abxy"), true);
    CHECK_EQUAL(2, completion.count);
    CHECK(peal_text_equal(completion_addition(&completion), TEXT("ab")));
    CHECK_EQUAL(2, completion.shown_count);
}

TEST(no_match_adds_nothing)
{
    completion_begin(&completion, TEXT("zz"));
    completion_offer(&completion, TEXT("z"), false);
    CHECK_EQUAL(0, completion.count);
    CHECK_EQUAL(0, completion_addition(&completion).length);
}

TEST(half_a_code_point_is_never_added)
{
    completion_begin(&completion, TEXT(""));
    completion_offer(&completion, TEXT("x\xc3\xa9"), false);
    completion_offer(&completion, TEXT("x\xc3\xa8"), false);
    CHECK(peal_text_equal(completion_addition(&completion), TEXT("x")));
}

TEST(the_word_at_the_cursor_is_a_command_at_the_start_and_after_an_operator)
{
    CHECK(completion_word(TEXT("ca")).is_command);
    CHECK(completion_word(TEXT("  ca")).is_command);
    CHECK(completion_word(TEXT("ls;ca")).is_command);
    CHECK(completion_word(TEXT("ls; ca")).is_command);
    CHECK(completion_word(TEXT("ls | ca")).is_command);
    CHECK(completion_word(TEXT("ls &&ca")).is_command);
    CHECK(!completion_word(TEXT("ls ca")).is_command);
    CHECK(!completion_word(TEXT("ls >ca")).is_command);
    CHECK_EQUAL(4, completion_word(TEXT("ls >ca")).start);
    CHECK_EQUAL(3, completion_word(TEXT("ls ca")).start);
    CHECK_EQUAL(3, completion_word(TEXT("ls ")).start);
}

TEST(a_blank_behind_a_backslash_belongs_to_the_word)
{
    CHECK_EQUAL(4, completion_word(TEXT("cat a\\ b")).start);
    CHECK_EQUAL(7, completion_word(TEXT("cat a; b")).start);
    char bytes[8];
    CHECK(peal_text_equal(TEXT("a b\\"), completion_plain(TEXT("a\\ b\\"), bytes)));
    CHECK(completion_is_special(' ') && completion_is_special('&') && !completion_is_special('a'));
}
