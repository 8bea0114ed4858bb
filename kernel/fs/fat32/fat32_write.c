/*
 * Checkpoints: changed blocks reach the medium in the steps of "Order" (fat32_core.h).
 *
 * A block's `dirty` bits end when its sectors are given to the device; until a flush has followed
 * they are in `written`, and dirty again when that fails, so a checkpoint that failed anywhere is
 * simply made again from its beginning. A sector with a held entry stays dirty until it was written
 * without a mask.
 */
#include "base/bytes.h"
#include "base/checked.h"
#include "fs/fat32/fat32_format.h"
#include "fs/fat32/fat32_internal.h"
#include "mm/heap.h"

/* ---- the device ---- */

status fat32_volume_read(struct fat32_volume *volume, uint64_t offset_bytes, uint32_t length_bytes,
                         void *to)
{
    if (!span_fits(offset_bytes, length_bytes, volume->total_bytes)) return FAIL(IO_ERROR);
    const struct fat32_device *device = &volume->device;
    return device->read(device->context, offset_bytes / device->sector_bytes,
                        length_bytes / device->sector_bytes, to);
}

status fat32_volume_write(struct fat32_volume *volume, uint64_t offset_bytes, uint32_t length_bytes,
                          const void *from)
{
    if (!span_fits(offset_bytes, length_bytes, volume->total_bytes)) return FAIL(IO_ERROR);
    const struct fat32_device *device = &volume->device;
    if (volume->writing != nullptr) volume->writing->is_unflushed = true;
    return device->write(device->context, offset_bytes / device->sector_bytes,
                         length_bytes / device->sector_bytes, from);
}

status fat32_volume_flush(struct fat32_volume *volume)
{
    if (volume->writing == nullptr) return volume->device.flush(volume->device.context);
    struct fat32_writing *writing = volume->writing;
    if (!writing->is_unflushed) return OK;
    status flushed = volume->device.flush(volume->device.context);
    for (uint32_t i = 0; i < FAT32_BLOCKS; i++) {
        struct fat32_block *block = &volume->blocks[i];
        if (!is_ok(flushed)) block->dirty |= block->written;
        block->written = 0;
    }
    struct fat32_journal *journal = &writing->journal;
    if (is_ok(flushed) && journal->is_end_written) journal->must_be_ended = false;
    journal->is_end_written = false;
    if (!is_ok(flushed)) return flushed;
    writing->is_unflushed = false;
    writing->is_initialising = false;
    return OK;
}

void fat32_data_written(struct fat32_volume *volume)
{
    /* Pairs with the acquire in take_data_written(): the data was given to the device before. */
    if (volume->writing != nullptr)
        atomic_store_explicit(&volume->writing->data_written, true, memory_order_release);
}

static void take_data_written(struct fat32_writing *writing)
{
    /* Pairs with the release in fat32_data_written(). */
    if (atomic_exchange_explicit(&writing->data_written, false, memory_order_acquire))
        writing->is_unflushed = true;
}

/* ---- what waits for a later step ---- */

struct fat32_held *fat32_held_find(struct fat32_volume *volume, uint32_t cluster)
{
    struct fat32_writing *writing = volume->writing;
    for (uint32_t i = 0; i < writing->held_count; i++) {
        if (writing->held[i].cluster == cluster) return &writing->held[i];
    }
    return nullptr;
}

void fat32_held_add(struct fat32_volume *volume, uint32_t cluster, uint32_t on_disk,
                    enum fat32_stage until)
{
    struct fat32_writing *writing = volume->writing;
    writing->held[writing->held_count++] = (struct fat32_held){cluster, on_disk, until};
}

void fat32_held_remove(struct fat32_volume *volume, struct fat32_held *held)
{
    *held = volume->writing->held[--volume->writing->held_count];
}

/* Their sectors were written with them, durably. */
static void held_release(struct fat32_volume *volume, enum fat32_stage until)
{
    struct fat32_writing *writing = volume->writing;
    for (uint32_t i = writing->held_count; i-- > 0;) {
        if (writing->held[i].until == until) fat32_held_remove(volume, &writing->held[i]);
    }
}

