/*
 * A chunk begins with a header. Small blocks that are free and were used before are linked through
 * their first word; those behind `untouched` never were, so that a chunk's pages are touched one
 * after the other. A free block's second word holds FREE_MARK, mixed with its address: giving a
 * block twice finds it there.
 */
#include "peal/heap_arena.h"

#define CHUNK_MAGIC        0x6b6e7568'43616550ull
#define CHUNK_HEADER_BYTES 64u
#define FREE_MARK          0xf2ee'b10c'f2ee'b10cull

struct free_block {
    struct free_block *next;
    uint64_t mark;
};

struct heap_chunk {
    uint64_t magic;          /* CHUNK_MAGIC ^ address while in use */
    struct heap_chunk *next; /* in the list of partial chunks of the class */
    struct heap_chunk *previous;
    struct free_block *free;
    uint32_t block_bytes; /* 0: a run */
    uint32_t size_class;
    uint32_t used_count;
    uint32_t untouched; /* offset of the first block never used */
    uint32_t run_chunks;
    uint32_t is_partial;
};
static_assert(sizeof(struct heap_chunk) <= CHUNK_HEADER_BYTES, "blocks follow the header");

/* Four classes for each power of two from 64 up; below, every 16 bytes. */
static const uint16_t class_bytes[HEAP_CLASS_COUNT] = {
    16,  32,  48,  64,  80,  96,   112,  128,  160,  192,  224,  256,  320,
    384, 448, 512, 640, 768, 1024, 1344, 2048, 3264, 4096, 6528, 8192, 16368,
};

