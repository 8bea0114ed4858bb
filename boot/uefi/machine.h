/*
 * What the loader finds out about the machine for the kernel: screen, tables, time, chance.
 *
 * None of it is needed to boot: what is missing stays zero in *info.
 */
#pragma once
#include "uefi/uefi.h"
#include <boot/boot_info.h>

/* Is this a processor the kernel can be entered on? Explains on the console what is missing. */
bool machine_check_processor(void);

void machine_find_framebuffer(struct efi_boot_services *boot, struct boot_framebuffer *out);
void machine_find_tables(const struct efi_system_table *system, struct boot_info *info);
uint64_t machine_real_time_seconds(const struct efi_system_table *system);

/* Fills *seed from everything that is hard to guess. May be partly predictable all the same. */
void machine_collect_seed(struct efi_boot_services *boot, uint8_t seed[64]);

/* A number that depends on all of the seed, without giving it away. */
uint64_t machine_number_from_seed(const uint8_t seed[64]);

uint64_t machine_ticks(void);

/*
 * Ends the loader: interrupts off, no-execute and write protection on, our page tables, our stack,
 * and the kernel's entry point with `info` in rdi.
 */
[[noreturn]] void machine_enter_kernel(uint64_t page_table_root, uint64_t stack_top, uint64_t entry,
                                       struct boot_info *info);
