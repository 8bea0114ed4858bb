/*
 * One file or directory of one volume, as a file system provides it to the vfs.
 *
 * Context: operations run in task context and may sleep. The vfs serialises nothing for them: a
 * file system takes its own volume mutex.
 */
#pragma once
#include "base/address.h"
#include "base/list.h"
#include "base/status.h"
#include "base/text.h"
#include "sched/mutex.h"
#include <abi/ops.h>

struct vnode;
struct page_cache;
RESULT_TYPE(vnode_result, struct vnode *);

/* Called for each directory entry; false ends the enumeration (this entry was not taken). */
typedef bool directory_visitor(void *context, const struct abi_directory_entry *entry, text name);

struct vnode_operations {
    /* One name in a directory, compared as the file system does. One reference. NOT_FOUND,
     * IO_ERROR, OUT_OF_MEMORY */
    vnode_result (*look_up)(struct vnode *directory, text name);
    /* Visits entries from the cookie on (0: the first), giving each the cookie of the next.
     * IO_ERROR */
    status (*enumerate)(struct vnode *directory, uint64_t cookie, directory_visitor *visit,
                        void *context);
    /* Fills `count` frames with the content of consecutive pages; what lies past the end reads as
     * zeros. IO_ERROR */
    status (*read_pages)(struct vnode *file, uint64_t first_page, uint32_t count,
                         const physical_address *frames);
    /*
     * Last reference gone, pages given back: forget and free it. Must not sleep. Whoever finds the
     * vnode in a table of the file system's until then gets it with vnode_get_try only.
     */
    void (*release)(struct vnode *vnode);
};

struct vnode {
    /* Fixed at creation. */
    const struct vnode_operations *operations;
    void *volume;      /* the file system's */
    uint64_t identity; /* unique among all vnodes ever, the same while the file exists */
    uint64_t volume_number;
    enum abi_kind kind; /* file or directory */

    _Atomic uint32_t references;
    _Atomic uint64_t size_bytes;
    _Atomic uint64_t version; /* changes with the content */
    uint64_t modified_ns;     /* real time */
    uint64_t created_ns;
    uint32_t attributes; /* ABI_ATTRIBUTE_... */

    mutex fill_lock;                    /* LOCK_RANK_VNODE: one filler at a time */
    _Atomic(struct page_cache *) pages; /* the vfs's; nullptr until the first read */
};

/* What makes identities unique: the volume, and a number the volume gives, below 2^48. */
static inline uint64_t vnode_identity(uint64_t volume_number, uint64_t number)
{
    return volume_number << 48 | number;
}

/* One reference, for the caller; everything else zero. */
void vnode_init(struct vnode *vnode, const struct vnode_operations *operations, enum abi_kind kind);
void vnode_get(struct vnode *vnode);
/* False, and nothing, when the last reference is gone. */
[[nodiscard]] bool vnode_get_try(struct vnode *vnode);
/* Never sleeps. */
void vnode_put(struct vnode *vnode);

typedef struct vnode *vnode_owner;
static inline void vnode_owner_drop(vnode_owner *owner)
{
    if (*owner != nullptr) vnode_put(*owner);
}
