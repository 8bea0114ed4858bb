/*
 * FAT32: what is on the disk, and nothing about who asks. Pure logic over functions that read,
 * write and flush sectors, so that the same code runs in the kernel, in tests and in the fuzzer.
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
 * tells the sectors; entries and maps remember where they came from, for writing.
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
    bool is_read_only;
    /* Reads into heap memory. IO_ERROR, TIMED_OUT, OUT_OF_MEMORY */
    status (*read)(void *context, uint64_t first_sector, uint32_t sector_count, void *to);
    /* Writes from heap memory; durable after the next flush. IO_ERROR, TIMED_OUT */
    status (*write)(void *context, uint64_t first_sector, uint32_t sector_count, const void *from);
    /* Everything written before is on the medium when it returns. IO_ERROR, TIMED_OUT */
    status (*flush)(void *context);
};

#define FAT32_BLOCK_BYTES 4096u
#define FAT32_BLOCKS      640u /* the largest directory, 2 MiB, and some of the table */

/*
 * ---- Order: what keeps the volume sound whenever the power fails ----
 *
 * Changes are made in cached blocks and reach the medium in *checkpoints*, sector by sector; a
 * sector is written whole or not at all, and between two flushes in any order. A checkpoint is:
 *
 *     0  before the first change after the volume was clean: mark it in use (dirty bits, FSInfo
 *        counts unknown); flush
 *     1  sectors of the table: chains that have grown, without the links by which old chains lead
 *        to what was added to them. All tables, if mirrored. Flush
 *        the sectors with those links (not needed for links inside one sector). Flush
 *     2  sectors of directories. Flush: what was synced is durable here
 *     3  sectors of the table with the new ends of chains that were cut. Flush
 *        sectors of the table again: what was given up is free, and may be used again
 *
 * No flush is made when nothing was written since the last. For this to hold in every subset of
 * writes between two flushes:
 *   - a file's contents are written before its entry tells their size (fat32_mount.c does that, and
 *     says fat32_data_written);
 *   - a cluster that becomes part of a directory is written, with zeros or "." and "..", before
 *     anything refers to it (fat32_cluster_initialise; a flush comes before step 1 then);
 *   - an entry of the table whose new value must wait for a later step is masked in earlier ones
 *     (struct fat32_held);
 *   - given-up clusters keep their table entries until step 3, and are not used before;
 *   - a checkpoint may happen in every call that reads or changes, when all cached blocks are
 *     changed: so an entry is removed or made smaller before its chain is cut, and changed after
 *     its chain was extended;
 *   - an entry set (long parts and short entry) lies inside one sector whenever it has up to 16
 *     entries, so that it appears and disappears at once;
 *   - a name that an entry gave up goes to another one only after a checkpoint;
 *   - an entry never moves between sectors, except through fat32_journal_run(): that begins with a
 *     checkpoint, writes the sectors to be replaced into the journal, flushes, replaces them in the
 *     order given with a flush after each, and ends the journal. fat32_recover() finishes what it
 *     finds there. The journal lies in reserved sectors behind the boot sector's backup that are
 *     all zero (or hold a journal); a volume without room for it does the same without the journal.
 *     The order is: first take the old entry away, then add the new one. So a power cut leaves lost
 *     clusters at worst, for those who do not know of the journal.
 *
 * Chains longer than their file's size, and two tables of which one is a little older, are what a
 * cut can leave besides lost clusters; both tables are sound by themselves.
 */

/* A piece of table or directory in memory. */
struct fat32_block {
    uint64_t number;  /* counted in blocks from the volume's start; UINT64_MAX: nothing valid */
    uint64_t used_at; /* for finding the one not used for longest */
    uint8_t *bytes;   /* owned; nullptr until first needed */
    uint8_t dirty;    /* bit per 512 bytes that must be written: only whole sectors */
    uint8_t written;  /* bit per 512 bytes written since the last flush, which may still fail */
    uint16_t next;    /* in its bucket: index + 1; 0: none */
};

