#include "support/test.h"
#include "uefi/page_tables.h"
#include <stdlib.h>

#define LARGE 0x200000ull

static uint64_t *taken[64];
static uint32_t taken_count;

static uint64_t *take_page(void)
{
    if (taken_count == 64 || !test_allocation_may_proceed()) return nullptr;
    return taken[taken_count++] = aligned_alloc(4096, 4096);
}

static void give_pages(void)
{
    while (taken_count > 0)
        free(taken[--taken_count]);
}

/* What the processor would find: the entry, 0 when not mapped, and how large its page is. */
static uint64_t walk(const struct page_tables *tables, uint64_t address, uint64_t *page_bytes)
{
    const uint64_t *table = tables->root;
    for (uint32_t level = 3;; level--) {
        uint64_t entry = table[(address >> (12 + 9 * level)) & 511];
        *page_bytes = 1ull << (12 + 9 * level);
        if (!(entry & 1) || level == 0 || (entry & 0x80)) return entry & 1 ? entry : 0;
        table = (const uint64_t *)(entry & 0xf'ffff'ffff'f000ull);
    }
}

static uint64_t physical_of(const struct page_tables *tables, uint64_t address)
{
    uint64_t page_bytes;
    uint64_t entry = walk(tables, address, &page_bytes);
    uint64_t mask = page_bytes - 1;
    return entry ? (entry & 0xf'ffff'ffff'f000ull & ~mask) + (address & mask) : UINT64_MAX;
}

TEST(every_byte_maps_to_its_own_and_neighbours_stay_unmapped)
{
    struct page_tables tables = {.take_page = take_page};
    CHECK(page_tables_map(&tables, 0xffff'8000'0000'3000, 0x5000, 0x2001, PAGE_WRITE));
    CHECK_EQUAL(UINT64_MAX, physical_of(&tables, 0xffff'8000'0000'2fff));
    CHECK_EQUAL(0x5000, physical_of(&tables, 0xffff'8000'0000'3000));
    CHECK_EQUAL(0x7fff, physical_of(&tables, 0xffff'8000'0000'5fff));
    CHECK_EQUAL(UINT64_MAX, physical_of(&tables, 0xffff'8000'0000'6000));
    give_pages();
}

TEST(large_pages_are_used_where_both_sides_are_aligned)
{
    struct page_tables tables = {.take_page = take_page};
    CHECK(page_tables_map(&tables, 3 * LARGE - 4096, 7 * LARGE - 4096, LARGE + 8192, PAGE_WRITE));
    uint64_t page_bytes;
    walk(&tables, 3 * LARGE - 4096, &page_bytes);
    CHECK_EQUAL(4096, page_bytes);
    walk(&tables, 3 * LARGE, &page_bytes);
    CHECK_EQUAL(LARGE, page_bytes);
    CHECK_EQUAL(7 * LARGE + 123456, physical_of(&tables, 3 * LARGE + 123456));
    walk(&tables, 4 * LARGE, &page_bytes);
    CHECK_EQUAL(4096, page_bytes);
    CHECK_EQUAL(8 * LARGE, physical_of(&tables, 4 * LARGE));
    give_pages();
}

TEST(an_offset_that_is_not_large_page_aligned_forbids_large_pages)
{
    struct page_tables tables = {.take_page = take_page};
    CHECK(page_tables_map(&tables, LARGE, LARGE + 4096, LARGE, 0));
    uint64_t page_bytes;
    walk(&tables, LARGE, &page_bytes);
    CHECK_EQUAL(4096, page_bytes);
    give_pages();
}

TEST(access_is_exactly_what_was_asked_for)
{
    struct page_tables tables = {.take_page = take_page};
    uint64_t size;
    CHECK(page_tables_map(&tables, 0x1000, 0x1000, 4096, PAGE_READ));
    CHECK(page_tables_map(&tables, 0x2000, 0x2000, 4096, PAGE_WRITE));
    CHECK(page_tables_map(&tables, 0x3000, 0x3000, 4096, PAGE_EXECUTE));
    CHECK_EQUAL(1ull << 63 | 0x1000 | 1, walk(&tables, 0x1000, &size));
    CHECK_EQUAL(1ull << 63 | 0x2000 | 3, walk(&tables, 0x2000, &size));
    CHECK_EQUAL(0x3000 | 1, walk(&tables, 0x3000, &size));
    give_pages();
}

TEST(the_first_mapping_of_an_address_wins)
{
    struct page_tables tables = {.take_page = take_page};
    uint64_t size;
    CHECK(page_tables_map(&tables, LARGE + 0x3000, 0x9000, 4096, PAGE_EXECUTE));
    CHECK(page_tables_map(&tables, 0, 0, 3 * LARGE, PAGE_WRITE));
    CHECK_EQUAL(0x9000 | 1, walk(&tables, LARGE + 0x3000, &size));
    CHECK_EQUAL(LARGE + 0x4000, physical_of(&tables, LARGE + 0x4000));
    CHECK_EQUAL(2 * LARGE, physical_of(&tables, 2 * LARGE));

    CHECK(page_tables_map(&tables, 2 * LARGE + 4096, 0x7000, 4096, PAGE_EXECUTE));
    CHECK_EQUAL(2 * LARGE + 4096, physical_of(&tables, 2 * LARGE + 4096));
    walk(&tables, 2 * LARGE + 4096, &size);
    CHECK_EQUAL(LARGE, size);
    give_pages();
}

TEST(a_mapping_without_memory_for_its_tables_fails)
{
    FOR_EACH_FAILING_ALLOCATION {
        struct page_tables tables = {.take_page = take_page};
        bool mapped = page_tables_map(&tables, LARGE - 4096, 0, LARGE, PAGE_WRITE);
        CHECK(!mapped || physical_of(&tables, 2 * LARGE - 8192) == LARGE - 4096);
        CHECK(mapped || taken_count < 5);
        give_pages();
    }
}
