/* Volumes made by hand, entry by entry: sound ones, what a power cut leaves, and damage. */
#include "base/bytes.h"
#include "fs/fat32/fat32_format.h"
#include "fs/fat32/fat32_test_log.h"
#include "mm/heap.h"
#include "support/fat_image.h"
#include "support/test.h"
#include <stdio.h>
#include <string.h>

static constexpr uint32_t SECTORS = 2048;

static struct disk_log disk;
static struct fat32_volume volume;
static struct fat32_report report;
static struct fat_tree tree;
static uint32_t table_sectors;

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
    table_sectors = load_le32(disk.bytes + BOOT_TABLE_SECTORS_32);
}

static uint8_t *cluster_at(uint32_t cluster)
{
    return disk.bytes + (size_t)(32 + 2 * table_sectors + cluster - 2) * 512;
}

static uint8_t *table_at(uint32_t table, uint32_t cluster)
{
    return disk.bytes + (size_t)(32 + table * table_sectors) * 512 + (size_t)cluster * 4;
}

static void link(uint32_t cluster, uint32_t next)
{
    store_le32(table_at(0, cluster), next);
    store_le32(table_at(1, cluster), next);
}

/* A chain of `count` clusters that follow each other. */
static void chain(uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        link(first + i, i + 1 < count ? first + i + 1 : TABLE_ENTRY_END);
}

static uint8_t *entry(uint32_t directory, uint32_t index, const char *name, uint8_t attributes,
                      uint32_t first_cluster, uint32_t size)
{
    uint8_t *bytes = cluster_at(directory) + (size_t)index * ENTRY_BYTES;
    memset(bytes, 0, ENTRY_BYTES);
    memcpy(bytes, name, SHORT_NAME_BYTES);
    bytes[ENTRY_ATTRIBUTES] = attributes;
    store_le16(bytes + ENTRY_CLUSTER_HIGH, (uint16_t)(first_cluster >> 16));
    store_le16(bytes + ENTRY_CLUSTER_LOW, (uint16_t)first_cluster);
    store_le32(bytes + ENTRY_SIZE, size);
    return bytes;
}

static void part(uint32_t directory, uint32_t index, uint8_t order, const char *short_name)
{
    uint8_t *bytes = cluster_at(directory) + (size_t)index * ENTRY_BYTES;
    memset(bytes, 0, ENTRY_BYTES);
    bytes[LONG_ORDER] = order;
    bytes[1] = 'x';
    bytes[ENTRY_ATTRIBUTES] = ATTRIBUTE_LONG_NAME;
    bytes[LONG_CHECKSUM] = fat32_short_name_checksum((const uint8_t *)short_name);
}

static void directory(uint32_t parent, uint32_t index, const char *name, uint32_t cluster)
{
    entry(parent, index, name, ATTRIBUTE_DIRECTORY, cluster, 0);
    link(cluster, TABLE_ENTRY_END);
    entry(cluster, 0, ".          ", ATTRIBUTE_DIRECTORY, cluster, 0);
    entry(cluster, 1, "..         ", ATTRIBUTE_DIRECTORY, parent == 2 ? 0 : parent, 0);
}

/* Two directories in each other and three files, all sound: 3..5, 10, 20..29, 40. */
static void make_sound(void)
{
    begin();
    directory(2, 0, "FOLDER     ", 3);
    directory(3, 2, "INNER      ", 4);
    chain(10, 1);
    entry(2, 1, "ONE     TXT", 0, 10, 512);
    chain(20, 10);
    entry(3, 3, "TEN     TXT", 0, 20, 9 * 512 + 1);
    link(5, TABLE_ENTRY_END);
    link(40, 5);
    entry(4, 2, "TWO     TXT", 0, 40, 700);
    entry(4, 3, "EMPTY   TXT", 0, 0, 0);
    store_le32(disk.bytes + 512 + 488, UINT32_MAX); /* FSInfo: unknown */
    disk_log_restart(&disk);
}

static void check(bool repair)
{
    struct fat32_device device = log_disk_device(&disk);
    text reason;
    CHECK_STATUS(OK, fat32_open(&device, &volume, &reason));
    CHECK_STATUS(OK, fat32_check(&volume, repair, &report));
    if (report.damage.length == 0) CHECK_EQUAL(0, volume.read_only_reason.length);
}

