#include "peal/file.h"
#include "peal/output.h"
#include "peal/usage.h"

static const char usage[] = "sync [PATH]...\n"
                            "Ends when everything written is on the medium: on all volumes, or a "
                            "file, or a folder's volume.\n";

static status sync_path(text path)
{
    directory_result opened = peal_path_open_directory(path, RIGHTS_FOLDER_WRITE);
    if (is_ok(opened.status)) {
        OWNED(directory_handle) folder = TAKE(opened.value);
        return peal_directory_sync(directory_borrow(&folder));
    }
    file_result found = {0};
    found.status = status_of_raw(peal_raw_path_open(
        path, RIGHTS_WRITE, ABI_OPEN_MUST_EXIST | ABI_OPEN_MUST_BE_FILE, &found.value.raw));
    TRY(found.status);
    OWNED(file_handle) file = TAKE(found.value);
    return peal_file_sync(file_borrow(&file));
}

/* Volumes that cannot be written have nothing to write. */
static status sync_volumes(void)
{
    directory_result opened = peal_path_open_directory(TEXT("/"), RIGHTS_FOLDER);
    TRY(opened.status);
    OWNED(directory_handle) root = TAKE(opened.value);
    struct listing listing = {.raw = directory_borrow(&root).raw};
    const struct abi_directory_entry *entry;
    status worst = OK;
    while ((entry = peal_list_directory(&listing)) != nullptr) {
        char bytes[ABI_NAME_BYTES_MAX + 1];
        struct writer path = WRITER(bytes);
        if (entry->attributes & ABI_ATTRIBUTE_READ_ONLY) continue;
        writer_format(&path, "/%.*s", TEXT_ARGUMENTS(directory_entry_name(entry)));
        status synced = sync_path(writer_text(&path));
        if (is_ok(synced) || synced.code == STATUS_PERMISSION_DENIED) continue;
        peal_error_status(writer_text(&path), synced);
        worst = synced;
    }
    return is_ok(worst) ? listing.status : worst;
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    if (arguments.count == 1) return is_ok(sync_volumes()) ? 0 : EXIT_CODE_FAILED;
    int code = 0;
    for (uint32_t i = 1; i < arguments.count; i++) {
        status synced = sync_path(peal_argument(arguments, i));
        if (is_ok(synced)) continue;
        peal_error_status(peal_argument(arguments, i), synced);
        code = EXIT_CODE_FAILED;
    }
    return code;
}
