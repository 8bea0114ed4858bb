/*
 * Chains of clusters: followed to their end once, kept as runs.
 *
 * A chain that loops never ends; Brent's algorithm finds that within a small multiple of its
 * length, remembering one cluster. Runs are kept in order. When the array is full every second one
 * is dropped and the distance between those kept from then on doubles, so that any cluster is at
 * most about chain length / FAT32_MAP_RUNS_MAX * 2 steps from a kept one.
 *
 * What a chain grows by is a chain of its own in the table first; the old end leads to it last.
 * What is cut off stands in the table, given up, until a checkpoint frees it.
 */
#include "base/bytes.h"
#include "base/checked.h"
#include "fs/fat32/fat32_format.h"
#include "fs/fat32/fat32_internal.h"
#include "mm/heap.h"

static constexpr uint32_t RUNS_AT_FIRST = 4;

static void map_thin(struct fat32_map *map)
{
    for (uint32_t i = 0; i < map->run_count / 2; i++)
        map->runs[i] = map->runs[2 * i];
    map->run_count /= 2;
    map->spacing *= 2;
}

static status map_grow(struct fat32_map *map)
{
    uint32_t capacity = map->run_capacity == 0 ? RUNS_AT_FIRST : 2 * map->run_capacity;
    struct fat32_run *larger = heap_take(capacity * sizeof(*larger));
    if (larger == nullptr) return FAIL(OUT_OF_MEMORY);
    if (map->run_count > 0) bytes_copy(larger, map->runs, map->run_count * sizeof(*larger));
    heap_give(map->runs);
    map->runs = larger;
    map->run_capacity = capacity;
    return OK;
}

/* The chain's next cluster: lengthens the last run, begins one, or is left to be found by walking.
 */
static status map_append(struct fat32_map *map, uint32_t cluster)
{
    uint32_t file_cluster = map->cluster_count;
    if (map->run_count > 0) {
        struct fat32_run *last = &map->runs[map->run_count - 1];
        bool continues = last->file_cluster + last->count == file_cluster &&
                         last->cluster + last->count == cluster;
        if (continues) last->count++;
        if (continues || file_cluster - last->file_cluster < map->spacing) {
            map->cluster_count++;
            map->last_cluster = cluster;
            return OK;
        }
    }
    if (map->run_count == FAT32_MAP_RUNS_MAX) map_thin(map);
    if (map->run_count == map->run_capacity) TRY(map_grow(map));
    map->runs[map->run_count++] = (struct fat32_run){file_cluster, cluster, 1};
    map->cluster_count++;
    map->last_cluster = cluster;
    return OK;
}

static status map_follow(struct fat32_volume *volume, uint32_t cluster, struct fat32_map *map)
{
    uint32_t landmark =
        cluster; /* Brent: a cluster passed, renewed at steps that are powers of 2 */
    uint32_t steps = 0, steps_max = 1;
    while (fat32_is_cluster(volume, cluster)) {
        TRY(map_append(map, cluster));
        TRY(fat32_next_cluster(volume, cluster, &cluster));
        if (cluster >= TABLE_ENTRY_LAST) return OK;
        if (cluster == landmark) {
            fat32_map_drop(map);
            break;
        }
        if (++steps == steps_max) {
            landmark = cluster;
            steps_max *= 2;
            steps = 0;
        }
    }
    map->is_damaged = true;
    return OK;
}

/* The chain's last cluster becomes `last_cluster`, number cluster_count - 1 of the file. */
static void map_shorten(struct fat32_map *map, uint32_t cluster_count, uint32_t last_cluster)
{
    while (map->run_count > 0 && map->runs[map->run_count - 1].file_cluster >= cluster_count)
        map->run_count--;
    if (map->run_count > 0) {
        struct fat32_run *last = &map->runs[map->run_count - 1];
        last->count = min_of(last->count, cluster_count - last->file_cluster);
    }
    map->cluster_count = cluster_count;
    map->last_cluster = last_cluster;
}

status fat32_map_load(struct fat32_volume *volume, uint32_t first_cluster,
                      struct fat32_map *out_map)
{
    *out_map = (struct fat32_map){.spacing = 1};
    if (first_cluster == 0) return OK;
    status followed = map_follow(volume, first_cluster, out_map);
    if (!is_ok(followed)) fat32_map_drop(out_map);
    return followed;
}

void fat32_map_drop(struct fat32_map *map)
{
    heap_give(map->runs);
    *map = (struct fat32_map){0};
}

/* The last run that starts at or before the file's cluster. The first run starts at 0. */
static const struct fat32_run *run_before(const struct fat32_map *map, uint32_t file_cluster)
{
    uint32_t low = 0, high = map->run_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (map->runs[middle].file_cluster <= file_cluster)
            low = middle;
        else
            high = middle;
    }
    return &map->runs[low];
}

