#include "vm/buffer_table.h"
#include "base/bytes.h"
#include "mm/heap.h"
#include <abi/ops.h>

static constexpr uint32_t CAPACITY_FIRST = 16;
static constexpr uint32_t FREE_NONE = UINT32_MAX;

static uint64_t entries_bytes(uint32_t capacity)
{
    return capacity * sizeof(struct buffer_registration);
}

void buffer_table_init(struct buffer_table *table, struct memory_quota *quota)
{
    *table = (struct buffer_table){
        .quota = quota,
        .lock = SPIN_LOCK_INIT(LOCK_RANK_BUFFER_TABLE),
        .free_first = FREE_NONE,
    };
    buffer_pool_table_init(&table->pools, quota);
}

void buffer_table_empty(struct buffer_table *table)
{
    buffer_pool_table_empty(&table->pools);
    spin_acquire(&table->lock);
    struct buffer_registration *entries = table->entries;
    uint32_t capacity = table->capacity;
    table->entries = nullptr;
    table->capacity = 0;
    table->live = 0;
    table->free_first = FREE_NONE;
    spin_release(&table->lock);

    for (uint32_t i = 0; i < capacity; i++) {
        if (!buffer_share_is_empty(&entries[i].share)) buffer_share_drop(&entries[i].share);
    }
    if (entries == nullptr) return;
    heap_give(entries);
    memory_quota_uncharge(table->quota, entries_bytes(capacity));
}

/* Makes `entries`, which has room for `capacity`, the table's; answers what it replaces. */
static struct buffer_registration *replace_entries_locked(struct buffer_table *table,
                                                          struct buffer_registration *entries,
                                                          uint32_t capacity) REQUIRES(table->lock)
{
    struct buffer_registration *old = table->entries;
    if (old != nullptr) bytes_copy(entries, old, entries_bytes(table->capacity));
    for (uint32_t i = capacity; i > table->capacity; i--) {
        entries[i - 1] = (struct buffer_registration){.next_free = table->free_first};
        table->free_first = i - 1;
    }
    table->entries = entries;
    table->capacity = capacity;
    return old;
}

/* Doubles a table that has `seen` entries, unless somebody else has done so. */
static status grow(struct buffer_table *table, uint32_t seen)
{
    if (seen == BUFFER_TABLE_MAX) return FAIL(QUOTA_EXCEEDED);
    uint32_t capacity = seen == 0 ? CAPACITY_FIRST : seen * 2;
    TRY(memory_quota_charge(table->quota, entries_bytes(capacity)));
    struct buffer_registration *entries = heap_take(entries_bytes(capacity));
    if (entries == nullptr) {
        memory_quota_uncharge(table->quota, entries_bytes(capacity));
        return FAIL(OUT_OF_MEMORY);
    }

    struct buffer_registration *unused = entries;
    uint32_t unused_capacity = capacity;
    spin_acquire(&table->lock);
    if (table->capacity == seen) {
        unused = replace_entries_locked(table, entries, capacity);
        unused_capacity = seen;
    }
    spin_release(&table->lock);
    heap_give(unused);
    memory_quota_uncharge(table->quota, entries_bytes(unused_capacity));
    return OK;
}

index_result buffer_table_register_window(struct buffer_table *table,
                                          const struct buffer_window *window,
                                          struct capability *capability)
{
    for (;;) {
        spin_acquire(&table->lock);
        uint32_t index = table->free_first;
        uint32_t capacity = table->capacity;
        if (index != FREE_NONE) {
            struct buffer_registration *entry = &table->entries[index];
            table->free_first = entry->next_free;
            entry->share = buffer_share_make(window, capability);
            table->live++;
        }
        spin_release(&table->lock);
        if (index != FREE_NONE) return (index_result){.value = index};
        TRY_AS(index_result, grow(table, capacity));
    }
}

static status find_locked(struct buffer_table *table, uint32_t index,
                          struct buffer_registration **out_entry) REQUIRES(table->lock)
{
    if (index >= BUFFER_TABLE_MAX) return FAIL(INVALID_BUFFER_INDEX);
    if (index >= table->capacity || buffer_share_is_empty(&table->entries[index].share))
        return FAIL(BUFFER_NOT_REGISTERED);
    *out_entry = &table->entries[index];
    return OK;
}

status buffer_table_unregister(struct buffer_table *table, uint32_t index)
{
    struct buffer_registration *entry;
    struct buffer_share ended = {0};
    spin_acquire(&table->lock);
    status found = find_locked(table, index, &entry);
    if (is_ok(found)) {
        ended = entry->share;
        *entry = (struct buffer_registration){.next_free = table->free_first};
        table->free_first = index;
        table->live--;
    }
    spin_release(&table->lock);
    if (is_ok(found)) buffer_share_drop(&ended);
    return found;
}

static status pin_locked(struct buffer_table *table, uint32_t index, uint64_t offset,
                         uint64_t length, uint32_t access, buffer_pin *out_pin)
    REQUIRES(table->lock)
{
    struct buffer_registration *entry;
    TRY(find_locked(table, index, &entry));
    return buffer_share_pin(&entry->share, offset, length, access, out_pin);
}

status buffer_table_pin(struct buffer_table *table, uint32_t index, uint64_t offset,
                        uint64_t length, uint32_t access, buffer_pin *out_pin)
{
    spin_acquire(&table->lock);
    status pinned = pin_locked(table, index, offset, length, access, out_pin);
    spin_release(&table->lock);
    return pinned;
}
