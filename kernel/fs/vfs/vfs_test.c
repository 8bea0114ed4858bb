#include "arch/host/host.h"
#include "fs/vfs/name_cache.h"
#include "fs/vfs/page_cache.h"
#include "fs/vfs/vfs.h"
#include "mm/direct_map.h"
#include "mm/heap.h"
#include "support/single_thread_mutex.h"
#include "support/test.h"
#include <abi/ring.h>
#include <stdio.h>
#include <string.h>

/*
 * A volume of one directory "folder" with one file "file", whose byte n is a function of n.
 */
struct toy_file {
    struct vnode vnode;
    bool is_released;
};
static struct toy_file folder, file;
static uint32_t look_ups, requests, pages_read;
static uint64_t failing_page; /* reading it fails */

static uint8_t byte_at(uint64_t offset)
{
    return (uint8_t)(offset * 7 + offset / 4096);
}

static vnode_result toy_look_up(struct vnode *directory, text name)
{
    look_ups++;
    CHECK(directory == &folder.vnode);
    if (!text_equal(name, TEXT("file"))) return (vnode_result){.status = FAIL(NOT_FOUND)};
    vnode_get(&file.vnode);
    return (vnode_result){.value = &file.vnode};
}

static status toy_enumerate(struct vnode *directory, uint64_t cookie, directory_visitor *visit,
                            void *context)
{
    static const char *const names[] = {"a", "second one", "the third"};
    (void)directory;
    for (uint64_t i = cookie; i < 3; i++) {
        struct abi_directory_entry record = {
            .kind = ABI_KIND_FILE, .next_cookie = i + 1, .size_bytes = 100 + i};
        if (!visit(context, &record, (text){names[i], strlen(names[i])})) break;
    }
    return OK;
}

static status toy_read_pages(struct vnode *vnode, uint64_t first_page, uint32_t count,
                             const physical_address *frames)
{
    CHECK(vnode == &file.vnode);
    requests++;
    for (uint32_t i = 0; i < count; i++) {
        if (first_page + i == failing_page) return FAIL(IO_ERROR);
        uint8_t *page = direct_map(frames[i]);
        for (uint32_t at = 0; at < PAGE_BYTES; at++) {
            uint64_t offset = (first_page + i) * PAGE_BYTES + at;
            page[at] = offset < vnode->size_bytes ? byte_at(offset) : 0;
        }
    }
    pages_read += count;
    return OK;
}

static void toy_release(struct vnode *vnode)
{
    container_of(vnode, struct toy_file, vnode)->is_released = true;
}

static const struct vnode_operations toy_operations = {
    .look_up = toy_look_up,
    .enumerate = toy_enumerate,
    .read_pages = toy_read_pages,
    .release = toy_release,
};

static void make_volume(uint64_t file_bytes)
{
    static bool is_ready;
    if (!is_ready) {
        host_memory_init();
        CHECK_STATUS(OK, vfs_init());
        is_ready = true;
    }
    static uint64_t identities = 1;
    folder.is_released = file.is_released = false;
    vnode_init(&folder.vnode, &toy_operations, ABI_KIND_DIRECTORY);
    vnode_init(&file.vnode, &toy_operations, ABI_KIND_FILE);
    folder.vnode.identity = vnode_identity(9, identities++);
    file.vnode.identity = vnode_identity(9, identities++);
    file.vnode.size_bytes = file_bytes;
    look_ups = requests = pages_read = 0;
    failing_page = UINT64_MAX;
}

static void drop_volume(void)
{
    name_cache_empty();
    vnode_put(&file.vnode);
    vnode_put(&folder.vnode);
    CHECK(file.is_released);
    CHECK(folder.is_released);
    CHECK_EQUAL(0, page_cache_pages());
}

static struct object *open_vnode(struct vnode *vnode)
{
    object_result opened = vfs_open_vnode(vnode);
    CHECK_STATUS(OK, opened.status);
    return opened.value;
}

