/*
 * The check of a whole volume.
 *
 * One walk over everything that can be reached from the root claims each cluster for one chain; a
 * cluster claimed twice is the end of it. Directories that were found wait on a stack of their own.
 * A file's chain is followed as far as its size goes; what lies behind is not looked at, so it
 * stays unclaimed and is free again if nobody else claims it. Then the table is read from end to
 * end: what is in use there and was not claimed is lost.
 *
 * Only when all that has found no damage is anything repaired: entries in a second walk, then the
 * table in passes, new ends before freed clusters, the table in use before its copies.
 */
#include "base/bytes.h"
#include "base/checked.h"
#include "base/format.h"
#include "fs/fat32/fat32_cluster_set.h"
#include "fs/fat32/fat32_format.h"
#include "fs/fat32/fat32_internal.h"
#include "mm/heap.h"

static constexpr uint32_t ENTRY_SECTOR_BYTES = 512; /* a directory is looked at in such pieces */
static constexpr uint32_t TABLE_CHUNK_BYTES = 65536;
static constexpr uint32_t PATH_BYTES_MAX = 80; /* of a path in a reason: its end */
static constexpr uint32_t STACK_ITEMS = 510;   /* a page */

struct waiting_directory {
    uint32_t cluster;
    uint32_t parent; /* 0: it is the root */
};

struct directory_stack {
    struct directory_stack *below;
    uint32_t count;
    struct waiting_directory items[STACK_ITEMS];
};

struct check {
    struct fat32_volume *volume;
    struct fat32_report *report;
    bool is_damaged;
    bool repairs_entries; /* in the second walk */
    uint32_t entries_to_repair;

    struct fat32_cluster_set claimed; /* by a chain */
    struct fat32_cluster_set ends;    /* claimed, and their chains go on for too long */
    struct directory_stack *waiting;

    /* The directory being read. */
    struct waiting_directory directory;
    uint32_t entry_index;
    uint32_t part_count; /* of a long name whose entry has not come yet */
    uint64_t parts[LONG_PARTS_MAX];
    uint8_t sector[ENTRY_SECTOR_BYTES];

    struct fat32_entry named; /* scratch, for telling about damage */
    uint8_t *chunk;           /* of the table: TABLE_CHUNK_BYTES, owned */
    uint8_t *other_chunk;     /* of another table */
};

/* ---- telling what is damaged ---- */

/* A path that is written from its end; what does not fit in front is left out. */
struct path_end {
    char bytes[PATH_BYTES_MAX];
    uint32_t start; /* of what has been written */
    bool is_cut;
};

static void path_prepend(struct path_end *path, text name)
{
    path->is_cut = path->is_cut || name.length + 1 > path->start;
    if (path->is_cut) return;
    path->start -= (uint32_t)name.length;
    bytes_copy(path->bytes + path->start, name.bytes, name.length);
    path->bytes[--path->start] = '/';
}

static uint32_t entry_first_cluster(const uint8_t *entry)
{
    uint32_t high = load_le16(entry + ENTRY_CLUSTER_HIGH);
    return (high << 16 | load_le16(entry + ENTRY_CLUSTER_LOW)) & TABLE_ENTRY_MASK;
}

/* Finds the directory's name in its parent. */
static status directory_name(struct check *check, struct waiting_directory directory)
{
    struct fat32_map map;
    TRY(fat32_map_load(check->volume, directory.parent, &map));
    uint32_t index = 0;
    status next = OK;
    do {
        next = fat32_directory_next(check->volume, &map, &index, &check->named);
    } while (is_ok(next) && check->named.first_cluster != directory.cluster);
    fat32_map_drop(&map);
    return next;
}

/* What ".." says. All ancestors of a directory that is being read were found sound. */
static status directory_parent(struct check *check, uint32_t cluster, uint32_t *out_parent)
{
    uint64_t offset = fat32_cluster_start(check->volume, cluster) + ENTRY_BYTES;
    fat32_bytes_result entry = fat32_volume_bytes(check->volume, offset);
    TRY(entry.status);
    uint32_t parent = entry_first_cluster(entry.value);
    *out_parent = parent == 0 ? check->volume->root_cluster : parent;
    return OK;
}

