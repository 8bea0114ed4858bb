/*
 * Chains of clusters: followed to their end once, kept as runs.
 *
 * A chain that loops never ends; Brent's algorithm finds that within a small multiple of its
 * length, remembering one cluster. Runs are kept in order. When the array is full every second one
 * is dropped and the distance between those kept from then on doubles, so that any cluster is at
 * most about chain length / FAT32_MAP_RUNS_MAX * 2 steps from a kept one.
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
            return OK;
        }
    }
    if (map->run_count == FAT32_MAP_RUNS_MAX) map_thin(map);
    if (map->run_count == map->run_capacity) TRY(map_grow(map));
    map->runs[map->run_count++] = (struct fat32_run){file_cluster, cluster, 1};
    map->cluster_count++;
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