static buffer_pin pin_of_bytes(uint64_t bytes)
{
    buffer_result made =
        buffer_create(&(struct buffer_options){.size_bytes = round_up(bytes + 100, PAGE_BYTES)});
    CHECK_STATUS(OK, made.status);
    return (buffer_pin){.buffer = made.value, .offset = 100, .length = bytes};
}

static bool pin_holds(const buffer_pin *pin, uint64_t offset, uint64_t length)
{
    static uint8_t copy[1 << 20];
    buffer_read(pin->buffer, pin->offset, copy, length);
    for (uint64_t i = 0; i < length; i++) {
        if (copy[i] != byte_at(offset + i)) return false;
    }
    return true;
}

/* ---- reading ---- */

TEST(a_read_of_what_is_not_in_memory_would_block_and_moves_nothing)
{
    make_volume(10000);
    struct object *open = open_vnode(&file.vnode);
    buffer_pin pin = pin_of_bytes(4096);
    CHECK_STATUS(WOULD_BLOCK, vfs_read_cached(open, ABI_OFFSET_CURRENT, &pin).status);
    CHECK_EQUAL(0, requests);
    size_result read = vfs_read(open, ABI_OFFSET_CURRENT, &pin);
    CHECK_STATUS(OK, read.status);
    CHECK_EQUAL(4096, read.value);
    CHECK(pin_holds(&pin, 0, 4096));
    CHECK_EQUAL(4096, vfs_seek(open, 0, ABI_SEEK_CURRENT).value);
    buffer_pin_drop(&pin);
    object_put(open);
    drop_volume();
}

TEST(reads_at_every_edge_give_the_bytes_of_the_file_and_no_more)
{
    static const uint64_t edges[] = {0, 1, 4095, 4096, 4097, 8191, 8192, 9999, 10000, 10001};
    make_volume(10000);
    struct object *open = open_vnode(&file.vnode);
    for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
        for (size_t j = 0; j < sizeof(edges) / sizeof(edges[0]); j++) {
            uint64_t start = edges[i], length = edges[j];
            uint64_t expected = start >= 10000           ? 0
                                : start + length > 10000 ? 10000 - start
                                                         : length;
            buffer_pin pin = pin_of_bytes(length);
            size_result read = vfs_read(open, start, &pin);
            CHECK_STATUS(OK, read.status);
            CHECK_EQUAL(expected, read.value);
            CHECK(pin_holds(&pin, start, expected));
            read = vfs_read_cached(open, start, &pin);
            CHECK_STATUS(OK, read.status);
            CHECK_EQUAL(expected, read.value);
            buffer_pin_drop(&pin);
        }
    }
    CHECK_EQUAL(0, vfs_seek(open, 0, ABI_SEEK_CURRENT).value);
    CHECK_EQUAL(3, pages_read); /* each page once */
    object_put(open);
    drop_volume();
}

TEST(an_offset_beyond_all_numbers_reads_nothing)
{
    make_volume(10000);
    struct object *open = open_vnode(&file.vnode);
    buffer_pin pin = pin_of_bytes(4096);
    size_result read = vfs_read_cached(open, UINT64_MAX - 1, &pin);
    CHECK_STATUS(OK, read.status);
    CHECK_EQUAL(0, read.value);
    buffer_pin_drop(&pin);
    object_put(open);
    drop_volume();
}

TEST(sequential_reading_asks_for_more_each_time_up_to_thirty_two_pages)
{
    make_volume(100 * PAGE_BYTES);
    struct object *open = open_vnode(&file.vnode);
    buffer_pin pin = pin_of_bytes(1000);
    for (uint64_t done = 0; done < 100 * PAGE_BYTES;) {
        size_result read = vfs_read(open, ABI_OFFSET_CURRENT, &pin);
        CHECK_STATUS(OK, read.status);
        CHECK(pin_holds(&pin, done, read.value));
        done += read.value;
    }
    CHECK_EQUAL(100, pages_read);
    CHECK_EQUAL(5, requests); /* 8, 16, then 32 each */
    CHECK_EQUAL(100 * PAGE_BYTES, vfs_cache_bytes());
    buffer_pin_drop(&pin);
    object_put(open);
    drop_volume();
}