/* Puts the path of the directory being read in front. Bounded by the room in the path. */
static status path_prepend_directories(struct check *check, struct path_end *path)
{
    struct waiting_directory at = check->directory;
    while (at.cluster != check->volume->root_cluster && !path->is_cut) {
        TRY(directory_name(check, at));
        path_prepend(path, fat32_entry_name(&check->named));
        at.cluster = at.parent;
        if (at.cluster != check->volume->root_cluster)
            TRY(directory_parent(check, at.cluster, &at.parent));
    }
    return OK;
}

static text entry_name(struct check *check, const uint8_t *entry)
{
    struct fat32_entry *named = &check->named;
    named->name_bytes = fat32_long_name_finish(&check->volume->long_name, entry, named->name);
    if (named->name_bytes == 0) named->name_bytes = fat32_short_name(entry, named->name);
    return fat32_entry_name(named);
}

/* The volume is damaged, at this entry or, with nullptr, at the directory being read itself. */
static status PRINTF_LIKE(4, 5)
    damage(struct check *check, const uint8_t *entry, uint32_t cluster, const char *format, ...)
{
    struct path_end path = {.start = PATH_BYTES_MAX};
    if (entry != nullptr) path_prepend(&path, entry_name(check, entry));
    /* A path that cannot be read is left out: the damage itself is what counts. */
    ignore_status(path_prepend_directories(check, &path));
    if (path.start == PATH_BYTES_MAX && !path.is_cut) path_prepend(&path, TEXT(""));

    char bytes[FAT32_REASON_BYTES_MAX];
    struct text_writer writer = TEXT_WRITER(bytes);
    text_write(&writer, TEXT("damaged: "));
    if (path.is_cut) text_write(&writer, TEXT("..."));
    text_write(&writer, (text){path.bytes + path.start, PATH_BYTES_MAX - path.start});
    text_write(&writer, TEXT(": "));
    va_list arguments;
    va_start(arguments, format);
    text_format_list(&writer, format, arguments);
    va_end(arguments);

    check->is_damaged = true;
    check->report->damage_cluster = cluster;
    fat32_volume_protect_damaged(check->volume, text_written(&writer));
    return FAIL(IO_ERROR);
}

/* ---- chains ---- */

/* The cluster becomes part of the chain that is being followed; `entry` as for damage(). */
static status cluster_claim(struct check *check, const uint8_t *entry, uint32_t cluster)
{
    if (!fat32_is_cluster(check->volume, cluster))
        return damage(check, entry, cluster, "it begins in cluster %u, which does not exist",
                      cluster);
    if (fat32_cluster_set_has(&check->claimed, cluster))
        return damage(check, entry, cluster,
                      "its cluster %u belongs to another chain too, or its chain loops", cluster);
    return fat32_cluster_set_add(&check->claimed, cluster);
}

/* What the table says to a claimed cluster: the next one, or the end (TABLE_ENTRY_LAST). */
static status chain_step(struct check *check, const uint8_t *entry, uint32_t cluster,
                         uint32_t *out_next)
{
    uint32_t next;
    TRY(fat32_next_cluster(check->volume, cluster, &next));
    if (next == 0)
        return damage(check, entry, cluster, "its cluster %u is marked as free", cluster);
    if (next < TABLE_ENTRY_LAST && !fat32_is_cluster(check->volume, next))
        return damage(check, entry, cluster,
                      "its chain goes from cluster %u to %u, which does not exist", cluster, next);
    *out_next = min_of(next, TABLE_ENTRY_LAST);
    return OK;
}

/* A file's chain, as far as its size goes. */
static status file_chain_follow(struct check *check, const uint8_t *entry, uint32_t cluster_count)
{
    uint32_t cluster = entry_first_cluster(entry), next = TABLE_ENTRY_LAST;
    for (uint32_t done = 1; done <= cluster_count; done++) {
        TRY(cluster_claim(check, entry, cluster));
        TRY(chain_step(check, entry, cluster, &next));
        if (done == cluster_count) break;
        if (next == TABLE_ENTRY_LAST)
            return damage(check, entry, cluster,
                          "its %u bytes need %u clusters, but its chain has %u",
                          load_le32(entry + ENTRY_SIZE), cluster_count, done);
        cluster = next;
    }
    if (next == TABLE_ENTRY_LAST) return OK;
    check->report->chains_cut++;
    return fat32_cluster_set_add(&check->ends, cluster);
}

