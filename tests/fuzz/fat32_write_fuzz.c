/*
 * Input: a byte of choices, the number of operations, four bytes for each, then an image of
 * 512-byte sectors. With CHOICE_GOOD_BOOT_SECTOR the boot sector and the reserved sectors are made
 * here and the image begins with the table, so that what lies behind is reached.
 *
 * The volume is recovered as before writing; then the operations create, write, cut, rename and
 * remove what they find, make checkpoints, open the volume anew, or let the disk fail. Whatever the
 * image says: all ends after a bounded number of requests, nothing is written outside the volume or
 * after it was called damaged, no memory is lost; and what could be read before, was not the object
 * of an operation and shared no cluster with anything else, reads the same afterwards.
 */
#include "base/bytes.h"
#include "base/checked.h"
#include "debug/assert.h"
#include "fs/fat32/fat32_core.h"
#include "fs/fat32/fat32_format.h"
#include "mm/heap.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static constexpr size_t IMAGE_BYTES_MAX = 65536;
static constexpr uint32_t CLUSTERS_MAX = IMAGE_BYTES_MAX / 512;
static constexpr uint32_t RECORDS_MAX = 64;
static constexpr uint32_t DIRECTORIES_MAX = 16;
static constexpr uint32_t REQUESTS_MAX = 200000;
static constexpr uint32_t OPERATION_BYTES = 4;

static constexpr uint8_t CHOICE_GOOD_BOOT_SECTOR = 1;
static constexpr uint8_t CHOICE_JOURNAL = 2; /* room for one */
static constexpr uint8_t CHOICE_TWO_TABLES = 4;
static constexpr uint8_t CHOICE_IN_USE = 8;

static uint8_t image[IMAGE_BYTES_MAX];
static struct fat32_device disk;
static struct fat32_volume volume;
static uint64_t requests, failing_request;

/* Something that could be read before the operations. */
struct record {
    uint32_t directory; /* index in directories */
    struct fat32_entry entry;
    uint64_t contents; /* checksum */
    bool is_alone;     /* no cluster of it is anybody else's */
    bool was_touched;
};
struct directory {
    uint32_t cluster;
    uint32_t parent; /* index in directories; its own for the root */
    bool is_alone;
};
static struct record records[RECORDS_MAX];
static struct directory directories[DIRECTORIES_MAX];
static uint32_t record_count, directory_count;
static bool is_complete;                 /* all that can be reached was recorded */
static uint8_t claims[CLUSTERS_MAX + 2]; /* chains that have the cluster */

/* ---- the disk ---- */

static status request_begin(uint64_t first_sector, uint32_t sector_count)
{
    ASSERT(++requests < REQUESTS_MAX);
    ASSERT(sector_count > 0 && span_fits(first_sector, sector_count, disk.sector_count));
    return requests == failing_request ? FAIL(IO_ERROR) : OK;
}

static status read_sectors(void *context, uint64_t first_sector, uint32_t sector_count, void *to)
{
    (void)context;
    TRY(request_begin(first_sector, sector_count));
    bytes_copy(to, image + first_sector * 512, sector_count * 512ull);
    return OK;
}

static status write_sectors(void *context, uint64_t first_sector, uint32_t sector_count,
                            const void *from)
{
    (void)context;
    ASSERT(volume.read_only_reason.length == 0);
    ASSERT(span_fits(first_sector * 512, sector_count * 512ull, volume.total_bytes));
    TRY(request_begin(first_sector, sector_count));
    bytes_copy(image + first_sector * 512, from, sector_count * 512ull);
    return OK;
}

static status flush_disk(void *context)
{
    (void)context;
    return request_begin(0, 1);
}

/* ---- the image ---- */

