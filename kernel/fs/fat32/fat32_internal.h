/* What the files of the core share: bytes of the volume, its table, and the state of writing. */
#pragma once
#include "fs/fat32/fat32_core.h"
#include <stdatomic.h>

/* ---- bytes of the volume: fat32_block.c ---- */

RESULT_TYPE(fat32_bytes_result, uint8_t *);
/*
 * The bytes at an offset of the volume, up to the end of its block, until the next call. Entries of
 * the table and of directories never cross a block. When every block is changed, a checkpoint is
 * made first.
 *   IO_ERROR (also past the end), TIMED_OUT, OUT_OF_MEMORY
 */
fat32_bytes_result fat32_volume_bytes(struct fat32_volume *volume, uint64_t offset_bytes);

/*
 * The same, of a directory, to be changed at once: the whole sector that holds the offset is
 * written at the next checkpoint. PERMISSION_DENIED when the volume is read-only.
 */
fat32_bytes_result fat32_volume_change(struct fat32_volume *volume, uint64_t offset_bytes);
/* OK, or PERMISSION_DENIED when nothing may be written. */
status fat32_volume_check_writable(const struct fat32_volume *volume);
/* Damage was met that writing could make worse: nothing is written from now on. The first reason
 * stays; it is copied. */
void fat32_volume_protect(struct fat32_volume *volume, text reason);
/* The same, because of what is on it. */
void fat32_volume_protect_damaged(struct fat32_volume *volume, text reason);

/* The cached block with this number, or nullptr. */
struct fat32_block *fat32_block_find(struct fat32_volume *volume, uint64_t number);
/* Bits of a block's sectors, as in `dirty`, for the device's sectors in offset..offset+length,
 * which lies inside the block. */
uint8_t fat32_block_bits(const struct fat32_volume *volume, uint64_t offset_bytes,
                         uint32_t length_bytes);
/* Puts bytes that are or will be on the device into the blocks that are cached of them. */
void fat32_blocks_overlay(struct fat32_volume *volume, uint64_t offset_bytes, const uint8_t *bytes,
                          uint32_t length_bytes);
/* Cached blocks that need not be written are read anew when needed. */
void fat32_volume_forget(struct fat32_volume *volume);
void fat32_blocks_init(struct fat32_volume *volume);
void fat32_blocks_drop(struct fat32_volume *volume);

/* ---- the table: fat32_table.c ---- */

/* True for the number of a cluster that exists; says nothing about whether it is in use. */
bool fat32_is_cluster(const struct fat32_volume *volume, uint32_t cluster);
/* Where it starts, in bytes from the volume's start. */
uint64_t fat32_cluster_start(const struct fat32_volume *volume, uint32_t cluster);
/* The table's entry for a cluster that exists: the next one, or a mark. Statuses as above. */
status fat32_next_cluster(struct fat32_volume *volume, uint32_t cluster, uint32_t *out_next);
/* Writes the entry, all but its four reserved bits, in memory. Statuses as for
 * fat32_volume_change. */
status fat32_table_set(struct fat32_volume *volume, uint32_t cluster, uint32_t value);
/*
 * Makes first..first+count one chain with an end: as far as the entries lie in one block, which
 * *out_count counts (at least 1). Statuses likewise; nothing is changed then.
 */
status fat32_table_fill(struct fat32_volume *volume, uint32_t first, uint32_t count,
                        uint32_t *out_count);
/*
 * Reads the entries from `first` (a multiple of FAT32_TABLE_READ) on, FAT32_TABLE_READ of them or
 * up to the volume's last, as they are now, in one piece and past the cached blocks; without their
 * reserved bits. The array has room for all of them. IO_ERROR, TIMED_OUT
 */
#define FAT32_TABLE_READ 8192u
status fat32_table_read(struct fat32_volume *volume, uint32_t first, uint32_t out_entries[]);

/* ---- what writing needs: fat32_write.c ---- */

/* When a changed entry of the table may reach the medium; see "Order" in fat32_core.h. */
enum fat32_stage : uint32_t {
    FAT32_STAGE_GROWN,  /* step 1: new chains, which nothing refers to */
    FAT32_STAGE_LINKED, /* step 1: old ends that lead to them now */
    FAT32_STAGE_CUT,    /* step 3: new ends of chains that were cut */
};

