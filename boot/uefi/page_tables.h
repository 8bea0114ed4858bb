/*
 * The page tables that the kernel is entered with: four levels, pages of 4 KiB and 2 MiB.
 *
 * Tables are reached through their physical addresses, which is where the firmware has them too.
 * Pure but for the source of pages, which the caller brings.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum page_access : uint32_t {
    PAGE_READ = 0,
    PAGE_WRITE = 1,
    PAGE_EXECUTE = 2,
};

struct page_tables {
    uint64_t *root;               /* nullptr until something is mapped */
    uint64_t *(*take_page)(void); /* a page aligned to its size, contents unknown; or nullptr */
};

/*
 * Maps virtual_start..+length (whole pages, rounded up) to physical memory, with pages as large as
 * the alignment of both allows. What was mapped there before stays as it is: the first mapping
 * wins. False when there is no page for a table; the tables are then good for nothing.
 */
bool page_tables_map(struct page_tables *tables, uint64_t virtual_start, uint64_t physical_start,
                     uint64_t length_bytes, uint32_t access);
