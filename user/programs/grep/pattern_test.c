#include "pattern.h"
#include "support/test.h"

static bool matches(const char *pattern_bytes, const char *line_bytes)
{
    struct pattern pattern;
    text source = {pattern_bytes, __builtin_strlen(pattern_bytes)};
    text line = {line_bytes, __builtin_strlen(line_bytes)};
    const char *problem = pattern_parse(source, false, &pattern);
    CHECK(problem == nullptr);
    return pattern_matches(&pattern, line);
}

static bool is_refused(const char *pattern_bytes)
{
    struct pattern pattern;
    text source = {pattern_bytes, __builtin_strlen(pattern_bytes)};
    return pattern_parse(source, false, &pattern) != nullptr;
}

TEST(plain_characters_match_anywhere)
{
    CHECK(matches("ell", "hello"));
    CHECK(!matches("elk", "hello"));
    CHECK(matches("", ""));
    CHECK(matches("", "anything"));
}

TEST(anchors_hold_to_begin_and_end)
{
    CHECK(matches("^he", "hello"));
    CHECK(!matches("^el", "hello"));
    CHECK(matches("lo$", "hello"));
    CHECK(!matches("l$", "hello"));
    CHECK(matches("^$", ""));
    CHECK(!matches("^$", "x"));
    CHECK(matches("a$b", "a$b")); /* only at the end it is an anchor */
}

TEST(repetition_counts)
{
    CHECK(matches("^ab*c$", "ac"));
    CHECK(matches("^ab*c$", "abbbc"));
    CHECK(!matches("^ab+c$", "ac"));
    CHECK(matches("^ab+c$", "abc"));
    CHECK(matches("^ab?c$", "ac"));
    CHECK(!matches("^ab?c$", "abbc"));
    CHECK(matches("^.*$", "whatever"));
}

TEST(sets_match_one_of_them)
{
    CHECK(matches("^[a-c]+$", "abcabc"));
    CHECK(!matches("^[a-c]+$", "abd"));
    CHECK(matches("^[^0-9]*$", "no digit"));
    CHECK(!matches("^[^0-9]*$", "1 digit"));
    CHECK(matches("^[]x]$", "]"));
    CHECK(matches("[a-]", "-"));
}

TEST(a_backslash_takes_the_meaning_away)
{
    CHECK(matches("a\\.b", "a.b"));
    CHECK(!matches("a\\.b", "axb"));
    CHECK(matches("\\^", "2^3"));
}

TEST(a_dot_takes_a_whole_character)
{
    CHECK(matches("^K.ln$", "K\u00f6ln"));
    CHECK(!matches("^K..ln$", "K\u00f6ln"));
    CHECK(matches("^[^a]$", "\u9418"));
    CHECK(matches("^.*n$", "K\u00f6ln"));
    CHECK(matches("\u00f6", "K\u00f6ln"));
}

TEST(case_is_ignored_on_request)
{
    struct pattern pattern;
    CHECK(pattern_parse(TEXT("hELLo [a-c]"), true, &pattern) == nullptr);
    CHECK(pattern_matches(&pattern, TEXT("Hello B")));
    CHECK(!pattern_matches(&pattern, TEXT("Hello D")));
}

TEST(a_literal_has_no_special_characters)
{
    struct pattern pattern;
    CHECK(pattern_literal(TEXT("a.*[b"), false, &pattern) == nullptr);
    CHECK(pattern_matches(&pattern, TEXT("xa.*[by")));
    CHECK(!pattern_matches(&pattern, TEXT("axxxb")));
}

TEST(what_makes_no_sense_is_refused)
{
    CHECK(is_refused("[abc"));
    CHECK(is_refused("[z-a]"));
    CHECK(is_refused("abc\\"));
    CHECK(is_refused("0123456789012345678901234567890123456789012345678901234567890123"));
    CHECK(!is_refused("012345678901234567890123456789012345678901234567890123456789012"));
}

TEST(no_pattern_takes_long)
{
    static char line[20000];
    for (size_t i = 0; i < sizeof(line); i++)
        line[i] = 'a';
    struct pattern pattern;
    CHECK(pattern_parse(TEXT("a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b"), false, &pattern) == nullptr);
    CHECK(!pattern_matches(&pattern, (text){line, sizeof(line)}));
}
