/* Memory quotas: one atomic counter each. */
#include "mm/quota.h"
#include "debug/assert.h"
#include "mm/heap.h"

struct memory_quota *memory_quota_create(uint64_t max_bytes)
{
    struct memory_quota *quota = heap_take(sizeof(*quota));
    if (!quota) return nullptr;
    atomic_init(&quota->references, 1);
    atomic_init(&quota->used_bytes, 0);
    quota->max_bytes = max_bytes;
    return quota;
}

void memory_quota_get(struct memory_quota *quota)
{
    if (!quota) return;
    /* Relaxed: whoever calls has a reference already, so nothing is published here. */
    uint32_t before = atomic_fetch_add_explicit(&quota->references, 1, memory_order_relaxed);
    ASSERT(before > 0 && before < UINT32_MAX);
}

void memory_quota_put(struct memory_quota *quota)
{
    if (!quota) return;
    /* What others did with the quota happens before its end: each put releases, the last acquires.
     */
    uint32_t before = atomic_fetch_sub_explicit(&quota->references, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before > 1) return;
    ASSERT(memory_quota_used(quota) == 0);
    heap_give(quota);
}

status memory_quota_charge(struct memory_quota *quota, uint64_t bytes)
{
    if (!quota) return OK;
    uint64_t used = atomic_load_explicit(&quota->used_bytes, memory_order_relaxed);
    do {
        if (used > quota->max_bytes || bytes > quota->max_bytes - used) return FAIL(OUT_OF_MEMORY);
    } while (!atomic_compare_exchange_weak_explicit(&quota->used_bytes, &used, used + bytes,
                                                    memory_order_relaxed, memory_order_relaxed));
    return OK;
}

void memory_quota_uncharge(struct memory_quota *quota, uint64_t bytes)
{
    if (!quota) return;
    uint64_t before = atomic_fetch_sub_explicit(&quota->used_bytes, bytes, memory_order_relaxed);
    ASSERT(before >= bytes);
}

uint64_t memory_quota_used(const struct memory_quota *quota)
{
    return atomic_load_explicit(&quota->used_bytes, memory_order_relaxed);
}
