#include "peal/text.h"
#include "support/test.h"

TEST(splitting_gives_every_piece_and_then_nothing)
{
    text rest = TEXT("a:bc::d");
    CHECK(peal_text_equal(peal_text_split(&rest, ':'), TEXT("a")));
    CHECK(peal_text_equal(peal_text_split(&rest, ':'), TEXT("bc")));
    CHECK(peal_text_equal(peal_text_split(&rest, ':'), TEXT("")));
    CHECK(peal_text_equal(peal_text_split(&rest, ':'), TEXT("d")));
    CHECK_EQUAL(0, rest.length);
}

TEST(numbers_are_all_of_the_text_or_none)
{
    uint64_t number = 0;
    CHECK(peal_text_to_number(TEXT("18446744073709551615"), &number));
    CHECK_EQUAL(UINT64_MAX, number);
    CHECK(peal_text_to_number(TEXT("0xfF"), &number));
    CHECK_EQUAL(255, number);
    CHECK(!peal_text_to_number(TEXT("18446744073709551616"), &number));
    CHECK(!peal_text_to_number(TEXT(""), &number));
    CHECK(!peal_text_to_number(TEXT("0x"), &number));
    CHECK(!peal_text_to_number(TEXT("12a"), &number));
    CHECK(!peal_text_to_number(TEXT("-1"), &number));
}

TEST(sizes_may_end_in_a_unit)
{
    uint64_t bytes = 0;
    CHECK(peal_text_to_bytes(TEXT("3k"), &bytes));
    CHECK_EQUAL(3072, bytes);
    CHECK(peal_text_to_bytes(TEXT("2g"), &bytes));
    CHECK_EQUAL(2ull << 30, bytes);
    CHECK(!peal_text_to_bytes(TEXT("99999999999999999g"), &bytes));
    CHECK(!peal_text_to_bytes(TEXT("k"), &bytes));
}

TEST(comparing_is_by_unsigned_bytes_and_length)
{
    CHECK(peal_text_compare(TEXT("a"), TEXT("b")) < 0);
    CHECK(peal_text_compare(TEXT("a"), TEXT("ab")) < 0);
    CHECK(peal_text_compare(TEXT("\xc3"), TEXT("z")) > 0);
    CHECK_EQUAL(0, peal_text_compare(TEXT("same"), TEXT("same")));
}
