/*
 * From an address to the registered buffer behind it: a small sorted table.
 *
 * Pure: it holds numbers only, so that it is tested on the host. Regions never overlap.
 *
 * Context:  any thread. Look-ups take no lock and retry while a change is being made.
 * Locking:  changes are made by one thread at a time; the caller sees to that.
 * Cost:     a look-up is a binary search, except where the last one ended; insert and remove move
 * what is behind.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define REGION_TABLE_ENTRIES_MAX 512u

struct region {
    uint64_t address;
    uint64_t length_bytes;
    uint64_t buffer_offset_bytes;
    uint32_t buffer_index;
    uint32_t access; /* ABI_ACCESS_... of the registration */
};

struct region_table {
    uint32_t sequence; /* odd while a change is under way */
    uint32_t count;
    uint32_t recent; /* which entry was found last: a hint, right more often than not */
    struct region entries[REGION_TABLE_ENTRIES_MAX]; /* by address */
};

/* False when the table is full, the region is empty or wraps, or it overlaps one that is there. */
[[nodiscard]] bool region_table_insert(struct region_table *table, struct region region);

/* Removes the region that begins at exactly `address`; false when there is none. */
bool region_table_remove(struct region_table *table, uint64_t address, struct region *out_removed);

/* Finds the region that contains `address`; false when there is none. */
bool region_table_find(struct region_table *table, uint64_t address, struct region *out_region);
