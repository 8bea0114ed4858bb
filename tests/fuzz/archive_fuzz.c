/*
 * Input: a byte of choices, then an archive. With choice 1 the checksum of everything that looks
 * like a header is made right first, so that what lies behind it is reached.
 *
 * Whatever the archive says: opening it ends, every file's content lies inside it, every name can
 * stand in a path and is found again, and closing it gives all memory back.
 */
#include "base/bytes.h"
#include "base/checked.h"
#include "debug/assert.h"
#include "fs/archive/archive.h"
#include "fs/archive/ustar.h"
#include "fs/vfs/path.h"
#include "mm/heap.h"
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static constexpr size_t ARCHIVE_BYTES_MAX = 32768;
static constexpr uint8_t CHOICE_GOOD_CHECKSUMS = 1;

/* Exactly as large as the input, so that a read behind its end is seen. */
static uint8_t *archive;
static size_t archive_bytes;

static void make_checksums(void)
{
    for (size_t at = 0; at + USTAR_BLOCK_BYTES <= archive_bytes; at += USTAR_BLOCK_BYTES) {
        uint8_t *header = archive + at;
        if (!bytes_equal(header + 257, "ustar", 5)) continue;
        uint32_t sum = 8 * ' ';
        for (uint32_t i = 0; i < USTAR_BLOCK_BYTES; i++)
            sum += i >= 148 && i < 156 ? 0 : header[i];
        char digits[9];
        snprintf(digits, sizeof(digits), "%07o", sum);
        bytes_copy(header + 148, digits, 8);
    }
}

static void check_reader(void)
{
    struct ustar_reader reader = {.bytes = archive, .length = archive_bytes};
    struct ustar_entry entry;
    text reason;
    for (;;) {
        uint64_t before = reader.offset;
        status next = ustar_next(&reader, &entry, &reason);
        if (!is_ok(next)) {
            ASSERT((next.code == STATUS_IO_ERROR) == (reason.length > 0));
            return;
        }
        ASSERT(reader.offset > before && reader.offset <= archive_bytes);
        ASSERT(span_fits((uint64_t)(entry.content - archive), entry.size_bytes, archive_bytes));
        ASSERT(entry.name_bytes <= USTAR_NAME_BYTES_MAX);
    }
}

static bool check_child(void *context, const struct abi_directory_entry *record, text name)
{
    struct vnode *directory = context;
    ASSERT(is_ok(path_check(name)) && text_find(name, '/', 0) == name.length);
    vnode_result found = directory->operations->look_up(directory, name);
    ASSERT(is_ok(found.status) && found.value->kind == record->kind);
    if (record->kind == ABI_KIND_DIRECTORY) /* no deeper than a name is long */
        ASSERT(is_ok(found.value->operations->enumerate(found.value, 0, check_child, found.value)));
    vnode_put(found.value);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    if (size < 1) return 0;
    uint64_t before = heap_count().objects_taken;
    archive_bytes = min_of(size - 1, ARCHIVE_BYTES_MAX);
    archive = malloc(archive_bytes + (archive_bytes == 0));
    ASSERT(archive != nullptr);
    bytes_copy(archive, input + 1, archive_bytes);
    if (input[0] & CHOICE_GOOD_CHECKSUMS) make_checksums();

    check_reader();
    vnode_result opened = archive_open(archive, archive_bytes);
    ASSERT(is_ok(opened.status));
    struct vnode *root = opened.value;
    ASSERT(is_ok(root->operations->enumerate(root, 0, check_child, root)));
    archive_close(root);
    free(archive);
    ASSERT(heap_count().objects_taken == before);
    return 0;
}
