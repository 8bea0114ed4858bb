/* GUID partition tables. Section numbers are those of the UEFI Specification 2.10. */
#include "device/gpt.h"
#include "base/bytes.h"
#include "base/checked.h"

/* Offsets in a header: 5.3.2, table 5.5. */
#define HEADER_SIGNATURE        0
#define HEADER_SIZE             12
#define HEADER_CHECKSUM         16
#define HEADER_RESERVED         20
#define HEADER_OWN_SECTOR       24
#define HEADER_FIRST_USABLE     40
#define HEADER_LAST_USABLE      48
#define HEADER_ENTRIES_SECTOR   72
#define HEADER_ENTRY_COUNT      80
#define HEADER_ENTRY_SIZE       84
#define HEADER_ENTRIES_CHECKSUM 88

/* Offsets in an entry: 5.3.3, table 5.6. */
#define ENTRY_TYPE         0
#define ENTRY_FIRST_SECTOR 32
#define ENTRY_LAST_SECTOR  40

static constexpr uint64_t GPT_SIGNATURE = 0x5452415020494645ull; /* "EFI PART" */
static constexpr uint32_t CRC_POLYNOMIAL = 0xedb88320u;          /* reflected, ISO 3309 */

/* C12A7328-F81F-11D2-BA4B-00A0C93EC93B; its first three groups are little-endian. */
static const uint8_t SYSTEM_PARTITION_TYPE[16] = {0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11,
                                                  0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b};

uint32_t gpt_checksum(uint32_t checksum, const void *bytes, size_t length)
{
    const uint8_t *from = bytes;
    uint32_t crc = ~checksum;
    for (size_t i = 0; i < length; i++) {
        crc ^= from[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (CRC_POLYNOMIAL & -(crc & 1));
    }
    return ~crc;
}

/* The header's checksum is computed with the field that holds it as zero: 5.3.2. */
static bool header_checksum_is_right(const uint8_t *header, uint32_t header_bytes)
{
    static const uint8_t zero[4];
    uint32_t crc = gpt_checksum(0, header, HEADER_CHECKSUM);
    crc = gpt_checksum(crc, zero, sizeof(zero));
    crc = gpt_checksum(crc, header + HEADER_RESERVED, header_bytes - HEADER_RESERVED);
    return crc == load_le32(header + HEADER_CHECKSUM);
}

uint64_t gpt_entries_sectors(const struct gpt_header *header, uint32_t sector_bytes)
{
    uint64_t bytes = (uint64_t)header->entry_count * header->entry_bytes;
    return (bytes + sector_bytes - 1) / sector_bytes;
}

/* Entries have a size we can hold, lie on the disk and outside what partitions may use. */
static bool entries_are_sound(const struct gpt_header *header, uint32_t sector_bytes,
                              uint64_t disk_sectors)
{
    uint32_t size = header->entry_bytes;
    if (size < GPT_ENTRY_BYTES_MIN || size > GPT_ENTRY_BYTES_MAX || (size & (size - 1)) != 0)
        return false;
    if (header->entry_count == 0 || header->entry_count > GPT_ENTRIES_BYTES_MAX / size)
        return false;

    uint64_t count = gpt_entries_sectors(header, sector_bytes);
    if (header->entries_sector <= GPT_PRIMARY_SECTOR) return false;
    if (!span_fits(header->entries_sector, count, disk_sectors)) return false;
    return header->entries_sector + count <= header->first_usable ||
           header->entries_sector > header->last_usable;
}

status gpt_read_header(const void *sector, uint32_t sector_bytes, uint64_t own_sector,
                       uint64_t disk_sectors, struct gpt_header *out_header)
{
    const uint8_t *bytes = sector;
    if (sector_bytes < GPT_HEADER_BYTES) return FAIL(NOT_FOUND);
    if (load_le64(bytes + HEADER_SIGNATURE) != GPT_SIGNATURE) return FAIL(NOT_FOUND);

    uint32_t header_bytes = load_le32(bytes + HEADER_SIZE);
    if (header_bytes < GPT_HEADER_BYTES || header_bytes > sector_bytes) return FAIL(IO_ERROR);
    if (!header_checksum_is_right(bytes, header_bytes)) return FAIL(IO_ERROR);
    if (load_le64(bytes + HEADER_OWN_SECTOR) != own_sector) return FAIL(IO_ERROR);

    struct gpt_header header = {
        .first_usable = load_le64(bytes + HEADER_FIRST_USABLE),
        .last_usable = load_le64(bytes + HEADER_LAST_USABLE),
        .entries_sector = load_le64(bytes + HEADER_ENTRIES_SECTOR),
        .entry_count = load_le32(bytes + HEADER_ENTRY_COUNT),
        .entry_bytes = load_le32(bytes + HEADER_ENTRY_SIZE),
        .entries_checksum = load_le32(bytes + HEADER_ENTRIES_CHECKSUM),
    };
    if (header.first_usable <= GPT_PRIMARY_SECTOR || header.first_usable > header.last_usable ||
        header.last_usable >= disk_sectors)
        return FAIL(IO_ERROR);
    if (!entries_are_sound(&header, sector_bytes, disk_sectors)) return FAIL(IO_ERROR);
    *out_header = header;
    return OK;
}

status gpt_read_entry(const struct gpt_header *header, const void *entry,
                      struct gpt_partition *out_partition)
{
    static const uint8_t unused_type[16];
    const uint8_t *bytes = entry;
    if (bytes_equal(bytes + ENTRY_TYPE, unused_type, sizeof(unused_type))) return FAIL(NOT_FOUND);

    uint64_t first = load_le64(bytes + ENTRY_FIRST_SECTOR);
    uint64_t last = load_le64(bytes + ENTRY_LAST_SECTOR);
    if (first > last || first < header->first_usable || last > header->last_usable)
        return FAIL(IO_ERROR);
    out_partition->first_sector = first;
    out_partition->sector_count = last - first + 1;
    bytes_copy(out_partition->type, bytes + ENTRY_TYPE, sizeof(out_partition->type));
    return OK;
}

bool gpt_partitions_overlap(const struct gpt_partition *a, const struct gpt_partition *b)
{
    return a->first_sector < b->first_sector + b->sector_count &&
           b->first_sector < a->first_sector + a->sector_count;
}

bool gpt_is_system_partition(const struct gpt_partition *partition)
{
    return bytes_equal(partition->type, SYSTEM_PARTITION_TYPE, sizeof(SYSTEM_PARTITION_TYPE));
}
