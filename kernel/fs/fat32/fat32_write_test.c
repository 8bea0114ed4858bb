#include "fs/fat32/fat32_test_volume.h"
#include "mm/heap.h"
#include <string.h>

static struct test_volume bed;

/* Two files that grow and shrink in turns, with checkpoints between; every kind of change. */
static constexpr uint32_t STEPS = 24;

static status take_step(struct test_file files[2], uint32_t step)
{
    static const uint8_t lengths[STEPS] = {1,  3, 2, 9, 0,  5,  5, 40, 1, 7, 30, 0,
                                           12, 3, 3, 4, 17, 90, 2, 2,  9, 1, 0,  6};
    TRY(test_file_resize(&bed, &files[step % 2], lengths[step]));
    if (step % 3 == 2) return fat32_checkpoint(&bed.core);
    return step % 7 == 6 ? fat32_mark_clean(&bed.core) : OK;
}

static void drop_files(struct test_file files[2])
{
    fat32_map_drop(&files[0].map);
    fat32_map_drop(&files[1].map);
}

static void mark_clean_stubbornly(void)
{
    if (!is_ok(fat32_mark_clean(&bed.core))) CHECK_STATUS(OK, fat32_mark_clean(&bed.core));
}

/* Everything agrees: memory, disk and counts. One failure is forgiven. */
static void check_clean(const struct test_file files[2], uint32_t free_at_first)
{
    mark_clean_stubbornly();
    CHECK(!fat32_is_changed(&bed.core));
    uint32_t used = files[0].map.cluster_count + files[1].map.cluster_count;
    CHECK_EQUAL(free_at_first - used, fat32_free_clusters(&bed.core));
    CHECK_EQUAL(free_at_first - used, test_count_free(&bed));
    test_check_image(&bed, bed.disk.bytes, 0);
}

TEST(chains_grow_and_shrink_and_a_strict_reader_finds_them)
{
    for (uint32_t i = 0; i < TEST_SHAPES; i++) {
        test_volume_format(&bed, &test_shapes[i]);
        uint32_t free_at_first = fat32_free_clusters(&bed.core);
        CHECK_EQUAL(free_at_first, test_count_free(&bed));
        struct test_file files[2] = {{.index = 0}, {.index = 1}};
        for (uint32_t step = 0; step < STEPS; step++) {
            CHECK_STATUS(OK, take_step(files, step));
            test_check_image(&bed, bed.disk.bytes, TEST_ALL_LEFTOVERS);
        }
        check_clean(files, free_at_first);
        drop_files(files);
        test_volume_close(&bed);
    }
}

TEST(of_tables_that_are_not_mirrored_only_the_one_in_use_is_written)
{
    for (uint32_t in_use = 0; in_use < 2; in_use++) {
        test_disk_format(&bed, &test_shapes[0], in_use);
        CHECK_STATUS(OK, test_volume_open_try(&bed));
        const struct fat32_volume *core = &bed.core;
        uint8_t *other =
            bed.disk.bytes + core->first_table_bytes + (1 - in_use) * core->table_bytes;
        memset(other, 0x77, core->table_bytes);
        struct test_file files[2] = {{.index = 0}, {.index = 1}};
        for (uint32_t step = 0; step < STEPS; step++)
            CHECK_STATUS(OK, take_step(files, step));
        CHECK_STATUS(OK, fat32_mark_clean(&bed.core));
        for (uint64_t i = 0; i < core->table_bytes; i++)
            CHECK_EQUAL(0x77, other[i]);
        test_check_image(&bed, bed.disk.bytes, 0);
        drop_files(files);
        test_volume_close(&bed);
    }
}

/* ---- power cuts ---- */

