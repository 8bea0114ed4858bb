#include "arch/host/host.h"
#include "fs/archive/archive.h"
#include "fs/archive/ustar.h"
#include "fs/vfs/vfs.h"
#include "mm/direct_map.h"
#include "mm/heap.h"
#include "support/single_thread_mutex.h"
#include "support/test.h"
#include <stdio.h>
#include <string.h>

/* ---- an archive in memory, made entry by entry ---- */

struct test_archive {
    uint8_t bytes[65536];
    size_t length;
};

static void test_archive_sum(uint8_t *header)
{
    uint32_t sum = 0;
    memset(header + 148, ' ', 8);
    for (int i = 0; i < 512; i++)
        sum += header[i];
    snprintf((char *)header + 148, 8, "%06o", sum);
}

/* Appends a header and the content, padded; answers the header, whose sum must be renewed after
 * changes. */
static uint8_t *test_archive_add(struct test_archive *archive, char type, const char *name,
                                 const char *content)
{
    uint8_t *header = archive->bytes + archive->length;
    size_t size = strlen(content);
    memset(header, 0, 512);
    snprintf((char *)header, 100, "%s", name);
    memcpy(header + 100, "0000644", 8);
    snprintf((char *)header + 124, 12, "%011zo", size);
    snprintf((char *)header + 136, 12, "%011o", 946684800u);
    header[156] = (uint8_t)type;
    memcpy(header + 257,
           "ustar\0"
           "00",
           8);
    test_archive_sum(header);
    memset(header + 512, 0, (size + 511) / 512 * 512);
    memcpy(header + 512, content, size);
    archive->length += 512 + (size + 511) / 512 * 512;
    return header;
}

static void test_archive_end(struct test_archive *archive)
{
    memset(archive->bytes + archive->length, 0, 1024);
    archive->length += 1024;
}

/* ---- the format ---- */

static struct test_archive image;
static struct ustar_reader reader;
static struct ustar_entry entry;

static void read_image(void)
{
    reader = (struct ustar_reader){.bytes = image.bytes, .length = image.length};
}

static bool next_is_damage(const char *why)
{
    text reason;
    uint64_t before = reader.offset;
    status next = ustar_next(&reader, &entry, &reason);
    return next.code == STATUS_IO_ERROR && reader.offset == before &&
           text_equal(reason, (text){why, strlen(why)});
}

static status next_entry(void)
{
    text reason;
    return ustar_next(&reader, &entry, &reason);
}

static bool name_is(const char *name)
{
    return text_equal((text){entry.name, entry.name_bytes}, (text){name, strlen(name)});
}

TEST(entries_come_in_order_with_their_content)
{
    image.length = 0;
    test_archive_add(&image, '5', "bin/", "");
    test_archive_add(&image, '0', "bin/ls", "program");
    test_archive_add(&image, 0, "old", "");
    test_archive_add(&image, '2', "link", "");
    test_archive_end(&image);
    read_image();
    CHECK_STATUS(OK, next_entry());
    CHECK_EQUAL(USTAR_DIRECTORY, entry.kind);
    CHECK(name_is("bin"));
    CHECK_STATUS(OK, next_entry());
    CHECK_EQUAL(USTAR_FILE, entry.kind);
    CHECK(name_is("bin/ls"));
    CHECK_EQUAL(7, entry.size_bytes);
    CHECK_BYTES("program", entry.content, 7);
    CHECK_EQUAL(946684800, entry.modified_seconds);
    CHECK_STATUS(OK, next_entry());
    CHECK_EQUAL(USTAR_FILE, entry.kind);
    CHECK_STATUS(OK, next_entry());
    CHECK_EQUAL(USTAR_OTHER, entry.kind);
    CHECK_STATUS(NOT_FOUND, next_entry());
}

