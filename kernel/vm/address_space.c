/*
 * Address spaces: regions above, page table below, and faults between the two.
 *
 * The page table holds a subset of what the regions promise, never more: a page is entered when it
 * is touched, with the access its region has, and every change that takes something away changes
 * the table at once. A change that may fail does so before anything is altered: spare regions for
 * the cuts are taken first, then the page table is changed (which may need memory to split a large
 * page), and only then the regions.
 *
 * Locking: the mutex guards regions and page table. A processor that runs threads of the space is
 * in `active`; it enters the set before it loads the table and leaves after it has loaded another,
 * so whoever changes the table and then reads the set finds everyone who may hold the old
 * translation. Frames belong to buffers, and what a region has of its buffer is dropped after the
 * flush.
 *
 * Revocation. Each region made through a capability is one of its users. A revocation claims the
 * region, which counts the space, and then stops the space: under the mutex, all regions whose
 * capability is revoked are removed. A region that cannot become a user any more, for it was cut
 * off another while that was being revoked, is removed by whoever cut it, when it leaves the space:
 * the other one may be unmapped before it is claimed.
 */
#include "vm/address_space.h"
#include "arch/arch/page_table.h"
#include "base/checked.h"
#include "debug/assert.h"
#include "mm/heap.h"
#include "random/random.h"
#include "vm/region_set.h"
#include <abi/ops.h>

static_assert(ABI_ACCESS_READ == PAGE_READ && ABI_ACCESS_WRITE == PAGE_WRITE &&
                  ABI_ACCESS_EXECUTE == PAGE_EXECUTE,
              "regions and page tables name access alike");

/*
 * Small mappings are placed at random inside a window which itself is at a random place. Addresses
 * everywhere would cost three page table frames for each mapping; so all of them share one path of
 * tables, and still none can be computed from another.
 */
static constexpr uint64_t WINDOW_BYTES = 8ull << 20;
static constexpr uint64_t WINDOW_LENGTH_MAX = WINDOW_BYTES / 4;
static constexpr uint32_t PLACES_TRIED = 8;
static constexpr uint32_t WINDOWS_TRIED = 4;

/* A fault enters existing neighbours too, within an aligned stretch of so many bytes. */
static constexpr uint64_t FAULT_AROUND_BYTES = 16 * PAGE_BYTES;

struct address_space {
    /* Fixed at creation. */
    struct memory_quota *quota; /* counted */

    mutex lock;              /* LOCK_RANK_ADDRESS_SPACE */
    struct page_table table; /* guarded by lock, except that processors use it */
    struct region_set regions GUARDED_BY(lock);
    uint64_t window_start GUARDED_BY(lock);
    bool has_strays GUARDED_BY(lock); /* a region that is no user of its revoked capability */

    _Atomic uint32_t references; /* its owner's, and of revocations that are about to stop it */
    _Atomic uint64_t active; /* a bit for each processor that uses the table; see Locking above */
};

/* ---- life ---- */

static uint64_t random_below(uint64_t limit)
{
    return random_number() % limit;
}

static uint64_t random_window(void)
{
    uint64_t windows = (ABI_USER_ADDRESS_END - ABI_USER_ADDRESS_MIN) / WINDOW_BYTES - 1;
    return round_up(ABI_USER_ADDRESS_MIN, WINDOW_BYTES) + random_below(windows - 1) * WINDOW_BYTES;
}

address_space_result address_space_create(struct memory_quota *quota)
{
    struct address_space *space = heap_take(sizeof(*space));
    if (space == nullptr) return (address_space_result){.status = FAIL(OUT_OF_MEMORY)};
    *space =
        (struct address_space){.quota = quota, .window_start = random_window(), .references = 1};
    status made = page_table_create(&space->table, quota);
    if (!is_ok(made)) {
        heap_give(space);
        return (address_space_result){.status = made};
    }
    mutex_init(&space->lock, LOCK_RANK_ADDRESS_SPACE);
    if (quota != nullptr) memory_quota_get(quota);
    return (address_space_result){.value = space};
}