/* What the strict reader says to the disk. */
static uint32_t leftovers(void)
{
    fat_tree_drop(&tree);
    bool is_read = fat_tree_read(&tree, disk.bytes, SECTORS * 512, 0);
    if (!is_read) printf("%s\n", tree.error);
    CHECK(is_read);
    return tree.leftovers & ~FAT_LEFT_NO_COUNTS;
}

/* After a repair nothing is left, and a second check finds nothing. */
static void check_is_repaired(void)
{
    fat32_close(&volume);
    CHECK_EQUAL(0, leftovers());
    disk_log_restart(&disk);
    struct fat32_report repaired = report;
    check(true);
    CHECK_EQUAL(0, disk.position);
    CHECK_EQUAL(repaired.free_clusters, report.free_clusters);
    CHECK_EQUAL(tree.free_count, report.free_clusters);
    fat32_close(&volume);
}

static void check_says(const char *why)
{
    text expected = {why, strlen(why)};
    check(true);
    if (!text_equal(expected, report.damage))
        test_fail(__FILE__, __LINE__, "it says: %.*s, not %s", TEXT_ARGUMENTS(report.damage), why);
    CHECK(text_equal(expected, volume.read_only_reason));
    CHECK_EQUAL(0, disk.position); /* nothing was written */
    fat32_close(&volume);
}

TEST(a_sound_volume_is_left_as_it_is)
{
    make_sound();
    check(true);
    CHECK_EQUAL(0, report.damage.length);
    CHECK_EQUAL(0, report.clusters_freed);
    CHECK_EQUAL(0, report.chains_cut);
    CHECK_EQUAL(0, report.table_sectors_apart);
    CHECK_EQUAL(0, disk.position);
    check_is_repaired();
}

TEST(lost_clusters_are_free_again)
{
    make_sound();
    chain(100, 50);
    link(200, 20); /* leads into somebody else's chain */
    link(201, 201);
    link(202, TABLE_ENTRY_BAD);
    CHECK_EQUAL(FAT_LEFT_LOST_CLUSTERS, leftovers());
    check(true);
    CHECK_EQUAL(52, report.clusters_freed);
    CHECK_EQUAL(TABLE_ENTRY_BAD, load_le32(table_at(0, 202)));
    check_is_repaired();
}

TEST(a_chain_that_is_longer_than_its_file_is_cut)
{
    make_sound();
    entry(3, 3, "TEN     TXT", 0, 20, 3 * 512);
    entry(4, 2, "TWO     TXT", 0, 40, 0);
    link(10, 20); /* what is behind the end may even belong to somebody else */
    check(true);
    CHECK_EQUAL(3, report.chains_cut);
    CHECK_EQUAL(7 + 2, report.clusters_freed);
    check_is_repaired();
    CHECK_EQUAL(0, tree.nodes[fat_tree_find(&tree, fat_tree_find(&tree, 1, "INNER"), "TWO.TXT")]
                       .first_cluster);
}

TEST(a_chain_is_cut_before_what_is_behind_it_becomes_free)
{
    make_sound();
    chain(100, 40); /* over two sectors of the table: 128 entries each */
    entry(2, 1, "ONE     TXT", 0, 100, 10 * 512);
    disk_log_restart(&disk);
    check(true);
    fat32_close(&volume);
    struct disk_cuts cuts = {.subsets_max = 1000};
    for (disk_cuts_begin(&cuts, &disk); disk_cuts_next(&cuts);) {
        fat_tree_drop(&tree);
        CHECK(fat_tree_read(&tree, cuts.state, SECTORS * 512, 0));
        CHECK_EQUAL(10 * 512, tree.nodes[fat_tree_find(&tree, 0, "ONE.TXT")].size_bytes);
    }
    CHECK(cuts.count > 8);
    disk_cuts_end(&cuts);
    check_is_repaired();
}

TEST(tables_that_differ_become_like_the_one_in_use)
{
    make_sound();
    store_le32(table_at(1, 300), 7);
    store_le32(table_at(1, 20), 0);
    check(true);
    CHECK_EQUAL(2, report.table_sectors_apart);
    check_is_repaired();

    /* Not mirrored: the other one is nobody's business. */
    make_sound();
    store_le16(disk.bytes + BOOT_EXTENDED_FLAGS, EXTENDED_NOT_MIRRORED | 1);
    store_le32(table_at(0, 300), 7);
    check(true);
    CHECK_EQUAL(0, report.table_sectors_apart);
    CHECK_EQUAL(7, load_le32(table_at(0, 300)));
    fat32_close(&volume);
}

