/*
 * What the files of arch/x86_64 tell each other. Nothing else includes this.
 *
 * Context: boot, unless a line says otherwise.
 */
#pragma once
#include "arch/arch/machine.h"
#include "arch/arch/page_table.h"
#include "arch/arch/trap.h"
#include "arch/x86_64/acpi_tables.h"
#include "arch/x86_64/cpu_local.h"

/* descriptors.c: GDT, TSS and IDT of one processor; its gs base. The stacks are tops, see
 * trap_entry.S. */
void descriptors_load(struct cpu_local *cpu, void *const interrupt_stacks[INTERRUPT_STACK_COUNT]);
/* The table, and the boot processor. Needs processor_detect. */
void descriptors_init(const struct boot_info *boot);

/* processor.c: what this kind of processor can do, found once on the boot processor. */
struct processor_features {
    uint64_t vector_components; /* XCR0; 0: no XSAVE */
    uint32_t vector_bytes;      /* of the XSAVE or FXSAVE area */
    bool has_smep, has_smap, has_umip, has_fsgsbase, has_xsave, has_huge_pages, has_rdrand,
        has_rdseed;
    bool has_x2apic;
    bool has_wide_moves; /* 256 bits, of registers that are no part of wider ones */
};
extern struct processor_features processor;
void processor_detect(void);
/* Sets control registers and the system call entry on this processor. */
void processor_enable(void);

/* context.c: the cache of vector areas. Needs the heap. */
void user_state_init(void);

/* interrupts.c: vectors. Devices have FIRST..LAST; below are exceptions and the masked old
 * controller's. */
#define VECTOR_DEVICE_FIRST 0x30u
#define VECTOR_DEVICE_LAST  0xefu
#define VECTOR_TIMER        0xf0u
#define VECTOR_KICK         0xf1u
#define VECTOR_FLUSH        0xf2u
#define VECTOR_SPURIOUS     0xffu
void interrupt_dispatch(uint32_t vector); /* interrupt context */
void io_apic_init(const struct acpi_machine *machine);

/* local_apic.c */
void local_apic_init(uint64_t physical); /* on the boot processor; 0: where the processor says */
void local_apic_enable(void);            /* this processor's */
uint32_t local_apic_id(void);
void local_apic_acknowledge(void);
void local_apic_send(uint32_t apic_id, uint32_t vector); /* any context */
void local_apic_send_nmi(uint32_t apic_id);
void local_apic_send_init(uint32_t apic_id);
void local_apic_send_startup(uint32_t apic_id, uint32_t page);
uint32_t local_apic_timer_count(void);
void local_apic_timer_start(uint32_t initial_count);
/* Interrupt context: the timer's and the kick's handlers, as installed by trap_set_*. */
void trap_run_timer(void);
void trap_run_kick(void);

/* clock_source.c: measures the time stamp counter and the local APIC's timer. Needs both enabled.
 */
void clock_source_init(const struct acpi_machine *machine, const struct boot_info *boot);
/* Waits; any context, interrupts in any state. Works only after clock_source_init. */
void delay_us(uint64_t us);

/* tlb.c: answers other processors' requests. Interrupt context or a wait inside tlb_flush. */
void tlb_answer_requests(void);

/* paging.c */
/* Physical memory that is in the direct map, or mapped for reading on the spot; nullptr when it
 * cannot. */
const void *physical_view(uint64_t physical, uint64_t length_bytes);

/* acpi.c: what the tables said. Valid after machine_init_paging. */
const struct acpi_machine *acpi_machine(void);
void acpi_init(uint64_t root);

/* state.c: set once, by a panic: an NMI then means to stop. */
extern _Atomic bool stop_requested;

/* power.c */
[[noreturn]] void halt_forever(void);
