/*
 * Slices of a block request: as much of it as a device takes at once.
 *
 * A device may limit how many segments a request has and how long each is. A slice is a stretch of
 * whole sectors that fits those limits; a request is done slice by slice.
 *
 * Context: any; no state.
 */
#pragma once
#include "drivers/block/block_cursor.h"
#include "drivers/bus/virtqueue.h"

#define BLOCK_SLICE_SEGMENTS_MAX BLOCK_PIECES_MAX

struct block_limits {
    uint32_t segments_max;      /* 1..BLOCK_SLICE_SEGMENTS_MAX */
    uint32_t segment_bytes_max; /* not 0 */
    uint32_t sector_bytes;
};

struct block_slice {
    uint32_t
        bytes; /* a multiple of the sector size; 0: the limits do not let even one sector pass */
    uint16_t segment_count;
    struct virtqueue_segment segments[BLOCK_SLICE_SEGMENTS_MAX];
};

/* The slice at the cursor of a request that block_request_check() let pass and that is not done. */
void block_slice_cut(const struct block_request *request, const struct block_cursor *cursor,
                     const struct block_limits *limits, struct block_slice *out_slice);