static struct region *region_take(struct address_space *space)
{
    if (!is_ok(memory_quota_charge(space->quota, sizeof(struct region)))) return nullptr;
    struct region *region = heap_take(sizeof(*region)); /* filled as a whole by who enters it */
    if (region == nullptr) memory_quota_uncharge(space->quota, sizeof(*region));
    return region;
}

/* Accepts nullptr. */
static void region_give(struct address_space *space, struct region *region)
{
    if (region == nullptr) return;
    heap_give(region);
    memory_quota_uncharge(space->quota, sizeof(*region));
}

/* Drops what keeps its buffer, and the region, which is in no set any more. */
static void region_drop(struct address_space *space, struct region *region)
{
    if (region->capability != nullptr) {
        capability_user_leave(region->capability, &region->user);
        capability_unuse(region->capability);
    } else {
        buffer_put(region->buffer);
    }
    region_give(space, region);
}

/* Takes the region out and drops what it has. Its pages are no longer in any translation. */
static void region_end_locked(struct address_space *space, struct region *region)
    REQUIRES(space->lock)
{
    region_set_remove(&space->regions, region);
    region_drop(space, region);
}

void address_space_get(struct address_space *space)
{
    /* Relaxed: whoever asks knows that it is there. */
    atomic_fetch_add_explicit(&space->references, 1, memory_order_relaxed);
}

/* Gives back the memory of a space that has nothing left, with the last reference. */
void address_space_put(struct address_space *space)
{
    /* Release and acquire: whoever frees it comes after all others. */
    if (atomic_fetch_sub_explicit(&space->references, 1, memory_order_acq_rel) != 1) return;
    struct memory_quota *quota = space->quota;
    heap_give(space);
    if (quota != nullptr) memory_quota_put(quota);
}

void address_space_destroy(struct address_space *space)
{
    ASSERT(atomic_load_explicit(&space->active, memory_order_relaxed) == 0);
    mutex_acquire(&space->lock);
    struct region *region;
    while ((region = region_set_first(&space->regions)) != nullptr)
        region_end_locked(space, region);
    mutex_release(&space->lock);
    page_table_destroy(&space->table);
    address_space_put(space);
}

const struct page_table *address_space_page_table(const struct address_space *space)
{
    return &space->table;
}

uint32_t address_space_region_count(struct address_space *space)
{
    mutex_acquire(&space->lock);
    uint32_t count = space->regions.count;
    mutex_release(&space->lock);
    return count;
}

/* ---- listing ---- */

static void describe_region(const struct region *region, struct region_description *out_region)
{
    const struct capability *capability = region->capability;
    *out_region = (struct region_description){
        .start = region->start,
        .end = region->end,
        .access = region->access,
        .access_max = region->access_max,
        .derivation_id = capability != nullptr ? capability->id : 0,
        .buffer_id = buffer_object(region->buffer)->id,
        .buffer_offset = region->buffer_offset,
        .buffer_bytes = buffer_size(region->buffer),
        .buffer_committed_bytes = buffer_committed_bytes(region->buffer),
    };
}

bool address_space_describe_region(struct address_space *space, user_address from,
                                   struct region_description *out_region)
{
    mutex_acquire(&space->lock);
    const struct region *region = region_set_find_from(&space->regions, from.value);
    if (region != nullptr) describe_region(region, out_region);
    mutex_release(&space->lock);
    return region != nullptr;
}

/* ---- processors ---- */

void address_space_activate(struct address_space *space)
{
    /* Sequentially consistent: pairs with the fence in flush_locked(). */
    atomic_fetch_or_explicit(&space->active, 1ull << cpu_index(), memory_order_seq_cst);
    page_table_use(&space->table);
}

void address_space_deactivate(struct address_space *space)
{
    atomic_fetch_and_explicit(&space->active, ~(1ull << cpu_index()), memory_order_release);
}

