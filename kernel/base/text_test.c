#include "base/text.h"
#include "support/test.h"

TEST(texts_compare_as_unsigned_bytes_and_a_prefix_comes_first)
{
    CHECK(text_equal(TEXT("peal"), TEXT("peal")));
    CHECK(!text_equal(TEXT("peal"), TEXT("pear")));
    CHECK(!text_equal(TEXT("peal"), TEXT("pea")));
    CHECK(text_equal((text){0}, TEXT("")));
    CHECK(text_compare(TEXT("a"), TEXT("b")) < 0);
    CHECK(text_compare(TEXT("\xff"), TEXT("a")) > 0);
    CHECK(text_compare(TEXT("ab"), TEXT("a")) > 0);
    CHECK_EQUAL(0, text_compare((text){0}, (text){0}));
    CHECK(text_starts_with(TEXT("kernel"), TEXT("ker")));
    CHECK(!text_starts_with(TEXT("ker"), TEXT("kernel")));
}

TEST(a_slice_is_clamped_to_the_text)
{
    CHECK(text_equal(TEXT("cd"), text_slice(TEXT("abcdef"), 2, 2)));
    CHECK(text_equal(TEXT("ef"), text_slice(TEXT("abcdef"), 4, SIZE_MAX)));
    CHECK_EQUAL(0, text_slice(TEXT("abc"), 9, 1).length);
    CHECK_EQUAL(0, text_slice((text){0}, 0, 1).length);
}

TEST(splitting_yields_each_piece_and_then_nothing)
{
    text rest = TEXT("a//bc");
    CHECK(text_equal(TEXT("a"), text_split(&rest, '/')));
    CHECK(text_equal(TEXT(""), text_split(&rest, '/')));
    CHECK(text_equal(TEXT("bc"), text_split(&rest, '/')));
    CHECK_EQUAL(0, rest.length);
}

TEST(a_number_is_all_of_the_text_or_refused)
{
    uint64_t number = 7;
    CHECK(text_to_number(TEXT("0"), &number));
    CHECK_EQUAL(0, number);
    CHECK(text_to_number(TEXT("18446744073709551615"), &number));
    CHECK_EQUAL(UINT64_MAX, number);
    CHECK(text_to_number(TEXT("0xFfffffffffffffff"), &number));
    CHECK_EQUAL(UINT64_MAX, number);

    number = 7;
    static const text refused[] = {TEXT(""),
                                   TEXT("0x"),
                                   TEXT("-1"),
                                   TEXT("12 "),
                                   TEXT("1a"),
                                   TEXT("0xg"),
                                   TEXT(" 1"),
                                   TEXT("18446744073709551616"),
                                   TEXT("99999999999999999999"),
                                   TEXT("0x10000000000000000")};
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        CHECK(!text_to_number(refused[i], &number));
    CHECK_EQUAL(7, number);
}

TEST(only_well_formed_utf8_is_accepted)
{
    CHECK(text_is_utf8(TEXT("")));
    CHECK(text_is_utf8(TEXT("Gr\xc3\xbc\xc3\x9f"
                            "e \xe2\x82\xac \xf0\x9f\x94\x94")));
    CHECK(text_is_utf8(TEXT("\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf")));
    static const text refused[] = {
        TEXT("a\0b"),             /* NUL */
        TEXT("\x80"),             /* a continuation alone */
        TEXT("\xc0\xaf"),         /* overlong */
        TEXT("\xe0\x80\xaf"),     /* overlong */
        TEXT("\xed\xa0\x80"),     /* a surrogate */
        TEXT("\xf4\x90\x80\x80"), /* above U+10FFFF */
        TEXT("\xf5\x80\x80\x80"), /* no such lead byte */
        TEXT("\xe2\x82"),         /* cut short */
        TEXT("\xe2\x82"
             "a"), /* a continuation missing */
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        CHECK(!text_is_utf8(refused[i]));
}
