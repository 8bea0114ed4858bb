#include "base/bytes.h"
#include "fs/fat32/fat32_format.h"
#include "fs/fat32/fat32_internal.h"
#include "fs/fat32/fat32_test_log.h"
#include "mm/heap.h"
#include "support/fat_image.h"
#include "support/test.h"
#include <string.h>

/* Volumes of every kind that the engine must treat alike. */
static const struct fat_shape shapes[] = {
    {2000, 512, 1, 2, 32},  {2000, 512, 1, 1, 32},  {40000, 512, 128, 2, 32},
    {3000, 1024, 4, 2, 32}, {2000, 4096, 1, 2, 32}, {2000, 4096, 16, 2, 32},
    {2000, 2048, 2, 1, 40}, {2000, 512, 8, 2, 8},
};
static constexpr uint32_t SHAPES = sizeof(shapes) / sizeof(shapes[0]);

static struct disk_log disk;
static struct fat32_volume volume;

static uint32_t counted_free(void)
{
    uint32_t count = 0, next;
    for (uint32_t i = 0; i < volume.cluster_count; i++) {
        CHECK_STATUS(OK, fat32_next_cluster(&volume, CLUSTER_FIRST + i, &next));
        count += next == 0;
    }
    return count;
}

static void open_volume(void)
{
    struct fat32_device device = log_disk_device(&disk);
    text reason;
    CHECK_STATUS(OK, fat32_open(&device, &volume, &reason));
    CHECK_STATUS(OK, fat32_writing_begin(&volume, FAT32_FREE_UNKNOWN, false));
    CHECK_EQUAL(counted_free(), fat32_free_clusters(&volume));
}

static void format(const struct fat_shape *shape)
{
    disk_log_init(&disk, shape->sector_count, shape->sector_bytes);
    fat_image_format(disk.bytes, shape);
    disk_log_restart(&disk);
    open_volume();
}

static void close_volume(void)
{
    fat32_close(&volume);
    disk_log_deinit(&disk);
}

/* What a strict reader says of the disk as it is; leftovers it may have. */
static void check_disk(uint32_t leftovers)
{
    for (uint32_t table = 0; table < (volume.is_mirrored ? volume.table_count : 1); table++) {
        struct fat_tree tree;
        if (!fat_tree_read(&tree, disk.bytes, disk.sector_count * disk.sector_bytes, table))
            test_fail(__FILE__, __LINE__, "%s", tree.error);
        CHECK_EQUAL(0, tree.leftovers & ~leftovers);
        fat_tree_drop(&tree);
    }
}

/* A file of the root: its entry lies in slot `index`. */
struct file {
    uint32_t index;
    struct fat32_map map;
};

static void file_write_entry(const struct file *file, uint32_t size)
{
    uint64_t offset = fat32_cluster_start(&volume, volume.root_cluster) + file->index * ENTRY_BYTES;
    fat32_bytes_result entry = fat32_volume_change(&volume, offset);
    CHECK_STATUS(OK, entry.status);
    bytes_copy(entry.value, "FILE    000", SHORT_NAME_BYTES);
    entry.value[SHORT_BASE_BYTES] = (uint8_t)('0' + file->index);
    uint32_t first = fat32_map_first(&file->map);
    store_le16(entry.value + ENTRY_CLUSTER_HIGH, (uint16_t)(first >> 16));
    store_le16(entry.value + ENTRY_CLUSTER_LOW, (uint16_t)first);
    store_le32(entry.value + ENTRY_SIZE, size);
}

static void file_resize(struct file *file, uint32_t clusters)
{
    if (clusters < file->map.cluster_count) {
        struct fat32_map none = {0};
        struct file shorter = {file->index, clusters == 0 ? none : file->map};
        file_write_entry(&shorter, clusters * volume.cluster_bytes);
        CHECK_STATUS(OK, fat32_chain_cut(&volume, &file->map, clusters));
    } else {
        CHECK_STATUS(OK, fat32_chain_extend(&volume, &file->map, clusters));
        file_write_entry(file, clusters * volume.cluster_bytes);
    }
    CHECK_EQUAL(clusters, file->map.cluster_count);
}

TEST(chains_grow_and_shrink_and_a_strict_reader_finds_them)
{
    for (uint32_t i = 0; i < SHAPES; i++) {
        format(&shapes[i]);
        uint32_t free_at_first = fat32_free_clusters(&volume);
        struct file files[2] = {{.index = 0}, {.index = 1}};
        for (uint32_t round = 1; round < 20; round++) {
            file_resize(&files[round % 2], 3 * round);
            if (round % 3 == 0) CHECK_STATUS(OK, fat32_checkpoint(&volume));
        }
        file_resize(&files[0], 7);
        CHECK(fat32_is_changed(&volume));
        CHECK_EQUAL(free_at_first - 7 - 57, fat32_free_clusters(&volume));
        CHECK_STATUS(OK, fat32_mark_clean(&volume));
        CHECK(!fat32_is_changed(&volume));
        CHECK_EQUAL(free_at_first - 7 - 57, counted_free());
        check_disk(0);
        fat32_map_drop(&files[0].map);
        fat32_map_drop(&files[1].map);
        close_volume();
    }
}
