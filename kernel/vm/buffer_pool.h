/*
 * Pools of provided buffers: chunks of registered memory that a process gives, so that what arrives
 * finds a place without having had one reserved since it was asked for.
 *
 * A pool is a share of a span, cut into chunks, and a stack of those that are free: the one given
 * last, whose lines are still in the cache, is filled next. The number of free chunks is the
 * credit: how much may arrive before the program has to give something back. Indices of pools have
 * nothing to do with those of registrations.
 *
 * Who fills a chunk takes it when there is something to put into it, and not before; a chunk that
 * was taken is named by a completion, and is the program's until it gives it back.
 *
 * Context:  any; what drops a pool: task.
 * Locking:  LOCK_RANK_BUFFER_POOL inside, after the locks of whatever arrives: looking whether
 * there is something and taking a chunk for it can be one step. Cost:     constant; creation is
 * linear in the number of chunks.
 */
#pragma once
#include "sync/spin_lock.h"
#include "vm/buffer_share.h"

#define BUFFER_POOLS_MAX 64u

struct buffer_pool;

struct buffer_pool_table {
    struct memory_quota *quota; /* borrowed */
    spin_lock lock;
    struct buffer_pool *pools[BUFFER_POOLS_MAX] GUARDED_BY(lock); /* nullptr: free */
};

void buffer_pool_table_init(struct buffer_pool_table *table, struct memory_quota *quota);
/* Drops every pool. */
void buffer_pool_table_empty(struct buffer_pool_table *table);

RESULT_TYPE(pool_index_result, uint32_t);
/*
 * A pool of as many chunks of `chunk_bytes` as there are in the span, all free. Answers its index.
 * The pool keeps the span as a registration would; the caller has the pin, which is for writing.
 *   INVALID_ARGUMENT   no chunk, or more than ABI_POOL_CHUNKS_MAX
 *   OUT_OF_MEMORY, QUOTA_EXCEEDED (BUFFER_POOLS_MAX)
 */
pool_index_result buffer_pool_create(struct buffer_pool_table *table, const buffer_pin *span,
                                     uint64_t chunk_bytes);
/* INVALID_BUFFER_INDEX (beyond BUFFER_POOLS_MAX), BUFFER_NOT_REGISTERED (no such pool). Chunks that
 * are being filled stay pinned. */
status buffer_pool_destroy(struct buffer_pool_table *table, uint32_t index);
/* Whether there is such a pool: statuses of buffer_pool_destroy. */
status buffer_pool_check(struct buffer_pool_table *table, uint32_t index);

/*
 * Takes a free chunk and pins it.
 *   WOULD_BLOCK          none is free, or the pool is gone
 *   CAPABILITY_REVOKED   what the span was registered through is
 */
status buffer_pool_take(struct buffer_pool_table *table, uint32_t index, buffer_pin *out_pin,
                        uint32_t *out_chunk);
/*
 * Gives a chunk that was taken back, and answers how many are free now.
 *   INVALID_BUFFER_INDEX, BUFFER_NOT_REGISTERED
 *   OUT_OF_RANGE         there is no such chunk
 *   INVALID_ARGUMENT     it is free already
 */
pool_index_result buffer_pool_give(struct buffer_pool_table *table, uint32_t index, uint64_t chunk);
