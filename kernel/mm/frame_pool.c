/*
 * Physical memory: regions of frames, their look-up, and a small cache of single frames for each
 * processor.
 *
 * Locking: `pool.lock` guards every buddy and the counts. The caches are owned by their processors,
 * with interrupts off. A frame moves between a cache and a user without the lock; what keeps that
 * safe is its mark (mm/buddy.h), which changes in one atomic step: a frame in a cache is PARKED,
 * and giving it again finds it so and stops the kernel.
 *
 * Offsets: a region's offset 0 is at `base`, its start rounded down so that blocks are aligned in
 * physical memory as in the region. Frames between base and start do not exist and are never free.
 */
#include "mm/frame_pool.h"
#include "arch/arch/cpu.h"
#include "arch/arch/page.h"
#include "base/annotations.h"
#include "base/bitmap.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "debug/assert.h"
#include "mm/buddy.h"
#include "mm/direct_map.h"
#include "mm/frame_pool_internal.h"
#include "mm/heap.h"
#include "mm/quota.h"
#include "sync/spin_lock.h"

/* Runs of up to this order are aligned in physical memory too: 2 MiB, a large page. */
static constexpr uint32_t ALIGNED_ORDER_MAX = 9;
static constexpr uint32_t REGIONS_MAX = 640;
static constexpr uint32_t RECLAIMERS_MAX = 4;
static constexpr uint32_t CACHE_FRAMES_MAX = 32;
static constexpr uint32_t CACHE_BATCH = 16;

/* The reserve, see frame_pool.h: this part of all frames, and no more than so many. */
static constexpr uint64_t RESERVE_DIVISOR = 32;
static constexpr uint64_t RESERVE_FRAMES_MAX = 1024;
/* What is reclaimed beyond what is wanted, so that the next takes need not ask again. */
static constexpr uint64_t RECLAIM_BATCH = 32;
/* Others may be faster to take what was reclaimed. */
static constexpr uint32_t RECLAIM_ATTEMPTS_MAX = 8;

struct frame_region {
    uint64_t base;          /* physical address of offset 0 */
    uint64_t start;         /* first address that is ours */
    uint64_t end;           /* behind the last */
    uint64_t frames_before; /* in all regions below: the prefix sum */
    bool is_held;           /* nothing in it is free yet; guarded by pool.lock */
    struct buddy buddy;
};

struct parked_frame {
    uint64_t address;
    struct frame_region *region;
};

struct frame_cache {
    uint32_t count;
    struct frame_region *last_region; /* where the last look-up ended: most end there again */
    struct parked_frame frames[CACHE_FRAMES_MAX];
} CACHE_ALIGNED;

static struct {
    spin_lock lock; /* LOCK_RANK_FRAME_POOL */
    struct frame_region
        regions[REGIONS_MAX]; /* sorted by address; fixed at boot: caches point here */
    uint32_t region_count;
    uint64_t total_frames GUARDED_BY(lock);
    uint64_t free_frames GUARDED_BY(lock); /* in the buddies; caches come on top */
    uint64_t reserve_frames GUARDED_BY(lock);
    _Atomic bool is_scarce; /* free_frames < reserve_frames; written with the lock, relaxed: a hint
                             */
    uint64_t bookkeeping_bytes;                                     /* fixed after boot */
    uint64_t (*reclaimers[RECLAIMERS_MAX])(uint64_t frames_wanted); /* fixed after boot */
    uint32_t reclaimer_count;
} pool = {.lock = SPIN_LOCK_INIT(LOCK_RANK_FRAME_POOL)};

static struct frame_cache caches[CPU_COUNT_MAX]; /* owned by each processor, interrupts off */

/* --- Regions ---------------------------------------------------------------------------------- */

/* The region that holds the address, or nullptr: binary search for the last one that starts at or
 * below. */
static struct frame_region *region_find(uint64_t address)
{
    uint32_t low = 0;
    uint32_t high = pool.region_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (pool.regions[middle].start <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0 || address >= pool.regions[low - 1].end) return nullptr;
    return &pool.regions[low - 1];
}

