/*
 * The heap's bookkeeping over one range of zeroed memory. Pure, so that it is tested on the host.
 *
 * The range is cut into chunks of 64 KiB. A chunk holds blocks of one size class, or is part of a
 * run that holds one large block. Chunks that become empty serve any class again.
 *
 * Locking:  none; the caller lets one thread in at a time.
 * Cost:     small blocks constant; runs linear in the number of chunks.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define HEAP_CHUNK_BYTES (64u << 10)
#define HEAP_CLASS_COUNT 26u
#define HEAP_ALIGNMENT   16u

struct heap_chunk;

struct heap_arena {
    uint8_t *start; /* a multiple of HEAP_CHUNK_BYTES */
    uint32_t chunk_count;
    uint32_t search_from; /* no free chunk below */
    uint32_t chunks_used;
    uint64_t *used;                               /* a bit per chunk; lies in the first chunks */
    struct heap_chunk *partial[HEAP_CLASS_COUNT]; /* chunks with a free block, per class */
};

/* Takes `bytes` zeroed bytes at `start`, chunk aligned; at least four chunks. */
void heap_arena_init(struct heap_arena *arena, void *start, size_t bytes);

/* A block of at least `bytes` bytes, 16-byte aligned, contents undefined; nullptr when full. */
void *heap_arena_take(struct heap_arena *arena, size_t bytes);

/* Gives a block back. False when it is no block of this arena, or was given back already. */
bool heap_arena_give(struct heap_arena *arena, void *block);

/* What the block can hold: at least what was asked for. 0 when it is no block. */
size_t heap_arena_block_bytes(const struct heap_arena *arena, const void *block);

static inline bool heap_arena_contains(const struct heap_arena *arena, const void *block)
{
    return (uintptr_t)block - (uintptr_t)arena->start <
           (uintptr_t)arena->chunk_count * HEAP_CHUNK_BYTES;
}
