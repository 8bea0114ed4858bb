/*
 * The journal: sectors of directories that are replaced together.
 *
 * It lies in reserved sectors, which other systems leave alone: one of the device's sectors for the
 * header, then the new contents. Header, little-endian:
 *
 *      0  magic
 *      8  sequence    one more for every journal
 *     16  count       sectors that are replaced; 0: none, what follows means nothing
 *     20  sector size in bytes
 *     24  checksum    FNV-1a of the header's sector, this field 0, and of the new contents
 *     32  for each:   its offset on the volume; checksum of its old contents
 *
 * Once header and contents are on the medium, the change is made: what cannot be written now is
 * written by a later checkpoint or by fat32_journal_replay. A header that counts must not outlive
 * later changes of those sectors: it is ended, durably, before sectors of directories are written.
 * Even if it did, a sector that holds neither its old nor its new contents makes it void.
 */
#include "base/bytes.h"
#include "base/checked.h"
#include "fs/fat32/fat32_format.h"
#include "fs/fat32/fat32_internal.h"
#include "mm/heap.h"

static constexpr uint64_t HEADER_MAGIC = 0x4c4e524a4c414550; /* "PEALJRNL" */
static constexpr uint32_t HEADER_SEQUENCE = 8;
static constexpr uint32_t HEADER_COUNT = 16;
static constexpr uint32_t HEADER_SECTOR_BYTES = 20;
static constexpr uint32_t HEADER_CHECKSUM = 24;
static constexpr uint32_t HEADER_TARGETS = 32;
static constexpr uint32_t TARGET_OFFSET = 0;
static constexpr uint32_t TARGET_CHECKSUM = 8;
static constexpr uint32_t TARGET_BYTES = 16;
static_assert(HEADER_TARGETS + FAT32_JOURNAL_SECTORS_MAX * TARGET_BYTES <= SECTOR_BYTES_MIN);

/* Sectors of the format that are not ours: the boot sector's three parts and FSInfo come first,
 * then Windows' loader, which has its third part in sector 12. */
static constexpr uint32_t SECTORS_IN_USE = 13;
static constexpr uint32_t BACKUP_SECTORS = 3;

/* Fowler, Noll, Vo: FNV-1a with 64 bits (draft-eastlake-fnv). */
static uint64_t checksum(const uint8_t *bytes, size_t length)
{
    uint64_t sum = 0xcbf29ce484222325;
    for (size_t i = 0; i < length; i++)
        sum = (sum ^ bytes[i]) * 0x100000001b3;
    return sum;
}

static uint8_t *new_contents(const struct fat32_volume *volume, uint32_t index)
{
    return volume->writing->journal.sectors + (index + 1ull) * volume->device.sector_bytes;
}

static uint8_t *target_of(struct fat32_journal *journal, uint32_t index)
{
    return journal->sectors + HEADER_TARGETS + (size_t)index * TARGET_BYTES;
}

static uint32_t length_of(const struct fat32_volume *volume, uint32_t count)
{
    return (count + 1) * volume->device.sector_bytes;
}

/* ---- where it lies ---- */

/* Behind everything that has its place among the reserved sectors; 0: there is no room. */
static uint64_t find_start(const struct fat32_volume *volume)
{
    uint64_t start = SECTORS_IN_USE * (uint64_t)volume->sector_bytes;
    uint64_t backup_end = volume->backup_bytes + BACKUP_SECTORS * (uint64_t)volume->sector_bytes;
    uint64_t information_end = volume->information_bytes + (uint64_t)volume->sector_bytes;
    start = max_of(start, backup_end);
    start = max_of(start, information_end);
    uint32_t length = length_of(volume, FAT32_JOURNAL_SECTORS_MAX);
    return span_fits(start, length, volume->first_table_bytes) ? start : 0;
}

static bool is_journal(const struct fat32_journal *journal)
{
    return load_le64(journal->sectors) == HEADER_MAGIC;
}

static bool is_zero(const uint8_t *bytes, size_t length)
{
    return bytes[0] == 0 && bytes_equal(bytes, bytes + 1, length - 1);
}

