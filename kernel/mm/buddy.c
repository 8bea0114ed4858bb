/*
 * The buddy allocator of one region.
 *
 * What tells states apart, for the frame at offset o:
 *
 *   marks[o] == k + 1            o is the first frame of a free block of order k
 *   marks[o] == TAKEN | k + 1    ... of a taken one; other bits: parked or tagged
 *   marks[o] == 0                o is inside a block, or was never made free
 *   free_bits                    set on every frame of a free block, clear on every other
 *
 * so that a give can be judged without trusting the caller. Marks of listed blocks change under the
 * caller's lock; those of taken blocks belong to whoever took them, hence the relaxed accesses: a
 * block that changes hands does so through a lock or the atomic step in buddy_change().
 */
#include "mm/buddy.h"
#include "base/bitmap.h"
#include "base/bytes.h"

static uint32_t block_frames(uint32_t order)
{
    return 1u << order;
}

/* True when the block lies inside the region; it then exists, free or taken or split. */
static bool block_exists(const struct buddy *buddy, uint32_t offset, uint32_t order)
{
    return offset < buddy->frame_count && block_frames(order) <= buddy->frame_count - offset;
}

static uint8_t mark_of(const struct buddy *buddy, uint32_t offset)
{
    return atomic_load_explicit(&buddy->marks[offset], memory_order_relaxed);
}

static void set_mark(struct buddy *buddy, uint32_t offset, uint32_t mark)
{
    atomic_store_explicit(&buddy->marks[offset], (uint8_t)mark, memory_order_relaxed);
}

static bool is_listed(const struct buddy *buddy, uint32_t offset, uint32_t order)
{
    return mark_of(buddy, offset) == order + 1 && bitmap_test(buddy->free_bits, offset);
}

static void list_block(struct buddy *buddy, uint32_t offset, uint32_t order)
{
    uint32_t head = buddy->heads[order];
    buddy->links[offset] = (struct buddy_link){.next = head, .previous = BUDDY_NONE};
    if (head != BUDDY_NONE) buddy->links[head].previous = offset;
    buddy->heads[order] = offset;
    set_mark(buddy, offset, order + 1);
}

/* Leaves the mark to the caller, who knows what the block becomes. */
static void unlist_block(struct buddy *buddy, uint32_t offset, uint32_t order)
{
    struct buddy_link link = buddy->links[offset];
    if (link.next != BUDDY_NONE) buddy->links[link.next].previous = link.previous;
    if (link.previous != BUDDY_NONE) {
        buddy->links[link.previous].next = link.next;
    } else {
        buddy->heads[order] = link.next;
    }
}

uint64_t buddy_bookkeeping_bytes(uint32_t frame_count)
{
    uint64_t bits = BITMAP_WORDS((uint64_t)frame_count) * sizeof(uint64_t);
    uint64_t links = (uint64_t)frame_count * sizeof(struct buddy_link);
    return bits + links + frame_count;
}

void buddy_init(struct buddy *buddy, uint32_t frame_count, void *bookkeeping)
{
    uint8_t *at = bookkeeping;
    *buddy = (struct buddy){.frame_count = frame_count, .free_bits = bookkeeping};
    at += BITMAP_WORDS((uint64_t)frame_count) * sizeof(uint64_t);
    buddy->links = (struct buddy_link *)(void *)at;
    at += (uint64_t)frame_count * sizeof(struct buddy_link);
    buddy->marks = (_Atomic uint8_t *)at;
    for (uint32_t order = 0; order < BUDDY_ORDER_COUNT; order++)
        buddy->heads[order] = BUDDY_NONE;
}

/* The largest order whose block may start at `offset` and is not longer than `frames` (> 0). */
static uint32_t order_that_fits(uint32_t offset, uint32_t frames)
{
    uint32_t by_length = 31u - (uint32_t)__builtin_clz(frames);
    uint32_t by_alignment = offset == 0 ? BUDDY_ORDER_MAX : (uint32_t)__builtin_ctz(offset);
    uint32_t order = by_length < by_alignment ? by_length : by_alignment;
    return order < BUDDY_ORDER_MAX ? order : BUDDY_ORDER_MAX;
}

/*
 * Cutting each run of free frames from the left into the largest blocks that fit leaves no two free
 * buddies: the second would have made the first larger.
 */
void buddy_build(struct buddy *buddy, const uint64_t *free_bits)
{
    uint64_t count = buddy->frame_count;
    uint64_t start = bitmap_find(free_bits, count, 0, true);
    while (start < count) {
        uint64_t end = bitmap_find(free_bits, count, start, false);
        bitmap_set_range(buddy->free_bits, start, end - start);
        buddy->free_count += (uint32_t)(end - start);
        while (start < end) {
            uint32_t order = order_that_fits((uint32_t)start, (uint32_t)(end - start));
            list_block(buddy, (uint32_t)start, order);
            start += block_frames(order);
        }
        start = bitmap_find(free_bits, count, end, true);
    }
}

