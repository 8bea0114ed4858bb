/* Directories: entries in order, found by name, and the check that one is where it says it is. */
#include "base/bytes.h"
#include "base/checked.h"
#include "fs/fat32/fat32_format.h"
#include "fs/fat32/fat32_internal.h"

/* Where a directory is being read. */
struct cursor {
    struct fat32_volume *volume;
    const struct fat32_map *map;
    uint32_t index;      /* of the next entry */
    uint64_t run_offset; /* on the volume: of entry `run_first` */
    uint32_t run_first;
    uint32_t run_end; /* entries before this are contiguous with it */
};

/* Finds the run of clusters that holds the entry. NOT_FOUND: the directory has no such entry. */
static status cursor_find_run(struct cursor *cursor)
{
    struct fat32_volume *volume = cursor->volume;
    uint64_t offset = (uint64_t)cursor->index * ENTRY_BYTES;
    if (offset / volume->cluster_bytes >= cursor->map->cluster_count)
        return cursor->map->is_damaged ? FAIL(IO_ERROR) : FAIL(NOT_FOUND);

    struct fat32_extent extent;
    uint64_t cluster_offset = offset % volume->cluster_bytes;
    TRY(fat32_locate(volume, cursor->map, offset - cluster_offset, volume->cluster_bytes, &extent));
    cursor->run_offset = extent.first_sector * volume->device.sector_bytes;
    cursor->run_first = cursor->index - (uint32_t)(cluster_offset / ENTRY_BYTES);
    cursor->run_end = cursor->run_first + volume->cluster_bytes / ENTRY_BYTES;
    return OK;
}

/* Copies the next entry and moves on. NOT_FOUND: there are no more. */
static status cursor_next(struct cursor *cursor, uint8_t entry[ENTRY_BYTES], uint64_t *out_position)
{
    if (cursor->index >= cursor->run_end) TRY(cursor_find_run(cursor));
    uint64_t offset =
        cursor->run_offset + (uint64_t)(cursor->index - cursor->run_first) * ENTRY_BYTES;
    fat32_bytes_result bytes = fat32_volume_bytes(cursor->volume, offset);
    TRY(bytes.status);
    if (bytes.value[ENTRY_NAME] == NAME_END) return FAIL(NOT_FOUND);
    bytes_copy(entry, bytes.value, ENTRY_BYTES);
    *out_position = offset / ENTRY_BYTES;
    cursor->index++;
    return OK;
}

static uint32_t first_cluster(const uint8_t *entry)
{
    uint32_t high = load_le16(entry + ENTRY_CLUSTER_HIGH);
    return (high << 16 | load_le16(entry + ENTRY_CLUSTER_LOW)) & TABLE_ENTRY_MASK;
}

/* Everything but the name and the place. */
static void entry_load(const uint8_t *bytes, struct fat32_entry *entry)
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
}

static void entry_name(const struct fat32_long_name *long_name, const uint8_t *bytes,
                       struct fat32_entry *entry)
{
    entry->alias_bytes = fat32_short_name(bytes, entry->alias);
    entry->name_bytes = fat32_long_name_finish(long_name, bytes, entry->name);
    if (entry->name_bytes > 0) return;
    bytes_copy(entry->name, entry->alias, entry->alias_bytes);
    entry->name_bytes = entry->alias_bytes;
}

status fat32_directory_next(struct fat32_volume *volume, const struct fat32_map *map,
                            uint32_t *index, struct fat32_entry *out_entry)
{
    struct cursor cursor = {.volume = volume, .map = map, .index = *index};
    struct fat32_long_name *long_name = &volume->long_name;
    fat32_long_name_reset(long_name);
    for (;;) {
        uint8_t bytes[ENTRY_BYTES];
        TRY(cursor_next(&cursor, bytes, &out_entry->position));
        uint8_t attributes = bytes[ENTRY_ATTRIBUTES];
        if (bytes[ENTRY_NAME] != NAME_DELETED &&
            (attributes & ATTRIBUTE_LONG_NAME_MASK) == ATTRIBUTE_LONG_NAME) {
            fat32_long_name_add(long_name, bytes);
            continue;
        }
        /* A short name cannot begin with a dot or a space: "." and "..", and damage. */
        bool is_listed = bytes[ENTRY_NAME] != NAME_DELETED && bytes[ENTRY_NAME] != '.' &&
                         bytes[ENTRY_NAME] != ' ' && !(attributes & ATTRIBUTE_VOLUME_LABEL);
        if (is_listed) {
            entry_load(bytes, out_entry);
            entry_name(long_name, bytes, out_entry);
            out_entry->index = cursor.index - 1;
            *index = cursor.index;
            return OK;
        }
        fat32_long_name_reset(long_name);
    }
}

status fat32_directory_find(struct fat32_volume *volume, const struct fat32_map *map, text name,
                            struct fat32_entry *out_entry)
{
    uint32_t index = 0;
    for (;;) {
        TRY(fat32_directory_next(volume, map, &index, out_entry));
        text alias = {out_entry->alias, out_entry->alias_bytes};
        if (fat32_names_match(name, fat32_entry_name(out_entry)) || fat32_names_match(name, alias))
            return OK;
    }
}

static bool is_dot_entry(const uint8_t *bytes, const char name[SHORT_NAME_BYTES], uint32_t cluster)
{
    return bytes_equal(bytes + ENTRY_NAME, name, SHORT_NAME_BYTES) &&
           (bytes[ENTRY_ATTRIBUTES] & ATTRIBUTE_DIRECTORY) && first_cluster(bytes) == cluster;
}

status fat32_directory_check(struct fat32_volume *volume, const struct fat32_map *map,
                             uint32_t own_cluster, uint32_t parent_cluster)
{
    struct cursor cursor = {.volume = volume, .map = map};
    uint8_t bytes[ENTRY_BYTES];
    uint64_t position;
    status read = cursor_next(&cursor, bytes, &position);
    if (is_ok(read) && !is_dot_entry(bytes, ".          ", own_cluster)) return FAIL(IO_ERROR);
    if (is_ok(read)) read = cursor_next(&cursor, bytes, &position);
    if (!is_ok(read)) return read.code == STATUS_NOT_FOUND ? FAIL(IO_ERROR) : read;

    if (is_dot_entry(bytes, "..         ", parent_cluster)) return OK;
    /* A directory in the root says 0; some tools write the root's cluster. */
    bool is_in_root = parent_cluster == volume->root_cluster;
    return is_in_root && is_dot_entry(bytes, "..         ", 0) ? OK : FAIL(IO_ERROR);
}