static uint32_t class_of(size_t bytes)
{
    uint32_t low = 0, high = HEAP_CLASS_COUNT;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (class_bytes[middle] < bytes)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool chunk_is_used(const struct heap_arena *arena, uint32_t index)
{
    return (arena->used[index / 64] >> (index % 64)) & 1;
}

static void chunks_mark(struct heap_arena *arena, uint32_t index, uint32_t count, bool is_used)
{
    for (uint32_t i = index; i < index + count; i++) {
        uint64_t bit = 1ull << (i % 64);
        if (is_used)
            arena->used[i / 64] |= bit;
        else
            arena->used[i / 64] &= ~bit;
    }
    if (is_used)
        arena->chunks_used += count;
    else
        arena->chunks_used -= count;
}

static struct heap_chunk *chunk_at(const struct heap_arena *arena, uint32_t index)
{
    return (struct heap_chunk *)(arena->start + (size_t)index * HEAP_CHUNK_BYTES);
}

static uint64_t chunk_magic(const struct heap_chunk *chunk)
{
    return CHUNK_MAGIC ^ (uint64_t)chunk;
}

void heap_arena_init(struct heap_arena *arena, void *start, size_t bytes)
{
    uint32_t chunk_count = (uint32_t)(bytes / HEAP_CHUNK_BYTES);
    *arena = (struct heap_arena){.start = start, .chunk_count = chunk_count, .used = start};
    size_t map_bytes = (chunk_count + 63) / 64 * sizeof(uint64_t);
    uint32_t map_chunks = (uint32_t)((map_bytes + HEAP_CHUNK_BYTES - 1) / HEAP_CHUNK_BYTES);
    chunks_mark(arena, 0, map_chunks, true);
    arena->chunks_used = 0;
    arena->search_from = map_chunks;
}

/* Finds `count` free chunks in a row, the lowest; chunk_count when there are none. */
static uint32_t run_find(const struct heap_arena *arena, uint32_t count)
{
    uint32_t length = 0;
    for (uint32_t i = arena->search_from; i < arena->chunk_count; i++) {
        length = chunk_is_used(arena, i) ? 0 : length + 1;
        if (length == count) return i + 1 - count;
    }
    return arena->chunk_count;
}

static void run_give(struct heap_arena *arena, struct heap_chunk *chunk)
{
    uint32_t index = (uint32_t)(((uint8_t *)chunk - arena->start) / HEAP_CHUNK_BYTES);
    chunk->magic = 0;
    chunks_mark(arena, index, chunk->run_chunks, false);
    if (index < arena->search_from) arena->search_from = index;
}

static void partial_insert(struct heap_arena *arena, struct heap_chunk *chunk)
{
    struct heap_chunk **head = &arena->partial[chunk->size_class];
    chunk->next = *head;
    chunk->previous = nullptr;
    if (*head != nullptr) (*head)->previous = chunk;
    *head = chunk;
    chunk->is_partial = true;
}

static void partial_remove(struct heap_arena *arena, struct heap_chunk *chunk)
{
    if (chunk->previous != nullptr)
        chunk->previous->next = chunk->next;
    else
        arena->partial[chunk->size_class] = chunk->next;
    if (chunk->next != nullptr) chunk->next->previous = chunk->previous;
    chunk->is_partial = false;
}

/* Classes keep an empty chunk each; a run may need them. */
static void empty_chunks_give(struct heap_arena *arena)
{
    for (uint32_t i = 0; i < HEAP_CLASS_COUNT; i++) {
        struct heap_chunk *chunk = arena->partial[i];
        while (chunk != nullptr) {
            struct heap_chunk *next = chunk->next;
            if (chunk->used_count == 0) {
                partial_remove(arena, chunk);
                run_give(arena, chunk);
            }
            chunk = next;
        }
    }
}

static struct heap_chunk *run_take(struct heap_arena *arena, uint32_t count)
{
    uint32_t index = run_find(arena, count);
    if (index == arena->chunk_count) {
        empty_chunks_give(arena);
        index = run_find(arena, count);
    }
    if (index == arena->chunk_count) return nullptr;
    chunks_mark(arena, index, count, true);
    if (index == arena->search_from) arena->search_from = index + count;
    struct heap_chunk *chunk = chunk_at(arena, index);
    *chunk = (struct heap_chunk){.magic = chunk_magic(chunk), .run_chunks = count};
    return chunk;
}

static struct heap_chunk *class_chunk(struct heap_arena *arena, uint32_t size_class)
{
    struct heap_chunk *chunk = arena->partial[size_class];
    if (chunk != nullptr) return chunk;
    chunk = run_take(arena, 1);
    if (chunk == nullptr) return nullptr;
    chunk->size_class = size_class;
    chunk->block_bytes = class_bytes[size_class];
    chunk->untouched = CHUNK_HEADER_BYTES;
    partial_insert(arena, chunk);
    return chunk;
}

static bool chunk_has_untouched(const struct heap_chunk *chunk)
{
    return chunk->untouched + chunk->block_bytes <= HEAP_CHUNK_BYTES;
}

static void *small_take(struct heap_arena *arena, size_t bytes)
{
    struct heap_chunk *chunk = class_chunk(arena, class_of(bytes));
    if (chunk == nullptr) return nullptr;
    void *block;
    if (chunk->free != nullptr) {
        struct free_block *taken = chunk->free;
        chunk->free = taken->next;
        taken->mark = 0;
        block = taken;
    } else {
        struct free_block *fresh = (struct free_block *)((uint8_t *)chunk + chunk->untouched);
        fresh->mark = 0; /* the chunk may have served another class */
        block = fresh;
        chunk->untouched += chunk->block_bytes;
    }
    chunk->used_count++;
    if (chunk->free == nullptr && !chunk_has_untouched(chunk)) partial_remove(arena, chunk);
    return block;
}

void *heap_arena_take(struct heap_arena *arena, size_t bytes)
{
    if (bytes <= class_bytes[HEAP_CLASS_COUNT - 1]) return small_take(arena, bytes);
    size_t chunks = bytes / HEAP_CHUNK_BYTES + 1;
    if (chunks * HEAP_CHUNK_BYTES - CHUNK_HEADER_BYTES < bytes) chunks++;
    if (chunks > arena->chunk_count) return nullptr;
    struct heap_chunk *chunk = run_take(arena, (uint32_t)chunks);
    return chunk == nullptr ? nullptr : (uint8_t *)chunk + CHUNK_HEADER_BYTES;
}

/* The chunk a block lies in, or nullptr when it cannot be a block. */
static struct heap_chunk *chunk_of(const struct heap_arena *arena, const void *block)
{
    if (!heap_arena_contains(arena, block)) return nullptr;
    size_t offset = (size_t)((const uint8_t *)block - arena->start);
    uint32_t index = (uint32_t)(offset / HEAP_CHUNK_BYTES);
    uint32_t into = (uint32_t)(offset % HEAP_CHUNK_BYTES);
    struct heap_chunk *chunk = chunk_at(arena, index);
    if (!chunk_is_used(arena, index) || into < CHUNK_HEADER_BYTES) return nullptr;
    if ((const void *)chunk == arena->used || chunk->magic != chunk_magic(chunk)) return nullptr;
    if (chunk->block_bytes == 0) return into == CHUNK_HEADER_BYTES ? chunk : nullptr;
    if ((into - CHUNK_HEADER_BYTES) % chunk->block_bytes != 0) return nullptr;
    return into < chunk->untouched ? chunk : nullptr;
}

bool heap_arena_give(struct heap_arena *arena, void *block)
{
    struct heap_chunk *chunk = chunk_of(arena, block);
    if (chunk == nullptr) return false;
    if (chunk->block_bytes == 0) {
        run_give(arena, chunk);
        return true;
    }
    struct free_block *freed = block;
    if (freed->mark == (FREE_MARK ^ (uint64_t)freed)) return false;
    *freed = (struct free_block){.next = chunk->free, .mark = FREE_MARK ^ (uint64_t)freed};
    chunk->free = freed;
    chunk->used_count--;
    if (!chunk->is_partial) partial_insert(arena, chunk);
    /* One empty chunk stays with its class, so that a loop of take and give does not churn. */
    if (chunk->used_count == 0 && (chunk->next != nullptr || chunk->previous != nullptr)) {
        partial_remove(arena, chunk);
        run_give(arena, chunk);
    }
    return true;
}

size_t heap_arena_block_bytes(const struct heap_arena *arena, const void *block)
{
    const struct heap_chunk *chunk = chunk_of(arena, block);
    if (chunk == nullptr) return 0;
    if (chunk->block_bytes != 0) return chunk->block_bytes;
    return (size_t)chunk->run_chunks * HEAP_CHUNK_BYTES - CHUNK_HEADER_BYTES;
}
