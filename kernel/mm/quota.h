/*
 * How much memory somebody may hold.
 *
 * Charges are counted in bytes, before the memory is taken. A quota is referenced by what is
 * charged to it, so it outlives its process as long as a shared buffer does.
 *
 * Context: any. Lock-free: one atomic counter; a charge either fits or changes nothing.
 */
#pragma once
#include "base/status.h"
#include <stdatomic.h>

struct memory_quota {
    _Atomic uint32_t references;
    _Atomic uint64_t used_bytes; /* relaxed: a counter, ordered with nothing */
    uint64_t max_bytes;          /* fixed at creation */
};

/* One reference, nothing used. nullptr when there is no memory for it. */
struct memory_quota *memory_quota_create(uint64_t max_bytes);
void memory_quota_get(struct memory_quota *quota);
void memory_quota_put(struct memory_quota *quota);
/* OUT_OF_MEMORY when it would exceed the maximum. nullptr is unlimited. */
status memory_quota_charge(struct memory_quota *quota, uint64_t bytes);
/* Never more than was charged; an underflow stops the kernel. */
void memory_quota_uncharge(struct memory_quota *quota, uint64_t bytes);
uint64_t memory_quota_used(const struct memory_quota *quota);