static bool is_held(const struct fat32_writing *writing, enum fat32_stage until)
{
    for (uint32_t i = 0; i < writing->held_count; i++) {
        if (writing->held[i].until == until) return true;
    }
    return false;
}

void fat32_pending_add(struct fat32_volume *volume, uint32_t first, uint32_t count)
{
    struct fat32_writing *writing = volume->writing;
    writing->pending[writing->pending_count++] = (struct fat32_pending){first, count};
    writing->pending_clusters += count;
}

status fat32_write_reserve(struct fat32_volume *volume, uint32_t records)
{
    TRY(fat32_volume_check_writable(volume));
    const struct fat32_writing *writing = volume->writing;
    bool has_room = writing->held_count + records <= FAT32_HELD_MAX &&
                    writing->pending_count + records <= FAT32_PENDING_MAX;
    return has_room ? OK : fat32_checkpoint(volume);
}

/* ---- names that were given up ---- */

static uint64_t name_key(uint32_t directory_cluster, text name)
{
    return fat32_name_hash(name) ^ directory_cluster;
}

status fat32_names_removed_reserve(struct fat32_volume *volume)
{
    TRY(fat32_volume_check_writable(volume));
    bool has_room = volume->writing->names_removed_count + 2 <= FAT32_NAMES_REMOVED_MAX;
    return has_room ? OK : fat32_checkpoint(volume);
}

struct fat32_name_keys fat32_name_keys_of(uint32_t directory_cluster,
                                          const struct fat32_entry *entry)
{
    text alias = {entry->alias, entry->alias_bytes};
    return (struct fat32_name_keys){name_key(directory_cluster, fat32_entry_name(entry)),
                                    name_key(directory_cluster, alias)};
}

void fat32_names_removed_note(struct fat32_volume *volume, struct fat32_name_keys keys)
{
    struct fat32_writing *writing = volume->writing;
    writing->names_removed[writing->names_removed_count++] = keys.name;
    writing->names_removed[writing->names_removed_count++] = keys.alias;
}

status fat32_name_await(struct fat32_volume *volume, uint32_t directory_cluster, text name)
{
    TRY(fat32_volume_check_writable(volume));
    const struct fat32_writing *writing = volume->writing;
    uint64_t key = name_key(directory_cluster, name);
    for (uint32_t i = 0; i < writing->names_removed_count; i++) {
        if (writing->names_removed[i] == key) return fat32_checkpoint(volume);
    }
    return OK;
}

/* ---- writing sectors of blocks ---- */

static bool is_table(const struct fat32_volume *volume, uint64_t offset)
{
    return offset < volume->data_start_bytes;
}

/* Replaces what must not be seen yet in the copy of a piece of the table; answers the bits of the
 * sectors where it did. */
static uint8_t mask_held(const struct fat32_volume *volume, enum fat32_stage stage, uint64_t start,
                         uint32_t length, uint8_t *copy)
{
    const struct fat32_writing *writing = volume->writing;
    uint8_t masked = 0;
    for (uint32_t i = 0; i < writing->held_count; i++) {
        const struct fat32_held *held = &writing->held[i];
        uint64_t at = volume->table_start_bytes + (uint64_t)held->cluster * TABLE_ENTRY_BYTES;
        if (held->until <= stage || at - start >= length) continue;
        uint8_t *entry = copy + (at - start);
        store_le32(entry, (load_le32(entry) & ~TABLE_ENTRY_MASK) | held->on_disk);
        masked |= fat32_block_bits(volume, at, TABLE_ENTRY_BYTES);
    }
    return masked;
}

/* To every table. */
static status write_to_tables(struct fat32_volume *volume, uint64_t start, const uint8_t *bytes,
                              uint32_t length)
{
    if (!volume->is_mirrored) return fat32_volume_write(volume, start, length, bytes);
    for (uint32_t i = 0; i < volume->table_count; i++)
        TRY(fat32_volume_write(volume, start + i * volume->table_bytes, length, bytes));
    return OK;
}

