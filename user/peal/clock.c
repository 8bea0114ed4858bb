#include "peal/clock.h"
#include "peal/atomic.h"
#include "peal/call.h"
#include "peal/clock_internal.h"

static const struct abi_clock_page *clock_page;

void peal_clock_init(const struct abi_clock_page *page)
{
    clock_page = page;
}

static uint64_t clock_read(uint64_t *out_real_offset_ns)
{
    const struct abi_clock_page *page = clock_page;
    for (;;) {
        uint32_t before = load_acquire(&page->sequence); /* pairs with the kernel's release */
        uint64_t ticks = __builtin_ia32_rdtsc() - page->base_ticks;
        uint64_t ns = page->base_ns +
                      (uint64_t)(((unsigned __int128)ticks * page->multiplier) >> page->shift);
        *out_real_offset_ns = page->real_offset_ns;
        atomic_thread_fence(memory_order_acquire); /* the fields before the second look */
        if (before % 2 == 0 && load_relaxed(&page->sequence) == before) return ns;
    }
}

uint64_t peal_clock_now_ns(void)
{
    uint64_t real_offset_ns;
    return clock_read(&real_offset_ns);
}

uint64_t peal_clock_real_ns(void)
{
    uint64_t real_offset_ns;
    uint64_t now = clock_read(&real_offset_ns);
    return now + real_offset_ns;
}

uint64_t peal_deadline_in_ms(uint64_t milliseconds)
{
    uint64_t deadline;
    if (__builtin_mul_overflow(milliseconds, 1'000'000u, &deadline) ||
        __builtin_add_overflow(deadline, peal_clock_now_ns(), &deadline))
        return ABI_DEADLINE_NEVER;
    return deadline;
}

status peal_sleep_until(uint64_t deadline_ns)
{
    return peal_call(&(struct abi_submission){.op = ABI_OP_SLEEP, .args = {deadline_ns}}).status;
}
