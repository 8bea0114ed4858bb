#include "peal/usage.h"
#include "peal/file.h"
#include "peal/output.h"
#include "peal/path.h"

bool peal_wants_help(struct peal_arguments arguments, const char *usage)
{
    if (!peal_text_equal(peal_argument(arguments, 1), TEXT("--help"))) return false;
    peal_print("%s", usage);
    return true;
}

int peal_usage_error(const char *message)
{
    const struct abi_startup *block = peal_startup();
    struct peal_arguments arguments = {
        .count = block->arguments_count,
        .strings = (const struct abi_string *)((const uint8_t *)block + block->arguments_offset)};
    text name = path_last_name(peal_argument(arguments, 0));
    peal_error("%s; see `%.*s --help`", message, TEXT_ARGUMENTS(name));
    return EXIT_CODE_USAGE;
}

static bool is_directory(text path)
{
    directory_result opened = peal_path_open_directory(path, ABI_RIGHT_CLOSE);
    if (!is_ok(opened.status)) return false;
    directory_handle_drop(&opened.value);
    return true;
}

void peal_error_path(text path, status why)
{
    if (why.code == STATUS_NOT_FOUND && is_directory(path))
        peal_error("%.*s: this is a directory; `ls` lists what is in it", TEXT_ARGUMENTS(path));
    else
        peal_error_status(path, why);
}