/* Reads what lies there; refuses what is neither free nor a journal. */
static status journal_read(struct fat32_volume *volume)
{
    struct fat32_journal *journal = &volume->writing->journal;
    uint32_t length = length_of(volume, FAT32_JOURNAL_SECTORS_MAX);
    TRY(fat32_volume_read(volume, journal->start_bytes, length, journal->sectors));
    if (is_journal(journal)) {
        journal->sequence = load_le64(journal->sectors + HEADER_SEQUENCE);
        journal->must_be_ended = load_le32(journal->sectors + HEADER_COUNT) != 0;
    } else if (!is_zero(journal->sectors, length)) {
        journal->start_bytes = 0;
    }
    return OK;
}

status fat32_journal_create(struct fat32_volume *volume)
{
    struct fat32_journal *journal = &volume->writing->journal;
    journal->sectors = heap_take(length_of(volume, FAT32_JOURNAL_SECTORS_MAX));
    if (journal->sectors == nullptr) return FAIL(OUT_OF_MEMORY);
    journal->start_bytes = find_start(volume);
    return journal->start_bytes == 0 ? OK : journal_read(volume);
}

void fat32_journal_destroy(struct fat32_volume *volume)
{
    heap_give(volume->writing->journal.sectors);
}

/* ---- replacing ---- */

static status replace_next(struct fat32_volume *volume)
{
    struct fat32_journal *journal = &volume->writing->journal;
    TRY(fat32_volume_write(volume, journal->targets[journal->done], volume->device.sector_bytes,
                           new_contents(volume, journal->done)));
    TRY(fat32_volume_flush(volume));
    journal->done++;
    return OK;
}

static void header_begin(struct fat32_volume *volume, uint32_t count)
{
    struct fat32_journal *journal = &volume->writing->journal;
    bytes_zero(journal->sectors, volume->device.sector_bytes);
    store_le64(journal->sectors, HEADER_MAGIC);
    store_le64(journal->sectors + HEADER_SEQUENCE, journal->sequence);
    store_le32(journal->sectors + HEADER_COUNT, count);
    store_le32(journal->sectors + HEADER_SECTOR_BYTES, volume->device.sector_bytes);
}

status fat32_journal_finish(struct fat32_volume *volume)
{
    struct fat32_journal *journal = &volume->writing->journal;
    while (journal->done < journal->count)
        TRY(replace_next(volume));
    journal->count = journal->done = 0;
    if (!journal->must_be_ended || journal->is_end_written) return OK;
    header_begin(volume, 0);
    TRY(fat32_volume_write(volume, journal->start_bytes, volume->device.sector_bytes,
                           journal->sectors));
    journal->is_end_written = true;
    return OK;
}

/* ---- a change ---- */

/* Fills header and contents. The blocks with the sectors are cached afterwards. */
static status journal_fill(struct fat32_volume *volume, const struct fat32_sector_change *changes,
                           uint32_t count)
{
    struct fat32_journal *journal = &volume->writing->journal;
    uint32_t sector_bytes = volume->device.sector_bytes;
    journal->sequence++;
    header_begin(volume, count);
    for (uint32_t i = 0; i < count; i++) {
        fat32_bytes_result old = fat32_volume_bytes(volume, changes[i].offset_bytes);
        TRY(old.status);
        journal->targets[i] = changes[i].offset_bytes;
        store_le64(target_of(journal, i) + TARGET_OFFSET, changes[i].offset_bytes);
        store_le64(target_of(journal, i) + TARGET_CHECKSUM, checksum(old.value, sector_bytes));
        bytes_copy(new_contents(volume, i), changes[i].bytes, sector_bytes);
    }
    store_le64(journal->sectors + HEADER_CHECKSUM,
               checksum(journal->sectors, length_of(volume, count)));
    return OK;
}

static void mark_dirty(struct fat32_volume *volume, uint64_t offset)
{
    fat32_block_find(volume, offset / FAT32_BLOCK_BYTES)->dirty |=
        fat32_block_bits(volume, offset, 1);
}

/* Makes the change one that will happen: with the journal on the medium, or else with the first
 * sector replaced. On failure nothing has changed in memory, and the medium follows. */
static status journal_commit(struct fat32_volume *volume, uint32_t count)
{
    struct fat32_journal *journal = &volume->writing->journal;
    if (journal->start_bytes != 0) {
        journal->must_be_ended = true;
        TRY(fat32_volume_write(volume, journal->start_bytes, length_of(volume, count),
                               journal->sectors));
        return fat32_volume_flush(volume);
    }
    status replaced = replace_next(volume);
    if (!is_ok(replaced)) mark_dirty(volume, journal->targets[0]);
    return replaced;
}