/* Call after the page table has lost something in the range. */
static void flush_locked(struct address_space *space, uint64_t start, uint64_t end)
    REQUIRES(space->lock)
{
    /* The table's change comes before the look at the set, as for the processor that enters the
     * set its entry comes before its look at the table. */
    atomic_thread_fence(memory_order_seq_cst);
    cpu_set cpus = {atomic_load_explicit(&space->active, memory_order_relaxed)};
    if (cpus.bits != 0) tlb_flush(cpus, start, end - start);
}

/* ---- revocation ---- */

/* Its ends are never inside a large page: cutting there has split that. */
static void unmap_region_locked(struct address_space *space, struct region *region)
    REQUIRES(space->lock)
{
    uint64_t removed = 0;
    status unmapped =
        page_table_unmap(&space->table, region->start, region->end - region->start, &removed);
    ASSERT(is_ok(unmapped));
    if (removed > 0) flush_locked(space, region->start, region->end);
    region_end_locked(space, region);
}

static bool is_revoked(const struct region *region)
{
    return region->capability != nullptr && capability_is_revoked(region->capability);
}

static void remove_revoked_locked(struct address_space *space) REQUIRES(space->lock)
{
    struct region *region = region_set_first(&space->regions);
    while (region != nullptr) {
        struct region *next = region_set_next(region);
        if (is_revoked(region)) unmap_region_locked(space, region);
        region = next;
    }
}

/* Releases the mutex, for those who may have cut regions. */
static void leave(struct address_space *space) RELEASES(space->lock)
{
    if (unlikely(space->has_strays)) {
        space->has_strays = false;
        remove_revoked_locked(space);
    }
    mutex_release(&space->lock);
}

/* The region is in its space, which has its owner's reference at least. */
static void *claim_region(struct capability_user *user)
{
    struct region *region = container_of(user, struct region, user);
    /* Relaxed: there is a reference. */
    atomic_fetch_add_explicit(&region->space->references, 1, memory_order_relaxed);
    return region->space;
}

static void stop_space(void *claimed)
{
    struct address_space *space = claimed;
    mutex_acquire(&space->lock);
    remove_revoked_locked(space);
    mutex_release(&space->lock);
    address_space_put(space);
}

static const struct capability_user_type region_user_type = {.claim = claim_region,
                                                             .stop = stop_space};

/* Gives a region, whose capability somebody uses meanwhile, what keeps its buffer. False: it is
 * revoked, and whoever has the region sees to its end. */
static bool region_keep_locked(struct address_space *space, struct region *region)
    REQUIRES(space->lock)
{
    region->space = space;
    if (region->capability == nullptr) {
        object_get(buffer_object(region->buffer));
        return true;
    }
    capability_use_more(region->capability);
    list_init(&region->user.link);
    return capability_user_enter(region->capability, &region->user, &region_user_type);
}

/* ---- placing ---- */

/* Free, with a page to spare on both sides: running off either end is a fault. */
static bool is_free_with_gaps_locked(struct address_space *space, uint64_t start, uint64_t length)
    REQUIRES(space->lock)
{
    return region_set_is_free(&space->regions, start - PAGE_BYTES, start + length + PAGE_BYTES);
}

static bool place_in_stretch_locked(struct address_space *space, uint64_t low, uint64_t high,
                                    uint64_t length, uint64_t alignment, uint64_t *out_start)
    REQUIRES(space->lock)
{
    uint64_t places = (high - low - length) / alignment;
    if (places == 0) return false;
    for (uint32_t i = 0; i < PLACES_TRIED; i++) {
        uint64_t start = low + random_below(places) * alignment;
        if (!is_free_with_gaps_locked(space, start, length)) continue;
        *out_start = start;
        return true;
    }
    return false;
}

