/*
 * Reads of block devices, past all caches: what they cost the processor. The time in which it has
 * nothing to do does not count.
 */
#pragma once
#include "peal/status.h"
#include "peal/text.h"

struct direct_bench {
    text variable;   /* of the environment, naming the device below the root */
    text fallback;   /* without it */
    uint32_t bytes;  /* of one read, at most 64 KiB */
    uint32_t depth;  /* reads under way at a time */
    uint32_t rounds; /* of `depth` reads */
};
/* Nanoseconds each. NOT_FOUND: no such device; otherwise as reads of block devices. */
status direct_bench_run(const struct direct_bench *what, uint64_t *out_ns);
