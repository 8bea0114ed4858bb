#include "arch/arch/page_table.h"
#include "arch/host/host.h"
#include "mm/direct_map.h"
#include "mm/frame_pool.h"
#include "mm/quota.h"
#include "support/test.h"
#include <abi/ops.h>
#include <string.h>

#define USER_RW   (PAGE_READ | PAGE_WRITE)
#define LOW       0x40'0000ull
#define LARGE_AT  (16 * LARGE_PAGE_BYTES)
#define SOMEWHERE 0x1'2345'6000ull

static uint64_t free_frames(void)
{
    return frame_pool_count().free_frames;
}

static struct page_table empty_table(void)
{
    struct page_table table;
    page_table_kernel();
    CHECK_STATUS(OK, page_table_create(&table, nullptr));
    return table;
}

static void check_mapped(const struct page_table *table, uint64_t address, uint64_t frame,
                         uint64_t page_bytes, uint8_t access)
{
    struct page_mapping found = page_table_find(table, address);
    CHECK_EQUAL(frame, found.frame.value);
    CHECK_EQUAL(page_bytes, found.page_bytes);
    CHECK_EQUAL(access, found.access);
}

TEST(a_page_is_found_where_it_was_mapped_and_nowhere_else)
{
    struct page_table table = empty_table();
    CHECK_STATUS(OK, page_table_map(&table, LOW, physical_at(SOMEWHERE), PAGE_BYTES, USER_RW));
    check_mapped(&table, LOW, SOMEWHERE, PAGE_BYTES, USER_RW);
    check_mapped(&table, LOW + 4095, SOMEWHERE, PAGE_BYTES, USER_RW);
    CHECK_EQUAL(0, page_table_find(&table, LOW + PAGE_BYTES).page_bytes);
    CHECK_EQUAL(0, page_table_find(&table, LOW - 1).page_bytes);
    CHECK_EQUAL(0, page_table_find(&table, LOW + (1ull << 39)).page_bytes);
    page_table_destroy(&table);
}

TEST(every_access_comes_back_as_it_was_given)
{
    static const uint8_t accesses[] = {
        0,
        PAGE_READ,
        PAGE_READ | PAGE_WRITE,
        PAGE_READ | PAGE_EXECUTE,
        PAGE_READ | PAGE_KERNEL,
        PAGE_READ | PAGE_WRITE | PAGE_UNCACHED,
        PAGE_READ | PAGE_WRITE | PAGE_WRITE_COMBINE | PAGE_KERNEL,
        PAGE_KERNEL,
    };
    struct page_table table = empty_table();
    for (uint32_t i = 0; i < sizeof(accesses); i++) {
        CHECK_STATUS(OK, page_table_map(&table, LOW + i * PAGE_BYTES, physical_at(0), PAGE_BYTES,
                                        accesses[i]));
        check_mapped(&table, LOW + i * PAGE_BYTES, 0, PAGE_BYTES, accesses[i]);
    }
    CHECK_STATUS(OK, page_table_map(&table, LARGE_AT, physical_at(0), LARGE_PAGE_BYTES,
                                    PAGE_READ | PAGE_WRITE_COMBINE));
    check_mapped(&table, LARGE_AT, 0, LARGE_PAGE_BYTES, PAGE_READ | PAGE_WRITE_COMBINE);
    page_table_destroy(&table);
}

TEST(what_is_mapped_is_not_mapped_over)
{
    struct page_table table = empty_table();
    physical_address frame = physical_at(SOMEWHERE);
    CHECK_STATUS(OK, page_table_map(&table, LARGE_AT + 5 * PAGE_BYTES, frame, PAGE_BYTES, 0));
    CHECK_STATUS(ALREADY_EXISTS,
                 page_table_map(&table, LARGE_AT + 5 * PAGE_BYTES, frame, PAGE_BYTES, USER_RW));
    CHECK_STATUS(ALREADY_EXISTS, page_table_map(&table, LARGE_AT, physical_at(LARGE_PAGE_BYTES),
                                                LARGE_PAGE_BYTES, USER_RW));
    check_mapped(&table, LARGE_AT + 5 * PAGE_BYTES, SOMEWHERE, PAGE_BYTES, 0);

    uint64_t large = LARGE_AT + LARGE_PAGE_BYTES;
    CHECK_STATUS(OK, page_table_map(&table, large, physical_at(0), LARGE_PAGE_BYTES, USER_RW));
    CHECK_STATUS(ALREADY_EXISTS,
                 page_table_map(&table, large + PAGE_BYTES, frame, PAGE_BYTES, USER_RW));
    CHECK_STATUS(ALREADY_EXISTS,
                 page_table_map(&table, large, physical_at(0), LARGE_PAGE_BYTES, USER_RW));
    page_table_destroy(&table);
}

