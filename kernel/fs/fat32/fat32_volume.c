/* The boot sector's checks: what a volume is, before anything else of it is believed. */
#include "base/bytes.h"
#include "base/checked.h"
#include "base/owned.h"
#include "fs/fat32/fat32_format.h"
#include "fs/fat32/fat32_internal.h"
#include "mm/heap.h"

/* ---- the boot sector: "Boot Sector and BPB" ---- */

/* Numbers of the boot sector as they stand there. */
struct boot_sector {
    uint32_t sector_bytes;
    uint32_t sectors_per_cluster;
    uint32_t reserved_sectors;
    uint32_t table_count;
    uint32_t table_sectors;
    uint32_t total_sectors;
    uint32_t root_cluster;
    uint16_t extended_flags;
    uint16_t information_sector;
    uint16_t backup_sector;
};

static bool is_power_of_two(uint32_t number)
{
    return number != 0 && (number & (number - 1)) == 0;
}

/* On FAT32 the specification wants the 16-bit field to be 0; mkfs.fat uses it for small volumes. */
static uint32_t total_sectors(const uint8_t *sector)
{
    uint32_t total = load_le16(sector + BOOT_TOTAL_SECTORS_16);
    return total != 0 ? total : load_le32(sector + BOOT_TOTAL_SECTORS_32);
}

/* The older formats keep the table's size in a 16-bit field; "FAT Type Determination" tells them
 * apart by the count of clusters. */
static text older_format(const uint8_t *sector)
{
    uint32_t sector_bytes = load_le16(sector + BOOT_BYTES_PER_SECTOR);
    uint32_t total = total_sectors(sector);
    uint64_t root_bytes = (uint64_t)load_le16(sector + BOOT_ROOT_ENTRIES) * ENTRY_BYTES;
    uint64_t before_data =
        load_le16(sector + BOOT_RESERVED_SECTORS) +
        (uint64_t)sector[BOOT_TABLE_COUNT] * load_le16(sector + BOOT_TABLE_SECTORS_16) +
        (root_bytes + sector_bytes - 1) / sector_bytes;
    if (before_data >= total) return TEXT("its boot sector is damaged");
    uint64_t clusters = (total - before_data) / sector[BOOT_SECTORS_PER_CLUSTER];
    return clusters < FAT12_CLUSTERS_END ? TEXT("it is FAT12, not FAT32")
                                         : TEXT("it is FAT16, not FAT32");
}

/* What is wrong with the format as such, or empty text. */
static text format_problem(const uint8_t *sector)
{
    text signature = {(const char *)sector + BOOT_OEM_NAME, 8};
    if (text_equal(signature, TEXT("EXFAT   "))) return TEXT("it is exFAT, not FAT32");
    if (text_equal(signature, TEXT("NTFS    "))) return TEXT("it is NTFS, not FAT32");
    if (sector[BOOT_SIGNATURE] != 0x55 || sector[BOOT_SIGNATURE + 1] != 0xaa)
        return TEXT("it has no boot sector");
    if (sector[0] != 0xeb && sector[0] != 0xe9) return TEXT("it holds no FAT file system");
    uint32_t sector_bytes = load_le16(sector + BOOT_BYTES_PER_SECTOR);
    if (!is_power_of_two(sector_bytes) || sector_bytes < SECTOR_BYTES_MIN ||
        sector_bytes > SECTOR_BYTES_MAX)
        return TEXT("it holds no FAT file system");
    if (!is_power_of_two(sector[BOOT_SECTORS_PER_CLUSTER]))
        return TEXT("it holds no FAT file system");
    uint8_t media = sector[BOOT_MEDIA];
    if (media != 0xf0 && media < 0xf8) return TEXT("it holds no FAT file system");
    if (load_le16(sector + BOOT_TABLE_SECTORS_16) != 0) return older_format(sector);
    if (load_le16(sector + BOOT_ROOT_ENTRIES) != 0) return TEXT("its boot sector is damaged");
    if (load_le16(sector + BOOT_VERSION) != 0)
        return TEXT("it is a version of FAT32 that is not known");
    return TEXT("");
}

static struct boot_sector boot_sector_load(const uint8_t *sector)
{
    return (struct boot_sector){
        .sector_bytes = load_le16(sector + BOOT_BYTES_PER_SECTOR),
        .sectors_per_cluster = sector[BOOT_SECTORS_PER_CLUSTER],
        .reserved_sectors = load_le16(sector + BOOT_RESERVED_SECTORS),
        .table_count = sector[BOOT_TABLE_COUNT],
        .table_sectors = load_le32(sector + BOOT_TABLE_SECTORS_32),
        .total_sectors = total_sectors(sector),
        .root_cluster = load_le32(sector + BOOT_ROOT_CLUSTER) & TABLE_ENTRY_MASK,
        .extended_flags = load_le16(sector + BOOT_EXTENDED_FLAGS),
        .information_sector = load_le16(sector + BOOT_INFORMATION_SECTOR),
        .backup_sector = load_le16(sector + BOOT_BACKUP_SECTOR),
    };
}

/* Where an optional sector of the reserved ones lies; 0: there is none. */
static uint32_t reserved_sector_start(const struct boot_sector *boot, uint16_t sector)
{
    return sector < boot->reserved_sectors ? sector * boot->sector_bytes : 0;
}

