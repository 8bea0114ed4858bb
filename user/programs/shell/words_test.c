#include "support/test.h"
#include "words.h"

static struct words words;

static const text arguments[] = {TEXT("one"), TEXT("2 *")};

static bool look_up(void *, text name, text *out_value)
{
    if (peal_text_equal(name, TEXT("NAME")))
        *out_value = TEXT("two words");
    else if (peal_text_equal(name, TEXT("STAR")))
        *out_value = TEXT("*");
    else if (peal_text_equal(name, TEXT("?")))
        *out_value = TEXT("7");
    else if (peal_text_equal(name, TEXT("1")))
        *out_value = TEXT("one");
    else
        return false;
    return true;
}

static const struct word_values values = {look_up, nullptr, arguments, 2};

static void check_words(text raw, uint32_t count, const char *const *expected)
{
    size_t end = 0;
    CHECK_EQUAL(WORDS_OK, words_find_end(raw, 0, &end));
    CHECK_EQUAL(raw.length, end);
    words_clear(&words);
    CHECK_EQUAL(WORDS_OK, words_add(&words, raw, &values));
    CHECK_EQUAL(count, words.count);
    for (uint32_t i = 0; i < count; i++) {
        text wanted = {expected[i], __builtin_strlen(expected[i])};
        CHECK(peal_text_equal(wanted, words.items[i]));
        CHECK(!words.is_pattern[i]);
    }
}

static void check_word(text raw, const char *expected)
{
    check_words(raw, 1, &expected);
}

static void check_pattern(text raw, text expected)
{
    words_clear(&words);
    CHECK_EQUAL(WORDS_OK, words_add(&words, raw, &values));
    CHECK_EQUAL(1, words.count);
    CHECK(words.is_pattern[0]);
    CHECK(peal_text_equal(expected, words.items[0]));
}

TEST(a_word_ends_at_what_is_not_quoted)
{
    size_t end;
    text source = TEXT("a'b c'\"d|e\"\\;f;g");
    CHECK_EQUAL(WORDS_OK, words_find_end(source, 0, &end));
    CHECK_EQUAL(source.length - 2, end);
    CHECK_EQUAL(WORDS_OK, words_find_end(source, source.length - 1, &end));
    CHECK_EQUAL(source.length, end);
    static const text ends[] = {TEXT("a "), TEXT("a\t"), TEXT("a\n"), TEXT("a|"),
                                TEXT("a&"), TEXT("a;"),  TEXT("a<"),  TEXT("a>")};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        CHECK_EQUAL(WORDS_OK, words_find_end(ends[i], 0, &end));
        CHECK_EQUAL(1, end);
    }
}

TEST(quotes_keep_what_is_inside)
{
    check_word(TEXT("'a b'"), "a b");
    check_word(TEXT("\"c d\""), "c d");
    check_word(TEXT("e' 'f"), "e f");
    check_word(TEXT("''"), "");
    check_word(TEXT("\"\""), "");
    check_word(TEXT("'$NAME'"), "$NAME");
    check_word(TEXT("\"\\$NAME\""), "$NAME");
    check_word(TEXT("\\$NAME"), "$NAME");
    check_word(TEXT("a\\ b"), "a b");
    check_word(TEXT("'|'\\&"), "|&");
    check_word(TEXT("a\\\nb"), "ab");
    check_word(TEXT("'\\'"), "\\");
    check_word(TEXT("\"\\\\\""), "\\");
}

TEST(variables_are_replaced_and_not_split)
{
    check_word(TEXT("$NAME"), "two words");
    check_word(TEXT("x${NAME}y"), "xtwo wordsy");
    check_word(TEXT("\"<$NAME>\""), "<two words>");
    check_word(TEXT("$?"), "7");
    check_word(TEXT("$1x${1}"), "onexone");
    check_words(TEXT("$NONE"), 0, nullptr);
    check_word(TEXT("\"$NONE\""), "");
    check_word(TEXT("a$NONE"), "a");
}