TEST(a_replaced_page_keeps_its_access)
{
    struct page_table table = empty_table();
    physical_address other = physical_at(SOMEWHERE + PAGE_BYTES);
    CHECK_STATUS(NOT_FOUND, page_table_replace(&table, LOW, other));
    CHECK_STATUS(OK, page_table_map(&table, LOW, physical_at(SOMEWHERE), PAGE_BYTES, PAGE_READ));
    CHECK_STATUS(OK, page_table_replace(&table, LOW, other));
    check_mapped(&table, LOW, other.value, PAGE_BYTES, PAGE_READ);
    CHECK_STATUS(NOT_FOUND, page_table_replace(&table, LOW + PAGE_BYTES, other));
    CHECK_STATUS(OK, page_table_map(&table, LARGE_AT, physical_at(0), LARGE_PAGE_BYTES, PAGE_READ));
    CHECK_STATUS(NOT_FOUND, page_table_replace(&table, LARGE_AT, other));
    page_table_destroy(&table);
}

TEST(unmapping_counts_pages_and_skips_holes)
{
    struct page_table table = empty_table();
    CHECK_STATUS(OK, page_table_map(&table, LOW, physical_at(0), PAGE_BYTES, USER_RW));
    CHECK_STATUS(OK, page_table_map(&table, LARGE_AT, physical_at(0), LARGE_PAGE_BYTES, USER_RW));
    uint64_t last = ABI_USER_ADDRESS_END - PAGE_BYTES;
    CHECK_STATUS(OK, page_table_map(&table, last, physical_at(0), PAGE_BYTES, USER_RW));
    uint64_t removed = 0;
    CHECK_STATUS(OK, page_table_unmap(&table, 0, ABI_USER_ADDRESS_END, &removed));
    CHECK_EQUAL(1 + 512 + 1, removed);
    CHECK_EQUAL(0, page_table_find(&table, LOW).page_bytes);
    CHECK_EQUAL(0, page_table_find(&table, LARGE_AT).page_bytes);
    CHECK_EQUAL(0, page_table_find(&table, last).page_bytes);
    page_table_destroy(&table);
}

