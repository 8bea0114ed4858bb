/*
 * Buffers: a two-level table from page numbers to frames.
 *
 * The root has a pointer for each leaf of 512 units; a leaf has a word for each unit, which is a
 * page, or 2 MiB in a buffer of large pages. A buffer of one leaf keeps the root inside itself, and
 * its leaf is only as long as the buffer, so that small buffers are small.
 *
 * Locking: none. A word of root or leaf goes from zero to its value once, by compare-and-swap with
 * release, and keeps it until the last reference is gone; readers load with acquire. When two make
 * the same page at once, the second gives its frame back and uses that of the first.
 */
#include "vm/buffer.h"
#include "arch/arch/cpu.h"
#include "arch/arch/page.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "base/container.h"
#include "debug/assert.h"
#include "mm/direct_map.h"
#include "mm/heap.h"
#include "sched/scheduler.h"
#include <abi/ops.h>

static constexpr uint32_t LEAF_SHIFT = 9;
static constexpr uint64_t LEAF_UNITS = 1ull << LEAF_SHIFT;
static constexpr uint32_t LARGE_PAGE_ORDER = LARGE_PAGE_SHIFT - PAGE_SHIFT;

/* In a word of a leaf, beside the frame's address. */
static constexpr uint64_t UNIT_EXISTS = 1;

/* Besides ABI_BUFFER_...: the frames are somebody else's, who keeps them for ever. */
static constexpr uint32_t BUFFER_IS_BORROWED = 1u << 31;

struct leaf {
    _Atomic uint64_t units[1]; /* as many as leaf_length() says */
};

/* A buffer of up to so many units has its only leaf inside itself. */
static constexpr uint64_t OWN_UNITS = 4;

struct buffer {
    struct object object;

    /* Fixed at creation. */
    struct memory_quota *quota; /* counted; nullptr: the kernel's */
    uint64_t size_bytes;
    struct buffer *template; /* counted; nullptr: zeros */
    uint64_t template_first; /* the template's page that is this buffer's page 0 */
    uint32_t flags;
    uint32_t unit_shift;            /* PAGE_SHIFT or LARGE_PAGE_SHIFT */
    _Atomic(struct leaf *) *leaves; /* &only_leaf, or owned */

    /* Atomic. */
    _Atomic(struct leaf *) only_leaf;
    _Atomic uint64_t own_units[OWN_UNITS]; /* the only leaf of a small buffer */
    _Atomic uint64_t units_committed;      /* relaxed: a counter, ordered with nothing */
};

static void buffer_destroy(struct object *object);

static const struct object_type buffer_type = {
    .kind = ABI_KIND_BUFFER,
    .rights_all = ABI_RIGHT_READ | ABI_RIGHT_WRITE | ABI_RIGHT_MAP | ABI_RIGHT_EXECUTE |
                  ABI_RIGHT_DUP | ABI_RIGHT_TRANSFER | ABI_RIGHT_CLOSE | ABI_RIGHT_STAT,
    .destroy = buffer_destroy,
};

/* ---- sizes ---- */

static uint64_t unit_count(const struct buffer *buffer)
{
    return buffer->size_bytes >> buffer->unit_shift;
}

static uint64_t leaf_count(const struct buffer *buffer)
{
    return (unit_count(buffer) + LEAF_UNITS - 1) >> LEAF_SHIFT;
}

static uint64_t leaf_length(const struct buffer *buffer, uint64_t leaf_index)
{
    return min_of(LEAF_UNITS, unit_count(buffer) - (leaf_index << LEAF_SHIFT));
}

static bool has_own_leaf(const struct buffer *buffer)
{
    return unit_count(buffer) <= OWN_UNITS;
}

static uint64_t root_bytes(const struct buffer *buffer)
{
    return leaf_count(buffer) * sizeof(buffer->leaves[0]);
}

static uint64_t leaf_bytes(const struct buffer *buffer, uint64_t leaf_index)
{
    return leaf_length(buffer, leaf_index) * sizeof(uint64_t);
}

static uint32_t unit_order(const struct buffer *buffer)
{
    return buffer->unit_shift - PAGE_SHIFT;
}

/* ---- bookkeeping memory, charged ---- */

static void *take_charged(struct memory_quota *quota, uint64_t bytes)
{
    if (!is_ok(memory_quota_charge(quota, bytes))) return nullptr;
    void *memory = heap_take_zeroed(bytes);
    if (memory == nullptr) memory_quota_uncharge(quota, bytes);
    return memory;
}

static void give_charged(struct memory_quota *quota, void *memory, uint64_t bytes)
{
    heap_give(memory);
    memory_quota_uncharge(quota, bytes);
}

/* ---- one page ---- */