TEST(parts_of_names_without_their_entry_are_deleted)
{
    make_sound();
    part(4, 4, 0x42, "NAMED   TXT"); /* stray: begins a name of two */
    part(4, 5, 0x41, "NAMED   TXT"); /* this one belongs */
    entry(4, 6, "NAMED   TXT", 0, 0, 0);
    part(4, 7, 0x05, "NAMED   TXT"); /* from the middle of nowhere */
    part(4, 8, 0x42, "NAMED2  TXT");
    part(4, 9, 0x01, "OTHER   TXT"); /* of another entry */
    entry(4, 10, "NAMED2  TXT", 0, 0, 0);
    part(4, 11, 0x41, "AT THE END ");
    CHECK_EQUAL(FAT_LEFT_NAME_PARTS, leftovers());
    check(true);
    CHECK_EQUAL(5, report.name_parts_removed);
    check_is_repaired();
    CHECK(fat_tree_find(&tree, fat_tree_find(&tree, 1, "INNER"), "x") != UINT32_MAX);
}

TEST(entries_behind_the_end_of_a_directory_are_cleared)
{
    make_sound();
    chain(100, 2);
    entry(4, 5, "BEHIND  TXT", 0, 100, 1024);
    CHECK_EQUAL(FAT_LEFT_BEHIND_END | FAT_LEFT_LOST_CLUSTERS, leftovers());
    check(true);
    CHECK_EQUAL(1, report.entries_cleared);
    CHECK_EQUAL(2, report.clusters_freed);
    check_is_repaired();
}

TEST(without_repair_it_is_only_told_what_would_be_done)
{
    make_sound();
    chain(100, 50);
    part(4, 4, 0x41, "NAMED   TXT");
    store_le32(table_at(1, 300), 7);
    disk_log_restart(&disk);
    check(false);
    CHECK_EQUAL(50, report.clusters_freed);
    CHECK_EQUAL(1, report.name_parts_removed);
    CHECK_EQUAL(1, report.table_sectors_apart);
    CHECK_EQUAL(0, disk.position);
    fat32_close(&volume);
}

TEST(damage_is_named_with_its_place_and_nothing_is_changed)
{
    make_sound();
    chain(100, 50); /* what could be repaired otherwise */
    entry(4, 2, "TWO     TXT", 0, 24, 700);
    check_says("damaged: /FOLDER/INNER/TWO.TXT: its cluster 24 belongs to another chain too, or "
               "its chain loops");
    CHECK_EQUAL(24, report.damage_cluster);
}

TEST(every_kind_of_damage_is_found)
{
    make_sound();
    link(25, 20);
    check_says(
        "damaged: /FOLDER/TEN.TXT: its cluster 20 belongs to another chain too, or its chain "
        "loops");
    make_sound();
    link(25, 4000);
    check_says("damaged: /FOLDER/TEN.TXT: its chain goes from cluster 25 to 4000, which does not "
               "exist");
    make_sound();
    link(25, 0);
    check_says("damaged: /FOLDER/TEN.TXT: its cluster 25 is marked as free");
    make_sound();
    link(25, TABLE_ENTRY_END);
    check_says("damaged: /FOLDER/TEN.TXT: its 4609 bytes need 10 clusters, but its chain has 6");
    make_sound();
    entry(2, 1, "ONE     TXT", 0, 0, 512);
    check_says("damaged: /ONE.TXT: it begins in cluster 0, which does not exist");
    make_sound();
    entry(2, 1, "ONE     TXT", 0, 5000, 0);
    check_says("damaged: /ONE.TXT: it begins in cluster 5000, which does not exist");
    make_sound();
    entry(2, 1, "ONE     TXT", ATTRIBUTE_DIRECTORY, 1, 0);
    check_says("damaged: /ONE.TXT: it begins in cluster 1, which does not exist");
    make_sound();
    entry(2, 1, "ONE     TXT", ATTRIBUTE_DIRECTORY, 10, 0);
    check_says("damaged: /ONE.TXT: it does not begin with \".\" and \"..\" as it must");
    make_sound();
    entry(4, 1, "..         ", ATTRIBUTE_DIRECTORY, 0, 0);
    check_says("damaged: /FOLDER/INNER: it does not begin with \".\" and \"..\" as it must");
    make_sound();
    entry(4, 3, "LOOP       ", ATTRIBUTE_DIRECTORY, 3, 0);
    check_says("damaged: /FOLDER/INNER/LOOP: its cluster 3 belongs to another chain too, or its "
               "chain loops");
    make_sound();
    link(2, 0);
    check_says("damaged: /: its cluster 2 is marked as free");
    make_sound();
    entry(4, 3, ".HIDDEN    ", 0, 0, 0);
    check_says("damaged: /FOLDER/INNER/.HIDDEN: it has a name that no file may have");
    make_sound();
    entry(2, 2, "A LABEL    ", ATTRIBUTE_VOLUME_LABEL, 10, 0);
    check_says("damaged: /A LABEL: it is a label with clusters");
}

