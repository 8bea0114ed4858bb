/*
 * Physical memory, in runs of 4 KiB frames.
 *
 * The pool owns every frame that the firmware reports as usable and lends them out. It is a set of
 * regions, one buddy allocator for each discontiguous usable range, sorted by address, with prefix
 * sums of their frame counts; the region of an address is found by binary search. A run of order n
 * is 2^n frames, aligned to its own size within its region and, for orders up to 9, in physical
 * memory.
 *
 * Context:  any, interrupt handlers included. Never sleeps, never allocates.
 * Locking:  takes LOCK_RANK_FRAME_POOL inside each call; single frames come from per-processor
 *           caches that are refilled in batches.
 * Cost:     at most FRAME_ORDER_MAX steps.
 */
#pragma once
#include "base/address.h"
#include "base/status.h"

#define FRAME_ORDER_MAX 10u /* a run of 4 MiB */

struct memory_quota;

/*
 * A part of all frames, 1/32 and at most 4 MiB, is a reserve for the kernel itself and for those
 * whose quota has no more than this in use: a shell, and what somebody needs to end the program
 * that holds the rest. Everybody else is refused as if there were no more frames.
 * docs/decisions/0008-memory-reserve.md says why.
 */
#define FRAME_RESERVE_USER_BYTES (1ull << 20)

/* A usable range, page aligned, as given at boot. */
struct frame_range {
    physical_address start;
    uint64_t length_bytes;
    bool is_held; /* not free yet: frame_pool_open() frees it */
};

/*
 * Boot: takes over the ranges (sorted, disjoint). The bookkeeping of all of them is carved out of
 * the largest that is not held. Once. Every region there will ever be exists from here on, so that
 * look-ups need no lock.
 */
void frame_pool_init(const struct frame_range *ranges, uint32_t count);
/* Frees a range that was given as held. Once each; at any time, with any processors running. */
void frame_pool_open(physical_address start);

RESULT_TYPE(frame_result, physical_address);

/*
 * Takes one frame, or a run of 2^order frames for devices and large pages, and charges it to
 * `quota` (nullptr: the kernel's own). The frames hold what their last owner left: zero them before
 * a program can see them. The caller owns them and ends that with frame_pool_give of the same order
 * and quota.
 *   OUT_OF_MEMORY   the pool or the quota has no run this large
 *   OUT_OF_RANGE    order > FRAME_ORDER_MAX
 */
frame_result frame_pool_take(struct memory_quota *quota, uint32_t order);
/* As above, one frame, cleared. */
frame_result frame_pool_take_zeroed(struct memory_quota *quota);

/* Gives back what was taken, and its charge. Giving what is not taken stops the kernel at once. */
void frame_pool_give(struct memory_quota *quota, physical_address start, uint32_t order);

struct frame_pool_counts {
    uint64_t total_frames; /* managed, bookkeeping excluded */
    uint64_t free_frames;  /* per-processor caches included */
    uint64_t region_count;
    uint64_t bookkeeping_bytes;
};
struct frame_pool_counts frame_pool_count(void);

/* Panics unless all invariants hold. Cost: every frame. */
void frame_pool_check(void);

/* The number of a managed frame, counted from the lowest: for tables with an entry per frame. */
uint64_t frame_pool_index(physical_address frame);

/*
 * Called when a take is about to fail, if interrupts are on (so no spin lock is held): gives back
 * caches and answers how many frames it freed; the take is then tried again. One per subsystem,
 * at most 4, installed at boot.
 */
void frame_pool_add_reclaimer(uint64_t (*reclaim)(uint64_t frames_wanted));
