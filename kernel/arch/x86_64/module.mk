# The processor and the machine around it. Page tables and the ACPI parser are pure and run on the host.
KERNEL_SOURCES += $(addprefix kernel/arch/x86_64/, entry.S trap_entry.S page_wide.S trampoline.S \
                    acpi.c acpi_tables.c clock_source.c context.c descriptors.c interrupts.c \
                    kernel_stack.c local_apic.c machine.c page.c page_table.c paging.c ports.c power.c \
                    processor.c serial_log.c smp.c state.c tlb.c trap.c)
HOST_SOURCES   += kernel/arch/x86_64/page_table.c kernel/arch/x86_64/acpi_tables.c
HOST_TESTS     += kernel/arch/x86_64/page_table_test.c kernel/arch/x86_64/acpi_tables_test.c
