/*
 * The page cache: putting, cutting, direct transfers.
 *
 * A file grows under its table's lock, by what is put there and never further: so every byte up to
 * the size is in a page that was filled or put, and all pages behind what is stored are dirty. The
 * page that holds the end must be in memory, or be put from its start, when the file grows past it,
 * because what the disk has behind the end is not the file's.
 */
#include "arch/arch/page.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "debug/assert.h"
#include "fs/vfs/page_cache_internal.h"
#include "mm/direct_map.h"
#include "mm/frame_pool.h"
#include "sched/scheduler.h"
#include "time/clock.h"

/* ---- putting ---- */

enum put_stop : uint8_t {
    PUT_DONE,
    PUT_PAUSES, /* so many pages were copied that others should get a chance */
    PUT_NEEDS_PAGE,
    PUT_NEEDS_FRAME, /* the page is written whole and not in memory */
    PUT_BEYOND,      /* of the end, where it may not go */
};

/* Frames for pages that are not in memory; their contents are anything. */
struct spare_frames {
    uint32_t count;
    physical_address frames[PAGES_PER_LOCK];
};

/* The part of a transfer that lies in one page of the file. */
struct put_piece {
    uint64_t page;
    uint64_t inside;
    uint64_t length;
    uint64_t end; /* in the file */
};

static inline struct put_piece next_piece(const struct page_transfer *transfer)
{
    uint64_t inside = transfer->offset % PAGE_BYTES;
    uint64_t length = min_of(transfer->length, PAGE_BYTES - inside);
    return (struct put_piece){transfer->offset / PAGE_BYTES, inside, length,
                              transfer->offset + length};
}

static void fill_piece(const struct page_transfer *transfer, uint8_t *page,
                       const struct put_piece *piece)
{
    physical_address frame;
    if (transfer->buffer == nullptr)
        bytes_zero(page + piece->inside, piece->length);
    else if (likely(piece->length == PAGE_BYTES && transfer->at % PAGE_BYTES == 0 &&
                    buffer_peek(transfer->buffer, transfer->at / PAGE_BYTES, &frame)))
        page_copy(page, direct_map(frame));
    else
        buffer_read(transfer->buffer, transfer->at, page + piece->inside, piece->length);
}

/* The frame for a page that the piece leaves nothing of. */
static uint64_t install_spare_locked(struct page_cache *cache, const struct put_piece *piece,
                                     struct spare_frames *spare) REQUIRES(cache->lock)
{
    physical_address frame = spare->frames[--spare->count];
    if (piece->length < PAGE_BYTES)
        bytes_zero((uint8_t *)direct_map(frame) + piece->length, PAGE_BYTES - piece->length);
    page_cache_count_added(1);
    return frame.value;
}

/* Whether nothing of what the page holds now would be left. */
static bool is_whole(const struct put_piece *piece, uint64_t size)
{
    return piece->inside == 0 && piece->end >= min_of(size, (piece->page + 1) * PAGE_BYTES);
}

MUST_INLINE enum put_stop
put_piece_locked(struct page_cache *cache, const struct page_transfer *transfer,
                 const struct put_piece *piece, bool may_grow, struct spare_frames *spare)
    REQUIRES(cache->lock) NO_LOCK_CHECK
{
    uint64_t size = atomic_load_explicit(&cache->vnode->size_bytes, memory_order_relaxed);
    if (unlikely(piece->end > size && !(may_grow && transfer->offset <= size))) return PUT_BEYOND;
    struct page_stretch *stretch = stretch_of_locked(cache, piece->page);
    uint64_t *entry = stretch == nullptr ? nullptr : &stretch->entries[piece->page % STRETCH_PAGES];
    if (unlikely(entry == nullptr || *entry == 0)) {
        if (!is_whole(piece, size)) return PUT_NEEDS_PAGE;
        if (entry == nullptr || spare->count == 0) return PUT_NEEDS_FRAME;
        *entry = install_spare_locked(cache, piece, spare);
    }
    *entry |= ENTRY_USED;
    fill_piece(transfer, direct_map(physical_at(*entry & ~ENTRY_FLAGS)), piece);
    page_dirty_locked(stretch, piece->page);
    if (piece->end > size)
        atomic_store_explicit(&cache->vnode->size_bytes, piece->end, memory_order_relaxed);
    return PUT_DONE;
}

