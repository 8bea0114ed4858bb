/*
 * Files and directories, whatever file system holds them.
 *
 * A *vnode* is one file or directory of one volume; while anybody refers to it there is one struct
 * for it, so that all handles see the same size and pages. An open *file* is a vnode and a
 * position; an open *directory* is a vnode. Both are objects that handles name. A vnode's content
 * is cached page by page.
 *
 * Context: task; what is marked "no wait" never sleeps, the rest may wait for a disk.
 * Locking: LOCK_RANK_VOLUME (mutex) around a file system's structures, LOCK_RANK_FILE_SIZE (mutex)
 * while a file's size changes, LOCK_RANK_VNODE (mutex) while pages are filled or handed over,
 * LOCK_RANK_PAGE_CACHE and LOCK_RANK_FILE (spin) for look-ups. A position is atomic: a read at it
 * claims its bytes when it is done, and is done again if another was faster.
 */
#pragma once
#include "base/text.h"
#include "cap/object.h"
#include "fs/vfs/vnode.h"
#include "vm/buffer.h"

/* ---- opening ---- */

/*
 * Walks `path`, names separated by '/', from the directory, and opens what it finds: an object of
 * kind file or directory, one reference. Empty names, "." , ".." and a leading '/' are refused.
 *   NOT_FOUND           a name does not exist, or is not a directory where one is needed
 *   PERMISSION_DENIED   the path tries to leave the directory
 *   INVALID_ARGUMENT    not UTF-8, NUL, empty, or too long a name
 *   IO_ERROR, OUT_OF_MEMORY
 */
object_result vfs_open(struct object *directory, text path);
/* The same, for somebody: see look_up_for in fs/vfs/vnode.h. vfs_open is for the kernel. */
object_result vfs_open_for(struct object *directory, text path,
                           const struct vnode_requester *requester);
/* No wait: as vfs_open when every name on the way is in the name cache; else WOULD_BLOCK. */
object_result vfs_open_cached(struct object *directory, text path);

/*
 * Names changed. The path's last name is the one that is made, taken away or moved; those before it
 * are walked as vfs_open does. Sleep. Statuses of the vnode's operations, besides vfs_open's.
 * vfs_rename: PERMISSION_DENIED between volumes (the caller copies).
 */
object_result vfs_create(struct object *directory, text path, enum abi_kind kind);
status vfs_remove(struct object *directory, text path, enum abi_kind kind);
status vfs_rename(struct object *from, text path, struct object *to, text new_path, bool keep);
status vfs_set_modified(struct object *file_or_directory, uint64_t modified_ns);

/* A directory object for the root of a volume, or of the synthetic root. */
object_result vfs_open_vnode(struct vnode *vnode);
struct vnode *vfs_vnode(struct object *file_or_directory);

/* ---- files ---- */

/*
 * Copies bytes from the file into a buffer. Answers how many; fewer than asked for means end of
 * file. offset ABI_OFFSET_CURRENT reads at the position and moves it.
 *   IO_ERROR, OUT_OF_MEMORY, INTERRUPTED
 *   WOULD_BLOCK   (cached, no wait) some page is not in memory; nothing but the span was changed
 */
size_result vfs_read_cached(struct object *file, uint64_t offset, const buffer_pin *to);
size_result vfs_read(struct object *file, uint64_t offset, const buffer_pin *to);
/*
 * Copies bytes from a buffer into the file, which grows as needed. Answers how many: all, unless
 * room or memory ran out on the way. offset ABI_OFFSET_CURRENT writes at the position and moves it;
 * with `append` the bytes go to the end, wherever that is when they get there, and the position
 * behind them. Two writers at once: each page has the bytes of one or the other. A gap between the
 * end and the offset reads as zeros, and takes room.
 *   NO_SPACE, OUT_OF_RANGE (the file would be too large), PERMISSION_DENIED (read-only volume)
 *   IO_ERROR, OUT_OF_MEMORY, INTERRUPTED
 *   WOULD_BLOCK   (cached, no wait) go on with vfs_write; the value says how much was done already
 */
size_result vfs_write_cached(struct object *file, uint64_t offset, bool append,
                             const buffer_pin *from);
