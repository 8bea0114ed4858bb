/*
 * The content of files in memory, page by page.
 *
 * Each vnode that has been read or written has a table of pages. A page found is copied under the
 * table's lock, so it needs no reference of its own; a page not found is filled, with the ones
 * behind it, under the vnode's fill_lock. A page that was written to is *dirty* until it has been
 * handed to the file system; one that is being handed over is *writing* and stays in memory
 * meanwhile; written to again it is dirty again. Dirty pages are handed over in ascending order, as
 * many as belong together at once, by whoever syncs or closes, by a worker that comes by every
 * second, and by writers when a share of memory is dirty. A vnode with dirty pages has a reference
 * of the cache's.
 *
 * Clean pages are given up when frames run out or the cache reaches its bound: a hand goes round
 * all pages and takes those not used since it last came by. Dirty ones make it wake the worker.
 *
 * A hand-over that fails leaves its pages dirty, and is tried again later, except for what can
 * never work; the status is kept in vnode->write_error until a sync or close tells of it. After
 * WRITE_ATTEMPTS_MAX failures in a row without anybody asking the pages are dropped, with a line in
 * the log.
 *
 * Context: copy, put: any, never sleep. fill, write, cut, destroy: task; they sleep. reclaim: any,
 *          with any mutex held; does nothing under a spin lock, writes nothing.
 * Locking: LOCK_RANK_PAGE_CACHE for each table, for the round and for the list of vnodes with dirty
 *          pages; never two, except by trying.
 * Cost:    a page that is there: constant. Memory: 8 bytes a page in stretches of 64 that are used.
 */
#pragma once
#include "fs/vfs/vnode.h"

/* How much a fill reads at most, in one request. */
#define PAGE_CACHE_READ_AHEAD_PAGES 16u

/* Boot: bounds the cache and offers its pages when frames run out. */
void page_cache_init(void);

/*
 * Copies bytes that lie inside one page of the file, and inside the file.
 *   WOULD_BLOCK   the page is not in memory
 */
status page_cache_copy(struct vnode *vnode, uint64_t offset, uint64_t length, void *to);

/*
 * Brings one page into memory, unless it is there, and some that follow it.
 *   IO_ERROR, OUT_OF_MEMORY
 */
status page_cache_fill(struct vnode *vnode, uint64_t page);

/*
 * Copies bytes into one page of the file and makes it dirty; the file grows if they end behind its
 * end, for which the caller has reserved room.
 *   WOULD_BLOCK   the page is not in memory and not written whole; or too much is dirty
 *   OUT_OF_MEMORY
 */
status page_cache_put(struct vnode *vnode, uint64_t offset, uint64_t length, const void *from);

/* Hands over all dirty pages and waits for it. The first error; see write_error above. */
status page_cache_write(struct vnode *vnode);
/* Sets the file's size, drops what is behind it and zeroes the rest of the last page; what was
 * dirty there is not written. Waits for direct transfers to end. Holds fill_lock, calls `truncate`.
 */
status page_cache_cut(struct vnode *vnode, uint64_t size_bytes);
/* For direct transfers: hands over dirty pages of the range and, with `drop`, forgets all its
 * pages. Until page_cache_direct_end() no cut returns. WOULD_BLOCK when !may_wait and there is
 * something to do. */
status page_cache_direct_begin(struct vnode *vnode, uint64_t offset, uint64_t length, bool drop,
                               bool may_wait);
void page_cache_direct_end(struct vnode *vnode);
/* Everything that is dirty on all volumes; tells how many vnodes could not be written. */
uint32_t page_cache_write_all(void);
uint64_t page_cache_dirty_pages(void);

/* Gives all of a vnode's pages back. Nobody else uses the vnode any more. */
void page_cache_destroy(struct vnode *vnode);

/* Gives up to so many frames back; answers how many. */
uint64_t page_cache_reclaim(uint64_t frames_wanted);
uint64_t page_cache_pages(void);
