/*
 * Reads images that mkfs.fat and mtools made, through the whole stack down to block requests, and
 * compares every name and every byte with the tree they were made from.
 */
#include "arch/host/host.h"
#include "base/checked.h"
#include "device/block_device.h"
#include "fs/fat32/fat32_mount.h"
#include "fs/vfs/name_cache.h"
#include "fs/vfs/page_cache.h"
#include "fs/vfs/vfs.h"
#include "mm/direct_map.h"
#include "support/single_thread_mutex.h"
#include "support/test.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- a disk that is a file ---- */

static int image;
static uint32_t requests;

status block_submit_and_wait(struct block_device *device, struct block_request *request)
{
    CHECK_STATUS(OK, block_request_check(device, request));
    requests++;
    off_t at = (off_t)(request->first_sector * device->sector_bytes);
    for (uint32_t i = 0; i < request->piece_count; i++) {
        const struct block_piece *piece = &request->pieces[i];
        ssize_t read = pread(image, direct_map(piece->start), piece->length_bytes, at);
        if (read != (ssize_t)piece->length_bytes) return FAIL(IO_ERROR);
        at += piece->length_bytes;
    }
    return OK;
}

status block_read(struct block_device *device, uint64_t first_sector, uint32_t sector_count,
                  void *memory)
{
    for (uint32_t done = 0; done < sector_count;) {
        uint32_t stretch = min_of(sector_count - done, device->sectors_per_request_max);
        uint8_t *to = (uint8_t *)memory + (uint64_t)done * device->sector_bytes;
        struct block_request request = {
            .direction = BLOCK_READ,
            .first_sector = first_sector + done,
            .sector_count = stretch,
            .piece_count = 1,
            .pieces = {{direct_map_reverse(to), stretch * device->sector_bytes}},
        };
        TRY(block_submit_and_wait(device, &request));
        done += stretch;
    }
    return OK;
}

/* The images stay as mkfs.fat and mtools have made them. */
status block_write(struct block_device *device, uint64_t first_sector, uint32_t sector_count,
                   const void *memory)
{
    (void)device, (void)first_sector, (void)sector_count, (void)memory;
    return FAIL(PERMISSION_DENIED);
}

status block_flush(struct block_device *device)
{
    (void)device;
    return OK;
}

/* ---- the images, made once ---- */

static char work[] = "/tmp/peal-fat-XXXXXX";

/* Runs a command with one or two arguments; its exit code, or 127. */
static int run(const char *command, const char *argument, const char *second_argument)
{
    pid_t child = fork();
    if (child == 0) {
        execlp(command, command, argument, second_argument, nullptr);
        _exit(127);
    }
    int how;
    return waitpid(child, &how, 0) == child && WIFEXITED(how) ? WEXITSTATUS(how) : 127;
}

static void remove_images(void)
{
    run("rm", "-rf", work);
}

static void make_images(void)
{
    static bool is_made;
    if (is_made) return;
    CHECK(mkdtemp(work) != nullptr);
    atexit(remove_images);
    int code = run("tests/support/make_fat_images", work, nullptr);
    if (code == 77) test_skip("mkfs.fat or mtools is not installed");
    CHECK_EQUAL(0, code);
    host_memory_init();
    CHECK_STATUS(OK, vfs_init());
    is_made = true;
}

/* ---- comparing ---- */

static uint32_t files_compared, directories_compared;

static uint64_t count_listed(struct object *directory)
{
    buffer_result made = buffer_create(&(struct buffer_options){.size_bytes = PAGE_BYTES});
    CHECK_STATUS(OK, made.status);
    buffer_pin pin = {.buffer = made.value, .length = PAGE_BYTES};
    static uint8_t bytes[PAGE_BYTES];
    uint64_t count = 0, cookie = 0;
    for (;;) {
        size_result listed = vfs_enumerate(directory, cookie, &pin);
        CHECK_STATUS(OK, listed.status);
        if (listed.value == 0) break;
        buffer_read(pin.buffer, 0, bytes, listed.value);
        for (uint64_t at = 0; at < listed.value; count++) {
            const struct abi_directory_entry *record = (void *)(bytes + at);
            object_result found =
                vfs_open(directory, (text){(const char *)(record + 1), record->name_bytes});
            CHECK_STATUS(OK, found.status); /* whatever is listed can be opened */
            CHECK_EQUAL(record->kind, object_kind(found.value));
            object_put(found.value);
            cookie = record->next_cookie;
            at += record->record_bytes;
        }
    }
    buffer_pin_drop(&pin);
    return count;
}

