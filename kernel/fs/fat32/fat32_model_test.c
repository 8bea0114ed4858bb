/*
 * The core beside a plain tree in memory: random operations are done on both, each must end with
 * the status that the tree foretells, and again and again the whole volume is compared with the
 * tree, and every cluster accounted for.
 *
 * PEAL_MODEL_OPERATIONS (20,000 without it) operations for each shape of volume, PEAL_MODEL_SEED
 * (else one derived from the shape) for repeating a run.
 */
#include "base/checked.h"
#include "base/container.h"
#include "fs/fat32/fat32_internal.h"
#include "fs/fat32/fat32_test_disk.h"
#include "mm/heap.h"
#include "support/test.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

static struct test_disk disk;
static struct fat32_volume volume;
static uint64_t random_state;

static uint32_t random_below(uint32_t end)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 20) % end);
}

/* ---- the model ---- */

static constexpr uint32_t NODES = 200;
static constexpr uint32_t DIRECTORIES = 24; /* they are removed only when they are empty */
static constexpr uint32_t ROOT = 0;

struct node {
    bool exists;
    bool is_directory;
    uint32_t parent;
    uint32_t first_cluster; /* directories only: it never changes */
    uint32_t size_bytes;
    uint32_t tag; /* stands in each of a file's clusters */
    uint64_t created_ns, modified_ns;
    char name[FAT32_NAME_BYTES_MAX];
    uint32_t name_bytes;
    char alias[FAT32_ALIAS_BYTES_MAX];
    uint32_t alias_bytes;
};
static struct node nodes[NODES];
static uint32_t tag_next;

static text name_of(const struct node *node)
{
    return (text){node->name, node->name_bytes};
}

static text alias_of(const struct node *node)
{
    return (text){node->alias, node->alias_bytes};
}

/* The directory's child with this name, long or short; else nullptr. */
static struct node *child_named(uint32_t directory, text name)
{
    for (uint32_t i = 1; i < NODES; i++) {
        struct node *node = &nodes[i];
        if (node->exists && node->parent == directory &&
            (fat32_names_match(name, name_of(node)) || fat32_names_match(name, alias_of(node))))
            return node;
    }
    return nullptr;
}

static uint32_t count_children(uint32_t directory)
{
    uint32_t count = 0;
    for (uint32_t i = 1; i < NODES; i++)
        count += nodes[i].exists && nodes[i].parent == directory;
    return count;
}

static uint32_t count_directories(void)
{
    uint32_t count = 0;
    for (uint32_t i = 1; i < NODES; i++)
        count += nodes[i].exists && nodes[i].is_directory;
    return count;
}

static bool is_inside(uint32_t node, uint32_t directory)
{
    while (node != directory && node != ROOT)
        node = nodes[node].parent;
    return node == directory;
}

/* What the core answered about an entry, which does not exist yet for the model: its short name
 * must be new. */
static void node_learn(struct node *node, const struct fat32_entry *entry)
{
    CHECK(child_named(node->parent, (text){entry->alias, entry->alias_bytes}) == nullptr);
    memcpy(node->alias, entry->alias, entry->alias_bytes);
    node->alias_bytes = entry->alias_bytes;
    CHECK(text_equal(name_of(node), fat32_entry_name(entry)));
}

/* A node that exists and is (or is not) a directory, not the root; 0: none was found. */
static uint32_t random_node(bool is_directory)
{
    for (uint32_t i = 0; i < 40; i++) {
        uint32_t node = 1 + random_below(NODES - 1);
        if (nodes[node].exists && nodes[node].is_directory == is_directory) return node;
    }
    return 0;
}

static uint32_t random_directory(void)
{
    return random_below(3) == 0 ? ROOT : random_node(true);
}

