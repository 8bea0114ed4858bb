/* The order in which the parts of the machine are brought up. */
#include "arch/x86_64/x86_64.h"

void machine_init_early(const struct boot_info *boot)
{
    processor_detect();
    descriptors_init(boot);
    processor_enable();
    atomic_store_explicit(&cpu_locals[0].is_running, true, memory_order_relaxed);
}

void machine_init_interrupts(const struct boot_info *boot)
{
    const struct acpi_machine *machine = acpi_machine();
    user_state_init();
    io_apic_init(machine);
    local_apic_init(machine->local_apic_address);
    cpu_locals[0].apic_id = local_apic_id();
    clock_source_init(machine, boot);
}

uint64_t cpu_wait_for_interrupt(void)
{
    struct cpu_local *local = cpu_local();
    local->woken_ticks = 0;
    __asm__ volatile("sti\n\thlt\n\tcli" : : : "memory");
    /* An interrupt that is none of interrupt_dispatch()'s leaves it alone. */
    return local->woken_ticks != 0 ? local->woken_ticks : cpu_ticks();
}
