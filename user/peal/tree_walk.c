#include "peal/tree_walk.h"
#include "peal/bytes.h"
#include "peal/heap.h"
#include "peal/path.h"

/* One folder: its records as the kernel gave them, one behind the other. */
struct tree_level {
    struct tree_level *above;
    size_t path_length; /* of the folder */
    uint64_t modified_ns;
    uint8_t *records; /* owned */
    size_t capacity;
    size_t end;
    size_t at; /* the record to look at next */
    uint32_t depth;
};

static void level_drop(struct tree_level *level)
{
    peal_release(level->records);
    peal_release(level);
}

static status level_add(struct tree_level *level, const struct abi_directory_entry *entry)
{
    if (entry->record_bytes > level->capacity - level->end) {
        size_t capacity = 2 * level->capacity + 4096;
        uint8_t *larger = peal_resize(level->records, capacity);
        if (larger == nullptr) return FAIL(OUT_OF_MEMORY);
        level->records = larger;
        level->capacity = capacity;
    }
    memcpy(level->records + level->end, entry, entry->record_bytes);
    level->end += entry->record_bytes;
    return OK;
}

static status level_fill(struct tree_level *level, text path)
{
    directory_result opened = peal_path_open_directory(path, RIGHTS_FOLDER);
    TRY(opened.status);
    OWNED(directory_handle) folder = TAKE(opened.value);
    struct abi_stat stat;
    if (is_ok(directory_stat(directory_borrow(&folder), &stat)))
        level->modified_ns = stat.file.modified_ns;
    struct listing listing = {.raw = directory_borrow(&folder).raw};
    const struct abi_directory_entry *entry;
    while ((entry = peal_list_directory(&listing)) != nullptr)
        TRY(level_add(level, entry));
    return listing.status;
}

static text path_of(const tree_walk *walk)
{
    return (text){walk->path, walk->path_length};
}

/* Makes the current path a level. */
static status enter(tree_walk *walk)
{
    struct tree_level *level = peal_allocate_zeroed(1, sizeof(*level));
    if (level == nullptr) return FAIL(OUT_OF_MEMORY);
    level->above = walk->level;
    level->path_length = walk->path_length;
    level->depth = walk->level == nullptr ? 0 : walk->level->depth + 1;
    status filled = level_fill(level, path_of(walk));
    if (is_ok(filled))
        walk->level = level;
    else
        level_drop(level);
    return filled;
}

static void describe(const tree_walk *walk, enum tree_step step, uint32_t depth,
                     struct tree_entry *out_entry)
{
    *out_entry = (struct tree_entry){
        .step = step, .path = path_of(walk), .name = path_last_name(path_of(walk)), .depth = depth};
}

static void describe_folder(tree_walk *walk, enum tree_step step, uint32_t depth,
                            struct tree_entry *out_entry)
{
    status entered = step == TREE_ENTER ? enter(walk) : OK;
    describe(walk, is_ok(entered) ? step : TREE_FAILED, depth, out_entry);
    out_entry->why = entered;
    if (is_ok(entered)) out_entry->modified_ns = walk->level->modified_ns;
}

void tree_walk_begin(tree_walk *walk, text path)
{
    tree_walk_drop(walk);
    while (path.length > 1 && path.bytes[path.length - 1] == '/')
        path.length--;
    walk->path_length = path.length;
    if (path.length <= sizeof(walk->path)) memcpy(walk->path, path.bytes, path.length);
}

/* What was named: a folder, or else a file. */
static bool first_step(tree_walk *walk, struct tree_entry *out_entry)
{
    walk->has_begun = true;
    if (walk->path_length > sizeof(walk->path)) {
        walk->path_length = 0;
        describe(walk, TREE_FAILED, 0, out_entry);
        out_entry->why = FAIL(INVALID_ARGUMENT);
        return true;
    }
    describe_folder(walk, TREE_ENTER, 0, out_entry);
    if (out_entry->why.code != STATUS_NOT_FOUND) return true;
    file_result opened = peal_path_open_file(path_of(walk), RIGHTS_HANDLE);
    out_entry->why = opened.status;
    if (!is_ok(opened.status)) return true;
    OWNED(file_handle) file = TAKE(opened.value);
    struct abi_stat stat;
    out_entry->why = file_stat(file_borrow(&file), &stat);
    if (!is_ok(out_entry->why)) return true;
    out_entry->step = TREE_FILE;
    out_entry->size_bytes = stat.size_bytes;
    out_entry->modified_ns = stat.file.modified_ns;
    return true;
}

/* The record's path becomes the current one; false when it is too long. */
static bool append_name(tree_walk *walk, text name)
{
    size_t length = walk->level->path_length;
    bool needs_slash = length > 0 && walk->path[length - 1] != '/';
    if (length + needs_slash + name.length > sizeof(walk->path)) return false;
    if (needs_slash) walk->path[length++] = '/';
    memcpy(walk->path + length, name.bytes, name.length);
    walk->path_length = length + name.length;
    return true;
}

static bool leave(tree_walk *walk, struct tree_entry *out_entry)
{
    struct tree_level *level = walk->level;
    walk->path_length = level->path_length;
    describe_folder(walk, TREE_LEAVE, level->depth, out_entry);
    walk->level = level->above;
    level_drop(level);
    return true;
}

bool tree_walk_next(tree_walk *walk, struct tree_entry *out_entry)
{
    if (!walk->has_begun) return first_step(walk, out_entry);
    struct tree_level *level = walk->level;
    if (level == nullptr) return false;
    if (walk->is_skipping) level->at = level->end;
    walk->is_skipping = false;
    if (level->at == level->end) return leave(walk, out_entry);

    const struct abi_directory_entry *record =
        (const struct abi_directory_entry *)(level->records + level->at);
    level->at += record->record_bytes;
    uint32_t depth = level->depth + 1;
    walk->path_length = level->path_length;
    if (!append_name(walk, directory_entry_name(record))) {
        describe(walk, TREE_FAILED, depth, out_entry);
        out_entry->why = FAIL(INVALID_ARGUMENT);
    } else if (record->kind == ABI_KIND_DIRECTORY) {
        describe_folder(walk, TREE_ENTER, depth, out_entry);
    } else {
        describe(walk, TREE_FILE, depth, out_entry);
        out_entry->size_bytes = record->size_bytes;
        out_entry->modified_ns = record->modified_ns;
    }
    return true;
}

void tree_walk_skip(tree_walk *walk)
{
    walk->is_skipping = true;
}

void tree_walk_drop(tree_walk *walk)
{
    while (walk->level != nullptr) {
        struct tree_level *level = walk->level;
        walk->level = level->above;
        level_drop(level);
    }
    walk->has_begun = false;
    walk->is_skipping = false;
    walk->path_length = 0;
}
