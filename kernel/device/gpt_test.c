#include "base/bytes.h"
#include "device/gpt.h"
#include "support/test.h"

static constexpr uint32_t SECTOR = 512;
static constexpr uint64_t DISK_SECTORS = 2048;

static void seal(uint8_t *header, uint32_t header_bytes)
{
    store_le32(header + 16, 0);
    store_le32(header + 16, gpt_checksum(0, header, header_bytes));
}

static void make_header(uint8_t sector[SECTOR])
{
    bytes_zero(sector, SECTOR);
    bytes_copy(sector, "EFI PART", 8);
    store_le32(sector + 8, 0x10000);
    store_le32(sector + 12, GPT_HEADER_BYTES);
    store_le64(sector + 24, 1);
    store_le64(sector + 32, DISK_SECTORS - 1);
    store_le64(sector + 40, 34);
    store_le64(sector + 48, DISK_SECTORS - 34);
    store_le64(sector + 72, 2);
    store_le32(sector + 80, 128);
    store_le32(sector + 84, 128);
    store_le32(sector + 88, 0x12345678);
    seal(sector, GPT_HEADER_BYTES);
}

static status read_header(const uint8_t *sector)
{
    struct gpt_header header;
    return gpt_read_header(sector, SECTOR, 1, DISK_SECTORS, &header);
}

/* Reads a good header with one number changed and the checksum right. */
static status read_with(size_t offset, size_t bytes, uint64_t value)
{
    uint8_t sector[SECTOR];
    make_header(sector);
    bytes_copy(sector + offset, &value, bytes);
    seal(sector, GPT_HEADER_BYTES);
    return read_header(sector);
}

TEST(the_checksum_is_the_usual_crc32)
{
    CHECK_EQUAL(0xcbf43926, gpt_checksum(0, "123456789", 9));
    CHECK_EQUAL(0xcbf43926, gpt_checksum(gpt_checksum(0, "1234", 4), "56789", 5));
    CHECK_EQUAL(0, gpt_checksum(0, "", 0));
}

TEST(a_good_header_is_read)
{
    uint8_t sector[SECTOR];
    make_header(sector);
    struct gpt_header header;
    CHECK_STATUS(OK, gpt_read_header(sector, SECTOR, 1, DISK_SECTORS, &header));
    CHECK_EQUAL(34, header.first_usable);
    CHECK_EQUAL(DISK_SECTORS - 34, header.last_usable);
    CHECK_EQUAL(2, header.entries_sector);
    CHECK_EQUAL(0x12345678, header.entries_checksum);
    CHECK_EQUAL(32, gpt_entries_sectors(&header, SECTOR));
}

TEST(a_sector_without_the_signature_is_no_table)
{
    uint8_t sector[SECTOR] = {0};
    CHECK_STATUS(NOT_FOUND, read_header(sector));
}

TEST(every_flipped_bit_of_a_header_is_noticed)
{
    for (uint32_t bit = 0; bit < GPT_HEADER_BYTES * 8; bit++) {
        uint8_t sector[SECTOR];
        make_header(sector);
        sector[bit / 8] ^= (uint8_t)(1u << bit % 8);
        CHECK(!is_ok(read_header(sector)));
    }
}

TEST(a_header_that_describes_what_cannot_be_is_refused)
{
    CHECK_STATUS(OK, read_with(24, 8, 1));
    CHECK_STATUS(IO_ERROR, read_with(12, 4, GPT_HEADER_BYTES - 1)); /* header size */
    CHECK_STATUS(IO_ERROR, read_with(12, 4, SECTOR + 1));
    CHECK_STATUS(IO_ERROR, read_with(24, 8, 2)); /* belongs elsewhere */
    CHECK_STATUS(IO_ERROR, read_with(40, 8, 1)); /* first usable is the header */
    CHECK_STATUS(IO_ERROR, read_with(40, 8, DISK_SECTORS - 33));
    CHECK_STATUS(IO_ERROR, read_with(48, 8, DISK_SECTORS)); /* last usable */
    CHECK_STATUS(IO_ERROR, read_with(48, 8, UINT64_MAX));
    CHECK_STATUS(IO_ERROR, read_with(72, 8, 1)); /* entries over the header */
    CHECK_STATUS(IO_ERROR, read_with(72, 8, 3)); /* entries reach into what is usable */
    CHECK_STATUS(IO_ERROR, read_with(72, 8, DISK_SECTORS - 31));
    CHECK_STATUS(IO_ERROR, read_with(72, 8, UINT64_MAX));
    CHECK_STATUS(OK, read_with(72, 8, DISK_SECTORS - 33));
    CHECK_STATUS(IO_ERROR, read_with(80, 4, 0)); /* entry count */
    CHECK_STATUS(IO_ERROR, read_with(80, 4, UINT32_MAX));
    CHECK_STATUS(IO_ERROR, read_with(84, 4, 64)); /* entry size */
    CHECK_STATUS(IO_ERROR, read_with(84, 4, 192));
    CHECK_STATUS(IO_ERROR, read_with(84, 4, 0x80000000));
}

TEST(an_entry_must_lie_in_the_usable_sectors)
{
    struct gpt_header header = {.first_usable = 34, .last_usable = 1000};
    uint8_t entry[128] = {0};
    struct gpt_partition partition;
    CHECK_STATUS(NOT_FOUND, gpt_read_entry(&header, entry, &partition));

    entry[3] = 7; /* some type */
    store_le64(entry + 32, 34);
    store_le64(entry + 40, 1000);
    CHECK_STATUS(OK, gpt_read_entry(&header, entry, &partition));
    CHECK_EQUAL(34, partition.first_sector);
    CHECK_EQUAL(967, partition.sector_count);
    CHECK_EQUAL(7, partition.type[3]);

    store_le64(entry + 40, 1001);
    CHECK_STATUS(IO_ERROR, gpt_read_entry(&header, entry, &partition));
    store_le64(entry + 40, UINT64_MAX);
    CHECK_STATUS(IO_ERROR, gpt_read_entry(&header, entry, &partition));
    store_le64(entry + 40, 33);
    CHECK_STATUS(IO_ERROR, gpt_read_entry(&header, entry, &partition));
    store_le64(entry + 32, 33);
    CHECK_STATUS(IO_ERROR, gpt_read_entry(&header, entry, &partition));
}

TEST(overlap_is_about_shared_sectors)
{
    struct gpt_partition a = {.first_sector = 10, .sector_count = 10};
    struct gpt_partition inside = {.first_sector = 12, .sector_count = 1};
    struct gpt_partition before = {.first_sector = 0, .sector_count = 10};
    struct gpt_partition after = {.first_sector = 20, .sector_count = 1};
    struct gpt_partition edge = {.first_sector = 19, .sector_count = 5};
    CHECK(gpt_partitions_overlap(&a, &a));
    CHECK(gpt_partitions_overlap(&a, &inside) && gpt_partitions_overlap(&inside, &a));
    CHECK(gpt_partitions_overlap(&a, &edge) && gpt_partitions_overlap(&edge, &a));
    CHECK(!gpt_partitions_overlap(&a, &before) && !gpt_partitions_overlap(&before, &a));
    CHECK(!gpt_partitions_overlap(&a, &after) && !gpt_partitions_overlap(&after, &a));
}

TEST(the_system_partition_is_known_by_its_type)
{
    /* As `sgdisk --typecode=1:ef00` writes it. */
    struct gpt_partition partition = {.type = {0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba,
                                               0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b}};
    CHECK(gpt_is_system_partition(&partition));
    partition.type[15] ^= 1;
    CHECK(!gpt_is_system_partition(&partition));
}
