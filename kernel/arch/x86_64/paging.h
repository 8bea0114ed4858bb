/*
 * The kernel's half of the address space, for the other files here.
 * Context: any. Locking: LOCK_RANK_KERNEL_HALF inside.
 */
#pragma once
#include "base/address.h"
#include "base/status.h"

#define KERNEL_STACKS_START 0xffff'c000'0000'0000ull
#define KERNEL_STACKS_END   0xffff'c080'0000'0000ull

/* As page_table_map, for the kernel. */
status kernel_half_map(uint64_t address, physical_address frame, uint64_t page_bytes,
                       uint8_t access);
/* Pages of 4 KiB that are mapped one by one. The caller flushes. */
void kernel_half_unmap(uint64_t address, uint64_t length_bytes);

/* Forgets every translation of this processor, global ones too. Interrupts off. */
void tlb_forget_all(void);
