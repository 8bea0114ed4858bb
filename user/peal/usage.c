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

#define NAME_CHARACTERS_MAX 255u

static bool is_forbidden(char byte)
{
    text forbidden = TEXT("\"*:<>?\\|");
    return (uint8_t)byte < ' ' || peal_text_find(forbidden, byte, 0) < forbidden.length;
}

/* What is wrong with a name that was refused, if the name is. */
static const char *name_problem(text name)
{
    if (name.length == 0) return "a name is needed";
    size_t characters = 0;
    for (size_t i = 0; i < name.length; i++) {
        if (is_forbidden(name.bytes[i])) return "disks take no names with \" * : < > ? \\ |";
        characters += ((uint8_t)name.bytes[i] & 0xc0) != 0x80; /* not inside a UTF-8 character */
    }
    if (characters > NAME_CHARACTERS_MAX) return "a name has at most 255 characters";
    char last = name.bytes[name.length - 1];
    if (last == '.' || last == ' ') return "a name does not end in a dot or a blank";
    return nullptr;
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
    else if (why.code == STATUS_INVALID_ARGUMENT && name_problem(path_last_name(path)) != nullptr)
        peal_error("%.*s: %s (INVALID_ARGUMENT)", TEXT_ARGUMENTS(path),
                   name_problem(path_last_name(path)));
    else
        peal_error_status(path, why);
}