/* The word of the page's unit, or nullptr when its leaf does not exist. */
static _Atomic uint64_t *unit_find(const struct buffer *buffer, uint64_t unit)
{
    /* Pairs with the release in unit_make(). */
    struct leaf *leaf =
        atomic_load_explicit(&buffer->leaves[unit >> LEAF_SHIFT], memory_order_acquire);
    return leaf != nullptr ? &leaf->units[unit & (LEAF_UNITS - 1)] : nullptr;
}

/* As unit_find, with the leaf made when it does not exist; nullptr: no memory. */
static _Atomic uint64_t *unit_make(struct buffer *buffer, uint64_t unit)
{
    _Atomic uint64_t *found = unit_find(buffer, unit);
    if (found != nullptr) return found;

    uint64_t leaf_index = unit >> LEAF_SHIFT;
    struct leaf *leaf = take_charged(buffer->quota, leaf_bytes(buffer, leaf_index));
    if (leaf == nullptr) return unit_find(buffer, unit); /* another may have been luckier */
    struct leaf *first = nullptr;
    if (!atomic_compare_exchange_strong_explicit(&buffer->leaves[leaf_index], &first, leaf,
                                                 memory_order_release, memory_order_acquire))
        give_charged(buffer->quota, leaf, leaf_bytes(buffer, leaf_index));
    return unit_find(buffer, unit);
}

static uint64_t unit_of_page(const struct buffer *buffer, uint64_t page_index)
{
    return page_index >> unit_order(buffer);
}

static physical_address frame_in_unit(const struct buffer *buffer, uint64_t unit_value,
                                      uint64_t page_index)
{
    uint64_t page_in_unit = page_index & ((1ull << unit_order(buffer)) - 1);
    return physical_at((unit_value & ~UNIT_EXISTS) + page_in_unit * PAGE_BYTES);
}

/* Zero when the unit does not exist. */
static uint64_t unit_value_find(const struct buffer *buffer, uint64_t page_index)
{
    _Atomic uint64_t *unit = unit_find(buffer, unit_of_page(buffer, page_index));
    /* Pairs with the release in unit_publish(). */
    return unit != nullptr ? atomic_load_explicit(unit, memory_order_acquire) : 0;
}

/* Enters a frame, which the buffer owns from then on, unless there is one already; answers the
 * unit's value. */
static uint64_t unit_publish(struct buffer *buffer, _Atomic uint64_t *unit, physical_address frame)
{
    uint64_t value = 0;
    if (atomic_compare_exchange_strong_explicit(unit, &value, frame.value | UNIT_EXISTS,
                                                memory_order_release, memory_order_acquire)) {
        atomic_fetch_add_explicit(&buffer->units_committed, 1, memory_order_relaxed);
        return frame.value | UNIT_EXISTS;
    }
    frame_pool_give(buffer->quota, frame, unit_order(buffer));
    return value;
}

/* A frame with what the page reads as before it exists. */
static frame_result frame_take_filled(struct buffer *buffer, uint64_t page_index)
{
    physical_address source;
    if (buffer->template == nullptr || !buffer_peek(buffer, page_index, &source))
        return frame_pool_take_zeroed(buffer->quota);
    frame_result taken = frame_pool_take(buffer->quota, 0);
    if (is_ok(taken.status)) page_copy(direct_map(taken.value), direct_map(source));
    return taken;
}

static frame_result page_make(struct buffer *buffer, uint64_t page_index)
{
    _Atomic uint64_t *unit = unit_make(buffer, page_index);
    if (unit == nullptr) return (frame_result){.status = FAIL(OUT_OF_MEMORY)};
    frame_result made = frame_take_filled(buffer, page_index);
    uint64_t value = is_ok(made.status) ? unit_publish(buffer, unit, made.value)
                                        : atomic_load_explicit(unit, memory_order_acquire);
    if (value == 0) return made;
    return (frame_result){.value = frame_in_unit(buffer, value, page_index)};
}

frame_result buffer_touch(struct buffer *buffer, uint64_t page_index)
{
    uint64_t value = unit_value_find(buffer, page_index);
    if (unlikely(value == 0)) return page_make(buffer, page_index);
    return (frame_result){.value = frame_in_unit(buffer, value, page_index)};
}

bool buffer_has_page(const struct buffer *buffer, uint64_t page_index, physical_address *out_frame)
{
    uint64_t value = unit_value_find(buffer, page_index);
    if (value == 0) return false;
    *out_frame = frame_in_unit(buffer, value, page_index);
    return true;
}

