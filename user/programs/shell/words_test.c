#include "support/test.h"
#include "words.h"

static struct words words;

static bool look_up(void *, text name, text *out_value)
{
    if (peal_text_equal(name, TEXT("NAME")))
        *out_value = TEXT("two words");
    else if (peal_text_equal(name, TEXT("?")))
        *out_value = TEXT("7");
    else
        return false;
    return true;
}

static enum words_error take(text *line)
{
    return words_take_command(&words, line, look_up, nullptr);
}

static void check_words(text line, uint32_t count, const char *const *expected)
{
    CHECK_EQUAL(WORDS_OK, take(&line));
    CHECK_EQUAL(count, words.count);
    for (uint32_t i = 0; i < count; i++) {
        text wanted = {expected[i], __builtin_strlen(expected[i])};
        CHECK(peal_text_equal(wanted, words.items[i]));
    }
}

TEST(blanks_separate_words)
{
    check_words(TEXT("  a\tbc   d "), 3, (const char *[]){"a", "bc", "d"});
    check_words(TEXT(""), 0, nullptr);
    check_words(TEXT("   "), 0, nullptr);
}

TEST(quotes_keep_what_is_inside)
{
    check_words(TEXT("'a b' \"c d\" e' 'f"), 3, (const char *[]){"a b", "c d", "e f"});
    check_words(TEXT("'' \"\""), 2, (const char *[]){"", ""});
    check_words(TEXT("'$NAME' \"\\$NAME\" \\$NAME"), 3,
                (const char *[]){"$NAME", "$NAME", "$NAME"});
    check_words(TEXT("a\\ b '|' \">\" \\&"), 4, (const char *[]){"a b", "|", ">", "&"});
}

TEST(variables_are_replaced_and_not_split)
{
    check_words(TEXT("$NAME x${NAME}y \"<$NAME>\" $?"), 4,
                (const char *[]){"two words", "xtwo wordsy", "<two words>", "7"});
    check_words(TEXT("a $NONE b"), 2, (const char *[]){"a", "b"});
    check_words(TEXT("a \"$NONE\" b"), 3, (const char *[]){"a", "", "b"});
}

TEST(comments_begin_where_a_word_would)
{
    check_words(TEXT("a # b | c '"), 1, (const char *[]){"a"});
    check_words(TEXT("a#b"), 1, (const char *[]){"a#b"});
}

TEST(semicolons_separate_commands)
{
    text line = TEXT("a b;c ; 'd;e'");
    CHECK_EQUAL(WORDS_OK, take(&line));
    CHECK_EQUAL(2, words.count);
    CHECK_EQUAL(WORDS_OK, take(&line));
    CHECK_EQUAL(1, words.count);
    CHECK_EQUAL(WORDS_OK, take(&line));
    CHECK(peal_text_equal(words.items[0], TEXT("d;e")));
    CHECK_EQUAL(0, line.length);
}

static void check_error(enum words_error expected, text line)
{
    CHECK_EQUAL(expected, take(&line));
    CHECK_EQUAL(0, words.count);
    CHECK(words_error_message(expected)[0] != 0);
}

TEST(what_does_not_exist_yet_is_said_and_not_done)
{
    check_error(WORDS_PIPE, TEXT("a | b"));
    check_error(WORDS_REDIRECTION, TEXT("a > b"));
    check_error(WORDS_REDIRECTION, TEXT("a < b"));
    check_error(WORDS_BACKGROUND, TEXT("a &"));
    check_error(WORDS_QUOTE_OPEN, TEXT("a 'b"));
    check_error(WORDS_QUOTE_OPEN, TEXT("a \"b"));
    check_error(WORDS_BRACE_OPEN, TEXT("a ${b"));
    check_error(WORDS_BAD_VARIABLE, TEXT("a $ b"));
    check_error(WORDS_BAD_VARIABLE, TEXT("a ${1}"));
}

TEST(four_thousand_and_ninety_six_arguments_fit_and_one_more_does_not)
{
    static char many[2 * (WORDS_MAX + 1)];
    for (size_t i = 0; i < sizeof(many); i += 2) {
        many[i] = 'x';
        many[i + 1] = ' ';
    }
    text line = {many, 2 * WORDS_MAX};
    CHECK_EQUAL(WORDS_OK, take(&line));
    CHECK_EQUAL(WORDS_MAX, words.count);
    check_error(WORDS_TOO_MANY, (text){many, sizeof(many)});
}
