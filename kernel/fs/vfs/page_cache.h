/*
 * The content of files in memory, page by page.
 *
 * Each vnode that has been read or written has a table of pages. Pages are copied under the table's
 * lock, so they need no references of their own; a page not found is filled, with the ones behind
 * it, under the vnode's fill_lock. A page that was written to is *dirty* until it has been handed
 * to the file system; one that is being handed over is *writing* and stays in memory meanwhile;
 * written to again it is dirty again. Dirty pages are handed over in ascending order, as many as
 * belong together at once, by whoever syncs or closes, by a writer thread that comes by every
 * second, and by those who write when a share of memory is dirty. A vnode with dirty pages has a
 * reference of the cache's.
 *
 * The size of a file is what the cache says, and changes under the table's lock; readers are cut to
 * it under the same lock, so that they never see what was behind an end. What the file system has
 * of it, *stored*, may be less: all pages behind that are dirty. Bytes of a page behind the file's
 * end are zero.
 *
 * Clean pages are given up when frames run out or the cache reaches its bound: a hand goes round
 * all pages and takes those not used since it last came by. Dirty ones make it wake the writer.
 *
 * A hand-over that fails leaves its pages dirty, and is tried again; the status is kept in
 * vnode->write_error until everybody who has the file open has been told. What the writer thread
 * has failed with PAGE_CACHE_WRITE_ATTEMPTS times in a row is dropped, with a line in the log.
 *
 * Sequential reading is noticed, and then pages are read before they are asked for.
 *
 * Context: read, copy, put: task, never sleep. fill, write, cut, direct_begin, destroy: task; they
 *          sleep. reclaim: any, with any mutex held; does nothing under a spin lock, writes
 * nothing. Locking: LOCK_RANK_PAGE_CACHE for each table and for the round, never two, except by
 * trying; LOCK_RANK_DIRTY_FILES for the list of vnodes with dirty pages, inside. Cost:    a page
 * that is there: constant. Memory: 8 bytes a page in stretches of 64 that are used.
 */
#pragma once
#include "fs/vfs/vnode.h"
#include "vm/buffer.h"

/* How much a fill reads, or a hand-over writes, at most, in one request. */
#define PAGE_CACHE_READ_AHEAD_PAGES 32u
#define PAGE_CACHE_WRITE_PAGES      32u
#define PAGE_CACHE_WRITE_ATTEMPTS   10u

/* Boot: bounds the cache and offers its pages when frames run out. */
void page_cache_init(void);
/* Boot, when there are threads: from now on pages are read ahead and dirty ones written by
 * themselves. OUT_OF_MEMORY */
status page_cache_start(void);

/* ---- copying ---- */

/* A copy on its way: what is still to be done of it. */
struct page_transfer {
    struct vnode *vnode;
    uint64_t offset;       /* in the file */
    uint64_t length;       /* bytes still to be copied */
    struct buffer *buffer; /* borrowed; for put, nullptr means zeros */
    uint64_t at;           /* in the buffer; the range lies inside it */
};

/*
 * Copies from the file to the buffer. OK: all of it, or up to the file's end, which is where
 * transfer->length is not 0 then.
 *   WOULD_BLOCK     the page at transfer->offset is not in memory
 *   OUT_OF_MEMORY   for a page of the buffer
 *   INTERRUPTED     the calling thread is to end
 */
status page_cache_read(struct page_transfer *transfer);
/* One whole page of the file, the usual case of the above, to a frame. False, and nothing: ask
 * page_cache_read. */
bool page_cache_read_page(struct vnode *vnode, uint64_t page, physical_address to);
/*
 * Copies to kernel memory what lies inside one page.
 *   WOULD_BLOCK    the page is not in memory
 *   OUT_OF_RANGE   it is not all inside the file
 */
status page_cache_copy(struct vnode *vnode, uint64_t offset, uint64_t length, void *to);

/*
 * Brings one page into memory, unless it is there or the file ends before it, and some that follow
 * it.
 *   IO_ERROR, OUT_OF_MEMORY
 */
status page_cache_fill(struct vnode *vnode, uint64_t page);

/*
 * Copies from the buffer to the file, whose pages become dirty. With may_grow the file grows as it
 * is needed; the caller has write_lock then, and has reserved the room.
 *   WOULD_BLOCK     the page at transfer->offset is not in memory, and not written whole
 *   OUT_OF_RANGE    the file ends before, or what is to be written would make it longer and may not
 *   OUT_OF_MEMORY, INTERRUPTED
 */
status page_cache_put(struct page_transfer *transfer, bool may_grow);

/* ---- writing back ---- */

/* Whether any page of it is dirty or writing. A hint, unless the caller excludes others. */
bool page_cache_is_dirty(struct vnode *vnode);
/* Whether so many more pages may become dirty at once. */
bool page_cache_has_room(uint64_t dirty_pages);
/* Waits for that, and hands pages over itself. IO_ERROR and the like, of the vnode's own;
 * OUT_OF_MEMORY: nothing becomes clean. */
status page_cache_make_room(struct vnode *vnode, uint64_t dirty_pages);

/* Hands over what is dirty now, and waits for it. The first error, which is in write_error, too. */
status page_cache_write(struct vnode *vnode);
/* The same for all vnodes of a volume, or of all when it is VOLUME_ANY. How many failed. */
#define VOLUME_ANY UINT64_MAX
uint32_t page_cache_write_all(uint64_t volume_number);
/* For whoever is about to drop a reference to a vnode without names: when it is the last beside
 * the cache's own, what is dirty will never be needed. True: so it was. */
bool page_cache_forget_removed(struct vnode *vnode);

/*
 * Makes the file shorter; what was behind its end is dropped, dirty or not. Waits for direct
 * transfers to end. The caller has write_lock. Statuses of `truncate`, which is tried again later
 * when it failed; and OUT_OF_MEMORY, or IO_ERROR because pages were given up and the file is
 * shorter than that by now, when nothing was done.
 */
status page_cache_cut(struct vnode *vnode, uint64_t size_bytes);

/*
 * For direct transfers: hands over dirty pages of the range and, with `drop`, forgets all its
 * pages. Until page_cache_direct_end() nothing is cut. Every OK is followed by that, with the same
 * range. WOULD_BLOCK   !may_wait, and there is something to do or somebody busy others        of
 * the hand-over
 */
status page_cache_direct_begin(struct vnode *vnode, uint64_t offset, uint64_t length, bool drop,
                               bool may_wait);
/* Any context. With `drop`, forgets what was filled meanwhile. */
void page_cache_direct_end(struct vnode *vnode, uint64_t offset, uint64_t length, bool drop);

/* Gives all of a vnode's pages back. Nobody else uses the vnode any more. */
void page_cache_destroy(struct vnode *vnode);

/* Gives up to so many frames back; answers how many. */
uint64_t page_cache_reclaim(uint64_t frames_wanted);
uint64_t page_cache_pages(void);
uint64_t page_cache_dirty_pages(void);