TEST(random_reading_does_not_read_far_ahead)
{
    make_volume(1000 * PAGE_BYTES);
    uint8_t byte;
    for (uint64_t i = 0; i < 10; i++)
        CHECK_STATUS(OK,
                     vfs_read_kernel(&file.vnode, (990 - 97 * i) * PAGE_BYTES, &byte, 1).status);
    CHECK_EQUAL(10, requests);
    CHECK(pages_read <= 40);
    drop_volume();
}

TEST(a_bad_page_spoils_only_itself)
{
    make_volume(40 * PAGE_BYTES);
    failing_page = 3;
    uint64_t free_before = frame_pool_count().free_frames;
    uint8_t bytes[10];
    for (uint64_t page = 0; page < 8; page++) {
        status read = vfs_read_kernel(&file.vnode, page * PAGE_BYTES, bytes, 10).status;
        CHECK_EQUAL(page == 3 ? STATUS_IO_ERROR : STATUS_OK, read.code);
    }
    drop_volume();
    CHECK_EQUAL(free_before, frame_pool_count().free_frames);
}

TEST(reading_into_kernel_memory_crosses_pages_and_stops_at_the_end)
{
    make_volume(30000);
    static uint8_t bytes[30000];
    size_result read = vfs_read_kernel(&file.vnode, 123, bytes, sizeof(bytes));
    CHECK_STATUS(OK, read.status);
    CHECK_EQUAL(30000 - 123, read.value);
    for (uint64_t i = 0; i < read.value; i++)
        CHECK_EQUAL(byte_at(123 + i), bytes[i]);
    drop_volume();
}

TEST(pages_are_given_up_oldest_first_and_read_again_when_needed)
{
    make_volume(200 * PAGE_BYTES);
    static uint8_t bytes[200 * PAGE_BYTES];
    CHECK_STATUS(OK, vfs_read_kernel(&file.vnode, 0, bytes, sizeof(bytes)).status);
    CHECK_EQUAL(200, page_cache_pages());
    uint64_t free_before = frame_pool_count().free_frames;
    CHECK_EQUAL(50, page_cache_reclaim(50));
    CHECK_EQUAL(150, page_cache_pages());
    CHECK_EQUAL(free_before + 50, frame_pool_count().free_frames);
    CHECK_EQUAL(150, page_cache_reclaim(1000));
    CHECK_EQUAL(0, page_cache_reclaim(1));
    CHECK_STATUS(OK, vfs_read_kernel(&file.vnode, 777, bytes, 5000).status);
    for (uint64_t i = 0; i < 5000; i++)
        CHECK_EQUAL(byte_at(777 + i), bytes[i]);
    drop_volume();
}

TEST(a_page_in_use_outlives_those_that_are_not)
{
    make_volume(64 * PAGE_BYTES);
    static uint8_t bytes[64 * PAGE_BYTES];
    CHECK_STATUS(OK, vfs_read_kernel(&file.vnode, 0, bytes, sizeof(bytes)).status);
    CHECK_EQUAL(1, page_cache_reclaim(1)); /* the hand has come by all others once */
    CHECK_STATUS(OK, vfs_read_kernel(&file.vnode, 10 * PAGE_BYTES, bytes, 1).status);
    CHECK_EQUAL(62, page_cache_reclaim(62));
    requests = 0;
    CHECK_STATUS(OK, vfs_read_kernel(&file.vnode, 10 * PAGE_BYTES, bytes, 1).status);
    CHECK_EQUAL(0, requests);
    drop_volume();
}

/* ---- positions ---- */

