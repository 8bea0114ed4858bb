/*
 * GUID partition tables: pure checks over bytes, no trust. UEFI Specification 2.10, chapter 5.3.
 * Context: any; no state.
 */
#pragma once
#include "base/status.h"
#include "base/text.h"

#define GPT_PARTITIONS_MAX 16u /* that we use; more entries are ignored */
#define GPT_ENTRY_BYTES_MAX 4096u

struct gpt_header {
    uint64_t first_usable;
    uint64_t last_usable;
    uint64_t entries_sector;
    uint32_t entry_count;
    uint32_t entry_bytes;
    uint32_t entries_checksum;
};
struct gpt_partition {
    uint8_t type[16];
    uint64_t first_sector;
    uint64_t sector_count;
};
/* `sector` is sector 1 (or the last one, for the backup); own_sector its number. NOT_FOUND: no table. IO_ERROR: damaged. */
status gpt_read_header(const void *sector, uint32_t sector_bytes, uint64_t own_sector,
                       uint64_t disk_sectors, struct gpt_header *out_header);
/* Entry `index` within the entry array's bytes. NOT_FOUND: unused. IO_ERROR: outside the disk or overlapping limits. */
status gpt_read_entry(const struct gpt_header *header, const void *entry, struct gpt_partition *out_partition);
uint32_t gpt_checksum(uint32_t crc, const void *bytes, size_t length); /* CRC-32, UEFI 2.10 5.3.2; start with 0 */