static bool place_in_window_locked(struct address_space *space, uint64_t length, uint64_t alignment,
                                   uint64_t *out_start) REQUIRES(space->lock)
{
    for (uint32_t i = 0; i < WINDOWS_TRIED; i++) {
        uint64_t low = space->window_start;
        if (place_in_stretch_locked(space, low, low + WINDOW_BYTES, length, alignment, out_start))
            return true;
        space->window_start = random_window();
    }
    return false;
}

/* A random place where there is room; the lowest one when the address space is so full that chance
 * fails. */
static bool place_locked(struct address_space *space, uint64_t length, uint64_t alignment,
                         uint64_t *out_start) REQUIRES(space->lock)
{
    uint64_t low = round_up(ABI_USER_ADDRESS_MIN + PAGE_BYTES, alignment);
    uint64_t high = ABI_USER_ADDRESS_END;
    if (length > high - low) return false;
    if (length <= WINDOW_LENGTH_MAX && alignment <= PAGE_BYTES)
        if (place_in_window_locked(space, length, alignment, out_start)) return true;
    return place_in_stretch_locked(space, low, high - PAGE_BYTES, length, alignment, out_start) ||
           region_set_find_gap(&space->regions, low, high, length, alignment, out_start);
}

address_result address_space_find_room(struct address_space *space, uint64_t length)
{
    uint64_t start = 0;
    mutex_acquire(&space->lock);
    bool found = place_locked(space, length, PAGE_BYTES, &start);
    mutex_release(&space->lock);
    if (!found) return (address_result){.status = FAIL(OUT_OF_MEMORY)};
    return (address_result){.value = user_at(start)};
}

/* ---- mapping ---- */

/* What can be written or executed can be read: processors know no other way. */
static uint8_t with_read(uint8_t access)
{
    return access != 0 ? access | ABI_ACCESS_READ : 0;
}

static bool access_is_valid(uint8_t access)
{
    constexpr uint8_t both = ABI_ACCESS_WRITE | ABI_ACCESS_EXECUTE;
    return (access & ~ABI_ACCESS_FLAGS_KNOWN) == 0 && (access & both) != both;
}

static bool range_is_user(uint64_t start, uint64_t length)
{
    return start >= ABI_USER_ADDRESS_MIN && span_fits(start, length, ABI_USER_ADDRESS_END);
}

static status check_request(const struct mapping_request *request)
{
    uint64_t unaligned = request->buffer_offset | request->length_bytes | request->address.value;
    if (!is_aligned(unaligned, PAGE_BYTES) || request->length_bytes == 0)
        return FAIL(INVALID_ARGUMENT);
    if (!access_is_valid(request->access)) return FAIL(INVALID_ARGUMENT);
    if ((request->access & ~with_read(request->access_max)) != 0) return FAIL(INVALID_ARGUMENT);
    if (!span_fits(request->buffer_offset, request->length_bytes, buffer_size(request->buffer)))
        return FAIL(OUT_OF_RANGE);
    if (request->address.value != 0 &&
        !range_is_user(request->address.value, request->length_bytes))
        return FAIL(OUT_OF_RANGE);
    return OK;
}

/* Merges the region with neighbours that continue it. */
static void merge_locked(struct address_space *space, struct region *region) REQUIRES(space->lock)
{
    struct tree_node *before = tree_previous(&region->node);
    struct region *lower = before != nullptr ? tree_entry(before, struct region, node) : nullptr;
    struct region *pairs[2][2] = {{region, region_set_next(region)}, {lower, region}};
    for (uint32_t i = 0; i < 2; i++) {
        struct region *low = pairs[i][0], *high = pairs[i][1];
        if (low == nullptr || high == nullptr || !region_continues(low, high)) continue;
        region_set_merge(&space->regions, low, high);
        region_drop(space, high);
    }
}

