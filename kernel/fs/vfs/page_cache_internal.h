/*
 * What the files of the page cache share and nobody else needs.
 *
 * page_cache.c         the tables, reading, filling, giving up
 * page_cache_change.c  putting, cutting, direct transfers
 * page_cache_write.c   handing over, the list of vnodes with dirty pages, the writer thread
 */
#pragma once
#include "fs/vfs/page_cache.h"
#include "sched/worker.h"
#include "sync/spin_lock.h"

#define STRETCH_PAGES 64u

/* A page's entry is its frame's address, which leaves the low bits free; 0: not in memory. */
#define ENTRY_USED    1ull /* since the hand last came by */
#define ENTRY_TRIGGER 2ull /* whoever reads this page has the next ones read ahead */
#define ENTRY_FLAGS   (PAGE_BYTES - 1)

struct page_stretch {
    struct list in_round; /* guarded by the round's lock */
    struct page_cache *cache;
    /* Guarded by the cache's lock. */
    uint64_t entries[STRETCH_PAGES];
    uint64_t dirty;   /* a bit per page: it was put to since it was handed over */
    uint64_t writing; /* it is being handed over */
};

struct page_cache {
    /* Fixed at creation. */
    struct vnode *vnode;

    spin_lock lock; /* LOCK_RANK_PAGE_CACHE; also guards changes of the vnode's size */
    uint64_t stretch_count GUARDED_BY(lock);
    struct page_stretch **stretches GUARDED_BY(lock);
    uint64_t dirty_pages GUARDED_BY(lock); /* dirty, writing, or both */
    /* All of those lie in these stretches, both included. */
    uint64_t dirty_first GUARDED_BY(lock), dirty_last GUARDED_BY(lock);
    /* Among the dirty files, with a reference to the vnode; written with the lock held. */
    _Atomic bool is_listed;
    bool is_cut_due GUARDED_BY(lock); /* the file system has not done the last `truncate` */
    bool is_ahead GUARDED_BY(lock);   /* `ahead` is queued or runs, with a reference */
    /* What is being read, if filling_count is not 0, and whether it was overwritten meanwhile. */
    uint64_t filling_first GUARDED_BY(lock);
    uint32_t filling_count GUARDED_BY(lock);
    bool filling_is_stale GUARDED_BY(lock);

    /* Guarded by the vnode's fill_lock. */
    uint64_t expected_page; /* where reading goes on if it is sequential */
    uint32_t window_pages;  /* how much was read last */
    uint32_t failures;      /* of the writer thread, in a row */
    uint64_t stored_bytes;  /* the size that the file system knows of */

    struct work ahead; /* owned by whoever set is_ahead */
    /* Guarded by the lock of the list of dirty files. */
    struct list in_dirty_files;
    uint64_t listed_in_pass; /* the pass that it is not, or no more, to be seen in */
};

/* ---- page_cache.c ---- */

/* The vnode's table, or nullptr. */
static inline struct page_cache *page_cache_find(struct vnode *vnode)
{
    /* Pairs with the release in page_cache_make(). */
    return atomic_load_explicit(&vnode->pages, memory_order_acquire);
}
/* The vnode's table, made if there is none; nullptr: no memory. */
struct page_cache *page_cache_make(struct vnode *vnode);
/* Makes the stretches that pages first..first+count need. OUT_OF_MEMORY */
status page_cache_make_stretches(struct page_cache *cache, uint64_t first, uint64_t count);

static inline struct page_stretch *stretch_of_locked(const struct page_cache *cache, uint64_t page)
    REQUIRES(cache->lock)
{
    uint64_t index = page / STRETCH_PAGES;
    return unlikely(index >= cache->stretch_count) ? nullptr : cache->stretches[index];
}

static inline uint64_t stretch_bit(uint64_t page)
{
    return 1ull << page % STRETCH_PAGES;
}

/* The entry of a page, or nullptr. */
static inline uint64_t *entry_of_locked(const struct page_cache *cache, uint64_t page)
    REQUIRES(cache->lock)
{
    struct page_stretch *stretch = stretch_of_locked(cache, page);
    return unlikely(stretch == nullptr) ? nullptr : &stretch->entries[page % STRETCH_PAGES];
}

/* Takes a page that is there, and neither dirty nor writing, out of memory. */
void page_evict_locked(struct page_stretch *stretch, uint64_t page) REQUIRES(stretch->cache->lock);
/* Counts pages that came into memory; makes room for them first. */
void page_cache_count_added(uint64_t pages);
void page_cache_prepare_to_add(uint64_t pages);
/* Sees to it that no more than so many pages are copied without letting others run. */
#define PAGES_PER_LOCK 8u

/* ---- page_cache_change.c ---- */

/* Sets the vnode's size to a smaller one, and zeroes the rest of its last page. */
void page_cache_set_end(struct page_cache *cache, uint64_t size_bytes);
/* Takes pages first..end out of memory; without drops_dirty, only those that are clean. Of those
 * that are dirty none is being written. Any context. */
void page_cache_drop(struct page_cache *cache, uint64_t first, uint64_t end, bool drops_dirty);

/* ---- page_cache_write.c ---- */

/* A page is dirty from now on. */
void page_dirty_locked(struct page_stretch *stretch, uint64_t page) REQUIRES(stretch->cache->lock);
/* It is not, any more, nor writing. */
void page_undirty_locked(struct page_stretch *stretch, uint64_t page)
    REQUIRES(stretch->cache->lock);
/* The vnode is one with something to be written. */
void page_cache_list_locked(struct page_cache *cache) REQUIRES(cache->lock);
/* Hands over dirty pages among first..end, with fill_lock held. */
status page_cache_write_range(struct vnode *vnode, uint64_t first, uint64_t end)
    REQUIRES(vnode->fill_lock);
/* Frames are short: dirty pages should become clean soon. Any context, no spin lock held. */
void page_cache_wake_writer(void);
/* Boot: how many pages may be dirty; and the thread, which may fail with OUT_OF_MEMORY. */
void page_cache_init_writing(uint64_t pages_max);
status page_cache_start_writer(void);
