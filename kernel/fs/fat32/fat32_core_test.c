#include "fs/fat32/fat32_core.h"
#include "fs/fat32/fat32_internal.h"
#include "fs/fat32/fat32_test_image.h"
#include "mm/heap.h"
#include "support/test.h"
#include <string.h>

static struct test_image image;
static struct fat32_volume volume;

static void open_image(void)
{
    struct fat32_device device = test_image_device(&image);
    text reason;
    CHECK_STATUS(OK, fat32_open(&device, &volume, &reason));
}

static bool is_refused(const char *why)
{
    struct fat32_device device = test_image_device(&image);
    text reason;
    status opened = fat32_open(&device, &volume, &reason);
    return opened.code == STATUS_NOT_FOUND && text_equal(reason, (text){why, strlen(why)});
}

/* The first byte of each of the file's clusters, as locate finds them; 0 where it fails. */
static uint8_t byte_at(const struct fat32_map *map, uint32_t file_cluster)
{
    struct fat32_extent extent;
    if (!is_ok(fat32_locate(&volume, map, file_cluster * 512ull, 512, &extent))) return 0;
    CHECK_EQUAL(1, extent.sector_count);
    return image.bytes[extent.first_sector * 512];
}

TEST(a_volume_is_opened_with_the_numbers_of_its_boot_sector)
{
    test_image_format(&image);
    open_image();
    CHECK_EQUAL(TEST_IMAGE_CLUSTERS, volume.cluster_count);
    CHECK_EQUAL(512, volume.cluster_bytes);
    CHECK_EQUAL(1024, volume.data_start_bytes);
    CHECK_EQUAL(2, volume.root_cluster);
    fat32_close(&volume);
}

TEST(other_file_systems_are_called_by_their_names)
{
    test_image_format(&image);
    memcpy(image.bytes + 3, "EXFAT   ", 8);
    CHECK(is_refused("it is exFAT, not FAT32"));
    memcpy(image.bytes + 3, "NTFS    ", 8);
    CHECK(is_refused("it is NTFS, not FAT32"));
    test_image_format(&image);
    store_le16(image.bytes + BOOT_TABLE_SECTORS_16, 1);
    CHECK(is_refused("it is FAT12, not FAT32"));
    store_le32(image.bytes + BOOT_TOTAL_SECTORS_32, 60000);
    CHECK(is_refused("it is FAT16, not FAT32"));
    memset(image.bytes, 0, 512);
    CHECK(is_refused("it has no boot sector"));
}

TEST(every_number_of_the_boot_sector_is_checked)
{
    const struct {
        uint32_t offset, bytes, value;
        const char *why;
    } damages[] = {
        {0, 1, 0x33, "it holds no FAT file system"},
        {BOOT_BYTES_PER_SECTOR, 2, 0, "it holds no FAT file system"},
        {BOOT_BYTES_PER_SECTOR, 2, 256, "it holds no FAT file system"},
        {BOOT_BYTES_PER_SECTOR, 2, 8192, "it holds no FAT file system"},
        {BOOT_BYTES_PER_SECTOR, 2, 1000, "it holds no FAT file system"},
        {BOOT_SECTORS_PER_CLUSTER, 1, 0, "it holds no FAT file system"},
        {BOOT_SECTORS_PER_CLUSTER, 1, 3, "it holds no FAT file system"},
        {BOOT_MEDIA, 1, 0x12, "it holds no FAT file system"},
        {BOOT_RESERVED_SECTORS, 2, 0, "its boot sector is damaged"},
        {BOOT_RESERVED_SECTORS, 2, 127, "its boot sector is damaged"},
        {BOOT_TABLE_COUNT, 1, 0, "its boot sector is damaged"},
        {BOOT_ROOT_ENTRIES, 2, 512, "its boot sector is damaged"},
        {BOOT_TOTAL_SECTORS_16, 2, 1, "its boot sector is damaged"}, /* no room for the tables */
        {BOOT_TOTAL_SECTORS_32, 4, 0, "its boot sector is damaged"},
        {BOOT_TABLE_SECTORS_32, 4, 0, "its boot sector is damaged"},
        {BOOT_TABLE_SECTORS_32, 4, UINT32_MAX, "its boot sector is damaged"},
        {BOOT_TOTAL_SECTORS_32, 4, 129, "its allocation table is too small for its clusters"},
        {BOOT_VERSION, 2, 1, "it is a version of FAT32 that is not known"},
        {BOOT_EXTENDED_FLAGS, 2, 0x81, "its boot sector is damaged"},
        {BOOT_ROOT_CLUSTER, 4, 0, "its root directory is outside the volume"},
        {BOOT_ROOT_CLUSTER, 4, 1, "its root directory is outside the volume"},
        {BOOT_ROOT_CLUSTER, 4, 128, "its root directory is outside the volume"},
        {BOOT_SIGNATURE, 1, 0, "it has no boot sector"},
    };
    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        test_image_format(&image);
        memcpy(image.bytes + damages[i].offset, &damages[i].value, damages[i].bytes);
        CHECK(is_refused(damages[i].why));
    }
    test_image_format(&image);
    store_le16(image.bytes + BOOT_BYTES_PER_SECTOR, 4096);
    image.bytes[BOOT_SECTORS_PER_CLUSTER] = 128;
    CHECK(is_refused("its clusters are larger than 64 KiB"));
}