TEST(a_prefix_goes_before_the_name_and_both_may_fill_their_fields)
{
    char prefix[156] = {0}, name[101] = {0};
    memset(prefix, 'p', 155);
    memset(name, 'n', 100);
    image.length = 0;
    uint8_t *header = test_archive_add(&image, '0', "x", "");
    memcpy(header, name, 100);
    memcpy(header + 345, prefix, 155);
    test_archive_sum(header);
    test_archive_end(&image);
    read_image();
    CHECK_STATUS(OK, next_entry());
    CHECK_EQUAL(256, entry.name_bytes);
    CHECK_BYTES(prefix, entry.name, 155);
    CHECK_EQUAL('/', entry.name[155]);
    CHECK_BYTES(name, entry.name + 156, 100);
}

TEST(an_archive_that_ends_early_is_damaged_where_it_ends)
{
    image.length = 0;
    test_archive_add(&image, '0', "file", "content");
    image.length = 512 + 7; /* the padding may be missing */
    read_image();
    CHECK_STATUS(OK, next_entry());
    CHECK_STATUS(NOT_FOUND, next_entry());
    image.length = 512 + 6;
    read_image();
    CHECK(next_is_damage("it ends inside a file"));
    image.length = 511;
    read_image();
    CHECK(next_is_damage("it ends inside a header"));
}

TEST(headers_that_make_no_sense_are_damage)
{
    image.length = 0;
    uint8_t *header = test_archive_add(&image, '0', "file", "content");
    read_image();
    header[0] ^= 1;
    CHECK(next_is_damage("a header's checksum is wrong"));
    header[0] ^= 1;
    header[257] = 'U';
    test_archive_sum(header);
    CHECK(next_is_damage("a header is not one of a ustar archive"));
    header[257] = 'u';
    memset(header + 124, 0, 12);
    test_archive_sum(header);
    CHECK(next_is_damage("a header has a number that is none"));
    header[124] = 0x80; /* a size in base 256, which POSIX does not know */
    test_archive_sum(header);
    CHECK(next_is_damage("a header has a number that is none"));
    memcpy(header + 124, "777777777777", 12);
    test_archive_sum(header);
    CHECK(next_is_damage("it ends inside a file"));
    memcpy(header + 124, "00000000008 ", 12);
    test_archive_sum(header);
    CHECK(next_is_damage("a header has a number that is none"));
}

/* ---- as a volume ---- */

static struct vnode *look_up(struct vnode *directory, const char *name)
{
    vnode_result found = directory->operations->look_up(directory, (text){name, strlen(name)});
    return is_ok(found.status) ? found.value : nullptr;
}

static bool count_entry(void *context, const struct abi_directory_entry *record, text name)
{
    (void)record;
    (void)name;
    ++*(uint32_t *)context;
    return true;
}

static uint32_t entry_count(struct vnode *directory)
{
    uint32_t count = 0;
    CHECK_STATUS(OK, directory->operations->enumerate(directory, 0, count_entry, &count));
    return count;
}

TEST(an_archive_becomes_a_tree_with_the_directories_it_implies)
{
    image.length = 0;
    test_archive_add(&image, '0', "a/b/file", "content");
    test_archive_add(&image, '5', "a/", "");
    test_archive_add(&image, '0', "a/other", "");
    test_archive_end(&image);
    vnode_result opened = archive_open(image.bytes, image.length);
    CHECK_STATUS(OK, opened.status);
    struct vnode *root = opened.value;
    CHECK_EQUAL(1, entry_count(root));
    struct vnode *a = look_up(root, "a");
    CHECK(a != nullptr);
    CHECK_EQUAL(ABI_KIND_DIRECTORY, a->kind);
    CHECK_EQUAL(2, entry_count(a));
    struct vnode *b = look_up(a, "b");
    struct vnode *file = look_up(b, "file");
    CHECK(file != nullptr);
    CHECK_EQUAL(7, file->size_bytes);
    CHECK_EQUAL(946684800000000000ull, file->modified_ns);
    CHECK(look_up(root, "file") == nullptr);
    CHECK(look_up(root, "A") == nullptr); /* case counts here */
    vnode_put(file);
    vnode_put(b);
    vnode_put(a);
    archive_close(root);
}

