/* The boot sector's checks, cached blocks and the allocation table. */
#include "base/bytes.h"
#include "base/checked.h"
#include "base/owned.h"
#include "fs/fat32/fat32_format.h"
#include "fs/fat32/fat32_internal.h"
#include "mm/heap.h"

static constexpr uint64_t BLOCK_NONE = UINT64_MAX;

/* ---- cached blocks ---- */

/* The one not used for longest; an unused one first. */
static struct fat32_block *block_to_reuse(struct fat32_volume *volume)
{
    struct fat32_block *oldest = &volume->blocks[0];
    for (uint32_t i = 1; i < FAT32_BLOCKS; i++) {
        if (volume->blocks[i].used_at < oldest->used_at) oldest = &volume->blocks[i];
    }
    return oldest;
}

static status block_fill(struct fat32_volume *volume, struct fat32_block *block, uint64_t number)
{
    block->number = BLOCK_NONE;
    if (block->bytes == nullptr) block->bytes = heap_take(FAT32_BLOCK_BYTES);
    if (block->bytes == nullptr) return FAIL(OUT_OF_MEMORY);

    uint64_t start = number * FAT32_BLOCK_BYTES;
    uint64_t length = min_of((uint64_t)FAT32_BLOCK_BYTES, volume->total_bytes - start);
    uint32_t sector_bytes = volume->device.sector_bytes;
    TRY(volume->device.read(volume->device.context, start / sector_bytes,
                            (uint32_t)(length / sector_bytes), block->bytes));
    block->number = number;
    return OK;
}

fat32_bytes_result fat32_volume_bytes(struct fat32_volume *volume, uint64_t offset_bytes)
{
    if (offset_bytes >= volume->total_bytes) return (fat32_bytes_result){.status = FAIL(IO_ERROR)};
    uint64_t number = offset_bytes / FAT32_BLOCK_BYTES;
    struct fat32_block *found = nullptr;
    for (uint32_t i = 0; i < FAT32_BLOCKS && found == nullptr; i++) {
        if (volume->blocks[i].number == number) found = &volume->blocks[i];
    }
    if (found == nullptr) {
        found = block_to_reuse(volume);
        TRY_AS(fat32_bytes_result, block_fill(volume, found, number));
    }
    found->used_at = ++volume->clock;
    return (fat32_bytes_result){.value = found->bytes + offset_bytes % FAT32_BLOCK_BYTES};
}

/* ---- beside the cached blocks ---- */

static bool is_inside(const struct fat32_volume *volume, uint64_t offset_bytes,
                      uint32_t length_bytes)
{
    return span_fits(offset_bytes, length_bytes, volume->total_bytes);
}

status fat32_volume_read(struct fat32_volume *volume, uint64_t offset_bytes, uint32_t length_bytes,
                         void *to)
{
    if (!is_inside(volume, offset_bytes, length_bytes)) return FAIL(IO_ERROR);
    uint32_t sector_bytes = volume->device.sector_bytes;
    return volume->device.read(volume->device.context, offset_bytes / sector_bytes,
                               length_bytes / sector_bytes, to);
}

status fat32_volume_write(struct fat32_volume *volume, uint64_t offset_bytes, uint32_t length_bytes,
                          const void *from)
{
    if (!is_inside(volume, offset_bytes, length_bytes)) return FAIL(IO_ERROR);
    uint32_t sector_bytes = volume->device.sector_bytes;
    return volume->device.write(volume->device.context, offset_bytes / sector_bytes,
                                length_bytes / sector_bytes, from);
}

status fat32_volume_flush(struct fat32_volume *volume)
{
    return volume->device.flush(volume->device.context);
}

void fat32_volume_forget(struct fat32_volume *volume)
{
    for (uint32_t i = 0; i < FAT32_BLOCKS; i++) {
        if (volume->blocks[i].dirty == 0) volume->blocks[i].number = BLOCK_NONE;
    }
}

