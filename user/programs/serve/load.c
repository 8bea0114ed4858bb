#include "load.h"
#include "peal/format.h"
#include "peal/path.h"

static status load_file(struct node *file, directory_ref folder)
{
    file_result opened = peal_file_open(folder, file->name, RIGHTS_READ);
    TRY(opened.status);
    OWNED(file_handle) from = TAKE(opened.value);
    struct abi_stat stat;
    TRY(file_stat(file_borrow(&from), &stat));
    file->modified_ns = stat.file.modified_ns;
    TRY(tree_reserve(file, stat.size_bytes));
    while (file->size_bytes < file->capacity_bytes) {
        span room = {file->bytes + file->size_bytes, file->capacity_bytes - file->size_bytes};
        size_result read = peal_file_read(file_borrow(&from), room);
        TRY(read.status);
        if (read.value == 0) break;
        tree_written(file, file->size_bytes, file->size_bytes + read.value);
    }
    return OK;
}

static status load_folder(struct node *folder, directory_ref source)
{
    struct listing listing = {.raw = source.raw};
    const struct abi_directory_entry *entry;
    while ((entry = peal_list_directory(&listing)) != nullptr) {
        struct node *node =
            tree_add(folder, directory_entry_name(entry), (enum abi_kind)entry->kind);
        if (node == nullptr) return FAIL(OUT_OF_MEMORY);
        node->modified_ns = entry->modified_ns;
        node->attributes = entry->attributes;
        if (node->kind == ABI_KIND_FILE) TRY(load_file(node, source));
    }
    return listing.status;
}

/* The path of a node below the root; empty for the root itself. */
static status path_of(const struct node *node, char bytes[static PATH_BYTES_MAX], text *out_path)
{
    size_t at = PATH_BYTES_MAX;
    for (; node->parent != nullptr; node = node->parent) {
        if (at < node->name.length + 1) return FAIL(OUT_OF_RANGE);
        if (at < PATH_BYTES_MAX) bytes[--at] = '/';
        for (size_t i = node->name.length; i > 0; i--)
            bytes[--at] = node->name.bytes[i - 1];
    }
    *out_path = (text){bytes + at, PATH_BYTES_MAX - at};
    return OK;
}

/* The next directory in the tree, from top to bottom; nullptr behind the last. */
static struct node *next_folder(const struct node *root, struct node *at)
{
    do {
        if (at->first != nullptr) {
            at = at->first;
            continue;
        }
        while (at != root && at->next == nullptr)
            at = at->parent;
        if (at == root) return nullptr;
        at = at->next;
    } while (at->kind != ABI_KIND_DIRECTORY);
    return at;
}

status load_tree(struct node *root, directory_ref source)
{
    TRY(load_folder(root, source));
    struct node *folder = root;
    while ((folder = next_folder(root, folder)) != nullptr) {
        char bytes[PATH_BYTES_MAX];
        text path;
        TRY(path_of(folder, bytes, &path));
        directory_result opened = peal_directory_open(source, path, RIGHTS_FOLDER);
        TRY(opened.status);
        OWNED(directory_handle) handle = TAKE(opened.value);
        TRY(load_folder(folder, directory_borrow(&handle)));
    }
    return OK;
}