TEST(whenever_the_power_fails_the_volume_is_sound_by_each_table)
{
    for (uint32_t i = 0; i < TEST_SHAPES; i++) {
        test_volume_format(&bed, &test_shapes[i]);
        if (bed.core.cluster_count > 2000) { /* the strict reader would take too long */
            test_volume_close(&bed);
            continue;
        }
        bed.disk.is_recording = true;
        struct test_file files[2] = {{.index = 0}, {.index = 1}};
        for (uint32_t step = 0; step < STEPS; step++)
            CHECK_STATUS(OK, take_step(files, step));
        struct disk_cuts cuts = {
            .log = &bed.disk, .subsets_max = 32, .kind_max = 8, .random_count = 8, .seed = 4};
        disk_cuts_begin(&cuts, &bed.disk);
        while (disk_cuts_next(&cuts))
            test_check_image(&bed, cuts.state, TEST_ALL_LEFTOVERS);
        CHECK(cuts.count > 100);
        disk_cuts_end(&cuts);
        drop_files(files);
        test_volume_close(&bed);
    }
}

/* ---- devices that fail, memory that is short ---- */

/* Takes every step again until it succeeds; the disk is sound at every moment. */
static void take_steps_stubbornly(struct test_file files[2])
{
    for (uint32_t step = 0; step < STEPS; step++) {
        for (uint32_t attempt = 0;; attempt++) {
            CHECK(attempt < 4);
            status taken = take_step(files, step);
            if (is_ok(taken)) break;
            CHECK(taken.code == STATUS_IO_ERROR || taken.code == STATUS_OUT_OF_MEMORY);
        }
    }
}

TEST(whichever_command_of_the_device_fails_the_next_attempt_succeeds)
{
    for (uint64_t failing = 0;; failing++) {
        test_volume_format(&bed, &test_shapes[0]);
        uint32_t free_at_first = fat32_free_clusters(&bed.core);
        bed.disk.failing_request = bed.disk.request_count + failing;
        uint64_t last = bed.disk.failing_request;
        struct test_file files[2] = {{.index = 0}, {.index = 1}};
        take_steps_stubbornly(files);
        bool is_over = bed.disk.request_count <= last;
        bed.disk.failing_request = UINT64_MAX;
        check_clean(files, free_at_first);
        drop_files(files);
        test_volume_close(&bed);
        if (is_over) break;
    }
}

TEST(a_device_that_fails_from_some_command_on_leaves_a_sound_disk_and_may_recover)
{
    for (uint64_t failing = 0;; failing += 3) {
        test_volume_format(&bed, &test_shapes[0]);
        uint32_t free_at_first = fat32_free_clusters(&bed.core);
        bed.disk.failing_request = bed.disk.request_count + failing;
        bed.disk.fails_on = true;
        struct test_file files[2] = {{.index = 0}, {.index = 1}};
        status taken = OK;
        uint32_t step = 0;
        for (; step < STEPS && is_ok(taken); step++)
            taken = take_step(files, step);
        test_check_image(&bed, bed.disk.bytes, TEST_ALL_LEFTOVERS);
        bed.disk.failing_request = UINT64_MAX;
        bed.disk.fails_on = false;
        CHECK_STATUS(OK, test_file_resize(&bed, &files[0], 4));
        CHECK_STATUS(OK, test_file_resize(&bed, &files[1], 11));
        check_clean(files, free_at_first);
        drop_files(files);
        test_volume_close(&bed);
        if (is_ok(taken)) break;
    }
}

TEST(whichever_allocation_fails_nothing_is_lost)
{
    uint64_t before = heap_count().objects_taken;
    test_disk_format(&bed, &test_shapes[0], UINT32_MAX);
    uint8_t *formatted = bed.disk.bytes;
    FOR_EACH_FAILING_ALLOCATION {
        fat_image_format(formatted, &test_shapes[0]);
        status opened = test_volume_open_try(&bed);
        if (is_ok(opened)) {
            uint32_t free_at_first = fat32_free_clusters(&bed.core);
            struct test_file files[2] = {{.index = 0}, {.index = 1}};
            take_steps_stubbornly(files);
            check_clean(files, free_at_first);
            drop_files(files);
            fat32_close(&bed.core);
        } else {
            CHECK_STATUS(OUT_OF_MEMORY, opened);
        }
        CHECK_EQUAL(before, heap_count().objects_taken);
    }
    disk_log_deinit(&bed.disk);
}

/* ---- full volumes ---- */

