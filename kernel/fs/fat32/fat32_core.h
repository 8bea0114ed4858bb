/*
 * FAT32: what is on the disk, and nothing about who asks. Pure logic over a function that reads
 * sectors, so that the same code runs in the kernel, in tests and in the fuzzer.
 *
 *     volume     the checked boot sector and a few cached blocks of table and directories
 *     map        one chain of clusters, checked from end to end once, then found in O(log n)
 *     entry      what a directory says about one file or directory, and where it says so
 *
 * Nothing on the disk is trusted: numbers are checked before they are used, chains may not loop or
 * leave the volume, a directory must name its parent. What makes no sense is IO_ERROR, for that
 * file alone. Clusters that two files claim are read for both: only a check of the whole volume
 * could tell whose they are.
 *
 * All disk access goes through blocks that the volume caches, data excepted, for which fat32_locate
 * tells the sectors; entries and maps remember where they came from. That is what writing needs
 * too.
 *
 * Context: task; whatever reads sectors may sleep. Locking: the caller excludes two calls for one
 * volume at a time.
 */
#pragma once
#include "base/status.h"
#include "base/text.h"
#include "fs/fat32/fat32_name.h"

struct fat32_device {
    void *context;
    uint32_t sector_bytes; /* 512..4096, a power of two */
    uint64_t sector_count;
    /* Reads into heap memory. IO_ERROR, TIMED_OUT, OUT_OF_MEMORY */
    status (*read)(void *context, uint64_t first_sector, uint32_t sector_count, void *to);
};

#define FAT32_BLOCK_BYTES 4096u
#define FAT32_BLOCKS      16u

/* A piece of table or directory in memory. */
struct fat32_block {
    uint64_t number;  /* counted in blocks from the volume's start; UINT64_MAX: nothing valid */
    uint64_t used_at; /* for finding the one not used for longest */
    uint8_t *bytes;   /* owned; nullptr until first needed */
};

struct fat32_volume {
    struct fat32_device device;
    uint64_t total_bytes;
    uint64_t table_start_bytes; /* of the table in use */
    uint64_t data_start_bytes;  /* of cluster 2 */
    uint32_t cluster_bytes;
    uint32_t cluster_count;
    uint32_t root_cluster;
    uint64_t clock; /* counts uses of blocks */
    struct fat32_block blocks[FAT32_BLOCKS];
    struct fat32_long_name long_name; /* scratch, while a directory is read */
};

/*
 * Checks the boot sector and fills *out_volume, to be ended with fat32_close.
 *   NOT_FOUND      no FAT32 volume that can be used; *out_reason says why, in words for people
 *   IO_ERROR, TIMED_OUT, OUT_OF_MEMORY
 */
status fat32_open(const struct fat32_device *device, struct fat32_volume *out_volume,
                  text *out_reason);
void fat32_close(struct fat32_volume *volume);

/* ---- chains ---- */

/* Clusters that follow each other in the file and on the disk. */
struct fat32_run {
    uint32_t file_cluster; /* counted from the file's start */
    uint32_t cluster;
    uint32_t count;
};

#define FAT32_MAP_RUNS_MAX 4096u

/*
 * One chain. Runs are sorted; of a chain with more runs than fit only some are kept, evenly spread,
 * and the rest is found by following the table from the nearest.
 */
struct fat32_map {
    struct fat32_run *runs; /* owned */
    uint32_t run_count;
    uint32_t run_capacity;
    uint32_t spacing;       /* file clusters between the starts of kept runs, at least */
    uint32_t cluster_count; /* of the chain, up to its end or its damage */
    bool is_damaged;        /* the chain ends in something that is no cluster, or never */
};

/*
 * Follows the chain to its end. An empty chain (first cluster 0) has no clusters. One that leaves
 * the volume or runs into free clusters is usable up to there, and marked as damaged; a loop is
 * marked likewise, and nothing of it is usable.
 *   IO_ERROR, TIMED_OUT   the table could not be read
 *   OUT_OF_MEMORY
 */
status fat32_map_load(struct fat32_volume *volume, uint32_t first_cluster,
                      struct fat32_map *out_map);
void fat32_map_drop(struct fat32_map *map);

/* Sectors of the device that hold bytes of a file. */
struct fat32_extent {
    uint64_t first_sector;
    uint32_t sector_count;
};
/*
 * Where the bytes offset..offset+length lie, as far as they are contiguous on the disk: at least
 * one sector, at most what was asked for. Both are multiples of the device's sector size, length
 * not 0.
 *   IO_ERROR   the chain ends before `offset`, or the table could not be read
 */
status fat32_locate(struct fat32_volume *volume, const struct fat32_map *map, uint64_t offset_bytes,
                    uint32_t length_bytes, struct fat32_extent *out_extent);

/* ---- directories ---- */

struct fat32_entry {
    bool is_directory;
    uint8_t attributes;     /* as on the disk */
    uint32_t first_cluster; /* 0: none */
    uint32_t size_bytes;    /* 0 for a directory */
    uint64_t modified_ns;   /* since 1970, the disk's local time taken for UTC; 0 when unknown */
    uint64_t created_ns;
    uint64_t position; /* of the short entry on the volume, counted in entries: unique */
    uint32_t index;    /* of the short entry in its directory */
    uint32_t name_bytes;
    uint32_t alias_bytes; /* the short name; the same as the name when there is no long one */
    char name[FAT32_NAME_BYTES_MAX];
    char alias[FAT32_ALIAS_BYTES_MAX];
};
static inline text fat32_entry_name(const struct fat32_entry *entry)
{
    return (text){entry->name, entry->name_bytes};
}

/*
 * The first file or directory at or after entry number *index of the directory with this map; moves
 * *index behind it. "." and "..", labels, deleted entries and stray parts of names are passed over.
 *   NOT_FOUND   there are no more
 *   IO_ERROR, TIMED_OUT, OUT_OF_MEMORY
 */
status fat32_directory_next(struct fat32_volume *volume, const struct fat32_map *map,
                            uint32_t *index, struct fat32_entry *out_entry);

/* Finds by long or short name, ignoring case. Statuses as above. */
status fat32_directory_find(struct fat32_volume *volume, const struct fat32_map *map, text name,
                            struct fat32_entry *out_entry);

/*
 * Checks that a directory begins with "." for itself and ".." for its parent: one that is reached
 * from anywhere else, and so every cycle of directories, is refused.
 *   IO_ERROR, TIMED_OUT, OUT_OF_MEMORY
 */
status fat32_directory_check(struct fat32_volume *volume, const struct fat32_map *map,
                             uint32_t own_cluster, uint32_t parent_cluster);