TEST(names_that_lead_out_of_the_archive_are_left_out)
{
    image.length = 0;
    test_archive_add(&image, '0', "../escape", "x");
    test_archive_add(&image, '0', "/absolute", "x");
    test_archive_add(&image, '0', "a/../b", "x");
    test_archive_add(&image, '0', "a//b", "x");
    test_archive_add(&image, '5', "./", "");
    test_archive_add(&image, '1', "link", "");
    test_archive_add(&image, '0', "bad\xff", "x");
    test_archive_add(&image, '0', "good", "x");
    test_archive_end(&image);
    vnode_result opened = archive_open(image.bytes, image.length);
    CHECK_STATUS(OK, opened.status);
    CHECK_EQUAL(1, entry_count(opened.value));
    archive_close(opened.value);
}

TEST(what_stands_before_the_damage_is_there_and_what_stands_behind_is_not)
{
    image.length = 0;
    test_archive_add(&image, '0', "first", "x");
    uint8_t *damaged = test_archive_add(&image, '0', "second", "x");
    test_archive_add(&image, '0', "third", "x");
    test_archive_end(&image);
    damaged[3] ^= 0x55;
    vnode_result opened = archive_open(image.bytes, image.length);
    CHECK_STATUS(OK, opened.status);
    CHECK_EQUAL(1, entry_count(opened.value));
    archive_close(opened.value);
}

TEST(a_file_that_comes_twice_is_its_last_and_a_file_is_no_directory)
{
    image.length = 0;
    test_archive_add(&image, '0', "file", "old");
    test_archive_add(&image, '0', "file", "newer");
    test_archive_add(&image, '0', "file/below", "x");
    test_archive_add(&image, '5', "file", "");
    test_archive_end(&image);
    vnode_result opened = archive_open(image.bytes, image.length);
    CHECK_STATUS(OK, opened.status);
    struct vnode *file = look_up(opened.value, "file");
    CHECK_EQUAL(5, file->size_bytes);
    CHECK_EQUAL(ABI_KIND_FILE, file->kind);
    vnode_put(file);
    archive_close(opened.value);
}

TEST(pages_hold_the_content_and_zeros_behind_it)
{
    static char content[5001];
    memset(content, 'c', 5000);
    image.length = 0;
    test_archive_add(&image, '0', "file", content);
    test_archive_end(&image);
    vnode_result opened = archive_open(image.bytes, image.length);
    struct vnode *file = look_up(opened.value, "file");
    alignas(4096) static uint8_t pages[3][4096];
    memset(pages, 0xee, sizeof(pages));
    physical_address frames[3];
    for (int i = 0; i < 3; i++)
        frames[i] = direct_map_reverse(pages[i]);
    CHECK_STATUS(OK, file->operations->read_pages(file, 0, 3, frames));
    CHECK_BYTES(content, pages, 5000);
    for (uint32_t i = 5000; i < sizeof(pages); i++)
        CHECK_EQUAL(0, ((uint8_t *)pages)[i]);
    vnode_put(file);
    archive_close(opened.value);
}

TEST(opening_an_archive_without_memory_leaks_nothing)
{
    image.length = 0;
    test_archive_add(&image, '0', "a/b/c/file", "x");
    test_archive_add(&image, '0', "a/d", "x");
    test_archive_end(&image);
    uint64_t before = heap_count().objects_taken;
    FOR_EACH_FAILING_ALLOCATION {
        vnode_result opened = archive_open(image.bytes, image.length);
        if (is_ok(opened.status))
            archive_close(opened.value);
        else
            CHECK_STATUS(OUT_OF_MEMORY, opened.status);
        CHECK_EQUAL(before, heap_count().objects_taken);
    }
}
