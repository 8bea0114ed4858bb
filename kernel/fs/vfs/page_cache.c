/*
 * The page cache.
 *
 * Locking: a table's lock guards its entries. A page is copied and evicted under it, so a frame
 * that an entry names cannot go away meanwhile. The round's lock guards the order of all stretches
 * and the hand; a stretch is in it from its creation until its table is destroyed. Whoever runs out
 * of frames may hold any mutex, so reclaiming takes none and never uses the heap: a stretch stays
 * when its pages are gone. Under spin locks nothing is reclaimed. Eviction is linearised by the
 * table's lock; frames are freed by whoever cleared their entry.
 */
#include "fs/vfs/page_cache.h"
#include "arch/arch/page.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "mm/direct_map.h"
#include "mm/frame_pool.h"
#include "mm/heap.h"
#include "sync/spin_lock.h"

static constexpr uint32_t STRETCH_PAGES = 64;
static constexpr uint32_t READ_AHEAD_AT_FIRST = 4;

/* An entry is a frame's address, which leaves the low bits free; 0: not in memory. */
static constexpr uint64_t ENTRY_USED = 1; /* since the hand last came by */

struct page_stretch {
    struct list in_round; /* guarded by the round's lock */
    struct page_cache *cache;
    uint64_t entries[STRETCH_PAGES]; /* guarded by the cache's lock */
};

struct page_cache {
    spin_lock lock;         /* LOCK_RANK_PAGE_CACHE */
    uint64_t stretch_count; /* fixed at creation: as many as the file has pages for */
    struct page_stretch **stretches GUARDED_BY(lock);
    /* Guarded by the vnode's fill_lock. */
    uint64_t expected_page; /* where reading goes on if it is sequential */
    uint32_t window_pages;  /* how much is read then */
};

static spin_lock round_lock = SPIN_LOCK_INIT(LOCK_RANK_PAGE_CACHE);
/* All stretches, those the hand comes to next first. */
static struct list all_stretches GUARDED_BY(round_lock) = LIST_INIT(all_stretches);

static _Atomic uint64_t pages_cached; /* a count, ordered with nothing */
static uint64_t pages_max = UINT64_MAX;

/* ---- copying ---- */

/* The entry of a page, or nullptr. */
static inline uint64_t *entry_of_locked(struct page_cache *cache, uint64_t page)
    REQUIRES(cache->lock)
{
    uint64_t index = page / STRETCH_PAGES;
    if (unlikely(index >= cache->stretch_count)) return nullptr;
    struct page_stretch *stretch = cache->stretches[index];
    return stretch == nullptr ? nullptr : &stretch->entries[page % STRETCH_PAGES];
}

MUST_INLINE status copy_locked(struct page_cache *cache, uint64_t offset, uint64_t length, void *to)
    REQUIRES(cache->lock)
{
    uint64_t *entry = entry_of_locked(cache, offset / PAGE_BYTES);
    if (unlikely(entry == nullptr || *entry == 0)) return FAIL(WOULD_BLOCK);
    *entry |= ENTRY_USED;
    const uint8_t *page = direct_map(physical_at(*entry & ~ENTRY_USED));
    if (length == PAGE_BYTES)
        page_copy(to, page);
    else
        bytes_copy(to, page + offset % PAGE_BYTES, length);
    return OK;
}

/* Apart, so that the usual case keeps little in registers across a call. */
[[gnu::noinline]] static status copy_after_waiting(struct page_cache *cache, uint64_t offset,
                                                   uint64_t length, void *to)
{
    spin_acquire(&cache->lock);
    status outcome = copy_locked(cache, offset, length, to);
    spin_release(&cache->lock);
    return outcome;
}

status page_cache_copy(struct vnode *vnode, uint64_t offset, uint64_t length, void *to)
{
    /* Pairs with the release in cache_of(). */
    struct page_cache *cache = atomic_load_explicit(&vnode->pages, memory_order_acquire);
    if (unlikely(cache == nullptr)) return FAIL(WOULD_BLOCK);
    if (unlikely(!spin_acquire_try(&cache->lock)))
        return copy_after_waiting(cache, offset, length, to);
    status outcome = copy_locked(cache, offset, length, to);
    spin_release(&cache->lock);
    return outcome;
}

/* ---- filling ---- */

static uint64_t vnode_page_count(struct vnode *vnode)
{
    uint64_t size = atomic_load_explicit(&vnode->size_bytes, memory_order_relaxed);
    return (size + PAGE_BYTES - 1) / PAGE_BYTES;
}

