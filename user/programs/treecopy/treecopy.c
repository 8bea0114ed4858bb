/*
 * Copies a tree of files, with up to 64 operations in flight.
 *
 * The program's own flow walks through the folders, one after the other, and starts a task for each
 * file it finds. A semaphore lets no more than 64 be under way. Each of them is a plain loop: it
 * awaits a piece of the source, begins to read the next one, and writes what it has meanwhile. All
 * of them wait in the same ring, so that one entry of the kernel serves many.
 *
 * docs/tasks.md goes through this program.
 */
#include "peal/await.h"
#include "peal/bytes.h"
#include "peal/clock.h"
#include "peal/group.h"
#include "peal/heap.h"
#include "peal/output.h"
#include "peal/path.h"
#include "peal/sync.h"
#include "peal/usage.h"

static const char usage[] =
    "treecopy [-v] SOURCE [DESTINATION]\n"
    "Copies all that is in the folder SOURCE to the folder DESTINATION, many files at once;\n"
    "with -v also reads every copy back and compares it.\n"
    "Without a DESTINATION everything is only read.\n";

#define FILES_AT_ONCE 64u
#define CHUNK_BYTES   (16u << 10)
#define RIGHTS_FILL   (RIGHTS_HANDLE | ABI_RIGHT_READ | ABI_RIGHT_WRITE)

/* Something found and not yet dealt with: a path below SOURCE, which is the path below DESTINATION,
 * too. Empty for the top. */
struct found {
    struct found *next;
    uint32_t path_bytes;
    char path[];
};

static text source, destination; /* as they were given; destination may be empty */
static bool verifies;
static directory_handle from, to;

static struct semaphore slots = {.count = FILES_AT_ONCE};
static struct found *folders; /* still to be walked through */
static uint64_t file_count, folder_count, byte_count, failure_count;

static text path_of(const struct found *found)
{
    return (text){found->path, found->path_bytes};
}

/* nullptr: no memory, or the path is too long to be opened. */
static struct found *found_create(const struct found *folder, text name)
{
    size_t length = (folder->path_bytes > 0 ? folder->path_bytes + 1 : 0) + name.length;
    if (length > ABI_PATH_BYTES_MAX) return nullptr;
    struct found *found = peal_allocate(sizeof(*found) + length);
    if (found == nullptr) return nullptr;
    *found = (struct found){.path_bytes = (uint32_t)length};
    char *end = found->path;
    memcpy(end, folder->path, folder->path_bytes);
    end += folder->path_bytes;
    if (folder->path_bytes > 0) *end++ = '/';
    memcpy(end, name.bytes, name.length);
    return found;
}

static void tell_failure(text path, status why)
{
    failure_count++;
    peal_error_path(path.length > 0 ? path : source, why);
}

/* ---- one file, in a task of its own ---- */

static status write_all_at(view bytes, file_ref file, uint64_t offset)
{
    while (bytes.length > 0) {
        size_result written = peal_file_write_at(file, bytes, offset);
        TRY(written.status);
        if (written.value == 0 || written.value > bytes.length) return FAIL(IO_ERROR);
        bytes = (view){(const uint8_t *)bytes.bytes + written.value, bytes.length - written.value};
        offset += written.value;
    }
    return OK;
}

/* Reads ahead into one half of the memory while the other one is written. */
static status copy_bytes(file_ref in, file_ref out)
{
    OWNED(heap_block) halves = {peal_allocate((size_t)2 * CHUNK_BYTES)};
    if (halves.bytes == nullptr) return FAIL(OUT_OF_MEMORY);
    uint8_t *half = halves.bytes, *other = half + CHUNK_BYTES;
    uint64_t offset = 0;
    OWNED(peal_pending) reading = peal_file_read_at_begin(in, (span){half, CHUNK_BYTES}, 0);
    for (;;) {
        size_result read = peal_await(&reading);
        TRY(read.status);
        if (read.value == 0) return OK;
        view piece = {half, read.value};
        uint64_t piece_offset = offset;
        offset += read.value;
        byte_count += read.value;
        half = other;
        other = (uint8_t *)(uintptr_t)piece.bytes;
        reading = peal_file_read_at_begin(in, (span){half, CHUNK_BYTES}, offset);
        if (!file_is_nil(out)) TRY(write_all_at(piece, out, piece_offset));
    }
}

/* IO_ERROR: they differ. Both are read at the same time. */
static status compare_bytes(file_ref one, file_ref other)
{
    OWNED(heap_block) halves = {peal_allocate((size_t)2 * CHUNK_BYTES)};
    if (halves.bytes == nullptr) return FAIL(OUT_OF_MEMORY);
    span half = {halves.bytes, CHUNK_BYTES}, rest = {half.bytes + CHUNK_BYTES, CHUNK_BYTES};
    for (uint64_t offset = 0, both;; offset += both) {
        OWNED(peal_pending) first = peal_file_read_at_begin(one, half, offset);
        OWNED(peal_pending) second = peal_file_read_at_begin(other, rest, offset);
        size_result read = peal_await(&first), again = peal_await(&second);
        TRY(read.status);
        TRY(again.status);
        both = read.value < again.value ? read.value : again.value; /* either may be short */
        if (memcmp(half.bytes, rest.bytes, both) != 0) return FAIL(IO_ERROR);
        if (both == 0) return read.value == again.value ? OK : FAIL(IO_ERROR);
    }
}

