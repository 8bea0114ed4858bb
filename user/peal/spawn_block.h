/*
 * The block that PROCESS_SPAWN reads. Pure, so that it is tested on the host.
 */
#pragma once
#include "peal/analyser.h"
#include "peal/text.h"
#include <abi/ops.h>

/* A handle for the child: it receives `rights` of those that ours has, under `name`. */
struct peal_grant {
    text name; /* at most ABI_HANDLE_NAME_BYTES_MAX bytes, not empty */
    peal_raw_handle raw;
    uint64_t rights;
};

/* Everything the child starts with. What is zero takes the spawner's or the default value. */
struct peal_spawn {
    text name; /* for people; cut to 63 bytes */
    const text *arguments;
    uint32_t arguments_count;
    uint32_t environment_count;
    const text *environment; /* "NAME=value" */
    const struct peal_grant *grants;
    uint32_t grants_count;
    uint32_t priority;
    uint64_t memory_max_bytes;
    uint32_t handles_max;
    uint32_t threads_max;
    uint32_t ring_entries;
    uint32_t ring_flags; /* ABI_RING_... */
};

/* Bytes of the block, or 0 when it would be larger than the kernel takes. */
size_t spawn_block_bytes(const struct peal_spawn *spawn);

/* Fills `block`, 8-byte aligned and as long as told above. False when a name does not fit. */
[[nodiscard]] bool spawn_block_fill(const struct peal_spawn *spawn, void *block);