/* Writes neighbouring sectors of one block. */
static status write_piece(struct fat32_volume *volume, struct fat32_block *block, uint32_t inside,
                          uint32_t length, enum fat32_stage stage)
{
    uint64_t start = block->number * FAT32_BLOCK_BYTES + inside;
    uint8_t bits = fat32_block_bits(volume, start, length), masked = 0;
    if (is_table(volume, start)) {
        uint8_t *copy = volume->writing->scratch;
        bytes_copy(copy, block->bytes + inside, length);
        masked = mask_held(volume, stage, start, length, copy);
        TRY(write_to_tables(volume, start, copy, length));
    } else {
        TRY(fat32_volume_write(volume, start, length, block->bytes + inside));
    }
    block->dirty = (uint8_t)((block->dirty & ~bits) | masked);
    block->written |= bits;
    return OK;
}

/* Writes the changed sectors of one block that belong to the table, or that do not. */
static status write_block(struct fat32_volume *volume, struct fat32_block *block, bool of_table,
                          enum fat32_stage stage)
{
    uint32_t sector = volume->device.sector_bytes;
    uint64_t start = block->number * FAT32_BLOCK_BYTES;
    uint8_t dirty = block->dirty;
    uint32_t length = 0; /* of the piece that ends before `at` */
    for (uint32_t at = 0; at <= FAT32_BLOCK_BYTES; at += sector) {
        bool is_wanted = at < FAT32_BLOCK_BYTES &&
                         (dirty & fat32_block_bits(volume, start + at, sector)) != 0 &&
                         is_table(volume, start + at) == of_table;
        if (is_wanted) {
            length += sector;
        } else if (length > 0) {
            TRY(write_piece(volume, block, at - length, length, stage));
            length = 0;
        }
    }
    return OK;
}

static status write_blocks(struct fat32_volume *volume, bool of_table, enum fat32_stage stage)
{
    for (uint32_t i = 0; i < FAT32_BLOCKS; i++) {
        struct fat32_block *block = &volume->blocks[i];
        if (block->dirty != 0) TRY(write_block(volume, block, of_table, stage));
    }
    return OK;
}

status fat32_table_write(struct fat32_volume *volume, enum fat32_stage stage)
{
    return write_blocks(volume, true, stage);
}

/* ---- the steps ---- */

static status write_grown(struct fat32_volume *volume)
{
    if (volume->writing->is_initialising) TRY(fat32_volume_flush(volume));
    TRY(fat32_table_write(volume, FAT32_STAGE_GROWN));
    if (is_held(volume->writing, FAT32_STAGE_LINKED)) {
        TRY(fat32_volume_flush(volume));
        TRY(fat32_table_write(volume, FAT32_STAGE_LINKED));
    }
    TRY(fat32_volume_flush(volume));
    held_release(volume, FAT32_STAGE_GROWN);
    held_release(volume, FAT32_STAGE_LINKED);
    return OK;
}

static status write_cuts(struct fat32_volume *volume)
{
    if (!is_held(volume->writing, FAT32_STAGE_CUT)) return OK;
    TRY(fat32_table_write(volume, FAT32_STAGE_CUT));
    TRY(fat32_volume_flush(volume));
    held_release(volume, FAT32_STAGE_CUT);
    return OK;
}

/* Frees a chain that was given up, as far as it comes; what is left stays pending. */
static status free_chain(struct fat32_volume *volume, struct fat32_pending *chain)
{
    struct fat32_writing *writing = volume->writing;
    while (chain->count > 0) {
        if (!fat32_is_cluster(volume, chain->first)) {
            fat32_volume_protect_damaged(volume, TEXT("chains of its files share clusters"));
            return FAIL(IO_ERROR);
        }
        uint32_t next;
        TRY(fat32_next_cluster(volume, chain->first, &next));
        TRY(fat32_table_set(volume, chain->first, 0));
        fat32_cluster_give(volume, chain->first);
        *chain = (struct fat32_pending){next, chain->count - 1};
        writing->pending_clusters--;
    }
    return OK;
}

static status free_pending(struct fat32_volume *volume)
{
    struct fat32_writing *writing = volume->writing;
    while (writing->pending_count > 0) {
        TRY(free_chain(volume, &writing->pending[writing->pending_count - 1]));
        writing->pending_count--;
    }
    return fat32_table_write(volume, FAT32_STAGE_CUT);
}