/* The same, starting where this processor looked last. Interrupts off. */
static struct frame_region *region_find_cached(struct frame_cache *cache, uint64_t address)
{
    struct frame_region *last = cache->last_region;
    if (last && address >= last->start && address < last->end) return last;
    struct frame_region *found = region_find(address);
    if (found) cache->last_region = found;
    return found;
}

static uint32_t offset_in(const struct frame_region *region, uint64_t address)
{
    return (uint32_t)((address - region->base) >> PAGE_SHIFT);
}

/* The alignment worth having in a region of so many frames: that of the largest block it can hold.
 */
static uint64_t region_base(const struct frame_range *range)
{
    uint64_t frames = range->length_bytes >> PAGE_SHIFT;
    uint32_t order = 63u - (uint32_t)__builtin_clzll(frames);
    if (order > ALIGNED_ORDER_MAX) order = ALIGNED_ORDER_MAX;
    return round_down(range->start.value, PAGE_BYTES << order);
}

static uint32_t region_frames(const struct frame_range *range)
{
    uint64_t end = range->start.value + range->length_bytes;
    uint64_t frames = (end - region_base(range)) >> PAGE_SHIFT;
    ASSERT(frames < BUDDY_NONE);
    return (uint32_t)frames;
}

static uint64_t bookkeeping_of(const struct frame_range *range)
{
    return round_up(buddy_bookkeeping_bytes(region_frames(range)), sizeof(uint64_t));
}

/* Behind the others, which lie below it. Nothing in it is free yet. Boot only. */
static struct frame_region *region_append(const struct frame_range *range, void *bookkeeping)
{
    ASSERT(pool.region_count < REGIONS_MAX);
    struct frame_region *region = &pool.regions[pool.region_count];
    *region = (struct frame_region){
        .base = region_base(range),
        .start = range->start.value,
        .end = range->start.value + range->length_bytes,
        .is_held = true,
    };
    if (pool.region_count > 0) {
        const struct frame_region *below = region - 1;
        region->frames_before = below->frames_before + ((below->end - below->start) >> PAGE_SHIFT);
    }
    bytes_zero(bookkeeping, bookkeeping_of(range));
    buddy_init(&region->buddy, region_frames(range), bookkeeping);
    pool.region_count++;
    return region;
}

/* After every change of free_frames. Mostly it changes nothing, so the line stays shared. */
static void note_scarcity_locked(void) REQUIRES(pool.lock)
{
    bool is_scarce = pool.free_frames < pool.reserve_frames;
    if (unlikely(is_scarce != atomic_load_explicit(&pool.is_scarce, memory_order_relaxed)))
        atomic_store_explicit(&pool.is_scarce, is_scarce, memory_order_relaxed);
}

/* Makes everything in the region free but its first `bookkeeping_bytes`. */
static void region_open(struct frame_region *region, uint64_t bookkeeping_bytes)
{
    spin_acquire(&pool.lock);
    ASSERT(region->is_held);
    region->is_held = false;
    uint64_t first = region->start + bookkeeping_bytes;
    bitmap_set_range(region->buddy.free_bits, offset_in(region, first),
                     (region->end - first) >> PAGE_SHIFT);
    buddy_build(&region->buddy, region->buddy.free_bits);
    pool.total_frames += region->buddy.free_count;
    pool.free_frames += region->buddy.free_count;
    pool.bookkeeping_bytes += bookkeeping_bytes;
    pool.reserve_frames = min_of(pool.total_frames / RESERVE_DIVISOR, RESERVE_FRAMES_MAX);
    note_scarcity_locked();
    spin_release(&pool.lock);
}

/* Page 0 is left alone: its address means "no frame" below, and firmware may still look at it. */
static struct frame_range without_page_zero(struct frame_range range)
{
    if (range.start.value > 0 || range.length_bytes <= PAGE_BYTES) return range;
    range.start = physical_at(PAGE_BYTES);
    range.length_bytes -= PAGE_BYTES;
    return range;
}

static bool range_is_sound(const struct frame_range *range)
{
    return range->start.value > 0 && range->length_bytes > 0 &&
           is_aligned(range->start.value, PAGE_BYTES) &&
           is_aligned(range->length_bytes, PAGE_BYTES) &&
           range->start.value + range->length_bytes > range->start.value;
}

