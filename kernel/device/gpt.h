/*
 * GUID partition tables: pure checks over bytes, no trust. UEFI Specification 2.10, chapter 5.3.
 *
 * A disk has the table twice: header in sector 1 with its entries behind, and a backup whose header
 * is the last sector. Each header carries a checksum of itself and one of its entries.
 *
 * Context: any; no state.
 */
#pragma once
#include "base/status.h"
#include "base/text.h"

#define GPT_PARTITIONS_MAX    16u            /* that we use; more are ignored */
#define GPT_HEADER_BYTES      92u            /* of the fields below; a header may be longer */
#define GPT_ENTRY_BYTES_MIN   128u           /* entry sizes are this times a power of two */
#define GPT_ENTRY_BYTES_MAX   4096u          /* larger ones are refused */
#define GPT_ENTRIES_BYTES_MAX (256u * 1024u) /* of all entries; larger tables are refused */
#define GPT_PRIMARY_SECTOR    1u

struct gpt_header {
    uint64_t first_usable;
    uint64_t last_usable; /* inclusive */
    uint64_t entries_sector;
    uint32_t entry_count;
    uint32_t entry_bytes;
    uint32_t entries_checksum; /* over entry_count * entry_bytes bytes */
};

struct gpt_partition {
    uint8_t type[16];
    uint64_t first_sector;
    uint64_t sector_count;
};

/*
 * Reads the header in `sector`, which is number own_sector of the disk.
 *   NOT_FOUND   no table starts here
 *   IO_ERROR    there is one, but it is damaged or describes what cannot be on this disk
 */
status gpt_read_header(const void *sector, uint32_t sector_bytes, uint64_t own_sector,
                       uint64_t disk_sectors, struct gpt_header *out_header);

/* Sectors that the entries take. At least 1. */
uint64_t gpt_entries_sectors(const struct gpt_header *header, uint32_t sector_bytes);

/*
 * Reads one entry of header->entry_bytes bytes.
 *   NOT_FOUND   the entry is not used
 *   IO_ERROR    it lies outside the usable sectors
 */
status gpt_read_entry(const struct gpt_header *header, const void *entry,
                      struct gpt_partition *out_partition);

bool gpt_partitions_overlap(const struct gpt_partition *a, const struct gpt_partition *b);

/* Whether it is the one that firmware boots from: the EFI system partition, 5.3.3, table 5.7. */
bool gpt_is_system_partition(const struct gpt_partition *partition);

/* CRC-32 as UEFI 2.10, 5.3.2 wants it; start with 0, continue with the answer. */
uint32_t gpt_checksum(uint32_t checksum, const void *bytes, size_t length);
