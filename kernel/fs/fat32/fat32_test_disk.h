/*
 * A disk in memory with a fresh FAT32 volume of any shape, for tests that write: every command can
 * be made to fail.
 */
#pragma once
#include "base/bytes.h"
#include "fs/fat32/fat32_core.h"
#include "fs/fat32/fat32_format.h"
#include <stdlib.h>

struct test_disk {
    uint8_t *bytes;
    uint32_t sector_bytes;
    uint64_t sector_count;
    uint64_t commands;        /* reads, writes and flushes so far */
    uint64_t failing_command; /* the one that gives IO_ERROR; UINT64_MAX: none */
    bool fails_on;            /* and all behind it */
};

struct test_disk_format {
    uint32_t sector_bytes;
    uint32_t sectors_per_cluster;
    uint32_t cluster_count;
    uint32_t table_count;
};

static inline status test_disk_check(struct test_disk *disk, uint64_t first_sector,
                                     uint32_t sector_count)
{
    uint64_t command = disk->commands++;
    bool fails =
        disk->fails_on ? command >= disk->failing_command : command == disk->failing_command;
    if (fails || first_sector + sector_count > disk->sector_count) return FAIL(IO_ERROR);
    return OK;
}

static inline status test_disk_read(void *context, uint64_t first_sector, uint32_t sector_count,
                                    void *to)
{
    struct test_disk *disk = context;
    TRY(test_disk_check(disk, first_sector, sector_count));
    bytes_copy(to, disk->bytes + first_sector * disk->sector_bytes,
               (size_t)sector_count * disk->sector_bytes);
    return OK;
}

static inline status test_disk_write(void *context, uint64_t first_sector, uint32_t sector_count,
                                     const void *from)
{
    struct test_disk *disk = context;
    TRY(test_disk_check(disk, first_sector, sector_count));
    bytes_copy(disk->bytes + first_sector * disk->sector_bytes, from,
               (size_t)sector_count * disk->sector_bytes);
    return OK;
}

static inline status test_disk_flush(void *context)
{
    return test_disk_check(context, 0, 0);
}

static inline struct fat32_device test_disk_device(struct test_disk *disk)
{
    return (struct fat32_device){.context = disk,
                                 .sector_bytes = disk->sector_bytes,
                                 .sector_count = disk->sector_count,
                                 .read = test_disk_read,
                                 .write = test_disk_write,
                                 .flush = test_disk_flush};
}

static constexpr uint32_t TEST_DISK_RESERVED = 32;

/* Boot sector with its backup, FSInfo, tables, and a root directory of one cluster. The clusters
 * hold 0xaa, not zeros: whoever needs zeros must write them. */
static inline void test_disk_format(struct test_disk *disk, const struct test_disk_format *format)
{
    uint32_t sector_bytes = format->sector_bytes;
    uint32_t table_sectors = ((format->cluster_count + 2) * 4 + sector_bytes - 1) / sector_bytes;
    uint32_t data_start = TEST_DISK_RESERVED + format->table_count * table_sectors;
    uint32_t sectors = data_start + format->cluster_count * format->sectors_per_cluster;
    free(disk->bytes);
    *disk = (struct test_disk){.bytes = calloc(sectors, sector_bytes),
                               .sector_bytes = sector_bytes,
                               .sector_count = sectors,
                               .failing_command = UINT64_MAX};
    uint8_t *boot = disk->bytes;
    bytes_copy(boot, "\xeb\x58\x90PEALTEST", 11);
    store_le16(boot + BOOT_BYTES_PER_SECTOR, (uint16_t)sector_bytes);
    boot[BOOT_SECTORS_PER_CLUSTER] = (uint8_t)format->sectors_per_cluster;
    store_le16(boot + BOOT_RESERVED_SECTORS, TEST_DISK_RESERVED);
    boot[BOOT_TABLE_COUNT] = (uint8_t)format->table_count;
    boot[BOOT_MEDIA] = 0xf8;
    store_le32(boot + BOOT_TOTAL_SECTORS_32, sectors);
    store_le32(boot + BOOT_TABLE_SECTORS_32, table_sectors);
    store_le32(boot + BOOT_ROOT_CLUSTER, 2);
    store_le16(boot + 48, 1); /* BPB_FSInfo */
    store_le16(boot + 50, 6); /* BPB_BkBootSec */
    boot[BOOT_SIGNATURE] = 0x55;
    boot[BOOT_SIGNATURE + 1] = 0xaa;
    bytes_copy(disk->bytes + 6 * (size_t)sector_bytes, boot, sector_bytes);

    uint8_t *information = disk->bytes + sector_bytes;
    store_le32(information, 0x41615252); /* FSI_LeadSig */
    store_le32(information + 484, 0x61417272);
    store_le32(information + 488, format->cluster_count - 1);
    store_le32(information + 492, 3);
    store_le32(information + 508, 0xaa550000);
    bytes_copy(disk->bytes + 7 * (size_t)sector_bytes, information, sector_bytes);

    for (uint32_t i = 0; i < format->table_count; i++) {
        uint8_t *table =
            disk->bytes + (TEST_DISK_RESERVED + (size_t)i * table_sectors) * sector_bytes;
        store_le32(table, 0x0ffffff8);
        store_le32(table + 4, 0x0fffffff);
        store_le32(table + 8, 0x0fffffff);
    }
    size_t cluster_bytes = (size_t)format->sectors_per_cluster * sector_bytes;
    uint8_t *root = disk->bytes + (size_t)data_start * sector_bytes;
    __builtin_memset(root + cluster_bytes, 0xaa, (format->cluster_count - 1) * cluster_bytes);
}