/* All bookkeeping lies at the start of the largest range, so that small ones stay whole. */
void frame_pool_init(const struct frame_range *ranges, uint32_t count)
{
    ASSERT(pool.region_count == 0 && count > 0 && count <= REGIONS_MAX);
    struct frame_range largest = {0};
    uint64_t needed = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct frame_range range = without_page_zero(ranges[i]);
        ASSERT(range_is_sound(&range));
        ASSERT(i == 0 ||
               ranges[i - 1].start.value + ranges[i - 1].length_bytes <= range.start.value);
        if (!range.is_held && range.length_bytes > largest.length_bytes) largest = range;
        needed += bookkeeping_of(&range);
    }
    needed = round_up(needed, PAGE_BYTES);
    if (needed > largest.length_bytes) panic("memory map: no range holds the bookkeeping of all");

    uint64_t cursor = largest.start.value;
    for (uint32_t i = 0; i < count; i++) {
        struct frame_range range = without_page_zero(ranges[i]);
        struct frame_region *region = region_append(&range, direct_map(physical_at(cursor)));
        cursor += bookkeeping_of(&range);
        if (!range.is_held)
            region_open(region, range.start.value == largest.start.value ? needed : 0);
    }
}

void frame_pool_open(physical_address start)
{
    struct frame_region *region = region_find(start.value);
    ASSERT(region && region->start == start.value);
    region_open(region, 0);
}

/* --- Takes and gives -------------------------------------------------------------------------- */

/* From the lowest region with room. BUDDY_NONE becomes a null region. */
static struct parked_frame take_run_locked(uint32_t order) REQUIRES(pool.lock)
{
    for (uint32_t i = 0; i < pool.region_count; i++) {
        struct frame_region *region = &pool.regions[i];
        if (region->buddy.free_count < 1u << order) continue;
        uint32_t offset = buddy_take(&region->buddy, order);
        if (offset == BUDDY_NONE) continue;
        pool.free_frames -= 1ull << order;
        note_scarcity_locked();
        uint64_t address = region->base + ((uint64_t)offset << PAGE_SHIFT);
        return (struct parked_frame){address, region};
    }
    return (struct parked_frame){0};
}

static void give_run_locked(struct frame_region *region, uint64_t address, uint32_t order)
    REQUIRES(pool.lock)
{
    if (!buddy_give(&region->buddy, offset_in(region, address), order))
        panic("frames %#llx, order %u: given, but not taken as such a run",
              (unsigned long long)address, order);
    pool.free_frames += 1ull << order;
    note_scarcity_locked();
}

/* One atomic step: of two who give the same frame, or give a cached one, the second stops here. */
static void change_mark(struct frame_region *region, uint64_t address, uint32_t order, uint8_t from,
                        uint8_t to)
{
    if (!buddy_change(&region->buddy, offset_in(region, address), order, from, to))
        panic("frames %#llx, order %u: given, but not taken as such a run",
              (unsigned long long)address, order);
}

static void cache_fill(struct frame_cache *cache)
{
    spin_acquire(&pool.lock);
    while (cache->count < CACHE_BATCH) {
        struct parked_frame frame = take_run_locked(0);
        if (!frame.region) break;
        change_mark(frame.region, frame.address, 0, 0, BUDDY_MARK_PARKED);
        cache->frames[cache->count++] = frame;
    }
    spin_release(&pool.lock);
}

/* Gives all but `keep` back to the buddies. Interrupts off. */
static void cache_flush(struct frame_cache *cache, uint32_t keep)
{
    if (cache->count <= keep) return;
    spin_acquire(&pool.lock);
    while (cache->count > keep) {
        struct parked_frame frame = cache->frames[--cache->count];
        change_mark(frame.region, frame.address, 0, BUDDY_MARK_PARKED, 0);
        give_run_locked(frame.region, frame.address, 0);
    }
    spin_release(&pool.lock);
}