/* Few enough different names that many of them meet; some are another's short name. */
static text random_name(void)
{
    static char name[256];
    uint32_t number = random_below(24), kind = random_below(9), length = 0;
    switch (kind) {
    case 0:
        length = (uint32_t)snprintf(name, sizeof(name), "FILE%u.TXT", number);
        break;
    case 1:
        length = (uint32_t)snprintf(name, sizeof(name), "file%u.txt", number);
        break;
    case 2:
        length = (uint32_t)snprintf(name, sizeof(name), "Similar name %u", number);
        break;
    case 3:
        length = (uint32_t)snprintf(name, sizeof(name), "SIMILA~%u", number + 1);
        break;
    case 4:
        length = (uint32_t)snprintf(name, sizeof(name), "Grüße Nr. %u aus Köln", number);
        break;
    case 5:
        length = (uint32_t)snprintf(name, sizeof(name), "%u\xf0\x9f\x98\x80.Жук", number);
        break;
    default: /* any length there can be */
        length = 1 + (kind == 6 ? random_below(255) : random_below(40));
        memset(name, 'a' + (int)(number % 4), length);
        name[0] = (char)('A' + number);
    }
    return (text){name, length};
}

/* ---- the volume ---- */

static void volume_begin(void)
{
    struct fat32_device device = test_disk_device(&disk);
    struct fat32_report report;
    text reason;
    CHECK_STATUS(OK, fat32_open(&device, &volume, &reason));
    CHECK_STATUS(OK, fat32_recover(&volume, &report));
    /* Everything was written in order: there is nothing to repair. */
    CHECK_EQUAL(0, report.damage.length + report.clusters_freed + report.chains_cut +
                       report.name_parts_removed + report.entries_cleared +
                       report.table_sectors_apart);
    CHECK(!report.journal_replayed);
    CHECK_EQUAL(0, volume.read_only_reason.length);
}

static void directory_open(uint32_t directory, struct fat32_map *out_map)
{
    CHECK_STATUS(OK, fat32_map_load(&volume, nodes[directory].first_cluster, out_map));
    CHECK(!out_map->is_damaged);
}

static void entry_find(const struct fat32_map *map, const struct node *node,
                       struct fat32_entry *out_entry)
{
    text name = random_below(4) == 0 ? alias_of(node) : name_of(node);
    CHECK_STATUS(OK, fat32_directory_find(&volume, map, name, out_entry));
    CHECK(text_equal(name_of(node), fat32_entry_name(out_entry)));
    CHECK_EQUAL(node->size_bytes, out_entry->size_bytes);
}

static uint32_t clusters_for(uint32_t size_bytes)
{
    return (size_bytes + volume.cluster_bytes - 1) / volume.cluster_bytes;
}

static uint8_t *medium_cluster(const struct fat32_map *map, uint32_t file_cluster)
{
    struct fat32_extent extent;
    CHECK_STATUS(OK, fat32_locate(&volume, map, (uint64_t)file_cluster * volume.cluster_bytes,
                                  volume.cluster_bytes, &extent));
    return disk.bytes + extent.first_sector * disk.sector_bytes;
}

/* ---- operations: each ends as the model says, or for want of space ---- */

static uint64_t refused_for_space, were_done;

/* True when it was done. */
static bool went_as_told(enum status_code told, status actual)
{
    if (told == STATUS_OK && actual.code == STATUS_NO_SPACE) {
        CHECK(fat32_free_clusters(&volume) < 32); /* what the largest file takes, and two more */
        refused_for_space++;
        return false;
    }
    if (actual.code != told) test_fail(__FILE__, __LINE__, "status %u, not %u", actual.code, told);
    were_done += told == STATUS_OK;
    return told == STATUS_OK;
}

static void do_create(void)
{
    uint32_t directory = random_directory(), index = 1;
    while (index < NODES && nodes[index].exists)
        index++;
    if (index == NODES) return;
    struct node *node = &nodes[index];
    struct fat32_new_entry what = {
        .name = random_name(),
        .is_directory = random_below(6) == 0 && count_directories() < DIRECTORIES,
        .created_ns = (1000000000ull + random_below(1000000000)) * 1000000000,
    };
    bool is_taken = child_named(directory, what.name) != nullptr;
    struct fat32_map map;
    struct fat32_entry entry;
    directory_open(directory, &map);
    status created =
        fat32_entry_create(&volume, &map, nodes[directory].first_cluster, &what, &entry);
    if (went_as_told(is_taken ? STATUS_ALREADY_EXISTS : STATUS_OK, created)) {
        *node = (struct node){.is_directory = what.is_directory,
                              .parent = directory,
                              .first_cluster = entry.first_cluster,
                              .tag = ++tag_next,
                              .created_ns = what.created_ns,
                              .modified_ns = what.created_ns & ~1ull,
                              .name_bytes = (uint32_t)what.name.length};
        memcpy(node->name, what.name.bytes, what.name.length);
        node->created_ns = entry.created_ns;
        node->modified_ns = entry.modified_ns;
        CHECK(what.created_ns - entry.created_ns < 10000000);
        CHECK(what.created_ns - entry.modified_ns < 2000000000);
        node_learn(node, &entry);
        node->exists = true;
    }
    fat32_map_drop(&map);
}