TEST(a_disk_that_is_shorter_than_its_file_system_is_called_truncated)
{
    test_image_format(&image);
    struct fat32_device device = test_image_device(&image);
    text reason;
    device.sector_count--;
    CHECK_STATUS(NOT_FOUND, fat32_open(&device, &volume, &reason));
    CHECK(
        text_equal(reason, TEXT("the disk is truncated: the file system is larger than the disk")));
    device.sector_count = 0;
    CHECK_STATUS(NOT_FOUND, fat32_open(&device, &volume, &reason));
    CHECK(text_equal(reason, TEXT("the disk is empty")));
    image.failing_sector = 0;
    device.sector_count = TEST_IMAGE_SECTORS;
    CHECK_STATUS(IO_ERROR, fat32_open(&device, &volume, &reason));
    CHECK(text_equal(reason, TEXT("its boot sector could not be read")));
}

TEST(a_volume_made_for_smaller_sectors_than_the_disk_has_is_refused)
{
    test_image_format(&image);
    struct fat32_device device = test_image_device(&image);
    device.sector_bytes = 1024;
    device.sector_count = TEST_IMAGE_SECTORS / 2;
    text reason;
    CHECK_STATUS(NOT_FOUND, fat32_open(&device, &volume, &reason));
    CHECK(text_equal(reason, TEXT("it was made for smaller sectors than this disk has")));
}

TEST(a_chain_is_found_cluster_by_cluster_in_its_order)
{
    test_image_format(&image);
    static const uint32_t order[] = {10, 11, 12, 5, 90, 91, 7};
    for (uint32_t i = 0; i < 7; i++) {
        test_image_link(&image, order[i], i < 6 ? order[i + 1] : 0xf0000000 | TABLE_ENTRY_LAST);
        test_image_cluster(&image, order[i])[0] = (uint8_t)(100 + i);
    }
    open_image();
    struct fat32_map map;
    CHECK_STATUS(OK, fat32_map_load(&volume, 10, &map));
    CHECK_EQUAL(7, map.cluster_count);
    CHECK_EQUAL(4, map.run_count);
    CHECK(!map.is_damaged);
    for (uint32_t i = 0; i < 7; i++)
        CHECK_EQUAL(100 + i, byte_at(&map, i));

    struct fat32_extent extent;
    CHECK_STATUS(OK, fat32_locate(&volume, &map, 512, 4096, &extent));
    CHECK_EQUAL(11, extent.first_sector);
    CHECK_EQUAL(2, extent.sector_count);
    CHECK_STATUS(IO_ERROR, fat32_locate(&volume, &map, 7 * 512, 512, &extent));
    fat32_map_drop(&map);
    fat32_close(&volume);
}

TEST(a_chain_that_loops_is_refused_whatever_its_shape)
{
    for (uint32_t tail = 0; tail < 20; tail++) {
        for (uint32_t loop = 1; loop < 20; loop++) {
            test_image_format(&image);
            for (uint32_t i = 0; i < tail + loop; i++)
                test_image_link(&image, 3 + i, i + 1 < tail + loop ? 4 + i : 3 + tail);
            open_image();
            struct fat32_map map;
            CHECK_STATUS(OK, fat32_map_load(&volume, 3, &map));
            CHECK(map.is_damaged);
            CHECK_EQUAL(0, map.cluster_count);
            CHECK_EQUAL(0, byte_at(&map, 0));
            fat32_close(&volume);
        }
    }
}