/* Physical address 0 is in no region, so it can mean none. */
static uint64_t take_single(void)
{
    bool were_on = interrupts_disable();
    struct frame_cache *cache = &caches[cpu_index()];
    if (unlikely(cache->count == 0)) cache_fill(cache);
    uint64_t address = 0;
    if (likely(cache->count > 0)) {
        struct parked_frame frame = cache->frames[--cache->count];
        change_mark(frame.region, frame.address, 0, BUDDY_MARK_PARKED, 0);
        address = frame.address;
    }
    interrupts_restore(were_on);
    return address;
}

static uint64_t take_run(uint32_t order)
{
    spin_acquire(&pool.lock);
    struct parked_frame run = take_run_locked(order);
    spin_release(&pool.lock);
    return run.address;
}

/* The kernel may use the reserve, and so may who has little. */
static bool may_take(const struct memory_quota *quota)
{
    return likely(!atomic_load_explicit(&pool.is_scarce, memory_order_relaxed)) ||
           quota == nullptr || memory_quota_used(quota) <= FRAME_RESERVE_USER_BYTES;
}

/* 0 when there is none that this quota may have. */
static uint64_t take(const struct memory_quota *quota, uint32_t order)
{
    if (unlikely(!may_take(quota))) return 0;
    return order == 0 ? take_single() : take_run(order);
}

static void flush_own_cache(void)
{
    bool were_on = interrupts_disable();
    cache_flush(&caches[cpu_index()], 0);
    interrupts_restore(were_on);
}

/* How many frames the buddies lack until there is a run to take and the reserve is whole. */
static uint64_t missing_frames(uint32_t order)
{
    spin_acquire(&pool.lock);
    uint64_t wanted = pool.reserve_frames + (1ull << order) + RECLAIM_BATCH;
    uint64_t missing = pool.free_frames < wanted ? wanted - pool.free_frames : 1ull << order;
    spin_release(&pool.lock);
    return missing;
}

/*
 * Asks everybody who holds memory that could be had again; false when nobody gave any. Only with
 * interrupts on, which means that the caller holds no spin lock that a reclaimer might want.
 */
static bool reclaim(uint32_t order)
{
    flush_own_cache();
    if (!interrupts_are_enabled()) return false;
    uint64_t missing = missing_frames(order), freed = 0;
    for (uint32_t i = 0; i < pool.reclaimer_count && freed < missing; i++)
        freed += pool.reclaimers[i](missing - freed);
    flush_own_cache();
    return freed > 0;
}

[[gnu::noinline]] static uint64_t take_after_reclaiming(const struct memory_quota *quota,
                                                        uint32_t order)
{
    uint64_t address = 0;
    bool has_changed = true;
    for (uint32_t i = 0; address == 0 && has_changed && i < RECLAIM_ATTEMPTS_MAX; i++) {
        has_changed = reclaim(order);
        address = take(quota, order);
    }
    return address;
}

frame_result frame_pool_take(struct memory_quota *quota, uint32_t order)
{
    if (unlikely(order > FRAME_ORDER_MAX)) return (frame_result){.status = FAIL(OUT_OF_RANGE)};
    if (unlikely(memory_fault_hook && !memory_fault_hook()))
        return (frame_result){.status = FAIL(OUT_OF_MEMORY)};
    TRY_AS(frame_result, memory_quota_charge(quota, PAGE_BYTES << order));
    uint64_t address = take(quota, order);
    if (unlikely(address == 0)) address = take_after_reclaiming(quota, order);
    if (unlikely(address == 0)) {
        memory_quota_uncharge(quota, PAGE_BYTES << order);
        return (frame_result){.status = FAIL(OUT_OF_MEMORY)};
    }
    return (frame_result){.value = physical_at(address)};
}

frame_result frame_pool_take_zeroed(struct memory_quota *quota)
{
    frame_result taken = frame_pool_take(quota, 0);
    if (is_ok(taken.status)) page_clear(direct_map(taken.value));
    return taken;
}

static struct frame_region *region_of_run(struct frame_cache *cache, physical_address start,
                                          uint32_t order)
{
    struct frame_region *region = region_find_cached(cache, start.value);
    if (unlikely(!region || !is_aligned(start.value, PAGE_BYTES) || order > FRAME_ORDER_MAX))
        panic("frames %#llx, order %u: not the pool's", (unsigned long long)start.value, order);
    return region;
}

