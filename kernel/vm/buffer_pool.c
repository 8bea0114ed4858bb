#include "vm/buffer_pool.h"
#include "base/bitmap.h"
#include "base/bytes.h"
#include "debug/assert.h"
#include "mm/heap.h"
#include <abi/ops.h>

/* Invariant: a chunk is in the stack exactly when its bit is set. */
struct buffer_pool {
    struct buffer_share share; /* fixed */
    uint64_t chunk_bytes;      /* fixed */
    uint32_t chunk_count;      /* fixed */
    uint32_t free_count;
    uint64_t *is_free;    /* a bit for each chunk; in this allocation, as the next */
    uint16_t *free_stack; /* free_count of them count */
};
static_assert(ABI_POOL_CHUNKS_MAX <= UINT16_MAX + 1, "chunks are numbered with 16 bits");

static uint64_t bitmap_bytes(uint32_t chunk_count)
{
    return BITMAP_WORDS((uint64_t)chunk_count) * sizeof(uint64_t);
}

static uint64_t pool_bytes(uint32_t chunk_count)
{
    return sizeof(struct buffer_pool) + bitmap_bytes(chunk_count) + chunk_count * sizeof(uint16_t);
}

/* ---- life ---- */

void buffer_pool_table_init(struct buffer_pool_table *table, struct memory_quota *quota)
{
    *table =
        (struct buffer_pool_table){.quota = quota, .lock = SPIN_LOCK_INIT(LOCK_RANK_BUFFER_POOL)};
}

/* A pool with everything but its share. nullptr: no memory. */
static struct buffer_pool *pool_take(struct memory_quota *quota, uint32_t chunk_count)
{
    uint64_t bytes = pool_bytes(chunk_count);
    if (!is_ok(memory_quota_charge(quota, bytes))) return nullptr;
    struct buffer_pool *pool = heap_take(bytes);
    if (pool == nullptr) {
        memory_quota_uncharge(quota, bytes);
        return nullptr;
    }
    *pool = (struct buffer_pool){
        .chunk_count = chunk_count,
        .free_count = chunk_count,
        .is_free = (uint64_t *)(pool + 1),
        .free_stack = (uint16_t *)(void *)((char *)(pool + 1) + bitmap_bytes(chunk_count)),
    };
    bytes_zero(pool->is_free, bitmap_bytes(chunk_count));
    bitmap_set_range(pool->is_free, 0, chunk_count);
    for (uint32_t i = 0; i < chunk_count; i++) /* the first is filled first */
        pool->free_stack[i] = (uint16_t)(chunk_count - 1 - i);
    return pool;
}

static void pool_give(struct memory_quota *quota, struct buffer_pool *pool)
{
    uint64_t bytes = pool_bytes(pool->chunk_count);
    if (!buffer_share_is_empty(&pool->share)) buffer_share_drop(&pool->share);
    heap_give(pool);
    memory_quota_uncharge(quota, bytes);
}

void buffer_pool_table_empty(struct buffer_pool_table *table)
{
    for (uint32_t i = 0; i < BUFFER_POOLS_MAX; i++)
        ignore_status(buffer_pool_destroy(table, i)); /* BUFFER_NOT_REGISTERED: there is none */
}

/* Enters the pool; false when there is no room for one more. */
static bool publish(struct buffer_pool_table *table, struct buffer_pool *pool, uint32_t *out_index)
{
    bool has_room = false;
    spin_acquire(&table->lock);
    for (uint32_t i = 0; i < BUFFER_POOLS_MAX && !has_room; i++) {
        if (table->pools[i] != nullptr) continue;
        table->pools[i] = pool;
        *out_index = i;
        has_room = true;
    }
    spin_release(&table->lock);
    return has_room;
}

