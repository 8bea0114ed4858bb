/*
 * Power cuts. Random work is done on a volume the way fat32_mount does it: contents are written to
 * the device first, then the entry tells of them, then a checkpoint makes it durable. A logging
 * disk then shows every state that a cut at any moment could have left, and for each:
 *
 *   1  a strict reader, written from the specification alone, finds nothing but what a cut may
 *      leave (fat32_core.h, "Order"), by the first table and by the second;
 *   2  fat32_recover makes it perfect: the same reader finds nothing at all;
 *   3  everything promised by a checkpoint is there, byte for byte, and everything else is in one
 * of the states it had since: a renamed file in one of its two places and never in none; 4  some
 * states are also given to fsck.fat -n, and recoveries are cut themselves.
 *
 *     PEAL_CUT_POINTS=N   how many states to look at, in all (a few thousand)
 *     PEAL_CUT_SEED=N     where the randomness begins (1)
 */
#include "base/bytes.h"
#include "base/checked.h"
#include "fs/fat32/fat32_test_log.h"
#include "mm/heap.h"
#include "support/fat_image.h"
#include "support/test.h"
#include "support/tree_history.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static constexpr uint32_t NODES_MAX = 40; /* alive at one time */
static constexpr uint32_t FILE_BYTES_MAX = 60000;
static constexpr uint32_t NAMES = 14; /* different ones in one directory */
static constexpr uint32_t SCARCE = 9; /* free clusters on each side of a border */
static constexpr uint32_t BAD_CLUSTER = 0x0ffffff7;

/* With fewer, there is no room for the journal. */
static constexpr uint32_t RESERVED_WITH_JOURNAL = 24;

/* ---- the world: a volume, and what is known of it ---- */

struct world_node {
    bool is_used;
    uint32_t number;
    struct tree_state state; /* as last noted */
    struct fat32_entry entry;
    struct fat32_map map;
    uint32_t parent_index; /* in nodes */
};

static struct {
    struct fat_shape shape;
    struct disk_log disk;
    struct fat32_volume volume;
    struct tree_history history;
    struct world_node nodes[NODES_MAX]; /* 0 is the root */
    uint64_t seed;
    uint32_t first_operation, operation_count; /* about names, about contents, or all */
    uint64_t first_seed;                       /* for PEAL_CUT_SEED */
    uint64_t begun;                            /* the position when the operation began */
} world;

static uint32_t random_below(uint32_t end)
{
    world.seed ^= world.seed << 13;
    world.seed ^= world.seed >> 7;
    world.seed ^= world.seed << 17;
    return (uint32_t)((world.seed >> 11) % end);
}

static size_t disk_bytes(void)
{
    return (size_t)world.shape.sector_count * world.shape.sector_bytes;
}

/* The names of a directory: short, long, too long for one sector, and beyond ASCII. */
static void name_make(uint32_t choice, char *to)
{
    static const char *const patterns[] = {"FILE%u.TXT", "lower%u.c",
                                           "a longer name with spaces %u.text", "Größe %u",
                                           "%u.and.several.dots"};
    if (choice == NAMES - 1)
        snprintf(to, TREE_NAME_BYTES_MAX, "%0220u", choice);
    else
        snprintf(to, TREE_NAME_BYTES_MAX, patterns[choice % 5], choice);
}

static void volume_open(void)
{
    struct fat32_device device = log_disk_device(&world.disk);
    struct fat32_report report;
    text reason;
    CHECK_STATUS(OK, fat32_open(&device, &world.volume, &reason));
    CHECK_STATUS(OK, fat32_recover(&world.volume, &report));
    CHECK_EQUAL(0, report.damage.length);
}

/*
 * Leaves only clusters free whose entries lie at the borders of the table's sectors: then chains
 * cross them all the time, and space is short.
 */
static void clusters_make_scarce(void)
{
    uint8_t *image = world.disk.bytes;
    uint32_t per_sector = world.shape.sector_bytes / 4, free_count = 0;
    struct fat_tree tree;
    CHECK(fat_tree_read(&tree, image, disk_bytes(), 0));
    for (uint32_t cluster = 3; cluster < tree.cluster_count + 2; cluster++) {
        uint32_t behind = cluster % per_sector;
        bool is_free = behind < SCARCE || per_sector - behind <= SCARCE;
        free_count += is_free;
        for (uint32_t i = 0; i < tree.table_count && !is_free; i++)
            store_le32(image +
                           (size_t)(tree.reserved_sectors + i * tree.table_sectors) *
                               tree.sector_bytes +
                           (size_t)cluster * 4,
                       BAD_CLUSTER);
    }
    store_le32(image + world.shape.sector_bytes + 488, free_count); /* FSI_Free_Count */
    fat_tree_drop(&tree);
}