TEST(a_chain_that_finds_too_few_free_clusters_stays_as_it_was)
{
    test_volume_format(&bed, &test_shapes[5]);
    uint32_t all = fat32_free_clusters(&bed.core);
    for (uint32_t left = 0; left <= 12; left++) {
        struct test_file files[2] = {{.index = 0}, {.index = 1}};
        CHECK_STATUS(OK, test_file_resize(&bed, &files[0], all - 12));
        CHECK_STATUS(OK, test_file_resize(&bed, &files[1], 12 - left));
        uint32_t length = files[1].map.cluster_count;
        for (uint32_t wanted = 1; wanted <= 13; wanted++) {
            status extended = fat32_chain_extend(&bed.core, &files[1].map, length + wanted);
            CHECK_EQUAL(wanted <= left ? STATUS_OK : STATUS_NO_SPACE, extended.code);
            CHECK_EQUAL(wanted <= left ? length + wanted : length, files[1].map.cluster_count);
            CHECK_STATUS(OK, fat32_chain_cut(&bed.core, &files[1].map, length));
            CHECK_EQUAL(left, fat32_free_clusters(&bed.core));
        }
        CHECK_STATUS(OK, test_file_resize(&bed, &files[0], 0));
        CHECK_STATUS(OK, test_file_resize(&bed, &files[1], 0));
        CHECK_EQUAL(all, fat32_free_clusters(&bed.core));
        drop_files(files);
    }
    CHECK_STATUS(OK, fat32_mark_clean(&bed.core));
    test_check_image(&bed, bed.disk.bytes, 0);
    test_volume_close(&bed);
}

TEST(what_was_given_up_is_used_again_after_a_checkpoint_that_is_made_for_it)
{
    test_volume_format(&bed, &test_shapes[5]);
    uint32_t all = fat32_free_clusters(&bed.core);
    struct test_file files[2] = {{.index = 0}, {.index = 1}};
    CHECK_STATUS(OK, test_file_resize(&bed, &files[0], all));
    CHECK_STATUS(OK, fat32_checkpoint(&bed.core));
    CHECK_STATUS(NO_SPACE, fat32_chain_extend(&bed.core, &files[1].map, 1));
    CHECK_STATUS(OK, test_file_resize(&bed, &files[0], 3));
    CHECK_EQUAL(all - 3, fat32_free_clusters(&bed.core)); /* told at once */
    CHECK_STATUS(OK, test_file_resize(&bed, &files[1], all - 3));
    check_clean(files, all);
    drop_files(files);
    test_volume_close(&bed);
}

TEST(promised_clusters_are_for_whom_they_were_promised)
{
    test_volume_format(&bed, &test_shapes[5]);
    uint32_t all = fat32_free_clusters(&bed.core);
    struct test_file files[2] = {{.index = 0}, {.index = 1}};
    CHECK(fat32_promise_take(&bed.core, 10));
    CHECK(!fat32_promise_take(&bed.core, all - 9));
    CHECK_EQUAL(all - 10, fat32_free_clusters(&bed.core));
    CHECK_STATUS(NO_SPACE, fat32_chain_extend(&bed.core, &files[0].map, all - 9));
    CHECK_STATUS(OK, test_file_resize(&bed, &files[0], all - 10));
    CHECK_EQUAL(0, fat32_free_clusters(&bed.core));
    CHECK_STATUS(OK, fat32_chain_extend_promised(&bed.core, &files[1].map, 6));
    CHECK_EQUAL(0, fat32_free_clusters(&bed.core));
    fat32_promise_give(&bed.core, 4);
    CHECK_EQUAL(4, fat32_free_clusters(&bed.core));
    CHECK_STATUS(NO_SPACE, fat32_chain_extend_promised(&bed.core, &files[1].map, 11));
    CHECK_EQUAL(4, fat32_free_clusters(&bed.core));
    CHECK_EQUAL(6, files[1].map.cluster_count);
    CHECK_STATUS(OK, test_file_resize(&bed, &files[1], 10));
    check_clean(files, all);
    drop_files(files);
    test_volume_close(&bed);
}

/* ---- marks and counts ---- */

static uint32_t information(uint32_t field)
{
    return load_le32(bed.disk.bytes + bed.core.information_bytes + field);
}

