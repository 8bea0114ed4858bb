#include "fs/devices/devices.h"
#include "fs/vfs/vfs.h"
#include "support/test.h"

static struct block_device disk = {
    .name = "disk7", .sector_bytes = 512, .sector_count = 100, .sectors_per_request_max = 8};
static struct vnode *directory;

static void make_directory(void)
{
    if (directory != nullptr) return;
    CHECK_STATUS(OK, block_device_register(&disk));
    vnode_result made = devices_open();
    CHECK_STATUS(OK, made.status);
    directory = made.value;
}

static struct object *open_disk(void)
{
    make_directory();
    vnode_result found = directory->operations->look_up(directory, TEXT("disk7"));
    CHECK_STATUS(OK, found.status);
    object_result opened = found.value->operations->open(found.value);
    vnode_put(found.value);
    CHECK_STATUS(OK, opened.status);
    return opened.value;
}

TEST(a_device_is_found_by_its_name_and_tells_about_itself)
{
    struct object *opened = open_disk();
    CHECK_EQUAL(ABI_KIND_BLOCK_DEVICE, object_kind(opened));
    CHECK(device_object_device(opened) == &disk);
    struct abi_stat stat = {0};
    atomic_store(&disk.flushes, 3);
    device_object_fill_stat(opened, &stat);
    CHECK_EQUAL(51200, stat.size_bytes);
    CHECK_EQUAL(100, stat.block.sector_count);
    CHECK_EQUAL(512, stat.block.sector_bytes);
    CHECK_EQUAL(3, stat.block.flushes);
    object_put(opened);
    CHECK_STATUS(NOT_FOUND, directory->operations->look_up(directory, TEXT("disk")).status);
}

TEST(a_writer_has_a_claim_until_it_is_closed)
{
    struct object *opened = open_disk();
    CHECK_STATUS(OK, block_device_claim(&disk, BLOCK_CLAIM_VOLUME));
    CHECK_STATUS(BUSY, device_object_claim(opened));
    block_device_unclaim(&disk, BLOCK_CLAIM_VOLUME);
    CHECK_STATUS(OK, device_object_claim(opened));
    CHECK_STATUS(OK, device_object_claim(opened));
    CHECK_STATUS(BUSY, block_device_claim(&disk, BLOCK_CLAIM_VOLUME));
    object_put(opened);
    CHECK_STATUS(OK, block_device_claim(&disk, BLOCK_CLAIM_VOLUME));
    block_device_unclaim(&disk, BLOCK_CLAIM_VOLUME);
}

static bool keep_entry(void *context, const struct abi_directory_entry *entry, text name)
{
    CHECK_EQUAL(ABI_KIND_BLOCK_DEVICE, entry->kind);
    CHECK_EQUAL(51200, entry->size_bytes);
    CHECK(text_equal(name, TEXT("disk7")));
    *(uint64_t *)context = entry->next_cookie;
    return true;
}

TEST(all_devices_are_listed_once)
{
    make_directory();
    uint64_t cookie = 0;
    CHECK_STATUS(OK, directory->operations->enumerate(directory, 0, keep_entry, &cookie));
    CHECK_EQUAL(1, cookie);
    uint64_t none = 0;
    CHECK_STATUS(OK, directory->operations->enumerate(directory, cookie, keep_entry, &none));
    CHECK_EQUAL(0, none);
}

TEST(no_memory_for_a_handle_is_an_error)
{
    make_directory();
    vnode_result found = directory->operations->look_up(directory, TEXT("disk7"));
    FOR_EACH_FAILING_ALLOCATION {
        object_result opened = found.value->operations->open(found.value);
        if (is_ok(opened.status))
            object_put(opened.value);
        else
            CHECK_STATUS(OUT_OF_MEMORY, opened.status);
    }
    vnode_put(found.value);
}