TEST(a_chain_that_leaves_the_volume_is_usable_up_to_there)
{
    static const uint32_t nowhere[] = {0, 1, 128, 0x0ffffff0, TABLE_ENTRY_BAD};
    for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
        test_image_format(&image);
        test_image_link(&image, 3, 4);
        test_image_link(&image, 4, nowhere[i]);
        test_image_cluster(&image, 4)[0] = 77;
        open_image();
        struct fat32_map map;
        CHECK_STATUS(OK, fat32_map_load(&volume, 3, &map));
        CHECK(map.is_damaged);
        CHECK_EQUAL(2, map.cluster_count);
        CHECK_EQUAL(77, byte_at(&map, 1));
        CHECK_EQUAL(0, byte_at(&map, 2));
        fat32_map_drop(&map);
        CHECK_STATUS(OK, fat32_map_load(&volume, 128, &map)); /* starts outside */
        CHECK(map.is_damaged);
        CHECK_EQUAL(0, map.cluster_count);
        fat32_map_drop(&map);
        fat32_close(&volume);
    }
}

TEST(an_unreadable_table_is_an_error_not_an_end)
{
    test_image_format(&image);
    open_image();
    image.failing_sector = 1;
    struct fat32_map map;
    CHECK_STATUS(IO_ERROR, fat32_map_load(&volume, 3, &map));
    fat32_close(&volume);
}

/* A volume of 1 KiB sectors, 40000 clusters, whose table says 2k -> 2k+4 -> ...: no two neighbours.
 */
static constexpr uint32_t SCATTERED = 40000;

static status scattered_read(void *context, uint64_t first_sector, uint32_t sector_count, void *to)
{
    (void)context;
    uint8_t *bytes = to;
    for (uint64_t i = 0; i < sector_count * 1024ull; i += 4) {
        uint64_t offset = first_sector * 1024 + i;
        uint32_t cluster = (uint32_t)((offset - 1024) / 4);
        store_le32(bytes + i, cluster + 2 < SCATTERED ? cluster + 2 : TABLE_ENTRY_LAST);
    }
    return OK;
}

TEST(a_chain_of_more_runs_than_are_kept_is_found_all_the_same)
{
    static struct fat32_volume scattered;
    scattered = (struct fat32_volume){
        .device = {.sector_bytes = 1024, .sector_count = 50000, .read = scattered_read},
        .total_bytes = 50000 * 1024ull,
        .table_start_bytes = 1024,
        .data_start_bytes = 200 * 1024,
        .cluster_bytes = 1024,
        .cluster_count = SCATTERED,
    };
    fat32_blocks_init(&scattered);
    struct fat32_map map;
    CHECK_STATUS(OK, fat32_map_load(&scattered, 4, &map));
    CHECK_EQUAL(SCATTERED / 2 - 2, map.cluster_count);
    CHECK(map.run_count <= FAT32_MAP_RUNS_MAX);
    CHECK(map.run_count > FAT32_MAP_RUNS_MAX / 4);
    for (uint32_t i = 1; i < map.run_count; i++) /* evenly spread */
        CHECK(map.runs[i].file_cluster - map.runs[i - 1].file_cluster <= 16);
    for (uint32_t i = 0; i < map.cluster_count; i++) {
        struct fat32_extent extent;
        CHECK_STATUS(OK, fat32_locate(&scattered, &map, i * 1024ull, 1024, &extent));
        CHECK_EQUAL(200 + (4 + 2 * i) - 2, extent.first_sector);
    }
    fat32_map_drop(&map);
    fat32_close(&scattered);
}