size_result vfs_write(struct object *file, uint64_t offset, bool append, const buffer_pin *from);
/* Sleeps. NO_SPACE, OUT_OF_RANGE, PERMISSION_DENIED, IO_ERROR */
size_result vfs_truncate(struct object *file, uint64_t size_bytes);
/* Sleeps. Of a file: its content and what is needed to reach it; of a directory: the whole volume.
 * Answers with what write-backs since the last sync or close of this open file failed with, too. */
status vfs_sync(struct object *file_or_directory);
/* Sleeps. At the end of a handle that could write: hands over what is dirty, without waiting for
 * the medium. As vfs_sync answers. vfs_close_needs_wait: whether there is anything to do. */
bool vfs_close_needs_wait(struct object *file);
status vfs_close(struct object *file);
/* Every volume, for power-off: everything durable, every volume marked clean. Sleeps. */
void vfs_sync_all(void);

/*
 * Direct transfers: past the cache, and coherent with it. Begin answers where the bytes lie; the
 * length is cut to the file and to one extent, and is a multiple of the device's sectors. OK with
 * length 0: nothing here can go directly (the end of the file, or a part of a sector in front of
 * it), and nothing has begun: copy with vfs_read or vfs_write. Every OK with a length is followed
 * by vfs_direct_end with the same range, when the device is done with it; end: any context, no
 * wait. INVALID_ARGUMENT    offset or length is no multiple of the device's sectors
 *   PERMISSION_DENIED   there is no device behind this file, or it is read-only
 *   NO_SPACE, OUT_OF_RANGE, IO_ERROR, OUT_OF_MEMORY, INTERRUPTED
 *   WOULD_BLOCK         only when !may_wait
 * A write that ends behind the end makes the file larger first, with zeros.
 *
 * A direct write and a cached one at the same time must not touch the same page, not even different
 * bytes of it: the cached one may write back what was there before the direct one. Programs order
 * them; one that begins when the other has completed always sees it.
 */
status vfs_direct_begin(struct object *file, uint64_t offset, uint64_t length, bool is_write,
                        bool may_wait, struct vnode_extent *out_extent);
void vfs_direct_end(struct object *file, uint64_t offset, uint64_t length, bool is_write);

/* Into kernel memory, for programs' images. Sleeps. Clamped to the file likewise. */
size_result vfs_read_kernel(struct vnode *vnode, uint64_t offset, void *to, uint64_t length);
/* No wait. The new position, clamped to the file. INVALID_ARGUMENT for an unknown whence. */
size_result vfs_seek(struct object *file, int64_t offset, uint32_t whence);

/* No wait. Size and the file's part; not kind, rights and object. */
void vfs_fill_stat(struct object *file_or_directory, struct abi_stat *stat);

/* ---- directories ---- */

/*
 * Packs struct abi_directory_entry records into `to`, from the cookie on. Answers bytes; 0 at the
 * end.
 *   OUT_OF_RANGE   not even one record fits
 *   IO_ERROR, OUT_OF_MEMORY
 */
size_result vfs_enumerate(struct object *directory, uint64_t cookie, const buffer_pin *to);

/* ---- volumes ---- */

/* Boot. The synthetic root: a read-only directory whose entries are volumes. */
status vfs_init(void);
struct vnode *vfs_root(void);
/* A number no other volume has. */
uint64_t vfs_take_volume_number(void);
/*
 * Shows a volume's root directory in the synthetic root as `name`. Takes a reference.
 *   ALREADY_EXISTS
 *   OUT_OF_MEMORY   VFS_VOLUMES_MAX volumes are shown already
 *   OUT_OF_RANGE    the name is longer than VFS_VOLUME_NAME_BYTES_MAX
 */
#define VFS_VOLUMES_MAX           36u
#define VFS_VOLUME_NAME_BYTES_MAX 31u
status vfs_add_volume(text name, struct vnode *root);
/* A volume in the synthetic root, by its place there; they keep it. False: there are fewer. */
struct vfs_volume {
    char name[VFS_VOLUME_NAME_BYTES_MAX];
    uint8_t name_bytes;
    struct vnode *root; /* borrowed: a volume stays */
};
bool vfs_volume_at(uint64_t index, struct vfs_volume *out_volume);
/* Memory that holds file contents and is given up when frames run out. */
uint64_t vfs_cache_bytes(void);
