#include "peal/options.h"
#include "peal/output.h"
#include "peal/tree_edit.h"
#include "peal/usage.h"

static const char usage[] = "mkdir [-p] PATH...\n"
                            "Makes folders.\n"
                            "  -p   those above it, too; one that is there is no error\n";

static bool makes_parents;

static status make_one(text path)
{
    directory_result made = peal_path_create_directory(path, RIGHTS_HANDLE);
    OWNED(directory_handle) folder = TAKE(made.value);
    return made.status;
}

/* Every folder on the way, beginning at the top. */
static status make_all(text path)
{
    for (size_t end = 0; end < path.length;) {
        end = peal_text_find(path, '/', end + 1);
        text part = peal_text_slice(path, 0, end);
        if (peal_is_folder(part)) continue;
        TRY(make_one(part));
    }
    return OK;
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    struct peal_options options = {.arguments = arguments, .letters = "p"};
    text value;
    while (peal_option_next(&options, &value) != 0)
        makes_parents = true;
    if (options.is_wrong) return EXIT_CODE_USAGE;
    if (options.next >= arguments.count) return peal_usage_error("a path is needed");
    int code = 0;
    for (uint32_t i = options.next; i < arguments.count; i++) {
        text path = peal_argument(arguments, i);
        status made = makes_parents ? make_all(path) : make_one(path);
        if (is_ok(made)) continue;
        peal_error_path(path, made);
        code = EXIT_CODE_FAILED;
    }
    return code;
}
