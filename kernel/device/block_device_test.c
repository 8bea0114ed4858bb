#include "base/bytes.h"
#include "debug/assert.h"
#include "device/block_device.h"
#include "device/gpt.h"
#include "support/test.h"

/* A disk in memory. Reads of sector `broken_sector` fail. */
static constexpr uint32_t SECTOR = 512;
static constexpr uint64_t SECTORS = 512;
static uint8_t contents[SECTORS][SECTOR];
static uint64_t broken_sector;
static uint64_t submitted_sector;

static void disk_submit(struct block_device *device, struct block_request *request)
{
    submitted_sector = request->first_sector;
    request->completed(request, block_request_check(device, request));
}

static struct block_device *make_disk(void)
{
    static struct block_device disks[64]; /* never given back: the registry keeps them */
    static uint32_t number;
    ASSERT(number < array_count(disks));
    struct block_device *disk = &disks[number];
    disk->name[0] = 'd';
    disk->name[1] = (char)('0' + number++);
    disk->sector_bytes = SECTOR;
    disk->sector_count = SECTORS;
    disk->sectors_per_request_max = 64;
    disk->submit = disk_submit;
    broken_sector = UINT64_MAX;
    return disk;
}

/* What sleeping requests come to here: the module's own version needs threads. */
status block_read(struct block_device *device, uint64_t first_sector, uint32_t sector_count,
                  void *memory)
{
    for (uint32_t i = 0; i < sector_count; i++) {
        uint64_t sector = first_sector + i;
        if (sector >= device->sector_count) return FAIL(OUT_OF_RANGE);
        if (sector == broken_sector) return FAIL(IO_ERROR);
        bytes_copy((uint8_t *)memory + (size_t)i * SECTOR, contents[sector], SECTOR);
    }
    return OK;
}

static void set_entry(uint32_t index, uint64_t first, uint64_t last)
{
    uint8_t *entry = &contents[2][0] + (size_t)index * 128;
    entry[0] = 1;
    store_le64(entry + 32, first);
    store_le64(entry + 40, last);
}

static void seal_header(uint64_t sector, uint64_t other, uint64_t entries)
{
    uint8_t *header = contents[sector];
    bytes_zero(header, SECTOR);
    bytes_copy(header, "EFI PART", 8);
    store_le32(header + 12, GPT_HEADER_BYTES);
    store_le64(header + 24, sector);
    store_le64(header + 32, other);
    store_le64(header + 40, 40);
    store_le64(header + 48, 400);
    store_le64(header + 72, entries);
    store_le32(header + 80, 128);
    store_le32(header + 84, 128);
    store_le32(header + 88, gpt_checksum(0, contents[entries], 128 * 128));
    store_le32(header + 16, gpt_checksum(0, header, GPT_HEADER_BYTES));
}

static void format_disk(void)
{
    bytes_zero(contents, sizeof(contents));
    set_entry(0, 40, 99);
    set_entry(2, 200, 400);
    bytes_copy(contents[470], contents[2], 128 * 128);
    seal_header(1, SECTORS - 1, 2);
    seal_header(SECTORS - 1, 1, 470);
}

TEST(each_sound_partition_becomes_a_device)
{
    format_disk();
    struct block_device *disk = make_disk();
    uint32_t before = block_device_count();
    CHECK_EQUAL(2, block_device_find_partitions(disk));
    CHECK_EQUAL(before + 2, block_device_count());
    struct block_device *third = block_device_at(before + 1);
    text name = block_device_name(third);
    CHECK_EQUAL(4, name.length);
    CHECK_BYTES("p3", name.bytes + 2, 2);
    CHECK_EQUAL(201, third->sector_count);
    CHECK_EQUAL(SECTOR, third->sector_bytes);
}

static status last_outcome;
static void keep_outcome(struct block_request *request, status outcome)
{
    (void)request;
    last_outcome = outcome;
}

TEST(a_partition_moves_requests_and_keeps_them_inside)
{
    format_disk();
    struct block_device *disk = make_disk();
    uint32_t before = block_device_count();
    CHECK_EQUAL(2, block_device_find_partitions(disk));
    struct block_device *first = block_device_at(before);
    struct block_request request = {.direction = BLOCK_READ,
                                    .first_sector = 5,
                                    .sector_count = 1,
                                    .piece_count = 1,
                                    .pieces = {{physical_at(0x1000), SECTOR}},
                                    .completed = keep_outcome};
    first->submit(first, &request);
    CHECK_STATUS(OK, last_outcome);
    CHECK_EQUAL(45, submitted_sector);
    CHECK_EQUAL(1, atomic_load(&first->reads));

    request.first_sector = 60; /* the partition has 60 sectors */
    first->submit(first, &request);
    CHECK_STATUS(OUT_OF_RANGE, last_outcome);
    request.first_sector = UINT64_MAX;
    first->submit(first, &request);
    CHECK_STATUS(OUT_OF_RANGE, last_outcome);
    CHECK_EQUAL(45, submitted_sector);
    CHECK_EQUAL(2, atomic_load(&first->errors));
}

TEST(a_damaged_primary_table_is_replaced_by_its_backup)
{
    format_disk();
    contents[1][50] ^= 1;
    CHECK_EQUAL(2, block_device_find_partitions(make_disk()));
    format_disk();
    contents[3][0] ^= 1; /* among the primary's entries */
    CHECK_EQUAL(2, block_device_find_partitions(make_disk()));
    format_disk();
    struct block_device *disk = make_disk();
    broken_sector = 1;
    CHECK_EQUAL(2, block_device_find_partitions(disk));
}