/* Makes a file longer or shorter. */
static void do_resize(void)
{
    uint32_t index = random_node(false);
    if (index == 0) return;
    struct node *node = &nodes[index];
    struct fat32_map directory, file;
    struct fat32_entry entry;
    directory_open(node->parent, &directory);
    entry_find(&directory, node, &entry);
    CHECK_STATUS(OK, fat32_map_load(&volume, entry.first_cluster, &file));
    uint32_t had = clusters_for(node->size_bytes);
    CHECK_EQUAL(had, file.cluster_count);
    uint32_t size = random_below(4) == 0 ? 0 : random_below(30 * volume.cluster_bytes);
    uint32_t wants = clusters_for(size);
    status extended = wants > had ? fat32_chain_extend(&volume, &file, wants) : OK;
    if (went_as_told(STATUS_OK, extended)) {
        for (uint32_t i = had; i < wants; i++)
            store_le64(medium_cluster(&file, i), (uint64_t)node->tag << 32 | i);
        node->size_bytes = size;
        node->modified_ns += 2000000000;
        entry.size_bytes = size;
        entry.first_cluster = wants == 0 ? 0 : fat32_map_first(&file);
        entry.modified_ns = node->modified_ns;
        CHECK_STATUS(OK, fat32_entry_update(&volume, &entry));
        if (wants < had) CHECK_STATUS(OK, fat32_chain_cut(&volume, &file, wants));
        CHECK_EQUAL(wants, file.cluster_count);
    }
    fat32_map_drop(&file);
    fat32_map_drop(&directory);
}

static void chain_free(uint32_t first_cluster)
{
    struct fat32_map chain;
    CHECK_STATUS(OK, fat32_map_load(&volume, first_cluster, &chain));
    CHECK_STATUS(OK, fat32_chain_cut(&volume, &chain, 0));
    fat32_map_drop(&chain);
}

static void do_remove(void)
{
    uint32_t index = random_node(random_below(3) == 0);
    if (index == 0) return;
    struct node *node = &nodes[index];
    struct fat32_map directory, own;
    struct fat32_entry entry;
    directory_open(node->parent, &directory);
    entry_find(&directory, node, &entry);
    if (node->is_directory) {
        directory_open(index, &own);
        status empty = fat32_directory_check_empty(&volume, &own);
        CHECK_EQUAL(count_children(index) == 0 ? STATUS_OK : STATUS_NOT_EMPTY, empty.code);
        fat32_map_drop(&own);
    }
    if (!node->is_directory || count_children(index) == 0) {
        CHECK_STATUS(OK, fat32_entry_remove(&volume, &directory, &entry));
        chain_free(entry.first_cluster);
        node->exists = false;
        were_done++;
    }
    fat32_map_drop(&directory);
}

/* A file may take the place of a file, a directory that of an empty directory: the caller's rules.
 */
static bool may_replace(const struct node *node, const struct node *target)
{
    if (target == nullptr || target == node) return true;
    if (node->is_directory != target->is_directory) return false;
    return !target->is_directory || count_children((uint32_t)(target - nodes)) == 0;
}