TEST(a_directory_lists_what_is_there_and_nothing_else)
{
    static const uint16_t units[13] = {'L', 'o', 'n', 'g', ' ', 'n', 'a', 'm', 'e', 0, 0xffff};
    test_image_format(&image);
    test_image_entry(&image, 2, 0, "PEAL       ", ATTRIBUTE_VOLUME_LABEL, 0, 0);
    test_image_part(&image, 2, 1, 0x41, units, "LONGNA~1   ");
    test_image_entry(&image, 2, 2, "LONGNA~1   ", ATTRIBUTE_READ_ONLY, 9, 1234);
    test_image_part(&image, 2, 3, 0x41, units, "ORPHAN     "); /* belongs to nothing */
    test_image_entry(&image, 2, 4, "PLAIN   TXT", 0, 0, 0);
    test_image_entry(&image, 2, 5,
                     "\xe5"
                     "ELETED    ",
                     0, 8, 5);
    test_image_entry(&image, 2, 6, "FOLDER     ", ATTRIBUTE_DIRECTORY, 12, 99);
    test_image_entry(&image, 2, 8, "BEHIND     ", 0, 0, 0); /* behind the end */
    open_image();
    struct fat32_map root;
    CHECK_STATUS(OK, fat32_map_load(&volume, 2, &root));
    struct fat32_entry entry;
    uint32_t index = 0;

    CHECK_STATUS(OK, fat32_directory_next(&volume, &root, &index, &entry));
    CHECK(text_equal(fat32_entry_name(&entry), TEXT("Long name")));
    CHECK_EQUAL(9, entry.first_cluster);
    CHECK_EQUAL(1234, entry.size_bytes);
    CHECK_EQUAL(2, entry.index);
    CHECK_EQUAL(3, index);
    CHECK_EQUAL(1024 / 32 + 2, entry.position);
    CHECK(!entry.is_directory);
    CHECK_STATUS(OK, fat32_directory_next(&volume, &root, &index, &entry));
    CHECK(text_equal(fat32_entry_name(&entry), TEXT("PLAIN.TXT")));
    CHECK_STATUS(OK, fat32_directory_next(&volume, &root, &index, &entry));
    CHECK(text_equal(fat32_entry_name(&entry), TEXT("FOLDER")));
    CHECK(entry.is_directory);
    CHECK_EQUAL(0, entry.size_bytes);
    CHECK_STATUS(NOT_FOUND, fat32_directory_next(&volume, &root, &index, &entry));

    CHECK_STATUS(OK, fat32_directory_find(&volume, &root, TEXT("lOnG NaMe"), &entry));
    CHECK_STATUS(OK, fat32_directory_find(&volume, &root, TEXT("longna~1"), &entry));
    CHECK_EQUAL(9, entry.first_cluster);
    CHECK_STATUS(NOT_FOUND, fat32_directory_find(&volume, &root, TEXT("orphan"), &entry));
    CHECK_STATUS(NOT_FOUND, fat32_directory_find(&volume, &root, TEXT("peal"), &entry));
    CHECK_STATUS(NOT_FOUND, fat32_directory_find(&volume, &root, TEXT("behind"), &entry));
    fat32_map_drop(&root);
    fat32_close(&volume);
}

TEST(a_long_name_belongs_to_the_entry_right_behind_it_only)
{
    static const uint16_t units[13] = {'L', 'o', 'n', 'g', 0, 0xffff};
    test_image_format(&image);
    test_image_part(&image, 2, 0, 0x41, units, "SHORT      ");
    test_image_entry(&image, 2, 1,
                     "\xe5"
                     "ELETED    ",
                     0, 0, 0);
    test_image_entry(&image, 2, 2, "SHORT      ", 0, 0, 0);
    test_image_part(&image, 2, 3, 0x41, units, "SHORT      ");
    test_image_entry(&image, 2, 4, "LABEL      ", ATTRIBUTE_VOLUME_LABEL, 0, 0);
    test_image_entry(&image, 2, 5, "SHORT      ", 0, 0, 0);
    open_image();
    struct fat32_map root;
    CHECK_STATUS(OK, fat32_map_load(&volume, 2, &root));
    struct fat32_entry entry;
    uint32_t index = 0;
    for (uint32_t i = 0; i < 2; i++) {
        CHECK_STATUS(OK, fat32_directory_next(&volume, &root, &index, &entry));
        CHECK(text_equal(fat32_entry_name(&entry), TEXT("SHORT")));
    }
    CHECK_STATUS(NOT_FOUND, fat32_directory_next(&volume, &root, &index, &entry));
    fat32_map_drop(&root);
    fat32_close(&volume);
}

