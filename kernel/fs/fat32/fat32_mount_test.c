/*
 * Mounted volumes that are written, through the vfs and the page cache down to commands of a disk
 * in memory; what is on it afterwards a strict reader judges that shares no line with the kernel.
 */
#include "arch/host/host.h"
#include "base/checked.h"
#include "device/block_device.h"
#include "fs/fat32/fat32_mount.h"
#include "fs/vfs/name_cache.h"
#include "fs/vfs/page_cache.h"
#include "fs/vfs/vfs.h"
#include "mm/direct_map.h"
#include "sched/worker.h"
#include "support/disk_log.h"
#include "support/fat_image.h"
#include "support/single_thread_mutex.h"
#include "support/test.h"
#include <abi/ring.h>
#include <stdio.h>
#include <string.h>

/* ---- the volume's worker: runs when a test says so ---- */

struct work_queue {
    int unused;
};
static struct work_queue work_queue;
static struct work *waiting_work;

status worker_init(void)
{
    return OK;
}

struct work_queue *work_queue_create(const char *name, uint32_t threads_max)
{
    (void)name, (void)threads_max;
    return &work_queue;
}

struct work_queue *work_queue_shared(void)
{
    return &work_queue;
}

void work_submit(struct work_queue *queue, struct work *work, work_function *function)
{
    (void)queue;
    CHECK(waiting_work == nullptr);
    work->function = function;
    waiting_work = work;
}

void work_submit_at(struct work_queue *queue, struct work *work, work_function *function,
                    uint8_t priority)
{
    (void)priority;
    work_submit(queue, work, function);
}

static void run_work(void)
{
    while (waiting_work != nullptr) {
        struct work *work = waiting_work;
        waiting_work = nullptr;
        work->function(work);
    }
}

/* ---- the disk ---- */

static struct disk_log disk;
static struct block_device device;

static status move_piece(const struct block_request *request, uint32_t index, uint64_t sector)
{
    const struct block_piece *piece = &request->pieces[index];
    uint32_t count = piece->length_bytes / disk.sector_bytes;
    void *memory = direct_map(piece->start);
    return request->direction == BLOCK_READ ? disk_log_read(&disk, sector, count, memory)
                                            : disk_log_write(&disk, sector, count, memory);
}

status block_submit_and_wait(struct block_device *to, struct block_request *request)
{
    CHECK_STATUS(OK, block_request_check(to, request));
    uint64_t sector = request->first_sector;
    for (uint32_t i = 0; i < request->piece_count; i++) {
        TRY(move_piece(request, i, sector));
        sector += request->pieces[i].length_bytes / disk.sector_bytes;
    }
    return OK;
}

status block_read(struct block_device *from, uint64_t first_sector, uint32_t sector_count,
                  void *memory)
{
    (void)from;
    return disk_log_read(&disk, first_sector, sector_count, memory);
}

status block_write(struct block_device *to, uint64_t first_sector, uint32_t sector_count,
                   const void *memory)
{
    (void)to;
    return disk_log_write(&disk, first_sector, sector_count, memory);
}

status block_flush(struct block_device *of)
{
    (void)of;
    return disk_log_flush(&disk);
}

/* ---- the volume ---- */

static constexpr uint32_t SECTORS = 1000;
static struct vnode *root;
static struct object *top; /* the root directory, opened */
static buffer_pin span;
static constexpr uint64_t SPAN_BYTES = 64u << 10;

static status mount_try(void)
{
    text reason;
    vnode_result mounted = fat32_mount(&device, &reason);
    TRY(mounted.status);
    object_result opened = vfs_open_vnode(mounted.value);
    if (!is_ok(opened.status)) fat32_unmount(mounted.value);
    TRY(opened.status);
    root = mounted.value;
    top = opened.value;
    return OK;
}

static void unmount(void)
{
    ignore_status(page_cache_write_all(VOLUME_ANY) == 0 ? OK : FAIL(IO_ERROR));
    name_cache_empty();
    object_put(top);
    run_work();
    fat32_unmount(root);
    CHECK_EQUAL(0, page_cache_pages());
}

/* A fresh disk, not mounted. */
static void make_disk(void)
{
    static bool is_ready;
    if (!is_ready) {
        host_memory_init();
        CHECK_STATUS(OK, vfs_init());
        buffer_result made = buffer_create(&(struct buffer_options){.size_bytes = SPAN_BYTES});
        CHECK_STATUS(OK, made.status);
        span = (buffer_pin){.buffer = made.value};
        is_ready = true;
    }
    const struct fat_shape shape = {SECTORS, 512, 1, 2, 32};
    disk_log_init(&disk, SECTORS, 512);
    fat_image_format(disk.bytes, &shape);
    disk_log_restart(&disk);
    device = (struct block_device){.name = "test",
                                   .sector_bytes = 512,
                                   .sector_count = SECTORS,
                                   .sectors_per_request_max = 128};
}