static void do_rename(void)
{
    uint32_t index = random_node(random_below(3) == 0);
    uint32_t to = random_directory();
    if (index == 0 || is_inside(to, index)) return;
    struct node *node = &nodes[index];
    if (random_below(2) == 0) to = node->parent;
    text name = random_name();
    if (random_below(10) == 0) name = alias_of(node);
    struct node *target = child_named(to, name);
    if (!may_replace(node, target)) return;
    bool replaces = target != nullptr && target != node;

    struct fat32_map from_map, to_map;
    struct fat32_entry entry, replaced, renamed;
    directory_open(node->parent, &from_map);
    directory_open(to, &to_map);
    entry_find(&from_map, node, &entry);
    if (replaces) entry_find(&to_map, target, &replaced);
    status moved = fat32_entry_rename(&volume, &from_map, &entry, &to_map, nodes[to].first_cluster,
                                      name, replaces ? &replaced : nullptr, &renamed);
    if (went_as_told(STATUS_OK, moved)) {
        CHECK_EQUAL(node->size_bytes, renamed.size_bytes);
        CHECK_EQUAL(entry.first_cluster, renamed.first_cluster);
        if (replaces) {
            chain_free(replaced.first_cluster);
            target->exists = false;
            name = name_of(target);
        }
        node->exists = false; /* while its names change */
        node->parent = to;
        node->name_bytes = (uint32_t)name.length;
        memmove(node->name, name.bytes, name.length);
        node_learn(node, &renamed);
        node->exists = true;
    }
    fat32_map_drop(&from_map);
    fat32_map_drop(&to_map);
}

/* ---- the whole volume beside the whole model ---- */

static uint8_t cluster_users[1 << 16];

static uint32_t chain_account(const struct fat32_map *map)
{
    for (uint32_t i = 0; i < map->cluster_count; i++) {
        uint64_t start = (uint64_t)(medium_cluster(map, i) - disk.bytes);
        uint32_t cluster =
            (uint32_t)((start - volume.data_start_bytes) / volume.cluster_bytes) + CLUSTER_FIRST;
        CHECK_EQUAL(0, cluster_users[cluster]);
        cluster_users[cluster] = 1;
    }
    return map->cluster_count;
}

static void file_compare(const struct node *node, const struct fat32_entry *entry,
                         const struct fat32_map *map)
{
    CHECK_EQUAL(node->size_bytes, entry->size_bytes);
    CHECK_EQUAL(clusters_for(node->size_bytes), map->cluster_count);
    for (uint32_t i = 0; i < map->cluster_count; i++)
        CHECK_EQUAL((uint64_t)node->tag << 32 | i, load_le64(medium_cluster(map, i)));
}

/* Parts and entries: no part that belongs to nothing, no set in two sectors that fits in one. */
static void slots_check(const struct fat32_map *map)
{
    struct fat32_walk walk = {.volume = &volume, .map = map};
    struct fat32_slot slot;
    uint32_t parts = 0, slots_per_sector = disk.sector_bytes / ENTRY_BYTES;
    while (is_ok(fat32_walk_next(&walk, &slot))) {
        enum fat32_slot_kind kind = fat32_slot_kind(slot.bytes);
        if (kind == FAT32_SLOT_END) break;
        if (kind == FAT32_SLOT_PART) {
            bool is_last = slot.bytes[LONG_ORDER] & LONG_ORDER_LAST;
            uint32_t number = slot.bytes[LONG_ORDER] & LONG_ORDER_MASK;
            CHECK(is_last == (parts == 0 || number > parts));
            parts = is_last ? number : parts;
            continue;
        }
        if (kind == FAT32_SLOT_ENTRY && parts + 1 <= slots_per_sector)
            CHECK_EQUAL(slot.index / slots_per_sector, (slot.index - parts) / slots_per_sector);
        parts = 0;
    }
}

static uint32_t directory_compare(uint32_t index)
{
    struct fat32_map map, own;
    struct fat32_entry entry;
    directory_open(index, &map);
    uint32_t used = chain_account(&map), place = 0, count = 0;
    if (index != ROOT)
        CHECK_STATUS(OK, fat32_directory_check(&volume, &map, nodes[index].first_cluster,
                                               nodes[nodes[index].parent].first_cluster));
    slots_check(&map);
    for (;; count++) {
        status next = fat32_directory_next(&volume, &map, &place, &entry);
        if (next.code == STATUS_NOT_FOUND) break;
        CHECK_STATUS(OK, next);
        const struct node *node = child_named(index, fat32_entry_name(&entry));
        CHECK(node != nullptr);
        CHECK(text_equal(name_of(node), fat32_entry_name(&entry)));
        CHECK(text_equal(alias_of(node), (text){entry.alias, entry.alias_bytes}));
        CHECK_EQUAL(node->is_directory, entry.is_directory);
        CHECK_EQUAL(node->created_ns, entry.created_ns);
        CHECK_EQUAL(node->modified_ns, entry.modified_ns);
        if (entry.is_directory) {
            CHECK_EQUAL(node->first_cluster, entry.first_cluster);
            continue; /* its turn comes */
        }
        CHECK_STATUS(OK, fat32_map_load(&volume, entry.first_cluster, &own));
        file_compare(node, &entry, &own);
        used += chain_account(&own);
        fat32_map_drop(&own);
    }
    CHECK_EQUAL(count_children(index), count);
    fat32_map_drop(&map);
    return used;
}

