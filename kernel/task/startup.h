/*
 * The start-up block of a process, as bytes: pure. Its layout is abi/startup.h.
 *
 * Context: any; no state. Cost: the size of the block.
 */
#pragma once
#include "task/process.h"

/* What a program can be given at most: arguments, environment and handles together. */
#define STARTUP_BYTES_MAX (2ull << 20)

struct startup_block {
    struct abi_startup
        head; /* addresses, ids and random bytes; the rest is filled by startup_plan */
    const struct startup_contents *contents;
    const struct abi_startup_region *regions;
};

/* Decides where everything goes and fills the head. OUT_OF_RANGE: more than STARTUP_BYTES_MAX. */
status startup_plan(struct startup_block *block, const struct startup_contents *contents,
                    uint32_t regions_count);
/* Writes head.total_bytes, all of them. `regions` has been set since. */
void startup_write(const struct startup_block *block, void *to);