/* An entry whose new value waits: earlier stages than `until` write `on_disk` for it. */
struct fat32_held {
    uint32_t cluster;
    uint32_t on_disk;
    enum fat32_stage until;
};
#define FAT32_HELD_MAX 128u /* their blocks stay in memory: far fewer than FAT32_BLOCKS */

/* Clusters that are free after the next checkpoint; their chain still stands in the table. */
struct fat32_pending {
    uint32_t first;
    uint32_t count;
};
#define FAT32_PENDING_MAX 256u

/* Sectors that are being replaced. */
struct fat32_journal {
    uint64_t start_bytes; /* of its header on the volume; 0: there is no room for one */
    uint64_t sequence;
    uint32_t count;      /* sectors to be replaced; 0: nothing is under way */
    uint32_t done;       /* of them, in order */
    bool must_be_ended;  /* the medium may hold a header that counts */
    bool is_end_written; /* and was given one that does not: with the next flush it has it */
    uint64_t targets[FAT32_JOURNAL_SECTORS_MAX]; /* offsets on the volume */
    uint8_t *sectors; /* owned: the header, then the sectors' new contents */
};

/* Bits of free clusters, by pages of this many. */
#define FAT32_PAGE_CLUSTERS 32768u
#define FAT32_PAGE_UNKNOWN  UINT16_MAX

/* Names are remembered in pairs, the long and the short one of an entry. */
#define FAT32_NAMES_REMOVED_MAX 512u

struct fat32_writing {
    /* Free and pending clusters without the promised ones. Relaxed throughout: a number that orders
     * nothing. */
    _Atomic uint32_t available;
    _Atomic bool data_written; /* set with release after the data, taken with acquire */

    bool is_in_use;       /* marked on the medium as such by us */
    bool was_dirty;       /* marked by whoever had it before */
    bool is_unflushed;    /* the device was given something that no flush has followed */
    bool is_initialising; /* among it a cluster of a directory */
    bool is_freeing;      /* step 3 of a checkpoint is under way */

    struct fat32_held held[FAT32_HELD_MAX];
    uint32_t held_count;
    struct fat32_pending pending[FAT32_PENDING_MAX];
    uint32_t pending_count;
    uint32_t pending_clusters;
    /* Hashes of names, with their directories, that entries gave up since the last checkpoint. */
    uint64_t names_removed[FAT32_NAMES_REMOVED_MAX];
    uint32_t names_removed_count;

    /* fat32_allocate.c */
    uint32_t usable; /* free clusters without the pending ones */
    bool is_counted; /* `usable` comes from the table, not from FSInfo */
    uint32_t hint;   /* the cluster from which on free ones are looked for */
    uint32_t page_count;
    uint64_t **pages;    /* owned, each page too: a bit per cluster, 1: free; nullptr: not loaded */
    uint16_t *page_free; /* owned: free clusters of each page, or FAT32_PAGE_UNKNOWN */

    struct fat32_journal journal;
    uint8_t *scratch; /* owned: FAT32_BLOCK_BYTES */
};

#define FAT32_FREE_UNKNOWN UINT32_MAX
/*
 * Last step of fat32_recover: makes writing possible, with so many free clusters, counted. Of
 * FAT32_FREE_UNKNOWN, FSInfo is believed if it may be (fat32_free_load), else they are counted.
 * With `is_marked_in_use` the medium says so already, in FAT[1] or the boot sector. IO_ERROR,
 * TIMED_OUT, OUT_OF_MEMORY
 */
status fat32_writing_begin(struct fat32_volume *volume, uint32_t free_clusters,
                           bool is_marked_in_use);
/* Makes and ends volume->writing. IO_ERROR, TIMED_OUT, OUT_OF_MEMORY; there is none then. */
status fat32_writing_create(struct fat32_volume *volume);
void fat32_writing_destroy(struct fat32_volume *volume); /* accepts that there is none */

/*
 * Sector-wise access beside the cached blocks. Offsets and lengths are multiples of the device's
 * sector size. Writing is remembered until a flush succeeds; that does nothing when nothing was
 * written, and makes blocks that were written dirty again when it fails. Before
 * fat32_writing_begin, everything is passed on to the device. IO_ERROR (also past the end),
 * TIMED_OUT
 */
status fat32_volume_read(struct fat32_volume *volume, uint64_t offset_bytes, uint32_t length_bytes,
                         void *to);
status fat32_volume_write(struct fat32_volume *volume, uint64_t offset_bytes, uint32_t length_bytes,
                          const void *from);
