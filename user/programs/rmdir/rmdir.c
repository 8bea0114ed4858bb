#include "peal/file.h"
#include "peal/output.h"
#include "peal/usage.h"

static const char usage[] = "rmdir PATH...\n"
                            "Deletes folders that are empty; `rm -r` deletes others, too.\n";

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    if (arguments.count < 2) return peal_usage_error("a path is needed");
    int code = 0;
    for (uint32_t i = 1; i < arguments.count; i++) {
        text path = peal_argument(arguments, i);
        status removed = peal_path_delete(path, ABI_DELETE_MUST_BE_FOLDER);
        if (is_ok(removed)) continue;
        peal_error_status(path, removed);
        code = EXIT_CODE_FAILED;
    }
    return code;
}