static void world_begin(const struct fat_shape *shape, uint64_t seed)
{
    world.shape = *shape;
    world.first_seed = seed;
    world.seed = seed * 0x9e3779b97f4a7c15 | 1;
    disk_log_init(&world.disk, shape->sector_count, shape->sector_bytes);
    fat_image_format(world.disk.bytes, shape);
    if (random_below(2)) clusters_make_scarce();
    world.first_operation = random_below(3) == 0 ? 6 : 0;
    world.operation_count = (random_below(2) == 0 ? 13 : 20) - world.first_operation;
    disk_log_restart(&world.disk);
    tree_history_init(&world.history);
    world.history.moves_may_lose = shape->reserved_sectors < RESERVED_WITH_JOURNAL;
    memset(world.nodes, 0, sizeof(world.nodes));
    volume_open();
    world.nodes[0].is_used = true;
    world.nodes[0].state.is_directory = true;
    CHECK_STATUS(OK, fat32_map_load(&world.volume, world.volume.root_cluster, &world.nodes[0].map));
}

static void world_end(void)
{
    for (uint32_t i = 0; i < NODES_MAX; i++) {
        if (world.nodes[i].is_used) fat32_map_drop(&world.nodes[i].map);
    }
    fat32_close(&world.volume);
    disk_log_deinit(&world.disk);
    tree_history_drop(&world.history);
}

/* ---- operations, as the vfs and fat32_mount would order them ---- */

static void note(struct world_node *node)
{
    node->state.begun = world.begun;
    tree_history_note(&world.history, &node->state);
}

static uint32_t free_node(void)
{
    uint32_t i = 1;
    while (i < NODES_MAX && world.nodes[i].is_used)
        i++;
    return i;
}

/* A random node of a kind, or NODES_MAX. */
static uint32_t any_node(bool is_directory, bool may_be_root)
{
    for (uint32_t tries = 0; tries < 60; tries++) {
        uint32_t i = random_below(NODES_MAX);
        if (world.nodes[i].is_used && world.nodes[i].state.is_directory == is_directory &&
            (may_be_root || i != 0))
            return i;
    }
    return is_directory && may_be_root ? 0 : NODES_MAX;
}

static uint32_t child_named(uint32_t directory, const char *name)
{
    for (uint32_t i = 1; i < NODES_MAX; i++) {
        if (world.nodes[i].is_used && world.nodes[i].parent_index == directory &&
            strcmp(world.nodes[i].state.name, name) == 0)
            return i;
    }
    return NODES_MAX;
}

static uint32_t first_cluster_of(uint32_t directory)
{
    return fat32_map_first(&world.nodes[directory].map);
}

static text text_of(const char *name)
{
    return (text){name, strlen(name)};
}

static bool was_refused_for_space(status done)
{
    if (done.code == STATUS_NO_SPACE) return true;
    CHECK_STATUS(OK, done);
    return false;
}

static void create_named(uint32_t parent, const char *name, bool is_directory)
{
    uint32_t index = free_node();
    if (index == NODES_MAX || child_named(parent, name) != NODES_MAX) return;
    struct world_node *node = &world.nodes[index];
    *node = (struct world_node){.number = tree_history_new_node(&world.history),
                                .parent_index = parent};
    struct fat32_new_entry what = {text_of(name), is_directory, tree_node_created_ns(node->number)};
    if (was_refused_for_space(fat32_entry_create(&world.volume, &world.nodes[parent].map,
                                                 first_cluster_of(parent), &what, &node->entry)))
        return;
    CHECK_STATUS(OK, fat32_map_load(&world.volume, node->entry.first_cluster, &node->map));
    node->is_used = true;
    node->state = (struct tree_state){.node = node->number,
                                      .parent = world.nodes[parent].number,
                                      .is_alive = true,
                                      .is_directory = is_directory,
                                      .contents = tree_history_contents(&world.history, 0)};
    snprintf(node->state.name, sizeof(node->state.name), "%s", name);
    note(node);
}

static void create(bool is_directory)
{
    char name[TREE_NAME_BYTES_MAX];
    name_make(random_below(NAMES), name);
    create_named(any_node(true, true), name, is_directory);
}