static status write_in_order(struct fat32_volume *volume)
{
    struct fat32_writing *writing = volume->writing;
    take_data_written(writing);
    TRY(fat32_journal_finish(volume));
    TRY(write_grown(volume));
    TRY(write_blocks(volume, false, FAT32_STAGE_LINKED));
    TRY(fat32_volume_flush(volume));
    writing->names_removed_count = 0;
    TRY(write_cuts(volume));
    writing->is_freeing = true;
    status freed = free_pending(volume);
    writing->is_freeing = false;
    return freed;
}

status fat32_checkpoint(struct fat32_volume *volume)
{
    if (volume->writing == nullptr) return OK; /* nothing can have been changed */
    if (fat32_is_changed(volume)) TRY(fat32_volume_check_writable(volume));
    return write_in_order(volume);
}

bool fat32_is_changed(const struct fat32_volume *volume)
{
    const struct fat32_writing *writing = volume->writing;
    if (writing == nullptr) return false;
    /* Relaxed: whoever needs the data durable asks for a checkpoint after saying so. */
    if (atomic_load_explicit(&writing->data_written, memory_order_relaxed)) return true;
    for (uint32_t i = 0; i < FAT32_BLOCKS; i++) {
        if (volume->blocks[i].dirty != 0) return true;
    }
    return writing->pending_count > 0 || writing->journal.count > 0;
}

/* ---- marks: in use or clean ---- */

/* One sector of the reserved ones, to be looked at and written again. */
static status reserved_read(struct fat32_volume *volume, uint32_t offset)
{
    return fat32_volume_read(volume, offset, volume->device.sector_bytes, volume->writing->scratch);
}

static status reserved_write(struct fat32_volume *volume, uint32_t offset)
{
    return fat32_volume_write(volume, offset, volume->device.sector_bytes,
                              volume->writing->scratch);
}

/* The mark in the boot sector or its backup, which fsck.fat compares. */
static status mark_boot_sector(struct fat32_volume *volume, uint32_t offset, bool is_in_use)
{
    uint8_t *sector = volume->writing->scratch;
    TRY(reserved_read(volume, offset));
    bool is_boot_sector = sector[BOOT_SIGNATURE] == 0x55 && sector[BOOT_SIGNATURE + 1] == 0xaa;
    if (!is_boot_sector || (sector[BOOT_STATE] & BOOT_STATE_IN_USE) == is_in_use) return OK;
    sector[BOOT_STATE] ^= BOOT_STATE_IN_USE;
    return reserved_write(volume, offset);
}

/* The mark in the tables. Nothing of them is changed in memory. */
static status mark_tables(struct fat32_volume *volume, bool is_in_use)
{
    uint32_t sector_bytes = volume->device.sector_bytes;
    fat32_bytes_result table = fat32_volume_bytes(volume, volume->table_start_bytes);
    TRY(table.status);
    uint8_t *sector = volume->writing->scratch;
    bytes_copy(sector, table.value, sector_bytes);
    uint8_t *entry = sector + TABLE_MARK_ENTRY * TABLE_ENTRY_BYTES;
    uint32_t marks = load_le32(entry) & ~TABLE_MARK_CLEAN;
    /* Errors that somebody met before are settled: the volume was checked since. */
    store_le32(entry, is_in_use ? marks : marks | TABLE_MARK_CLEAN | TABLE_MARK_NO_ERRORS);
    if (bytes_equal(sector, table.value, sector_bytes)) return OK;
    TRY(write_to_tables(volume, volume->table_start_bytes, sector, sector_bytes));
    fat32_blocks_overlay(volume, volume->table_start_bytes, sector, sector_bytes);
    return OK;
}

static status mark_all(struct fat32_volume *volume, bool is_in_use)
{
    TRY(mark_boot_sector(volume, 0, is_in_use));
    if (volume->backup_bytes != 0) TRY(mark_boot_sector(volume, volume->backup_bytes, is_in_use));
    return mark_tables(volume, is_in_use);
}

