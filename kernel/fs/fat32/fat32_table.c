/* The allocation table: its entries, read and changed in cached blocks. */
#include "base/bytes.h"
#include "base/checked.h"
#include "fs/fat32/fat32_format.h"
#include "fs/fat32/fat32_internal.h"

bool fat32_is_cluster(const struct fat32_volume *volume, uint32_t cluster)
{
    return cluster >= CLUSTER_FIRST && cluster - CLUSTER_FIRST < volume->cluster_count;
}

uint64_t fat32_cluster_start(const struct fat32_volume *volume, uint32_t cluster)
{
    return volume->data_start_bytes + (uint64_t)(cluster - CLUSTER_FIRST) * volume->cluster_bytes;
}

static uint64_t entry_offset(const struct fat32_volume *volume, uint32_t cluster)
{
    return volume->table_start_bytes + (uint64_t)cluster * TABLE_ENTRY_BYTES;
}

status fat32_next_cluster(struct fat32_volume *volume, uint32_t cluster, uint32_t *out_next)
{
    fat32_bytes_result entry = fat32_volume_bytes(volume, entry_offset(volume, cluster));
    TRY(entry.status);
    *out_next = load_le32(entry.value) & TABLE_ENTRY_MASK;
    return OK;
}

static void entry_store(uint8_t *entry, uint32_t value)
{
    store_le32(entry, (load_le32(entry) & ~TABLE_ENTRY_MASK) | value);
}

/* Entries to be changed at once: `count` of them, inside one block. */
static fat32_bytes_result entries_change(struct fat32_volume *volume, uint32_t first,
                                         uint32_t count)
{
    TRY_AS(fat32_bytes_result, fat32_mark_in_use(volume));
    uint64_t offset = entry_offset(volume, first);
    fat32_bytes_result entries = fat32_volume_bytes(volume, offset);
    if (is_ok(entries.status))
        fat32_block_find(volume, offset / FAT32_BLOCK_BYTES)->dirty |=
            fat32_block_bits(volume, offset, count * TABLE_ENTRY_BYTES);
    return entries;
}

status fat32_table_set(struct fat32_volume *volume, uint32_t cluster, uint32_t value)
{
    fat32_bytes_result entry = entries_change(volume, cluster, 1);
    TRY(entry.status);
    entry_store(entry.value, value);
    return OK;
}

status fat32_table_fill(struct fat32_volume *volume, uint32_t first, uint32_t count,
                        uint32_t *out_count)
{
    uint64_t inside = entry_offset(volume, first) % FAT32_BLOCK_BYTES;
    count = min_of(count, (uint32_t)(FAT32_BLOCK_BYTES - inside) / TABLE_ENTRY_BYTES);
    fat32_bytes_result entries = entries_change(volume, first, count);
    TRY(entries.status);
    for (uint32_t i = 0; i < count; i++)
        entry_store(entries.value + (size_t)i * TABLE_ENTRY_BYTES,
                    i + 1 < count ? first + i + 1 : TABLE_ENTRY_END);
    *out_count = count;
    return OK;
}

/* Puts what is cached of the table over what was read of it. */
static void overlay_cached(struct fat32_volume *volume, uint64_t start, uint8_t *bytes,
                           uint32_t length)
{
    for (uint32_t done = 0; done < length;) {
        uint64_t at = start + done;
        uint32_t inside = (uint32_t)(at % FAT32_BLOCK_BYTES);
        uint32_t piece = min_of(FAT32_BLOCK_BYTES - inside, length - done);
        const struct fat32_block *block = fat32_block_find(volume, at / FAT32_BLOCK_BYTES);
        if (block != nullptr) bytes_copy(bytes + done, block->bytes + inside, piece);
        done += piece;
    }
}

status fat32_table_read(struct fat32_volume *volume, uint32_t first, uint32_t out_entries[])
{
    uint32_t count = min_of(FAT32_TABLE_READ, CLUSTER_FIRST + volume->cluster_count - first);
    uint32_t sector_bytes = volume->device.sector_bytes;
    uint32_t length = (count * TABLE_ENTRY_BYTES + sector_bytes - 1) / sector_bytes * sector_bytes;
    uint64_t start = entry_offset(volume, first);
    TRY(fat32_volume_read(volume, start, length, out_entries));
    overlay_cached(volume, start, (uint8_t *)out_entries, length);
    for (uint32_t i = 0; i < count; i++)
        out_entries[i] &= TABLE_ENTRY_MASK;
    return OK;
}