/* ---- entries ---- */

/* Writes one entry of a directory, with its whole sector, past the cache. */
static status entry_write(struct check *check, uint64_t offset, const uint8_t *entry)
{
    uint32_t sector_bytes = check->volume->device.sector_bytes;
    uint64_t sector = offset - offset % sector_bytes;
    fat32_bytes_result bytes = fat32_volume_bytes(check->volume, sector);
    TRY(bytes.status);
    bytes_copy(bytes.value + offset % sector_bytes, entry, ENTRY_BYTES);
    return fat32_volume_write(check->volume, sector, sector_bytes, bytes.value);
}

/* A file without contents that has clusters: they are lost once it does not name them. */
static status empty_file_visit(struct check *check, const uint8_t *entry, uint64_t offset)
{
    uint32_t cluster = entry_first_cluster(entry);
    if (cluster == 0) return OK;
    if (!fat32_is_cluster(check->volume, cluster))
        return damage(check, entry, cluster, "it begins in cluster %u, which does not exist",
                      cluster);
    check->report->chains_cut++;
    check->entries_to_repair++;
    if (!check->repairs_entries) return OK;
    uint8_t repaired[ENTRY_BYTES];
    bytes_copy(repaired, entry, ENTRY_BYTES);
    store_le16(repaired + ENTRY_CLUSTER_HIGH, 0);
    store_le16(repaired + ENTRY_CLUSTER_LOW, 0);
    return entry_write(check, offset, repaired);
}

static status file_visit(struct check *check, const uint8_t *entry, uint64_t offset)
{
    uint64_t size = load_le32(entry + ENTRY_SIZE);
    if (size == 0) return empty_file_visit(check, entry, offset);
    uint32_t cluster_bytes = check->volume->cluster_bytes;
    return file_chain_follow(check, entry, (uint32_t)((size + cluster_bytes - 1) / cluster_bytes));
}

static status directory_push(struct check *check, uint32_t cluster, uint32_t parent)
{
    struct directory_stack *top = check->waiting;
    if (top == nullptr || top->count == STACK_ITEMS) {
        top = heap_take(sizeof(*top));
        if (top == nullptr) return FAIL(OUT_OF_MEMORY);
        top->below = check->waiting;
        top->count = 0;
        check->waiting = top;
    }
    top->items[top->count++] = (struct waiting_directory){cluster, parent};
    return OK;
}

static bool directory_pop(struct check *check, struct waiting_directory *out_directory)
{
    struct directory_stack *top = check->waiting;
    if (top == nullptr) return false;
    *out_directory = top->items[--top->count];
    if (top->count == 0) {
        check->waiting = top->below;
        heap_give(top);
    }
    return true;
}

/* Parts of a long name that no entry followed: they become deleted ones. */
static status parts_drop(struct check *check)
{
    check->report->name_parts_removed += check->part_count;
    check->entries_to_repair += check->part_count;
    for (uint32_t i = 0; i < check->part_count && check->repairs_entries; i++) {
        fat32_bytes_result bytes = fat32_volume_bytes(check->volume, check->parts[i]);
        TRY(bytes.status);
        uint8_t part[ENTRY_BYTES];
        bytes_copy(part, bytes.value, ENTRY_BYTES);
        part[ENTRY_NAME] = NAME_DELETED;
        TRY(entry_write(check, check->parts[i], part));
    }
    check->part_count = 0;
    return OK;
}

static status part_visit(struct check *check, const uint8_t *part, uint64_t offset)
{
    struct fat32_long_name *name = &check->volume->long_name;
    if (part[LONG_ORDER] & LONG_ORDER_LAST) TRY(parts_drop(check));
    fat32_long_name_add(name, part);
    bool continues = name->unit_count > 0;
    /* Parts that are in order are never more than fit; a stray one goes with those before it. */
    if (!continues && check->part_count == LONG_PARTS_MAX) TRY(parts_drop(check));
    check->parts[check->part_count++] = offset;
    return continues ? OK : parts_drop(check);
}

static bool is_part(const uint8_t *entry)
{
    return entry[ENTRY_NAME] != NAME_DELETED &&
           (entry[ENTRY_ATTRIBUTES] & ATTRIBUTE_LONG_NAME_MASK) == ATTRIBUTE_LONG_NAME;
}

