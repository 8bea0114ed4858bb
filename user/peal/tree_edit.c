#include "peal/tree_edit.h"
#include "peal/bytes.h"
#include "peal/heap.h"
#include "peal/output.h"
#include "peal/path.h"
#include "peal/program.h"
#include "peal/tree_walk.h"
#include "peal/usage.h"

#define CHUNK_BYTES (256u << 10)

/* ---- paths ---- */

bool peal_is_folder(text path)
{
    directory_result opened = peal_path_open_directory(path, RIGHTS_HANDLE);
    if (!is_ok(opened.status)) return false;
    OWNED(directory_handle) folder = TAKE(opened.value);
    return true;
}

bool peal_target_path(text from, text to, char bytes[static ABI_PATH_BYTES_MAX], text *out_path)
{
    struct writer path = {.bytes = bytes, .capacity = ABI_PATH_BYTES_MAX};
    writer_write(&path, to);
    if (peal_is_folder(to)) {
        while (from.length > 1 && from.bytes[from.length - 1] == '/')
            from.length--;
        if (to.bytes[to.length - 1] != '/') writer_byte(&path, '/');
        writer_write(&path, path_last_name(from));
    }
    *out_path = writer_text(&path);
    return !path.is_truncated;
}

bool peal_is_inside(text path, text folder)
{
    char path_bytes[PATH_BYTES_MAX], folder_bytes[PATH_BYTES_MAX];
    text current = TEXT("/"), inner, outer;
    peal_environment_get(TEXT("PWD"), &current);
    if (!path_resolve(current, path, path_bytes, &inner)) return false;
    if (!path_resolve(current, folder, folder_bytes, &outer)) return false;
    bool is_below = inner.length > outer.length && inner.bytes[outer.length] == '/';
    return peal_text_starts_with(inner, outer) &&
           (outer.length == 1 || is_below || inner.length == outer.length);
}

/* ---- telling ---- */

static void tell(struct tree_edit *edit, const char *what, text path, status why)
{
    if (!is_ok(why)) {
        edit->failures++;
        peal_error_path(path, why);
    } else if (edit->is_verbose) {
        peal_print("%s%.*s\n", what, TEXT_ARGUMENTS(path));
    }
}

/* ---- copying ---- */

static status copy_contents(file_ref from, file_ref to)
{
    OWNED(heap_block) chunk = {peal_allocate(CHUNK_BYTES)};
    if (chunk.bytes == nullptr) return FAIL(OUT_OF_MEMORY);
    for (;;) {
        size_result read = peal_file_read(from, (span){chunk.bytes, CHUNK_BYTES});
        TRY(read.status);
        if (read.value == 0) return OK;
        TRY(peal_stream_write_all(stream_of_file(to), (view){chunk.bytes, read.value}));
    }
}

/* A file cannot be copied onto itself: it would be empty before it was read. */
static status check_different(file_ref from, file_ref to)
{
    struct abi_stat one, other;
    TRY(file_stat(from, &one));
    TRY(file_stat(to, &other));
    bool is_same = one.file.volume == other.file.volume && one.file.number == other.file.number;
    return is_same ? FAIL(ALREADY_EXISTS) : OK;
}

status peal_copy_file(text from, text to)
{
    file_result source = peal_path_open_file(from, RIGHTS_READ);
    TRY(source.status);
    OWNED(file_handle) in = TAKE(source.value);
    file_result target = peal_path_open_file(to, RIGHTS_WRITE);
    TRY(target.status);
    OWNED(file_handle) out = TAKE(target.value);
    TRY(check_different(file_borrow(&in), file_borrow(&out)));
    TRY(peal_file_truncate(file_borrow(&out), 0));
    TRY(copy_contents(file_borrow(&in), file_borrow(&out)));
    struct abi_stat stat;
    if (is_ok(file_stat(file_borrow(&in), &stat)) && stat.file.modified_ns != 0)
        TRY(peal_file_set_modified(file_borrow(&out), stat.file.modified_ns));
    return peal_raw_close_telling(TAKE(out).raw);
}

static status make_folder(text path)
{
    directory_result made = peal_path_create_directory(path, RIGHTS_HANDLE);
    if (made.status.code == STATUS_ALREADY_EXISTS && peal_is_folder(path)) return OK;
    TRY(made.status);
    OWNED(directory_handle) folder = TAKE(made.value);
    return OK;
}

static status copy_entry(const struct tree_edit *edit, const struct tree_entry *entry, text to)
{
    if (entry->step == TREE_ENTER) return make_folder(to);
    if (edit->keeps) {
        file_result there = peal_path_open_file(to, RIGHTS_HANDLE);
        OWNED(file_handle) file = TAKE(there.value);
        if (is_ok(there.status)) return FAIL(ALREADY_EXISTS);
    }
    return peal_copy_file(entry->path, to);
}

void peal_copy_tree(struct tree_edit *edit, text from, text to)
{
    OWNED(heap_block) memory = {peal_allocate_zeroed(1, sizeof(tree_walk))};
    char path_bytes[ABI_PATH_BYTES_MAX];
    tree_walk *walk = memory.bytes;
    struct tree_entry entry;
    size_t prefix = 0;
    if (walk == nullptr) {
        tell(edit, "", from, FAIL(OUT_OF_MEMORY));
        return;
    }
    tree_walk_begin(walk, from);
    while (tree_walk_next(walk, &entry)) {
        if (entry.depth == 0) prefix = entry.path.length;
        if (entry.step == TREE_LEAVE) continue;
        struct writer path = WRITER(path_bytes);
        writer_write(&path, to);
        writer_write(&path, peal_text_slice(entry.path, prefix, SIZE_MAX));
        if (is_ok(entry.why) && path.is_truncated) entry.why = FAIL(INVALID_ARGUMENT);
        if (is_ok(entry.why)) entry.why = copy_entry(edit, &entry, writer_text(&path));
        if (!is_ok(entry.why) && entry.step == TREE_ENTER) tree_walk_skip(walk);
        tell(edit, "", is_ok(entry.why) ? writer_text(&path) : entry.path, entry.why);
    }
    tree_walk_drop(walk);
}

/* ---- deleting ---- */

void peal_delete_tree(struct tree_edit *edit, text path)
{
    OWNED(heap_block) memory = {peal_allocate_zeroed(1, sizeof(tree_walk))};
    tree_walk *walk = memory.bytes;
    struct tree_entry entry;
    if (walk == nullptr) {
        tell(edit, "", path, FAIL(OUT_OF_MEMORY));
        return;
    }
    tree_walk_begin(walk, path);
    while (tree_walk_next(walk, &entry)) {
        if (entry.step == TREE_ENTER) continue;
        if (entry.step == TREE_FILE)
            entry.why = peal_path_delete(entry.path, ABI_DELETE_MUST_BE_FILE);
        if (entry.step == TREE_LEAVE)
            entry.why = peal_path_delete(entry.path, ABI_DELETE_MUST_BE_FOLDER);
        tell(edit, "removed ", entry.path, entry.why);
    }
    tree_walk_drop(walk);
}
