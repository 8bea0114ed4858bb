/*
 * Locking: `heap_mutex` guards the arena; large blocks need it only for their size.
 */
#include "peal/heap.h"
#include "peal/bytes.h"
#include "peal/heap_arena.h"
#include "peal/memory.h"
#include "peal/mutex.h"
#include "peal/program.h"

#define ARENA_BYTES        (1ull << 30)
#define LARGE_BYTES_MIN    (1u << 20)
#define LARGE_MAGIC        0x6567'7261'4c61'6550ull
#define LARGE_HEADER_BYTES 64u

/* In front of a block that is a buffer of its own. */
struct large_header {
    uint64_t magic; /* LARGE_MAGIC ^ address */
    uint64_t bytes; /* usable */
};

static struct mutex heap_mutex;
static struct heap_arena arena __attribute__((guarded_by(&heap_mutex)));

/* The reservation is made at the first allocation, so that programs without one pay nothing. */
__attribute__((requires_capability(&heap_mutex))) static bool arena_ready(void)
{
    if (arena.start != nullptr) return true;
    pointer_result made = peal_memory_map(ARENA_BYTES);
    if (!is_ok(made.status)) return false;
    uint64_t start =
        ((uint64_t)made.value + HEAP_CHUNK_BYTES - 1) & ~(uint64_t)(HEAP_CHUNK_BYTES - 1);
    uint64_t usable = (uint64_t)made.value + ARENA_BYTES - start;
    heap_arena_init(&arena, (void *)start, usable);
    return true;
}

static void *large_take(size_t bytes)
{
    if (bytes > SIZE_MAX - LARGE_HEADER_BYTES) return nullptr;
    pointer_result made = peal_memory_map(bytes + LARGE_HEADER_BYTES);
    if (!is_ok(made.status)) return nullptr;
    struct large_header *header = made.value;
    *header = (struct large_header){LARGE_MAGIC ^ (uint64_t)header, bytes};
    return (uint8_t *)header + LARGE_HEADER_BYTES;
}

static struct large_header *large_header_of(void *block)
{
    struct large_header *header = (struct large_header *)((uint8_t *)block - LARGE_HEADER_BYTES);
    bool is_large = ((uint64_t)block - LARGE_HEADER_BYTES) % ABI_PAGE_BYTES == 0 &&
                    header->magic == (LARGE_MAGIC ^ (uint64_t)header);
    return is_large ? header : nullptr;
}

void *peal_allocate(size_t bytes)
{
    if (bytes >= LARGE_BYTES_MIN) return large_take(bytes);
    mutex_lock(&heap_mutex);
    void *block = arena_ready() ? heap_arena_take(&arena, bytes) : nullptr;
    mutex_unlock(&heap_mutex);
    return block;
}

void *peal_allocate_zeroed(size_t count, size_t each_bytes)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, each_bytes, &bytes)) return nullptr;
    void *block = peal_allocate(bytes);
    if (block != nullptr && bytes < LARGE_BYTES_MIN) memset(block, 0, bytes);
    return block;
}

static bool arena_release(void *block, bool *out_was_mine)
{
    mutex_lock(&heap_mutex);
    *out_was_mine = arena.start != nullptr && heap_arena_contains(&arena, block);
    bool given = *out_was_mine && heap_arena_give(&arena, block);
    mutex_unlock(&heap_mutex);
    return given;
}

void peal_release(void *block)
{
    if (block == nullptr) return;
    bool was_arena;
    if (arena_release(block, &was_arena)) return;
    struct large_header *header = was_arena ? nullptr : large_header_of(block);
    if (header == nullptr) peal_abort();
    header->magic = 0;
    if (!is_ok(peal_memory_unmap(header))) peal_abort();
}

static size_t block_bytes(void *block)
{
    mutex_lock(&heap_mutex);
    bool was_arena = arena.start != nullptr && heap_arena_contains(&arena, block);
    size_t bytes = was_arena ? heap_arena_block_bytes(&arena, block) : 0;
    mutex_unlock(&heap_mutex);
    if (was_arena) return bytes;
    struct large_header *header = large_header_of(block);
    if (header == nullptr) peal_abort();
    return header->bytes;
}

void *peal_resize(void *block, size_t bytes)
{
    if (block == nullptr) return peal_allocate(bytes);
    size_t held = block_bytes(block);
    if (held >= bytes && held / 2 <= bytes) return block;
    void *moved = peal_allocate(bytes);
    if (moved == nullptr) return nullptr;
    memcpy(moved, block, held < bytes ? held : bytes);
    peal_release(block);
    return moved;
}
