/* Intel SDM vol. 3A, 4.5: four-level paging. */
#include "uefi/page_tables.h"

static constexpr uint64_t PAGE_BYTES = 4096;
static constexpr uint64_t LARGE_PAGE_BYTES = 2 << 20;
static constexpr uint64_t ENTRY_PRESENT = 1ull << 0;
static constexpr uint64_t ENTRY_WRITABLE = 1ull << 1;
static constexpr uint64_t ENTRY_LARGE = 1ull << 7;
static constexpr uint64_t ENTRY_NO_EXECUTE = 1ull << 63;
static constexpr uint64_t ENTRY_ADDRESS = 0x000f'ffff'ffff'f000ull;

static uint64_t *take_table(struct page_tables *tables)
{
    uint64_t *table = tables->take_page();
    if (table) __builtin_memset(table, 0, PAGE_BYTES);
    return table;
}

static uint64_t *table_of(uint64_t entry)
{
    return (uint64_t *)(entry & ENTRY_ADDRESS); /* NOLINT(performance-no-int-to-ptr) */
}

/*
 * The entry that decides about an address: at `level` (0: small pages), with the tables above it,
 * or that of a large page which covers it already. nullptr when there is no page for a table.
 */
static uint64_t *entry_at(struct page_tables *tables, uint64_t address, uint32_t level)
{
    if (!tables->root) tables->root = take_table(tables);
    uint64_t *table = tables->root;
    for (uint32_t at = 3; table; at--) {
        uint64_t *entry = &table[(address >> (12 + 9 * at)) & 511];
        if (at == level || (*entry & ENTRY_LARGE)) return entry;
        if (!(*entry & ENTRY_PRESENT)) {
            uint64_t *below = take_table(tables);
            if (!below) return nullptr;
            /* Access is decided by the last level alone. */
            *entry = (uint64_t)below | ENTRY_PRESENT | ENTRY_WRITABLE;
        }
        table = table_of(*entry);
    }
    return nullptr;
}

bool page_tables_map(struct page_tables *tables, uint64_t virtual_start, uint64_t physical_start,
                     uint64_t length_bytes, uint32_t access)
{
    uint64_t flags = ENTRY_PRESENT;
    if (access & PAGE_WRITE) flags |= ENTRY_WRITABLE;
    if (!(access & PAGE_EXECUTE)) flags |= ENTRY_NO_EXECUTE;

    uint64_t length = (length_bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
    for (uint64_t done = 0; done < length;) {
        uint64_t address = virtual_start + done, target = physical_start + done;
        bool fits = (address | target) % LARGE_PAGE_BYTES == 0 && length - done >= LARGE_PAGE_BYTES;
        if (fits) {
            uint64_t *entry = entry_at(tables, address, 1);
            if (!entry) return false;
            if (!(*entry & ENTRY_PRESENT)) *entry = target | flags | ENTRY_LARGE;
            if (*entry & ENTRY_LARGE) {
                done += LARGE_PAGE_BYTES;
                continue;
            }
        }
        uint64_t *entry = entry_at(tables, address, 0);
        if (!entry) return false;
        if (!(*entry & ENTRY_PRESENT)) *entry = target | flags;
        done += PAGE_BYTES;
    }
    return true;
}