/* Writes the contents from the sector with `offset` to the file's end. */
static void contents_write(struct world_node *node, uint32_t offset, uint32_t end)
{
    uint32_t sector_bytes = world.shape.sector_bytes;
    uint32_t at = offset / sector_bytes * sector_bytes;
    end = (end + sector_bytes - 1) / sector_bytes * sector_bytes;
    struct fat32_extent extent;
    for (; at < end; at += extent.sector_count * sector_bytes) {
        CHECK_STATUS(OK, fat32_locate(&world.volume, &node->map, at, end - at, &extent));
        CHECK_STATUS(OK, disk_log_write(&world.disk, extent.first_sector, extent.sector_count,
                                        node->state.contents + at));
    }
    fat32_data_written(&world.volume);
}

static void write_file(void)
{
    uint32_t index = any_node(false, false);
    if (index == NODES_MAX) return;
    struct world_node *node = &world.nodes[index];
    uint32_t old_size = node->state.size_bytes;
    uint32_t offset = random_below(2) ? old_size : random_below(old_size + 1);
    uint32_t length = 1 + random_below(random_below(4) == 0 ? 20000 : 1500);
    uint32_t size = max_of(old_size, offset + length);
    if (size > FILE_BYTES_MAX) return;
    uint32_t clusters = (size + world.volume.cluster_bytes - 1) / world.volume.cluster_bytes;
    if (clusters > node->map.cluster_count &&
        was_refused_for_space(fat32_chain_extend(&world.volume, &node->map, clusters)))
        return;

    uint8_t *contents = tree_history_contents(&world.history, size + world.shape.sector_bytes);
    memcpy(contents, node->state.contents, old_size);
    for (uint32_t i = offset; i < offset + length; i++)
        contents[i] = (uint8_t)(1 + random_below(255));
    node->state.contents = contents;
    node->state.size_bytes = size;
    note(node);
    contents_write(node, offset, offset + length);
    if (size == old_size) return;
    node->entry.size_bytes = size;
    node->entry.first_cluster = fat32_map_first(&node->map);
    CHECK_STATUS(OK, fat32_entry_update(&world.volume, &node->entry));
}

static void truncate_file(void)
{
    uint32_t index = any_node(false, false);
    if (index == NODES_MAX || world.nodes[index].state.size_bytes == 0) return;
    struct world_node *node = &world.nodes[index];
    uint32_t size = random_below(3) == 0 ? 0 : random_below(node->state.size_bytes);
    node->state.size_bytes = size;
    note(node);
    node->entry.size_bytes = size;
    if (size == 0) node->entry.first_cluster = 0;
    CHECK_STATUS(OK, fat32_entry_update(&world.volume, &node->entry));
    uint32_t cluster_bytes = world.volume.cluster_bytes;
    CHECK_STATUS(
        OK, fat32_chain_cut(&world.volume, &node->map, (size + cluster_bytes - 1) / cluster_bytes));
}

static bool is_empty(uint32_t directory)
{
    for (uint32_t i = 1; i < NODES_MAX; i++) {
        if (world.nodes[i].is_used && world.nodes[i].parent_index == directory) return false;
    }
    return true;
}

/* The chain goes when nothing refers to it any more. */
static void node_forget(struct world_node *node)
{
    node->state.is_alive = false;
    note(node);
    CHECK_STATUS(OK, fat32_chain_cut(&world.volume, &node->map, 0));
    fat32_map_drop(&node->map);
    node->is_used = false;
}

static void remove_node(bool is_directory)
{
    uint32_t index = any_node(is_directory, false);
    if (index == NODES_MAX || (is_directory && !is_empty(index))) return;
    struct world_node *node = &world.nodes[index];
    uint32_t parent = node->parent_index;
    char name[TREE_NAME_BYTES_MAX];
    memcpy(name, node->state.name, sizeof(name));
    if (is_directory) CHECK_STATUS(OK, fat32_directory_check_empty(&world.volume, &node->map));
    CHECK_STATUS(OK, fat32_entry_remove(&world.volume, &world.nodes[parent].map, &node->entry));
    node_forget(node);
    if (random_below(2)) return;
    /* The name comes back at once, wherever there is room. */
    create(false);
    create_named(parent, name, is_directory);
}

static bool is_inside(uint32_t index, uint32_t directory)
{
    while (index != 0 && index != directory)
        index = world.nodes[index].parent_index;
    return index == directory;
}