/* Makes the reserved sectors; answers where the table begins. */
static uint32_t reserved_make(uint8_t choices, uint32_t sector_count)
{
    uint32_t reserved = choices & CHOICE_JOURNAL ? 32 : 8;
    image[0] = 0xeb;
    store_le16(image + BOOT_BYTES_PER_SECTOR, 512);
    image[BOOT_SECTORS_PER_CLUSTER] = 1;
    store_le16(image + BOOT_RESERVED_SECTORS, (uint16_t)reserved);
    image[BOOT_TABLE_COUNT] = choices & CHOICE_TWO_TABLES ? 2 : 1;
    image[BOOT_MEDIA] = 0xf8;
    store_le32(image + BOOT_TOTAL_SECTORS_32, reserved + sector_count);
    store_le32(image + BOOT_TABLE_SECTORS_32, 1);
    store_le32(image + BOOT_ROOT_CLUSTER, 2);
    store_le16(image + BOOT_INFORMATION_SECTOR, 1);
    store_le16(image + BOOT_BACKUP_SECTOR, 6);
    image[BOOT_STATE] = choices & CHOICE_IN_USE ? BOOT_STATE_IN_USE : 0;
    image[BOOT_SIGNATURE] = 0x55;
    image[BOOT_SIGNATURE + 1] = 0xaa;
    bytes_copy(image + 6 * 512, image, 512);
    store_le32(image + 512 + INFORMATION_LEAD_SIGNATURE, INFORMATION_LEAD);
    store_le32(image + 512 + INFORMATION_SIGNATURE, INFORMATION_MIDDLE);
    store_le32(image + 512 + INFORMATION_FREE_COUNT, INFORMATION_UNKNOWN);
    store_le32(image + 512 + INFORMATION_TRAIL_SIGNATURE, INFORMATION_TRAIL);
    return reserved;
}

static void image_make(uint8_t choices, const uint8_t *input, size_t size)
{
    bytes_zero(image, sizeof(image));
    uint32_t sectors = (uint32_t)(min_of(size, IMAGE_BYTES_MAX - 32 * 512) / 512), start = 0;
    if (choices & CHOICE_GOOD_BOOT_SECTOR) start = reserved_make(choices, sectors);
    bytes_copy(image + start * 512ull, input, sectors * 512ull);
    disk = (struct fat32_device){.sector_bytes = 512,
                                 .sector_count = start + sectors,
                                 .read = read_sectors,
                                 .write = write_sectors,
                                 .flush = flush_disk};
}

/* ---- what can be read ---- */

static uint64_t checksum_add(uint64_t sum, const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        sum = (sum ^ bytes[i]) * 0x100000001b3;
    return sum;
}

/* Of a file's contents, as far as its chain goes. */
static uint64_t contents_sum(const struct fat32_map *map, uint32_t size)
{
    uint64_t sum = 0xcbf29ce484222325;
    uint64_t end = min_of((uint64_t)size, (uint64_t)map->cluster_count * volume.cluster_bytes);
    struct fat32_extent extent;
    for (uint64_t at = 0; at < end; at += extent.sector_count * 512ull) {
        if (!is_ok(fat32_locate(&volume, map, at, 512, &extent))) return 0;
        sum = checksum_add(sum, image + extent.first_sector * 512, min_of(end - at, 512ull));
    }
    return sum;
}

/* Counts one more chain for each cluster, or tells whether there is just this one. */
static bool chain_visit(const struct fat32_map *map, bool counts)
{
    bool is_alone = !map->is_damaged;
    struct fat32_extent extent;
    for (uint32_t i = 0; i < map->cluster_count; i++) {
        uint64_t offset = (uint64_t)i * volume.cluster_bytes;
        if (!is_ok(fat32_locate(&volume, map, offset, volume.cluster_bytes, &extent))) return false;
        uint64_t cluster =
            (extent.first_sector * 512 - volume.data_start_bytes) / volume.cluster_bytes + 2;
        if (counts && claims[cluster] < 2) claims[cluster]++;
        if (!counts && claims[cluster] != 1) is_alone = false;
    }
    return is_alone;
}