static void begin(void)
{
    make_disk();
    CHECK_STATUS(OK, mount_try());
}

/* Nothing is wrong with what is on the disk, but for these leftovers. */
static void check_disk(uint32_t leftovers)
{
    for (uint32_t table = 0; table < 2; table++) {
        struct fat_tree tree;
        if (!fat_tree_read(&tree, disk.bytes, (size_t)SECTORS * 512, table))
            test_fail(__FILE__, __LINE__, "table %u: %s", table, tree.error);
        if ((tree.leftovers & ~leftovers) != 0)
            test_fail(__FILE__, __LINE__, "table %u: leftovers %x", table, tree.leftovers);
        fat_tree_drop(&tree);
    }
}

static void end(void)
{
    unmount();
    check_disk(0);
    disk_log_deinit(&disk);
}

static uint8_t byte_at(uint64_t offset)
{
    return (uint8_t)(1 + (offset * 7 + offset / 512) % 200);
}

static uint8_t bytes[SPAN_BYTES];

static status write_pattern(struct object *file, uint64_t offset, uint64_t length)
{
    for (uint64_t i = 0; i < length; i++)
        bytes[i] = byte_at(offset + i);
    TRY(buffer_write(span.buffer, 0, bytes, length));
    span.length = length;
    size_result written = vfs_write(file, offset, false, &span);
    TRY(written.status);
    return written.value == length ? OK : FAIL(NO_SPACE);
}

static void check_pattern(struct object *file, uint64_t length)
{
    span.length = SPAN_BYTES;
    size_result read = vfs_read(file, 0, &span);
    CHECK_STATUS(OK, read.status);
    CHECK_EQUAL(length, read.value);
    buffer_read(span.buffer, 0, bytes, length);
    for (uint64_t i = 0; i < length; i++)
        CHECK_EQUAL(byte_at(i), bytes[i]);
}

static struct object *open_path(text path)
{
    object_result opened = vfs_open(top, path);
    CHECK_STATUS(OK, opened.status);
    return opened.value;
}

/* Makes a file with so many bytes of the pattern, synced. */
static status make_file(text path, uint64_t length)
{
    object_result made = vfs_create(top, path, ABI_KIND_FILE);
    TRY(made.status);
    status outcome = write_pattern(made.value, 0, length);
    if (is_ok(outcome)) outcome = vfs_sync(made.value);
    object_put(made.value);
    return outcome;
}

/* What every fault is tried on. */
static status live(void)
{
    object_result folder = vfs_create(top, TEXT("a folder"), ABI_KIND_DIRECTORY);
    TRY(folder.status);
    object_put(folder.value);
    TRY(make_file(TEXT("a folder/first file"), 5000));
    TRY(make_file(TEXT("second"), 700));
    TRY(vfs_rename(top, TEXT("a folder/first file"), top, TEXT("second"), false));
    TRY(make_file(TEXT("third"), 3000));
    TRY(vfs_remove(top, TEXT("third"), ABI_KIND_FILE));
    run_work();
    return vfs_sync(top);
}

TEST(what_is_made_and_written_is_there_when_the_volume_is_mounted_again)
{
    begin();
    CHECK_STATUS(OK, live());
    unmount();
    check_disk(0);
    CHECK_STATUS(OK, mount_try());
    struct object *file = open_path(TEXT("second"));
    check_pattern(file, 5000);
    object_put(file);
    CHECK_STATUS(NOT_FOUND, vfs_open(top, TEXT("third")).status);
    CHECK_STATUS(NOT_FOUND, vfs_open(top, TEXT("a folder/first file")).status);
    end();
}

TEST(a_file_that_was_removed_or_replaced_lives_while_it_is_open)
{
    begin();
    CHECK_STATUS(OK, make_file(TEXT("one"), 3000));
    CHECK_STATUS(OK, make_file(TEXT("two"), 2000));
    struct object *one = open_path(TEXT("one")), *two = open_path(TEXT("two"));
    CHECK_STATUS(OK, vfs_rename(top, TEXT("one"), top, TEXT("two"), false));
    CHECK_STATUS(OK, vfs_remove(top, TEXT("two"), ABI_KIND_COUNT));
    CHECK_STATUS(OK, make_file(TEXT("two"), 100)); /* its entry lies where theirs did */
    page_cache_reclaim(1000);
    check_pattern(one, 3000);
    check_pattern(two, 2000);
    CHECK_STATUS(OK, write_pattern(two, 2000, 500));
    check_pattern(two, 2500);
    object_put(one);
    object_put(two);
    end();
}