#define FAT32_REASON_BYTES_MAX 192u

struct fat32_volume {
    struct fat32_device device;
    uint64_t total_bytes;
    uint64_t table_start_bytes; /* of the table in use */
    uint64_t first_table_bytes; /* where table 0 starts: the end of the reserved sectors */
    uint64_t table_bytes;       /* the size of each */
    uint32_t table_count;
    bool is_mirrored;           /* all tables say the same; otherwise only the one in use is kept */
    uint32_t information_bytes; /* where FSInfo starts; 0: there is none */
    uint32_t backup_bytes;      /* where the boot sector's backup starts; 0: there is none */
    uint32_t sector_bytes;      /* of the format: at least the device's */
    uint64_t data_start_bytes;  /* of cluster 2 */
    uint32_t cluster_bytes;
    uint32_t cluster_count;
    uint32_t root_cluster;
    uint64_t clock; /* counts uses of blocks */
    struct fat32_block blocks[FAT32_BLOCKS];
    uint16_t buckets[FAT32_BLOCKS];   /* of blocks by number: index + 1; 0: none */
    struct fat32_long_name long_name; /* scratch, while a directory is read */
    /* Why nothing may be written, in words for people; empty: writing is possible. Becomes true at
     * the latest when damage is met that writing would make worse. */
    text read_only_reason; /* lies in reason_bytes */
    char reason_bytes[FAT32_REASON_BYTES_MAX];
    bool is_damaged; /* that is why: not the disk's failing, nor a lack of memory */
    /* What writing needs besides: the members of fat32_write.c (struct fat32_writing), owned;
     * nullptr until fat32_recover(). */
    struct fat32_writing *writing;
};

/*
 * Checks the boot sector and fills *out_volume, to be ended with fat32_close. Writes nothing.
 *   NOT_FOUND      no FAT32 volume that can be used; *out_reason says why, in words for people
 *   IO_ERROR, TIMED_OUT, OUT_OF_MEMORY
 */
status fat32_open(const struct fat32_device *device, struct fat32_volume *out_volume,
                  text *out_reason);
/* Forgets what was not written: a checkpoint comes before. */
void fat32_close(struct fat32_volume *volume);

/* ---- before the first change: fat32_recover.c, fat32_check.c ---- */

/* What fat32_recover found and did. */
struct fat32_report {
    bool was_dirty; /* not unmounted in order the last time */
    bool journal_replayed;
    uint32_t free_clusters;
    uint32_t clusters_freed;      /* lost ones, and such behind a file's end */
    uint32_t chains_cut;          /* files longer on the disk than they say */
    uint32_t name_parts_removed;  /* parts of long names without their entry */
    uint32_t entries_cleared;     /* behind a directory's end */
    uint32_t table_sectors_apart; /* of the other tables, where they were not like the one in use */
    /* What was wrong beyond that and where, in words; then the volume stays read-only. Lies in the
     * volume. */
    text damage;
    uint32_t damage_cluster; /* where, if it is about one; else 0 */
};
/*
 * Makes a volume ready for writing: finishes a journal; checks and repairs what was left in use
 * (fat32_check), and then marks it clean; counts free clusters. Of a volume that was left in order
 * only the table and the root's chain are looked at: damage elsewhere shows when it is met. A
 * volume that is read-only for the device, or damaged, gets read_only_reason and can still be read.
 *   IO_ERROR, TIMED_OUT, OUT_OF_MEMORY   also then it can be read only
 */