status fat32_journal_run(struct fat32_volume *volume, const struct fat32_sector_change *changes,
                         uint32_t count)
{
    TRY(fat32_mark_in_use(volume));
    TRY(fat32_checkpoint(volume));
    TRY(fat32_volume_flush(volume)); /* also the end of the journal before */
    TRY(journal_fill(volume, changes, count));
    TRY(journal_commit(volume, count));

    struct fat32_journal *journal = &volume->writing->journal;
    journal->count = count;
    for (uint32_t i = 0; i < count; i++)
        fat32_blocks_overlay(volume, journal->targets[i], new_contents(volume, i),
                             volume->device.sector_bytes);
    if (is_ok(fat32_journal_finish(volume))) return OK;
    for (uint32_t i = journal->done; i < journal->count; i++)
        mark_dirty(volume, journal->targets[i]);
    return OK; /* it will happen; the next checkpoint says what is wrong with the device */
}

/* ---- after a cut ---- */

/* Whether header and contents are whole. */
static bool is_valid(struct fat32_volume *volume)
{
    struct fat32_journal *journal = &volume->writing->journal;
    uint8_t *header = journal->sectors;
    uint32_t count = load_le32(header + HEADER_COUNT);
    if (!is_journal(journal) || count == 0 || count > FAT32_JOURNAL_SECTORS_MAX ||
        load_le32(header + HEADER_SECTOR_BYTES) != volume->device.sector_bytes)
        return false;
    uint64_t expected = load_le64(header + HEADER_CHECKSUM);
    store_le64(header + HEADER_CHECKSUM, 0);
    return checksum(header, length_of(volume, count)) == expected;
}

/* Whether the sector may be replaced: it belongs to a cluster in use and is as it was, or as it is
 * to be. */
static status check_target(struct fat32_volume *volume, uint32_t index, bool *out_is_old,
                           bool *out_is_new)
{
    struct fat32_journal *journal = &volume->writing->journal;
    uint32_t sector_bytes = volume->device.sector_bytes;
    uint64_t offset = load_le64(target_of(journal, index) + TARGET_OFFSET);
    *out_is_old = *out_is_new = false;
    if (offset < volume->data_start_bytes || offset % sector_bytes != 0) return OK;
    uint64_t cluster = (offset - volume->data_start_bytes) / volume->cluster_bytes + CLUSTER_FIRST;
    if (cluster - CLUSTER_FIRST >= volume->cluster_count) return OK;
    uint32_t next;
    TRY(fat32_next_cluster(volume, (uint32_t)cluster, &next));
    if (next == 0 || next == TABLE_ENTRY_BAD) return OK;

    fat32_bytes_result now = fat32_volume_bytes(volume, offset);
    TRY(now.status);
    uint64_t old = load_le64(target_of(journal, index) + TARGET_CHECKSUM);
    *out_is_new = bytes_equal(now.value, new_contents(volume, index), sector_bytes);
    *out_is_old = !*out_is_new && checksum(now.value, sector_bytes) == old;
    journal->targets[index] = offset;
    return OK;
}

/* How many sectors have to be replaced; 0 also when one of them may not. */
static status count_to_replace(struct fat32_volume *volume, uint32_t count, uint32_t *out_old)
{
    *out_old = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool is_old, is_new;
        TRY(check_target(volume, i, &is_old, &is_new));
        if (!is_old && !is_new) {
            *out_old = 0;
            return OK;
        }
        *out_old += is_old;
    }
    return OK;
}

static status replay(struct fat32_volume *volume, bool *out_replayed)
{
    struct fat32_journal *journal = &volume->writing->journal;
    *out_replayed = false;
    if (!journal->must_be_ended) return OK;
    uint32_t to_replace = 0, count = load_le32(journal->sectors + HEADER_COUNT);
    if (is_valid(volume)) TRY(count_to_replace(volume, count, &to_replace));
    if (to_replace > 0) journal->count = count;
    *out_replayed = to_replace > 0;
    TRY(fat32_journal_finish(volume));
    return fat32_volume_flush(volume);
}

status fat32_journal_replay(struct fat32_volume *volume, bool *out_replayed)
{
    TRY(fat32_writing_create(volume));
    status replayed = replay(volume, out_replayed);
    fat32_writing_destroy(volume);
    fat32_volume_forget(volume);
    return replayed;
}
