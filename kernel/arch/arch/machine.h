/*
 * What arch found out about the machine, and the order in which it is brought up.
 *
 * kernel_main() calls these from top to bottom; each says what must have been done before.
 * Context: boot processor, task-like, interrupts off until machine_init_interrupts returns.
 */
#pragma once
#include "base/address.h"
#include "base/status.h"
#include <boot/boot_info.h>

/* GDT, TSS, IDT, per-processor data, control register bits. First of all. */
void machine_init_early(const struct boot_info *boot);
/* Adds the serial port as a sink of the log, when there is one. Needs nothing. */
void machine_init_early_log(void);
/* The kernel's own page tables: direct map, image with W^X, guard pages. Needs frames. */
void machine_init_paging(const struct boot_info *boot);
/* ACPI tables found by signature ("MCFG"), mapped, checksummed; nullptr when absent. Needs paging.
 */
const void *machine_find_acpi_table(const char signature[4], uint32_t *out_length);
/* APICs, clock calibration. Needs paging and the heap. Then interrupts may be enabled. */
void machine_init_interrupts(const struct boot_info *boot);
/*
 * Starts the other processors, at most `limit` in all; each calls entry(index) on a stack of its
 * own, interrupts off, and never returns from it. Needs everything above, the heap, and five pages
 * in a row below 1 MiB that the map calls usable and nobody has taken: only until it returns.
 * Answers how many run.
 */
uint32_t machine_start_processors(const struct boot_info *boot, uint32_t limit,
                                  void (*entry)(uint32_t index));

/*
 * Panics unless the kernel's mappings keep their promises: no page is writable and executable, not
 * even under two names, and the guard pages are holes. Walks every mapping: for tests.
 */
void machine_check_mappings(void);

/*
 * Maps device memory for the kernel's life. nullptr when there is no address space or no memory.
 * `access` is PAGE_UNCACHED or PAGE_WRITE_COMBINE.
 */
void *machine_map_device(physical_address start, uint64_t length_bytes, uint8_t access);

/*
 * The processor's state for a panic: control and general registers as they are now, or as they were
 * when the trap being handled on this processor came. Any context.
 */
struct text_writer;
void machine_describe(struct text_writer *writer);
/*
 * Return addresses of the calls that lead here, nearest first; of the interrupted code behind a
 * trap. Follows frame pointers and looks at each address before it reads there. Any context.
 */
uint32_t machine_backtrace(uint64_t *addresses, uint32_t capacity);
/* Stops every other processor where it is, for good; bounded wait. Any context. */
void machine_stop_others(void);
