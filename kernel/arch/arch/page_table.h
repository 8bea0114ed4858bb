/*
 * Page tables of one address space, in the processor's format.
 *
 * A table maps the lower half for one process; the kernel's upper half is shared by all. A leaf is
 * a page of 4 KiB or 2 MiB (the kernel's direct map also has 1 GiB). Access 0 keeps a page mapped
 * but out of reach. The table knows nothing of regions or buffers: struct address_space does.
 *
 * Programs have the addresses below ABI_USER_ADDRESS_END: the page below the hole stays free, so
 * that the address behind a system call instruction is always one the processor can return to.
 *
 * Context:  task; may allocate frames for tables, charged to the table's quota; never sleeps.
 * Locking:  the caller serialises calls on one table. Stale translations on processors are the
 *           caller's matter: tlb_flush() before a frame that was mapped is reused.
 * Cost:     map is four table steps; unmap and protect walk what is mapped in the range.
 */
#pragma once
#include "base/address.h"
#include "base/status.h"

struct memory_quota;

enum page_access : uint8_t {
    PAGE_READ = 1,
    PAGE_WRITE = 2,
    PAGE_EXECUTE = 4,
    PAGE_KERNEL = 8,        /* not for user mode */
    PAGE_UNCACHED = 16,     /* device registers */
    PAGE_WRITE_COMBINE = 32 /* framebuffers */
};

struct page_table {
    physical_address root;
    struct memory_quota *quota; /* borrowed; nullptr: not charged */
    uint64_t table_frames;      /* owned by this table, root included */
    bool has_large_pages;       /* or had: there may be something to split */
};

struct page_mapping {
    physical_address frame; /* of the page that holds the address; large pages: of the 2 MiB */
    uint64_t page_bytes;    /* PAGE_BYTES or LARGE_PAGE_BYTES; 0: nothing mapped there */
    uint8_t access;         /* enum page_access bits */
};

/* An empty lower half over the shared kernel half. OUT_OF_MEMORY */
status page_table_create(struct page_table *table, struct memory_quota *quota);
/* Frees the table frames (not what they map). No processor may be using it. */
void page_table_destroy(struct page_table *table);

/*
 * Maps one page. address and frame are aligned to page_bytes.
 *   OUT_OF_MEMORY    no frame for a table on the way; nothing changed
 *   ALREADY_EXISTS   something is mapped there, whatever it is; or, for a large page, small ones
 *                    once were
 */
status page_table_map(struct page_table *table, uint64_t address, physical_address frame,
                      uint64_t page_bytes, uint8_t access);

/*
 * Removes every mapping in address..+length (page aligned). Large pages that straddle an end are
 * split first. *out_removed (may be nullptr) receives the number of 4 KiB pages that were mapped.
 *   OUT_OF_MEMORY    a split needed a table and there was no frame; nothing changed
 */
status page_table_unmap(struct page_table *table, uint64_t address, uint64_t length,
                        uint64_t *out_removed);

/* Changes the access of what is mapped in the range; holes are skipped. Errors as for unmap. */
status page_table_protect(struct page_table *table, uint64_t address, uint64_t length,
                          uint8_t access);

/*
 * Puts another frame in the place of a page of 4 KiB, in one step: nobody ever finds nothing there.
 * The access stays.
 *   NOT_FOUND   no page of 4 KiB is mapped there
 */
status page_table_replace(struct page_table *table, uint64_t address, physical_address frame);

/* What is mapped at the address. */
struct page_mapping page_table_find(const struct page_table *table, uint64_t address);

/* Makes this processor use the table (or the kernel's own, for nullptr). Interrupts off. */
void page_table_use(const struct page_table *table);

/* The kernel's own half: maps device memory and stacks. Same rules; access includes PAGE_KERNEL. */
struct page_table *page_table_kernel(void);
/* Boot: makes the table below one of its root entries, so that every table created later shares it.
 * False: no memory. */
bool page_table_reserve_top(struct page_table *table, uint64_t address);