void fat32_volume_protect(struct fat32_volume *volume, text reason)
{
    if (volume->read_only_reason.length > 0) return;
    size_t length = min_of(reason.length, sizeof(volume->reason_bytes));
    bytes_copy(volume->reason_bytes, reason.bytes, length);
    volume->read_only_reason = (text){volume->reason_bytes, length};
}

/* ---- the table ---- */

bool fat32_is_cluster(const struct fat32_volume *volume, uint32_t cluster)
{
    return cluster >= CLUSTER_FIRST && cluster - CLUSTER_FIRST < volume->cluster_count;
}

uint64_t fat32_cluster_start(const struct fat32_volume *volume, uint32_t cluster)
{
    return volume->data_start_bytes + (uint64_t)(cluster - CLUSTER_FIRST) * volume->cluster_bytes;
}

status fat32_next_cluster(struct fat32_volume *volume, uint32_t cluster, uint32_t *out_next)
{
    uint64_t offset = volume->table_start_bytes + (uint64_t)cluster * TABLE_ENTRY_BYTES;
    fat32_bytes_result entry = fat32_volume_bytes(volume, offset);
    TRY(entry.status);
    *out_next = load_le32(entry.value) & TABLE_ENTRY_MASK;
    return OK;
}

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
};

static bool is_power_of_two(uint32_t number)
{
    return number != 0 && (number & (number - 1)) == 0;
}

/* The older formats keep the table's size in a 16-bit field; "FAT Type Determination" tells them
 * apart by the count of clusters. */
static text older_format(const uint8_t *sector)
{
    uint32_t sector_bytes = load_le16(sector + BOOT_BYTES_PER_SECTOR);
    uint32_t total = load_le16(sector + BOOT_TOTAL_SECTORS_16);
    if (total == 0) total = load_le32(sector + BOOT_TOTAL_SECTORS_32);
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
    if (load_le16(sector + BOOT_ROOT_ENTRIES) != 0 ||
        load_le16(sector + BOOT_TOTAL_SECTORS_16) != 0)
        return TEXT("its boot sector is damaged");
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
        .total_sectors = load_le32(sector + BOOT_TOTAL_SECTORS_32),
        .root_cluster = load_le32(sector + BOOT_ROOT_CLUSTER) & TABLE_ENTRY_MASK,
        .extended_flags = load_le16(sector + BOOT_EXTENDED_FLAGS),
    };
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

    uint32_t table = 0;
    if (boot->extended_flags & EXTENDED_NOT_MIRRORED)
        table = boot->extended_flags & EXTENDED_ACTIVE_TABLE;
    if (table >= boot->table_count) return TEXT("its boot sector is damaged");

    volume->total_bytes = total_bytes;
    volume->table_start_bytes =
        (boot->reserved_sectors + (uint64_t)table * boot->table_sectors) * boot->sector_bytes;
    volume->first_table_bytes = (uint64_t)boot->reserved_sectors * boot->sector_bytes;
    volume->table_bytes = (uint64_t)boot->table_sectors * boot->sector_bytes;
    volume->table_count = boot->table_count;
    volume->is_mirrored = !(boot->extended_flags & EXTENDED_NOT_MIRRORED);
    volume->data_start_bytes = before_data * boot->sector_bytes;
    volume->cluster_bytes = (uint32_t)cluster_bytes;
    volume->cluster_count = (uint32_t)clusters;
    volume->root_cluster = boot->root_cluster;
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
    for (uint32_t i = 0; i < FAT32_BLOCKS; i++)
        out_volume->blocks[i].number = BLOCK_NONE;
    *out_reason = format_problem(sector);
    if (out_reason->length == 0) {
        struct boot_sector boot = boot_sector_load(sector);
        *out_reason = layout_problem(&boot, device, out_volume);
    }
    heap_give(sector);
    return out_reason->length == 0 ? OK : FAIL(NOT_FOUND);
}

void fat32_close(struct fat32_volume *volume)
{
    for (uint32_t i = 0; i < FAT32_BLOCKS; i++) {
        heap_give(volume->blocks[i].bytes);
        volume->blocks[i] = (struct fat32_block){.number = BLOCK_NONE};
    }
}