TEST(seeking_is_clamped_to_the_file)
{
    make_volume(1000);
    struct object *open = open_vnode(&file.vnode);
    CHECK_EQUAL(10, vfs_seek(open, 10, ABI_SEEK_SET).value);
    CHECK_EQUAL(15, vfs_seek(open, 5, ABI_SEEK_CURRENT).value);
    CHECK_EQUAL(0, vfs_seek(open, -16, ABI_SEEK_CURRENT).value);
    CHECK_EQUAL(990, vfs_seek(open, -10, ABI_SEEK_END).value);
    CHECK_EQUAL(1000, vfs_seek(open, 11, ABI_SEEK_CURRENT).value);
    CHECK_EQUAL(1000, vfs_seek(open, INT64_MAX, ABI_SEEK_CURRENT).value);
    CHECK_EQUAL(0, vfs_seek(open, INT64_MIN, ABI_SEEK_END).value);
    CHECK_EQUAL(0, vfs_seek(open, -1, ABI_SEEK_SET).value);
    CHECK_STATUS(INVALID_ARGUMENT, vfs_seek(open, 0, 3).status);
    object_put(open);
    drop_volume();
}

/* ---- opening ---- */

TEST(a_name_found_once_is_found_again_without_waiting)
{
    make_volume(1000);
    struct object *directory = open_vnode(&folder.vnode);
    CHECK_STATUS(WOULD_BLOCK, vfs_open_cached(directory, TEXT("file")).status);
    object_result opened = vfs_open(directory, TEXT("file"));
    CHECK_STATUS(OK, opened.status);
    CHECK_EQUAL(ABI_KIND_FILE, object_kind(opened.value));
    CHECK(vfs_vnode(opened.value) == &file.vnode);
    object_put(opened.value);
    opened = vfs_open_cached(directory, TEXT("file"));
    CHECK_STATUS(OK, opened.status);
    object_put(opened.value);
    CHECK_EQUAL(1, look_ups);
    object_put(directory);
    drop_volume();
}

TEST(paths_through_files_and_to_nothing_are_not_found)
{
    make_volume(1000);
    struct object *directory = open_vnode(&folder.vnode);
    CHECK_STATUS(NOT_FOUND, vfs_open(directory, TEXT("nothing")).status);
    CHECK_STATUS(NOT_FOUND, vfs_open(directory, TEXT("file/below")).status);
    CHECK_STATUS(PERMISSION_DENIED, vfs_open(directory, TEXT("../file")).status);
    CHECK_STATUS(INVALID_ARGUMENT, vfs_open(directory, TEXT("")).status);
    object_put(directory);
    drop_volume();
}

TEST(the_name_cache_is_bounded_and_lets_go_of_what_it_forgets)
{
    make_volume(1000);
    for (uint32_t i = 0; i < 5 * NAME_CACHE_SLOTS; i++) {
        char name[8];
        int length = snprintf(name, sizeof(name), "%u", i);
        name_cache_add(&folder.vnode, (text){name, (size_t)length}, &file.vnode,
                       name_cache_changes());
    }
    CHECK(file.vnode.references <= 1 + NAME_CACHE_SLOTS);
    struct vnode *last = name_cache_find(&folder.vnode, TEXT("5119"));
    CHECK(last == &file.vnode);
    vnode_put(last);
    CHECK(name_cache_find(&folder.vnode, TEXT("no such name")) == nullptr);
    CHECK(name_cache_find(&file.vnode, TEXT("5119")) == nullptr); /* another directory */
    drop_volume();
}

TEST(the_last_reference_gives_the_pages_back)
{
    make_volume(20 * PAGE_BYTES);
    uint8_t byte;
    uint64_t free_before = frame_pool_count().free_frames;
    CHECK_STATUS(OK, vfs_read_kernel(&file.vnode, 0, &byte, 1).status);
    CHECK(frame_pool_count().free_frames < free_before);
    drop_volume();
    CHECK_EQUAL(free_before, frame_pool_count().free_frames);
    CHECK(!vnode_get_try(&file.vnode));
}

/* ---- listing ---- */

