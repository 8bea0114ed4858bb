/*
 * The heap: memory by the byte, over sparse buffers that are registered once.
 *
 * Blocks are 16-byte aligned and can be named in submissions. Large ones (over 1 MiB) are buffers
 * of their own and go back to the kernel when released.
 *
 * Context: any thread. Cost: constant for small blocks.
 */
#pragma once
#include <stddef.h>

/* At least `bytes` bytes, contents undefined; nullptr when there is no memory. */
[[nodiscard]] void *peal_allocate(size_t bytes);
/* count * each bytes, zeroed; nullptr when there is no memory or the product wraps. */
[[nodiscard]] void *peal_allocate_zeroed(size_t count, size_t each_bytes);
/* Moves to a block of at least `bytes`; on nullptr the old one stays as it is. */
[[nodiscard]] void *peal_resize(void *block, size_t bytes);
/* nullptr is fine. Releasing what is no block, or twice, ends the program. */
void peal_release(void *block);

/* OWNED(heap_block) scratch = {peal_allocate(n)}; releases at the end of the scope. */
typedef struct heap_block {
    void *bytes;
} heap_block;
static inline void heap_block_drop(heap_block *block)
{
    peal_release(block->bytes);
    block->bytes = nullptr;
}