static status copy_opened(text path)
{
    file_result opened = peal_file_open(directory_borrow(&from), path, RIGHTS_READ);
    TRY(opened.status);
    OWNED(file_handle) in = TAKE(opened.value);
    OWNED(file_handle) out = {0};
    if (destination.length > 0) {
        file_result created = peal_file_open(directory_borrow(&to), path, RIGHTS_FILL);
        TRY(created.status);
        out = TAKE(created.value);
    }
    TRY(copy_bytes(file_borrow(&in), file_borrow(&out)));
    return verifies && !file_is_nil(file_borrow(&out))
               ? compare_bytes(file_borrow(&in), file_borrow(&out))
               : OK;
}

static status copy_file(void *argument)
{
    OWNED(heap_block) owned = {argument};
    const struct found *found = owned.bytes;
    status copied = copy_opened(path_of(found));
    if (is_ok(copied))
        file_count++;
    else
        tell_failure(path_of(found), copied);
    semaphore_give(&slots, 1);
    return copied;
}

/* ---- the folders, in the program's own flow ---- */

/* The tree's top is there already. */
static status make_folder(text path)
{
    if (path.length == 0 || destination.length == 0) return OK;
    directory_result made = peal_directory_create(directory_borrow(&to), path, RIGHTS_FILL);
    if (made.status.code == STATUS_ALREADY_EXISTS)
        made = peal_directory_open(directory_borrow(&to), path, RIGHTS_FILL);
    TRY(made.status);
    OWNED(directory_handle) folder = TAKE(made.value);
    return OK;
}

static status handle_entry(struct task_group *group, const struct found *folder,
                           const struct abi_directory_entry *entry)
{
    struct found *found = found_create(folder, directory_entry_name(entry));
    if (found == nullptr) return FAIL(OUT_OF_MEMORY);
    if (entry->kind == ABI_KIND_DIRECTORY) {
        found->next = folders;
        folders = found;
        return OK;
    }
    status started =
        semaphore_take(&slots); /* waits while 64 are under way: they go on meanwhile */
    if (is_ok(started)) started = group_spawn(group, copy_file, found);
    if (!is_ok(started)) peal_release(found);
    return started;
}

static status walk_folder(struct task_group *group, const struct found *folder)
{
    TRY(make_folder(path_of(folder)));
    directory_handle opened_handle = {0};
    if (folder->path_bytes > 0) {
        directory_result opened =
            peal_directory_open(directory_borrow(&from), path_of(folder), RIGHTS_FOLDER);
        TRY(opened.status);
        opened_handle = TAKE(opened.value);
    }
    OWNED(directory_handle) below = opened_handle;
    struct listing listing = {.raw = folder->path_bytes > 0 ? below.raw : from.raw};
    const struct abi_directory_entry *entry;
    folder_count++;
    while ((entry = peal_list_directory(&listing)) != nullptr)
        TRY(handle_entry(group, folder, entry));
    return listing.status;
}

static void copy_tree(void)
{
    OWNED(task_group) group = {0};
    group_begin(&group);
    folders = peal_allocate_zeroed(1, sizeof(struct found));
    if (folders == nullptr) tell_failure(source, FAIL(OUT_OF_MEMORY));
    while (folders != nullptr) {
        struct found *folder = folders;
        folders = folder->next;
        status walked = walk_folder(&group, folder);
        if (!is_ok(walked)) tell_failure(path_of(folder), walked);
        peal_release(folder);
    }
    ignore_status(group_wait(&group)); /* each has told of its own failure */
}

/* ---- the program ---- */

/* A copy into itself would find what it has just made, and never end. */
static bool is_within(text inner, text outer)
{
    static char inner_bytes[PATH_BYTES_MAX], outer_bytes[PATH_BYTES_MAX];
    text here = TEXT("/"), whole, start;
    peal_environment_get(TEXT("PWD"), &here);
    if (!path_resolve(here, inner, inner_bytes, &whole)) return false;
    if (!path_resolve(here, outer, outer_bytes, &start)) return false;
    if (!peal_text_starts_with(whole, start)) return false;
    return start.length == 1 || whole.length == start.length || whole.bytes[start.length] == '/';
}

static bool take_folder(text path, directory_result opened, directory_handle *out_folder)
{
    if (!is_ok(opened.status)) {
        peal_error_path(path, opened.status);
        return false;
    }
    *out_folder = TAKE(opened.value);
    return true;
}

/* There already, or made. */
static directory_result open_destination(void)
{
    const uint64_t rights = RIGHTS_FOLDER | RIGHTS_FILL | ABI_RIGHT_CREATE;
    directory_result opened = peal_path_open_directory(destination, rights);
    if (opened.status.code != STATUS_NOT_FOUND) return opened;
    return peal_path_create_directory(destination, rights);
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    uint32_t first = 1;
    verifies = peal_text_equal(peal_argument(arguments, 1), TEXT("-v"));
    if (verifies) first++;
    if (arguments.count <= first || arguments.count > first + 2)
        return peal_usage_error("one or two folders are needed");
    source = peal_argument(arguments, first);
    destination = peal_argument(arguments, first + 1);
    if (destination.length > 0 && is_within(destination, source))
        return peal_usage_error("DESTINATION lies in SOURCE");
    if (!take_folder(source, peal_path_open_directory(source, RIGHTS_FOLDER), &from))
        return EXIT_CODE_FAILED;
    if (destination.length > 0 && !take_folder(destination, open_destination(), &to))
        return EXIT_CODE_FAILED;

    uint64_t start_ns = peal_clock_now_ns();
    copy_tree();
    uint64_t ms = (peal_clock_now_ns() - start_ns) / 1'000'000;
    peal_print("%lu files, %lu folders, %lu bytes %s in %lu ms\n", file_count, folder_count,
               byte_count, destination.length > 0 ? "copied" : "read", ms);
    return failure_count == 0 ? 0 : EXIT_CODE_FAILED;
}