static uint32_t table_entry(uint32_t table, uint32_t cluster)
{
    return load_le32(bed.disk.bytes + bed.core.first_table_bytes + table * bed.core.table_bytes +
                     cluster * 4ull);
}

TEST(a_volume_is_marked_while_it_is_in_use_and_says_how_much_is_free_when_not)
{
    test_volume_format(&bed, &test_shapes[0]);
    const uint8_t *boot = bed.disk.bytes, *backup = boot + bed.core.backup_bytes;
    CHECK(backup != boot);
    struct test_file file = {.index = 0};
    uint32_t all = fat32_free_clusters(&bed.core);
    for (uint32_t length = 1; length < 4; length++) {
        CHECK_EQUAL(0, boot[BOOT_STATE]);
        CHECK_STATUS(OK, test_file_resize(&bed, &file, length));
        CHECK_EQUAL(BOOT_STATE_IN_USE, boot[BOOT_STATE]);
        CHECK_BYTES(boot, backup, 512);
        CHECK_EQUAL(0, table_entry(0, 1) & TABLE_MARK_CLEAN);
        CHECK_EQUAL(0, table_entry(1, 1) & TABLE_MARK_CLEAN);
        CHECK_EQUAL(INFORMATION_UNKNOWN, information(INFORMATION_FREE_COUNT));
        CHECK_STATUS(OK, fat32_checkpoint(&bed.core));
        CHECK_EQUAL(BOOT_STATE_IN_USE, boot[BOOT_STATE]);
        CHECK_STATUS(OK, fat32_mark_clean(&bed.core));
        CHECK_BYTES(boot, backup, 512);
        CHECK_EQUAL(TABLE_MARK_CLEAN, table_entry(1, 1) & TABLE_MARK_CLEAN);
        CHECK_EQUAL(all - length, information(INFORMATION_FREE_COUNT));
        CHECK_EQUAL(file.map.last_cluster + 1, information(INFORMATION_NEXT_FREE));
        uint64_t position = bed.disk.position;
        CHECK_STATUS(OK, fat32_mark_clean(&bed.core)); /* already */
        CHECK_EQUAL(position, bed.disk.position);
    }
    fat32_map_drop(&file.map);
    test_volume_close(&bed);
}

TEST(a_volume_without_information_or_backup_is_written_all_the_same)
{
    for (uint32_t damage = 0; damage < 4; damage++) {
        test_disk_format(&bed, &test_shapes[0], UINT32_MAX);
        uint8_t *boot = bed.disk.bytes;
        if (damage == 0) store_le16(boot + BOOT_INFORMATION_SECTOR, 0xffff);
        if (damage == 1) store_le32(boot + 512 + INFORMATION_SIGNATURE, 0);
        if (damage == 2) store_le16(boot + BOOT_BACKUP_SECTOR, 0);
        if (damage == 3) memset(boot + 6 * 512, 0, 512); /* the backup holds nothing */
        CHECK_STATUS(OK, test_volume_open_try(&bed));
        struct test_file file = {.index = 0};
        CHECK_STATUS(OK, test_file_resize(&bed, &file, 5));
        CHECK_EQUAL(BOOT_STATE_IN_USE, boot[BOOT_STATE]);
        CHECK_STATUS(OK, fat32_mark_clean(&bed.core));
        CHECK_EQUAL(0, boot[BOOT_STATE]);
        if (damage == 3) CHECK_EQUAL(0, boot[6 * 512 + BOOT_STATE]);
        fat32_map_drop(&file.map);
        test_volume_close(&bed);
    }
}

TEST(a_volume_that_was_in_use_is_marked_clean_even_if_nothing_changed)
{
    test_disk_format(&bed, &test_shapes[0], UINT32_MAX);
    bed.disk.bytes[BOOT_STATE] |= BOOT_STATE_IN_USE;
    struct fat32_device device = log_disk_device(&bed.disk);
    text reason;
    CHECK_STATUS(OK, fat32_open(&device, &bed.core, &reason));
    CHECK_STATUS(OK, fat32_writing_begin(&bed.core, 1234, true));
    CHECK_EQUAL(1234, fat32_free_clusters(&bed.core)); /* as told */
    CHECK_STATUS(OK, fat32_mark_clean(&bed.core));
    CHECK_EQUAL(0, bed.disk.bytes[BOOT_STATE]);
    CHECK_EQUAL(1234, information(INFORMATION_FREE_COUNT));
    test_volume_close(&bed);
}