bool buffer_peek(struct buffer *buffer, uint64_t page_index, physical_address *out_frame)
{
    for (;;) {
        if (buffer_has_page(buffer, page_index, out_frame)) return true;
        if (buffer->template == nullptr) return false;
        page_index += buffer->template_first;
        buffer = buffer->template;
        if (page_index >= buffer->size_bytes >> PAGE_SHIFT) return false;
    }
}

/* ---- life ---- */

static void clear_large_page(physical_address frame)
{
    char *page = direct_map(frame);
    for (uint64_t at = 0; at < LARGE_PAGE_BYTES; at += PAGE_BYTES)
        page_clear(page + at);
}

/* Large pages exist from the start. Others get a chance after each. */
static status commit_large_pages(struct buffer *buffer)
{
    for (uint64_t unit = 0; unit < unit_count(buffer); unit++) {
        _Atomic uint64_t *word = unit_make(buffer, unit);
        if (word == nullptr) return FAIL(OUT_OF_MEMORY);
        frame_result taken = frame_pool_take(buffer->quota, LARGE_PAGE_ORDER);
        TRY(taken.status);
        clear_large_page(taken.value);
        unit_publish(buffer, word, taken.value);
        if (!scheduler_pause()) return FAIL(INTERRUPTED);
    }
    return OK;
}

static bool options_are_valid(const struct buffer_options *options)
{
    bool is_large = (options->flags & ABI_BUFFER_LARGE_PAGES) != 0;
    uint64_t unit_bytes = is_large ? LARGE_PAGE_BYTES : PAGE_BYTES;
    return options->size_bytes != 0 && options->size_bytes <= ABI_BUFFER_BYTES_MAX &&
           is_aligned(options->size_bytes, unit_bytes) &&
           is_aligned(options->template_offset, PAGE_BYTES) &&
           !(is_large && options->template != nullptr);
}

/* A buffer without pages, which holds references to what it refers to. nullptr: no memory. */
static struct buffer *buffer_allocate(const struct buffer_options *options, uint32_t flags)
{
    if (!is_ok(memory_quota_charge(options->quota, sizeof(struct buffer)))) return nullptr;
    struct buffer *buffer = heap_take(sizeof(*buffer));
    if (buffer == nullptr) {
        memory_quota_uncharge(options->quota, sizeof(*buffer));
        return nullptr;
    }
    *buffer = (struct buffer){
        .quota = options->quota,
        .size_bytes = options->size_bytes,
        .template = options->template,
        .template_first = options->template_offset >> PAGE_SHIFT,
        .flags = flags,
        .unit_shift = (flags & ABI_BUFFER_LARGE_PAGES) != 0 ? LARGE_PAGE_SHIFT : PAGE_SHIFT,
    };
    buffer->leaves = &buffer->only_leaf;
    if (has_own_leaf(buffer)) atomic_init(&buffer->only_leaf, (struct leaf *)buffer->own_units);
    if (leaf_count(buffer) > 1) buffer->leaves = take_charged(options->quota, root_bytes(buffer));
    if (buffer->leaves == nullptr) {
        give_charged(options->quota, buffer, sizeof(*buffer));
        return nullptr;
    }
    if (buffer->quota != nullptr) memory_quota_get(buffer->quota);
    if (buffer->template != nullptr) object_get(&buffer->template->object);
    object_init(&buffer->object, &buffer_type);
    return buffer;
}

buffer_result buffer_create(const struct buffer_options *options)
{
    if (!options_are_valid(options)) return (buffer_result){.status = FAIL(OUT_OF_RANGE)};
    OWNED(buffer_owner) buffer = buffer_allocate(options, options->flags);
    if (buffer == nullptr) return (buffer_result){.status = FAIL(OUT_OF_MEMORY)};
    if (buffer_has_large_pages(buffer)) TRY_AS(buffer_result, commit_large_pages(buffer));
    return (buffer_result){.value = TAKE(buffer)};
}

buffer_result buffer_create_borrowed(physical_address start, uint64_t size_bytes)
{
    struct buffer_options options = {.size_bytes = size_bytes};
    ASSERT(options_are_valid(&options) && is_aligned(start.value, PAGE_BYTES));
    OWNED(buffer_owner) buffer = buffer_allocate(&options, BUFFER_IS_BORROWED);
    if (buffer == nullptr) return (buffer_result){.status = FAIL(OUT_OF_MEMORY)};
    for (uint64_t page = 0; page < unit_count(buffer); page++) {
        _Atomic uint64_t *word = unit_make(buffer, page);
        if (word == nullptr) return (buffer_result){.status = FAIL(OUT_OF_MEMORY)};
        unit_publish(buffer, word, physical_add(start, page * PAGE_BYTES));
    }
    return (buffer_result){.value = TAKE(buffer)};
}

