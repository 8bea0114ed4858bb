/*
 * Page tables in the x86-64 format: Intel SDM vol. 3A, 4.5. Pure logic over frames and the direct
 * map, so it runs on the host as it is.
 *
 * A table has 512 entries; levels count from 4 at the root to 1. An entry is
 *   nothing   all bits zero
 *   a table   present, at a level above 1, without LEAF
 *   a leaf    with LEAF, software's own bit, set; above level 1 the processor's bit for large
 *             pages as well; a leaf that may not be touched at all has PRESENT clear
 *
 * What an entry is follows from its bits alone, never from comparing addresses: a large page that
 * is split may well cover the very frame that becomes the table.
 *
 * Tables are made on the way down and stay until the end, even when unmapping has emptied them:
 * processors keep the way to a table in caches of their own, fill those at any time, and would take
 * whatever its frame holds next for a table.
 */
#include "arch/arch/page_table.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "debug/assert.h"
#include "mm/direct_map.h"
#include "mm/frame_pool.h"
#include <abi/ops.h>

#define ENTRY_PRESENT       (1ull << 0)
#define ENTRY_WRITABLE      (1ull << 1)
#define ENTRY_USER          (1ull << 2)
#define ENTRY_WRITE_THROUGH (1ull << 3) /* alone: write-combining, see the attribute table */
#define ENTRY_CACHE_OFF     (1ull << 4) /* with the one above: uncached */
#define ENTRY_LARGE         (1ull << 7)
#define ENTRY_GLOBAL        (1ull << 8)
#define ENTRY_LEAF          (1ull << 9) /* ignored by the processor */
#define ENTRY_NO_EXECUTE    (1ull << 63)
#define ENTRY_ADDRESS       0x000f'ffff'ffff'f000ull

#define LEVEL_ROOT        4u
#define TABLE_ENTRIES     512u
#define KERNEL_HALF_FIRST 256u
#define KERNEL_HALF_START 0xffff'8000'0000'0000ull

/* Where a walk ended: an entry that is a leaf or nothing. */
struct slot {
    uint64_t *entry;
    uint32_t level;
};

static uint64_t level_bytes(uint32_t level)
{
    return PAGE_BYTES << 9 * (level - 1);
}

static uint32_t level_of(uint64_t page_bytes)
{
    uint32_t level = page_bytes == PAGE_BYTES ? 1 : page_bytes == LARGE_PAGE_BYTES ? 2 : 3;
    ASSERT(level_bytes(level) == page_bytes);
    return level;
}

static uint32_t index_at(uint64_t address, uint32_t level)
{
    return (uint32_t)(address >> (PAGE_SHIFT + 9 * (level - 1))) % TABLE_ENTRIES;
}

static uint64_t *entries_at(physical_address table)
{
    return direct_map(table);
}

static uint64_t *entries_of(uint64_t entry)
{
    return entries_at(physical_at(entry & ENTRY_ADDRESS));
}

static bool is_table(uint64_t entry)
{
    return (entry & (ENTRY_PRESENT | ENTRY_LEAF)) == ENTRY_PRESENT;
}

static uint64_t leaf_bits(uint8_t access, uint32_t level)
{
    uint64_t bits = ENTRY_LEAF;
    if (access & (PAGE_READ | PAGE_WRITE | PAGE_EXECUTE)) bits |= ENTRY_PRESENT;
    if (access & PAGE_WRITE) bits |= ENTRY_WRITABLE;
    if (!(access & PAGE_EXECUTE)) bits |= ENTRY_NO_EXECUTE;
    bits |= access & PAGE_KERNEL ? ENTRY_GLOBAL : ENTRY_USER;
    if (access & PAGE_WRITE_COMBINE) bits |= ENTRY_WRITE_THROUGH;
    if (access & PAGE_UNCACHED) bits |= ENTRY_WRITE_THROUGH | ENTRY_CACHE_OFF;
    if (level > 1) bits |= ENTRY_LARGE;
    return bits;
}

static uint8_t access_of(uint64_t leaf)
{
    uint8_t access = leaf & ENTRY_USER ? 0 : PAGE_KERNEL;
    if (leaf & ENTRY_CACHE_OFF)
        access |= PAGE_UNCACHED;
    else if (leaf & ENTRY_WRITE_THROUGH)
        access |= PAGE_WRITE_COMBINE;
    if (!(leaf & ENTRY_PRESENT)) return access;
    access |= PAGE_READ;
    if (leaf & ENTRY_WRITABLE) access |= PAGE_WRITE;
    if (!(leaf & ENTRY_NO_EXECUTE)) access |= PAGE_EXECUTE;
    return access;
}

/* The processor writes accessed and dirty bits into entries: each is one atomic store of ours. */
static void entry_set(uint64_t *entry, uint64_t value)
{
    __atomic_store_n(entry, value, __ATOMIC_RELEASE);
}

