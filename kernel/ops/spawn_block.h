/*
 * What PROCESS_SPAWN is given: struct abi_spawn and all that hangs on it, checked. Pure but for the
 * heap.
 *
 * Context: any; no state.
 */
#pragma once
#include "base/status.h"
#include "base/text.h"
#include <abi/ops.h>

/* All texts and handles borrow the block's bytes. */
struct spawn_request {
    const struct abi_spawn *spawn;
    text name;
    text *arguments; /* owned, as `environment`, which follows it in the same memory */
    text *environment;
    const struct abi_spawn_handle *handles;
};

/*
 * `block` is 8-byte aligned. On success the caller ends *out_request with spawn_request_end().
 *   OUT_OF_RANGE       something lies outside the block, or there is more of it than may be
 *   INVALID_ARGUMENT   another version; a field, name or string that the format does not define
 *   OUT_OF_MEMORY
 */
status spawn_request_read(const void *block, uint64_t block_bytes,
                          struct spawn_request *out_request);
void spawn_request_end(struct spawn_request *request);