static address_result map_locked(struct address_space *space, const struct mapping_request *request,
                                 struct region *region) REQUIRES(space->lock)
{
    uint64_t start = request->address.value;
    uint64_t length = request->length_bytes;
    if (space->regions.count >= ADDRESS_SPACE_REGIONS_MAX)
        return (address_result){.status = FAIL(QUOTA_EXCEEDED)};
    if (start != 0 && !region_set_is_free(&space->regions, start, start + length))
        return (address_result){.status = FAIL(ALREADY_EXISTS)};
    uint64_t alignment = buffer_has_large_pages(request->buffer) ? LARGE_PAGE_BYTES : PAGE_BYTES;
    if (start == 0 && !place_locked(space, length, alignment, &start))
        return (address_result){.status = FAIL(OUT_OF_MEMORY)};

    *region = (struct region){
        .start = start,
        .end = start + length,
        .buffer = request->buffer,
        .buffer_offset = request->buffer_offset,
        .access = with_read(request->access),
        .access_max = with_read(request->access_max),
        .capability = request->capability,
    };
    if (!region_keep_locked(space, region)) {
        capability_unuse(request->capability); /* the caller has one, too */
        return (address_result){.status = FAIL(CAPABILITY_REVOKED)};
    }
    region_set_insert(&space->regions, region);
    merge_locked(space, region);
    return (address_result){.value = user_at(start)};
}

address_result address_space_map(struct address_space *space, const struct mapping_request *request)
{
    TRY_AS(address_result, check_request(request));
    struct region *region = region_take(space);
    if (region == nullptr) return (address_result){.status = FAIL(OUT_OF_MEMORY)};
    mutex_acquire(&space->lock);
    address_result mapped = map_locked(space, request, region);
    mutex_release(&space->lock);
    if (!is_ok(mapped.status)) region_give(space, region);
    return mapped;
}

/* ---- cutting: regions that reach beyond a range are split at its ends ---- */

struct cuts {
    struct region *low, *high;             /* to be split; nullptr: nothing sticks out there */
    struct region *low_spare, *high_spare; /* their upper parts */
};

static void cuts_give_back(struct address_space *space, struct cuts *cuts)
{
    region_give(space, cuts->low_spare);
    region_give(space, cuts->high_spare);
}

/* Finds what must be split and takes the memory for it. The range is covered; what is in it will
 * go, or stay. */
static status cuts_prepare_locked(struct address_space *space, uint64_t start, uint64_t end,
                                  bool goes, struct cuts *out_cuts) REQUIRES(space->lock)
{
    struct region *first = region_set_find(&space->regions, start);
    struct region *last = region_set_find(&space->regions, end - 1);
    struct cuts cuts = {
        .low = first->start < start ? first : nullptr,
        .high = last->end > end ? last : nullptr,
    };
    uint32_t added = (cuts.low != nullptr) + (cuts.high != nullptr);
    if (goes) added -= min_of(added, first != last ? 2u : 1u);
    if (space->regions.count + added > ADDRESS_SPACE_REGIONS_MAX) return FAIL(QUOTA_EXCEEDED);
    if (cuts.low != nullptr) cuts.low_spare = region_take(space);
    if (cuts.high != nullptr) cuts.high_spare = region_take(space);
    bool lacks_memory = (cuts.low != nullptr && cuts.low_spare == nullptr) ||
                        (cuts.high != nullptr && cuts.high_spare == nullptr);
    if (lacks_memory) {
        cuts_give_back(space, &cuts);
        return FAIL(OUT_OF_MEMORY);
    }
    *out_cuts = cuts;
    return OK;
}

static void cut_locked(struct address_space *space, struct region *region, uint64_t address,
                       struct region *upper) REQUIRES(space->lock)
{
    region_set_split(&space->regions, region, address, upper);
    if (!region_keep_locked(space, upper)) space->has_strays = true;
}

