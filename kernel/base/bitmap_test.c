#include "base/bitmap.h"
#include "support/test.h"

static constexpr uint64_t BITS = 200;

TEST(a_range_changes_exactly_its_bits)
{
    for (uint64_t first = 0; first < BITS; first++) {
        for (uint64_t count = 0; count <= BITS - first; count++) {
            uint64_t words[BITMAP_WORDS(BITS)] = {0};
            bitmap_set_range(words, first, count);
            CHECK(bitmap_range_is(words, first, count, true));
            CHECK(bitmap_range_is(words, 0, first, false));
            CHECK(bitmap_range_is(words, first + count, BITS - first - count, false));
            if (count > 0) {
                CHECK(bitmap_test(words, first) && bitmap_test(words, first + count - 1));
                CHECK_EQUAL(first, bitmap_find(words, BITS, 0, true));
                CHECK_EQUAL(first + count, bitmap_find(words, BITS, first, false));
                CHECK(count == 1 || !bitmap_range_is(words, first, count, false));
            }
            bitmap_clear_range(words, first, count);
            CHECK_EQUAL(BITS, bitmap_find(words, BITS, 0, true));
        }
    }
}

TEST(single_bits_are_found_wherever_they_are)
{
    for (uint64_t bit = 0; bit < BITS; bit++) {
        uint64_t words[BITMAP_WORDS(BITS)] = {0};
        bitmap_set(words, bit);
        for (uint64_t start = 0; start <= BITS; start++)
            CHECK_EQUAL(start <= bit ? bit : BITS, bitmap_find(words, BITS, start, true));
        bitmap_clear(words, bit);
        CHECK(!bitmap_test(words, bit));
    }
}

TEST(bits_past_the_end_are_never_found)
{
    uint64_t words[1] = {~0ull << 10};
    CHECK_EQUAL(10, bitmap_find(words, 10, 0, true));
    CHECK_EQUAL(10, bitmap_find(words, 64, 0, true));
}
