/*
 * Cached blocks: pieces of table and directories, changed in memory and written by checkpoints.
 *
 * A block that must be written, or was written and not flushed, stays: a failing flush makes it
 * dirty again. When nothing else is left, a checkpoint is made; while step 3 of one is under way,
 * which only changes the table and in any order, its sectors are written.
 */
#include "base/bytes.h"
#include "base/checked.h"
#include "fs/fat32/fat32_format.h"
#include "fs/fat32/fat32_internal.h"
#include "mm/heap.h"

static constexpr uint64_t BLOCK_NONE = UINT64_MAX;
static constexpr uint32_t DIRTY_UNIT_BYTES = 512; /* what a bit of `dirty` stands for */

static uint16_t *bucket_of(struct fat32_volume *volume, uint64_t number)
{
    return &volume->buckets[number % FAT32_BLOCKS];
}

void fat32_blocks_init(struct fat32_volume *volume)
{
    for (uint32_t i = 0; i < FAT32_BLOCKS; i++)
        volume->blocks[i] = (struct fat32_block){.number = BLOCK_NONE};
    bytes_zero(volume->buckets, sizeof(volume->buckets));
}

void fat32_blocks_drop(struct fat32_volume *volume)
{
    for (uint32_t i = 0; i < FAT32_BLOCKS; i++)
        heap_give(volume->blocks[i].bytes);
    fat32_blocks_init(volume);
}

struct fat32_block *fat32_block_find(struct fat32_volume *volume, uint64_t number)
{
    uint16_t next = *bucket_of(volume, number);
    while (next != 0) {
        struct fat32_block *block = &volume->blocks[next - 1];
        if (block->number == number) return block;
        next = block->next;
    }
    return nullptr;
}

static void block_forget(struct fat32_volume *volume, struct fat32_block *block)
{
    if (block->number == BLOCK_NONE) return;
    uint16_t own = (uint16_t)(block - volume->blocks + 1);
    uint16_t *link = bucket_of(volume, block->number);
    while (*link != own)
        link = &volume->blocks[*link - 1].next;
    *link = block->next;
    block->number = BLOCK_NONE;
}

void fat32_volume_forget(struct fat32_volume *volume)
{
    for (uint32_t i = 0; i < FAT32_BLOCKS; i++) {
        struct fat32_block *block = &volume->blocks[i];
        if ((block->dirty | block->written) == 0) block_forget(volume, block);
    }
}

static void block_name(struct fat32_volume *volume, struct fat32_block *block, uint64_t number)
{
    uint16_t *bucket = bucket_of(volume, number);
    block->number = number;
    block->next = *bucket;
    *bucket = (uint16_t)(block - volume->blocks + 1);
}

/* The one not used for longest that can be forgotten; an unused one first. nullptr: none can. */
static struct fat32_block *block_to_reuse(struct fat32_volume *volume)
{
    struct fat32_block *oldest = nullptr;
    for (uint32_t i = 0; i < FAT32_BLOCKS; i++) {
        struct fat32_block *block = &volume->blocks[i];
        if ((block->dirty | block->written) != 0) continue;
        if (oldest == nullptr || block->used_at < oldest->used_at) oldest = block;
    }
    return oldest;
}

static status make_room(struct fat32_volume *volume)
{
    if (volume->writing->is_freeing)
        TRY(fat32_table_write(volume, FAT32_STAGE_CUT));
    else
        TRY(fat32_checkpoint(volume));
    return fat32_volume_flush(volume);
}

static status block_fill(struct fat32_volume *volume, struct fat32_block *block, uint64_t number)
{
    block_forget(volume, block);
    if (block->bytes == nullptr) block->bytes = heap_take(FAT32_BLOCK_BYTES);
    if (block->bytes == nullptr) return FAIL(OUT_OF_MEMORY);
    uint64_t start = number * FAT32_BLOCK_BYTES;
    uint64_t length = min_of((uint64_t)FAT32_BLOCK_BYTES, volume->total_bytes - start);
    TRY(fat32_volume_read(volume, start, (uint32_t)length, block->bytes));
    block_name(volume, block, number);
    return OK;
}

fat32_bytes_result fat32_volume_bytes(struct fat32_volume *volume, uint64_t offset_bytes)
{
    if (offset_bytes >= volume->total_bytes) return (fat32_bytes_result){.status = FAIL(IO_ERROR)};
    uint64_t number = offset_bytes / FAT32_BLOCK_BYTES;
    struct fat32_block *block = fat32_block_find(volume, number);
    if (block == nullptr) {
        block = block_to_reuse(volume);
        if (block == nullptr) {
            TRY_AS(fat32_bytes_result, make_room(volume));
            block = block_to_reuse(volume);
        }
        TRY_AS(fat32_bytes_result, block_fill(volume, block, number));
    }
    block->used_at = ++volume->clock;
    return (fat32_bytes_result){.value = block->bytes + offset_bytes % FAT32_BLOCK_BYTES};
}

uint8_t fat32_block_bits(const struct fat32_volume *volume, uint64_t offset_bytes,
                         uint32_t length_bytes)
{
    uint32_t inside = (uint32_t)(offset_bytes % FAT32_BLOCK_BYTES);
    uint32_t sector = volume->device.sector_bytes;
    uint32_t first = inside / sector * sector;
    uint32_t end = (inside + length_bytes + sector - 1) / sector * sector;
    uint32_t bits = (1u << end / DIRTY_UNIT_BYTES) - (1u << first / DIRTY_UNIT_BYTES);
    return (uint8_t)bits;
}

fat32_bytes_result fat32_volume_change(struct fat32_volume *volume, uint64_t offset_bytes)
{
    if (offset_bytes < volume->data_start_bytes)
        return (fat32_bytes_result){.status = FAIL(IO_ERROR)};
    TRY_AS(fat32_bytes_result, fat32_mark_in_use(volume));
    fat32_bytes_result bytes = fat32_volume_bytes(volume, offset_bytes);
    if (is_ok(bytes.status))
        fat32_block_find(volume, offset_bytes / FAT32_BLOCK_BYTES)->dirty |=
            fat32_block_bits(volume, offset_bytes, 1);
    return bytes;
}

void fat32_blocks_overlay(struct fat32_volume *volume, uint64_t offset_bytes, const uint8_t *bytes,
                          uint32_t length_bytes)
{
    while (length_bytes > 0) {
        uint32_t inside = (uint32_t)(offset_bytes % FAT32_BLOCK_BYTES);
        uint32_t piece = min_of(FAT32_BLOCK_BYTES - inside, length_bytes);
        struct fat32_block *block = fat32_block_find(volume, offset_bytes / FAT32_BLOCK_BYTES);
        if (block != nullptr) bytes_copy(block->bytes + inside, bytes, piece);
        offset_bytes += piece;
        bytes += piece;
        length_bytes -= piece;
    }
}
