/*
 * Volumes of every kind on the logging disk, and files in their root directory, for tests of what
 * writes them. A file is a slot of the root and a chain; names are FILE.A, FILE.B and so on.
 */
#pragma once
#include "base/bytes.h"
#include "fs/fat32/fat32_format.h"
#include "fs/fat32/fat32_internal.h"
#include "fs/fat32/fat32_test_log.h"
#include "support/fat_image.h"
#include "support/test.h"

/* Sectors, bytes per sector, sectors per cluster, tables, reserved sectors. */
static const struct fat_shape test_shapes[] = {
    {2000, 512, 1, 2, 32},  {2000, 512, 1, 1, 32},  {40000, 512, 128, 2, 32},
    {3000, 1024, 4, 2, 32}, {2000, 4096, 1, 2, 32}, {2000, 4096, 16, 2, 32},
    {2000, 2048, 2, 1, 40}, {2000, 512, 8, 2, 8},
};
static constexpr uint32_t TEST_SHAPES = sizeof(test_shapes) / sizeof(test_shapes[0]);
static constexpr uint32_t TEST_ALL_LEFTOVERS = FAT_LEFT_LOST_CLUSTERS | FAT_LEFT_LONG_CHAIN |
                                               FAT_LEFT_IN_USE | FAT_LEFT_NO_COUNTS |
                                               FAT_LEFT_TABLES_APART;

struct test_volume {
    struct disk_log disk;
    struct fat32_volume core;
};

static inline status test_volume_open_try(struct test_volume *test)
{
    struct fat32_device device = log_disk_device(&test->disk);
    text reason;
    TRY(fat32_open(&device, &test->core, &reason));
    status begun = fat32_writing_begin(&test->core, FAT32_FREE_UNKNOWN, false);
    if (!is_ok(begun)) fat32_close(&test->core);
    return begun;
}

/* A formatted disk, nothing open. `table` becomes the only one in use, unless UINT32_MAX. */
static inline void test_disk_format(struct test_volume *test, const struct fat_shape *shape,
                                    uint32_t table)
{
    disk_log_init(&test->disk, shape->sector_count, shape->sector_bytes);
    fat_image_format(test->disk.bytes, shape);
    uint8_t *boot = test->disk.bytes;
    if (table != UINT32_MAX) {
        store_le16(boot + BOOT_EXTENDED_FLAGS, (uint16_t)(EXTENDED_NOT_MIRRORED | table));
        bytes_copy(boot + (size_t)load_le16(boot + BOOT_BACKUP_SECTOR) * shape->sector_bytes, boot,
                   shape->sector_bytes);
    }
    disk_log_restart(&test->disk);
}

static inline void test_volume_format(struct test_volume *test, const struct fat_shape *shape)
{
    test_disk_format(test, shape, UINT32_MAX);
    CHECK_STATUS(OK, test_volume_open_try(test));
}

static inline void test_volume_close(struct test_volume *test)
{
    fat32_close(&test->core);
    disk_log_deinit(&test->disk);
}

/* Free clusters by the table as it is in memory. One failure of whatever kind is forgiven. */
static inline uint32_t test_count_free(struct test_volume *test)
{
    uint32_t count = 0, next;
    for (uint32_t i = 0; i < test->core.cluster_count; i++) {
        status found = fat32_next_cluster(&test->core, CLUSTER_FIRST + i, &next);
        if (!is_ok(found)) found = fat32_next_cluster(&test->core, CLUSTER_FIRST + i, &next);
        CHECK_STATUS(OK, found);
        count += next == 0;
    }
    return count;
}

/* What the strict reader says of an image, by each table that counts. */
static inline void test_check_image(const struct test_volume *test, const uint8_t *image,
                                    uint32_t leftovers)
{
    const struct fat32_volume *core = &test->core;
    uint32_t in_use =
        (uint32_t)((core->table_start_bytes - core->first_table_bytes) / core->table_bytes);
    for (uint32_t i = 0; i < core->table_count; i++) {
        if (!core->is_mirrored && i != in_use) continue;
        struct fat_tree tree;
        size_t bytes = test->disk.sector_count * test->disk.sector_bytes;
        if (!fat_tree_read(&tree, image, bytes, i))
            test_fail(__FILE__, __LINE__, "table %u: %s", i, tree.error);
        uint32_t allowed = leftovers | (core->is_mirrored ? 0 : FAT_LEFT_TABLES_APART);
        if ((tree.leftovers & ~allowed) != 0)
            test_fail(__FILE__, __LINE__, "table %u: leftovers %x", i, tree.leftovers);
        fat_tree_drop(&tree);
    }
}

/* ---- files ---- */

struct test_file {
    uint32_t index; /* slot of the root; its first cluster holds it */
    struct fat32_map map;
};

static inline uint64_t test_file_slot(const struct test_volume *test, uint32_t index)
{
    return fat32_cluster_start(&test->core, test->core.root_cluster) +
           (uint64_t)index * ENTRY_BYTES;
}

/* The entry says this size and chain; an empty chain for a null map. */
static inline status test_file_write(struct test_volume *test, uint32_t index,
                                     uint32_t first_cluster, uint32_t size)
{
    fat32_bytes_result entry = fat32_volume_change(&test->core, test_file_slot(test, index));
    TRY(entry.status);
    bytes_copy(entry.value, "FILE    A  ", SHORT_NAME_BYTES);
    entry.value[SHORT_BASE_BYTES] = (uint8_t)('A' + index);
    store_le16(entry.value + ENTRY_CLUSTER_HIGH, (uint16_t)(first_cluster >> 16));
    store_le16(entry.value + ENTRY_CLUSTER_LOW, (uint16_t)first_cluster);
    store_le32(entry.value + ENTRY_SIZE, size);
    return OK;
}

/* In the order that writers of files keep: the entry is smaller before the chain, larger after. */
static inline status test_file_resize(struct test_volume *test, struct test_file *file,
                                      uint32_t clusters)
{
    uint32_t size = clusters * test->core.cluster_bytes;
    if (clusters > file->map.cluster_count) {
        TRY(fat32_chain_extend(&test->core, &file->map, clusters));
        return test_file_write(test, file->index, fat32_map_first(&file->map), size);
    }
    uint32_t first = clusters == 0 ? 0 : fat32_map_first(&file->map);
    TRY(test_file_write(test, file->index, first, size));
    return fat32_chain_cut(&test->core, &file->map, clusters);
}