TEST(a_disk_without_any_sound_table_has_no_partitions)
{
    bytes_zero(contents, sizeof(contents));
    CHECK_EQUAL(0, block_device_find_partitions(make_disk()));
    format_disk();
    contents[1][50] ^= 1;
    contents[SECTORS - 1][50] ^= 1;
    CHECK_EQUAL(0, block_device_find_partitions(make_disk()));
    struct block_device *tiny = make_disk();
    tiny->sector_count = 1;
    CHECK_EQUAL(0, block_device_find_partitions(tiny));
    tiny->sector_count = 0;
    CHECK_EQUAL(0, block_device_find_partitions(tiny));
}

TEST(overlapping_and_outlying_entries_are_left_out)
{
    format_disk();
    set_entry(3, 400, 400); /* shares a sector with entry 2 */
    set_entry(4, 401, 401); /* not usable */
    set_entry(5, 150, 140); /* backwards */
    set_entry(6, 150, 150);
    seal_header(1, SECTORS - 1, 2);
    CHECK_EQUAL(3, block_device_find_partitions(make_disk()));
}

TEST(no_memory_means_fewer_partitions_and_no_leak)
{
    format_disk();
    struct block_device *disk = make_disk();
    FOR_EACH_FAILING_ALLOCATION {
        uint32_t before = block_device_count();
        uint32_t found = block_device_find_partitions(disk);
        CHECK(found <= 2);
        CHECK_EQUAL(before + found, block_device_count());
    }
}

static status check_request(enum block_direction direction, uint64_t first, uint32_t sectors,
                            uint32_t piece_count, struct block_piece piece)
{
    struct block_device device = {
        .sector_bytes = SECTOR, .sector_count = 100, .sectors_per_request_max = 8};
    struct block_request request = {.direction = direction,
                                    .first_sector = first,
                                    .sector_count = sectors,
                                    .piece_count = piece_count};
    request.pieces[0] = piece;
    return block_request_check(&device, &request);
}

TEST(a_request_is_checked_before_the_hardware_sees_it)
{
    struct block_piece one = {physical_at(0x1000), SECTOR};
    CHECK_STATUS(OK, check_request(BLOCK_READ, 99, 1, 1, one));
    CHECK_STATUS(OK, check_request(BLOCK_FLUSH, 0, 0, 0, one));
    CHECK_STATUS(OUT_OF_RANGE, check_request(BLOCK_READ, 100, 1, 1, one));
    CHECK_STATUS(OUT_OF_RANGE, check_request(BLOCK_READ, UINT64_MAX, 1, 1, one));
    CHECK_STATUS(OUT_OF_RANGE, check_request(BLOCK_READ, 0, 9, 1, one));
    CHECK_STATUS(INVALID_ARGUMENT, check_request(BLOCK_READ, 0, 0, 0, one));
    CHECK_STATUS(INVALID_ARGUMENT, check_request(BLOCK_READ, 0, 2, 1, one));
    CHECK_STATUS(INVALID_ARGUMENT, check_request(BLOCK_READ, 0, 1, 33, one));
    CHECK_STATUS(INVALID_ARGUMENT, check_request(BLOCK_FLUSH, 0, 1, 1, one));
    one.start.value = 0x1002;
    CHECK_STATUS(INVALID_ARGUMENT, check_request(BLOCK_READ, 0, 1, 1, one));
}

TEST(volumes_and_handles_do_not_write_to_the_same_sectors)
{
    format_disk();
    struct block_device *disk = make_disk();
    CHECK_STATUS(OK, block_device_register(disk));
    uint32_t first = block_device_count();
    CHECK_EQUAL(2, block_device_find_partitions(disk));
    struct block_device *one = block_device_at(first), *two = block_device_at(first + 1);
    CHECK_STATUS(OK, block_device_claim(one, BLOCK_CLAIM_VOLUME));
    CHECK_STATUS(BUSY, block_device_claim(one, BLOCK_CLAIM_HANDLE));
    CHECK_STATUS(BUSY, block_device_claim(disk, BLOCK_CLAIM_HANDLE));
    CHECK_STATUS(OK, block_device_claim(two, BLOCK_CLAIM_HANDLE));
    CHECK_STATUS(OK, block_device_claim(two, BLOCK_CLAIM_HANDLE));
    CHECK_STATUS(BUSY, block_device_claim(two, BLOCK_CLAIM_VOLUME));
    CHECK_STATUS(BUSY, block_device_claim(disk, BLOCK_CLAIM_VOLUME));
    block_device_unclaim(two, BLOCK_CLAIM_HANDLE);
    CHECK_STATUS(BUSY, block_device_claim(two, BLOCK_CLAIM_VOLUME));
    block_device_unclaim(two, BLOCK_CLAIM_HANDLE);
    CHECK_STATUS(OK, block_device_claim(disk, BLOCK_CLAIM_VOLUME));
    block_device_unclaim(disk, BLOCK_CLAIM_VOLUME);
    block_device_unclaim(one, BLOCK_CLAIM_VOLUME);
    CHECK_STATUS(OK, block_device_claim(disk, BLOCK_CLAIM_HANDLE));
    block_device_unclaim(disk, BLOCK_CLAIM_HANDLE);
}

/* Last: afterwards the registry is full. */
TEST(zz_the_registry_has_an_end)
{
    format_disk();
    while (block_device_count() < BLOCK_DEVICES_MAX)
        CHECK_STATUS(OK, block_device_register(make_disk()));
    CHECK_STATUS(QUOTA_EXCEEDED, block_device_register(make_disk()));
    CHECK_EQUAL(0, block_device_find_partitions(make_disk()));
}
