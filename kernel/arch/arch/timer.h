/*
 * The processor's own timer and the machine's clock source.
 *
 * Context: any, interrupts off for arch_timer_*.
 */
#pragma once
#include <stdint.h>

/* Conversion of cpu_ticks() to nanoseconds: ns = (ticks * multiplier) >> shift, 128-bit product. */
struct tick_rate {
    uint64_t ticks_per_second;
    uint64_t multiplier;
    uint32_t shift;
};
/* Measured at boot against the HPET or the ACPI PM timer. */
struct tick_rate arch_tick_rate(void);

/* One interrupt on this processor when about `ns` from now have passed; replaces the one set
 * before. 0: as soon as possible. */
void arch_timer_arm(uint64_t ns);
void arch_timer_disarm(void);

/* Seconds since 1970 from the battery clock (or the loader); 0 when there is none. Boot only. */
uint64_t arch_real_time_seconds(void);
