/*
 * The page cache: its tables, reading, filling, giving up.
 *
 * Locking: a table's lock guards its entries. A page is copied and evicted under it, so a frame
 * that an entry names cannot go away meanwhile. The round's lock guards the order of all stretches
 * and the hand; a stretch is in it from its creation until its table is destroyed. Whoever runs out
 * of frames may hold any mutex, so reclaiming takes none and never uses the heap: a stretch stays
 * when its pages are gone. Under spin locks nothing is reclaimed. Eviction is linearised by the
 * table's lock; frames are freed by whoever cleared their entry.
 *
 * Pages enter a table by being filled, which fill_lock makes one at a time, or by being put whole,
 * which takes no mutex: whoever comes second finds the first one's page and gives its own back.
 */
#include "arch/arch/page.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "base/container.h"
#include "fs/vfs/page_cache_internal.h"
#include "mm/direct_map.h"
#include "mm/frame_pool.h"
#include "mm/heap.h"
#include "sched/scheduler.h"

static constexpr uint32_t READ_AHEAD_AT_FIRST = 4;
static constexpr uint32_t READ_AHEAD_THREADS = 2;
/* How often what was read may turn out to have been overwritten meanwhile. */
static constexpr uint32_t STALE_FILLS_MAX = 8;
/* Of all frames, one in so many may be cached; and of those one in so many dirty. */
static constexpr uint64_t CACHED_DIVISOR = 2;
static constexpr uint64_t DIRTY_DIVISOR = 4;

static spin_lock round_lock = SPIN_LOCK_INIT(LOCK_RANK_PAGE_CACHE);
/* All stretches, those the hand comes to next first. */
static struct list all_stretches GUARDED_BY(round_lock) = LIST_INIT(all_stretches);

static _Atomic uint64_t pages_cached; /* a count, ordered with nothing */
static uint64_t pages_max = UINT64_MAX;
static struct work_queue *read_ahead_queue; /* fixed after boot; nullptr: nothing is read ahead */

/* ---- tables ---- */

struct page_cache *page_cache_make(struct vnode *vnode)
{
    struct page_cache *first = page_cache_find(vnode);
    if (likely(first != nullptr)) return first;
    struct page_cache *cache = heap_take_zeroed(sizeof(*cache));
    if (cache == nullptr) return nullptr;
    cache->vnode = vnode;
    spin_lock_init(&cache->lock, LOCK_RANK_PAGE_CACHE);
    list_init(&cache->in_dirty_files);
    cache->window_pages = READ_AHEAD_AT_FIRST;
    /* Nobody changes the size of a file that has no table. */
    cache->stored_bytes = atomic_load_explicit(&vnode->size_bytes, memory_order_relaxed);
    /* Pairs with the acquire in page_cache_find(). */
    if (atomic_compare_exchange_strong_explicit(&vnode->pages, &first, cache, memory_order_release,
                                                memory_order_acquire))
        return cache;
    heap_give(cache);
    return first;
}

static uint64_t stretch_count_of(struct page_cache *cache)
{
    spin_acquire(&cache->lock);
    uint64_t count = cache->stretch_count;
    spin_release(&cache->lock);
    return count;
}

/* Puts the longer table into its place, unless there is one as long; answers what is not needed. */
static struct page_stretch **exchange_stretches(struct page_cache *cache,
                                                struct page_stretch **longer, uint64_t count)
{
    struct page_stretch **other = longer;
    spin_acquire(&cache->lock);
    if (count > cache->stretch_count) {
        bytes_copy(longer, cache->stretches, cache->stretch_count * sizeof(*longer));
        other = cache->stretches;
        cache->stretches = longer;
        cache->stretch_count = count;
    }
    spin_release(&cache->lock);
    return other;
}

/* At least `needed` long: at once as long as the file, and twice as long as before. */
static status lengthen_table(struct page_cache *cache, uint64_t needed)
{
    uint64_t before = stretch_count_of(cache);
    if (needed <= before) return OK;
    uint64_t bytes = atomic_load_explicit(&cache->vnode->size_bytes, memory_order_relaxed);
    uint64_t count = max_of(needed, 2 * before);
    count = max_of(count, bytes / (STRETCH_PAGES * PAGE_BYTES) + 1);
    if (count > HEAP_BYTES_MAX / sizeof(struct page_stretch *)) return FAIL(OUT_OF_MEMORY);
    struct page_stretch **longer = heap_take_zeroed(count * sizeof(struct page_stretch *));
    if (longer == nullptr) return FAIL(OUT_OF_MEMORY);
    heap_give(exchange_stretches(cache, longer, count));
    return OK;
}

