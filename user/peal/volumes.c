#include "peal/volumes.h"
#include "peal/format.h"

status volume_walk_begin(struct volume_walk *walk)
{
    *walk = (struct volume_walk){0};
    directory_result opened = peal_path_open_directory(TEXT("/"), RIGHTS_FOLDER);
    TRY(opened.status);
    walk->root = TAKE(opened.value);
    walk->listing.raw = directory_borrow(&walk->root).raw;
    return OK;
}

/* What cannot be opened is passed over: it was not granted. */
static bool describe(const struct volume_walk *walk, text name, struct volume *out_volume)
{
    struct writer path = WRITER(out_volume->name);
    writer_format(&path, "/%.*s", TEXT_ARGUMENTS(name));
    directory_result opened =
        peal_directory_open(directory_borrow(&walk->root), name, RIGHTS_HANDLE);
    if (!is_ok(opened.status)) return false;
    OWNED(directory_handle) folder = TAKE(opened.value);
    return is_ok(directory_stat(directory_borrow(&folder), &out_volume->stat));
}

bool volume_walk_next(struct volume_walk *walk, struct volume *out_volume)
{
    const struct abi_directory_entry *entry;
    while ((entry = peal_list_directory(&walk->listing)) != nullptr) {
        *out_volume = (struct volume){0};
        if (describe(walk, directory_entry_name(entry), out_volume)) return true;
    }
    return false;
}

status volume_walk_end(struct volume_walk *walk)
{
    directory_handle_drop(&walk->root);
    return walk->listing.status;
}