static void rename_node(bool is_directory)
{
    uint32_t index = any_node(is_directory, false), to = any_node(true, true);
    if (index == NODES_MAX || (is_directory && is_inside(to, index))) return;
    struct world_node *node = &world.nodes[index];
    char name[TREE_NAME_BYTES_MAX];
    name_make(random_below(NAMES), name);
    uint32_t target = child_named(to, name);
    struct world_node *replaced = target == NODES_MAX ? nullptr : &world.nodes[target];
    if (replaced == node) return;
    if (replaced != nullptr &&
        (replaced->state.is_directory != is_directory || (is_directory && !is_empty(target))))
        return;
    /* The old one is gone from where it was, whatever the order on the disk. */
    if (was_refused_for_space(
            fat32_entry_rename(&world.volume, &world.nodes[node->parent_index].map, &node->entry,
                               &world.nodes[to].map, first_cluster_of(to), text_of(name),
                               replaced == nullptr ? nullptr : &replaced->entry, &node->entry)))
        return;
    node->parent_index = to;
    node->state.parent = world.nodes[to].number;
    memcpy(node->state.name, name, sizeof(name));
    note(node);
    if (replaced != nullptr) node_forget(replaced);
}

static void sync_all(void)
{
    CHECK_STATUS(OK, random_below(6) == 0 ? fat32_mark_clean(&world.volume)
                                          : fat32_checkpoint(&world.volume));
    tree_history_promise(&world.history, TREE_EVERY_NODE, world.disk.position);
}

static void operate(void)
{
    world.begun = world.disk.position;
    switch (world.first_operation + random_below(world.operation_count)) {
    case 0 ... 3:
        create(false);
        break;
    case 4 ... 6:
        remove_node(false);
        break;
    case 7:
        create(true);
        break;
    case 8:
        remove_node(true);
        break;
    case 9:
        rename_node(true);
        break;
    case 10:
        rename_node(false);
        break;
    case 11:
        sync_all();
        break;
    case 12 ... 15:
        write_file();
        break;
    case 16 ... 17:
        truncate_file();
        break;
    case 18:
        create(false);
        break;
    default:
        sync_all();
    }
}

/* ---- looking at what a cut left ---- */

static uint64_t points, cut_recoveries, fsck_runs; /* in all */
static char error[600];

#define FAILURE_PATH "/tmp/peal_cut_failure.image"

/* Stops the test and keeps the state for whoever looks into it. */
[[noreturn]] static void point_fail(const struct disk_cuts *cuts, const char *when)
{
    disk_state_save(cuts->state, cuts->log, FAILURE_PATH);
    test_fail(__FILE__, __LINE__, "seed %llu, state %llu, at position %llu, %s: %s (see %s)",
              (unsigned long long)world.first_seed, (unsigned long long)cuts->count,
              (unsigned long long)cuts->position, when, error, FAILURE_PATH);
}

/* Reads by one table and adds to the leftovers; false with `error`: more than is allowed. */
static bool read_strictly(const uint8_t *state, uint32_t table, uint32_t allowed,
                          uint32_t *leftovers_sum)
{
    struct fat_tree tree;
    bool is_read = fat_tree_read(&tree, state, disk_bytes(), table);
    uint32_t leftovers = tree.leftovers & ~allowed;
    snprintf(error, sizeof(error), "table %u: %s, leftovers %#x", table, tree.error, leftovers);
    *leftovers_sum |= tree.leftovers;
    fat_tree_drop(&tree);
    return is_read && leftovers == 0;
}

static constexpr uint32_t ALLOWED_AFTER_CUT =
    FAT_LEFT_LOST_CLUSTERS | FAT_LEFT_LONG_CHAIN | FAT_LEFT_IN_USE | FAT_LEFT_NO_COUNTS |
    FAT_LEFT_TABLES_APART | FAT_LEFT_NAME_PARTS | FAT_LEFT_BEHIND_END;

/* Opens the disk and recovers it; false with `error`. */
static bool recover(struct disk_log *disk)
{
    static struct fat32_volume volume;
    struct fat32_device device = log_disk_device(disk);
    struct fat32_report report;
    text reason;
    status recovered = fat32_open(&device, &volume, &reason);
    if (is_ok(recovered)) recovered = fat32_recover(&volume, &report);
    if (is_ok(recovered))
        snprintf(error, sizeof(error), "recovery said: %.*s", TEXT_ARGUMENTS(report.damage));
    else
        snprintf(error, sizeof(error), "recovery failed");
    bool is_recovered = is_ok(recovered) && report.damage.length == 0;
    fat32_close(&volume);
    return is_recovered;
}