static bool has_stretch(struct page_cache *cache, uint64_t index)
{
    spin_acquire(&cache->lock);
    bool is_there = cache->stretches[index] != nullptr;
    spin_release(&cache->lock);
    return is_there;
}

static status make_stretch(struct page_cache *cache, uint64_t index)
{
    struct page_stretch *stretch = heap_take_zeroed(sizeof(*stretch));
    if (stretch == nullptr) return FAIL(OUT_OF_MEMORY);
    stretch->cache = cache;
    spin_acquire(&cache->lock);
    bool is_first = cache->stretches[index] == nullptr;
    if (is_first) cache->stretches[index] = stretch;
    spin_release(&cache->lock);
    if (!is_first) {
        heap_give(stretch);
        return OK;
    }
    spin_acquire(&round_lock);
    list_push_back(&all_stretches, &stretch->in_round);
    spin_release(&round_lock);
    return OK;
}

status page_cache_make_stretches(struct page_cache *cache, uint64_t first, uint64_t count)
{
    uint64_t last = (first + count - 1) / STRETCH_PAGES;
    TRY(lengthen_table(cache, last + 1));
    for (uint64_t i = first / STRETCH_PAGES; i <= last; i++)
        if (!has_stretch(cache, i)) TRY(make_stretch(cache, i));
    return OK;
}

/* ---- reading ---- */

/* Why a copy stopped. */
enum copy_stop : uint8_t {
    COPY_DONE,
    COPY_PAUSES, /* so many pages were copied that others should get a chance */
    COPY_NEEDS_PAGE,
    COPY_NEEDS_TARGET, /* a page of the buffer must be made */
};

static void read_ahead_later_locked(struct page_cache *cache) REQUIRES(cache->lock);

[[gnu::noinline]] static void pull_trigger_locked(struct page_cache *cache, uint64_t *entry)
    REQUIRES(cache->lock)
{
    *entry &= ~ENTRY_TRIGGER;
    read_ahead_later_locked(cache);
}

/* The page's frame, now used; nullptr when it is not in memory. */
MUST_INLINE const uint8_t *page_to_read_locked(struct page_cache *cache, uint64_t page)
    REQUIRES(cache->lock)
{
    uint64_t *entry = entry_of_locked(cache, page);
    if (unlikely(entry == nullptr || *entry == 0)) return nullptr;
    if (unlikely((*entry & ENTRY_TRIGGER) != 0)) pull_trigger_locked(cache, entry);
    *entry |= ENTRY_USED;
    return direct_map(physical_at(*entry & ~ENTRY_FLAGS));
}

MUST_INLINE enum copy_stop read_some_locked(struct page_cache *cache,
                                            struct page_transfer *transfer) REQUIRES(cache->lock)
{
    uint64_t size = atomic_load_explicit(&cache->vnode->size_bytes, memory_order_relaxed);
    /* A piece is what lies in one page of the file and in one of the buffer. */
    for (uint32_t pieces = 0; transfer->length > 0 && transfer->offset < size; pieces++) {
        if (unlikely(pieces == PAGES_PER_LOCK)) return COPY_PAUSES;
        uint64_t inside = transfer->offset % PAGE_BYTES, target_inside = transfer->at % PAGE_BYTES;
        uint64_t in_both = PAGE_BYTES - max_of(inside, target_inside);
        uint64_t in_file = min_of(in_both, size - transfer->offset);
        uint64_t piece = min_of(in_file, transfer->length);
        const uint8_t *page = page_to_read_locked(cache, transfer->offset / PAGE_BYTES);
        if (unlikely(page == nullptr)) return COPY_NEEDS_PAGE;
        physical_address frame;
        if (unlikely(!buffer_has_page(transfer->buffer, transfer->at / PAGE_BYTES, &frame)))
            return COPY_NEEDS_TARGET;
        if (likely(piece == PAGE_BYTES))
            page_copy(direct_map(frame), page);
        else
            bytes_copy((uint8_t *)direct_map(frame) + target_inside, page + inside, piece);
        transfer->offset += piece;
        transfer->at += piece;
        transfer->length -= piece;
    }
    return COPY_DONE;
}

