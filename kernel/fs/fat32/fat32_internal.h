/* What the files of the core share: bytes of the volume and steps through its table. */
#pragma once
#include "fs/fat32/fat32_core.h"

RESULT_TYPE(fat32_bytes_result, uint8_t *);
/*
 * The bytes at an offset of the volume, up to the end of its block, until the next call. Entries of
 * the table and of directories never cross a block.
 *   IO_ERROR (also past the end), TIMED_OUT, OUT_OF_MEMORY
 */
fat32_bytes_result fat32_volume_bytes(struct fat32_volume *volume, uint64_t offset_bytes);

/*
 * The same, of a directory, to be changed at once: the whole sector that holds the offset is
 * written at the next checkpoint. PERMISSION_DENIED when the volume is read-only.
 */
fat32_bytes_result fat32_volume_change(struct fat32_volume *volume, uint64_t offset_bytes);
/* Damage was met that writing could make worse: nothing is written from now on. The first reason
 * stays; it is copied. */
void fat32_volume_protect(struct fat32_volume *volume, text reason);

/* True for the number of a cluster that exists; says nothing about whether it is in use. */
bool fat32_is_cluster(const struct fat32_volume *volume, uint32_t cluster);
/* Where it starts, in bytes from the volume's start. */
uint64_t fat32_cluster_start(const struct fat32_volume *volume, uint32_t cluster);
/* The table's entry for a cluster that exists: the next one, or a mark. Statuses as above. */
status fat32_next_cluster(struct fat32_volume *volume, uint32_t cluster, uint32_t *out_next);

/* Sector-wise access beside the cached blocks, which must not hold anything dirty: for what runs
 * before the first change (journal, repair). Offsets and lengths are multiples of the device's
 * sector size. IO_ERROR (also past the end), TIMED_OUT */
status fat32_volume_read(struct fat32_volume *volume, uint64_t offset_bytes, uint32_t length_bytes,
                         void *to);
status fat32_volume_write(struct fat32_volume *volume, uint64_t offset_bytes, uint32_t length_bytes,
                          const void *from);
status fat32_volume_flush(struct fat32_volume *volume);
/* Cached blocks that are not dirty are read anew when needed. */
void fat32_volume_forget(struct fat32_volume *volume);

/* ---- fat32_journal.c, before the first change ---- */

/* Does what a whole journal says, with flushes as in fat32_journal_run, and ends it; a journal that
 * is not whole is ended. Changes sectors of the medium; cached blocks are forgotten. *out_replayed:
 * there was a whole one. IO_ERROR, TIMED_OUT, OUT_OF_MEMORY */
status fat32_journal_replay(struct fat32_volume *volume, bool *out_replayed);

/* ---- fat32_write.c, last step of fat32_recover ---- */

/* Makes writing possible: volume->writing, with this many free clusters, counted. With
 * `is_marked_in_use` the medium says so already (FAT[1] or the boot sector's flag). OUT_OF_MEMORY
 */
status fat32_writing_begin(struct fat32_volume *volume, uint32_t free_clusters,
                           bool is_marked_in_use);

/* ---- directories: fat32_directory.c ---- */

/* 32 bytes of a directory. */
struct fat32_slot {
    const uint8_t *bytes;  /* until other bytes of the volume are asked for */
    uint64_t offset_bytes; /* on the volume */
    uint32_t index;        /* in the directory */
};
enum fat32_slot_kind {
    FAT32_SLOT_END,   /* this one and all behind it are free */
    FAT32_SLOT_FREE,  /* deleted */
    FAT32_SLOT_PART,  /* of a long name */
    FAT32_SLOT_ENTRY, /* a file or directory: its short entry */
    FAT32_SLOT_OTHER, /* ".", "..", a label, damage */
};
enum fat32_slot_kind fat32_slot_kind(const uint8_t *bytes);
/* Where a slot lies. NOT_FOUND: the directory is not so long; IO_ERROR: because it is damaged. */
status fat32_slot_offset(struct fat32_volume *volume, const struct fat32_map *map, uint32_t index,
                         uint64_t *out_offset);

/* A directory being read, slot by slot; no other bytes of the volume are asked for meanwhile. */
struct fat32_walk {
    struct fat32_volume *volume;
    const struct fat32_map *map;
    uint32_t index;        /* of the next slot: where to begin */
    uint32_t left;         /* slots from there on in `bytes`; begins as 0 */
    uint64_t offset_bytes; /* of the next slot */
    const uint8_t *bytes;
};
/* The next slot, whatever it holds. NOT_FOUND: the chain has ended; IO_ERROR, TIMED_OUT,
 * OUT_OF_MEMORY. */
status fat32_walk_next(struct fat32_walk *walk, struct fat32_slot *out_slot);

/* What a short entry says; not the name (the alias only) and not the place. */
void fat32_entry_load(const uint8_t *bytes, struct fat32_entry *entry);