status fat32_recover(struct fat32_volume *volume, struct fat32_report *out_report);
/*
 * Walks everything reachable, with one bit for each cluster; looks for clusters in two chains,
 * chains that leave the volume, loop or run into free clusters, files without enough clusters,
 * directories that are not where they say, names that no file may have, tables that differ.
 *
 * With `repair`, what a power cut can leave is put right: lost clusters, chains too long, tables
 * that differ, parts of names without an entry, entries behind a directory's end. A power cut in
 * this leaves less of the same. The volume is marked as in use already, and nothing in its cached
 * blocks is dirty. Anything else is damage: the first that is found is told, nothing is changed,
 * and the volume is read-only from then on.
 *
 * Fills all of the report but was_dirty and journal_replayed; without `repair` it counts what would
 * be done. Recursion-free; the depth and number of directories are bounded by memory only.
 *   IO_ERROR, TIMED_OUT, OUT_OF_MEMORY
 */
status fat32_check(struct fat32_volume *volume, bool repair, struct fat32_report *out_report);

/* ---- writing: fat32_write.c ---- */

/* Free clusters that are not promised to anybody. Given-up ones count. No wait; any context. */
uint32_t fat32_free_clusters(const struct fat32_volume *volume);
/*
 * Sets free clusters aside, for contents that are in memory yet; false: not so many are free. What
 * was taken is given back, or used up by fat32_chain_extend_promised. No wait; any context, without
 * the caller's exclusion.
 */
bool fat32_promise_take(struct fat32_volume *volume, uint32_t count);
void fat32_promise_give(struct fat32_volume *volume, uint32_t count);

/* Contents of files were written to the device by others: the next checkpoint makes them durable
 * before it writes any entry. No wait; any context, without the caller's exclusion. */
void fat32_data_written(struct fat32_volume *volume);
/* Everything changed so far is durable when it returns, in the order above. IO_ERROR, TIMED_OUT:
 * what was not written stays changed, and the next checkpoint tries again. PERMISSION_DENIED: there
 * are changes, and the volume is read-only. */
status fat32_checkpoint(struct fat32_volume *volume);
/* True when a checkpoint would write anything. */
bool fat32_is_changed(const struct fat32_volume *volume);
/* A checkpoint, then counts into FSInfo and the marks that it is clean. Later changes unmark it. */
status fat32_mark_clean(struct fat32_volume *volume);

/* One sector of directories as it is to be; `offset_bytes` on the volume, a multiple of the
 * device's sector size. */
struct fat32_sector_change {
    uint64_t offset_bytes;
    const uint8_t *bytes;
};
#define FAT32_JOURNAL_SECTORS_MAX 8u
/*
 * Replaces the sectors, all of them or none, as far as a later fat32_recover is concerned; in their
 * order. The bytes are the caller's own, not what fat32_volume_bytes answered. OK also when only
 * the journal holds them durably yet: the next checkpoint goes on. Statuses as for a checkpoint,
 * and OUT_OF_MEMORY; then nothing was changed.
 */
status fat32_journal_run(struct fat32_volume *volume, const struct fat32_sector_change *changes,
                         uint32_t count);

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
    uint32_t last_cluster;  /* 0: the chain is empty */
    bool is_damaged;        /* the chain ends in something that is no cluster, or never */
};
/* Where the chain begins; 0: nowhere. */
static inline uint32_t fat32_map_first(const struct fat32_map *map)
{
    return map->cluster_count == 0 ? 0 : map->runs[0].cluster;
}

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

/*
 * Makes the chain `cluster_count` long, or leaves it as it was. New clusters follow the last one if
 * they can, else they begin the first free stretch nearby that is large enough, else the longest
 * ones found. Their contents are whatever was there before (see fat32_directory_extend). A chain
 * with a pending cut makes a checkpoint first; so does a volume whose only free clusters are
 * pending. NO_SPACE            not so many are free PERMISSION_DENIED   the volume is read-only
 *   IO_ERROR (also: the chain is damaged), TIMED_OUT, OUT_OF_MEMORY
 */
status fat32_chain_extend(struct fat32_volume *volume, struct fat32_map *map,
                          uint32_t cluster_count);
/* The same; the new clusters are all promised ones, and the promise is used up on success. */
status fat32_chain_extend_promised(struct fat32_volume *volume, struct fat32_map *map,
                                   uint32_t cluster_count);