static bool is_at_end(struct page_transfer *transfer)
{
    return transfer->length == 0 ||
           transfer->offset >=
               atomic_load_explicit(&transfer->vnode->size_bytes, memory_order_relaxed);
}

/* The page's frame if that is all there is to it; 0: it is not there, or a trigger, or the last. */
MUST_INLINE uint64_t plain_page_locked(struct page_cache *cache, uint64_t page)
    REQUIRES(cache->lock)
{
    uint64_t size = atomic_load_explicit(&cache->vnode->size_bytes, memory_order_relaxed);
    uint64_t *entry = entry_of_locked(cache, page);
    if (unlikely(entry == nullptr || page >= size / PAGE_BYTES)) return 0;
    if (unlikely(*entry == 0 || (*entry & ENTRY_TRIGGER) != 0)) return 0;
    *entry |= ENTRY_USED;
    return *entry & ~ENTRY_FLAGS;
}

bool page_cache_read_page(struct vnode *vnode, uint64_t page, physical_address to)
{
    struct page_cache *cache = page_cache_find(vnode);
    if (unlikely(cache == nullptr)) return false;
    spin_acquire(&cache->lock);
    uint64_t frame = plain_page_locked(cache, page);
    if (likely(frame != 0)) page_copy(direct_map(to), direct_map(physical_at(frame)));
    spin_release(&cache->lock);
    return frame != 0;
}

status page_cache_read(struct page_transfer *transfer)
{
    struct page_cache *cache = page_cache_find(transfer->vnode);
    if (unlikely(cache == nullptr)) return is_at_end(transfer) ? OK : FAIL(WOULD_BLOCK);
    for (;;) {
        spin_acquire(&cache->lock);
        enum copy_stop stop = read_some_locked(cache, transfer);
        spin_release(&cache->lock);
        if (likely(stop == COPY_DONE)) return OK;
        if (stop == COPY_NEEDS_PAGE) return FAIL(WOULD_BLOCK);
        if (stop == COPY_NEEDS_TARGET)
            TRY(buffer_touch(transfer->buffer, transfer->at / PAGE_BYTES).status);
        if (!scheduler_pause()) return FAIL(INTERRUPTED);
    }
}

static status copy_locked(struct page_cache *cache, uint64_t offset, uint64_t length, void *to)
    REQUIRES(cache->lock)
{
    uint64_t size = atomic_load_explicit(&cache->vnode->size_bytes, memory_order_relaxed);
    if (!span_fits(offset, length, size)) return FAIL(OUT_OF_RANGE);
    const uint8_t *page = page_to_read_locked(cache, offset / PAGE_BYTES);
    if (page == nullptr) return FAIL(WOULD_BLOCK);
    bytes_copy(to, page + offset % PAGE_BYTES, length);
    return OK;
}

status page_cache_copy(struct vnode *vnode, uint64_t offset, uint64_t length, void *to)
{
    struct page_cache *cache = page_cache_find(vnode);
    if (cache == nullptr) return FAIL(WOULD_BLOCK);
    spin_acquire(&cache->lock);
    status outcome = copy_locked(cache, offset, length, to);
    spin_release(&cache->lock);
    return outcome;
}

/* ---- filling ---- */

static uint64_t vnode_page_count(struct vnode *vnode)
{
    uint64_t size = atomic_load_explicit(&vnode->size_bytes, memory_order_relaxed);
    return size / PAGE_BYTES + (size % PAGE_BYTES != 0);
}

/* How many pages from `page` on, up to `limit`, are not in memory; those are being filled now. */
static uint32_t begin_filling(struct page_cache *cache, uint64_t page, uint32_t limit)
{
    uint32_t count = 0;
    spin_acquire(&cache->lock);
    while (count < limit) {
        const uint64_t *entry = entry_of_locked(cache, page + count);
        if (entry != nullptr && *entry != 0) break;
        count++;
    }
    cache->filling_first = page;
    cache->filling_count = count;
    cache->filling_is_stale = false;
    spin_release(&cache->lock);
    return count;
}