static enum put_stop put_some_locked(struct page_cache *cache, struct page_transfer *transfer,
                                     bool may_grow, struct spare_frames *spare)
    REQUIRES(cache->lock)
{
    for (uint32_t pages = 0; transfer->length > 0; pages++) {
        if (unlikely(pages == PAGES_PER_LOCK)) return PUT_PAUSES;
        struct put_piece piece = next_piece(transfer);
        enum put_stop stop = put_piece_locked(cache, transfer, &piece, may_grow, spare);
        if (unlikely(stop != PUT_DONE)) return stop;
        transfer->offset += piece.length;
        transfer->at += piece.length;
        transfer->length -= piece.length;
    }
    /* Whoever compares versions reads them before the content; see program.c. */
    atomic_fetch_add_explicit(&cache->vnode->version, 1, memory_order_release);
    return PUT_DONE;
}

/* For the next pages of the transfer. */
static status take_spare(struct page_cache *cache, const struct page_transfer *transfer,
                         struct spare_frames *spare)
{
    uint64_t first = transfer->offset / PAGE_BYTES;
    uint64_t last = (transfer->offset + transfer->length - 1) / PAGE_BYTES;
    uint64_t wanted = min_of(last - first + 1, (uint64_t)PAGES_PER_LOCK);
    TRY(page_cache_make_stretches(cache, first, wanted));
    page_cache_prepare_to_add(wanted);
    while (spare->count < wanted) {
        frame_result taken = frame_pool_take(nullptr, 0);
        if (!is_ok(taken.status)) return spare->count > 0 ? OK : taken.status;
        spare->frames[spare->count++] = taken.value;
    }
    return OK;
}

static status put_with(struct page_cache *cache, struct page_transfer *transfer, bool may_grow,
                       struct spare_frames *spare)
{
    for (;;) {
        spin_acquire(&cache->lock);
        enum put_stop stop = put_some_locked(cache, transfer, may_grow, spare);
        spin_release(&cache->lock);
        if (likely(stop == PUT_DONE)) return OK;
        if (stop == PUT_NEEDS_PAGE) return FAIL(WOULD_BLOCK);
        if (stop == PUT_BEYOND) return FAIL(OUT_OF_RANGE);
        if (stop == PUT_NEEDS_FRAME) TRY(take_spare(cache, transfer, spare));
        if (!scheduler_pause()) return FAIL(INTERRUPTED);
    }
}

status page_cache_put(struct page_transfer *transfer, bool may_grow)
{
    struct page_cache *cache = page_cache_make(transfer->vnode);
    if (unlikely(cache == nullptr)) return FAIL(OUT_OF_MEMORY);
    struct spare_frames spare;
    spare.count = 0;
    status outcome = put_with(cache, transfer, may_grow, &spare);
    while (unlikely(spare.count > 0))
        frame_pool_give(nullptr, spare.frames[--spare.count], 0);
    return outcome;
}

/* ---- dropping ---- */

/* Bits of the stretch's pages among first..end. */
static uint64_t bits_between(uint64_t stretch_index, uint64_t first, uint64_t end)
{
    uint64_t start = stretch_index * STRETCH_PAGES;
    uint64_t from = first > start ? first - start : 0;
    uint64_t to = min_of(end - start, (uint64_t)STRETCH_PAGES);
    uint64_t below_end = to == STRETCH_PAGES ? UINT64_MAX : (1ull << to) - 1;
    return below_end & UINT64_MAX << from;
}