static void leaf_destroy(struct buffer *buffer, uint64_t leaf_index)
{
    struct leaf *leaf = atomic_load_explicit(&buffer->leaves[leaf_index], memory_order_relaxed);
    if (leaf == nullptr) return;
    uint64_t length = leaf_length(buffer, leaf_index);
    bool owns_frames = (buffer->flags & BUFFER_IS_BORROWED) == 0;
    for (uint64_t i = 0; owns_frames && i < length; i++) {
        uint64_t value = atomic_load_explicit(&leaf->units[i], memory_order_relaxed);
        if (value == 0) continue;
        frame_pool_give(buffer->quota, physical_at(value & ~UNIT_EXISTS), unit_order(buffer));
    }
    if (!has_own_leaf(buffer)) give_charged(buffer->quota, leaf, leaf_bytes(buffer, leaf_index));
}

/* Relaxed loads here: the last put has acquired everything that was done under other references. */
static void buffer_destroy(struct object *object)
{
    struct buffer *buffer = buffer_of(object);
    struct memory_quota *quota = buffer->quota;
    for (uint64_t i = 0; i < leaf_count(buffer); i++) {
        leaf_destroy(buffer, i);
        if (interrupts_are_enabled()) scheduler_preempt_point();
    }
    if (buffer->leaves != &buffer->only_leaf)
        give_charged(quota, buffer->leaves, root_bytes(buffer));
    if (buffer->template != nullptr) buffer_put(buffer->template);
    give_charged(quota, buffer, sizeof(*buffer));
    if (quota != nullptr) memory_quota_put(quota);
}

/* ---- what it is ---- */

struct object *buffer_object(struct buffer *buffer)
{
    return &buffer->object;
}

struct buffer *buffer_of(struct object *object)
{
    return container_of(object, struct buffer, object);
}

uint64_t buffer_size(const struct buffer *buffer)
{
    return buffer->size_bytes;
}

uint64_t buffer_committed_bytes(const struct buffer *buffer)
{
    return atomic_load_explicit(&buffer->units_committed, memory_order_relaxed)
           << buffer->unit_shift;
}

bool buffer_has_large_pages(const struct buffer *buffer)
{
    return (buffer->flags & ABI_BUFFER_LARGE_PAGES) != 0;
}

/* ---- copying ---- */

static uint64_t bytes_in_page(uint64_t offset, uint64_t length)
{
    return min_of(length, PAGE_BYTES - offset % PAGE_BYTES);
}

void buffer_read(struct buffer *buffer, uint64_t offset, void *to, uint64_t length)
{
    ASSERT(span_fits(offset, length, buffer->size_bytes));
    char *place = to;
    while (length > 0) {
        uint64_t piece = bytes_in_page(offset, length);
        physical_address frame;
        if (buffer_peek(buffer, offset >> PAGE_SHIFT, &frame))
            bytes_copy(place, (char *)direct_map(frame) + offset % PAGE_BYTES, piece);
        else
            bytes_zero(place, piece);
        place += piece;
        offset += piece;
        length -= piece;
    }
}

status buffer_write(struct buffer *buffer, uint64_t offset, const void *from, uint64_t length)
{
    ASSERT(span_fits(offset, length, buffer->size_bytes));
    const char *place = from;
    while (length > 0) {
        uint64_t piece = bytes_in_page(offset, length);
        frame_result frame = buffer_touch(buffer, offset >> PAGE_SHIFT);
        TRY(frame.status);
        bytes_copy((char *)direct_map(frame.value) + offset % PAGE_BYTES, place, piece);
        place += piece;
        offset += piece;
        length -= piece;
    }
    return OK;
}

/* What a page that does not exist reads as. */
static alignas(PAGE_BYTES) const char zero_page[PAGE_BYTES];

status buffer_copy(struct buffer *to, uint64_t to_offset, struct buffer *from, uint64_t from_offset,
                   uint64_t length)
{
    ASSERT(span_fits(from_offset, length, from->size_bytes));
    ASSERT(span_fits(to_offset, length, to->size_bytes));
    while (length > 0) {
        uint64_t piece = bytes_in_page(to_offset, bytes_in_page(from_offset, length));
        frame_result target = buffer_touch(to, to_offset >> PAGE_SHIFT);
        TRY(target.status);
        physical_address frame;
        const void *page = zero_page;
        if (likely(buffer_peek(from, from_offset >> PAGE_SHIFT, &frame))) page = direct_map(frame);
        if (likely(piece == PAGE_BYTES))
            page_copy(direct_map(target.value), page);
        else
            bytes_copy((char *)direct_map(target.value) + to_offset % PAGE_BYTES,
                       (const char *)page + from_offset % PAGE_BYTES, piece);
        to_offset += piece;
        from_offset += piece;
        length -= piece;
    }
    return OK;
}
