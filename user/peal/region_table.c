/*
 * Locking: a sequence lock. The writer makes `sequence` odd, changes entries, makes it even again;
 * a reader that saw an odd or a changed sequence throws away what it read. Entries are copied with
 * relaxed atomic loads, so a reader may see a torn entry but never acts on one.
 */
#include "peal/region_table.h"
#include "peal/atomic.h"

static uint64_t load_word(const uint64_t *word)
{
    return atomic_load_explicit((const _Atomic uint64_t *)word, memory_order_relaxed);
}

static void store_word(uint64_t *word, uint64_t value)
{
    atomic_store_explicit((_Atomic uint64_t *)word, value, memory_order_relaxed);
}

static void entry_store(struct region *to, struct region from)
{
    store_word(&to->address, from.address);
    store_word(&to->length_bytes, from.length_bytes);
    store_word(&to->buffer_offset_bytes, from.buffer_offset_bytes);
    store_relaxed(&to->buffer_index, from.buffer_index);
    store_relaxed(&to->access, from.access);
}

static struct region entry_load(const struct region *from)
{
    return (struct region){
        .address = load_word(&from->address),
        .length_bytes = load_word(&from->length_bytes),
        .buffer_offset_bytes = load_word(&from->buffer_offset_bytes),
        .buffer_index = load_relaxed(&from->buffer_index),
        .access = load_relaxed(&from->access),
    };
}

static void change_begin(struct region_table *table)
{
    store_relaxed(&table->sequence, table->sequence + 1);
    atomic_thread_fence(memory_order_release); /* pairs with the fence in region_table_find() */
}

static void change_end(struct region_table *table)
{
    store_release(&table->sequence, table->sequence + 1); /* pairs with the acquire in _find() */
}

/* Number of entries that begin at or below `address`. */
static uint32_t entries_up_to(const struct region_table *table, uint64_t address)
{
    uint32_t low = 0, high = load_relaxed(&table->count);
    if (high > REGION_TABLE_ENTRIES_MAX) high = REGION_TABLE_ENTRIES_MAX;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (load_word(&table->entries[middle].address) <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool region_table_insert(struct region_table *table, struct region region)
{
    uint64_t end;
    if (region.length_bytes == 0 || table->count == REGION_TABLE_ENTRIES_MAX) return false;
    if (__builtin_add_overflow(region.address, region.length_bytes, &end)) return false;
    uint32_t at = entries_up_to(table, region.address);
    if (at > 0) {
        const struct region *below = &table->entries[at - 1];
        if (below->address + below->length_bytes > region.address) return false;
    }
    if (at < table->count && table->entries[at].address < end) return false;

    change_begin(table);
    for (uint32_t i = table->count; i > at; i--)
        entry_store(&table->entries[i], table->entries[i - 1]);
    entry_store(&table->entries[at], region);
    store_relaxed(&table->count, table->count + 1);
    change_end(table);
    return true;
}

bool region_table_remove(struct region_table *table, uint64_t address, struct region *out_removed)
{
    uint32_t at = entries_up_to(table, address);
    if (at == 0 || table->entries[at - 1].address != address) return false;
    *out_removed = table->entries[at - 1];

    change_begin(table);
    for (uint32_t i = at; i < table->count; i++)
        entry_store(&table->entries[i - 1], table->entries[i]);
    entry_store(&table->entries[table->count - 1], (struct region){0}); /* `recent` may name it */
    store_relaxed(&table->count, table->count - 1);
    change_end(table);
    return true;
}

static bool contains(const struct region *region, uint64_t address)
{
    return address - region->address < region->length_bytes;
}

/* The region that contains the address; else one that does not. */
static struct region look_up(struct region_table *table, uint64_t address)
{
    struct region found = entry_load(&table->entries[load_relaxed(&table->recent)]);
    if (contains(&found, address)) return found;
    uint32_t at = entries_up_to(table, address);
    if (at == 0) return (struct region){0};
    store_relaxed(&table->recent, at - 1);
    return entry_load(&table->entries[at - 1]);
}

bool region_table_find(struct region_table *table, uint64_t address, struct region *out_region)
{
    for (;;) {
        uint32_t before = load_acquire(&table->sequence); /* pairs with change_end() */
        if (before % 2 != 0) continue;
        struct region found = look_up(table, address);
        atomic_thread_fence(memory_order_acquire); /* pairs with change_begin() */
        if (load_relaxed(&table->sequence) != before) continue;
        if (!contains(&found, address)) return false;
        *out_region = found;
        return true;
    }
}
