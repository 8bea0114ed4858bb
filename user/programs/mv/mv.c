#include "peal/options.h"
#include "peal/output.h"
#include "peal/tree_edit.h"
#include "peal/usage.h"

static const char usage[] = "mv [-nv] SOURCE... DESTINATION\n"
                            "Renames, or moves into a folder. What is on the same volume moves at "
                            "once; to another one it is\n"
                            "copied and then deleted.\n"
                            "  -n   keep what is there\n"
                            "  -v   tell each move\n";

static struct tree_edit edit;

static uint64_t volume_of(text path)
{
    peal_raw_handle raw;
    struct abi_stat stat = {0};
    if (peal_raw_path_open(path, RIGHTS_HANDLE, ABI_OPEN_MUST_EXIST, &raw) != ABI_STATUS_OK)
        return 0;
    status told = peal_raw_stat(raw, &stat);
    peal_raw_close(raw);
    return is_ok(told) ? stat.file.volume : 0;
}

/* The folder that the target's last name is in. */
static text folder_of(text path)
{
    while (path.length > 0 && path.bytes[path.length - 1] != '/')
        path.length--;
    while (path.length > 1 && path.bytes[path.length - 1] == '/')
        path.length--;
    return path.length == 0 ? TEXT(".") : path;
}

static void move_across(text from, text target)
{
    uint64_t failures = edit.failures;
    peal_copy_tree(&edit, from, target);
    if (edit.failures == failures) peal_delete_tree(&edit, from);
}

static void move(text from, text to)
{
    char bytes[ABI_PATH_BYTES_MAX];
    text target;
    if (!peal_target_path(from, to, bytes, &target)) {
        peal_error("%.*s: the path would be too long", TEXT_ARGUMENTS(to));
        edit.failures++;
        return;
    }
    if (volume_of(from) != 0 && volume_of(from) != volume_of(folder_of(target))) {
        move_across(from, target);
        return;
    }
    status moved = peal_path_rename(from, target, edit.keeps ? ABI_RENAME_KEEP : 0);
    if (!is_ok(moved)) {
        edit.failures++;
        peal_error_status(from, moved);
    } else if (edit.is_verbose) {
        peal_print("%.*s -> %.*s\n", TEXT_ARGUMENTS(from), TEXT_ARGUMENTS(target));
    }
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    struct peal_options options = {.arguments = arguments, .letters = "nv"};
    text value;
    for (char letter; (letter = peal_option_next(&options, &value)) != 0;) {
        if (letter == 'n') edit.keeps = true;
        if (letter == 'v') edit.is_verbose = true;
    }
    if (options.is_wrong) return EXIT_CODE_USAGE;
    uint32_t last = arguments.count - 1;
    if (last < options.next + 1) return peal_usage_error("what to move and where to are needed");
    text to = peal_argument(arguments, last);
    if (last > options.next + 1 && !peal_is_folder(to))
        return peal_usage_error("several sources need a folder to go to");
    for (uint32_t i = options.next; i < last; i++)
        move(peal_argument(arguments, i), to);
    return edit.failures == 0 ? 0 : EXIT_CODE_FAILED;
}
