/*
 * The kernel heap's contract over malloc: AddressSanitizer then finds what a module does wrong with
 * its memory, leaks included, and each allocation can be made to fail. The kernel's own heap is
 * tested in mm/heap_test.c.
 */
#include "mm/heap.h"
#include "debug/assert.h"
#include "support/test.h"
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct slab_cache {
    size_t object_bytes;
    size_t alignment;
};

static constexpr uint32_t CACHES_MAX = 64;
static struct slab_cache caches[CACHES_MAX];
static _Atomic uint32_t caches_count;
static _Atomic uint64_t objects_taken;

bool (*memory_fault_hook)(void) = test_allocation_may_proceed;

static bool may_proceed(void)
{
    return !memory_fault_hook || memory_fault_hook();
}

static void *take(size_t bytes, size_t alignment)
{
    if (!may_proceed()) return nullptr;
    void *memory = nullptr;
    if (posix_memalign(&memory, alignment, bytes ? bytes : 1) != 0) return nullptr;
    memset(memory, 0xa5, bytes); /* nobody may count on zeros */
    atomic_fetch_add(&objects_taken, 1);
    return memory;
}

static void give(void *memory)
{
    atomic_fetch_sub(&objects_taken, 1);
    free(memory);
}

void heap_init(void)
{
}

struct slab_cache *slab_cache_create(const char *name, size_t object_bytes, size_t alignment)
{
    (void)name;
    if (!may_proceed()) return nullptr;
    uint32_t index = atomic_fetch_add(&caches_count, 1);
    ASSERT(index < CACHES_MAX);
    size_t least = sizeof(void *);
    caches[index] = (struct slab_cache){object_bytes, alignment > least ? alignment : least};
    return &caches[index];
}

void *slab_take(struct slab_cache *cache)
{
    return take(cache->object_bytes, cache->alignment);
}

void slab_give(struct slab_cache *cache, void *object)
{
    (void)cache;
    give(object);
}

void *heap_take(size_t bytes)
{
    if (bytes > HEAP_BYTES_MAX) return nullptr;
    return take(bytes, bytes >= 4096 ? 4096 : 16);
}

void *heap_take_zeroed(size_t bytes)
{
    void *memory = heap_take(bytes);
    if (memory) memset(memory, 0, bytes);
    return memory;
}

void heap_give(void *memory)
{
    if (memory) give(memory);
}

struct heap_counts heap_count(void)
{
    return (struct heap_counts){.objects_taken = atomic_load(&objects_taken)};
}

void heap_report(void)
{
}
