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
#include "cap/object.h"
#include "sched/mutex.h"
#include <abi/ops.h>

struct vnode;
struct page_cache;
struct block_device;
RESULT_TYPE(vnode_result, struct vnode *);

/* Called for each directory entry; false ends the enumeration (this entry was not taken). */
typedef bool directory_visitor(void *context, const struct abi_directory_entry *entry, text name);

/* Where bytes of a file lie: what direct transfers need. */
struct vnode_extent {
    struct block_device *device;
    uint64_t first_sector; /* in units of the device's sectors */
    uint64_t length_bytes; /* contiguous from there; a multiple of the sector size */
};

/* What a volume says about itself. */
struct vnode_volume_info {
    uint64_t total_bytes;
    uint64_t free_bytes; /* that are not promised to anybody */
    uint32_t cluster_bytes;
    uint32_t flags; /* ABI_VOLUME_... */
    text device;    /* name of the block device; empty: none */
};

/* Who asks: for file systems that answer each differently, or let him pay. */
struct vnode_requester {
    uint64_t process;           /* number; 0: the kernel */
    struct memory_quota *quota; /* borrowed; nullptr: the kernel's */
};

/* Those a file system does not have are nullptr: the vfs answers PERMISSION_DENIED for it (reads
 * and look-ups excepted, which exist for the kinds that have them). */
struct vnode_operations {
    text file_system; /* what people call it: "fat32" */

    /* One name in a directory, compared as the file system does. One reference. NOT_FOUND,
     * IO_ERROR, OUT_OF_MEMORY */
    vnode_result (*look_up)(struct vnode *directory, text name);
    /* In place of look_up where what is found is made for who asks, and not to be found again under
     * this name: it is in no cache of names. Also QUOTA_EXCEEDED. */
    vnode_result (*look_up_for)(struct vnode *directory, text name,
                                const struct vnode_requester *requester);
    /* Visits entries from the cookie on (0: the first), giving each the cookie of the next.
     * IO_ERROR */
    status (*enumerate)(struct vnode *directory, uint64_t cookie, directory_visitor *visit,
                        void *context);
    /* Fills `count` frames with the content of consecutive pages; what lies past the end, or past
     * what write_pages has ever been given, reads as zeros. fill_lock is held. IO_ERROR */
    status (*read_pages)(struct vnode *file, uint64_t first_page, uint32_t count,
                         const physical_address *frames);

    /*
     * No wait, any context: promises room, so that the file can grow to `size_bytes` by
     * write_pages. What the file has or was promised already counts; promises end with truncation
     * and release. NO_SPACE, PERMISSION_DENIED (read-only) OUT_OF_RANGE   larger than files may be
     *   WOULD_BLOCK    only `reserve` with may_wait can tell, in task context
     */
    status (*reserve)(struct vnode *file, uint64_t size_bytes, bool may_wait);
    /*
     * Writes consecutive pages to where they belong, making room there: data reaches the device,
     * the rest is noted and reaches it with the next sync. Called with fill_lock held, for
     * ascending pages of the file that were changed; all pages behind the size on the disk are
     * among them, so that this size grows without ever covering what was not written. Bytes behind
     * the vnode's size are not the file's.   IO_ERROR, TIMED_OUT, NO_SPACE, OUT_OF_MEMORY
     */
    status (*write_pages)(struct vnode *file, uint64_t first_page, uint32_t count,
                          const physical_address *frames);
    /* Makes the file shorter on the disk, if it is longer there. fill_lock is held, no pages behind
     * it are in memory, no direct transfer is under way. IO_ERROR, ... */
    status (*truncate)(struct vnode *file, uint64_t size_bytes);
    /* All of the volume's metadata, and with it what write_pages wrote, is durable when it returns.
     * Nothing of the vnode is locked. IO_ERROR, TIMED_OUT */
    status (*sync)(struct vnode *any);
    /* As `sync`, and then the volume says of itself that it was unmounted in order; later changes
     * take that back. For the end of the machine. */
    status (*mark_clean)(struct vnode *any);
    /* Where the bytes from `offset` on lie, as far as they are contiguous and on the disk.
     * WOULD_BLOCK when !may_wait and it is not known without reading. IO_ERROR, NOT_FOUND (not
     * allocated yet) */
    status (*locate)(struct vnode *file, uint64_t offset_bytes, uint64_t length_bytes,
                     bool may_wait, struct vnode_extent *out_extent);
    /* Any context, no wait: a direct transfer into the file has ended, whatever its outcome. The
     * next `sync` makes it durable; version and time of the vnode are changed already. May be
     * nullptr. */
    void (*direct_written)(struct vnode *file);

    /* A new, empty file or directory, one reference. ALREADY_EXISTS, INVALID_ARGUMENT (no name for
     * this file system), NO_SPACE, PERMISSION_DENIED, IO_ERROR, OUT_OF_MEMORY */
    vnode_result (*create)(struct vnode *directory, text name, enum abi_kind kind);
    /* Takes the name away; the file goes when its last reference does. `kind` is what it must be,
     * or ABI_KIND_COUNT for either. NOT_FOUND, NOT_EMPTY, PERMISSION_DENIED, IO_ERROR */
    status (*remove)(struct vnode *directory, text name, enum abi_kind kind);
    /*
     * Both directories are of one volume. Replaces a file of the new name by a file, and an empty
     * directory by a directory, unless `keep`. What was replaced goes when its last reference does.
     *   NOT_FOUND, ALREADY_EXISTS (keep, or of the other kind), NOT_EMPTY
     *   INVALID_ARGUMENT   into itself or below itself; no name for this file system
     *   NO_SPACE, PERMISSION_DENIED, IO_ERROR
     */
    status (*rename)(struct vnode *from, text name, struct vnode *to, text new_name, bool keep);
    /* Nanoseconds since 1970. Without it times do not change. */
    status (*set_modified)(struct vnode *vnode, uint64_t modified_ns);
    /* No wait. */
    void (*volume_info)(const struct vnode *vnode, struct vnode_volume_info *out_info);

    /*
     * Opening what is no file and no directory: the object that a handle is to name, one reference.
     * For vnodes whose kind is another one.
     */
    object_result (*open)(struct vnode *vnode);

    /*
     * Last reference gone, pages written or not wanted any more and given back: forget and free it.
     * Must not sleep. Whoever finds the vnode in a table of the file system's until then gets it
     * with vnode_get_try only.
     */
    void (*release)(struct vnode *vnode);
};

struct vnode {
    /* Fixed at creation. */
    const struct vnode_operations *operations;
    void *volume;      /* the file system's */
    uint64_t identity; /* unique among all vnodes ever, the same for this one's life */
    uint64_t volume_number;
    enum abi_kind kind; /* file or directory, or what `open` makes */

    _Atomic uint32_t references;
    _Atomic uint64_t size_bytes;  /* files: changed by the page cache, see there */
    _Atomic uint64_t version;     /* changes with the content */
    _Atomic uint64_t modified_ns; /* real time */
    uint64_t created_ns;
    uint32_t attributes;               /* ABI_ATTRIBUTE_... */
    _Atomic bool is_removed;           /* no name leads to it any more: nothing need be written */
    _Atomic uint32_t write_error;      /* of the last write-back that failed: write_error.h */
    _Atomic uint32_t direct_transfers; /* under way; truncation waits for 0 */

    mutex write_lock; /* LOCK_RANK_FILE_SIZE: whoever changes the size or writes at a position */
    mutex fill_lock;  /* LOCK_RANK_VNODE: one fills or hands over at a time */
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