static void cuts_apply_locked(struct address_space *space, uint64_t start, uint64_t end,
                              const struct cuts *cuts) REQUIRES(space->lock)
{
    /* The upper end first: `high` may be the region that `low` is the lower part of. */
    if (cuts->high != nullptr) cut_locked(space, cuts->high, end, cuts->high_spare);
    if (cuts->low != nullptr) cut_locked(space, cuts->low, start, cuts->low_spare);
}

/* For unmap and protect. */
static status check_range_locked(struct address_space *space, uint64_t start, uint64_t length)
    REQUIRES(space->lock)
{
    if (!is_aligned(start | length, PAGE_BYTES) || length == 0) return FAIL(INVALID_ARGUMENT);
    if (!range_is_user(start, length)) return FAIL(OUT_OF_RANGE);
    return region_set_covers(&space->regions, start, start + length) ? OK : FAIL(NOT_FOUND);
}

/* ---- unmapping ---- */

static status unmap_locked(struct address_space *space, uint64_t start, uint64_t length)
    REQUIRES(space->lock)
{
    uint64_t end = start + length, removed = 0;
    TRY(check_range_locked(space, start, length));
    struct cuts cuts;
    TRY(cuts_prepare_locked(space, start, end, true, &cuts));
    status unmapped = page_table_unmap(&space->table, start, length, &removed);
    if (!is_ok(unmapped)) {
        cuts_give_back(space, &cuts);
        return unmapped;
    }
    if (removed > 0) flush_locked(space, start, end);

    cuts_apply_locked(space, start, end, &cuts);
    struct region *region;
    while ((region = region_set_find_from(&space->regions, start)) != nullptr &&
           region->start < end)
        region_end_locked(space, region);
    return OK;
}

status address_space_unmap(struct address_space *space, user_address address, uint64_t length)
{
    mutex_acquire(&space->lock);
    status unmapped = unmap_locked(space, address.value, length);
    leave(space);
    return unmapped;
}

void address_space_unmap_buffer(struct address_space *space, user_address address, uint64_t length,
                                struct buffer *buffer)
{
    uint64_t end = address.value + length;
    mutex_acquire(&space->lock);
    struct region *region = region_set_find_from(&space->regions, address.value);
    while (region != nullptr && region->start < end) {
        struct region *next = region_set_next(region);
        if (region->buffer == buffer) unmap_region_locked(space, region);
        region = next;
    }
    mutex_release(&space->lock);
}

/* ---- protecting ---- */

/* PERMISSION_DENIED unless all regions of the range may have the access. */
static status check_access_locked(struct address_space *space, uint64_t start, uint64_t end,
                                  uint8_t access, bool *out_narrows) REQUIRES(space->lock)
{
    bool narrows = false;
    for (const struct region *region = region_set_find(&space->regions, start);
         region != nullptr && region->start < end; region = region_set_next(region)) {
        if ((access & ~region->access_max) != 0) return FAIL(PERMISSION_DENIED);
        narrows |= (region->access & ~access) != 0;
    }
    *out_narrows = narrows;
    return OK;
}

static status protect_locked(struct address_space *space, uint64_t start, uint64_t length,
                             uint8_t access) REQUIRES(space->lock)
{
    uint64_t end = start + length;
    bool narrows = false;
    TRY(check_range_locked(space, start, length));
    TRY(check_access_locked(space, start, end, access, &narrows));
    struct cuts cuts;
    TRY(cuts_prepare_locked(space, start, end, false, &cuts));
    status changed = page_table_protect(&space->table, start, length, access);
    if (!is_ok(changed)) {
        cuts_give_back(space, &cuts);
        return changed;
    }
    if (narrows) flush_locked(space, start, end);

    cuts_apply_locked(space, start, end, &cuts);
    for (struct region *region = region_set_find(&space->regions, start);
         region != nullptr && region->start < end; region = region_set_next(region)) {
        region->access = access;
    }
    merge_locked(space, region_set_find(&space->regions, start));
    merge_locked(space, region_set_find(&space->regions, end - 1));
    return OK;
}

