/*
 * Physical memory as the kernel sees it: every usable frame at a fixed distance.
 * Context: any; no state. The host's arch puts frames at their own addresses (base 0).
 */
#pragma once
#include "arch/arch/cpu.h"
#include "base/address.h"

/* DIRECT_MAP_BASE comes from arch/arch/cpu_inline.h. */
static inline void *direct_map(physical_address address)
{
    return (void *)(uintptr_t)(DIRECT_MAP_BASE + address.value);
}

/* Only for pointers that direct_map() gave, and inside the same frame run. */
static inline physical_address direct_map_reverse(const void *pointer)
{
    return physical_at((uintptr_t)pointer - DIRECT_MAP_BASE);
}
