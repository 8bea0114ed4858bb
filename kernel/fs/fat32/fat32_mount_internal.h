/*
 * What the files of a mounted volume share: the volume, and its nodes.
 *
 * Locking: the volume's mutex guards the core, the nodes' chains and where their entries lie, so
 * that a look-up and a change of names exclude each other: of two renames that cross, one comes
 * first, and no order between two directories is needed. The spin lock guards the table of nodes
 * and the list of what is left to do for those that nobody refers to any more, so that the last
 * reference can go without sleeping. File contents are moved without the mutex: the vfs holds the
 * file's fill_lock or counts a direct transfer meanwhile, and only `truncate`, for which it
 * excludes both, and the end of the last reference give clusters of a file up.
 */
#pragma once
#include "fs/fat32/fat32_core.h"
#include "fs/vfs/vnode.h"
#include "sched/worker.h"
#include "sync/spin_lock.h"
#include "time/timer_queue.h"

#define NODE_BUCKETS     64u
#define POSITION_OF_ROOT 1u /* in the boot sector, where no entry lies */
#define FILE_BYTES_MAX   UINT32_MAX

/* Work in the background that is still to be begun. */
enum mount_work : uint8_t {
    MOUNT_WORK_NONE,   /* the timer is idle, and the work the mount's own */
    MOUNT_WORK_TIMED,  /* the timer is armed, or its function has not come far */
    MOUNT_WORK_QUEUED, /* the work is the queue's */
};

struct mount {
    /* Fixed at creation. */
    struct block_device *device;
    uint64_t volume_number;
    uint64_t total_bytes;
    uint32_t cluster_bytes;

    mutex lock; /* LOCK_RANK_VOLUME */
    struct fat32_volume core GUARDED_BY(lock);
    uint64_t nodes_made GUARDED_BY(lock); /* identities given out */

    spin_lock nodes_lock; /* LOCK_RANK_FILE */
    struct list nodes[NODE_BUCKETS] GUARDED_BY(nodes_lock);
    struct list doomed GUARDED_BY(nodes_lock);  /* nodes whose chains are to be given up */
    struct list touched GUARDED_BY(nodes_lock); /* nodes to be stored, each with a reference */
    enum mount_work work_state GUARDED_BY(nodes_lock);
    uint32_t workers GUARDED_BY(nodes_lock); /* that are at it */
    bool is_ending GUARDED_BY(nodes_lock);   /* no more work is begun */
    struct timer timer;                      /* armed and cancelled with nodes_lock held */
    struct work work;

    /* As the core says, for those without the mutex: ABI_VOLUME_.... Relaxed: tells, orders
     * nothing.
     */
    _Atomic uint32_t flags;
};

/* Clusters of a file. `has` is what its chain has, as far as known, `promised` what it may still
 * take: one word, so that both change at once. */
struct node_room {
    uint32_t has;
    uint32_t promised;
};

struct node {
    struct vnode vnode;
    /* Guarded by nodes_lock. */
    struct list in_bucket; /* or in mount->doomed */
    struct list in_touched;
    bool is_touched;
    /* Of its entry, counted in entries. Changes with renames: guarded by the mutex and nodes_lock.
     */
    uint64_t position;
    _Atomic struct node_room room; /* relaxed: counts */

    /* Guarded by the volume's mutex. */
    uint32_t first_cluster;
    uint8_t attributes; /* as on the disk */
    bool has_map;
    struct fat32_map map;
    /* What the entry says; 0 for directories. Written with fill_lock held, too. */
    _Atomic uint32_t stored_bytes;
};

RESULT_TYPE(node_result, struct node *);

static inline struct node *node_of(struct vnode *vnode)
{
    return container_of(vnode, struct node, vnode);
}
static inline struct mount *mount_of(const struct vnode *vnode)
{
    return vnode->volume;
}
static inline bool node_is_removed(struct node *node)
{
    /* Relaxed: the mutex orders it. */
    return atomic_load_explicit(&node->vnode.is_removed, memory_order_relaxed);
}

/* ---- fat32_mount.c ---- */

void mount_acquire(struct mount *mount) ACQUIRES(mount->lock);
void mount_release(struct mount *mount) RELEASES(mount->lock);
/* Something was changed, or a node is doomed: the worker comes by, at once or within a second. Any
 * context. */
void mount_wake(struct mount *mount, bool at_once);
static inline bool mount_is_read_only(const struct mount *mount)
{
    return (atomic_load_explicit(&mount->flags, memory_order_relaxed) & ABI_VOLUME_READ_ONLY) != 0;
}

/* ---- fat32_node.c: all with the mutex, unless they say otherwise ---- */

extern const struct vnode_operations fat32_node_operations;

/* A node of no place yet, one reference. nullptr: no memory. */
struct node *node_create(struct mount *mount) REQUIRES(mount->lock);
/* What the entry says, and into the table. Once. */
void node_publish(struct mount *mount, struct node *node, const struct fat32_entry *entry)
    REQUIRES(mount->lock);
/* The node of the entry, with a reference: there already, or nullptr. Without the mutex, too. */
struct node *node_find(struct mount *mount, uint64_t position);
/* The same, made if need be. Of a directory, whether it is where `parent` says. */
node_result node_open(struct mount *mount, struct node *parent, const struct fat32_entry *entry)
    REQUIRES(mount->lock);
/* Its entry lies somewhere else. */
void node_move(struct mount *mount, struct node *node, uint64_t position) REQUIRES(mount->lock);
/* No name leads to it any more: what it has is given up with its last reference. */
void node_remove(struct mount *mount, struct node *node) REQUIRES(mount->lock);
/* The chain, followed when it is first needed. */
status node_load_map(struct mount *mount, struct node *node) REQUIRES(mount->lock);
/* Writes what the node says of itself into its entry, if it has one. */
status node_store(struct mount *mount, struct node *node) REQUIRES(mount->lock);
/* Its content was changed past write_pages: its entry will be stored. Any context, no lock. */
void node_touch(struct vnode *vnode);
/* Stores what was touched. */
void nodes_store_touched(struct mount *mount) REQUIRES(mount->lock);
/* Gives the chains of those up that nobody refers to any more: that is room for others at once. */
void nodes_bury(struct mount *mount) REQUIRES(mount->lock);
/* NOT_FOUND for a directory that was removed; else its chain is there. */
status node_enter_directory(struct mount *mount, struct node *directory) REQUIRES(mount->lock);

/* ---- fat32_file.c, fat32_names.c: see struct vnode_operations ---- */

status fat32_read_pages(struct vnode *vnode, uint64_t first_page, uint32_t count,
                        const physical_address *frames);
status fat32_reserve(struct vnode *vnode, uint64_t size_bytes, bool may_wait);
status fat32_write_pages(struct vnode *vnode, uint64_t first_page, uint32_t count,
                         const physical_address *frames);
status fat32_truncate(struct vnode *vnode, uint64_t size_bytes);
void fat32_direct_written(struct vnode *vnode);
status fat32_file_locate(struct vnode *vnode, uint64_t offset_bytes, uint64_t length_bytes,
                         bool may_wait, struct vnode_extent *out_extent);
/* Gives back what was promised beyond so many clusters. Any context. */
void fat32_room_trim(struct node *node, uint32_t clusters);

vnode_result fat32_create(struct vnode *directory, text name, enum abi_kind kind);
status fat32_remove(struct vnode *directory, text name, enum abi_kind kind);
status fat32_rename(struct vnode *from, text name, struct vnode *to, text new_name, bool keep);
status fat32_set_modified(struct vnode *vnode, uint64_t modified_ns);