/* True when the parts collected are the whole name of this entry. */
static bool parts_belong(const struct check *check, const uint8_t *entry)
{
    const struct fat32_long_name *name = &check->volume->long_name;
    return entry[ENTRY_NAME] != NAME_DELETED &&
           !(entry[ENTRY_ATTRIBUTES] & ATTRIBUTE_VOLUME_LABEL) && name->unit_count > 0 &&
           name->parts_missing == 0 && name->checksum == fat32_short_name_checksum(entry);
}

static status entry_visit_named(struct check *check, const uint8_t *entry, uint64_t offset)
{
    if (entry[ENTRY_NAME] == NAME_DELETED) return OK;
    uint32_t cluster = entry_first_cluster(entry);
    if (entry[ENTRY_ATTRIBUTES] & ATTRIBUTE_VOLUME_LABEL)
        return cluster == 0 ? OK : damage(check, entry, cluster, "it is a label with clusters");
    bool is_dots = check->entry_index < 2 && check->directory.parent != 0; /* checked before */
    if (is_dots) return OK;
    if (entry[ENTRY_NAME] == '.' || entry[ENTRY_NAME] == ' ')
        return damage(check, entry, cluster, "it has a name that no file may have");
    if (!(entry[ENTRY_ATTRIBUTES] & ATTRIBUTE_DIRECTORY)) return file_visit(check, entry, offset);
    if (!fat32_is_cluster(check->volume, cluster))
        return damage(check, entry, cluster, "it begins in cluster %u, which does not exist",
                      cluster);
    return directory_push(check, cluster, check->directory.cluster);
}

static status entry_visit(struct check *check, const uint8_t *entry, uint64_t offset)
{
    if (is_part(entry)) return part_visit(check, entry, offset);
    if (parts_belong(check, entry)) check->part_count = 0;
    TRY(parts_drop(check));
    status visited = entry_visit_named(check, entry, offset);
    fat32_long_name_reset(&check->volume->long_name);
    return visited;
}

/* ---- directories ---- */

/*
 * What follows a directory's end is nothing: some systems take it for entries nevertheless. A power
 * cut leaves it when the end had not moved yet.
 */
static status entry_clear(struct check *check, const uint8_t *entry, uint64_t offset)
{
    if (entry[ENTRY_NAME] == NAME_END) return OK;
    check->report->entries_cleared++;
    check->entries_to_repair++;
    static const uint8_t nothing[ENTRY_BYTES];
    return check->repairs_entries ? entry_write(check, offset, nothing) : OK;
}

/* The entries of one cluster; *is_end: the rest of the directory is unused. */
static status directory_cluster_visit(struct check *check, uint32_t cluster, bool *is_end)
{
    uint64_t start = fat32_cluster_start(check->volume, cluster);
    for (uint32_t at = 0; at < check->volume->cluster_bytes; at += ENTRY_BYTES) {
        if (at % ENTRY_SECTOR_BYTES == 0) {
            fat32_bytes_result bytes = fat32_volume_bytes(check->volume, start + at);
            TRY(bytes.status);
            bytes_copy(check->sector, bytes.value, ENTRY_SECTOR_BYTES);
        }
        const uint8_t *entry = check->sector + at % ENTRY_SECTOR_BYTES;
        *is_end = *is_end || entry[ENTRY_NAME] == NAME_END;
        TRY(*is_end ? entry_clear(check, entry, start + at)
                    : entry_visit(check, entry, start + at));
        check->entry_index++;
    }
    return OK;
}

static status directory_dots_check(struct check *check)
{
    struct waiting_directory at = check->directory;
    if (at.parent == 0) return OK;
    struct fat32_run first = {.cluster = at.cluster, .count = 1};
    struct fat32_map map = {.runs = &first, .run_count = 1, .spacing = 1, .cluster_count = 1};
    status checked = fat32_directory_check(check->volume, &map, at.cluster, at.parent);
    if (is_ok(checked)) return OK;
    /* The block that holds the entries is cached: it was not the disk that failed. */
    return damage(check, nullptr, at.cluster, "it does not begin with \".\" and \"..\" as it must");
}

