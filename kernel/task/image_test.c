#include "arch/host/host.h"
#include "base/address.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "mm/frame_pool.h"
#include "support/test.h"
#include "task/image.h"
#include <abi/ops.h>
#include <string.h>

/* A program of one page of headers and code, and data whose first bytes are `version`. */
enum { FILE_BYTES = 0x2000 };

struct file {
    uint8_t bytes[FILE_BYTES];
    uint32_t reads;
    uint64_t fail_from; /* reads that reach this offset fail */
};

static status read_file(void *context, uint64_t offset, void *to, uint64_t length)
{
    struct file *file = context;
    CHECK(span_fits(offset, length, FILE_BYTES));
    file->reads++;
    if (offset + length > file->fail_from) return FAIL(IO_ERROR);
    memcpy(to, file->bytes + offset, length);
    return OK;
}

static void segment(struct file *file, uint32_t index, uint32_t flags, uint64_t offset,
                    uint64_t file_bytes, uint64_t memory_bytes)
{
    uint8_t *header = file->bytes + 64 + index * 56;
    store_le32(header, 1);
    store_le32(header + 4, flags);
    store_le64(header + 8, offset);
    store_le64(header + 16, offset);
    store_le64(header + 32, file_bytes);
    store_le64(header + 40, memory_bytes);
    store_le64(header + 48, PAGE_BYTES);
}

static struct file program(uint8_t version)
{
    struct file file = {.fail_from = UINT64_MAX};
    memcpy(file.bytes,
           "\x7f"
           "ELF\x02\x01\x01",
           7);
    store_le16(file.bytes + 16, 3);
    store_le16(file.bytes + 18, 62);
    store_le32(file.bytes + 20, 1);
    store_le64(file.bytes + 24, 0x200);
    store_le64(file.bytes + 32, 64);
    store_le16(file.bytes + 52, 64);
    store_le16(file.bytes + 54, 56);
    store_le16(file.bytes + 56, 2);
    segment(&file, 0, 5, 0, 0x300, 0x300);
    segment(&file, 1, 6, 0x1100, 0x700, 0x3000);
    memset(file.bytes + 0x1100, version, 0x700);
    return file;
}

static struct image_source source_of(struct file *file, uint64_t identity, uint64_t version)
{
    return (struct image_source){
        .identity = identity,
        .version = version,
        .size_bytes = FILE_BYTES,
        .context = file,
        .read = read_file,
    };
}

static void start(void)
{
    static bool has_started;
    host_memory_init();
    if (!has_started) image_init();
    has_started = true;
    image_reclaim(UINT64_MAX);
}

static struct image *load(struct file *file, uint64_t identity, uint64_t version)
{
    struct image_source source = source_of(file, identity, version);
    enum abi_not_executable reason = ABI_NOT_EXECUTABLE_NONE;
    image_result loaded = image_load(&source, &reason);
    CHECK_STATUS(OK, loaded.status);
    return loaded.value;
}

TEST(segments_hold_the_files_bytes_and_zeros_behind_them)
{
    start();
    struct file file = program('v');
    struct image *image = load(&file, 1, 1);
    CHECK_EQUAL(2, image_layout(image)->segment_count);
    struct buffer *data = image_segment(image, 1);
    CHECK_EQUAL(4 * PAGE_BYTES, buffer_size(data));
    CHECK_EQUAL(PAGE_BYTES, buffer_committed_bytes(data)); /* the rest is a hole */
    uint8_t bytes[4];
    buffer_read(data, 0x0fe, bytes, 4);
    CHECK_BYTES("\0\0vv", bytes, 4);
    buffer_read(data, 0x7fe, bytes, 4);
    CHECK_BYTES("vv\0\0", bytes, 4);
    image_put(image);
}

TEST(an_image_is_read_once_and_found_again)
{
    start();
    struct file file = program('v');
    struct image *first = load(&file, 2, 1);
    uint32_t reads = file.reads;
    CHECK(load(&file, 2, 1) == first);
    image_put(first);
    image_put(first);
    CHECK(image_find(2, 1) == first); /* kept, though nobody ran it */
    image_put(first);
    CHECK_EQUAL(reads, file.reads);
    CHECK(image_find(2, 2) == nullptr);
}

TEST(a_newer_version_takes_the_place_of_the_old_one)
{
    start();
    struct file old_file = program('o'), new_file = program('n');
    struct image *old = load(&old_file, 3, 1);
    struct image *newer = load(&new_file, 3, 2);
    CHECK(old != newer);
    CHECK(image_find(3, 1) == nullptr);
    uint8_t byte;
    buffer_read(image_segment(old, 1), 0x100, &byte, 1);
    CHECK_EQUAL('o', byte); /* who runs it keeps it */
    image_put(old);
    image_put(newer);
}

TEST(short_memory_takes_idle_images_the_longest_unused_first)
{
    start();
    struct file file = program('v');
    uint64_t free_before = frame_pool_count().free_frames;
    struct image *busy = load(&file, 10, 1);
    for (uint64_t i = 11; i < 14; i++)
        image_put(load(&file, i, 1));
    image_put(load(&file, 11, 1)); /* used again: now the youngest */
    CHECK(image_reclaim(1) >= 1);
    CHECK(image_find(12, 1) == nullptr);
    struct image *kept = image_find(11, 1);
    CHECK(kept != nullptr);
    image_put(kept);
    image_reclaim(UINT64_MAX);
    CHECK(image_find(11, 1) == nullptr);
    struct image *same = image_find(10, 1);
    CHECK(same == busy);
    image_put(same);
    image_put(busy);
    image_reclaim(UINT64_MAX);
    CHECK_EQUAL(free_before, frame_pool_count().free_frames);
}

TEST(what_cannot_be_read_or_is_no_program_leaves_nothing)
{
    start();
    uint64_t free_before = frame_pool_count().free_frames;
    struct file file = program('v');
    struct image_source source = source_of(&file, 20, 1);
    enum abi_not_executable reason = ABI_NOT_EXECUTABLE_NONE;
    for (uint64_t fail_from = 0; fail_from < 0x1800; fail_from += 0x400) {
        file.fail_from = fail_from;
        CHECK_STATUS(IO_ERROR, image_load(&source, &reason).status);
    }
    file.fail_from = UINT64_MAX;
    file.bytes[0] = '#';
    CHECK_STATUS(NOT_EXECUTABLE, image_load(&source, &reason).status);
    CHECK(text_equal(elf_reason(reason), TEXT("it is not an ELF file")));
    source.size_bytes = 0;
    CHECK_STATUS(NOT_EXECUTABLE, image_load(&source, &reason).status);
    CHECK_EQUAL(free_before, frame_pool_count().free_frames);
}

TEST(every_allocation_that_fails_leaves_the_cache_usable)
{
    start();
    struct file file = program('v');
    struct image_source source = source_of(&file, 30, 1);
    uint64_t free_before = frame_pool_count().free_frames;
    FOR_EACH_FAILING_ALLOCATION {
        enum abi_not_executable reason = ABI_NOT_EXECUTABLE_NONE;
        image_result loaded = image_load(&source, &reason);
        if (is_ok(loaded.status))
            image_put(loaded.value);
        else
            CHECK_STATUS(OUT_OF_MEMORY, loaded.status);
        image_reclaim(UINT64_MAX);
        CHECK_EQUAL(free_before, frame_pool_count().free_frames);
    }
}