TEST(a_directory_may_end_with_its_last_cluster_but_not_with_damage)
{
    test_image_format(&image);
    for (uint32_t i = 0; i < 16; i++) {
        char name[12] = "FILE00     ";
        name[4] = (char)('0' + i / 10);
        name[5] = (char)('0' + i % 10);
        test_image_entry(&image, 2, i, name, 0, 0, 0);
    }
    open_image();
    for (uint32_t is_damaged = 0; is_damaged < 2; is_damaged++) {
        test_image_link(&image, 2, is_damaged ? 1 : TABLE_ENTRY_LAST);
        fat32_close(&volume); /* forgets the cached table */
        struct fat32_map root;
        CHECK_STATUS(OK, fat32_map_load(&volume, 2, &root));
        struct fat32_entry entry;
        uint32_t index = 0;
        for (uint32_t i = 0; i < 16; i++)
            CHECK_STATUS(OK, fat32_directory_next(&volume, &root, &index, &entry));
        status end = fat32_directory_next(&volume, &root, &index, &entry);
        CHECK_EQUAL(is_damaged ? STATUS_IO_ERROR : STATUS_NOT_FOUND, end.code);
        fat32_map_drop(&root);
    }
    fat32_close(&volume);
}

TEST(a_directory_must_know_itself_and_its_parent)
{
    test_image_format(&image);
    test_image_link(&image, 3, TABLE_ENTRY_LAST);
    uint8_t *dot = test_image_entry(&image, 3, 0, ".          ", ATTRIBUTE_DIRECTORY, 3, 0);
    uint8_t *parent = test_image_entry(&image, 3, 1, "..         ", ATTRIBUTE_DIRECTORY, 0, 0);
    open_image();
    struct fat32_map map;
    CHECK_STATUS(OK, fat32_map_load(&volume, 3, &map));
    CHECK_STATUS(OK, fat32_directory_check(&volume, &map, 3, 2));
    CHECK_STATUS(IO_ERROR, fat32_directory_check(&volume, &map, 3, 7)); /* listed elsewhere */
    fat32_close(&volume);
    store_le16(parent + ENTRY_CLUSTER_LOW, 2);
    CHECK_STATUS(OK, fat32_directory_check(&volume, &map, 3, 2));
    fat32_close(&volume);
    store_le16(dot + ENTRY_CLUSTER_LOW, 4);
    CHECK_STATUS(IO_ERROR, fat32_directory_check(&volume, &map, 3, 2));
    fat32_close(&volume);
    dot[0] = 0;
    CHECK_STATUS(IO_ERROR, fat32_directory_check(&volume, &map, 3, 2));
    fat32_map_drop(&map);
    fat32_close(&volume);
}

TEST(running_out_of_memory_anywhere_is_reported_and_leaks_nothing)
{
    test_image_format(&image);
    for (uint32_t i = 3; i < 40; i += 2)
        test_image_link(&image, i, i + 2 < 40 ? i + 2 : TABLE_ENTRY_LAST);
    test_image_entry(&image, 2, 0, "FILE       ", 0, 3, 512 * 19);
    struct fat32_device device = test_image_device(&image);
    uint64_t before = heap_count().objects_taken;
    FOR_EACH_FAILING_ALLOCATION {
        text reason;
        struct fat32_entry entry;
        struct fat32_map root = {0}, file = {0};
        status outcome = fat32_open(&device, &volume, &reason);
        bool is_open = is_ok(outcome);
        if (is_open) outcome = fat32_map_load(&volume, 2, &root);
        if (is_ok(outcome)) outcome = fat32_directory_find(&volume, &root, TEXT("file"), &entry);
        if (is_ok(outcome)) outcome = fat32_map_load(&volume, entry.first_cluster, &file);
        CHECK(is_ok(outcome) || outcome.code == STATUS_OUT_OF_MEMORY);
        fat32_map_drop(&file);
        fat32_map_drop(&root);
        if (is_open) fat32_close(&volume);
        CHECK_EQUAL(before, heap_count().objects_taken);
    }
}

TEST(blocks_are_read_once_while_they_are_cached)
{
    test_image_format(&image);
    test_image_entry(&image, 2, 0, "FILE       ", 0, 3, 1);
    open_image();
    struct fat32_map root;
    struct fat32_entry entry;
    CHECK_STATUS(OK, fat32_map_load(&volume, 2, &root));
    CHECK_STATUS(OK, fat32_directory_find(&volume, &root, TEXT("file"), &entry));
    uint32_t reads = image.reads;
    for (int i = 0; i < 10; i++)
        CHECK_STATUS(OK, fat32_directory_find(&volume, &root, TEXT("file"), &entry));
    CHECK_EQUAL(reads, image.reads);
    fat32_map_drop(&root);
    fat32_close(&volume);
}
