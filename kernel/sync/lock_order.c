/* The record of held spin locks, one small stack per processor. */
#include "sync/lock_order.h"
#include "arch/arch/cpu.h"
#include "base/annotations.h"
#include "debug/assert.h"

struct held_lock {
    const void *lock;
    uint8_t rank;
};

struct held_locks {
    uint32_t count;
    struct held_lock entries[LOCK_ORDER_DEPTH_MAX];
} CACHE_ALIGNED;

static struct held_locks held_by_cpu[CPU_COUNT_MAX]; /* owned by each processor, interrupts off */

bool lock_order_take_any(const void *lock, uint8_t rank)
{
    struct held_locks *held = &held_by_cpu[cpu_index()];
    for (uint32_t i = 0; i < held->count; i++) {
        if (held->entries[i].lock == lock) panic("lock of rank %d taken twice", rank);
    }
    if (held->count == LOCK_ORDER_DEPTH_MAX) panic("%u spin locks held at once", held->count);
    held->entries[held->count++] = (struct held_lock){lock, rank};
    return true;
}

bool lock_order_take(const void *lock, uint8_t rank)
{
    const struct held_locks *held = &held_by_cpu[cpu_index()];
    for (uint32_t i = 0; i < held->count; i++) {
        if (held->entries[i].lock == lock) panic("lock of rank %d taken twice", rank);
        if (held->entries[i].rank >= rank)
            panic("lock order: rank %d taken while rank %d is held", rank, held->entries[i].rank);
    }
    return lock_order_take_any(lock, rank);
}

bool lock_order_give(const void *lock)
{
    struct held_locks *held = &held_by_cpu[cpu_index()];
    for (uint32_t i = held->count; i-- > 0;) {
        if (held->entries[i].lock != lock) continue;
        for (held->count--; i < held->count; i++)
            held->entries[i] = held->entries[i + 1];
        return true;
    }
    panic("release of a lock that this processor does not hold");
}

uint32_t lock_order_depth(void)
{
    bool were_on = interrupts_disable();
    uint32_t depth = held_by_cpu[cpu_index()].count;
    interrupts_restore(were_on);
    return depth;
}