static void drop_in_stretch_locked(struct page_stretch *stretch, uint64_t bits)
    REQUIRES(stretch->cache->lock)
{
    for (; bits != 0; bits &= bits - 1) {
        uint64_t page = (uint64_t)__builtin_ctzll(bits);
        if (stretch->entries[page] == 0) continue;
        page_undirty_locked(stretch, page);
        page_evict_locked(stretch, page);
    }
}

static void drop_from_stretch(struct page_cache *cache, uint64_t index, uint64_t first,
                              uint64_t end, bool drops_dirty) NO_LOCK_CHECK
{
    spin_acquire(&cache->lock);
    struct page_stretch *stretch = cache->stretches[index];
    if (stretch != nullptr) {
        uint64_t kept = drops_dirty ? 0 : stretch->dirty | stretch->writing;
        drop_in_stretch_locked(stretch, bits_between(index, first, end) & ~kept);
    }
    spin_release(&cache->lock);
}

void page_cache_drop(struct page_cache *cache, uint64_t first, uint64_t end, bool drops_dirty)
{
    spin_acquire(&cache->lock);
    uint64_t stretch_count = cache->stretch_count;
    spin_release(&cache->lock);
    end = min_of(end, stretch_count * STRETCH_PAGES);
    for (uint64_t i = first / STRETCH_PAGES; i * STRETCH_PAGES < end; i++)
        drop_from_stretch(cache, i, first, end, drops_dirty);
}

/* ---- cutting ---- */

static spin_lock direct_lock = SPIN_LOCK_INIT(LOCK_RANK_DIRTY_FILES);
/* Who waits for a file's direct transfers to end. */
static struct wait_queue direct_waiters GUARDED_BY(direct_lock) = {
    LIST_INIT(direct_waiters.waiters)};

static void await_direct_transfers(struct vnode *vnode)
{
    spin_acquire(&direct_lock);
    /* Pairs with the release in page_cache_direct_end(). Devices have time limits. */
    while (atomic_load_explicit(&vnode->direct_transfers, memory_order_acquire) != 0)
        ignore_status(wait_queue_sleep(&direct_waiters, &direct_lock, deadline_never(), false));
    spin_release(&direct_lock);
}

/* From here on nobody reads what is behind the end, and what comes to be there is zero. */
void page_cache_set_end(struct page_cache *cache, uint64_t size_bytes)
{
    spin_acquire(&cache->lock);
    atomic_store_explicit(&cache->vnode->size_bytes, size_bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&cache->vnode->version, 1, memory_order_release);
    const uint64_t *entry = entry_of_locked(cache, size_bytes / PAGE_BYTES);
    uint64_t inside = size_bytes % PAGE_BYTES;
    if (inside != 0 && entry != nullptr && *entry != 0)
        bytes_zero((uint8_t *)direct_map(physical_at(*entry & ~ENTRY_FLAGS)) + inside,
                   PAGE_BYTES - inside);
    spin_release(&cache->lock);
}

static status cut_locked(struct page_cache *cache, uint64_t size_bytes)
    REQUIRES(cache->vnode->fill_lock)
{
    struct vnode *vnode = cache->vnode;
    await_direct_transfers(vnode);
    page_cache_set_end(cache, size_bytes);
    page_cache_drop(cache, size_bytes / PAGE_BYTES + (size_bytes % PAGE_BYTES != 0), UINT64_MAX,
                    true);
    cache->stored_bytes = min_of(cache->stored_bytes, size_bytes);
    atomic_store_explicit(&vnode->modified_ns, clock_real_ns(), memory_order_relaxed);
    status outcome = vnode->operations->truncate(vnode, size_bytes);
    spin_acquire(&cache->lock);
    cache->is_cut_due = !is_ok(outcome);
    if (cache->is_cut_due) page_cache_list_locked(cache);
    spin_release(&cache->lock);
    return outcome;
}

