#include "peal/file.h"
#include "peal/options.h"
#include "peal/output.h"
#include "peal/usage.h"

static const char usage[] =
    "touch [-c] PATH...\n"
    "Makes files that are not there; of others the time of change becomes now.\n"
    "  -c   make none\n";

static status touch(text path, bool makes)
{
    status set = peal_path_set_modified(path, 0);
    if (set.code != STATUS_NOT_FOUND || !makes) return set;
    file_result made = peal_path_open_file(path, RIGHTS_WRITE);
    OWNED(file_handle) file = TAKE(made.value);
    return made.status;
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    struct peal_options options = {.arguments = arguments, .letters = "c"};
    text value;
    bool makes = true;
    while (peal_option_next(&options, &value) != 0)
        makes = false;
    if (options.is_wrong) return EXIT_CODE_USAGE;
    if (options.next >= arguments.count) return peal_usage_error("a path is needed");
    int code = 0;
    for (uint32_t i = options.next; i < arguments.count; i++) {
        text path = peal_argument(arguments, i);
        status touched = touch(path, makes);
        if (is_ok(touched) || (touched.code == STATUS_NOT_FOUND && !makes)) continue;
        peal_error_path(path, touched);
        code = EXIT_CODE_FAILED;
    }
    return code;
}
