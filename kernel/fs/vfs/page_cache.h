/*
 * The content of files in memory, page by page.
 *
 * Each vnode that has been read has a table of pages. A page found is copied under the table's
 * lock, so it needs no reference of its own; a page not found is filled, with the ones behind it,
 * under the vnode's fill_lock. Pages are given up when frames run out or the cache reaches its
 * bound: a hand goes round all pages and takes those not used since it last came by.
 *
 * Context: copy: any, never sleeps. fill, destroy: task; fill sleeps. reclaim: any, with any
 *          mutex held; does nothing under a spin lock.
 * Locking: LOCK_RANK_PAGE_CACHE for each table and for the round; never both, except by trying.
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

/* Gives all of a vnode's pages back. Nobody else uses the vnode any more. */
void page_cache_destroy(struct vnode *vnode);

/* Gives up to so many frames back; answers how many. */
uint64_t page_cache_reclaim(uint64_t frames_wanted);
uint64_t page_cache_pages(void);