TEST(a_file_that_is_open_is_the_same_under_its_new_name)
{
    begin();
    CHECK_STATUS(OK, make_file(TEXT("one"), 3000));
    struct object *one = open_path(TEXT("one"));
    CHECK_STATUS(OK, vfs_rename(top, TEXT("one"), top, TEXT("a much longer name"), false));
    struct object *again = open_path(TEXT("a much longer name"));
    CHECK(vfs_vnode(one) == vfs_vnode(again));
    CHECK_STATUS(OK, make_file(TEXT("one"), 100));
    CHECK_STATUS(OK, write_pattern(one, 3000, 1000));
    CHECK_STATUS(OK, vfs_sync(one));
    object_put(one);
    object_put(again);
    unmount();
    CHECK_STATUS(OK, mount_try());
    one = open_path(TEXT("a much longer name"));
    check_pattern(one, 4000);
    object_put(one);
    end();
}

TEST(when_memory_fails_at_any_moment_the_volume_is_sound)
{
    begin();
    end();
    FOR_EACH_FAILING_ALLOCATION {
        make_disk();
        status outcome = mount_try();
        bool is_mounted = is_ok(outcome);
        if (is_mounted) outcome = live();
        /* PERMISSION_DENIED: the recovery had too little, and the volume is for reading. */
        CHECK(is_ok(outcome) || outcome.code == STATUS_OUT_OF_MEMORY ||
              outcome.code == STATUS_PERMISSION_DENIED);
        if (is_mounted) unmount();
        check_disk(UINT32_MAX);
        disk_log_deinit(&disk);
    }
}

TEST(when_a_command_of_the_disk_fails_it_is_told_and_the_volume_is_sound)
{
    for (uint64_t i = 0;; i++) {
        begin();
        disk.failing_request = disk.request_count + i;
        status outcome = live();
        bool has_failed = disk.request_count > disk.failing_request;
        disk.failing_request = UINT64_MAX;
        CHECK(is_ok(outcome) || outcome.code == STATUS_IO_ERROR);
        if (!has_failed) CHECK_STATUS(OK, outcome);
        unmount();
        check_disk(UINT32_MAX);
        disk_log_deinit(&disk);
        if (!has_failed) break;
    }
}

/* Syncs with one request failing, and again; what was written is there. False: none failed. */
static bool sync_with_failure(struct object *file, uint64_t failing)
{
    disk.failing_request = disk.request_count + failing;
    status told = vfs_sync(file);
    bool has_failed = disk.request_count > disk.failing_request;
    disk.failing_request = UINT64_MAX;
    CHECK_EQUAL(has_failed ? STATUS_IO_ERROR : STATUS_OK, told.code);
    CHECK_STATUS(OK, vfs_sync(file));
    page_cache_reclaim(1000);
    check_pattern(file, 9000);
    return has_failed;
}

TEST(a_failure_of_writing_is_told_by_the_next_sync_and_not_again)
{
    bool has_failed = true;
    for (uint64_t i = 0; has_failed; i++) {
        begin();
        object_result made = vfs_create(top, TEXT("file"), ABI_KIND_FILE);
        CHECK_STATUS(OK, made.status);
        CHECK_STATUS(OK, vfs_sync(top));
        CHECK_STATUS(OK, write_pattern(made.value, 0, 9000));
        has_failed = sync_with_failure(made.value, i);
        object_put(made.value);
        end();
    }
}

TEST(a_cut_file_loses_its_clusters_and_what_was_behind_never_comes_back)
{
    begin();
    CHECK_STATUS(OK, make_file(TEXT("file"), 20000));
    struct object *file = open_path(TEXT("file"));
    CHECK_EQUAL(700, vfs_truncate(file, 700).value);
    check_pattern(file, 700);
    CHECK_EQUAL(9000, vfs_truncate(file, 9000).value);
    CHECK_STATUS(OK, vfs_sync(file));
    page_cache_reclaim(1000);
    span.length = SPAN_BYTES;
    CHECK_EQUAL(9000, vfs_read(file, 0, &span).value);
    buffer_read(span.buffer, 0, bytes, 9000);
    for (uint32_t i = 0; i < 9000; i++)
        CHECK_EQUAL(i < 700 ? byte_at(i) : 0, bytes[i]);
    object_put(file);
    end();
}

TEST(a_full_volume_says_so_and_has_room_again_when_something_is_removed)
{
    begin();
    char name[32];
    uint32_t count = 0;
    status made = OK;
    while (is_ok(made)) {
        int length = snprintf(name, sizeof(name), "file number %u", count++);
        made = make_file((text){name, (size_t)length}, 20000);
    }
    CHECK_STATUS(NO_SPACE, made);
    CHECK(count > 10);
    CHECK_STATUS(OK, vfs_sync(top));
    check_disk(FAT_LEFT_IN_USE | FAT_LEFT_NO_COUNTS);
    CHECK_STATUS(OK, vfs_remove(top, TEXT("file number 0"), ABI_KIND_FILE));
    /* Before the worker comes by. */
    struct object *file = open_path(TEXT("file number 1"));
    CHECK_STATUS(OK, write_pattern(file, 20000, 19000));
    check_pattern(file, 39000);
    object_put(file);
    end();
}