TEST(no_pages_at_all_are_unmapped_and_protected_anywhere)
{
    struct page_table table = empty_table();
    struct page_table *kernel = page_table_kernel();
    CHECK_STATUS(OK, page_table_unmap(&table, LOW, 0, nullptr));
    CHECK_STATUS(OK, page_table_unmap(kernel, 0xffff'c000'0000'0000ull, 0, nullptr));
    CHECK_STATUS(OK, page_table_protect(kernel, 0xffff'c000'0000'0000ull, 0, PAGE_READ));
    page_table_destroy(&table);
}

TEST(a_large_page_splits_where_a_change_ends_inside_it)
{
    struct page_table table = empty_table();
    uint64_t frame = 7 * LARGE_PAGE_BYTES;
    CHECK_STATUS(OK,
                 page_table_map(&table, LARGE_AT, physical_at(frame), LARGE_PAGE_BYTES, USER_RW));
    CHECK_STATUS(OK,
                 page_table_protect(&table, LARGE_AT + 3 * PAGE_BYTES, 2 * PAGE_BYTES, PAGE_READ));
    for (uint64_t page = 0; page < 512; page++) {
        uint8_t access = page == 3 || page == 4 ? PAGE_READ : USER_RW;
        check_mapped(&table, LARGE_AT + page * PAGE_BYTES, frame + page * PAGE_BYTES, PAGE_BYTES,
                     access);
    }
    page_table_destroy(&table);
}

TEST(a_large_page_stays_whole_when_all_of_it_changes)
{
    struct page_table table = empty_table();
    CHECK_STATUS(OK, page_table_map(&table, LARGE_AT, physical_at(0), LARGE_PAGE_BYTES, USER_RW));
    uint64_t tables = table.table_frames;
    CHECK_STATUS(OK, page_table_protect(&table, LARGE_AT, LARGE_PAGE_BYTES, PAGE_READ));
    check_mapped(&table, LARGE_AT, 0, LARGE_PAGE_BYTES, PAGE_READ);
    CHECK_EQUAL(tables, table.table_frames);
    page_table_destroy(&table);
}

/*
 * The large page covers the very frame that its split takes for the new table. An implementation
 * that recognises its own work by comparing addresses takes that piece for something it is not.
 */
TEST(a_split_page_may_cover_the_frame_of_its_own_new_table)
{
    struct page_table table = empty_table();
    frame_result next = frame_pool_take(nullptr, 0);
    CHECK_STATUS(OK, next.status);
    uint64_t base = round_down(next.value.value, LARGE_PAGE_BYTES);
    uint64_t same = LARGE_AT + (next.value.value - base);
    CHECK_STATUS(OK,
                 page_table_map(&table, LARGE_AT, physical_at(base), LARGE_PAGE_BYTES, USER_RW));
    frame_pool_give(nullptr, next.value, 0);

    uint64_t other = LARGE_AT + (same == LARGE_AT ? PAGE_BYTES : 0);
    CHECK_STATUS(OK, page_table_protect(&table, other, PAGE_BYTES, PAGE_READ));
    uint64_t table_frame = 0; /* the premise: the split took that frame */
    const uint64_t *entries = direct_map(table.root);
    for (uint32_t level = 4; level > 1; level--) {
        table_frame = entries[(LARGE_AT >> (12 + 9 * (level - 1))) % 512] & 0xf'ffff'ffff'f000;
        entries = direct_map(physical_at(table_frame));
    }
    CHECK_EQUAL(next.value.value, table_frame);
    for (uint32_t i = 0; i < 512; i++) /* the mark of a large page means something else down here */
        CHECK_EQUAL(0, entries[i] & 1u << 7);

    for (uint64_t page = 0; page < 512; page++) {
        uint64_t address = LARGE_AT + page * PAGE_BYTES;
        check_mapped(&table, address, base + page * PAGE_BYTES, PAGE_BYTES,
                     address == other ? PAGE_READ : USER_RW);
    }
    CHECK_STATUS(ALREADY_EXISTS, page_table_map(&table, same, next.value, PAGE_BYTES, USER_RW));
    uint64_t removed = 0;
    CHECK_STATUS(OK, page_table_unmap(&table, same, PAGE_BYTES, &removed));
    CHECK_EQUAL(1, removed);
    CHECK_STATUS(OK, page_table_map(&table, same, next.value, PAGE_BYTES, USER_RW));
    page_table_destroy(&table);
}

/* A processor may have the way to the empty table in a cache: its frame must not become anything
 * else. */
TEST(a_table_left_empty_stays)
{
    struct page_table table = empty_table();
    CHECK_STATUS(OK, page_table_map(&table, LARGE_AT, physical_at(0), PAGE_BYTES, USER_RW));
    CHECK_STATUS(OK, page_table_unmap(&table, LARGE_AT, PAGE_BYTES, nullptr));
    uint64_t tables = table.table_frames;
    CHECK_STATUS(ALREADY_EXISTS,
                 page_table_map(&table, LARGE_AT, physical_at(0), LARGE_PAGE_BYTES, USER_RW));
    CHECK_EQUAL(tables, table.table_frames);
    CHECK_STATUS(OK, page_table_map(&table, LARGE_AT, physical_at(0), PAGE_BYTES, USER_RW));
    page_table_destroy(&table);
}

TEST(destroying_gives_back_every_table_frame_and_charge)
{
    page_table_kernel();
    struct memory_quota *quota = memory_quota_create(1 << 20);
    struct page_table table;
    CHECK_STATUS(OK, page_table_create(&table, quota));
    for (uint64_t i = 0; i < 20; i++)
        CHECK_STATUS(OK, page_table_map(&table, LOW + (i << 32), physical_at(0), PAGE_BYTES, 1));
    CHECK_EQUAL(table.table_frames * PAGE_BYTES, memory_quota_used(quota));
    CHECK(table.table_frames > 40);
    page_table_destroy(&table);
    CHECK_EQUAL(0, memory_quota_used(quota));
    memory_quota_put(quota);
}

TEST(a_call_that_runs_out_of_memory_changes_nothing)
{
    page_table_kernel();
    uint64_t before = free_frames();
    uint64_t second = LARGE_AT + LARGE_PAGE_BYTES;
    FOR_EACH_FAILING_ALLOCATION {
        struct page_table table;
        if (!is_ok(page_table_create(&table, nullptr))) continue;
        status mapped = page_table_map(&table, LARGE_AT, physical_at(0), LARGE_PAGE_BYTES, USER_RW);
        if (is_ok(mapped))
            mapped = page_table_map(&table, second, physical_at(0), LARGE_PAGE_BYTES, USER_RW);
        if (is_ok(mapped)) {
            uint64_t removed = 77;
            status outcome =
                page_table_unmap(&table, LARGE_AT + PAGE_BYTES, LARGE_PAGE_BYTES, &removed);
            bool worked = is_ok(outcome);
            CHECK_EQUAL(worked ? 512 : 77, removed);
            CHECK_EQUAL(worked, page_table_find(&table, LARGE_AT + PAGE_BYTES).page_bytes == 0);
            CHECK_EQUAL(worked, page_table_find(&table, second).page_bytes == 0);
            CHECK(page_table_find(&table, LARGE_AT).page_bytes != 0);
            CHECK(page_table_find(&table, second + PAGE_BYTES).page_bytes != 0);
        } else {
            CHECK_STATUS(OUT_OF_MEMORY, mapped);
            CHECK_EQUAL(0, page_table_find(&table, second).page_bytes);
        }
        page_table_destroy(&table);
    }
    CHECK_EQUAL(before, free_frames());
}

/* Random changes, checked against an array with an entry for every page. */
TEST(tables_agree_with_a_plain_array)
{
    enum { PAGES = 4 * 512 };
    static struct {
        uint64_t frame;
        uint8_t access;
        bool is_mapped;
    } model[PAGES];
    bool has_table[PAGES / 512] = {0}; /* where small pages are or were */
    struct page_table table = empty_table();
    uint64_t seed = 1;
    for (uint32_t step = 0; step < 4000; step++) {
        if (step % 50 == 49) { /* or there would soon be no large pages any more */
            page_table_destroy(&table);
            table = empty_table();
            memset(model, 0, sizeof(model));
            memset(has_table, 0, sizeof(has_table));
        }
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        uint32_t first = (uint32_t)(seed >> 33) % PAGES;
        uint32_t count = (uint32_t)(seed >> 50) % 700 + 1;
        uint8_t access = seed >> 20 & 1 ? USER_RW : PAGE_READ;
        if (count > PAGES - first) count = PAGES - first;
        switch (seed >> 60) {
        case 0 ... 3: {
            bool is_large = (seed >> 60) == 0;
            if (is_large) first = first / 512 * 512;
            uint64_t bytes = is_large ? LARGE_PAGE_BYTES : PAGE_BYTES;
            uint64_t frame = (seed >> 24 & 0xfff) * LARGE_PAGE_BYTES;
            bool is_free = !is_large || !has_table[first / 512];
            for (uint32_t i = 0; i < bytes / PAGE_BYTES; i++)
                is_free &= !model[first + i].is_mapped;
            status s = page_table_map(&table, LARGE_AT + first * PAGE_BYTES, physical_at(frame),
                                      bytes, access);
            CHECK_EQUAL(is_free ? STATUS_OK : STATUS_ALREADY_EXISTS, s.code);
            has_table[first / 512] |= !is_large;
            for (uint32_t i = 0; is_free && i < bytes / PAGE_BYTES; i++) {
                model[first + i].frame = frame + i * PAGE_BYTES;
                model[first + i].access = access;
                model[first + i].is_mapped = true;
            }
            break;
        }
        case 4 ... 9: {
            uint64_t removed, expected = 0;
            CHECK_STATUS(OK, page_table_unmap(&table, LARGE_AT + first * PAGE_BYTES,
                                              count * PAGE_BYTES, &removed));
            for (uint32_t i = first; i < first + count; i++) {
                expected += model[i].is_mapped;
                model[i].is_mapped = false;
            }
            CHECK_EQUAL(expected, removed);
            break;
        }
        default:
            CHECK_STATUS(OK, page_table_protect(&table, LARGE_AT + first * PAGE_BYTES,
                                                count * PAGE_BYTES, access));
            for (uint32_t i = first; i < first + count; i++)
                model[i].access = access;
        }
        for (uint32_t i = 0; i < PAGES; i += 512) { /* what is left of one that was split */
            uint64_t start = LARGE_AT + i * PAGE_BYTES, last = start + 511 * PAGE_BYTES;
            has_table[i / 512] |= page_table_find(&table, start).page_bytes == PAGE_BYTES ||
                                  page_table_find(&table, last).page_bytes == PAGE_BYTES;
        }
        for (uint32_t i = 0; i < PAGES; i += 1 + (uint32_t)(seed >> 40) % 13) {
            struct page_mapping found = page_table_find(&table, LARGE_AT + i * PAGE_BYTES);
            CHECK_EQUAL(model[i].is_mapped, found.page_bytes != 0);
            if (!model[i].is_mapped) continue;
            uint64_t inside = i * PAGE_BYTES % (found.page_bytes);
            CHECK_EQUAL(model[i].frame, found.frame.value + inside);
            CHECK_EQUAL(model[i].access, found.access);
        }
    }
    page_table_destroy(&table);
}
