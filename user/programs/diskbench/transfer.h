/*
 * Many transfers of one size between memory and a file or block device, so many at a time, and how
 * long each took.
 */
#pragma once
#include "peal/handle.h"
#include "peal/progress.h"

#define DEPTH_MAX       32u
#define PIECE_BYTES_MAX (64u << 10)

struct transfer_plan {
    peal_raw_handle target;
    uint64_t size_bytes;  /* of the part of it that is used: a multiple of the piece */
    uint64_t piece_bytes; /* each transfer; a power of two, at most PIECE_BYTES_MAX */
    uint64_t count;       /* transfers in all */
    uint32_t depth;       /* at a time, 1 .. DEPTH_MAX */
    bool is_write;
    bool is_random;
    bool is_direct;
    bool ends_with_sync; /* which is part of the time */
};

struct transfer_result {
    uint64_t elapsed_ns;
    uint64_t median_ns;
    uint64_t slow_ns; /* 95 of 100 took no longer */
};

/*
 * Runs them all, with a bar that ends with `words`. The first error ends it, when what is under way
 * has ended.
 *   OUT_OF_RANGE   one moved fewer bytes than it was asked for
 *   OUT_OF_MEMORY, and what reading, writing and SYNC answer
 */
status transfer_run(const struct transfer_plan *plan, text words,
                    struct transfer_result *out_result);
