/* Directories: entries in order, found by name, and the check that one is where it says it is. */
#include "base/bytes.h"
#include "base/checked.h"
#include "fs/fat32/fat32_format.h"
#include "fs/fat32/fat32_internal.h"

/* ---- slots ---- */

/* Finds the bytes of the next slot and of those that follow it in the same block and cluster. */
static status walk_find(struct fat32_walk *walk)
{
    struct fat32_volume *volume = walk->volume;
    TRY(fat32_slot_offset(volume, walk->map, walk->index, &walk->offset_bytes));
    fat32_bytes_result bytes = fat32_volume_bytes(volume, walk->offset_bytes);
    TRY(bytes.status);
    uint64_t in_block = FAT32_BLOCK_BYTES - walk->offset_bytes % FAT32_BLOCK_BYTES;
    uint64_t in_cluster =
        volume->cluster_bytes - (uint64_t)walk->index * ENTRY_BYTES % volume->cluster_bytes;
    walk->bytes = bytes.value;
    walk->left = (uint32_t)(min_of(in_block, in_cluster) / ENTRY_BYTES);
    return OK;
}

status fat32_walk_next(struct fat32_walk *walk, struct fat32_slot *out_slot)
{
    if (walk->left == 0) TRY(walk_find(walk));
    *out_slot = (struct fat32_slot){walk->bytes, walk->offset_bytes, walk->index};
    walk->bytes += ENTRY_BYTES;
    walk->offset_bytes += ENTRY_BYTES;
    walk->left--;
    walk->index++;
    return OK;
}

status fat32_slot_offset(struct fat32_volume *volume, const struct fat32_map *map, uint32_t index,
                         uint64_t *out_offset)
{
    uint64_t offset = (uint64_t)index * ENTRY_BYTES;
    if (offset / volume->cluster_bytes >= map->cluster_count)
        return map->is_damaged ? FAIL(IO_ERROR) : FAIL(NOT_FOUND);
    uint32_t sector_bytes = volume->device.sector_bytes;
    uint64_t inside = offset % sector_bytes;
    struct fat32_extent extent;
    TRY(fat32_locate(volume, map, offset - inside, sector_bytes, &extent));
    *out_offset = extent.first_sector * sector_bytes + inside;
    return OK;
}

enum fat32_slot_kind fat32_slot_kind(const uint8_t *bytes)
{
    uint8_t first = bytes[ENTRY_NAME], attributes = bytes[ENTRY_ATTRIBUTES];
    if (first == NAME_END) return FAT32_SLOT_END;
    if (first == NAME_DELETED) return FAT32_SLOT_FREE;
    if ((attributes & ATTRIBUTE_LONG_NAME_MASK) == ATTRIBUTE_LONG_NAME) return FAT32_SLOT_PART;
    /* A short name cannot begin with a dot or a space: "." and "..", and damage. */
    bool is_listed = first != '.' && first != ' ' && !(attributes & ATTRIBUTE_VOLUME_LABEL);
    return is_listed ? FAT32_SLOT_ENTRY : FAT32_SLOT_OTHER;
}

/* ---- entries ---- */

static uint32_t first_cluster(const uint8_t *entry)
{
    uint32_t high = load_le16(entry + ENTRY_CLUSTER_HIGH);
    return (high << 16 | load_le16(entry + ENTRY_CLUSTER_LOW)) & TABLE_ENTRY_MASK;
}

void fat32_entry_load(const uint8_t *bytes, struct fat32_entry *entry)
{
    entry->attributes = bytes[ENTRY_ATTRIBUTES];
    entry->is_directory = entry->attributes & ATTRIBUTE_DIRECTORY;
    entry->first_cluster = first_cluster(bytes);
    entry->size_bytes = entry->is_directory ? 0 : load_le32(bytes + ENTRY_SIZE);
    entry->modified_ns = fat32_time_ns(load_le16(bytes + ENTRY_WRITTEN_DATE),
                                       load_le16(bytes + ENTRY_WRITTEN_TIME), 0);
    entry->created_ns =
        fat32_time_ns(load_le16(bytes + ENTRY_CREATED_DATE), load_le16(bytes + ENTRY_CREATED_TIME),
                      bytes[ENTRY_CREATED_TENTHS]);
    entry->alias_bytes = fat32_short_name(bytes, entry->alias);
}

