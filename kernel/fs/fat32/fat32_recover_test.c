/* Volumes before their first change: in order, in use, damaged, read-only, on disks that fail. */
#include "base/bytes.h"
#include "fs/fat32/fat32_format.h"
#include "fs/fat32/fat32_internal.h"
#include "fs/fat32/fat32_test_log.h"
#include "mm/heap.h"
#include "support/fat_image.h"
#include "support/test.h"
#include <string.h>

static constexpr uint32_t SECTORS = 640;

static struct disk_log disk;
static struct fat32_volume volume;
static struct fat32_report report;

static const struct fat_shape shape = {.sector_count = SECTORS,
                                       .sector_bytes = 512,
                                       .sectors_per_cluster = 1,
                                       .table_count = 2,
                                       .reserved_sectors = 32};

static void begin(void)
{
    if (disk.bytes != nullptr) disk_log_deinit(&disk);
    disk_log_init(&disk, SECTORS, 512);
    fat_image_format(disk.bytes, &shape);
    disk_log_restart(&disk);
}

static uint8_t *table_at(uint32_t table, uint32_t cluster)
{
    uint32_t sectors = load_le32(disk.bytes + BOOT_TABLE_SECTORS_32);
    return disk.bytes + (size_t)(32 + table * sectors) * 512 + (size_t)cluster * 4;
}

/* A chain of `count` clusters that nobody has. */
static void lose_clusters(uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        store_le32(table_at(0, first + i), TABLE_ENTRY_END);
        store_le32(table_at(1, first + i), TABLE_ENTRY_END);
    }
    store_le32(disk.bytes + 512 + INFORMATION_FREE_COUNT, INFORMATION_UNKNOWN);
}

static void recover(void)
{
    struct fat32_device device = log_disk_device(&disk);
    text reason;
    CHECK_STATUS(OK, fat32_open(&device, &volume, &reason));
    CHECK_STATUS(OK, fat32_recover(&volume, &report));
}

static bool is_perfect(void)
{
    struct fat_tree tree;
    bool is_sound = fat_tree_read(&tree, disk.bytes, SECTORS * 512, 0) && tree.leftovers == 0;
    fat_tree_drop(&tree);
    return is_sound;
}

TEST(a_volume_left_in_order_is_not_written_and_not_walked)
{
    begin();
    lose_clusters(100, 5); /* nobody looks */
    recover();
    CHECK(!report.was_dirty);
    CHECK_EQUAL(0, report.clusters_freed);
    CHECK_EQUAL(0, disk.position);
    CHECK_EQUAL(volume.cluster_count - 1 - 5, fat32_free_clusters(&volume));
    CHECK_STATUS(OK, fat32_volume_check_writable(&volume));
    fat32_close(&volume);
}

TEST(each_mark_alone_says_that_a_volume_was_in_use)
{
    for (uint32_t mark = 0; mark < 4; mark++) {
        begin();
        lose_clusters(100, 5);
        if (mark == 0) disk.bytes[BOOT_STATE] |= BOOT_STATE_IN_USE;
        if (mark == 1) store_le32(table_at(0, 1), TABLE_ENTRY_MASK & ~TABLE_MARK_CLEAN);
        if (mark == 2) store_le32(table_at(1, 1), TABLE_ENTRY_MASK & ~TABLE_MARK_CLEAN);
        if (mark == 3) store_le32(table_at(0, 1), TABLE_ENTRY_MASK & ~TABLE_MARK_NO_ERRORS);
        recover();
        CHECK(report.was_dirty);
        CHECK_EQUAL(5, report.clusters_freed);
        CHECK_EQUAL(volume.cluster_count - 1, fat32_free_clusters(&volume));
        fat32_close(&volume);
        CHECK(is_perfect());
        recover();
        CHECK(!report.was_dirty);
        fat32_close(&volume);
    }
}

TEST(a_damaged_volume_is_read_only_and_left_as_it_is)
{
    begin();
    disk.bytes[BOOT_STATE] |= BOOT_STATE_IN_USE;
    lose_clusters(100, 5);
    store_le32(table_at(0, 2), 2); /* the root's chain loops */
    recover();
    CHECK(text_equal(TEXT("damaged: /: its cluster 2 belongs to another chain too, or its chain "
                          "loops"),
                     report.damage));
    CHECK_STATUS(PERMISSION_DENIED, fat32_volume_check_writable(&volume));
    CHECK_EQUAL(0, disk.position);
    fat32_close(&volume);

    begin(); /* marked as clean: the root's chain is looked at nevertheless */
    store_le32(table_at(0, 2), 2);
    recover();
    CHECK(text_equal(TEXT("damaged: /: its chain, which begins in cluster 2, does not end"),
                     report.damage));
    CHECK_EQUAL(2, report.damage_cluster);
    CHECK_EQUAL(0, disk.position);
    fat32_close(&volume);
}

TEST(a_disk_that_cannot_be_written_is_only_read)
{
    begin();
    disk.bytes[BOOT_STATE] |= BOOT_STATE_IN_USE;
    struct fat32_device device = log_disk_device(&disk);
    device.is_read_only = true;
    text reason;
    CHECK_STATUS(OK, fat32_open(&device, &volume, &reason));
    CHECK_STATUS(OK, fat32_recover(&volume, &report));
    CHECK(text_equal(TEXT("the disk is read-only"), volume.read_only_reason));
    CHECK_EQUAL(0, disk.position);
    fat32_close(&volume);
}

TEST(the_first_reason_stays_and_a_long_one_is_cut)
{
    begin();
    recover();
    char reason[FAT32_REASON_BYTES_MAX + 10];
    memset(reason, 'x', sizeof(reason));
    fat32_volume_protect(&volume, (text){reason, sizeof(reason)});
    CHECK_EQUAL(FAT32_REASON_BYTES_MAX, volume.read_only_reason.length);
    fat32_volume_protect(&volume, TEXT("another one"));
    CHECK_EQUAL(FAT32_REASON_BYTES_MAX, volume.read_only_reason.length);
    fat32_close(&volume);
}

TEST(every_request_and_every_allocation_of_a_recovery_may_fail)
{
    struct fat32_device device = log_disk_device(&disk);
    text reason;
    for (uint64_t failing = 0;; failing++) {
        begin();
        disk.bytes[BOOT_STATE] |= BOOT_STATE_IN_USE;
        lose_clusters(100, 300);
        CHECK_STATUS(OK, fat32_open(&device, &volume, &reason));
        disk.failing_request = disk.request_count + failing;
        status recovered = fat32_recover(&volume, &report);
        if (!is_ok(recovered)) CHECK(volume.read_only_reason.length > 0);
        fat32_close(&volume);
        disk.failing_request = UINT64_MAX;
        bool is_last = disk.request_count < failing;
        recover(); /* the next time it works */
        fat32_close(&volume);
        CHECK(is_perfect());
        if (is_last) break;
        CHECK(failing < 1000);
    }
    FOR_EACH_FAILING_ALLOCATION {
        uint64_t before = heap_count().objects_taken;
        begin();
        disk.bytes[BOOT_STATE] |= BOOT_STATE_IN_USE;
        if (is_ok(fat32_open(&device, &volume, &reason))) {
            status recovered = fat32_recover(&volume, &report);
            CHECK(is_ok(recovered) == (volume.read_only_reason.length == 0));
            fat32_close(&volume);
        }
        CHECK_EQUAL(before, heap_count().objects_taken);
    }
}
