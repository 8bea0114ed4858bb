/*
 * A buddy allocator for one contiguous region of frames: pure logic over memory it is given.
 *
 * Blocks of order k are 2^k frames; the buddy of the block at offset o is at o XOR 2^k. There is a
 * free list per order, threaded through an array of links the caller provides, and one bit per
 * frame that is set while the frame is free. A block that reaches past the region's end does not
 * exist, so a region of 7 frames is 4 + 2 + 1.
 *
 * Invariants (buddy_check): every free frame is in exactly one listed block; no two listed blocks
 * are buddies of one order below the top; the bitmap and the lists agree.
 *
 * Context: any; the caller locks. Cost: at most BUDDY_ORDER_MAX steps.
 */
#pragma once
#include <stdatomic.h>
#include <stdint.h>

#define BUDDY_ORDER_MAX   10u /* 4 MiB of 4 KiB frames */
#define BUDDY_ORDER_COUNT 11u
#define BUDDY_NONE        UINT32_MAX

struct buddy_link {
    uint32_t next; /* frame offsets, BUDDY_NONE at the ends */
    uint32_t previous;
};

/*
 * A mark is order + 1 at the first frame of a block that is free, with these bits added while it is
 * taken. PARKED and TAGGED are states of a taken block that its owner may ask for without the lock:
 * a change is one atomic step on the mark, so of two who claim the same block one is refused.
 */
#define BUDDY_MARK_TAKEN  0x80u
#define BUDDY_MARK_PARKED 0x40u /* waits in a cache: giving it again is a double free */
#define BUDDY_MARK_TAGGED 0x20u /* for one kind of owner, who alone may give it */

struct buddy {
    uint32_t frame_count;
    uint32_t free_count;
    uint32_t heads[BUDDY_ORDER_COUNT];
    struct buddy_link
        *links; /* frame_count of them, borrowed; valid at the first frame of a free block */
    _Atomic uint8_t *marks; /* frame_count: what the block that starts here is, or 0; see below */
    uint64_t *free_bits;    /* one bit per frame, set: free */
};

/* Bytes of bookkeeping for so many frames, to be given to buddy_init zeroed and 8-byte aligned. */
uint64_t buddy_bookkeeping_bytes(uint32_t frame_count);

/* Everything is taken (by nobody) at first. */
void buddy_init(struct buddy *buddy, uint32_t frame_count, void *bookkeeping);

/*
 * Makes free exactly the frames whose bit is set, coalesced into the largest aligned blocks. Once,
 * after init. `free_bits` may be the buddy's own.
 */
void buddy_build(struct buddy *buddy, const uint64_t *free_bits);

/* Takes a block; its first frame's offset, or BUDDY_NONE. */
uint32_t buddy_take(struct buddy *buddy, uint32_t order);

/*
 * Gives a block back. Answers false, and changes nothing, for what was never handed out as such a
 * block: a double free, a wrong order, an offset inside a block or outside the region. The caller
 * panics.
 */
[[nodiscard]] bool buddy_give(struct buddy *buddy, uint32_t offset, uint32_t order);

/*
 * Without the lock: changes the state bits of a taken block from exactly `from` to `to`. False, and
 * nothing changed, when no such block is taken or its bits are not `from`.
 */
[[nodiscard]] bool buddy_change(struct buddy *buddy, uint32_t offset, uint32_t order, uint8_t from,
                                uint8_t to);
/* The order of the taken block that starts here and has exactly these state bits, or -1. */
int buddy_taken_order(const struct buddy *buddy, uint32_t offset, uint8_t bits);

/* Largest order with a free block, or -1. */
int buddy_largest_order(const struct buddy *buddy);

/* All invariants; for tests and debug kernels. Cost: every frame. */
bool buddy_check(const struct buddy *buddy);