static void directory_add(uint32_t parent, const struct fat32_entry *entry,
                          const struct fat32_map *map)
{
    uint32_t parent_cluster = directories[parent].cluster;
    if (!is_ok(fat32_directory_check(&volume, map, entry->first_cluster, parent_cluster))) return;
    if (directory_count == DIRECTORIES_MAX) {
        is_complete = false;
        return;
    }
    directories[directory_count++] = (struct directory){entry->first_cluster, parent, false};
}

static void entry_record(uint32_t directory, const struct fat32_map *map,
                         const struct fat32_entry *entry)
{
    struct fat32_map own;
    static struct fat32_entry found;
    if (!is_ok(fat32_map_load(&volume, entry->first_cluster, &own))) {
        is_complete = false;
        return;
    }
    chain_visit(&own, true);
    bool is_first = is_ok(fat32_directory_find(&volume, map, fat32_entry_name(entry), &found)) &&
                    found.position == entry->position;
    if (entry->is_directory)
        directory_add(directory, entry, &own);
    else if (is_first)
        records[record_count++] =
            (struct record){.directory = directory,
                            .entry = *entry,
                            .contents = contents_sum(&own, entry->size_bytes)};
    fat32_map_drop(&own);
}

static void directory_record(uint32_t index)
{
    struct fat32_map map;
    struct fat32_entry entry;
    uint32_t at = 0;
    if (!is_ok(fat32_map_load(&volume, directories[index].cluster, &map))) {
        is_complete = false;
        return;
    }
    for (;;) {
        status next = fat32_directory_next(&volume, &map, &at, &entry);
        if (!is_ok(next)) {
            if (next.code != STATUS_NOT_FOUND) is_complete = false;
            break;
        }
        if (record_count == RECORDS_MAX) {
            is_complete = false;
            break;
        }
        entry_record(index, &map, &entry);
    }
    fat32_map_drop(&map);
}

static bool is_chain_alone(uint32_t first_cluster)
{
    struct fat32_map map;
    if (!is_ok(fat32_map_load(&volume, first_cluster, &map))) return false;
    bool is_alone = chain_visit(&map, false);
    fat32_map_drop(&map);
    return is_alone;
}

static void all_record(void)
{
    bytes_zero(claims, sizeof(claims));
    record_count = 0;
    is_complete = true;
    directories[0] = (struct directory){.cluster = volume.root_cluster};
    directory_count = 1;
    struct fat32_map root;
    if (is_ok(fat32_map_load(&volume, volume.root_cluster, &root))) {
        chain_visit(&root, true);
        fat32_map_drop(&root);
    }
    for (uint32_t i = 0; i < directory_count; i++)
        directory_record(i);
    for (uint32_t i = 0; i < directory_count; i++)
        directories[i].is_alone = is_chain_alone(directories[i].cluster) &&
                                  (i == 0 || directories[directories[i].parent].is_alone);
    for (uint32_t i = 0; i < record_count; i++)
        records[i].is_alone = directories[records[i].directory].is_alone &&
                              is_chain_alone(records[i].entry.first_cluster);
}

static void record_check(const struct record *record)
{
    struct fat32_map map;
    static struct fat32_entry found;
    ASSERT(is_ok(fat32_map_load(&volume, directories[record->directory].cluster, &map)));
    status is_found = fat32_directory_find(&volume, &map, fat32_entry_name(&record->entry), &found);
    ASSERT(is_ok(is_found));
    fat32_map_drop(&map);
    ASSERT(found.size_bytes == record->entry.size_bytes);
    ASSERT(is_ok(fat32_map_load(&volume, found.first_cluster, &map)));
    ASSERT(contents_sum(&map, found.size_bytes) == record->contents);
    fat32_map_drop(&map);
}

/* Opens the volume, the first time records what can be read before anything is repaired, and
 * recovers it; false when there is no volume that can be used. */
