#include "support/workspace.h"
#include "peal/bytes.h"
#include "peal/text.h"
#include "support/guest_test.h"

static directory_handle folder;

static directory_ref root(void)
{
    return peal_granted_directory(TEXT("root"));
}

text workspace_path(void)
{
    return TEXT("disk0/workspace of a test");
}

directory_ref workspace(void)
{
    return directory_borrow(&folder);
}

static bool can_be_written(void)
{
    directory_result disk = peal_directory_open(root(), TEXT("disk0"), RIGHTS_FOLDER);
    if (!is_ok(disk.status)) return false;
    OWNED(directory_handle) opened = TAKE(disk.value);
    struct abi_stat stat;
    if (!is_ok(directory_stat(directory_borrow(&opened), &stat))) return false;
    return (stat.file.volume_flags & ABI_VOLUME_READ_ONLY) == 0;
}

/* The first entry; false: there is none. A listing is not followed through changes. */
static bool first_entry(directory_ref of, struct listing *listing,
                        const struct abi_directory_entry **out_entry)
{
    *listing = (struct listing){.raw = of.raw};
    *out_entry = peal_list_directory(listing);
    return *out_entry != nullptr;
}

/* What a program that was killed had begun to delete, the kernel may finish meanwhile. */
static bool delete_entry(directory_ref of, const struct abi_directory_entry *entry)
{
    status deleted = peal_delete(of, directory_entry_name(entry), 0);
    if (deleted.code == STATUS_NOT_FOUND) return true;
    EXPECT_STATUS(OK, deleted);
    return is_ok(deleted);
}

static void empty_below(directory_ref of, text name)
{
    directory_result opened = peal_directory_open(of, name, ABI_RIGHTS_ALL);
    EXPECT_STATUS(OK, opened.status);
    OWNED(directory_handle) below = TAKE(opened.value);
    struct listing listing;
    const struct abi_directory_entry *entry;
    while (first_entry(directory_borrow(&below), &listing, &entry))
        if (!delete_entry(directory_borrow(&below), entry)) return;
}

static void empty_workspace(void)
{
    struct listing listing;
    const struct abi_directory_entry *entry;
    while (first_entry(workspace(), &listing, &entry)) {
        if (entry->kind == ABI_KIND_DIRECTORY)
            empty_below(workspace(), directory_entry_name(entry));
        if (!delete_entry(workspace(), entry)) return;
    }
}

bool workspace_begin(void)
{
    if (!can_be_written()) {
        guest_test_skip("no disk that can be written");
        return false;
    }
    directory_result made = peal_directory_create(root(), workspace_path(), ABI_RIGHTS_ALL);
    bool is_left = made.status.code == STATUS_ALREADY_EXISTS;
    if (is_left) made = peal_directory_open(root(), workspace_path(), ABI_RIGHTS_ALL);
    EXPECT_STATUS(OK, made.status);
    folder = made.value;
    if (is_left) empty_workspace(); /* by a program that was killed in the middle of a test */
    return is_ok(made.status);
}

void workspace_end(void)
{
    empty_workspace();
    directory_handle_drop(&folder);
    EXPECT_STATUS(OK, peal_delete(root(), workspace_path(), ABI_DELETE_MUST_BE_FOLDER));
}

file_handle workspace_file(text name, text content)
{
    file_result made = peal_file_create(workspace(), name, ABI_RIGHTS_ALL);
    EXPECT_STATUS(OK, made.status);
    if (is_ok(made.status) && content.length > 0) {
        size_result written = peal_file_write_at(file_borrow(&made.value), view_of(content), 0);
        EXPECT_STATUS(OK, written.status);
        EXPECT_EQUAL(content.length, written.value);
    }
    return made.value;
}

directory_handle workspace_folder(text name)
{
    directory_result made = peal_directory_create(workspace(), name, ABI_RIGHTS_ALL);
    EXPECT_STATUS(OK, made.status);
    return made.value;
}

file_handle workspace_open(text path)
{
    peal_raw_handle raw = ABI_HANDLE_NONE;
    EXPECT_STATUS(OK,
                  status_of_raw(peal_raw_open(workspace(), path, ABI_RIGHTS_ALL,
                                              ABI_OPEN_MUST_BE_FILE | ABI_OPEN_MUST_EXIST, &raw)));
    return (file_handle){raw};
}

status workspace_find(text path)
{
    peal_raw_handle raw = ABI_HANDLE_NONE;
    status found =
        status_of_raw(peal_raw_open(workspace(), path, RIGHTS_HANDLE, ABI_OPEN_MUST_EXIST, &raw));
    if (is_ok(found)) peal_raw_close(raw);
    return found;
}

bool workspace_holds(text path, text content)
{
    static uint8_t bytes[65536 + 1];
    file_result opened = peal_file_open(workspace(), path, RIGHTS_READ);
    if (!is_ok(opened.status)) return false;
    OWNED(file_handle) file = TAKE(opened.value);
    size_result read = peal_file_read_at(file_borrow(&file), SPAN_OF(bytes), 0);
    return is_ok(read.status) && read.value == content.length &&
           memcmp(bytes, content.bytes, content.length) == 0;
}

static uint32_t count(directory_ref in, const text *name)
{
    struct listing listing = {.raw = in.raw};
    uint32_t found = 0;
    const struct abi_directory_entry *entry;
    while ((entry = peal_list_directory(&listing)) != nullptr)
        found += name == nullptr || peal_text_equal(directory_entry_name(entry), *name);
    EXPECT_STATUS(OK, listing.status);
    return found;
}

uint32_t workspace_count(directory_ref in)
{
    return count(in, nullptr);
}

uint32_t workspace_count_named(directory_ref in, text name)
{
    return count(in, &name);
}

uint64_t workspace_free_bytes(void)
{
    EXPECT_STATUS(OK, peal_directory_sync(workspace()));
    struct abi_stat stat = {0};
    EXPECT_STATUS(OK, directory_stat(workspace(), &stat));
    return stat.file.volume_free_bytes;
}
