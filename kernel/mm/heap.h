/*
 * The kernel's own small memory: slab caches over the frame pool.
 *
 * Objects of one size share slabs (a run of frames each); every processor keeps a magazine of free
 * objects for each cache, so that the common allocation and release touch no lock. Sizes above a
 * slab's go straight to runs of frames.
 *
 * Context:  any. Never sleeps. Memory is not cleared.
 * Locking:  LOCK_RANK_HEAP inside when a magazine is empty or full.
 * Cost:     constant. Debug kernels poison freed memory and check it on the next use.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct slab_cache;

/* Boot, after frame_pool_init. */
void heap_init(void);

/* A cache for objects of one type. `name` is a literal. Never destroyed. nullptr: no memory. */
struct slab_cache *slab_cache_create(const char *name, size_t object_bytes, size_t alignment);
/* nullptr when there is no memory. */
void *slab_take(struct slab_cache *cache);
void slab_give(struct slab_cache *cache, void *object);

/* Any size up to HEAP_BYTES_MAX, 16-byte aligned (page aligned from a page on). nullptr when there
 * is no memory. */
#define HEAP_BYTES_MAX (4ull << 20)
void *heap_take(size_t bytes);
void *heap_take_zeroed(size_t bytes);
/* Accepts nullptr. Giving what was not taken stops the kernel. */
void heap_give(void *memory);

struct heap_counts {
    uint64_t objects_taken;  /* alive, all caches and large ones */
    uint64_t bytes_reserved; /* frames behind all caches */
};
struct heap_counts heap_count(void);
/* Writes one log line per cache. */
void heap_report(void);

/*
 * Fault injection: when set, asked before every slab, heap and frame allocation; false makes it
 * fail. Host tests install one that fails each allocation in turn; the debug kernel can fail one in
 * n.
 */
extern bool (*memory_fault_hook)(void);