static bool volume_begin(bool is_first)
{
    text reason;
    struct fat32_report report;
    if (!is_ok(fat32_open(&disk, &volume, &reason))) return false;
    record_count = is_first ? 0 : record_count;
    directory_count = is_first ? 1 : directory_count;
    if (is_first && volume.cluster_count <= CLUSTERS_MAX) all_record();
    status recovered = fat32_recover(&volume, &report);
    ASSERT(is_ok(recovered) || volume.read_only_reason.length > 0);
    ASSERT((report.damage.length == 0) || volume.read_only_reason.length > 0);
    return true;
}

/* ---- operations ---- */

static void touch(const struct fat32_entry *entry)
{
    for (uint32_t i = 0; i < record_count; i++) {
        if (records[i].entry.position == entry->position) records[i].was_touched = true;
    }
}

static text name_of(uint8_t choice)
{
    static const char *const names[] = {"A.TXT", "b", "a name of its own", "Ä",
                                        "another name, which is long enough for many parts of it"};
    const char *name = names[choice % 5];
    return (text){name, __builtin_strlen(name)};
}

/* The entry number `which` of a directory, counted round. */
static status entry_choose(const struct fat32_map *directory, uint8_t which,
                           struct fat32_entry *out_entry)
{
    uint32_t index = 0;
    for (uint32_t i = 0; i <= which % 8; i++)
        TRY(fat32_directory_next(&volume, directory, &index, out_entry));
    touch(out_entry);
    return OK;
}

static status create_new(struct fat32_map *directory, uint32_t cluster, const uint8_t *operation)
{
    struct fat32_entry entry;
    struct fat32_new_entry what = {name_of(operation[2]), operation[3] & 1, 1600000000000000000};
    return fat32_entry_create(&volume, directory, cluster, &what, &entry);
}

/* Contents first, the entry then. */
static status extend(struct fat32_entry *entry, struct fat32_map *map, uint32_t length)
{
    uint32_t size = entry->size_bytes + length;
    if (entry->is_directory || size < length) return OK;
    uint64_t clusters = ((uint64_t)size + volume.cluster_bytes - 1) / volume.cluster_bytes;
    if (clusters > CLUSTERS_MAX) return OK;
    if (map->cluster_count < clusters) TRY(fat32_chain_extend(&volume, map, (uint32_t)clusters));
    if (volume.read_only_reason.length > 0) return OK;
    uint8_t contents[512] = {1, 2, 3};
    struct fat32_extent extent;
    TRY(fat32_locate(&volume, map, (uint64_t)(size - 1) / 512 * 512, 512, &extent));
    TRY(write_sectors(nullptr, extent.first_sector, 1, contents));
    fat32_data_written(&volume);
    entry->size_bytes = size;
    entry->first_cluster = fat32_map_first(map);
    return fat32_entry_update(&volume, entry);
}

static status truncate(struct fat32_entry *entry, struct fat32_map *map, uint8_t share)
{
    if (entry->is_directory) return OK;
    entry->size_bytes = (uint32_t)((uint64_t)entry->size_bytes * share / 256);
    if (entry->size_bytes == 0) entry->first_cluster = 0;
    TRY(fat32_entry_update(&volume, entry));
    uint64_t clusters =
        ((uint64_t)entry->size_bytes + volume.cluster_bytes - 1) / volume.cluster_bytes;
    return fat32_chain_cut(&volume, map, (uint32_t)min_of(clusters, (uint64_t)UINT32_MAX));
}

static status remove_entry(struct fat32_map *directory, const struct fat32_entry *entry,
                           struct fat32_map *map)
{
    if (entry->is_directory) TRY(fat32_directory_check_empty(&volume, map));
    TRY(fat32_entry_remove(&volume, directory, entry));
    return fat32_chain_cut(&volume, map, 0);
}

