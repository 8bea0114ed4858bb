/*
 * Starting the other processors: Intel SDM vol. 3A, 9.4.4. One after the other, each in bounded
 * time; one that does not come is left out, and the machine runs without it.
 *
 * Pages below 1 MiB that this needs, five in a row, lent by the memory map and given back by the
 * boot order:
 *   0         the trampoline
 *   1         root table
 *   2, 3, 4   the tables that map page 0 where it is, read and execute only
 */
#include "arch/arch/context.h"
#include "arch/x86_64/x86_64.h"
#include "base/bytes.h"
#include "debug/assert.h"
#include "debug/log.h"
#include "mm/direct_map.h"

#define LOW_MEMORY_END  0x10'0000ull
#define LOW_PAGES       5u
#define TABLE_TO_TABLE  3u /* present, writable */
#define TABLE_TO_CODE   1u /* present */
#define SELECTOR_START  8u /* of trampoline_segments */
#define INIT_WAIT_US    10'000u
#define STARTUP_WAIT_US 200u
#define ARRIVAL_WAIT_US 500'000u
#define ARRIVAL_LOOK_US 20u

/* What the trampoline reads, from the physical address of its page. */
struct [[gnu::packed]] trampoline_words {
    uint16_t segments_limit;
    uint32_t segments_base;
    uint16_t reserved;
    uint32_t root;
    uint32_t long_mode_offset;
    uint32_t long_mode_selector;
    uint64_t stack_top;
    uint64_t argument;
    uint64_t entry;
};
static_assert(sizeof(struct trampoline_words) == 44, "trampoline.S");
static_assert(offsetof(struct trampoline_words, root) == 8, "trampoline.S");
static_assert(offsetof(struct trampoline_words, stack_top) == 20, "trampoline.S");

extern const uint8_t trampoline_start[], trampoline_words[], trampoline_long_mode[];
extern const uint8_t trampoline_segments[], trampoline_end[];

static uint32_t running_count = 1;
static void (*entry_function)(uint32_t index);

uint32_t cpu_count(void)
{
    return running_count;
}

/* The first page of a usable run below 1 MiB, or 0. */
static uint64_t find_low_pages(const struct boot_info *boot)
{
    for (uint32_t i = 0; i < boot->memory_ranges_count; i++) {
        const struct boot_memory_range *range = &boot->memory_ranges[i];
        uint64_t start = range->start == 0 ? PAGE_BYTES : range->start;
        uint64_t end = range->start + range->length_bytes;
        if (end > LOW_MEMORY_END) end = LOW_MEMORY_END;
        if (range->kind == BOOT_MEMORY_USABLE && start < end &&
            end - start >= LOW_PAGES * PAGE_BYTES)
            return start;
    }
    return 0;
}

static uint64_t *table_at(uint64_t physical)
{
    return direct_map(physical_at(physical));
}

static void make_tables(uint64_t page)
{
    uint64_t tables = page + PAGE_BYTES;
    bytes_zero(direct_map(physical_at(tables)), (LOW_PAGES - 1) * PAGE_BYTES);
    bytes_copy(table_at(tables), direct_map(page_table_kernel()->root), PAGE_BYTES);
    for (uint32_t i = 0; i < 2; i++)
        table_at(tables + i * PAGE_BYTES)[0] = (tables + (i + 1) * PAGE_BYTES) | TABLE_TO_TABLE;
    table_at(tables + 2 * PAGE_BYTES)[0] = (tables + 3 * PAGE_BYTES) | TABLE_TO_TABLE;
    table_at(tables + 3 * PAGE_BYTES)[page / PAGE_BYTES] = page | TABLE_TO_CODE;
}