static status directory_visit(struct check *check, struct waiting_directory directory)
{
    check->directory = directory;
    check->entry_index = 0;
    fat32_long_name_reset(&check->volume->long_name);
    uint32_t cluster = directory.cluster;
    bool is_end = false;
    while (cluster != TABLE_ENTRY_LAST) {
        TRY(cluster_claim(check, nullptr, cluster));
        if (cluster == directory.cluster) {
            TRY(fat32_volume_bytes(check->volume, fat32_cluster_start(check->volume, cluster))
                    .status);
            TRY(directory_dots_check(check));
        }
        TRY(directory_cluster_visit(check, cluster, &is_end));
        TRY(chain_step(check, nullptr, cluster, &cluster));
    }
    return parts_drop(check);
}

static status walk(struct check *check)
{
    fat32_cluster_set_clear(&check->claimed);
    fat32_cluster_set_clear(&check->ends);
    check->report->chains_cut = 0;
    check->report->name_parts_removed = 0;
    check->report->entries_cleared = 0;
    check->entries_to_repair = 0;
    TRY(directory_push(check, check->volume->root_cluster, 0));
    struct waiting_directory next;
    while (directory_pop(check, &next))
        TRY(directory_visit(check, next));
    return OK;
}

/* ---- the table ---- */

enum table_pass {
    TABLE_COUNT, /* changes nothing */
    TABLE_END,   /* chains end where their files do */
    TABLE_FREE,  /* what nobody claimed is free */
};

/* What the table should say about a cluster in this pass, with its upper bits kept. */
static uint32_t table_entry_wanted(struct check *check, enum table_pass pass, uint32_t cluster,
                                   uint32_t raw)
{
    uint32_t value = raw & TABLE_ENTRY_MASK;
    bool is_claimed = fat32_cluster_set_has(&check->claimed, cluster);
    bool is_lost = !is_claimed && value != 0 && value != TABLE_ENTRY_BAD;
    if (pass == TABLE_COUNT) {
        check->report->clusters_freed += is_lost;
        check->report->free_clusters += value == 0;
    }
    if (pass == TABLE_FREE && is_lost) return raw & ~TABLE_ENTRY_MASK;
    if (pass == TABLE_END && is_claimed && fat32_cluster_set_has(&check->ends, cluster))
        return raw | TABLE_ENTRY_MASK;
    return raw;
}

/* Looks at the entries of one sector in memory; true when one has changed. */
static bool table_sector_visit(struct check *check, enum table_pass pass, uint32_t first_cluster,
                               uint8_t *sector)
{
    bool has_changed = false;
    uint32_t count = check->volume->device.sector_bytes / TABLE_ENTRY_BYTES;
    for (uint32_t i = 0; i < count; i++) {
        if (!fat32_is_cluster(check->volume, first_cluster + i)) continue;
        uint32_t raw = load_le32(sector + i * TABLE_ENTRY_BYTES);
        uint32_t wanted = table_entry_wanted(check, pass, first_cluster + i, raw);
        store_le32(sector + i * TABLE_ENTRY_BYTES, wanted);
        has_changed = has_changed || wanted != raw;
    }
    return has_changed;
}

/* Of a table: as far as it describes clusters, in whole sectors. */
static uint64_t table_used_bytes(const struct fat32_volume *volume)
{
    uint64_t bytes = ((uint64_t)volume->cluster_count + CLUSTER_FIRST) * TABLE_ENTRY_BYTES;
    uint32_t sector_bytes = volume->device.sector_bytes;
    return (bytes + sector_bytes - 1) / sector_bytes * sector_bytes;
}

/* The part of each table that begins at `at` and fits the chunk. */
static uint32_t table_chunk_length(const struct fat32_volume *volume, uint64_t at)
{
    return (uint32_t)min_of(table_used_bytes(volume) - at, (uint64_t)TABLE_CHUNK_BYTES);
}

static status table_visit(struct check *check, enum table_pass pass)
{
    struct fat32_volume *volume = check->volume;
    uint32_t sector_bytes = volume->device.sector_bytes;
    uint64_t start = volume->table_start_bytes;
    for (uint64_t at = 0; at < table_used_bytes(volume); at += TABLE_CHUNK_BYTES) {
        uint32_t length = table_chunk_length(volume, at);
        TRY(fat32_volume_read(volume, start + at, length, check->chunk));
        for (uint32_t i = 0; i < length; i += sector_bytes) {
            uint32_t first_cluster = (uint32_t)((at + i) / TABLE_ENTRY_BYTES);
            if (table_sector_visit(check, pass, first_cluster, check->chunk + i))
                TRY(fat32_volume_write(volume, start + at + i, sector_bytes, check->chunk + i));
        }
    }
    return pass == TABLE_COUNT ? OK : fat32_volume_flush(volume);
}

