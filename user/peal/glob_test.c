#include "peal/glob.h"
#include "support/test.h"

static text text_of(const char *characters)
{
    return (text){characters, __builtin_strlen(characters)};
}

static void matches(const char *pattern, const char *name)
{
    CHECK(glob_matches(text_of(pattern), text_of(name)));
}

static void differs(const char *pattern, const char *name)
{
    CHECK(!glob_matches(text_of(pattern), text_of(name)));
}

TEST(a_star_stands_for_any_characters)
{
    matches("*", "a");
    matches("*.txt", "a.txt");
    matches("*.txt", "a.b.txt");
    matches("a*b*c", "aXbbYc");
    matches("a**c", "ac");
    matches("*a", "aaa");
    differs("*.txt", "a.text");
    differs("a*b", "abc");
    differs("a", "ab");
    differs("ab", "a");
    matches("", "");
    matches("*", "");
}

TEST(a_question_mark_stands_for_one_character)
{
    matches("a?c", "abc");
    matches("?", "\u00fc");
    matches("?", "\xff");
    matches("??", "\xc3(");
    differs("?", "");
    differs("?", "ab");
}

TEST(brackets_stand_for_one_of_several)
{
    matches("[a-c]x", "bx");
    matches("[\u00e4-\u00fc]", "\u00f6");
    matches("[!a-c]", "d");
    matches("[]a]", "]");
    matches("[a-]", "-");
    matches("[\\]]", "]");
    matches("[a\\-c]", "-");
    differs("[a\\-c]", "b");
    differs("[a-c]", "d");
    differs("[!a-c]", "b");
    differs("[c-a]", "b");
    differs("[a]", "");
}

TEST(a_bracket_that_is_not_closed_stands_for_itself)
{
    matches("[a", "[a");
    matches("[", "[");
    matches("[!", "[!");
    CHECK(!glob_is_pattern(TEXT("[a")));
}

TEST(a_backslash_keeps_the_next_character)
{
    matches("\\*", "*");
    differs("\\*", "a");
    matches("\\[a]", "[a]");
    matches("a\\", "a\\");
    CHECK(!glob_is_pattern(TEXT("\\*\\?\\[a]")));
    CHECK(glob_is_pattern(TEXT("\\**")));
    CHECK(glob_is_pattern(TEXT("[a]")));
}

TEST(names_with_a_leading_dot_are_found_by_patterns_with_one)
{
    differs("*", ".hidden");
    differs("?hidden", ".hidden");
    differs("[.]hidden", ".hidden");
    matches(".*", ".hidden");
    matches("\\.*", ".hidden");
}

TEST(many_stars_cost_little)
{
    static char name[4096], pattern[128];
    __builtin_memset(name, 'a', sizeof(name));
    for (size_t i = 0; i < sizeof(pattern); i += 2) {
        pattern[i] = '*';
        pattern[i + 1] = 'a';
    }
    pattern[sizeof(pattern) - 1] = 'b';
    CHECK(!glob_matches((text){pattern, sizeof(pattern)}, (text){name, sizeof(name)}));
}

TEST(plain_is_the_pattern_without_backslashes)
{
    char bytes[16];
    CHECK(peal_text_equal(TEXT("*a\\"), glob_plain(TEXT("\\*a\\\\"), bytes)));
    CHECK(peal_text_equal(TEXT("a\\"), glob_plain(TEXT("a\\"), bytes)));
}

TEST(names_are_sorted_by_their_bytes)
{
    static text names[500];
    static char bytes[500][4];
    uint32_t seed = 1;
    for (uint32_t i = 0; i < 500; i++) {
        for (uint32_t k = 0; k < 4; k++) {
            seed = seed * 1103515245u + 12345u;
            bytes[i][k] = (char)('a' + (seed >> 16) % 26);
        }
        names[i] = (text){bytes[i], 1 + i % 4};
    }
    glob_sort(names, 500);
    for (uint32_t i = 1; i < 500; i++)
        CHECK(peal_text_compare(names[i - 1], names[i]) <= 0);
    glob_sort(names, 0);
    glob_sort(names, 1);
}
