/*
 * How fast the time stamp counter and the local APIC's timer run, measured together against a clock
 * whose rate is known: the HPET (IA-PC HPET Specification 1.0a) or the ACPI PM timer
 * (ACPI 6.5, 4.8.3.3).
 */
#include "arch/arch/mmio.h"
#include "arch/arch/timer.h"
#include "arch/x86_64/instructions.h"
#include "arch/x86_64/x86_64.h"
#include "base/checked.h"
#include "debug/log.h"

#define WINDOW_NS       5'000'000ull
#define SAMPLE_ATTEMPTS 8u
#define LOOKS_MAX \
    20'000'000u /* a look takes at least a few ns: a clock that stands still ends this */
#define PM_TIMER_HZ        3'579'545ull
#define FEMTOSECONDS       1'000'000'000'000'000ull
#define NANOSECONDS        1'000'000'000ull
#define ASSUMED_HZ         1'000'000'000ull
#define HPET_BYTES         1024u
#define HPET_ENABLED       1u
#define HPET_PERIOD_FS_MAX 100'000'000u
#define RATE_SHIFT         32u
#define ARM_NS_MAX         (30 * NANOSECONDS) /* at 1 GHz divided by 16, 32 bits last 68 s */

struct hpet_registers {
    mmio32 capabilities;
    mmio32 period_femtoseconds;
    mmio64 reserved_08;
    mmio64 configuration;
    mmio64 reserved_18[27];
    mmio32 counter; /* its low half */
};
static_assert(offsetof(struct hpet_registers, counter) == 0xf0, "hardware layout");

/* A counter of known rate. */
struct reference {
    struct hpet_registers *hpet; /* nullptr: the PM timer */
    uint16_t port;
    uint32_t mask;
    uint64_t hz;
};

static struct tick_rate rate = {
    .ticks_per_second = ASSUMED_HZ, .multiplier = 1ull << RATE_SHIFT, .shift = RATE_SHIFT};
static uint64_t timer_hz = ASSUMED_HZ / 16;
static uint64_t timer_multiplier; /* counts = (ns * multiplier) >> RATE_SHIFT */
static uint64_t seconds_at_entry;
static uint64_t ticks_at_entry;

static bool find_reference(const struct acpi_machine *machine, struct reference *out)
{
    if (machine->hpet_address != 0) {
        struct hpet_registers *hpet =
            machine_map_device(physical_at(machine->hpet_address), HPET_BYTES, PAGE_UNCACHED);
        uint32_t period = hpet != nullptr ? mmio32_read(&hpet->period_femtoseconds) : 0;
        if (period != 0 && period <= HPET_PERIOD_FS_MAX) {
            mmio64_write(&hpet->configuration, mmio64_read(&hpet->configuration) | HPET_ENABLED);
            *out =
                (struct reference){.hpet = hpet, .mask = UINT32_MAX, .hz = FEMTOSECONDS / period};
            return true;
        }
    }
    if (machine->timer_port == 0) return false;
    *out = (struct reference){
        .port = machine->timer_port,
        .mask = machine->timer_is_32_bits ? UINT32_MAX : 0xff'ffff,
        .hz = PM_TIMER_HZ,
    };
    return true;
}

static uint32_t reference_read(const struct reference *reference)
{
    return reference->hpet != nullptr ? mmio32_read(&reference->hpet->counter)
                                      : port32_read(reference->port);
}

/* The three clocks at one moment. */
struct sample {
    uint64_t ticks;
    uint32_t counts; /* they fall */
    uint32_t reference;
};

/*
 * Three reads are never one moment, and under an emulator anything may come between them. So
 * several are tried, and the one that took least time is the best.
 */
static struct sample sample_take(const struct reference *reference)
{
    struct sample best = {0};
    uint64_t best_width = UINT64_MAX;
    for (uint32_t attempt = 0; attempt < SAMPLE_ATTEMPTS; attempt++) {
        uint64_t before = cpu_ticks();
        uint32_t value = reference_read(reference);
        uint32_t counts = local_apic_timer_count();
        uint64_t width = cpu_ticks() - before;
        if (width >= best_width) continue;
        best_width = width;
        best = (struct sample){before + width / 2, counts, value};
    }
    return best;
}

/* How much all three advance in a window. False when the reference stands still. */
static bool measure(const struct reference *reference, uint64_t *out_ticks, uint64_t *out_counts,
                    uint64_t *out_reference)
{
    uint64_t wanted = reference->hz * WINDOW_NS / NANOSECONDS;
    local_apic_timer_start(UINT32_MAX);
    struct sample first = sample_take(reference);
    uint32_t look = 0;
    while (((reference_read(reference) - first.reference) & reference->mask) < wanted)
        if (++look == LOOKS_MAX) break;
    struct sample last = sample_take(reference);
    local_apic_timer_start(0);
    *out_ticks = last.ticks - first.ticks;
    *out_counts = first.counts - last.counts;
    *out_reference = (last.reference - first.reference) & reference->mask;
    return *out_reference != 0 && *out_ticks != 0 && *out_counts != 0;
}

void clock_source_init(const struct acpi_machine *machine, const struct boot_info *boot)
{
    struct reference reference = {0};
    uint64_t ticks, counts, passed;
    bool is_measured =
        find_reference(machine, &reference) && measure(&reference, &ticks, &counts, &passed);
    if (is_measured) {
        rate.ticks_per_second = multiply_divide(ticks, reference.hz, passed);
        timer_hz = multiply_divide(counts, reference.hz, passed);
    } else {
        log_line("clock", "nothing to measure the processor's clock by: 1 GHz assumed");
    }
    rate.multiplier = multiply_divide(NANOSECONDS, 1ull << RATE_SHIFT, rate.ticks_per_second);
    timer_multiplier = multiply_divide(timer_hz, 1ull << RATE_SHIFT, NANOSECONDS);
    seconds_at_entry = boot->real_time_seconds;
    ticks_at_entry = boot->entry_ticks;
    log_line("clock", "%llu.%03llu MHz, timer %llu.%03llu MHz, by %s",
             (unsigned long long)(rate.ticks_per_second / 1'000'000),
             (unsigned long long)(rate.ticks_per_second / 1'000 % 1'000),
             (unsigned long long)(timer_hz / 1'000'000),
             (unsigned long long)(timer_hz / 1'000 % 1'000),
             !is_measured                ? "guess"
             : reference.hpet != nullptr ? "HPET"
                                         : "PM timer");
}

struct tick_rate arch_tick_rate(void)
{
    return rate;
}

uint64_t arch_real_time_seconds(void)
{
    if (seconds_at_entry == 0) return 0;
    return seconds_at_entry + (cpu_ticks() - ticks_at_entry) / rate.ticks_per_second;
}

void arch_timer_arm(uint64_t ns)
{
    uint64_t counts = min_of(ns, ARM_NS_MAX) * timer_multiplier >> RATE_SHIFT;
    local_apic_timer_start((uint32_t)min_of(counts + 1, (uint64_t)UINT32_MAX));
}

void arch_timer_disarm(void)
{
    local_apic_timer_start(0);
}

void delay_us(uint64_t us)
{
    uint64_t began = cpu_ticks();
    uint64_t wanted = multiply_divide(us, rate.ticks_per_second, 1'000'000);
    while (cpu_ticks() - began < wanted)
        cpu_relax();
}
