/*
 * Pools of provided buffers: memory given beforehand, for what arrives whenever it likes.
 *
 *     pool_result made = peal_pool_create(memory, 2048);
 *     OWNED(pool) pool = TAKE(made.value);
 *     ... submit operations with ABI_OP_FLAG_POOL and pool.index for the buffer index ...
 *     if ((done.flags & ABI_COMPLETION_CHUNK) != 0) {
 *         use(peal_pool_chunk(&pool, done.detail), done.value);
 *         ignore_status(peal_pool_give(&pool, done.detail).status);
 *     }
 *
 * A chunk that a completion names is the program's until it gives it back. An operation that finds
 * the pool empty completes with WOULD_BLOCK: give chunks back and ask again.
 *
 * Context: any thread.
 */
#pragma once
#include "peal/owned.h"
#include "peal/status.h"
#include "peal/text.h"

/* Borrows its memory, which stays where it is for as long. */
typedef struct pool {
    span memory;
    size_t chunk_bytes;
    uint32_t index; /* in submissions */
    bool is_there;
} pool;

typedef struct [[nodiscard]] pool_result {
    status status;
    pool value;
} pool_result;

/*
 * A pool of the chunks that fit into registered memory, in one region.
 *   INVALID_ARGUMENT         none fits, or more than ABI_POOL_CHUNKS_MAX
 *   BUFFER_NOT_REGISTERED, OUT_OF_RANGE (several regions), QUOTA_EXCEEDED
 */
pool_result peal_pool_create(span memory, size_t chunk_bytes);
void pool_drop(pool *pool);

static inline uint8_t *peal_pool_chunk(const pool *pool, uint32_t chunk)
{
    return (uint8_t *)pool->memory.bytes + chunk * pool->chunk_bytes;
}
/* Gives a chunk back: how many are free now. INVALID_ARGUMENT (it is free), OUT_OF_RANGE */
size_result peal_pool_give(const pool *pool, uint32_t chunk);