/* The vnode's table, made if there is none. The caller holds fill_lock. */
static struct page_cache *cache_of(struct vnode *vnode)
{
    struct page_cache *cache = atomic_load_explicit(&vnode->pages, memory_order_relaxed);
    if (cache != nullptr) return cache;
    uint64_t count = (vnode_page_count(vnode) + STRETCH_PAGES - 1) / STRETCH_PAGES;
    cache = heap_take_zeroed(sizeof(*cache));
    struct page_stretch **stretches = heap_take_zeroed(count * sizeof(*stretches));
    if (cache == nullptr || stretches == nullptr) {
        heap_give(cache);
        heap_give(stretches);
        return nullptr;
    }
    spin_lock_init(&cache->lock, LOCK_RANK_PAGE_CACHE);
    cache->stretch_count = count;
    cache->window_pages = READ_AHEAD_AT_FIRST;
    spin_acquire(&cache->lock);
    cache->stretches = stretches;
    spin_release(&cache->lock);
    /* Pairs with the acquire in page_cache_copy(). */
    atomic_store_explicit(&vnode->pages, cache, memory_order_release);
    return cache;
}

/* Makes the stretches that pages first..first+count need. The caller holds fill_lock. */
static status make_stretches(struct page_cache *cache, uint64_t first, uint32_t count)
{
    for (uint64_t i = first / STRETCH_PAGES; i <= (first + count - 1) / STRETCH_PAGES; i++) {
        spin_acquire(&cache->lock);
        bool is_there = cache->stretches[i] != nullptr;
        spin_release(&cache->lock);
        if (is_there) continue;
        struct page_stretch *stretch = heap_take_zeroed(sizeof(*stretch));
        if (stretch == nullptr) return FAIL(OUT_OF_MEMORY);
        stretch->cache = cache;
        spin_acquire(&cache->lock);
        cache->stretches[i] = stretch;
        spin_release(&cache->lock);
        spin_acquire(&round_lock);
        list_push_back(&all_stretches, &stretch->in_round);
        spin_release(&round_lock);
    }
    return OK;
}

/* How many pages from `page` on, up to `limit`, are not in memory. */
static uint32_t absent_pages(struct page_cache *cache, uint64_t page, uint32_t limit)
{
    uint32_t count = 0;
    spin_acquire(&cache->lock);
    while (count < limit) {
        const uint64_t *entry = entry_of_locked(cache, page + count);
        if (entry != nullptr && *entry != 0) break;
        count++;
    }
    spin_release(&cache->lock);
    return count;
}

/* How much to read at a page: twice as much as before while pages are asked for in order. */
static uint32_t next_window(struct page_cache *cache, uint64_t page, uint64_t page_count)
{
    bool is_sequential = page == cache->expected_page;
    cache->window_pages = is_sequential
                              ? min_of(2 * cache->window_pages, PAGE_CACHE_READ_AHEAD_PAGES)
                              : READ_AHEAD_AT_FIRST;
    return (uint32_t)min_of((uint64_t)cache->window_pages, page_count - page);
}

/* Zeroed: a device that says it has written to them, and has not, shows nobody what was in them. */
static uint32_t take_frames(physical_address *frames, uint32_t wanted)
{
    for (uint32_t i = 0; i < wanted; i++) {
        frame_result frame = frame_pool_take_zeroed(nullptr);
        if (!is_ok(frame.status)) return i;
        frames[i] = frame.value;
    }
    return wanted;
}

static void give_frames(const physical_address *frames, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        frame_pool_give(nullptr, frames[i], 0);
}

/* Pages read, as used: the hand passes them once before it takes them. */
static void publish_pages(struct page_cache *cache, uint64_t first, const physical_address *frames,
                          uint32_t count)
{
    spin_acquire(&cache->lock);
    for (uint32_t i = 0; i < count; i++)
        *entry_of_locked(cache, first + i) = frames[i].value | ENTRY_USED;
    spin_release(&cache->lock);
    atomic_fetch_add_explicit(&pages_cached, count, memory_order_relaxed);
}

/* Reads the pages; when that fails, the first alone: what nobody asked for cannot spoil it. */
static status read_pages(struct vnode *vnode, uint64_t first, const physical_address *frames,
                         uint32_t *count)
{
    status outcome = vnode->operations->read_pages(vnode, first, *count, frames);
    if (is_ok(outcome) || *count == 1) return outcome;
    give_frames(frames + 1, *count - 1);
    *count = 1;
    return vnode->operations->read_pages(vnode, first, 1, frames);
}