TEST(the_reserved_bits_of_table_entries_stay)
{
    test_disk_format(&bed, &test_shapes[0], UINT32_MAX);
    uint64_t table = 32 * 512;
    for (uint32_t cluster = 3; cluster < 40; cluster++) {
        for (uint32_t i = 0; i < 2; i++) {
            uint64_t sectors = load_le32(bed.disk.bytes + BOOT_TABLE_SECTORS_32);
            store_le32(bed.disk.bytes + table + i * sectors * 512 + cluster * 4ull, 0xa0000000);
        }
    }
    CHECK_STATUS(OK, test_volume_open_try(&bed));
    struct test_file file = {.index = 0};
    CHECK_STATUS(OK, test_file_resize(&bed, &file, 20));
    CHECK_STATUS(OK, fat32_checkpoint(&bed.core));
    CHECK_STATUS(OK, test_file_resize(&bed, &file, 2));
    CHECK_STATUS(OK, fat32_mark_clean(&bed.core));
    for (uint32_t cluster = 3; cluster < 40; cluster++)
        CHECK_EQUAL(0xa0000000, table_entry(1, cluster) & 0xf0000000);
    fat32_map_drop(&file.map);
    test_volume_close(&bed);
}

/* ---- read only ---- */

TEST(a_volume_that_must_not_be_written_is_not)
{
    test_disk_format(&bed, &test_shapes[0], UINT32_MAX);
    struct fat32_device device = log_disk_device(&bed.disk);
    text reason;
    CHECK_STATUS(OK, fat32_open(&device, &bed.core, &reason));
    struct fat32_map map = {0};
    CHECK_EQUAL(0, fat32_free_clusters(&bed.core));
    CHECK(!fat32_promise_take(&bed.core, 1));
    fat32_data_written(&bed.core);
    CHECK(!fat32_is_changed(&bed.core));
    CHECK_STATUS(OK, fat32_checkpoint(&bed.core));
    CHECK_STATUS(PERMISSION_DENIED, fat32_mark_clean(&bed.core));
    CHECK_STATUS(PERMISSION_DENIED, fat32_chain_extend(&bed.core, &map, 1));
    CHECK_STATUS(PERMISSION_DENIED, fat32_volume_change(&bed.core, test_file_slot(&bed, 0)).status);
    CHECK_STATUS(PERMISSION_DENIED, fat32_cluster_initialise(&bed.core, 3, nullptr, 0));
    CHECK_STATUS(PERMISSION_DENIED, fat32_directory_extend(&bed.core, &map));
    CHECK_STATUS(PERMISSION_DENIED, fat32_journal_run(&bed.core, nullptr, 0));
    CHECK_EQUAL(0, bed.disk.position);
    test_volume_close(&bed);
}

TEST(after_damage_was_met_nothing_is_written_any_more)
{
    test_volume_format(&bed, &test_shapes[0]);
    struct test_file file = {.index = 0};
    CHECK_STATUS(OK, test_file_resize(&bed, &file, 5));
    fat32_volume_protect(&bed.core, TEXT("a reason"));
    fat32_volume_protect(&bed.core, TEXT("another"));
    CHECK(text_equal(TEXT("a reason"), bed.core.read_only_reason));
    uint64_t position = bed.disk.position;
    CHECK_STATUS(PERMISSION_DENIED, fat32_checkpoint(&bed.core));
    CHECK_STATUS(PERMISSION_DENIED, fat32_mark_clean(&bed.core));
    CHECK_STATUS(PERMISSION_DENIED, fat32_chain_cut(&bed.core, &file.map, 1));
    CHECK_EQUAL(position, bed.disk.position);
    fat32_map_drop(&file.map);
    test_volume_close(&bed);
}

/* Puts a value into both tables of the disk and forgets what is cached of them. */
static void damage_table(uint32_t cluster, uint32_t value)
{
    for (uint32_t i = 0; i < 2; i++)
        store_le32(bed.disk.bytes + bed.core.first_table_bytes + i * bed.core.table_bytes +
                       cluster * 4ull,
                   value);
    fat32_volume_forget(&bed.core);
}