status page_cache_cut(struct vnode *vnode, uint64_t size_bytes) NO_LOCK_CHECK
{
    struct page_cache *cache = page_cache_make(vnode);
    if (cache == nullptr) return FAIL(OUT_OF_MEMORY);
    mutex_acquire(&vnode->fill_lock);
    /* Whoever gives pages up makes the file shorter without write_lock; but not now. A file that
     * became longer here would have bytes that are nowhere. */
    bool is_shorter = size_bytes > atomic_load_explicit(&vnode->size_bytes, memory_order_relaxed);
    status outcome = is_shorter ? FAIL(IO_ERROR) : cut_locked(cache, size_bytes);
    mutex_release(&vnode->fill_lock);
    return outcome;
}

/* ---- direct transfers ---- */

static uint64_t page_behind(uint64_t offset, uint64_t length)
{
    uint64_t end = offset + length;
    return end / PAGE_BYTES + (end % PAGE_BYTES != 0);
}

static bool has_dirty_pages(struct page_cache *cache, uint64_t first, uint64_t end)
{
    bool is_dirty = false;
    spin_acquire(&cache->lock);
    if (cache->dirty_pages > 0) {
        end = min_of(end, (cache->dirty_last + 1) * STRETCH_PAGES);
        for (uint64_t i = first / STRETCH_PAGES; i * STRETCH_PAGES < end && !is_dirty; i++) {
            const struct page_stretch *stretch = cache->stretches[i];
            is_dirty = stretch != nullptr &&
                       ((stretch->dirty | stretch->writing) & bits_between(i, first, end)) != 0;
        }
    }
    spin_release(&cache->lock);
    return is_dirty;
}

static status clear_way_locked(struct vnode *vnode, uint64_t offset, uint64_t length, bool drop,
                               bool may_wait) REQUIRES(vnode->fill_lock)
{
    struct page_cache *cache = page_cache_find(vnode);
    if (cache == nullptr) return OK;
    uint64_t first = offset / PAGE_BYTES, end = page_behind(offset, length);
    if (has_dirty_pages(cache, first, end)) {
        if (!may_wait) return FAIL(WOULD_BLOCK);
        TRY(page_cache_write_range(vnode, first, end));
    }
    if (drop) page_cache_drop(cache, first, end, false);
    return OK;
}

status page_cache_direct_begin(struct vnode *vnode, uint64_t offset, uint64_t length, bool drop,
                               bool may_wait) NO_LOCK_CHECK
{
    if (!mutex_try_acquire(&vnode->fill_lock)) {
        if (!may_wait) return FAIL(WOULD_BLOCK);
        mutex_acquire(&vnode->fill_lock);
    }
    status outcome = clear_way_locked(vnode, offset, length, drop, may_wait);
    /* Relaxed: whoever cuts waits for fill_lock first. */
    if (is_ok(outcome))
        atomic_fetch_add_explicit(&vnode->direct_transfers, 1, memory_order_relaxed);
    mutex_release(&vnode->fill_lock);
    return outcome;
}

/* What was filled while the device wrote may be what was there before. */
static void forget_filled(struct vnode *vnode, uint64_t first, uint64_t end)
{
    atomic_fetch_add_explicit(&vnode->version, 1, memory_order_release);
    struct page_cache *cache = page_cache_find(vnode);
    if (cache == nullptr) return;
    spin_acquire(&cache->lock);
    if (first < cache->filling_first + cache->filling_count && cache->filling_first < end)
        cache->filling_is_stale = true;
    spin_release(&cache->lock);
    page_cache_drop(cache, first, end, false);
}

void page_cache_direct_end(struct vnode *vnode, uint64_t offset, uint64_t length, bool drop)
{
    if (drop) forget_filled(vnode, offset / PAGE_BYTES, page_behind(offset, length));
    /* Pairs with the acquire in await_direct_transfers(). */
    uint32_t before = atomic_fetch_sub_explicit(&vnode->direct_transfers, 1, memory_order_release);
    ASSERT(before != 0);
    if (before != 1) return;
    spin_acquire(&direct_lock);
    wait_queue_wake_all(&direct_waiters);
    spin_release(&direct_lock);
}
