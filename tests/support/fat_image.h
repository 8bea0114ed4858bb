/*
 * FAT32 images in memory for tests: made, and read back by a strict reader of its own.
 *
 * Written from Microsoft's FAT32 File System Specification 1.03 alone, sharing no line with
 * kernel/fs/fat32, so that neither repeats the other's mistakes. Whatever is not exactly as the
 * specification says is an error or, if a power cut may leave it behind, a leftover.
 *
 * Context: tests; one thread. Memory comes from the host; there is always enough.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct fat_shape {
    uint32_t sector_count;
    uint32_t sector_bytes;        /* 512..4096 */
    uint32_t sectors_per_cluster; /* a power of two */
    uint32_t table_count;         /* 1 or 2 */
    uint32_t reserved_sectors;    /* 32 as usual; at least 8 */
};
/* Formats an empty volume, with FSInfo and the boot sector's backup, as mkfs.fat would. */
void fat_image_format(uint8_t *image, const struct fat_shape *shape);

/* What a power cut may leave. */
static constexpr uint32_t FAT_LEFT_LOST_CLUSTERS = 1 << 0;
static constexpr uint32_t FAT_LEFT_LONG_CHAIN = 1 << 1; /* longer than the file's size needs */
static constexpr uint32_t FAT_LEFT_IN_USE = 1 << 2;     /* marked as not unmounted */
static constexpr uint32_t FAT_LEFT_NO_COUNTS = 1 << 3;  /* FSInfo says that it does not know */
static constexpr uint32_t FAT_LEFT_TABLES_APART = 1 << 4;
static constexpr uint32_t FAT_LEFT_NAME_PARTS = 1 << 5; /* parts of long names without an entry */
static constexpr uint32_t FAT_LEFT_BEHIND_END = 1 << 6; /* entries behind a directory's end */

#define FAT_NAME_BYTES_MAX 800
#define FAT_NODE_ROOT      0u /* index of the root; it is its own parent */

struct fat_node {
    uint32_t parent; /* index */
    bool is_directory;
    uint8_t attributes;
    uint32_t size_bytes;
    uint32_t first_cluster;
    uint32_t cluster_count;        /* of its chain */
    uint64_t created;              /* date << 24 | time << 8 | tenths, as on the disk */
    uint64_t written;              /* date << 16 | time */
    char name[FAT_NAME_BYTES_MAX]; /* UTF-8, terminated; the long one if there is one */
    char short_name[13];           /* as "NAME.EXT" */
};

struct fat_tree {
    const uint8_t *image;
    size_t image_bytes;
    struct fat_node *nodes; /* parents before their children */
    uint32_t node_count, node_capacity;
    uint32_t leftovers;
    uint32_t free_count;
    char error[512]; /* the first one; empty: the volume is sound */

    /* Numbers of the boot sector. */
    uint32_t sector_bytes, cluster_bytes, cluster_count, root_cluster, reserved_sectors;
    uint32_t table_count, table_sectors;
    const uint8_t *table; /* the one that is used */
    uint8_t *claimed;     /* a byte for each cluster */
};

/* Reads all of a volume by the table with this number; to be ended with fat_tree_drop in any case.
 * False: there is an error. */
bool fat_tree_read(struct fat_tree *tree, const uint8_t *image, size_t image_bytes,
                   uint32_t table_number);
void fat_tree_drop(struct fat_tree *tree);
/* Where the byte of a file lies in the image; offset < size. */
const uint8_t *fat_tree_byte(const struct fat_tree *tree, const struct fat_node *file,
                             uint32_t offset_bytes);
/* The index of the node with this name in this directory, or UINT32_MAX. */
uint32_t fat_tree_find(const struct fat_tree *tree, uint32_t parent, const char *name);
