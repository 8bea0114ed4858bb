#include "peal/options.h"
#include "peal/output.h"
#include "peal/tree_edit.h"
#include "peal/usage.h"

static const char usage[] = "rm [-rfv] PATH...\n"
                            "Deletes files. Who has a file open can go on using it.\n"
                            "  -r   folders, too, with all below them\n"
                            "  -f   what is not there is no error\n"
                            "  -v   tell what was removed\n";

static struct tree_edit edit;
static bool is_recursive, is_lenient;

static void remove_path(text path)
{
    if (is_recursive && peal_is_folder(path)) {
        peal_delete_tree(&edit, path);
        return;
    }
    status removed = peal_path_delete(path, ABI_DELETE_MUST_BE_FILE);
    if (removed.code == STATUS_NOT_FOUND && is_lenient && !peal_is_folder(path)) return;
    if (is_ok(removed)) {
        if (edit.is_verbose) peal_print("removed %.*s\n", TEXT_ARGUMENTS(path));
        return;
    }
    edit.failures++;
    if (removed.code == STATUS_NOT_FOUND && peal_is_folder(path))
        peal_error("%.*s: is a folder: `rm -r` deletes it with all below it", TEXT_ARGUMENTS(path));
    else
        peal_error_status(path, removed);
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    struct peal_options options = {.arguments = arguments, .letters = "rfv"};
    text value;
    for (char letter; (letter = peal_option_next(&options, &value)) != 0;) {
        if (letter == 'r') is_recursive = true;
        if (letter == 'f') is_lenient = true;
        if (letter == 'v') edit.is_verbose = true;
    }
    if (options.is_wrong) return EXIT_CODE_USAGE;
    if (options.next >= arguments.count && !is_lenient)
        return peal_usage_error("what to delete is needed");
    for (uint32_t i = options.next; i < arguments.count; i++)
        remove_path(peal_argument(arguments, i));
    return edit.failures == 0 ? 0 : EXIT_CODE_FAILED;
}