TEST(a_long_path_in_a_reason_is_cut_in_front)
{
    make_sound();
    uint32_t parent = 4;
    for (uint32_t i = 0; i < 12; i++) {
        directory(parent, i == 0 ? 4 : 2, "DIRECTOR   ", 60 + i);
        parent = 60 + i;
    }
    entry(parent, 2, "BAD        ", 0, 0, 1);
    check_says("damaged: .../DIRECTOR/DIRECTOR/DIRECTOR/DIRECTOR/DIRECTOR/DIRECTOR/DIRECTOR/"
               "DIRECTOR/BAD: it begins in cluster 0, which does not exist");
}

TEST(more_directories_wait_than_fit_one_page)
{
    begin();
    chain(100, 60);
    link(2, 100);
    for (uint32_t i = 0; i < 700; i++) {
        uint32_t home = i < 16 ? 2 : 100 + i / 16 - 1;
        char name[12];
        snprintf(name, sizeof(name), "D%-10u", i);
        directory(home, i % 16, name, 200 + i);
        entry(200 + i, 1, "..         ", ATTRIBUTE_DIRECTORY, 0, 0);
    }
    store_le32(disk.bytes + 512 + 488, UINT32_MAX);
    check(true);
    CHECK_EQUAL(0, report.damage.length);
    check_is_repaired();
}

TEST(every_request_of_a_check_may_fail)
{
    make_sound();
    chain(100, 50);
    part(4, 4, 0x41, "NAMED   TXT");
    entry(3, 3, "TEN     TXT", 0, 20, 3 * 512);
    disk_log_restart(&disk);
    struct fat32_device device = log_disk_device(&disk);
    for (uint64_t failing = 1;; failing++) {
        uint64_t before = heap_count().objects_taken;
        text reason;
        disk.request_count = 0;
        disk.failing_request = UINT64_MAX;
        CHECK_STATUS(OK, fat32_open(&device, &volume, &reason));
        disk.failing_request = disk.request_count + failing;
        status checked = fat32_check(&volume, true, &report);
        CHECK_EQUAL(0, report.damage.length);
        fat32_close(&volume);
        CHECK_EQUAL(before, heap_count().objects_taken);
        if (is_ok(checked)) break;
        CHECK_STATUS(IO_ERROR, checked);
        CHECK(failing < 1000);
    }
    disk.failing_request = UINT64_MAX;
    check(true);
    check_is_repaired();
}

TEST(every_allocation_of_a_check_may_fail)
{
    make_sound();
    chain(100, 50);
    entry(3, 3, "TEN     TXT", 0, 20, 3 * 512);
    struct fat32_device device = log_disk_device(&disk);
    FOR_EACH_FAILING_ALLOCATION {
        uint64_t before = heap_count().objects_taken;
        text reason;
        status opened = fat32_open(&device, &volume, &reason);
        if (is_ok(opened)) {
            status checked = fat32_check(&volume, true, &report);
            CHECK(is_ok(checked) || checked.code == STATUS_OUT_OF_MEMORY);
            fat32_close(&volume);
        }
        CHECK_EQUAL(before, heap_count().objects_taken);
    }
    check(true);
    check_is_repaired();
}
