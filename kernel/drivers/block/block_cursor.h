/*
 * How far a block request has been done, in its pieces: for drivers that do it part by part.
 *
 * Context: any; no state.
 */
#pragma once
#include "base/checked.h"
#include "device/block_device.h"

/* Zero at its start. */
struct block_cursor {
    uint32_t piece;
    uint32_t offset_bytes; /* in that piece */
    uint32_t done_bytes;
};

/* By at most what is left. */
static inline void block_cursor_advance(const struct block_request *request,
                                        struct block_cursor *cursor, uint32_t bytes)
{
    cursor->done_bytes += bytes;
    while (bytes > 0) {
        uint32_t left = request->pieces[cursor->piece].length_bytes - cursor->offset_bytes;
        uint32_t step = min_of(left, bytes);
        cursor->offset_bytes += step;
        bytes -= step;
        if (step < left) return;
        cursor->piece++;
        cursor->offset_bytes = 0;
    }
}
