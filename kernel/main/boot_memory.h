/*
 * From the firmware's memory map to the frame pool.
 *
 * The first MiB stays out until the other processors run: they start there.
 * Context: boot processor.
 */
#pragma once
#include <boot/boot_info.h>

/* Gives the pool what is free at once. */
void boot_memory_init(const struct boot_info *boot);
/* Gives it what only booting needed: the loader's memory and the first MiB. */
void boot_memory_reclaim(void);
/* Logs what there is, by kind. */
void boot_memory_report(const struct boot_info *boot);