TEST(entries_are_packed_and_go_on_where_the_span_was_full)
{
    make_volume(1000);
    struct object *directory = open_vnode(&folder.vnode);
    buffer_pin pin = pin_of_bytes(100); /* room for one at a time */
    size_result listed = vfs_enumerate(directory, 0, &pin);
    CHECK_STATUS(OK, listed.status);
    CHECK_EQUAL(48, listed.value);
    struct abi_directory_entry record;
    buffer_read(pin.buffer, pin.offset, &record, sizeof(record));
    CHECK_EQUAL(48, record.record_bytes);
    CHECK_EQUAL(1, record.name_bytes);
    CHECK_EQUAL(100, record.size_bytes);
    uint8_t name[8];
    buffer_read(pin.buffer, pin.offset + sizeof(record), name, 8);
    CHECK_BYTES("a\0\0\0\0\0\0", name, 8);
    uint32_t count = 1;
    while (true) {
        listed = vfs_enumerate(directory, record.next_cookie, &pin);
        CHECK_STATUS(OK, listed.status);
        if (listed.value == 0) break;
        buffer_read(pin.buffer, pin.offset, &record, sizeof(record));
        count++;
    }
    CHECK_EQUAL(3, count);
    pin.length = 47;
    CHECK_STATUS(OUT_OF_RANGE, vfs_enumerate(directory, 0, &pin).status);
    buffer_pin_drop(&pin);
    object_put(directory);
    drop_volume();
}

/* ---- the root ---- */

TEST(volumes_appear_in_the_root_under_their_names)
{
    make_volume(1000);
    CHECK_STATUS(OK, vfs_add_volume(TEXT("toy"), &folder.vnode));
    CHECK_STATUS(ALREADY_EXISTS, vfs_add_volume(TEXT("toy"), &file.vnode));
    CHECK_STATUS(OUT_OF_RANGE,
                 vfs_add_volume(TEXT("a name that is rather too long for it"), &file.vnode));
    struct object *root = open_vnode(vfs_root());
    object_result opened = vfs_open(root, TEXT("toy/file"));
    CHECK_STATUS(OK, opened.status);
    object_put(opened.value);
    CHECK_STATUS(NOT_FOUND, vfs_open(root, TEXT("Toy")).status);
    buffer_pin pin = pin_of_bytes(200);
    CHECK_EQUAL(48, vfs_enumerate(root, 0, &pin).value);
    CHECK_EQUAL(0, vfs_enumerate(root, 1, &pin).value);
    struct abi_stat stat = {0};
    vfs_fill_stat(root, &stat);
    CHECK_EQUAL(0, stat.file.volume);
    buffer_pin_drop(&pin);
    object_put(root);
    name_cache_empty();
    vnode_put(&folder.vnode); /* the root keeps one */
    vnode_put(&file.vnode);
}

/* ---- without memory ---- */

TEST(everything_fails_cleanly_when_memory_runs_out)
{
    make_volume(20 * PAGE_BYTES);
    uint64_t objects = heap_count().objects_taken, frames = frame_pool_count().free_frames;
    FOR_EACH_FAILING_ALLOCATION {
        object_result directory = vfs_open_vnode(&folder.vnode);
        object_result opened =
            is_ok(directory.status) ? vfs_open(directory.value, TEXT("file")) : directory;
        if (is_ok(directory.status)) object_put(directory.value);
        if (is_ok(opened.status)) {
            uint8_t bytes[5000];
            status read = vfs_read_kernel(vfs_vnode(opened.value), 100, bytes, 5000).status;
            CHECK(is_ok(read) || read.code == STATUS_OUT_OF_MEMORY);
            object_put(opened.value);
        } else {
            CHECK_STATUS(OUT_OF_MEMORY, opened.status);
        }
        name_cache_empty();
        page_cache_destroy(&file.vnode);
        CHECK_EQUAL(objects, heap_count().objects_taken);
        CHECK_EQUAL(frames, frame_pool_count().free_frames);
    }
    drop_volume();
}