static status rename_entry(struct fat32_map *from, struct fat32_entry *entry, uint8_t where,
                           uint8_t name)
{
    if (entry->is_directory) return OK; /* into itself, perhaps: the caller's to prevent */
    struct fat32_map to;
    static struct fat32_entry replaced, moved;
    uint32_t to_cluster = directories[where % directory_count].cluster;
    TRY(fat32_map_load(&volume, to_cluster, &to));
    status found = fat32_directory_find(&volume, &to, name_of(name), &replaced);
    bool replaces = is_ok(found) && replaced.position != entry->position;
    if (replaces) touch(&replaced);
    if ((replaces && !replaced.is_directory) || found.code == STATUS_NOT_FOUND)
        found = fat32_entry_rename(&volume, from, entry, &to, to_cluster, name_of(name),
                                   replaces ? &replaced : nullptr, &moved);
    fat32_map_drop(&to);
    return found;
}

/* 1: extend, 2: cut, 3: remove, 4: rename. */
static status change(struct fat32_map *directory, const uint8_t *operation)
{
    struct fat32_entry entry;
    struct fat32_map map;
    TRY(entry_choose(directory, operation[2], &entry));
    TRY(fat32_map_load(&volume, entry.first_cluster, &map));
    status changed = OK;
    switch (operation[0] % 8) {
    case 1:
        changed = extend(&entry, &map, 1 + operation[3] * 37u);
        break;
    case 2:
        changed = truncate(&entry, &map, operation[3]);
        break;
    case 3:
        changed = remove_entry(directory, &entry, &map);
        break;
    default:
        changed = rename_entry(directory, &entry, operation[3], operation[3] >> 4);
    }
    fat32_map_drop(&map);
    return changed;
}

static status operate_in_directory(const uint8_t *operation)
{
    struct fat32_map directory;
    uint32_t cluster = directories[operation[1] % directory_count].cluster;
    TRY(fat32_map_load(&volume, cluster, &directory));
    status done = operation[0] % 8 == 0 ? create_new(&directory, cluster, operation)
                                        : change(&directory, operation);
    fat32_map_drop(&directory);
    return done;
}

/* False when the volume could not be opened again. */
static bool operate(const uint8_t *operation)
{
    switch (operation[0] % 8) {
    case 5:
        ignore_status(fat32_checkpoint(&volume)); /* any status: only what it does counts */
        return true;
    case 6:
        ignore_status(operation[1] & 1 ? fat32_mark_clean(&volume) : fat32_checkpoint(&volume));
        fat32_close(&volume);
        return volume_begin(false);
    case 7:
        failing_request = requests + 1 + operation[1];
        return true;
    default:
        ignore_status(operate_in_directory(operation)); /* likewise */
        return true;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    if (size < 2 + 512) return 0;
    uint64_t before = heap_count().objects_taken;
    size_t operations = min_of((size_t)input[1] % 32, (size - 2) / OPERATION_BYTES);
    const uint8_t *script = input + 2;
    image_make(input[0], script + operations * OPERATION_BYTES,
               size - 2 - operations * OPERATION_BYTES);
    requests = 0;
    failing_request = UINT64_MAX;
    bool is_open = volume_begin(true);
    if (is_open && volume.cluster_count <= CLUSTERS_MAX) {
        for (size_t i = 0; i < operations && is_open; i++)
            is_open = operate(script + i * OPERATION_BYTES);
        failing_request = UINT64_MAX;
        if (is_open) {
            ignore_status(fat32_checkpoint(&volume));
            fat32_close(&volume);
            is_open = volume_begin(false);
        }
        for (uint32_t i = 0; i < record_count && is_open && is_complete; i++) {
            if (records[i].is_alone && !records[i].was_touched) record_check(&records[i]);
        }
    }
    if (is_open) fat32_close(&volume);
    ASSERT(heap_count().objects_taken == before);
    return 0;
}
