/*
 * Addresses as types: a physical address, a program's address and a kernel pointer do not mix.
 * Context: any; no state.
 */
#pragma once
#include <stdint.h>

#define PAGE_BYTES       4096ull
#define PAGE_SHIFT       12u
#define LARGE_PAGE_BYTES (2ull << 20)
#define LARGE_PAGE_SHIFT 21u

typedef struct physical_address {
    uint64_t value;
} physical_address;

typedef struct user_address {
    uint64_t value;
} user_address;

static inline physical_address physical_at(uint64_t value)
{
    return (physical_address){value};
}

static inline physical_address physical_add(physical_address address, uint64_t bytes)
{
    return (physical_address){address.value + bytes};
}

static inline user_address user_at(uint64_t value)
{
    return (user_address){value};
}

/* `unit` is a power of two. round_up wraps when there is no such multiple below 2^64. */
static inline uint64_t round_down(uint64_t value, uint64_t unit)
{
    return value & ~(unit - 1);
}

static inline uint64_t round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) & ~(unit - 1);
}

static inline bool is_aligned(uint64_t value, uint64_t unit)
{
    return (value & (unit - 1)) == 0;
}