static struct slot slot_find(const struct page_table *table, uint64_t address)
{
    const uint64_t *entries = entries_at(table->root);
    uint32_t shift = PAGE_SHIFT + 9 * (LEVEL_ROOT - 1);
    for (uint32_t level = LEVEL_ROOT;; level--, shift -= 9) {
        const uint64_t *entry = &entries[address >> shift & (TABLE_ENTRIES - 1)];
        if (!is_table(*entry)) return (struct slot){(uint64_t *)(uintptr_t)entry, level};
        entries = entries_of(*entry);
    }
}

static frame_result table_take(struct page_table *table)
{
    frame_result taken = frame_pool_take_zeroed(table->quota);
    if (is_ok(taken.status)) table->table_frames++;
    return taken;
}

static void table_give(struct page_table *table, physical_address frame)
{
    table->table_frames--;
    frame_pool_give(table->quota, frame, 0);
}

/* The bits of an entry that leads to a table say yes to everything; the leaf decides. */
static uint64_t table_entry(physical_address frame, uint64_t address)
{
    uint64_t user = address < KERNEL_HALF_START ? ENTRY_USER : 0;
    return frame.value | ENTRY_PRESENT | ENTRY_WRITABLE | user;
}

static void check_range(const struct page_table *table, uint64_t address, uint64_t length)
{
    ASSERT(is_aligned(address, PAGE_BYTES) && is_aligned(length, PAGE_BYTES));
    if (table == page_table_kernel())
        ASSERT(address >= KERNEL_HALF_START && (length == 0 || length - 1 <= UINT64_MAX - address));
    else
        ASSERT(span_fits(address, length, ABI_USER_ADDRESS_END));
}

status page_table_create(struct page_table *table, struct memory_quota *quota)
{
    *table = (struct page_table){.quota = quota};
    frame_result root = table_take(table);
    if (!is_ok(root.status)) return FAIL(OUT_OF_MEMORY);
    table->root = root.value;
    const uint64_t *kernel = entries_at(page_table_kernel()->root);
    bytes_copy(entries_at(table->root) + KERNEL_HALF_FIRST, kernel + KERNEL_HALF_FIRST,
               (TABLE_ENTRIES - KERNEL_HALF_FIRST) * sizeof(kernel[0]));
    return OK;
}

/* The first entry in use at or after `from`, or `end`. Most are empty: eight are looked at as one.
 */
static uint32_t find_used(const uint64_t *entries, uint32_t from, uint32_t end)
{
    for (; from + 8 <= end; from += 8) {
        const uint64_t *at = entries + from;
        if ((at[0] | at[1] | at[2] | at[3] | at[4] | at[5] | at[6] | at[7]) != 0) break;
    }
    while (from < end && entries[from] == 0)
        from++;
    return from;
}

/* Frees the tables below an entry, then the one it names. At most three deep. */
static void free_tables(struct page_table *table, uint64_t entry, uint32_t level)
{
    if (!is_table(entry)) return;
    const uint64_t *below = entries_of(entry);
    uint32_t end = level > 2 ? TABLE_ENTRIES : 0;
    for (uint32_t i = find_used(below, 0, end); i < end; i = find_used(below, i + 1, end))
        free_tables(table, below[i], level - 1);
    table_give(table, physical_at(entry & ENTRY_ADDRESS));
}

void page_table_destroy(struct page_table *table)
{
    const uint64_t *entries = entries_at(table->root);
    constexpr uint32_t end = KERNEL_HALF_FIRST;
    for (uint32_t i = find_used(entries, 0, end); i < end; i = find_used(entries, i + 1, end))
        free_tables(table, entries[i], LEVEL_ROOT);
    table_give(table, table->root);
    ASSERT(table->table_frames == 0);
    *table = (struct page_table){0};
}

status page_table_map(struct page_table *table, uint64_t address, physical_address frame,
                      uint64_t page_bytes, uint8_t access)
{
    uint32_t level = level_of(page_bytes);
    ASSERT(is_aligned(address, page_bytes) && is_aligned(frame.value, page_bytes));
    check_range(table, address, page_bytes);

    if (level > 1) table->has_large_pages = true;
    uint64_t leaf = frame.value | leaf_bits(access, level);
    struct slot slot = slot_find(table, address);
    if (slot.level < level || *slot.entry != 0) return FAIL(ALREADY_EXISTS);
    if (slot.level == level) {
        entry_set(slot.entry, leaf);
        return OK;
    }

    /* The missing tables are linked to each other first and to the tree last. */
    ASSERT(slot.level < LEVEL_ROOT || table != page_table_kernel()); /* shared: cannot grow */
    physical_address made[LEVEL_ROOT];
    for (uint32_t below = level; below < slot.level; below++) {
        frame_result taken = table_take(table);
        if (!is_ok(taken.status)) {
            while (below-- > level)
                table_give(table, made[below]);
            return FAIL(OUT_OF_MEMORY);
        }
        made[below] = taken.value;
        uint64_t inner = below == level ? leaf : table_entry(made[below - 1], address);
        entries_at(taken.value)[index_at(address, below)] = inner;
    }
    entry_set(slot.entry, table_entry(made[slot.level - 1], address));
    return OK;
}

