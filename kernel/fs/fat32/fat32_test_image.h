/*
 * A FAT32 volume of 64 KiB in memory, made field by field, for tests that damage it: 512-byte
 * sectors, one per cluster; sector 0 boots, sector 1 is the only table, cluster 2 (sector 2) the
 * root.
 */
#pragma once
#include "base/bytes.h"
#include "fs/fat32/fat32_core.h"
#include "fs/fat32/fat32_format.h"

#define TEST_IMAGE_SECTORS  128u
#define TEST_IMAGE_CLUSTERS 126u

struct test_image {
    uint8_t bytes[TEST_IMAGE_SECTORS * 512];
    uint32_t reads;          /* requests so far */
    uint64_t failing_sector; /* reading it gives IO_ERROR; UINT64_MAX: none */
};

static inline uint8_t *test_image_cluster(struct test_image *image, uint32_t cluster)
{
    return image->bytes + (size_t)cluster * 512;
}

static inline void test_image_link(struct test_image *image, uint32_t cluster, uint32_t next)
{
    store_le32(image->bytes + 512 + (size_t)cluster * 4, next);
}

static inline void test_image_format(struct test_image *image)
{
    bytes_zero(image, sizeof(*image));
    image->failing_sector = UINT64_MAX;
    uint8_t *boot = image->bytes;
    boot[0] = 0xeb;
    store_le16(boot + BOOT_BYTES_PER_SECTOR, 512);
    boot[BOOT_SECTORS_PER_CLUSTER] = 1;
    store_le16(boot + BOOT_RESERVED_SECTORS, 1);
    boot[BOOT_TABLE_COUNT] = 1;
    boot[BOOT_MEDIA] = 0xf8;
    store_le32(boot + BOOT_TOTAL_SECTORS_32, TEST_IMAGE_SECTORS);
    store_le32(boot + BOOT_TABLE_SECTORS_32, 1);
    store_le32(boot + BOOT_ROOT_CLUSTER, 2);
    boot[BOOT_SIGNATURE] = 0x55;
    boot[BOOT_SIGNATURE + 1] = 0xaa;
    test_image_link(image, 2, 0x0fffffff);
}

/* Writes a short entry; `name` is 11 characters. Answers it, for further changes. */
static inline uint8_t *test_image_entry(struct test_image *image, uint32_t cluster, uint32_t index,
                                        const char *name, uint8_t attributes,
                                        uint32_t first_cluster, uint32_t size)
{
    uint8_t *entry = test_image_cluster(image, cluster) + (size_t)index * ENTRY_BYTES;
    bytes_zero(entry, ENTRY_BYTES);
    bytes_copy(entry, name, SHORT_NAME_BYTES);
    entry[ENTRY_ATTRIBUTES] = attributes;
    store_le16(entry + ENTRY_CLUSTER_HIGH, (uint16_t)(first_cluster >> 16));
    store_le16(entry + ENTRY_CLUSTER_LOW, (uint16_t)first_cluster);
    store_le32(entry + ENTRY_SIZE, size);
    return entry;
}

/* Writes one part of a long name: part `number`, with the checksum of `short_name`. */
static inline uint8_t *test_image_part(struct test_image *image, uint32_t cluster, uint32_t index,
                                       uint8_t order, const uint16_t *units, const char *short_name)
{
    uint8_t *part = test_image_cluster(image, cluster) + (size_t)index * ENTRY_BYTES;
    bytes_zero(part, ENTRY_BYTES);
    part[LONG_ORDER] = order;
    part[ENTRY_ATTRIBUTES] = ATTRIBUTE_LONG_NAME;
    part[LONG_CHECKSUM] = fat32_short_name_checksum((const uint8_t *)short_name);
    for (uint32_t i = 0; i < LONG_UNITS_PER_PART; i++) {
        uint32_t at = i < 5 ? 1 + 2 * i : i < 11 ? 14 + 2 * (i - 5) : 28 + 2 * (i - 11);
        store_le16(part + at, units[i]);
    }
    return part;
}

static inline status test_image_read(void *context, uint64_t first_sector, uint32_t sector_count,
                                     void *to)
{
    struct test_image *image = context;
    image->reads++;
    if (image->failing_sector - first_sector < sector_count) return FAIL(IO_ERROR);
    if (first_sector + sector_count > TEST_IMAGE_SECTORS) return FAIL(OUT_OF_RANGE);
    bytes_copy(to, image->bytes + first_sector * 512, sector_count * 512ull);
    return OK;
}

static inline struct fat32_device test_image_device(struct test_image *image)
{
    return (struct fat32_device){.context = image,
                                 .sector_bytes = 512,
                                 .sector_count = TEST_IMAGE_SECTORS,
                                 .read = test_image_read};
}