TEST(a_chain_that_is_freed_and_meets_one_that_is_free_already_protects_the_volume)
{
    test_volume_format(&bed, &test_shapes[0]);
    struct test_file file = {.index = 0};
    CHECK_STATUS(OK, test_file_resize(&bed, &file, 5));
    CHECK_STATUS(OK, fat32_mark_clean(&bed.core));
    damage_table(file.map.last_cluster - 2, 0);
    CHECK_STATUS(OK, test_file_resize(&bed, &file, 0));
    CHECK_STATUS(IO_ERROR, fat32_checkpoint(&bed.core));
    CHECK(bed.core.read_only_reason.length > 0);
    fat32_map_drop(&file.map);
    test_volume_close(&bed);
}

TEST(a_damaged_chain_is_neither_extended_nor_cut)
{
    test_volume_format(&bed, &test_shapes[0]);
    struct test_file file = {.index = 0};
    CHECK_STATUS(OK, test_file_resize(&bed, &file, 5));
    CHECK_STATUS(OK, fat32_mark_clean(&bed.core));
    uint32_t first = fat32_map_first(&file.map);
    damage_table(file.map.last_cluster - 1, 1);
    CHECK_STATUS(IO_ERROR, fat32_chain_cut(&bed.core, &file.map, 4)); /* met while it is cut */
    fat32_map_drop(&file.map);
    CHECK_STATUS(OK, fat32_map_load(&bed.core, first, &file.map));
    CHECK(file.map.is_damaged);
    CHECK_STATUS(IO_ERROR, fat32_chain_extend(&bed.core, &file.map, 9));
    CHECK_STATUS(IO_ERROR, fat32_chain_cut(&bed.core, &file.map, 1));
    fat32_map_drop(&file.map);
    test_volume_close(&bed);
}

/* ---- data and directories ---- */

TEST(data_of_files_is_flushed_by_the_next_checkpoint)
{
    test_volume_format(&bed, &test_shapes[0]);
    CHECK_STATUS(OK, fat32_checkpoint(&bed.core));
    CHECK_EQUAL(0, bed.disk.position);
    fat32_data_written(&bed.core);
    CHECK(fat32_is_changed(&bed.core));
    bed.disk.failing_request = bed.disk.request_count;
    CHECK_STATUS(IO_ERROR, fat32_checkpoint(&bed.core));
    CHECK_STATUS(OK, fat32_checkpoint(&bed.core));
    CHECK(!fat32_is_changed(&bed.core));
    CHECK_EQUAL(1, bed.disk.position); /* the flush */
    test_volume_close(&bed);
}

TEST(a_directory_grows_by_zeros_that_nothing_refers_to_before_they_are_written)
{
    for (uint64_t failing = 0; failing < 40; failing++) {
        test_volume_format(&bed, &test_shapes[0]);
        memset(bed.disk.bytes + bed.core.data_start_bytes + 512, 0xaa, 300ull * 512);
        bed.disk.is_recording = true;
        disk_log_restart(&bed.disk);
        struct fat32_map root;
        CHECK_STATUS(OK, fat32_map_load(&bed.core, bed.core.root_cluster, &root));
        bed.disk.failing_request = bed.disk.request_count + failing;
        for (uint32_t round = 0; round < 3; round++) {
            uint32_t length = root.cluster_count;
            status extended = fat32_directory_extend(&bed.core, &root);
            CHECK_EQUAL(is_ok(extended) ? length + 1 : length, root.cluster_count);
            if (is_ok(fat32_checkpoint(&bed.core))) continue;
            CHECK_STATUS(OK, fat32_checkpoint(&bed.core));
        }
        mark_clean_stubbornly();
        struct disk_cuts cuts = {
            .log = &bed.disk, .subsets_max = 64, .kind_max = 8, .random_count = 8, .seed = 5};
        disk_cuts_begin(&cuts, &bed.disk);
        while (disk_cuts_next(&cuts))
            test_check_image(&bed, cuts.state, TEST_ALL_LEFTOVERS);
        disk_cuts_end(&cuts);
        fat32_map_drop(&root);
        test_volume_close(&bed);
    }
}