status address_space_protect(struct address_space *space, user_address address, uint64_t length,
                             uint8_t access)
{
    if (!access_is_valid(access)) return FAIL(INVALID_ARGUMENT);
    mutex_acquire(&space->lock);
    status changed = protect_locked(space, address.value, length, with_read(access));
    leave(space);
    return changed;
}

/* ---- faults ---- */

static uint64_t page_index_of(const struct region *region, uint64_t address)
{
    return (region->buffer_offset + (address - region->start)) >> PAGE_SHIFT;
}

/* Somebody else may have been here first: then all is well too. */
static status map_page_locked(struct address_space *space, const struct region *region,
                              uint64_t page, physical_address frame) REQUIRES(space->lock)
{
    status mapped = page_table_map(&space->table, page, frame, PAGE_BYTES, region->access);
    return mapped.code == STATUS_ALREADY_EXISTS ? OK : mapped;
}

/* False when the large page around the address cannot be mapped as one. */
static bool map_large_locked(struct address_space *space, const struct region *region,
                             uint64_t address) REQUIRES(space->lock)
{
    uint64_t start = round_down(address, LARGE_PAGE_BYTES);
    bool is_inside = start >= region->start && span_fits(start, LARGE_PAGE_BYTES, region->end);
    if (!is_inside || !is_aligned(page_index_of(region, start), LARGE_PAGE_BYTES / PAGE_BYTES))
        return false;
    frame_result frame = buffer_touch(region->buffer, page_index_of(region, start));
    return is_ok(frame.status) && is_ok(page_table_map(&space->table, start, frame.value,
                                                       LARGE_PAGE_BYTES, region->access));
}

/* Enters the page if it exists; false ends a run of neighbours. */
static bool map_existing_locked(struct address_space *space, const struct region *region,
                                uint64_t page) REQUIRES(space->lock)
{
    physical_address frame;
    return buffer_has_page(region->buffer, page_index_of(region, page), &frame) &&
           is_ok(page_table_map(&space->table, page, frame, PAGE_BYTES, region->access));
}

/*
 * Enters the run of existing pages behind the one touched, and before it when the buffer is
 * complete: in one that grows by touches from low to high, what is before has been entered already.
 */
static void map_neighbours_locked(struct address_space *space, const struct region *region,
                                  uint64_t page) REQUIRES(space->lock)
{
    uint64_t low = max_of(round_down(page, FAULT_AROUND_BYTES), region->start);
    uint64_t high = min_of(round_down(page, FAULT_AROUND_BYTES) + FAULT_AROUND_BYTES, region->end);
    for (uint64_t next = page + PAGE_BYTES; next < high; next += PAGE_BYTES) {
        if (!map_existing_locked(space, region, next)) break;
    }
    if (buffer_committed_bytes(region->buffer) < buffer_size(region->buffer)) return;
    for (uint64_t next = page; next > low; next -= PAGE_BYTES) {
        if (!map_existing_locked(space, region, next - PAGE_BYTES)) break;
    }
}

static status fault_locked(struct address_space *space, uint64_t address, uint8_t access)
    REQUIRES(space->lock)
{
    const struct region *region = region_set_find(&space->regions, address);
    if (region == nullptr) return FAIL(NOT_FOUND);
    if (access == 0 || (access & ~region->access) != 0) return FAIL(PERMISSION_DENIED);
    if (buffer_has_large_pages(region->buffer) && map_large_locked(space, region, address))
        return OK;
    uint64_t page = round_down(address, PAGE_BYTES);
    frame_result frame = buffer_touch(region->buffer, page_index_of(region, page));
    TRY(frame.status);
    TRY(map_page_locked(space, region, page, frame.value));
    map_neighbours_locked(space, region, page);
    return OK;
}

status address_space_fault(struct address_space *space, user_address address, uint8_t access)
{
    mutex_acquire(&space->lock);
    status resolved = fault_locked(space, address.value, access);
    mutex_release(&space->lock);
    return resolved;
}
