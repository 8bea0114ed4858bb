/*
 * Any bytes as the start of a disk: whatever table is found in them lies on the disk, and its
 * partitions lie inside what the table says is usable.
 *
 * Input: {sector size selector, disk sectors (2), sector 1 ...}. The checksum of the header is made
 * right, or no input would come past it; so are the signature and the header's own number, when the
 * selector says so.
 */
#include "base/bytes.h"
#include "base/checked.h"
#include "debug/assert.h"
#include "device/gpt.h"

static constexpr uint32_t SECTOR_MAX = 4096;

static void mend_header(uint8_t *sector, uint32_t sector_bytes, bool with_signature)
{
    if (with_signature) {
        bytes_copy(sector, "EFI PART", 8);
        store_le64(sector + 24, GPT_PRIMARY_SECTOR);
    }
    uint32_t header_bytes = load_le32(sector + 12);
    if (header_bytes < GPT_HEADER_BYTES || header_bytes > sector_bytes) {
        if (!with_signature) return;
        header_bytes = GPT_HEADER_BYTES;
        store_le32(sector + 12, header_bytes);
    }
    store_le32(sector + 16, 0);
    store_le32(sector + 16, gpt_checksum(0, sector, header_bytes));
}

static void check_entries(const struct gpt_header *header, const uint8_t *entries, size_t size)
{
    for (size_t at = 0; size - at >= header->entry_bytes; at += header->entry_bytes) {
        struct gpt_partition partition;
        if (!is_ok(gpt_read_entry(header, entries + at, &partition))) continue;
        ASSERT(partition.sector_count > 0 && partition.first_sector >= header->first_usable);
        ASSERT(span_fits(partition.first_sector, partition.sector_count, header->last_usable + 1));
        ASSERT(gpt_partitions_overlap(&partition, &partition));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    if (size < 3 + GPT_HEADER_BYTES) return 0;
    uint32_t sector_bytes = 512u << (input[0] & 3);
    uint64_t disk_sectors = 1u + load_le16(input + 1);
    uint8_t sector[SECTOR_MAX] = {0};
    size_t copied = min_of(size - 3, (size_t)sector_bytes);
    bytes_copy(sector, input + 3, copied);
    mend_header(sector, sector_bytes, input[0] & 4);

    struct gpt_header header;
    if (!is_ok(gpt_read_header(sector, sector_bytes, GPT_PRIMARY_SECTOR, disk_sectors, &header)))
        return 0;
    ASSERT(header.first_usable <= header.last_usable && header.last_usable < disk_sectors);
    ASSERT((uint64_t)header.entry_count * header.entry_bytes <= GPT_ENTRIES_BYTES_MAX);
    ASSERT(
        span_fits(header.entries_sector, gpt_entries_sectors(&header, sector_bytes), disk_sectors));
    check_entries(&header, input + 3 + copied, size - 3 - copied);
    return 0;
}
