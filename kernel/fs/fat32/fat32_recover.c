/* A volume before its first change: what a power cut left, and how much is free. */
#include "base/bytes.h"
#include "base/format.h"
#include "fs/fat32/fat32_format.h"
#include "fs/fat32/fat32_internal.h"

/* True when table `number` says that somebody uses the volume, or met errors: "FAT Data Structure",
 * ClnShutBitMask and HrdErrBitMask. */
static status table_says_in_use(struct fat32_volume *volume, uint32_t number, bool *out_in_use)
{
    uint64_t entry = volume->first_table_bytes + number * volume->table_bytes +
                     TABLE_MARK_ENTRY * TABLE_ENTRY_BYTES;
    fat32_bytes_result bytes = fat32_volume_bytes(volume, entry);
    TRY(bytes.status);
    constexpr uint32_t sound = TABLE_MARK_CLEAN | TABLE_MARK_NO_ERRORS;
    *out_in_use = (load_le32(bytes.value) & sound) != sound;
    return OK;
}

/* The marks are written one after the other, so one of them is enough: those of the tables, and bit
 * 0 of the boot sector's byte 65, which Windows NT and Linux keep. */
static status was_left_in_use(struct fat32_volume *volume, bool *out_was_in_use)
{
    fat32_bytes_result boot = fat32_volume_bytes(volume, 0);
    TRY(boot.status);
    *out_was_in_use = boot.value[BOOT_STATE] & BOOT_STATE_IN_USE;
    for (uint32_t i = 0; i < volume->table_count && !*out_was_in_use; i++) {
        bool is_kept =
            volume->is_mirrored ||
            volume->table_start_bytes == volume->first_table_bytes + i * volume->table_bytes;
        if (is_kept) TRY(table_says_in_use(volume, i, out_was_in_use));
    }
    return OK;
}

/* What is looked at in a volume that was left in order. */
static status root_check(struct fat32_volume *volume, struct fat32_report *report)
{
    struct fat32_map root;
    TRY(fat32_map_load(volume, volume->root_cluster, &root));
    bool is_damaged = root.is_damaged;
    fat32_map_drop(&root);
    if (!is_damaged) return OK;
    char bytes[FAT32_REASON_BYTES_MAX];
    struct text_writer writer = TEXT_WRITER(bytes);
    text_format(&writer, "damaged: /: its chain, which begins in cluster %u, does not end",
                volume->root_cluster);
    fat32_volume_protect_damaged(volume, text_written(&writer));
    report->damage = volume->read_only_reason;
    report->damage_cluster = volume->root_cluster;
    return OK;
}

static status recover(struct fat32_volume *volume, struct fat32_report *report)
{
    bool was_dirty, journal_replayed = false;
    uint32_t free_clusters = FAT32_FREE_UNKNOWN;
    TRY(was_left_in_use(volume, &was_dirty));
    if (was_dirty) {
        TRY(fat32_journal_replay(volume, &journal_replayed));
        TRY(fat32_check(volume, true, report));
        free_clusters = report->free_clusters;
    } else {
        TRY(root_check(volume, report));
    }
    report->was_dirty = was_dirty;
    report->journal_replayed = journal_replayed;
    if (report->damage.length > 0) return OK;
    TRY(fat32_writing_begin(volume, free_clusters, was_dirty));
    report->free_clusters = fat32_free_clusters(volume);
    return was_dirty ? fat32_mark_clean(volume) : OK;
}

status fat32_recover(struct fat32_volume *volume, struct fat32_report *out_report)
{
    *out_report = (struct fat32_report){0};
    if (volume->device.is_read_only) {
        fat32_volume_protect(volume, TEXT("the disk is read-only"));
        return OK;
    }
    status recovered = recover(volume, out_report);
    if (!is_ok(recovered))
        fat32_volume_protect(volume, TEXT("it could not be made ready for writing: the disk fails, "
                                          "or memory is short"));
    return recovered;
}