/*
 * Makes the chain at most `cluster_count` long; what is cut off is free after the next checkpoint.
 * The directory entry says so before this is called (see "Order"). Statuses as above, without
 * NO_SPACE; the chain is then as it was.
 */
status fat32_chain_cut(struct fat32_volume *volume, struct fat32_map *map, uint32_t cluster_count);
/* The same; what was cut off is promised to the caller, as before fat32_chain_extend_promised. */
status fat32_chain_cut_promised(struct fat32_volume *volume, struct fat32_map *map,
                                uint32_t cluster_count);
/* Writes one cluster of a directory that nothing refers to yet: `head` (up to one sector), then
 * zeros. IO_ERROR, TIMED_OUT, OUT_OF_MEMORY */
status fat32_cluster_initialise(struct fat32_volume *volume, uint32_t cluster, const uint8_t *head,
                                uint32_t head_bytes);
/* Makes a directory's chain one cluster longer, or leaves it as it was. The new cluster is on the
 * medium, full of zeros, before the table refers to it. Statuses as for fat32_chain_extend. */
status fat32_directory_extend(struct fat32_volume *volume, struct fat32_map *map);

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

/* ---- changing directories: fat32_edit.c ---- */

/*
 * An operation changes all it has to in memory, or nothing that anybody sees. It reads a directory
 * once from start to end, so its cost grows with that. Every function here may answer
 *   PERMISSION_DENIED   the volume is read-only
 *   IO_ERROR            also for an entry that is not where it was, and for damage
 *   TIMED_OUT, OUT_OF_MEMORY
 */

/* fat32_name.h says which names are refused. Times are stored to 2 s, creation to 10 ms. */
struct fat32_new_entry {
    text name; /* UTF-8 */
    bool is_directory;
    uint64_t created_ns; /* since 1970, both times */
};
/*
 * Adds an empty file, or a directory with its first cluster, "." and "..". `parent_cluster` is the
 * directory's own first cluster. The directory grows when it has no room; its short names stay
 * different from each other.
 *   ALREADY_EXISTS     the name, long or short, is taken (ignoring case)
 *   INVALID_ARGUMENT   FAT cannot hold the name
 *   NO_SPACE           the volume is full, or the directory has 65,536 slots, the most there may be
 */
status fat32_entry_create(struct fat32_volume *volume, struct fat32_map *directory,
                          uint32_t parent_cluster, const struct fat32_new_entry *what,
                          struct fat32_entry *out_entry);
/* Takes the entry away; its chain is the caller's to cut. */
status fat32_entry_remove(struct fat32_volume *volume, struct fat32_map *directory,
                          const struct fat32_entry *entry);
/* Writes size, first cluster, times and attributes of the entry to where it lies. */
status fat32_entry_update(struct fat32_volume *volume, const struct fat32_entry *entry);
/*
 * Moves an entry to another name, in the same or another directory (with the first cluster
 * `to_cluster`); the same name in other case will do. What the entry says comes from the disk.
 * `replaced`, if not nullptr, is the entry that has that name in `to`: it keeps its name and gets
 * the contents; its own chain is then the caller's to cut. A directory's ".." follows. *out_entry
 * is the entry as it is now; `entry` or `replaced` may be the same variable. Atomic for whoever
 * mounts the volume with fat32_recover.
 *
 * The caller sees to it that a directory does not move into itself, and that only a file takes the
 * place of a file, and a directory that of an empty directory. Statuses as for create.
 */
status fat32_entry_rename(struct fat32_volume *volume, struct fat32_map *from,
                          const struct fat32_entry *entry, struct fat32_map *to,
                          uint32_t to_cluster, text name, const struct fat32_entry *replaced,
                          struct fat32_entry *out_entry);
/* NOT_EMPTY   there is an entry besides "." and ".." */
status fat32_directory_check_empty(struct fat32_volume *volume, const struct fat32_map *map);