uint32_t buddy_take(struct buddy *buddy, uint32_t order)
{
    uint32_t found = order;
    while (found < BUDDY_ORDER_COUNT && buddy->heads[found] == BUDDY_NONE)
        found++;
    if (found >= BUDDY_ORDER_COUNT) return BUDDY_NONE;

    uint32_t offset = buddy->heads[found];
    unlist_block(buddy, offset, found);
    while (found > order) { /* the upper half goes back, half by half */
        found--;
        list_block(buddy, offset + block_frames(found), found);
    }
    set_mark(buddy, offset, BUDDY_MARK_TAKEN | (order + 1));
    bitmap_clear_range(buddy->free_bits, offset, block_frames(order));
    buddy->free_count -= block_frames(order);
    return offset;
}

bool buddy_give(struct buddy *buddy, uint32_t offset, uint32_t order)
{
    if (order > BUDDY_ORDER_MAX || !block_exists(buddy, offset, order)) return false;
    if (mark_of(buddy, offset) != (BUDDY_MARK_TAKEN | (order + 1))) return false;

    bitmap_set_range(buddy->free_bits, offset, block_frames(order));
    buddy->free_count += block_frames(order);
    while (order < BUDDY_ORDER_MAX) {
        uint32_t other = offset ^ block_frames(order);
        if (!block_exists(buddy, other, order) || !is_listed(buddy, other, order)) break;
        unlist_block(buddy, other, order);
        set_mark(buddy, offset > other ? offset : other, 0);
        offset = offset < other ? offset : other;
        order++;
    }
    list_block(buddy, offset, order);
    return true;
}

bool buddy_change(struct buddy *buddy, uint32_t offset, uint32_t order, uint8_t from, uint8_t to)
{
    if (offset >= buddy->frame_count) return false;
    uint8_t expected = (uint8_t)(BUDDY_MARK_TAKEN | from | (order + 1));
    uint8_t changed = (uint8_t)(BUDDY_MARK_TAKEN | to | (order + 1));
    return atomic_compare_exchange_strong_explicit(&buddy->marks[offset], &expected, changed,
                                                   memory_order_relaxed, memory_order_relaxed);
}

int buddy_taken_order(const struct buddy *buddy, uint32_t offset, uint8_t bits)
{
    uint8_t mark = mark_of(buddy, offset);
    uint8_t order_mask = 0x0f;
    if ((mark & ~order_mask) != (BUDDY_MARK_TAKEN | bits)) return -1;
    return (mark & order_mask) - 1;
}

int buddy_largest_order(const struct buddy *buddy)
{
    int order = BUDDY_ORDER_MAX;
    while (order >= 0 && buddy->heads[order] == BUDDY_NONE)
        order--;
    return order;
}

/* One listed block: in place, aligned, wholly free, its buddy not also free as a whole. */
static bool block_is_sound(const struct buddy *buddy, uint32_t offset, uint32_t order,
                           uint32_t previous)
{
    if (!block_exists(buddy, offset, order) || offset % block_frames(order) != 0) return false;
    if (!is_listed(buddy, offset, order) || buddy->links[offset].previous != previous) return false;
    if (!bitmap_range_is(buddy->free_bits, offset, block_frames(order), true)) return false;
    for (uint32_t i = 1; i < block_frames(order); i++) {
        if (mark_of(buddy, offset + i) != 0) return false;
    }
    uint32_t other = offset ^ block_frames(order);
    return order == BUDDY_ORDER_MAX || !block_exists(buddy, other, order) ||
           !is_listed(buddy, other, order);
}

/* Listed blocks are disjoint: each has one frame with a mark, its first, and they cover all bits.
 */
bool buddy_check(const struct buddy *buddy)
{
    uint64_t listed_frames = 0;
    for (uint32_t order = 0; order < BUDDY_ORDER_COUNT; order++) {
        uint32_t previous = BUDDY_NONE;
        for (uint32_t at = buddy->heads[order]; at != BUDDY_NONE; at = buddy->links[at].next) {
            if (at >= buddy->frame_count) return false;
            if (!block_is_sound(buddy, at, order, previous)) return false;
            listed_frames += block_frames(order);
            if (listed_frames > buddy->frame_count) return false; /* a cycle */
            previous = at;
        }
    }
    uint64_t set_bits = 0;
    for (uint64_t word = 0; word < BITMAP_WORDS((uint64_t)buddy->frame_count); word++)
        set_bits += (uint64_t)__builtin_popcountll(buddy->free_bits[word]);
    return listed_frames == buddy->free_count && set_bits == buddy->free_count;
}