pool_index_result buffer_pool_create(struct buffer_pool_table *table, const buffer_pin *span,
                                     uint64_t chunk_bytes)
{
    uint64_t chunk_count = chunk_bytes != 0 ? span->length / chunk_bytes : 0;
    if (chunk_count == 0 || chunk_count > ABI_POOL_CHUNKS_MAX)
        return (pool_index_result){.status = FAIL(INVALID_ARGUMENT)};
    struct buffer_pool *pool = pool_take(table->quota, (uint32_t)chunk_count);
    if (pool == nullptr) return (pool_index_result){.status = FAIL(OUT_OF_MEMORY)};
    struct buffer_window window = {.buffer = span->buffer,
                                   .offset = span->offset,
                                   .length = span->length,
                                   .access = ABI_ACCESS_READ | ABI_ACCESS_WRITE};
    pool->chunk_bytes = chunk_bytes;
    pool->share = buffer_share_make(&window, span->capability);
    uint32_t index;
    if (publish(table, pool, &index)) return (pool_index_result){.value = index};
    pool_give(table->quota, pool);
    return (pool_index_result){.status = FAIL(QUOTA_EXCEEDED)};
}

static status find_locked(struct buffer_pool_table *table, uint32_t index,
                          struct buffer_pool **out_pool) REQUIRES(table->lock)
{
    if (index >= BUFFER_POOLS_MAX) return FAIL(INVALID_BUFFER_INDEX);
    *out_pool = table->pools[index];
    return *out_pool != nullptr ? OK : FAIL(BUFFER_NOT_REGISTERED);
}

status buffer_pool_destroy(struct buffer_pool_table *table, uint32_t index)
{
    struct buffer_pool *pool = nullptr;
    spin_acquire(&table->lock);
    status found = find_locked(table, index, &pool);
    if (is_ok(found)) table->pools[index] = nullptr;
    spin_release(&table->lock);
    if (is_ok(found)) pool_give(table->quota, pool);
    return found;
}

status buffer_pool_check(struct buffer_pool_table *table, uint32_t index)
{
    struct buffer_pool *pool;
    spin_acquire(&table->lock);
    status found = find_locked(table, index, &pool);
    spin_release(&table->lock);
    return found;
}

/* ---- chunks ---- */

static status take_locked(struct buffer_pool *pool, buffer_pin *out_pin, uint32_t *out_chunk)
{
    if (pool->free_count == 0) return FAIL(WOULD_BLOCK);
    uint32_t chunk = pool->free_stack[pool->free_count - 1];
    TRY(buffer_share_pin(&pool->share, chunk * pool->chunk_bytes, pool->chunk_bytes,
                         ABI_ACCESS_WRITE, out_pin));
    DEBUG_ASSERT(bitmap_test(pool->is_free, chunk));
    bitmap_clear(pool->is_free, chunk);
    pool->free_count--;
    *out_chunk = chunk;
    return OK;
}

status buffer_pool_take(struct buffer_pool_table *table, uint32_t index, buffer_pin *out_pin,
                        uint32_t *out_chunk)
{
    struct buffer_pool *pool;
    spin_acquire(&table->lock);
    bool is_there = is_ok(find_locked(table, index, &pool));
    status taken = is_there ? take_locked(pool, out_pin, out_chunk) : FAIL(WOULD_BLOCK);
    spin_release(&table->lock);
    return taken;
}

static status give_locked(struct buffer_pool *pool, uint64_t chunk)
{
    if (chunk >= pool->chunk_count) return FAIL(OUT_OF_RANGE);
    if (bitmap_test(pool->is_free, chunk)) return FAIL(INVALID_ARGUMENT);
    bitmap_set(pool->is_free, chunk);
    pool->free_stack[pool->free_count++] = (uint16_t)chunk;
    return OK;
}

pool_index_result buffer_pool_give(struct buffer_pool_table *table, uint32_t index, uint64_t chunk)
{
    struct buffer_pool *pool;
    pool_index_result given = {0};
    spin_acquire(&table->lock);
    given.status = find_locked(table, index, &pool);
    if (is_ok(given.status)) given.status = give_locked(pool, chunk);
    if (is_ok(given.status)) given.value = pool->free_count;
    spin_release(&table->lock);
    return given;
}