/* Which tables are read and written; false: the one in use does not exist. */
static bool find_tables(const struct boot_sector *boot, struct fat32_volume *volume)
{
    bool is_mirrored = !(boot->extended_flags & EXTENDED_NOT_MIRRORED);
    uint32_t table = is_mirrored ? 0 : boot->extended_flags & EXTENDED_ACTIVE_TABLE;
    if (table >= boot->table_count) return false;
    volume->is_mirrored = is_mirrored;
    volume->table_count = boot->table_count;
    volume->table_bytes = (uint64_t)boot->table_sectors * boot->sector_bytes;
    volume->first_table_bytes = (uint64_t)boot->reserved_sectors * boot->sector_bytes;
    volume->table_start_bytes = volume->first_table_bytes + table * volume->table_bytes;
    return true;
}

/*
 * Fills the volume's numbers, or says what is wrong with them. With a table sized in 32 bits it is
 * FAT32 whatever the count of clusters: formatters make small ones when told to.
 */
static text layout_problem(const struct boot_sector *boot, const struct fat32_device *device,
                           struct fat32_volume *volume)
{
    uint64_t cluster_bytes = (uint64_t)boot->sectors_per_cluster * boot->sector_bytes;
    if (cluster_bytes > CLUSTER_BYTES_MAX) return TEXT("its clusters are larger than 64 KiB");
    if (boot->sector_bytes < device->sector_bytes)
        return TEXT("it was made for smaller sectors than this disk has");
    if (boot->reserved_sectors == 0 || boot->table_count == 0 || boot->table_sectors == 0)
        return TEXT("its boot sector is damaged");

    uint64_t before_data =
        boot->reserved_sectors + (uint64_t)boot->table_count * boot->table_sectors;
    if (before_data >= boot->total_sectors) return TEXT("its boot sector is damaged");
    uint64_t clusters = (boot->total_sectors - before_data) / boot->sectors_per_cluster;
    if (clusters == 0 || clusters > TABLE_ENTRY_BAD - CLUSTER_FIRST)
        return TEXT("its boot sector is damaged");
    if ((clusters + CLUSTER_FIRST) * TABLE_ENTRY_BYTES >
        (uint64_t)boot->table_sectors * boot->sector_bytes)
        return TEXT("its allocation table is too small for its clusters");
    uint64_t total_bytes = (uint64_t)boot->total_sectors * boot->sector_bytes;
    if (total_bytes / device->sector_bytes > device->sector_count)
        return TEXT("the disk is truncated: the file system is larger than the disk");

    if (!find_tables(boot, volume)) return TEXT("its boot sector is damaged");
    volume->total_bytes = total_bytes;
    volume->data_start_bytes = before_data * boot->sector_bytes;
    volume->cluster_bytes = (uint32_t)cluster_bytes;
    volume->cluster_count = (uint32_t)clusters;
    volume->root_cluster = boot->root_cluster;
    volume->sector_bytes = boot->sector_bytes;
    volume->information_bytes = reserved_sector_start(boot, boot->information_sector);
    volume->backup_bytes = reserved_sector_start(boot, boot->backup_sector);
    if (!fat32_is_cluster(volume, boot->root_cluster))
        return TEXT("its root directory is outside the volume");
    return TEXT("");
}

static text device_problem(const struct fat32_device *device)
{
    if (device->sector_count == 0) return TEXT("the disk is empty");
    if (!is_power_of_two(device->sector_bytes) || device->sector_bytes < SECTOR_BYTES_MIN ||
        device->sector_bytes > SECTOR_BYTES_MAX)
        return TEXT("its sectors are of a size that FAT does not know");
    return TEXT("");
}

status fat32_open(const struct fat32_device *device, struct fat32_volume *out_volume,
                  text *out_reason)
{
    *out_reason = device_problem(device);
    if (out_reason->length > 0) return FAIL(NOT_FOUND);
    uint8_t *sector = heap_take(FAT32_BLOCK_BYTES);
    if (sector == nullptr) return FAIL(OUT_OF_MEMORY);
    status read = device->read(device->context, 0, 1, sector);
    if (!is_ok(read)) {
        *out_reason = TEXT("its boot sector could not be read");
        heap_give(sector);
        return read;
    }

    bytes_zero(out_volume, sizeof(*out_volume));
    out_volume->device = *device;
    fat32_blocks_init(out_volume);
    *out_reason = format_problem(sector);
    if (out_reason->length == 0) {
        struct boot_sector boot = boot_sector_load(sector);
        *out_reason = layout_problem(&boot, device, out_volume);
    }
    heap_give(sector);
    return out_reason->length == 0 ? OK : FAIL(NOT_FOUND);
}

void fat32_volume_protect(struct fat32_volume *volume, text reason)
{
    if (volume->read_only_reason.length > 0) return;
    size_t length = min_of(reason.length, sizeof(volume->reason_bytes));
    bytes_copy(volume->reason_bytes, reason.bytes, length);
    volume->read_only_reason = (text){volume->reason_bytes, length};
}

void fat32_volume_protect_damaged(struct fat32_volume *volume, text reason)
{
    volume->is_damaged = true;
    fat32_volume_protect(volume, reason);
}

void fat32_close(struct fat32_volume *volume)
{
    fat32_writing_destroy(volume);
    fat32_blocks_drop(volume);
}