/* The run that begins at the file's cluster, which is inside the chain. */
static status run_at(struct fat32_volume *volume, const struct fat32_map *map,
                     uint32_t file_cluster, struct fat32_run *out_run)
{
    const struct fat32_run *run = run_before(map, file_cluster);
    uint32_t ahead = file_cluster - run->file_cluster;
    if (ahead < run->count) {
        *out_run = (struct fat32_run){file_cluster, run->cluster + ahead, run->count - ahead};
        return OK;
    }
    uint32_t cluster = run->cluster + run->count - 1;
    for (uint32_t step = run->count - 1; step < ahead; step++) {
        TRY(fat32_next_cluster(volume, cluster, &cluster));
        if (!fat32_is_cluster(volume, cluster)) return FAIL(IO_ERROR);
    }
    *out_run = (struct fat32_run){file_cluster, cluster, 1};
    return OK;
}

status fat32_locate(struct fat32_volume *volume, const struct fat32_map *map, uint64_t offset_bytes,
                    uint32_t length_bytes, struct fat32_extent *out_extent)
{
    uint64_t file_cluster = offset_bytes / volume->cluster_bytes;
    if (file_cluster >= map->cluster_count) return FAIL(IO_ERROR);
    struct fat32_run run;
    TRY(run_at(volume, map, (uint32_t)file_cluster, &run));

    uint64_t inside = offset_bytes % volume->cluster_bytes;
    uint64_t contiguous = (uint64_t)run.count * volume->cluster_bytes - inside;
    uint64_t length = min_of(contiguous, (uint64_t)length_bytes);
    uint32_t sector_bytes = volume->device.sector_bytes;
    *out_extent = (struct fat32_extent){
        .first_sector = (fat32_cluster_start(volume, run.cluster) + inside) / sector_bytes,
        .sector_count = (uint32_t)(length / sector_bytes),
    };
    return OK;
}

/* ---- longer chains ---- */

/* What is being added to a chain: a chain of its own until it is linked. */
struct growth {
    struct fat32_map *map;
    uint32_t old_count;
    uint32_t old_last;
    uint32_t first; /* of what is added; 0: nothing yet */
    uint32_t last;
    uint32_t count;
    uint32_t lowest; /* of the clusters' numbers */
    uint32_t highest;
};

/* Records that a call may need: for the link, for what is given up again, for a piece left over. */
static constexpr uint32_t RECORDS_PER_CALL = 3;

/* Adds first..first+count, already a chain in the table. What could not be added is given up. */
static status growth_add(struct fat32_volume *volume, struct growth *growth, uint32_t first,
                         uint32_t count)
{
    status linked = OK;
    if (growth->first == 0)
        growth->first = growth->lowest = first;
    else
        linked = fat32_table_set(volume, growth->last, first);
    if (!is_ok(linked)) {
        fat32_pending_add(volume, first, count);
        return linked;
    }
    growth->last = first + count - 1;
    growth->count += count;
    growth->lowest = min_of(growth->lowest, first);
    growth->highest = max_of(growth->highest, growth->last);
    for (uint32_t i = 0; i < count; i++)
        TRY(map_append(growth->map, first + i));
    return OK;
}

/* Adds a stretch that was taken, block by block of the table; gives back what could not be used. */
static status growth_add_run(struct fat32_volume *volume, struct growth *growth, uint32_t first,
                             uint32_t count)
{
    uint32_t end = first + count;
    status added = OK;
    while (first < end && is_ok(added)) {
        uint32_t filled;
        added = fat32_table_fill(volume, first, end - first, &filled);
        if (!is_ok(added)) break;
        added = growth_add(volume, growth, first, filled);
        first += filled;
    }
    for (; first < end; first++)
        fat32_cluster_give(volume, first);
    return added;
}

/* Lets the old end lead to what was added. Such a link waits until that is on the medium, unless
 * all of it lies in one sector of the table. */
static status growth_link(struct fat32_volume *volume, const struct growth *growth)
{
    if (growth->old_last == 0) return OK;
    TRY(fat32_table_set(volume, growth->old_last, growth->first));
    uint32_t per_sector = volume->device.sector_bytes / TABLE_ENTRY_BYTES;
    uint32_t sector = growth->old_last / per_sector;
    bool is_one_sector =
        growth->lowest / per_sector == sector && growth->highest / per_sector == sector;
    fat32_held_add(volume, growth->old_last, TABLE_ENTRY_END,
                   is_one_sector ? FAT32_STAGE_GROWN : FAT32_STAGE_LINKED);
    return OK;
}

/* Makes the chain so much longer; on failure what was added is not linked to it. */
static status growth_run(struct fat32_volume *volume, struct growth *growth, uint32_t count)
{
    while (growth->count < count) {
        uint32_t last = growth->map->last_cluster;
        struct fat32_run run;
        TRY(fat32_clusters_take(volume, last == 0 ? 0 : last + 1, count - growth->count, &run));
        TRY(growth_add_run(volume, growth, run.cluster, run.count));
    }
    return growth_link(volume, growth);
}

