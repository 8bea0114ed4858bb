/*
 * The clock page: the time without entering the kernel. Mapped read-only into every process.
 *
 * To read the monotonic clock:
 *   do { s = sequence (acquire; retry while odd); t = rdtsc; copy } while (sequence != s);
 *   ns = base_ns + (((t - base_ticks) * multiplier) >> shift)     with a 128-bit product
 *
 * The real-time clock is that plus real_offset_ns.
 */
#pragma once
#include <abi/types.h>

struct abi_clock_page {
    uint32_t sequence; /* odd while the kernel changes the rest */
    uint32_t shift;
    uint64_t base_ticks;
    uint64_t base_ns;
    uint64_t multiplier;
    uint64_t real_offset_ns;
    uint64_t ticks_per_second; /* for people */
};
static_assert(sizeof(struct abi_clock_page) == 48, "ABI");
