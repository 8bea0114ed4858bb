/*
 * Input: a byte of choices, then the image of a disk with 512-byte sectors. With choice 1 the boot
 * sector is replaced by a good one of the image's size, so that what lies behind it is reached.
 *
 * Everything that can be reached is listed, opened by its name and located to the last byte, and
 * the volume is checked.
 * Whatever the image says: all ends, nothing is read outside it, all that is listed has a name that
 * a path can hold and that is found again, and no chain is longer than the volume.
 */
#include "base/bytes.h"
#include "base/checked.h"
#include "debug/assert.h"
#include "fs/fat32/fat32_core.h"
#include "fs/fat32/fat32_format.h"
#include "fs/vfs/path.h"
#include "mm/heap.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static constexpr size_t IMAGE_BYTES_MAX = 65536;
static constexpr uint32_t DEPTH_MAX = 6;
static constexpr uint32_t ENTRIES_MAX = 300; /* looked at in one run */
static constexpr uint8_t CHOICE_GOOD_BOOT_SECTOR = 1;

static uint8_t image[IMAGE_BYTES_MAX];
static struct fat32_device disk;
static struct fat32_volume volume;
static uint32_t entries_seen;

static status read_sectors(void *context, uint64_t first_sector, uint32_t sector_count, void *to)
{
    (void)context;
    ASSERT(sector_count > 0 && span_fits(first_sector, sector_count, disk.sector_count));
    bytes_copy(to, image + first_sector * 512, sector_count * 512ull);
    return OK;
}

static void make_boot_sector(void)
{
    bytes_zero(image, 512);
    image[0] = 0xeb;
    store_le16(image + BOOT_BYTES_PER_SECTOR, 512);
    image[BOOT_SECTORS_PER_CLUSTER] = 1;
    store_le16(image + BOOT_RESERVED_SECTORS, 1);
    image[BOOT_TABLE_COUNT] = 1;
    image[BOOT_MEDIA] = 0xf8;
    store_le32(image + BOOT_TOTAL_SECTORS_32, (uint32_t)disk.sector_count);
    store_le32(image + BOOT_TABLE_SECTORS_32, 1);
    store_le32(image + BOOT_ROOT_CLUSTER, 2);
    image[BOOT_SIGNATURE] = 0x55;
    image[BOOT_SIGNATURE + 1] = 0xaa;
}

/* Locates every byte that the chain holds. */
static void check_map(const struct fat32_map *map)
{
    ASSERT(map->cluster_count <= volume.cluster_count);
    ASSERT(map->run_count <= FAT32_MAP_RUNS_MAX);
    uint64_t length = (uint64_t)map->cluster_count * volume.cluster_bytes;
    struct fat32_extent extent;
    for (uint64_t at = 0; at < length; at += extent.sector_count * 512ull) {
        uint32_t wanted = (uint32_t)min_of(length - at, (uint64_t)65536);
        ASSERT(is_ok(fat32_locate(&volume, map, at, wanted, &extent)));
        ASSERT(extent.sector_count > 0 && extent.sector_count * 512 <= wanted);
        ASSERT(span_fits(extent.first_sector, extent.sector_count, disk.sector_count));
        ASSERT(extent.first_sector * 512 >= volume.data_start_bytes);
    }
    ASSERT(!is_ok(fat32_locate(&volume, map, length, 512, &extent)));
}

static void check_entry(const struct fat32_map *directory, const struct fat32_entry *entry)
{
    static struct fat32_entry found;
    text name = fat32_entry_name(entry);
    ASSERT(is_ok(path_check(name)) && text_find(name, '/', 0) == name.length);
    ASSERT(is_ok(path_check((text){entry->alias, entry->alias_bytes})));
    ASSERT(is_ok(fat32_directory_find(&volume, directory, name, &found)));
    ASSERT(found.index <= entry->index); /* the first of that name */
    ASSERT(entry->position * ENTRY_BYTES < volume.total_bytes);
    ASSERT(!entry->is_directory || entry->size_bytes == 0);
}

static void walk(const struct fat32_map *directory, uint32_t own_cluster, uint32_t depth);

static void walk_entry(const struct fat32_entry *entry, uint32_t parent_cluster, uint32_t depth)
{
    struct fat32_map map;
    if (!is_ok(fat32_map_load(&volume, entry->first_cluster, &map))) return;
    check_map(&map);
    bool is_sound =
        entry->is_directory &&
        is_ok(fat32_directory_check(&volume, &map, entry->first_cluster, parent_cluster));
    if (is_sound && depth < DEPTH_MAX) walk(&map, entry->first_cluster, depth + 1);
    fat32_map_drop(&map);
}

static void walk(const struct fat32_map *directory, uint32_t own_cluster, uint32_t depth)
{
    struct fat32_entry entry;
    uint32_t index = 0;
    for (;;) {
        uint32_t before = index;
        status next = fat32_directory_next(&volume, directory, &index, &entry);
        if (!is_ok(next)) {
            ASSERT(next.code == STATUS_NOT_FOUND || next.code == STATUS_IO_ERROR);
            ASSERT(index == before);
            return;
        }
        ASSERT(index > before && entry.index == index - 1);
        if (++entries_seen > ENTRIES_MAX) return;
        check_entry(directory, &entry);
        walk_entry(&entry, own_cluster, depth);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    if (size < 1 + 512) return 0;
    uint64_t before = heap_count().objects_taken;
    size_t length = min_of(size - 1, IMAGE_BYTES_MAX) / 512 * 512;
    bytes_copy(image, input + 1, length);
    disk = (struct fat32_device){
        .sector_bytes = 512, .sector_count = length / 512, .read = read_sectors};
    if (input[0] & CHOICE_GOOD_BOOT_SECTOR) make_boot_sector();

    entries_seen = 0;
    text reason;
    status opened = fat32_open(&disk, &volume, &reason);
    ASSERT(is_ok(opened) == (reason.length == 0));
    if (is_ok(opened)) {
        struct fat32_map root;
        if (is_ok(fat32_map_load(&volume, volume.root_cluster, &root))) {
            check_map(&root);
            walk(&root, volume.root_cluster, 0);
            fat32_map_drop(&root);
        }
        struct fat32_report report;
        ASSERT(is_ok(fat32_check(&volume, false, &report)));
        ASSERT((report.damage.length > 0) == (volume.read_only_reason.length > 0));
        ASSERT(report.free_clusters + report.clusters_freed <= volume.cluster_count);
        fat32_close(&volume);
    }
    ASSERT(heap_count().objects_taken == before);
    return 0;
}