/* Compares one of the other tables with the one in use, and makes it the same with `repair`. */
static status table_compare(struct check *check, uint64_t other_start, bool repair)
{
    struct fat32_volume *volume = check->volume;
    uint32_t sector_bytes = volume->device.sector_bytes;
    for (uint64_t at = 0; at < table_used_bytes(volume); at += TABLE_CHUNK_BYTES) {
        uint32_t length = table_chunk_length(volume, at);
        TRY(fat32_volume_read(volume, volume->table_start_bytes + at, length, check->chunk));
        TRY(fat32_volume_read(volume, other_start + at, length, check->other_chunk));
        for (uint32_t i = 0; i < length; i += sector_bytes) {
            if (bytes_equal(check->chunk + i, check->other_chunk + i, sector_bytes)) continue;
            if (!repair)
                check->report->table_sectors_apart++;
            else
                TRY(fat32_volume_write(volume, other_start + at + i, sector_bytes,
                                       check->chunk + i));
        }
    }
    return OK;
}

static status tables_compare(struct check *check, bool repair)
{
    struct fat32_volume *volume = check->volume;
    for (uint32_t i = 0; i < volume->table_count && volume->is_mirrored; i++) {
        uint64_t start = volume->first_table_bytes + i * volume->table_bytes;
        if (start != volume->table_start_bytes) TRY(table_compare(check, start, repair));
    }
    return repair ? fat32_volume_flush(volume) : OK;
}

/* ---- all of it ---- */

static status look(struct check *check)
{
    TRY(walk(check));
    TRY(table_visit(check, TABLE_COUNT));
    return tables_compare(check, false);
}

static status repair_entries(struct check *check)
{
    check->repairs_entries = true;
    TRY(walk(check));
    return fat32_volume_flush(check->volume);
}

static status repair_all(struct check *check)
{
    struct fat32_report *report = check->report;
    bool has_ends = check->ends.cluster_count > 0;
    if (check->entries_to_repair > 0) TRY(repair_entries(check));
    if (has_ends) TRY(table_visit(check, TABLE_END));
    if (report->clusters_freed > 0) TRY(table_visit(check, TABLE_FREE));
    report->free_clusters += report->clusters_freed;
    if (report->clusters_freed > 0 || has_ends || report->table_sectors_apart > 0)
        TRY(tables_compare(check, true));
    return OK;
}

static status check_init(struct check *check, struct fat32_volume *volume,
                         struct fat32_report *report)
{
    *report = (struct fat32_report){0};
    check->volume = volume;
    check->report = report;
    check->chunk = heap_take(TABLE_CHUNK_BYTES);
    check->other_chunk = heap_take(TABLE_CHUNK_BYTES);
    if (check->chunk == nullptr || check->other_chunk == nullptr) return FAIL(OUT_OF_MEMORY);
    uint32_t end = volume->cluster_count + CLUSTER_FIRST;
    TRY(fat32_cluster_set_init(&check->claimed, end));
    return fat32_cluster_set_init(&check->ends, end);
}

static void check_deinit(struct check *check)
{
    fat32_cluster_set_deinit(&check->claimed);
    fat32_cluster_set_deinit(&check->ends);
    struct waiting_directory dropped;
    while (directory_pop(check, &dropped))
        continue;
    heap_give(check->chunk);
    heap_give(check->other_chunk);
}

status fat32_check(struct fat32_volume *volume, bool repair, struct fat32_report *out_report)
{
    struct check *check = heap_take_zeroed(sizeof(*check));
    if (check == nullptr) return FAIL(OUT_OF_MEMORY);
    status checked = check_init(check, volume, out_report);
    if (is_ok(checked)) checked = look(check);
    if (is_ok(checked) && repair) {
        checked = repair_all(check);
        fat32_volume_forget(volume); /* the table was written past the cache */
    }
    if (check->is_damaged) {
        out_report->damage = volume->read_only_reason;
        checked = OK;
    }
    check_deinit(check);
    heap_give(check);
    return checked;
}