void frame_pool_give(struct memory_quota *quota, physical_address start, uint32_t order)
{
    bool were_on = interrupts_disable();
    struct frame_cache *cache = &caches[cpu_index()];
    struct frame_region *region = region_of_run(cache, start, order);
    if (order == 0) {
        change_mark(region, start.value, 0, 0, BUDDY_MARK_PARKED);
        if (unlikely(cache->count == CACHE_FRAMES_MAX)) cache_flush(cache, CACHE_BATCH);
        cache->frames[cache->count++] = (struct parked_frame){start.value, region};
    } else {
        spin_acquire(&pool.lock);
        give_run_locked(region, start.value, order);
        spin_release(&pool.lock);
    }
    interrupts_restore(were_on);
    memory_quota_uncharge(quota, PAGE_BYTES << order);
}

void frame_pool_tag(physical_address start, uint32_t order)
{
    struct frame_region *region = region_find(start.value);
    ASSERT(region);
    change_mark(region, start.value, order, 0, BUDDY_MARK_TAGGED);
}

int frame_pool_untag(physical_address start)
{
    struct frame_region *region = region_find(start.value);
    if (!region || !is_aligned(start.value, PAGE_BYTES)) return -1;
    uint32_t offset = offset_in(region, start.value);
    int order = buddy_taken_order(&region->buddy, offset, BUDDY_MARK_TAGGED);
    if (order < 0) return -1;
    bool changed = buddy_change(&region->buddy, offset, (uint32_t)order, BUDDY_MARK_TAGGED, 0);
    return changed ? order : -1;
}

/* --- The whole -------------------------------------------------------------------------------- */

/* Other processors' caches change meanwhile: their counts are read once each, and may be a little
 * old. */
static uint64_t cached_frames(void)
{
    uint64_t frames = 0;
    for (uint32_t i = 0; i < CPU_COUNT_MAX; i++)
        frames += __atomic_load_n(&caches[i].count, __ATOMIC_RELAXED);
    return frames;
}

uint64_t frame_pool_index(physical_address frame)
{
    const struct frame_region *region = region_find(frame.value);
    if (!region) panic("frame %#llx: not the pool's", (unsigned long long)frame.value);
    return region->frames_before + ((frame.value - region->start) >> PAGE_SHIFT);
}

struct frame_pool_counts frame_pool_count(void)
{
    spin_acquire(&pool.lock);
    struct frame_pool_counts counts = {
        .total_frames = pool.total_frames,
        .free_frames = pool.free_frames + cached_frames(),
        .region_count = pool.region_count,
        .bookkeeping_bytes = pool.bookkeeping_bytes,
    };
    spin_release(&pool.lock);
    return counts;
}

void frame_pool_check(void)
{
    spin_acquire(&pool.lock);
    uint64_t free_frames = 0;
    uint64_t frames_before = 0;
    for (uint32_t i = 0; i < pool.region_count; i++) {
        const struct frame_region *region = &pool.regions[i];
        ASSERT(region->frames_before == frames_before);
        ASSERT(i == 0 || pool.regions[i - 1].end <= region->start);
        ASSERT(buddy_check(&region->buddy));
        free_frames += region->buddy.free_count;
        frames_before += (region->end - region->start) >> PAGE_SHIFT;
    }
    ASSERT(free_frames == pool.free_frames);
    ASSERT(free_frames <= pool.total_frames);
    spin_release(&pool.lock);
}

void frame_pool_add_reclaimer(uint64_t (*reclaimer)(uint64_t frames_wanted))
{
    ASSERT(pool.reclaimer_count < RECLAIMERS_MAX);
    pool.reclaimers[pool.reclaimer_count++] = reclaimer;
}

void frame_pool_reset(void)
{
    spin_acquire(&pool.lock);
    pool.region_count = 0;
    pool.total_frames = 0;
    pool.free_frames = 0;
    pool.reserve_frames = 0;
    note_scarcity_locked();
    pool.bookkeeping_bytes = 0;
    pool.reclaimer_count = 0;
    spin_release(&pool.lock);
    for (uint32_t i = 0; i < CPU_COUNT_MAX; i++)
        caches[i] = (struct frame_cache){0};
}