/* Room for records; and a cut of this chain must be on the medium before it may grow again. */
static status extend_prepare(struct fat32_volume *volume, const struct fat32_map *map)
{
    TRY(fat32_write_reserve(volume, RECORDS_PER_CALL));
    const struct fat32_held *held = fat32_held_find(volume, map->last_cluster);
    bool is_cut = held != nullptr && held->until == FAT32_STAGE_CUT;
    return is_cut ? fat32_checkpoint(volume) : OK;
}

static status extend(struct fat32_volume *volume, struct fat32_map *map, uint32_t cluster_count,
                     bool is_promised)
{
    if (cluster_count <= map->cluster_count) return OK;
    if (map->is_damaged) return FAIL(IO_ERROR);
    TRY(extend_prepare(volume, map));
    uint32_t count = cluster_count - map->cluster_count;
    TRY(fat32_clusters_claim(volume, count, is_promised));
    struct growth growth = {
        .map = map, .old_count = map->cluster_count, .old_last = map->last_cluster};
    status grown = growth_run(volume, &growth, count);
    if (is_ok(grown)) return OK;
    if (growth.count > 0) fat32_pending_add(volume, growth.first, growth.count);
    map_shorten(map, growth.old_count, growth.old_last);
    fat32_clusters_unclaim(volume, count, is_promised);
    return grown;
}

status fat32_chain_extend(struct fat32_volume *volume, struct fat32_map *map,
                          uint32_t cluster_count)
{
    return extend(volume, map, cluster_count, false);
}

status fat32_chain_extend_promised(struct fat32_volume *volume, struct fat32_map *map,
                                   uint32_t cluster_count)
{
    return extend(volume, map, cluster_count, true);
}

/* ---- shorter chains ---- */

/* Ends the chain in memory behind `last`; on the medium it ends there after step 3 only, unless the
 * medium has never seen it go on. */
static status end_chain(struct fat32_volume *volume, uint32_t last, uint32_t next)
{
    TRY(fat32_table_set(volume, last, TABLE_ENTRY_END));
    struct fat32_held *link = fat32_held_find(volume, last);
    if (link != nullptr)
        fat32_held_remove(volume, link);
    else
        fat32_held_add(volume, last, next, FAT32_STAGE_CUT);
    return OK;
}

status fat32_chain_cut_promised(struct fat32_volume *volume, struct fat32_map *map,
                                uint32_t cluster_count)
{
    if (cluster_count >= map->cluster_count) return OK;
    if (map->is_damaged) return FAIL(IO_ERROR);
    TRY(fat32_write_reserve(volume, RECORDS_PER_CALL));
    struct fat32_run last = {0};
    uint32_t first = fat32_map_first(map);
    if (cluster_count > 0) {
        TRY(run_at(volume, map, cluster_count - 1, &last));
        TRY(fat32_next_cluster(volume, last.cluster, &first));
        if (!fat32_is_cluster(volume, first)) return FAIL(IO_ERROR);
        TRY(end_chain(volume, last.cluster, first));
    }
    uint32_t count = map->cluster_count - cluster_count;
    fat32_pending_add(volume, first, count);
    map_shorten(map, cluster_count, last.cluster);
    return OK;
}

status fat32_chain_cut(struct fat32_volume *volume, struct fat32_map *map, uint32_t cluster_count)
{
    uint32_t before = map->cluster_count;
    TRY(fat32_chain_cut_promised(volume, map, cluster_count));
    fat32_promise_give(volume, before - map->cluster_count);
    return OK;
}

/* ---- clusters of directories ---- */

status fat32_cluster_initialise(struct fat32_volume *volume, uint32_t cluster, const uint8_t *head,
                                uint32_t head_bytes)
{
    TRY(fat32_mark_in_use(volume));
    uint8_t *bytes = volume->writing->scratch;
    uint64_t start = fat32_cluster_start(volume, cluster);
    uint32_t piece = min_of(FAT32_BLOCK_BYTES, volume->cluster_bytes);
    volume->writing->is_initialising = true;
    for (uint32_t done = 0; done < volume->cluster_bytes; done += piece) {
        bytes_zero(bytes, piece);
        if (done == 0 && head_bytes > 0) bytes_copy(bytes, head, head_bytes);
        TRY(fat32_volume_write(volume, start + done, piece, bytes));
        fat32_blocks_overlay(volume, start + done, bytes, piece);
    }
    return OK;
}

status fat32_directory_extend(struct fat32_volume *volume, struct fat32_map *map)
{
    uint32_t old_count = map->cluster_count;
    /* Also for the cut: a checkpoint in between would write the link. */
    TRY(fat32_write_reserve(volume, 2 * RECORDS_PER_CALL));
    TRY(fat32_chain_extend(volume, map, old_count + 1));
    status initialised = fat32_cluster_initialise(volume, map->last_cluster, nullptr, 0);
    /* The link has not left memory yet, and never will: cutting it off needs no device. */
    if (!is_ok(initialised)) TRY(fat32_chain_cut(volume, map, old_count));
    return initialised;
}
