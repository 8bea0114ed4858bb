/* The kernel's own memcpy and its like, under other names beside the C library's. */
#include "base/bytes.h"
#include "support/test.h"

void *tested_memcpy(void *restrict to, const void *restrict from, size_t length);
void *tested_memmove(void *to, const void *from, size_t length);
void *tested_memset(void *where, int byte, size_t length);
int tested_memcmp(const void *a, const void *b, size_t length);
#define memcpy  tested_memcpy
#define memmove tested_memmove
#define memset  tested_memset
#define memcmp  tested_memcmp
#include "base/bytes.c"

static constexpr size_t AREA_BYTES = 256;
static constexpr size_t LENGTH_MAX = 100;

static uint8_t pattern_at(size_t i)
{
    return (uint8_t)(i * 7 + 3);
}

static void fill(uint8_t *area)
{
    for (size_t i = 0; i < AREA_BYTES; i++)
        area[i] = pattern_at(i);
}

TEST(a_copy_writes_exactly_its_length_at_every_alignment)
{
    uint8_t from[AREA_BYTES], to[AREA_BYTES];
    fill(from);
    for (size_t shift = 0; shift < 9; shift++) {
        for (size_t length = 0; length <= LENGTH_MAX; length++) {
            for (size_t i = 0; i < AREA_BYTES; i++)
                to[i] = 0xee;
            CHECK(tested_memcpy(to + 16 + shift, from + shift / 2, length) == to + 16 + shift);
            for (size_t i = 0; i < AREA_BYTES; i++) {
                bool inside = i >= 16 + shift && i < 16 + shift + length;
                CHECK_EQUAL(inside ? pattern_at(i - 16 - shift + shift / 2) : 0xee, to[i]);
            }
        }
    }
}

TEST(a_move_between_overlapping_spans_keeps_every_byte)
{
    uint8_t area[AREA_BYTES];
    for (size_t length = 0; length <= LENGTH_MAX; length++) {
        for (size_t target = 0; target <= 80; target++) {
            fill(area);
            tested_memmove(area + target, area + 40, length);
            for (size_t i = 0; i < AREA_BYTES; i++) {
                bool inside = i >= target && i < target + length;
                CHECK_EQUAL(pattern_at(inside ? i - target + 40 : i), area[i]);
            }
        }
    }
}

TEST(a_fill_writes_exactly_its_length)
{
    uint8_t area[AREA_BYTES];
    for (size_t start = 0; start < 9; start++) {
        for (size_t length = 0; length <= LENGTH_MAX; length++) {
            fill(area);
            tested_memset(area + start, 0x1a5, length);
            for (size_t i = 0; i < AREA_BYTES; i++) {
                bool inside = i >= start && i < start + length;
                CHECK_EQUAL(inside ? 0xa5 : pattern_at(i), area[i]);
            }
        }
    }
}

TEST(a_comparison_is_decided_by_the_first_difference_as_unsigned_bytes)
{
    uint8_t left[AREA_BYTES], right[AREA_BYTES];
    for (size_t length = 1; length <= 40; length++) {
        for (size_t at = 0; at < length; at++) {
            fill(left);
            fill(right);
            CHECK_EQUAL(0, tested_memcmp(left, right, length));
            left[at] = 0x80;
            right[at] = 0x7f;
            right[length - 1] = length - 1 > at ? 0xff : 0x7f;
            CHECK(tested_memcmp(left, right, length) > 0);
            CHECK(tested_memcmp(right, left, length) < 0);
            CHECK_EQUAL(0, tested_memcmp(left, right, at));
        }
    }
}

TEST(numbers_are_little_endian_at_any_alignment)
{
    uint8_t bytes[9] = {0xff, 1, 2, 3, 4, 5, 6, 7, 8};
    CHECK_EQUAL(0x0201, load_le16(bytes + 1));
    CHECK_EQUAL(0x04030201, load_le32(bytes + 1));
    CHECK_EQUAL(0x0807060504030201, load_le64(bytes + 1));
    store_le32(bytes + 1, 0xaabbccdd);
    CHECK_EQUAL(0xdd, bytes[1]);
    CHECK_EQUAL(0xaa, bytes[4]);
}