static status fill_locked(struct vnode *vnode, uint64_t page) REQUIRES(vnode->fill_lock)
{
    uint64_t page_count = vnode_page_count(vnode);
    if (page >= page_count) return FAIL(IO_ERROR);
    struct page_cache *cache = cache_of(vnode);
    if (cache == nullptr) return FAIL(OUT_OF_MEMORY);
    if (absent_pages(cache, page, 1) == 0) return OK;

    uint32_t count = absent_pages(cache, page, next_window(cache, page, page_count));
    TRY(make_stretches(cache, page, count));
    uint64_t cached = page_cache_pages();
    if (cached + count > pages_max) page_cache_reclaim(cached + count - pages_max);
    physical_address frames[PAGE_CACHE_READ_AHEAD_PAGES];
    count = take_frames(frames, count);
    if (count == 0) return FAIL(OUT_OF_MEMORY);
    status outcome = read_pages(vnode, page, frames, &count);
    if (!is_ok(outcome)) {
        give_frames(frames, count);
        return outcome;
    }
    publish_pages(cache, page, frames, count);
    cache->expected_page = page + count;
    return OK;
}

status page_cache_fill(struct vnode *vnode, uint64_t page)
{
    mutex_acquire(&vnode->fill_lock);
    status outcome = fill_locked(vnode, page);
    mutex_release(&vnode->fill_lock);
    return outcome;
}

/* ---- giving up ---- */

/* Takes a stretch's pages that have not been used, up to `wanted`; marks the others. */
static uint64_t evict_unused(struct page_stretch *stretch, uint64_t wanted)
{
    uint64_t evicted = 0;
    if (!spin_acquire_try(&stretch->cache->lock)) return 0;
    for (uint32_t i = 0; i < STRETCH_PAGES && evicted < wanted; i++) {
        uint64_t entry = stretch->entries[i];
        if (entry & ENTRY_USED) {
            stretch->entries[i] = entry & ~ENTRY_USED;
        } else if (entry != 0) {
            stretch->entries[i] = 0;
            frame_pool_give(nullptr, physical_at(entry), 0);
            evicted++;
        }
    }
    spin_release(&stretch->cache->lock);
    return evicted;
}

/* Once round; stretches passed go to the end. */
static uint64_t sweep_locked(uint64_t wanted) REQUIRES(round_lock)
{
    struct list *last = all_stretches.previous;
    uint64_t evicted = 0;
    while (evicted < wanted && !list_is_empty(&all_stretches)) {
        struct list *first = all_stretches.next;
        evicted += evict_unused(list_entry(first, struct page_stretch, in_round), wanted - evicted);
        if (evicted == wanted) break; /* the rest of this stretch comes first next time */
        list_remove(first);
        list_push_back(&all_stretches, first);
        if (first == last) break;
    }
    return evicted;
}

uint64_t page_cache_reclaim(uint64_t frames_wanted)
{
    if (frames_wanted == 0 || !interrupts_are_enabled()) return 0;
    spin_acquire(&round_lock); /* waits: whoever sweeps now takes what it frees for itself */
    uint64_t evicted = sweep_locked(frames_wanted);
    if (evicted < frames_wanted) evicted += sweep_locked(frames_wanted - evicted);
    spin_release(&round_lock);
    atomic_fetch_sub_explicit(&pages_cached, evicted, memory_order_relaxed);
    return evicted;
}

static void stretch_destroy(struct page_stretch *stretch)
{
    spin_acquire(&round_lock);
    list_remove(&stretch->in_round);
    spin_release(&round_lock);
    uint64_t count = 0;
    for (uint32_t i = 0; i < STRETCH_PAGES; i++) {
        if (stretch->entries[i] == 0) continue;
        frame_pool_give(nullptr, physical_at(stretch->entries[i] & ~ENTRY_USED), 0);
        count++;
    }
    atomic_fetch_sub_explicit(&pages_cached, count, memory_order_relaxed);
    heap_give(stretch);
}

/* The hand finds a table only through a stretch in the round, so after the last one left it this is
 * the only user. */
void page_cache_destroy(struct vnode *vnode) NO_LOCK_CHECK
{
    struct page_cache *cache = atomic_load_explicit(&vnode->pages, memory_order_acquire);
    if (cache == nullptr) return;
    for (uint64_t i = 0; i < cache->stretch_count; i++) {
        if (cache->stretches[i] != nullptr) stretch_destroy(cache->stretches[i]);
    }
    heap_give(cache->stretches);
    heap_give(cache);
    atomic_store_explicit(&vnode->pages, nullptr, memory_order_relaxed);
}

uint64_t page_cache_pages(void)
{
    return atomic_load_explicit(&pages_cached, memory_order_relaxed);
}

void page_cache_init(void)
{
    pages_max = frame_pool_count().total_frames / 2;
    frame_pool_add_reclaimer(page_cache_reclaim);
}