TEST(all_arguments_are_a_word_each)
{
    check_words(TEXT("$@"), 2, (const char *[]){"one", "2 *"});
    check_words(TEXT("\"$@\""), 2, (const char *[]){"one", "2 *"});
    check_word(TEXT("\"($@)\""), "(one 2 *)");
}

TEST(what_is_quoted_or_a_value_does_not_match)
{
    check_pattern(TEXT("*.c"), TEXT("*.c"));
    check_pattern(TEXT("'*'*"), TEXT("\\**"));
    check_pattern(TEXT("$STAR?"), TEXT("\\*?"));
    check_pattern(TEXT("\\[[ab]"), TEXT("\\[[ab]"));
    check_pattern(TEXT("[a'-'c]"), TEXT("[a\\-c]"));
    check_word(TEXT("'*'"), "*");
    check_word(TEXT("\\*"), "*");
    check_word(TEXT("\"?\""), "?");
    check_word(TEXT("$STAR"), "*");
    check_word(TEXT("[a"), "[a");
    check_word(TEXT("a-b!c]"), "a-b!c]");
}

static void check_error(enum words_error expected, text raw)
{
    size_t end;
    CHECK_EQUAL(expected, words_find_end(raw, 0, &end));
    words_clear(&words);
    CHECK_EQUAL(expected, words_add(&words, raw, &values));
    CHECK_EQUAL(0, words.count);
    CHECK_EQUAL(0, words.used_bytes);
    CHECK(words_error_message(expected)[0] != 0);
}

TEST(what_is_not_complete_is_an_error)
{
    check_error(WORDS_QUOTE_OPEN, TEXT("a'b"));
    check_error(WORDS_QUOTE_OPEN, TEXT("a\"b"));
    check_error(WORDS_QUOTE_OPEN, TEXT("a\"b\\"));
    check_error(WORDS_BRACE_OPEN, TEXT("a${b"));
    check_error(WORDS_BAD_VARIABLE, TEXT("a$"));
    check_error(WORDS_BAD_VARIABLE, TEXT("$(a)"));
    check_error(WORDS_BAD_VARIABLE, TEXT("a${1x}"));
    check_error(WORDS_BAD_VARIABLE, TEXT("\"$\""));
}

TEST(four_thousand_and_ninety_six_arguments_fit_and_one_more_does_not)
{
    words_clear(&words);
    for (uint32_t i = 0; i < WORDS_MAX; i++)
        CHECK_EQUAL(WORDS_OK, words_add(&words, TEXT("x"), &values));
    CHECK_EQUAL(WORDS_TOO_MANY, words_add(&words, TEXT("x"), &values));
    CHECK_EQUAL(WORDS_TOO_MANY, words_add_plain(&words, TEXT("x")));
    CHECK_EQUAL(WORDS_MAX, words.count);
}

TEST(sixty_four_kibibytes_fit_and_one_more_byte_does_not)
{
    static char many[WORDS_BYTES_MAX + 1];
    __builtin_memset(many, 'x', sizeof(many));
    words_clear(&words);
    CHECK_EQUAL(WORDS_TOO_MANY, words_add(&words, (text){many, sizeof(many)}, &values));
    CHECK_EQUAL(WORDS_OK, words_add(&words, (text){many, WORDS_BYTES_MAX}, &values));
    CHECK_EQUAL(WORDS_TOO_MANY, words_add_plain(&words, TEXT("x")));
}

TEST(the_last_word_can_be_taken_away)
{
    words_clear(&words);
    CHECK_EQUAL(WORDS_OK, words_add_plain(&words, TEXT("*")));
    CHECK(!words.is_pattern[0]);
    CHECK(peal_text_equal(TEXT("*"), words_take_last(&words)));
    CHECK_EQUAL(0, words.count);
}