status fat32_volume_flush(struct fat32_volume *volume);

/* What FSInfo says: free clusters, and where to look for one; UINT32_MAX: it does not say. */
status fat32_information_read(struct fat32_volume *volume, uint32_t *out_free, uint32_t *out_next);
/* Step 0: before the first change. */
status fat32_mark_in_use(struct fat32_volume *volume);
/* Writes all changed sectors of the table, entries held for later than `stage` masked. */
status fat32_table_write(struct fat32_volume *volume, enum fat32_stage stage);

/* The record of a held entry, or nullptr. */
struct fat32_held *fat32_held_find(struct fat32_volume *volume, uint32_t cluster);
/* There is room (see fat32_write_reserve). */
void fat32_held_add(struct fat32_volume *volume, uint32_t cluster, uint32_t on_disk,
                    enum fat32_stage until);
void fat32_held_remove(struct fat32_volume *volume, struct fat32_held *held);
/* Likewise; they do not become available by this. */
void fat32_pending_add(struct fat32_volume *volume, uint32_t first, uint32_t count);
/* Makes room for so many records of each kind, by a checkpoint if need be. */
status fat32_write_reserve(struct fat32_volume *volume, uint32_t records);
/*
 * A name that an entry gave up may not go to another entry before that is durable: the sector of
 * the new one could reach the medium first, and the name would be there twice. So names given up
 * since the last checkpoint are remembered, and one that comes back waits for a checkpoint.
 */
status fat32_names_removed_reserve(struct fat32_volume *volume); /* before an entry goes */
/* What is remembered of an entry's names. */
struct fat32_name_keys {
    uint64_t name, alias;
};
struct fat32_name_keys fat32_name_keys_of(uint32_t directory_cluster,
                                          const struct fat32_entry *entry);
void fat32_names_removed_note(struct fat32_volume *volume,
                              struct fat32_name_keys keys); /* when it has gone */
/* Before a new entry gets the name. A checkpoint's statuses. */
status fat32_name_await(struct fat32_volume *volume, uint32_t directory_cluster, text name);

/* ---- free clusters: fat32_allocate.c ---- */

status fat32_allocator_create(struct fat32_volume *volume); /* OUT_OF_MEMORY */
void fat32_allocator_destroy(struct fat32_volume *volume);
/*
 * Sets how many clusters are free: as told, or else what FSInfo says of a volume that was clean, if
 * that is plausible and counting would take long, or else counted.
 */
status fat32_free_load(struct fat32_volume *volume, uint32_t free_clusters);
/*
 * A stretch of free clusters, 1..wanted of them, now taken: at `near` if that is free (0:
 * anywhere), else the first one large enough, else the longest found. `usable` is not 0. NO_SPACE
 * FSInfo said that there was something free, but there is not IO_ERROR, TIMED_OUT, OUT_OF_MEMORY
 */
status fat32_clusters_take(struct fat32_volume *volume, uint32_t near, uint32_t wanted,
                           struct fat32_run *out_run);
/* It is free in the table, too. */
void fat32_cluster_give(struct fat32_volume *volume, uint32_t cluster);
/* Makes sure that so many are usable, taking them from the available ones unless they are promised.
 * NO_SPACE; a checkpoint's statuses. */
status fat32_clusters_claim(struct fat32_volume *volume, uint32_t count, bool is_promised);
/* Undoes a claim. */
void fat32_clusters_unclaim(struct fat32_volume *volume, uint32_t count, bool is_promised);

/* ---- the journal: fat32_journal.c ---- */

/* Finds room for it, and takes memory. IO_ERROR, TIMED_OUT, OUT_OF_MEMORY */
status fat32_journal_create(struct fat32_volume *volume);
void fat32_journal_destroy(struct fat32_volume *volume);
/*
 * Before the first change of a volume that was in use: replaces the sectors of a valid journal if
 * each holds its old or its new contents, so that no other system has changed them since, and lies
 * in a cluster of the data area that is in use. Then ends the journal. Cached blocks are forgotten.
 * *out_replayed: something was replaced. IO_ERROR, TIMED_OUT, OUT_OF_MEMORY
 */
status fat32_journal_replay(struct fat32_volume *volume, bool *out_replayed);
/* Goes on with what fat32_journal_run could not finish, and ends the journal durably before sectors
 * of directories are written. */
status fat32_journal_finish(struct fat32_volume *volume);

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
