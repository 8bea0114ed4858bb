/*
 * Monotonic and real time from the time stamp counter.
 *
 * ns = ((ticks - base) * multiplier) >> shift, with a product of 128 bits. The same numbers are in
 * the clock page; they are written once, before any program can map it.
 */
#include "time/clock.h"
#include "arch/arch/cpu.h"
#include "arch/arch/timer.h"
#include "debug/assert.h"
#include "mm/direct_map.h"
#include "mm/frame_pool.h"
#include <abi/clock.h>

static constexpr uint64_t NS_PER_SECOND = 1000000000;
/* Below this many ticks a second, clock_ns_to_ticks() cannot overflow. */
static constexpr uint64_t TICKS_PER_SECOND_MAX = UINT64_MAX / NS_PER_SECOND;

static struct {
    uint64_t base_ticks;
    struct tick_rate rate;
    uint64_t real_offset_ns;
    physical_address page;
} clock; /* fixed after clock_init() */

static void fill_page(void)
{
    struct abi_clock_page *page = direct_map(clock.page);
    *page = (struct abi_clock_page){
        .shift = clock.rate.shift,
        .base_ticks = clock.base_ticks,
        .multiplier = clock.rate.multiplier,
        .real_offset_ns = clock.real_offset_ns,
        .ticks_per_second = clock.rate.ticks_per_second,
    };
}

void clock_init(uint64_t real_time_seconds)
{
    clock.rate = arch_tick_rate();
    ASSERT(clock.rate.ticks_per_second > 0 && clock.rate.ticks_per_second <= TICKS_PER_SECOND_MAX);
    clock.base_ticks = cpu_ticks();
    clock.real_offset_ns = real_time_seconds * NS_PER_SECOND;
    frame_result page = frame_pool_take_zeroed(nullptr);
    if (!is_ok(page.status)) panic("no memory for the clock page");
    clock.page = page.value;
    fill_page();
}

uint64_t clock_ticks_to_ns(uint64_t ticks)
{
    return (uint64_t)(((unsigned __int128)ticks * clock.rate.multiplier) >> clock.rate.shift);
}

uint64_t clock_now_ns(void)
{
    uint64_t ticks = cpu_ticks() - clock.base_ticks;
    /* A processor whose counter started a little later than the boot processor's is at the start.
     */
    if ((int64_t)ticks < 0) return 0;
    return clock_ticks_to_ns(ticks);
}

uint64_t clock_real_ns(void)
{
    return clock_now_ns() + clock.real_offset_ns;
}

physical_address clock_page_frame(void)
{
    return clock.page;
}

uint64_t clock_ns_to_ticks(uint64_t ns)
{
    uint64_t per_second = clock.rate.ticks_per_second;
    uint64_t whole, sum;
    if (__builtin_mul_overflow(ns / NS_PER_SECOND, per_second, &whole)) return UINT64_MAX;
    uint64_t rest = ns % NS_PER_SECOND * per_second;
    uint64_t part = rest / NS_PER_SECOND + (rest % NS_PER_SECOND != 0);
    return __builtin_add_overflow(whole, part, &sum) ? UINT64_MAX : sum;
}
