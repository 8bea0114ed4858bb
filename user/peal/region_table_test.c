#include "peal/region_table.h"
#include "support/test.h"
#include <pthread.h>

static struct region at(uint64_t address, uint64_t length, uint32_t index)
{
    return (struct region){.address = address, .length_bytes = length, .buffer_index = index};
}

TEST(an_address_is_found_in_its_region_and_nowhere_else)
{
    static struct region_table table;
    struct region found;
    CHECK(region_table_insert(&table, at(0x5000, 0x1000, 2)));
    CHECK(region_table_insert(&table, at(0x1000, 0x1000, 1)));
    CHECK(region_table_insert(&table, at(0x6000, 0x10, 3)));
    CHECK(!region_table_find(&table, 0xfff, &found));
    CHECK(region_table_find(&table, 0x1000, &found));
    CHECK_EQUAL(1, found.buffer_index);
    CHECK(region_table_find(&table, 0x1fff, &found));
    CHECK(!region_table_find(&table, 0x2000, &found));
    CHECK(region_table_find(&table, 0x5fff, &found));
    CHECK_EQUAL(2, found.buffer_index);
    CHECK(region_table_find(&table, 0x600f, &found));
    CHECK_EQUAL(3, found.buffer_index);
    CHECK(!region_table_find(&table, 0x6010, &found));
    CHECK(!region_table_find(&table, UINT64_MAX, &found));
}

TEST(regions_never_overlap)
{
    static struct region_table table;
    CHECK(region_table_insert(&table, at(0x2000, 0x1000, 1)));
    CHECK(!region_table_insert(&table, at(0x2000, 1, 2)));
    CHECK(!region_table_insert(&table, at(0x1000, 0x1001, 2)));
    CHECK(!region_table_insert(&table, at(0x2fff, 1, 2)));
    CHECK(!region_table_insert(&table, at(0x3000, 0, 2)));
    CHECK(!region_table_insert(&table, at(UINT64_MAX, 2, 2)));
    CHECK(region_table_insert(&table, at(0x1000, 0x1000, 2)));
    CHECK(region_table_insert(&table, at(0x3000, 0x1000, 3)));
    CHECK_EQUAL(3, table.count);
}

TEST(a_full_table_refuses_and_a_removed_region_is_gone)
{
    static struct region_table table;
    struct region removed;
    for (uint32_t i = 0; i < REGION_TABLE_ENTRIES_MAX; i++)
        CHECK(region_table_insert(
            &table, at(0x1000ull * (i * 7 % REGION_TABLE_ENTRIES_MAX + 1), 0x1000, i)));
    CHECK(!region_table_insert(&table, at(0x10000000, 0x1000, 1)));
    CHECK(region_table_remove(&table, 0x3000, &removed));
    CHECK_EQUAL(0x3000, removed.address);
    CHECK(!region_table_find(&table, 0x3000, &removed));
    CHECK(!region_table_remove(&table, 0x3000, &removed));
    CHECK(!region_table_remove(&table, 0x4001, &removed));
    CHECK(region_table_insert(&table, at(0x10000000, 0x1000, 1)));
}

static struct region_table shared;
static _Atomic bool writer_is_done;

static void *change(void *)
{
    struct region removed;
    for (uint32_t i = 0; i < 20000; i++) {
        (void)region_table_insert(&shared, at(0x1000, 0x1000, 1));
        region_table_remove(&shared, 0x1000, &removed);
    }
    writer_is_done = true;
    return nullptr;
}

TEST(a_look_up_during_changes_sees_a_whole_region_or_none)
{
    pthread_t writer;
    struct region found;
    CHECK(region_table_insert(&shared, at(0x2000, 0x1000, 2)));
    CHECK_EQUAL(0, pthread_create(&writer, nullptr, change, nullptr));
    while (!writer_is_done) {
        CHECK(region_table_find(&shared, 0x2800, &found));
        CHECK_EQUAL(0x2000, found.address);
        CHECK_EQUAL(2, found.buffer_index);
        if (region_table_find(&shared, 0x1800, &found)) CHECK_EQUAL(1, found.buffer_index);
    }
    CHECK_EQUAL(0, pthread_join(writer, nullptr));
}