/*
 * Recovered, it is perfect and holds what was promised at this position. FSInfo may know no counts
 * in a volume that was not marked as in use before: that alone is no reason to do anything.
 */
static bool is_right(const uint8_t *state, uint32_t leftovers_before, uint64_t position)
{
    uint32_t allowed = leftovers_before & FAT_LEFT_IN_USE ? 0 : FAT_LEFT_NO_COUNTS, ignored = 0;
    if (!read_strictly(state, 0, allowed, &ignored)) return false;
    struct fat_tree tree;
    bool is_allowed = fat_tree_read(&tree, state, disk_bytes(), 0) &&
                      tree_history_allows(&world.history, &tree, position, error, sizeof(error));
    fat_tree_drop(&tree);
    return is_allowed;
}

/* Cuts the power while a recovery writes, and recovers again. */
static void recovery_cut(const struct disk_cuts *outer, const struct disk_log *recovery)
{
    struct disk_log again;
    disk_log_init(&again, recovery->sector_count, recovery->sector_bytes);
    struct disk_cuts cuts = {
        .subsets_max = 16, .kind_max = 4, .random_count = 4, .seed = outer->count};
    for (disk_cuts_begin(&cuts, recovery); disk_cuts_next(&cuts); cut_recoveries++) {
        uint32_t leftovers = 0;
        if (!read_strictly(cuts.state, 0, ALLOWED_AFTER_CUT, &leftovers))
            point_fail(&cuts, "after a cut of the recovery");
        memcpy(again.bytes, cuts.state, disk_bytes());
        disk_log_restart(&again);
        if (!recover(&again) || !is_right(again.bytes, leftovers, outer->position))
            point_fail(&cuts, "recovered after a cut of the recovery");
    }
    disk_cuts_end(&cuts);
    disk_log_deinit(&again);
}

/* ---- what fsck.fat thinks ---- */

static bool line_begins(const char *line, const char *const *beginnings, size_t count)
{
    while (*line == ' ')
        line++;
    for (size_t i = 0; i < count; i++) {
        if (strncmp(line, beginnings[i], strlen(beginnings[i])) == 0) return true;
    }
    return false;
}

/* Lines that fsck.fat -n 4.2 may say of what a cut leaves; each with what follows from it. */
static bool fsck_line_is_allowed(const char *line, uint32_t leftovers)
{
    /* Names that do not fit one sector, behind the directory's end or before it. */
    static const char *const of_name_parts[] = {
        "Orphaned long file name part",
        "Auto-deleting",
        "Long filename fragment",
        "(Maybe the start bit is missing on the last fragment)",
        "(Start may have been overwritten by",
        "Wrong checksum for long file name",
        "(Short name",
        "Unfinished long file name",
        "A new long file name starts within an old one",
        "It could be that the LFN start bit is wrong here",
        "Unexpected long filename sequence number",
        "Not auto-correcting this",
    };
    static const char *const allowed[] = {
        "fsck.fat ",
        "Warning: Filesystem is FAT32 according to fat_length",
        "This may lead to problems",
        "There are differences between boot sector and its backup",
        "This is mostly harmless. Differences",
        "65:",
        "Not automatically fixing this",
        "Dirty bit is set",
        "Automatically removing dirty bit",
        "FATs differ but appear to be intact",
        "Using first FAT",
        "Reclaimed ",
        "Reclaiming unconnected clusters",
        "Free cluster summary uninitialized",
        "Auto-setting",
        "Leaving filesystem unchanged",
        "*** Filesystem was changed ***",
        "The changes have not actually been written",
        "Truncating file to ",
    };
    if (line[0] == '\n' || line[0] == '/') return true; /* a path, of what the next line says */
    if (strstr(line, ", cluster chain length is > ") != nullptr ||
        strstr(line, "less than the required minimum of") != nullptr)
        return true;
    if ((leftovers & (FAT_LEFT_NAME_PARTS | FAT_LEFT_BEHIND_END)) &&
        line_begins(line, of_name_parts, sizeof(of_name_parts) / sizeof(of_name_parts[0])))
        return true;
    return line_begins(line, allowed, sizeof(allowed) / sizeof(allowed[0]));
}

