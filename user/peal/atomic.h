/*
 * Atomic access to words shared with the kernel or between threads, the order said in the name.
 * The words of ring, clock page and wait addresses are plain integers in the contract, so these
 * take plain pointers. Context: any.
 */
#pragma once
#include <stdatomic.h>
#include <stdint.h>

static inline uint32_t load_acquire(const uint32_t *word)
{
    return atomic_load_explicit((const _Atomic uint32_t *)word, memory_order_acquire);
}

static inline uint32_t load_relaxed(const uint32_t *word)
{
    return atomic_load_explicit((const _Atomic uint32_t *)word, memory_order_relaxed);
}

static inline void store_release(uint32_t *word, uint32_t value)
{
    atomic_store_explicit((_Atomic uint32_t *)word, value, memory_order_release);
}

static inline void store_relaxed(uint32_t *word, uint32_t value)
{
    atomic_store_explicit((_Atomic uint32_t *)word, value, memory_order_relaxed);
}