static void fill_trampoline(uint64_t page, struct cpu_local *cpu, void *stack_top, uint64_t entry)
{
    uint8_t *copy = direct_map(physical_at(page));
    bytes_copy(copy, trampoline_start, (size_t)(trampoline_end - trampoline_start));
    struct trampoline_words words = {
        .segments_limit = 23,
        .segments_base = (uint32_t)(page + (uint64_t)(trampoline_segments - trampoline_start)),
        .root = (uint32_t)(page + PAGE_BYTES),
        .long_mode_offset = (uint32_t)(page + (uint64_t)(trampoline_long_mode - trampoline_start)),
        .long_mode_selector = SELECTOR_START,
        .stack_top = (uintptr_t)stack_top,
        .argument = (uintptr_t)cpu,
        .entry = entry,
    };
    bytes_copy(copy + (trampoline_words - trampoline_start), &words, sizeof(words));
}

/* Where the trampoline leads: on the new processor's own stack, interrupts off. */
[[noreturn]] static void processor_begin(struct cpu_local *cpu)
{
    page_table_use(nullptr);
    descriptors_load(cpu, cpu->interrupt_stacks);
    processor_enable();
    local_apic_enable();
    running_count = cpu->index + 1;
    /* Pairs with the acquire in wait_for_arrival(). */
    atomic_store_explicit(&cpu->is_running, true, memory_order_release);
    entry_function(cpu->index);
    panic("processor %u has nothing to do", cpu->index);
}

static bool wait_for_arrival(const struct cpu_local *cpu, uint64_t us)
{
    for (uint64_t waited = 0;; waited += ARRIVAL_LOOK_US) {
        /* Pairs with the release in processor_begin(). */
        if (atomic_load_explicit(&cpu->is_running, memory_order_acquire)) return true;
        if (waited >= us) return false;
        delay_us(ARRIVAL_LOOK_US);
    }
}

static bool take_stacks(struct cpu_local *cpu, void **out_stack)
{
    *out_stack = kernel_stack_take();
    bool all = *out_stack != nullptr;
    for (uint32_t i = 0; i < INTERRUPT_STACK_COUNT; i++) {
        cpu->interrupt_stacks[i] = kernel_stack_take();
        all = all && cpu->interrupt_stacks[i] != nullptr;
    }
    return all;
}

static bool start(struct cpu_local *cpu, uint64_t page)
{
    void *stack_top;
    if (!take_stacks(cpu, &stack_top)) return false;
    fill_trampoline(page, cpu, stack_top, (uintptr_t)processor_begin);
    local_apic_send_startup(cpu->apic_id, (uint32_t)(page / PAGE_BYTES));
    if (wait_for_arrival(cpu, STARTUP_WAIT_US)) return true;
    local_apic_send_startup(cpu->apic_id, (uint32_t)(page / PAGE_BYTES));
    return wait_for_arrival(cpu, ARRIVAL_WAIT_US);
}

static void reset_others(const struct acpi_machine *machine, uint32_t own_id)
{
    for (uint32_t i = 0; i < machine->processor_count; i++)
        if (machine->apic_ids[i] != own_id) local_apic_send_init(machine->apic_ids[i]);
    delay_us(INIT_WAIT_US);
}

uint32_t machine_start_processors(const struct boot_info *boot, uint32_t limit,
                                  void (*entry)(uint32_t index))
{
    const struct acpi_machine *machine = acpi_machine();
    uint32_t own_id = cpu_locals[0].apic_id;
    uint64_t page = find_low_pages(boot);
    if (limit > CPU_COUNT_MAX) limit = CPU_COUNT_MAX;
    if (limit <= 1 || machine->processor_count <= 1) return running_count;
    if (page == 0) {
        log_line("cpu", "no memory below 1 MiB to start other processors from");
        return running_count;
    }

    entry_function = entry;
    make_tables(page);
    reset_others(machine, own_id);
    for (uint32_t i = 0; i < machine->processor_count && running_count < limit; i++) {
        if (machine->apic_ids[i] == own_id) continue;
        struct cpu_local *cpu = &cpu_locals[running_count];
        *cpu = (struct cpu_local){.index = running_count, .apic_id = machine->apic_ids[i]};
        if (!start(cpu, page)) {
            /* It may still come, late, and find its words: so nobody else may use them. */
            log_line("cpu", "processor with APIC id %u does not start", machine->apic_ids[i]);
            local_apic_send_init(machine->apic_ids[i]);
            break;
        }
    }
    return running_count;
}