static void compare(void)
{
    CHECK_STATUS(OK, fat32_checkpoint(&volume));
    memset(cluster_users, 0, sizeof(cluster_users));
    uint32_t used = directory_compare(ROOT);
    for (uint32_t i = 1; i < NODES; i++) {
        if (nodes[i].exists && nodes[i].is_directory) used += directory_compare(i);
    }
    CHECK_EQUAL(volume.cluster_count - used, fat32_free_clusters(&volume));
    for (uint32_t i = 0; i < volume.cluster_count; i++) {
        uint32_t next;
        CHECK_STATUS(OK, fat32_next_cluster(&volume, CLUSTER_FIRST + i, &next));
        CHECK_EQUAL(cluster_users[CLUSTER_FIRST + i], next != 0);
    }
    /* All tables alike. */
    size_t table_bytes = (volume.data_start_bytes - volume.table_start_bytes);
    if (disk.bytes[BOOT_TABLE_COUNT] == 2)
        CHECK(memcmp(disk.bytes + volume.table_start_bytes,
                     disk.bytes + volume.table_start_bytes + table_bytes / 2,
                     table_bytes / 2) == 0);
}

static void reopen(void)
{
    CHECK_STATUS(OK, random_below(2) == 0 ? fat32_checkpoint(&volume) : fat32_mark_clean(&volume));
    fat32_close(&volume);
    volume_begin();
    compare();
}

/* ---- a run ---- */

static void do_one(void)
{
    uint32_t what = random_below(1000);
    if (what < 300)
        do_create();
    else if (what < 500)
        do_resize();
    else if (what < 700)
        do_remove();
    else if (what < 960)
        do_rename();
    else if (what < 997)
        CHECK_STATUS(OK, fat32_checkpoint(&volume));
    else if (what < 999)
        compare();
    else
        reopen();
}

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *value = getenv(variable);
    return value == nullptr ? otherwise : strtoull(value, nullptr, 0);
}

static void run_model(const struct test_disk_format *format)
{
    uint64_t operations = number_from("PEAL_MODEL_OPERATIONS", 20000);
    uint64_t seed = number_from("PEAL_MODEL_SEED", 0x9e3779b97f4a7c15 ^ format->cluster_count);
    random_state = seed;
    refused_for_space = were_done = 0;
    memset(nodes, 0, sizeof(nodes));
    nodes[ROOT] = (struct node){.exists = true, .is_directory = true, .first_cluster = 2};
    uint64_t memory = heap_count().objects_taken;
    test_disk_format(&disk, format);
    volume_begin();
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    printf("seed %#llx: ", (unsigned long long)seed);
    for (uint64_t i = 0; i < operations; i++)
        do_one();
    compare();
    clock_gettime(CLOCK_MONOTONIC, &end);
    fat32_close(&volume);
    CHECK_EQUAL(memory, heap_count().objects_taken);
    double seconds =
        (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
    printf("%llu operations, %.0f in a second, %llu changed something, %llu found no space\n",
           (unsigned long long)operations, (double)operations / seconds,
           (unsigned long long)were_done, (unsigned long long)refused_for_space);
}

TEST(small_clusters_agree_with_the_model)
{
    run_model(&(struct test_disk_format){512, 1, 4000, 2});
}

TEST(a_volume_that_is_nearly_full_agrees_with_the_model)
{
    run_model(&(struct test_disk_format){512, 1, 500, 2});
}

TEST(large_clusters_agree_with_the_model)
{
    run_model(&(struct test_disk_format){512, 8, 3000, 1});
}

TEST(large_sectors_agree_with_the_model)
{
    run_model(&(struct test_disk_format){4096, 2, 1500, 2});
}