static void fsck(const struct disk_cuts *cuts, uint32_t leftovers)
{
    char path[] = "/tmp/peal_cut_XXXXXX", command[200], line[600];
    int file = mkstemp(path);
    CHECK(file >= 0);
    close(file);
    CHECK(disk_state_save(cuts->state, cuts->log, path));
    snprintf(command, sizeof(command), "PATH=$PATH:/usr/sbin:/sbin LC_ALL=C fsck.fat -n %s 2>&1",
             path);
    FILE *output = popen(command, "r");
    CHECK(output != nullptr);
    error[0] = 0;
    while (fgets(line, sizeof(line), output) != nullptr) {
        bool is_summary = strncmp(line, path, strlen(path)) == 0;
        if (!is_summary && !fsck_line_is_allowed(line, leftovers) && error[0] == 0)
            snprintf(error, sizeof(error), "fsck.fat says %s", line);
    }
    pclose(output);
    unlink(path);
    fsck_runs++;
    if (error[0] != 0) point_fail(cuts, "not recovered");
}

static bool fsck_is_there(void)
{
    return system("PATH=$PATH:/usr/sbin:/sbin command -v fsck.fat > /dev/null 2>&1") == 0;
}

/* ---- all points of one world ---- */

/* Answers what was left over before the recovery. */
static uint32_t point_check(const struct disk_cuts *cuts, struct disk_log *after)
{
    uint32_t leftovers = 0;
    for (uint32_t table = 0; table < world.shape.table_count; table++) {
        if (!read_strictly(cuts->state, table, ALLOWED_AFTER_CUT, &leftovers))
            point_fail(cuts, "not recovered");
    }
    bool is_cut_again = points % 61 == 0;
    memcpy(after->bytes, cuts->state, disk_bytes());
    after->is_recording = is_cut_again;
    if (is_cut_again) disk_log_restart(after);
    if (!recover(after) || !is_right(after->bytes, leftovers, cuts->position))
        point_fail(cuts, "recovered");
    if (is_cut_again) recovery_cut(cuts, after);
    points++;
    return leftovers;
}

static void cut_everywhere(uint32_t fsck_each, uint64_t points_end)
{
    struct disk_log after;
    disk_log_init(&after, world.disk.sector_count, world.disk.sector_bytes);
    struct disk_cuts cuts = {
        .subsets_max = 64, .kind_max = 24, .random_count = 24, .seed = world.seed};
    for (disk_cuts_begin(&cuts, &world.disk); disk_cuts_next(&cuts) && points < points_end;) {
        uint32_t leftovers = point_check(&cuts, &after);
        if (fsck_each != 0 && points % fsck_each == 0) fsck(&cuts, leftovers);
    }
    disk_cuts_end(&cuts);
    disk_log_deinit(&after);
}

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *value = getenv(variable);
    return value == nullptr ? otherwise : strtoull(value, nullptr, 10);
}

static const struct fat_shape shapes[] = {
    {640, 512, 1, 2, 32}, /* chains cross sectors of the table often */
    {1200, 512, 2, 2, 32},
    {700, 512, 1, 1, 9},   /* one table, and no room for a journal */
    {300, 4096, 1, 2, 32}, /* large sectors */
};

static void cut_worlds(uint64_t points_end, uint32_t fsck_each)
{
    uint64_t seed = number_from("PEAL_CUT_SEED", 1);
    points = cut_recoveries = fsck_runs = 0;
    time_t begin = time(nullptr);
    for (; points < points_end; seed++) {
        world_begin(&shapes[seed % (sizeof(shapes) / sizeof(shapes[0]))], seed);
        for (uint32_t i = 0; i < 70; i++)
            operate();
        cut_everywhere(fsck_each, points_end);
        world_end();
    }
    uint64_t seconds = max_of(1ull, (uint64_t)(time(nullptr) - begin));
    printf("%llu cuts, %llu cut recoveries, %llu runs of fsck.fat; %llu points a second\n",
           (unsigned long long)points, (unsigned long long)cut_recoveries,
           (unsigned long long)fsck_runs,
           (unsigned long long)((points + cut_recoveries) / seconds));
}

TEST(nothing_promised_is_lost_and_the_volume_is_sound_after_any_power_cut)
{
    uint64_t before = heap_count().objects_taken;
    cut_worlds(number_from("PEAL_CUT_POINTS", 2500), fsck_is_there() ? 50 : 0);
    CHECK_EQUAL(before, heap_count().objects_taken);
}
