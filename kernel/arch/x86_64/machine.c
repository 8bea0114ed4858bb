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

void cpu_wait_for_interrupt(void)
{
    __asm__ volatile("sti\n\thlt\n\tcli" : : : "memory");
}