static void compare_file(struct object *opened, const char *path)
{
    static uint8_t expected[1 << 20], actual[1 << 20];
    int file = open(path, O_RDONLY);
    CHECK(file >= 0);
    ssize_t size = read(file, expected, sizeof(expected));
    close(file);
    struct vnode *vnode = vfs_vnode(opened);
    CHECK_EQUAL(size, vnode->size_bytes);
    CHECK_EQUAL(981173106000000000ull, vnode->modified_ns);
    /* Backwards in odd steps first, so that pages are found in no good order. */
    for (ssize_t at = size; at > 0; at -= 20011) {
        uint64_t start = at > 100 ? (uint64_t)at - 100 : 0;
        CHECK_EQUAL((uint64_t)at - start,
                    vfs_read_kernel(vnode, start, actual, (uint64_t)at - start).value);
        CHECK_BYTES(expected + start, actual, (uint64_t)at - start);
    }
    size_result read_back = vfs_read_kernel(vnode, 0, actual, sizeof(actual));
    CHECK_STATUS(OK, read_back.status);
    CHECK_EQUAL(size, read_back.value);
    CHECK_BYTES(expected, actual, (size_t)size);
    files_compared++;
}

/* As deep as the tree the test has made itself. */
static void compare_directory(struct object *opened, const char *path)
{
    DIR *directory = opendir(path);
    CHECK(directory != nullptr);
    uint64_t count = 0;
    for (const struct dirent *entry; (entry = readdir(directory)) != nullptr;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        char inner[4096];
        snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
        object_result found = vfs_open(opened, (text){entry->d_name, strlen(entry->d_name)});
        if (!is_ok(found.status)) test_fail(__FILE__, __LINE__, "not found: %s", inner);
        struct stat about;
        CHECK_EQUAL(0, stat(inner, &about));
        if (S_ISDIR(about.st_mode))
            compare_directory(found.value, inner);
        else
            compare_file(found.value, inner);
        object_put(found.value);
        count++;
    }
    closedir(directory);
    CHECK_EQUAL(count, count_listed(opened));
    directories_compared++;
}

static void compare_image(const char *name, uint32_t sector_bytes, uint32_t sectors_per_request)
{
    make_images();
    char path[256], tree[256];
    snprintf(path, sizeof(path), "%s/%s.image", work, name);
    snprintf(tree, sizeof(tree), "%s/tree", work);
    image = open(path, O_RDONLY);
    struct stat about;
    CHECK_EQUAL(0, fstat(image, &about));
    static struct block_device device;
    device = (struct block_device){
        .name = "image",
        .sector_bytes = sector_bytes,
        .sector_count = (uint64_t)about.st_size / sector_bytes,
        .sectors_per_request_max = sectors_per_request,
    };
    text reason;
    vnode_result root = fat32_mount(&device, &reason);
    CHECK_STATUS(OK, root.status);
    object_result opened = vfs_open_vnode(root.value);
    CHECK_STATUS(OK, opened.status);
    files_compared = directories_compared = 0;
    compare_directory(opened.value, tree);
    CHECK(files_compared > 350);
    CHECK(directories_compared > 30);
    object_put(opened.value);
    name_cache_empty();
    CHECK_EQUAL(1, root.value->references);
    CHECK_EQUAL(0, page_cache_pages());
    fat32_unmount(root.value);
    close(image);
}

TEST(clusters_of_one_sector)
{
    compare_image("sector_clusters", 512, 128);
}

TEST(clusters_smaller_than_a_page)
{
    compare_image("two_kib", 512, 1024);
}

TEST(clusters_of_a_page)
{
    compare_image("four_kib", 512, 3); /* a device that takes little at a time */
}

TEST(clusters_of_many_pages)
{
    compare_image("thirty_two_kib", 512, 128);
}

TEST(sectors_of_a_page)
{
    compare_image("large_sectors", 4096, 16);
}

TEST(sectors_larger_than_the_device_has)
{
    compare_image("large_sectors", 512, 128);
}

TEST(a_volume_with_one_table)
{
    compare_image("one_table", 512, 128);
}