static bool has_page(struct page_cache *cache, uint64_t page)
{
    spin_acquire(&cache->lock);
    const uint64_t *entry = entry_of_locked(cache, page);
    bool is_there = entry != nullptr && *entry != 0;
    spin_release(&cache->lock);
    return is_there;
}

/* How much to read at a page: twice as much as before while pages are asked for in order. */
static uint32_t window_at(const struct page_cache *cache, uint64_t page)
{
    if (page != cache->expected_page) return READ_AHEAD_AT_FIRST;
    return min_of(2 * cache->window_pages, PAGE_CACHE_READ_AHEAD_PAGES);
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
        if (frames[i].value != 0) frame_pool_give(nullptr, frames[i], 0);
}

/*
 * Enters pages that were read, as used: the hand passes them once before it takes them. What was
 * put meanwhile stays, and what was read for it stays in `frames`. False: all of them do, for
 * somebody wrote past the cache.
 */
static bool publish_pages(struct page_cache *cache, uint64_t first, physical_address *frames,
                          uint32_t count, uint64_t trigger)
{
    uint32_t published = 0;
    spin_acquire(&cache->lock);
    bool is_stale = cache->filling_is_stale;
    cache->filling_count = 0;
    for (uint32_t i = 0; i < count && !is_stale; i++) {
        uint64_t *entry = entry_of_locked(cache, first + i);
        if (*entry != 0) continue;
        *entry = frames[i].value | ENTRY_USED | (first + i == trigger ? ENTRY_TRIGGER : 0);
        frames[i] = physical_at(0);
        published++;
    }
    spin_release(&cache->lock);
    page_cache_count_added(published);
    return !is_stale;
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

/* Fills up to `count` pages from an absent one on; answers how many. WOULD_BLOCK: they were
 * overwritten past the cache meanwhile. */
static size_result fill_pages(struct page_cache *cache, uint64_t page, uint32_t count,
                              uint64_t trigger)
{
    TRY_AS(size_result, page_cache_make_stretches(cache, page, count));
    page_cache_prepare_to_add(count);
    physical_address frames[PAGE_CACHE_READ_AHEAD_PAGES];
    count = take_frames(frames, count);
    if (count == 0) return (size_result){.status = FAIL(OUT_OF_MEMORY)};
    status outcome = read_pages(cache->vnode, page, frames, &count);
    if (is_ok(outcome) && !publish_pages(cache, page, frames, count, trigger))
        outcome = FAIL(WOULD_BLOCK);
    give_frames(frames, count);
    /* It may have been put meanwhile. */
    if (!is_ok(outcome) && !has_page(cache, page)) return (size_result){.status = outcome};
    return (size_result){.value = count};
}

static status fill_window(struct page_cache *cache, uint64_t page) REQUIRES(cache->vnode->fill_lock)
{
    uint64_t page_count = vnode_page_count(cache->vnode);
    if (page >= page_count) return OK;
    bool is_sequential = page == cache->expected_page;
    uint32_t window = window_at(cache, page);
    uint32_t count = begin_filling(cache, page, (uint32_t)min_of(window, page_count - page));
    if (count == 0) return OK;
    bool has_trigger = is_sequential && read_ahead_queue != nullptr;
    size_result filled =
        fill_pages(cache, page, count, has_trigger ? page + count / 2 : UINT64_MAX);
    TRY(filled.status);
    cache->window_pages = window;
    cache->expected_page = page + filled.value;
    return OK;
}

static status fill_locked(struct vnode *vnode, uint64_t page)
    REQUIRES(vnode->fill_lock) NO_LOCK_CHECK
{
    struct page_cache *cache = page_cache_make(vnode);
    if (cache == nullptr) return FAIL(OUT_OF_MEMORY);
    status outcome = FAIL(WOULD_BLOCK);
    for (uint32_t i = 0; i < STALE_FILLS_MAX && outcome.code == STATUS_WOULD_BLOCK; i++)
        outcome = fill_window(cache, page);
    return outcome.code == STATUS_WOULD_BLOCK ? FAIL(OUT_OF_MEMORY) : outcome;
}

status page_cache_fill(struct vnode *vnode, uint64_t page)
{
    mutex_acquire(&vnode->fill_lock);
    status outcome = fill_locked(vnode, page);
    mutex_release(&vnode->fill_lock);
    return outcome;
}

/* ---- reading ahead ---- */

static void read_ahead(struct work *work) NO_LOCK_CHECK
{
    struct page_cache *cache = container_of(work, struct page_cache, ahead);
    struct vnode *vnode = cache->vnode;
    mutex_acquire(&vnode->fill_lock);
    /* Whoever really needs the pages will be told why they cannot be read. */
    ignore_status(fill_locked(vnode, cache->expected_page));
    mutex_release(&vnode->fill_lock);
    spin_acquire(&cache->lock);
    cache->is_ahead = false;
    spin_release(&cache->lock);
    vnode_put(vnode);
}

static void read_ahead_later_locked(struct page_cache *cache)
{
    if (cache->is_ahead) return;
    cache->is_ahead = true;
    vnode_get(cache->vnode);
    work_submit(read_ahead_queue, &cache->ahead, read_ahead);
}

/* ---- giving up ---- */

void page_cache_count_added(uint64_t pages)
{
    atomic_fetch_add_explicit(&pages_cached, pages, memory_order_relaxed);
}

void page_cache_prepare_to_add(uint64_t pages)
{
    uint64_t cached = page_cache_pages();
    if (unlikely(cached + pages > pages_max)) page_cache_reclaim(cached + pages - pages_max);
}

static void give_entry(uint64_t entry)
{
    frame_pool_give(nullptr, physical_at(entry & ~ENTRY_FLAGS), 0);
}

void page_evict_locked(struct page_stretch *stretch, uint64_t page)
{
    uint64_t *entry = &stretch->entries[page % STRETCH_PAGES];
    give_entry(*entry);
    *entry = 0;
    atomic_fetch_sub_explicit(&pages_cached, 1, memory_order_relaxed);
}

/* Takes a stretch's clean pages that have not been used, up to `wanted`; marks the others. */
static uint64_t evict_unused(struct page_stretch *stretch, uint64_t wanted)
{
    struct page_cache *cache = stretch->cache;
    uint64_t evicted = 0;
    if (!spin_acquire_try(&cache->lock)) return 0;
    uint64_t kept = stretch->dirty | stretch->writing;
    for (uint32_t i = 0; i < STRETCH_PAGES && evicted < wanted; i++) {
        uint64_t entry = stretch->entries[i];
        if (entry == 0 || (kept & stretch_bit(i)) != 0) continue;
        if (entry & ENTRY_USED) {
            stretch->entries[i] = entry & ~ENTRY_USED;
        } else {
            stretch->entries[i] = 0;
            give_entry(entry);
            evicted++;
        }
    }
    spin_release(&cache->lock);
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
    if (evicted < frames_wanted && page_cache_dirty_pages() > 0) page_cache_wake_writer();
    return evicted;
}

static void stretch_destroy(struct page_stretch *stretch) NO_LOCK_CHECK
{
    spin_acquire(&round_lock);
    list_remove(&stretch->in_round);
    spin_release(&round_lock);
    for (uint64_t i = 0; i < STRETCH_PAGES; i++) {
        if (stretch->entries[i] == 0) continue;
        page_undirty_locked(stretch, i);
        page_evict_locked(stretch, i);
    }
    heap_give(stretch);
}

/* The hand finds a table only through a stretch in the round, so after the last one left it this is
 * the only user. */
void page_cache_destroy(struct vnode *vnode) NO_LOCK_CHECK
{
    struct page_cache *cache = page_cache_find(vnode);
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
    pages_max = frame_pool_count().total_frames / CACHED_DIVISOR;
    page_cache_init_writing(pages_max / DIRTY_DIVISOR);
    frame_pool_add_reclaimer(page_cache_reclaim);
}

status page_cache_start(void)
{
    TRY(page_cache_start_writer());
    read_ahead_queue = work_queue_create("read ahead", READ_AHEAD_THREADS);
    return read_ahead_queue != nullptr ? OK : FAIL(OUT_OF_MEMORY);
}