static bool is_information(const uint8_t *sector)
{
    return load_le32(sector + INFORMATION_LEAD_SIGNATURE) == INFORMATION_LEAD &&
           load_le32(sector + INFORMATION_SIGNATURE) == INFORMATION_MIDDLE &&
           load_le32(sector + INFORMATION_TRAIL_SIGNATURE) == INFORMATION_TRAIL;
}

static status write_information(struct fat32_volume *volume, uint32_t free_count)
{
    if (volume->information_bytes == 0) return OK;
    uint8_t *sector = volume->writing->scratch;
    TRY(reserved_read(volume, volume->information_bytes));
    if (!is_information(sector)) return OK;
    store_le32(sector + INFORMATION_FREE_COUNT, free_count);
    store_le32(sector + INFORMATION_NEXT_FREE, volume->writing->hint);
    return reserved_write(volume, volume->information_bytes);
}

status fat32_information_read(struct fat32_volume *volume, uint32_t *out_free, uint32_t *out_next)
{
    *out_free = *out_next = INFORMATION_UNKNOWN;
    if (volume->information_bytes == 0) return OK;
    uint8_t *sector = volume->writing->scratch;
    TRY(reserved_read(volume, volume->information_bytes));
    if (!is_information(sector)) return OK;
    *out_free = load_le32(sector + INFORMATION_FREE_COUNT);
    *out_next = load_le32(sector + INFORMATION_NEXT_FREE);
    return OK;
}

status fat32_mark_in_use(struct fat32_volume *volume)
{
    TRY(fat32_volume_check_writable(volume));
    if (volume->writing->is_in_use) return OK;
    TRY(mark_all(volume, true));
    TRY(write_information(volume, INFORMATION_UNKNOWN));
    TRY(fat32_volume_flush(volume));
    volume->writing->is_in_use = true;
    return OK;
}

status fat32_mark_clean(struct fat32_volume *volume)
{
    TRY(fat32_volume_check_writable(volume));
    TRY(fat32_checkpoint(volume));
    struct fat32_writing *writing = volume->writing;
    TRY(fat32_volume_flush(volume)); /* the count is true of what is on the medium */
    if (!writing->is_in_use && !writing->was_dirty) return OK;
    /* Whatever fails: the next change marks it again, and the next attempt finishes this one. */
    writing->is_in_use = false;
    writing->was_dirty = true;
    TRY(write_information(volume, writing->usable));
    TRY(fat32_volume_flush(volume));
    TRY(mark_all(volume, false));
    TRY(fat32_volume_flush(volume));
    writing->was_dirty = false;
    return OK;
}

/* ---- the state of writing ---- */

status fat32_volume_check_writable(const struct fat32_volume *volume)
{
    bool is_writable = volume->writing != nullptr && volume->read_only_reason.length == 0;
    return is_writable ? OK : FAIL(PERMISSION_DENIED);
}

static status writing_fill(struct fat32_volume *volume)
{
    struct fat32_writing *writing = volume->writing;
    writing->scratch = heap_take(FAT32_BLOCK_BYTES);
    if (writing->scratch == nullptr) return FAIL(OUT_OF_MEMORY);
    TRY(fat32_allocator_create(volume));
    return fat32_journal_create(volume);
}

status fat32_writing_create(struct fat32_volume *volume)
{
    volume->writing = heap_take_zeroed(sizeof(*volume->writing));
    if (volume->writing == nullptr) return FAIL(OUT_OF_MEMORY);
    status filled = writing_fill(volume);
    if (!is_ok(filled)) fat32_writing_destroy(volume);
    return filled;
}

status fat32_writing_begin(struct fat32_volume *volume, uint32_t free_clusters,
                           bool is_marked_in_use)
{
    TRY(fat32_writing_create(volume));
    volume->writing->was_dirty = is_marked_in_use;
    status loaded = fat32_free_load(volume, free_clusters);
    if (!is_ok(loaded)) fat32_writing_destroy(volume);
    return loaded;
}

void fat32_writing_destroy(struct fat32_volume *volume)
{
    if (volume->writing == nullptr) return;
    fat32_allocator_destroy(volume);
    fat32_journal_destroy(volume);
    heap_give(volume->writing->scratch);
    heap_give(volume->writing);
    volume->writing = nullptr;
}