/* The next file or directory; the volume's long_name holds what its parts say. */
static status next_listed(struct fat32_walk *walk, struct fat32_slot *out_slot)
{
    struct fat32_long_name *long_name = &walk->volume->long_name;
    fat32_long_name_reset(long_name);
    for (;;) {
        TRY(fat32_walk_next(walk, out_slot));
        enum fat32_slot_kind kind = fat32_slot_kind(out_slot->bytes);
        if (kind == FAT32_SLOT_END) return FAIL(NOT_FOUND);
        if (kind == FAT32_SLOT_ENTRY) return OK;
        if (kind == FAT32_SLOT_PART)
            fat32_long_name_add(long_name, out_slot->bytes);
        else
            fat32_long_name_reset(long_name);
    }
}

static void listed_load(const struct fat32_volume *volume, const struct fat32_slot *slot,
                        struct fat32_entry *entry)
{
    fat32_entry_load(slot->bytes, entry);
    entry->position = slot->offset_bytes / ENTRY_BYTES;
    entry->index = slot->index;
    entry->name_bytes = fat32_long_name_finish(&volume->long_name, slot->bytes, entry->name);
    if (entry->name_bytes > 0) return;
    bytes_copy(entry->name, entry->alias, entry->alias_bytes);
    entry->name_bytes = entry->alias_bytes;
}

status fat32_directory_next(struct fat32_volume *volume, const struct fat32_map *map,
                            uint32_t *index, struct fat32_entry *out_entry)
{
    struct fat32_walk walk = {.volume = volume, .map = map, .index = *index};
    struct fat32_slot slot;
    TRY(next_listed(&walk, &slot));
    listed_load(volume, &slot, out_entry);
    *index = walk.index;
    return OK;
}

status fat32_directory_find(struct fat32_volume *volume, const struct fat32_map *map, text name,
                            struct fat32_entry *out_entry)
{
    struct fat32_sought_name sought;
    fat32_sought_prepare(name, &sought);
    struct fat32_walk walk = {.volume = volume, .map = map};
    struct fat32_slot slot;
    do {
        TRY(next_listed(&walk, &slot));
    } while (!fat32_sought_is(&sought, &volume->long_name, slot.bytes));
    listed_load(volume, &slot, out_entry);
    return OK;
}

static bool is_dot_entry(const uint8_t *bytes, const char name[SHORT_NAME_BYTES], uint32_t cluster)
{
    return bytes_equal(bytes + ENTRY_NAME, name, SHORT_NAME_BYTES) &&
           (bytes[ENTRY_ATTRIBUTES] & ATTRIBUTE_DIRECTORY) && first_cluster(bytes) == cluster;
}

status fat32_directory_check(struct fat32_volume *volume, const struct fat32_map *map,
                             uint32_t own_cluster, uint32_t parent_cluster)
{
    struct fat32_walk walk = {.volume = volume, .map = map};
    struct fat32_slot slot;
    status read = fat32_walk_next(&walk, &slot);
    if (is_ok(read) && !is_dot_entry(slot.bytes, ".          ", own_cluster)) return FAIL(IO_ERROR);
    if (is_ok(read)) read = fat32_walk_next(&walk, &slot);
    if (!is_ok(read)) return read.code == STATUS_NOT_FOUND ? FAIL(IO_ERROR) : read;

    if (is_dot_entry(slot.bytes, "..         ", parent_cluster)) return OK;
    /* A directory in the root says 0; some tools write the root's cluster. */
    bool is_in_root = parent_cluster == volume->root_cluster;
    return is_in_root && is_dot_entry(slot.bytes, "..         ", 0) ? OK : FAIL(IO_ERROR);
}