TEST(a_cluster_of_a_directory_begins_with_what_it_is_told)
{
    for (uint32_t i = 0; i < TEST_SHAPES; i++) {
        test_volume_format(&bed, &test_shapes[i]);
        uint64_t start = fat32_cluster_start(&bed.core, 5);
        memset(bed.disk.bytes + start, 0xaa, bed.core.cluster_bytes);
        fat32_bytes_result cached = fat32_volume_bytes(&bed.core, start);
        CHECK_STATUS(OK, cached.status);
        uint8_t head[64];
        memset(head, 0x11, sizeof(head));
        CHECK_STATUS(OK, fat32_cluster_initialise(&bed.core, 5, head, sizeof(head)));
        CHECK_EQUAL(0x11, cached.value[63]);
        CHECK_EQUAL(0, cached.value[64]);
        for (uint32_t at = 0; at < bed.core.cluster_bytes; at++)
            CHECK_EQUAL(at < 64 ? 0x11 : 0, bed.disk.bytes[start + at]);
        test_volume_close(&bed);
    }
}

/* ---- many changes ---- */

TEST(more_changes_than_there_are_blocks_reach_the_disk_in_order)
{
    static const struct fat_shape large = {70000, 512, 1, 2, 32};
    static constexpr uint32_t CLUSTERS = (FAT32_BLOCKS + 100) * (FAT32_BLOCK_BYTES / 512);
    test_volume_format(&bed, &large);
    uint32_t all = fat32_free_clusters(&bed.core);
    struct fat32_map root;
    CHECK_STATUS(OK, fat32_map_load(&bed.core, bed.core.root_cluster, &root));
    CHECK_STATUS(OK, fat32_chain_extend(&bed.core, &root, CLUSTERS));
    for (uint32_t i = 1; i < CLUSTERS; i++) {
        struct fat32_extent where;
        CHECK_STATUS(OK, fat32_locate(&bed.core, &root, i * 512ull, 512, &where));
        uint64_t offset = where.first_sector * 512;
        CHECK_STATUS(OK, fat32_cluster_initialise(
                             &bed.core, (uint32_t)((offset - bed.core.data_start_bytes) / 512) + 2,
                             nullptr, 0));
        fat32_bytes_result bytes = fat32_volume_change(&bed.core, offset);
        CHECK_STATUS(OK, bytes.status);
        bytes.value[0] = NAME_DELETED;
    }
    CHECK(bed.disk.position > CLUSTERS + FAT32_BLOCKS / 2); /* a checkpoint was made on the way */
    CHECK_STATUS(OK, fat32_chain_cut(&bed.core, &root, 1));
    CHECK_STATUS(OK, fat32_mark_clean(&bed.core));
    CHECK_EQUAL(all, test_count_free(&bed));
    test_check_image(&bed, bed.disk.bytes, 0);
    fat32_map_drop(&root);
    test_volume_close(&bed);
}

TEST(more_links_cuts_and_given_up_chains_than_there_are_records_for_make_a_checkpoint)
{
    static const struct fat_shape large = {70000, 512, 1, 1, 32};
    test_volume_format(&bed, &large);
    uint32_t all = fat32_free_clusters(&bed.core);
    static struct fat32_map maps[300];
    memset(maps, 0, sizeof(maps));
    for (uint32_t length = 1; length < 3; length++) {
        for (uint32_t i = 0; i < 300; i++)
            CHECK_STATUS(OK, fat32_chain_extend(&bed.core, &maps[i], 100 * length));
    }
    for (uint32_t length = 2; length-- > 0;) {
        for (uint32_t i = 0; i < 300; i++)
            CHECK_STATUS(OK, fat32_chain_cut(&bed.core, &maps[i], 70 * length));
    }
    CHECK_EQUAL(all, fat32_free_clusters(&bed.core));
    CHECK_STATUS(OK, fat32_mark_clean(&bed.core));
    CHECK_EQUAL(all, test_count_free(&bed));
    for (uint32_t i = 0; i < 300; i++)
        fat32_map_drop(&maps[i]);
    test_volume_close(&bed);
}
