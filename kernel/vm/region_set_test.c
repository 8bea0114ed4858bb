#include "base/address.h"
#include "support/test.h"
#include "vm/region_set.h"

#define PAGE(number) ((uint64_t)(number) * PAGE_BYTES)

static struct region pages(uint64_t first, uint64_t end)
{
    return (struct region){.start = PAGE(first), .end = PAGE(end), .access = 1, .access_max = 3};
}

TEST(an_address_is_found_in_its_region_and_nowhere_else)
{
    struct region_set set = {0};
    struct region a = pages(10, 12), b = pages(12, 13), c = pages(20, 30);
    region_set_insert(&set, &c);
    region_set_insert(&set, &a);
    region_set_insert(&set, &b);
    CHECK(region_set_check(&set));

    CHECK(region_set_find(&set, PAGE(10) - 1) == nullptr);
    CHECK(region_set_find(&set, PAGE(10)) == &a);
    CHECK(region_set_find(&set, PAGE(12) - 1) == &a);
    CHECK(region_set_find(&set, PAGE(12)) == &b);
    CHECK(region_set_find(&set, PAGE(13)) == nullptr);
    CHECK(region_set_find_from(&set, PAGE(13)) == &c);
    CHECK(region_set_find_from(&set, PAGE(30)) == nullptr);
    CHECK(region_set_next(&a) == &b);

    CHECK(region_set_is_free(&set, PAGE(13), PAGE(20)));
    CHECK(!region_set_is_free(&set, PAGE(13), PAGE(21)));
    CHECK(!region_set_is_free(&set, PAGE(5), PAGE(11)));
    CHECK(region_set_is_free(&set, PAGE(30), PAGE(40)));

    CHECK(region_set_covers(&set, PAGE(10), PAGE(13)));
    CHECK(region_set_covers(&set, PAGE(11), PAGE(12)));
    CHECK(!region_set_covers(&set, PAGE(9), PAGE(12)));
    CHECK(!region_set_covers(&set, PAGE(10), PAGE(14)));
    CHECK(!region_set_covers(&set, PAGE(13), PAGE(14)));
    CHECK(!region_set_covers(&set, PAGE(29), PAGE(31)));
}

TEST(a_split_region_is_two_windows_that_merge_again)
{
    struct region_set set = {0};
    struct region whole = pages(10, 20), upper;
    whole.buffer_offset = PAGE(3);
    region_set_insert(&set, &whole);
    region_set_split(&set, &whole, PAGE(14), &upper);
    CHECK(region_set_check(&set));
    CHECK_EQUAL(2, set.count);
    CHECK_EQUAL(PAGE(14), whole.end);
    CHECK_EQUAL(PAGE(7), upper.buffer_offset);
    CHECK(region_continues(&whole, &upper));

    upper.access = 3;
    CHECK(!region_continues(&whole, &upper));
    upper.access = 1;
    upper.buffer_offset += PAGE_BYTES;
    CHECK(!region_continues(&whole, &upper));
    upper.buffer_offset -= PAGE_BYTES;
    region_set_merge(&set, &whole, &upper);
    CHECK_EQUAL(1, set.count);
    CHECK_EQUAL(PAGE(20), whole.end);
    CHECK(region_set_check(&set));
}

TEST(a_gap_is_aligned_large_enough_and_inside_the_limits)
{
    struct region_set set = {0};
    struct region a = pages(4, 8), b = pages(9, 16), c = pages(24, 32);
    uint64_t start = 0;
    region_set_insert(&set, &a);
    region_set_insert(&set, &b);
    region_set_insert(&set, &c);
    CHECK(region_set_find_gap(&set, PAGE(4), PAGE(64), PAGE(1), PAGE(1), &start));
    CHECK_EQUAL(PAGE(8), start);
    CHECK(region_set_find_gap(&set, PAGE(4), PAGE(64), PAGE(2), PAGE(1), &start));
    CHECK_EQUAL(PAGE(16), start);
    CHECK(region_set_find_gap(&set, PAGE(5), PAGE(64), PAGE(9), PAGE(16), &start));
    CHECK_EQUAL(PAGE(32), start);
    CHECK(!region_set_find_gap(&set, PAGE(5), PAGE(40), PAGE(9), PAGE(1), &start));
    CHECK(!region_set_find_gap(&set, PAGE(5), PAGE(40), UINT64_MAX, PAGE(1), &start));
    CHECK(region_set_find_gap(&set, PAGE(32), PAGE(33), PAGE(1), PAGE(1), &start));
    CHECK_EQUAL(PAGE(32), start);
}