/* Splits large pages until one begins at the address, or there is none. */
static status split_at(struct page_table *table, uint64_t address)
{
    while (!is_aligned(address, level_bytes(LEVEL_ROOT - 1))) {
        struct slot slot = slot_find(table, address);
        if (*slot.entry == 0 || is_aligned(address, level_bytes(slot.level))) return OK;
        frame_result taken = table_take(table);
        if (!is_ok(taken.status)) return FAIL(OUT_OF_MEMORY);

        uint64_t step = level_bytes(slot.level - 1);
        uint64_t piece = *slot.entry;
        if (slot.level == 2) piece &= ~ENTRY_LARGE;
        for (uint32_t i = 0; i < TABLE_ENTRIES; i++)
            entries_at(taken.value)[i] = piece + i * step;
        entry_set(slot.entry, table_entry(taken.value, address));
    }
    return OK;
}

/* Both ends first: after this nothing can fail, and nothing has changed that a program could see.
 */
static status split_ends(struct page_table *table, uint64_t address, uint64_t length)
{
    check_range(table, address, length);
    if (!table->has_large_pages) return OK;
    TRY(split_at(table, address));
    if (address + length == 0) return OK; /* up to the very top */
    return split_at(table, address + length);
}

/*
 * Walks a range slot by slot: `part` is what lies between two walks from the root, a whole slot
 * above level 1, a run of entries of one table at it.
 */
struct part {
    uint64_t *entries;
    uint64_t count;       /* of entries */
    uint64_t entry_pages; /* that each of them maps, in 4 KiB */
    uint32_t level;
};

/* The part at the start of a range whose ends have been split; it moves past it. */
static struct part next_part(const struct page_table *table, uint64_t *address, uint64_t *length)
{
    struct slot slot = slot_find(table, *address);
    uint64_t bytes = level_bytes(slot.level);
    uint64_t extent = bytes - (*address & (bytes - 1));
    struct part part = {slot.entry, 1, bytes / PAGE_BYTES, slot.level};
    if (slot.level == 1) {
        part.count = TABLE_ENTRIES - index_at(*address, 1);
        if (part.count > *length / PAGE_BYTES) part.count = *length / PAGE_BYTES;
        extent = part.count * PAGE_BYTES;
    }
    extent = min_of(extent, *length);
    *address += extent;
    *length -= extent;
    return part;
}

status page_table_unmap(struct page_table *table, uint64_t address, uint64_t length,
                        uint64_t *out_removed)
{
    TRY(split_ends(table, address, length));
    uint64_t removed = 0;
    while (length > 0) {
        struct part part = next_part(table, &address, &length);
        for (uint64_t i = 0; i < part.count; i++) {
            if (part.entries[i] == 0) continue;
            entry_set(&part.entries[i], 0);
            removed += part.entry_pages;
        }
    }
    if (out_removed != nullptr) *out_removed = removed;
    return OK;
}

status page_table_protect(struct page_table *table, uint64_t address, uint64_t length,
                          uint8_t access)
{
    TRY(split_ends(table, address, length));
    while (length > 0) {
        struct part part = next_part(table, &address, &length);
        uint64_t bits = leaf_bits(access, part.level);
        for (uint64_t i = 0; i < part.count; i++)
            if (part.entries[i] != 0)
                entry_set(&part.entries[i], (part.entries[i] & ENTRY_ADDRESS) | bits);
    }
    return OK;
}

status page_table_replace(struct page_table *table, uint64_t address, physical_address frame)
{
    ASSERT(is_aligned(frame.value, PAGE_BYTES));
    check_range(table, address, PAGE_BYTES);
    struct slot slot = slot_find(table, address);
    if (slot.level != 1 || *slot.entry == 0) return FAIL(NOT_FOUND);
    entry_set(slot.entry, (*slot.entry & ~ENTRY_ADDRESS) | frame.value);
    return OK;
}

struct page_mapping page_table_find(const struct page_table *table, uint64_t address)
{
    struct slot slot = slot_find(table, address);
    if (*slot.entry == 0) return (struct page_mapping){0};
    return (struct page_mapping){
        .frame = physical_at(*slot.entry & ENTRY_ADDRESS),
        .page_bytes = level_bytes(slot.level),
        .access = access_of(*slot.entry),
    };
}

bool page_table_reserve_top(struct page_table *table, uint64_t address)
{
    uint64_t *entry = &entries_at(table->root)[index_at(address, LEVEL_ROOT)];
    if (*entry != 0) return true;
    frame_result taken = table_take(table);
    if (!is_ok(taken.status)) return false;
    entry_set(entry, table_entry(taken.value, address));
    return true;
}
