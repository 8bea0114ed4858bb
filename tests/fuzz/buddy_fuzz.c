/*
 * Input: a byte for the region's size, bytes for its bitmap, then 2-byte steps {what, which}. Every
 * step is also done on `model`, an array that says for each frame whether it is free; the two must
 * agree on what is possible, and the allocator must refuse whatever was not taken.
 */
#include "base/bitmap.h"
#include "base/bytes.h"
#include "debug/assert.h"
#include "mm/buddy.h"
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static constexpr uint32_t FRAMES_MAX = 1024;
static constexpr uint32_t BITMAP_BYTES_MAX = 16;

struct model {
    uint32_t frame_count;
    bool is_free[FRAMES_MAX];
    uint8_t taken_as[FRAMES_MAX]; /* order + 1 at the first frame of a taken block */
};

static struct model model;

static bool block_is_free(uint32_t offset, uint32_t order)
{
    for (uint32_t i = 0; i < 1u << order; i++) {
        if (offset + i >= model.frame_count || !model.is_free[offset + i]) return false;
    }
    return true;
}

static bool has_block(uint32_t order)
{
    for (uint32_t offset = 0; offset < model.frame_count; offset += 1u << order) {
        if (block_is_free(offset, order)) return true;
    }
    return false;
}

static void mark(uint32_t offset, uint32_t order, bool is_free)
{
    for (uint32_t i = 0; i < 1u << order; i++)
        model.is_free[offset + i] = is_free;
    model.taken_as[offset] = (uint8_t)(is_free ? 0 : order + 1);
}

static void take(struct buddy *buddy, uint32_t order)
{
    bool expected = has_block(order);
    uint32_t offset = buddy_take(buddy, order);
    ASSERT((offset != BUDDY_NONE) == expected);
    if (!expected) return;
    ASSERT(offset % (1u << order) == 0 && block_is_free(offset, order));
    mark(offset, order, false);
}

/* Anything at all: right, doubled, inside a block, of a wrong order, outside. */
static void give(struct buddy *buddy, uint32_t offset, uint32_t order)
{
    bool expected = offset < model.frame_count && model.taken_as[offset] == order + 1;
    ASSERT(buddy_give(buddy, offset, order) == expected);
    if (expected) mark(offset, order, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    if (size < 1 + BITMAP_BYTES_MAX) return 0;
    struct buddy buddy;
    model = (struct model){.frame_count = 1 + input[0] * 4u};
    void *bookkeeping = calloc(1, buddy_bookkeeping_bytes(model.frame_count));
    buddy_init(&buddy, model.frame_count, bookkeeping);

    /* The bitmap repeats: holes of every size and place, with few bytes. */
    uint64_t free_bits[BITMAP_WORDS(FRAMES_MAX)] = {0};
    for (uint32_t i = 0; i < model.frame_count; i++) {
        model.is_free[i] = input[1 + i / 8 % BITMAP_BYTES_MAX] >> (i % 8) & 1;
        if (model.is_free[i]) bitmap_set(free_bits, i);
    }
    buddy_build(&buddy, free_bits);
    ASSERT(buddy_check(&buddy));

    const uint8_t *steps = input + 1 + BITMAP_BYTES_MAX;
    for (size -= 1 + BITMAP_BYTES_MAX; size >= 2; steps += 2, size -= 2) {
        uint32_t order = steps[0] % 12;
        uint32_t offset = (uint32_t)(steps[0] / 64) << 8 | steps[1];
        if (steps[0] / 16 % 2 == 0) {
            if (order <= BUDDY_ORDER_MAX) take(&buddy, order);
        } else {
            give(&buddy, offset, order);
        }
    }
    ASSERT(buddy_check(&buddy));
    free(bookkeeping);
    return 0;
}
