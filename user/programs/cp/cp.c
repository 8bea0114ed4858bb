#include "peal/options.h"
#include "peal/output.h"
#include "peal/tree_edit.h"
#include "peal/usage.h"

static const char usage[] = "cp [-rnv] SOURCE... DESTINATION\n"
                            "Copies files to a file or into a folder; `console` is the console.\n"
                            "  -r   folders, too, with all below them\n"
                            "  -n   keep what is there\n"
                            "  -v   tell each copy\n";

static struct tree_edit edit;
static bool is_recursive;

static status print_file(text path)
{
    static uint8_t chunk[64u << 10];
    file_result opened = peal_path_open_file(path, RIGHTS_READ);
    TRY(opened.status);
    OWNED(file_handle) file = TAKE(opened.value);
    for (;;) {
        size_result read = peal_file_read(file_borrow(&file), SPAN_OF(chunk));
        TRY(read.status);
        if (read.value == 0) return OK;
        TRY(peal_stream_write_all(peal_granted_stream(TEXT("stdout")), (view){chunk, read.value}));
    }
}

static void refuse(text path, const char *why)
{
    peal_error("%.*s: %s", TEXT_ARGUMENTS(path), why);
    edit.failures++;
}

static void copy(text from, text to)
{
    char bytes[ABI_PATH_BYTES_MAX];
    text target;
    bool is_folder = peal_is_folder(from);
    if (is_folder && !is_recursive)
        refuse(from, "is a folder: `cp -r` copies it with all below it");
    else if (!peal_target_path(from, to, bytes, &target))
        refuse(to, "the path would be too long");
    else if (is_folder && peal_is_inside(target, from))
        refuse(from, "cannot be copied into itself");
    else
        peal_copy_tree(&edit, from, target);
}

static void copy_to_console(text from)
{
    status printed = print_file(from);
    if (is_ok(printed)) return;
    peal_error_path(from, printed);
    edit.failures++;
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    struct peal_options options = {.arguments = arguments, .letters = "rnv"};
    text value;
    for (char letter; (letter = peal_option_next(&options, &value)) != 0;) {
        if (letter == 'r') is_recursive = true;
        if (letter == 'n') edit.keeps = true;
        if (letter == 'v') edit.is_verbose = true;
    }
    if (options.is_wrong) return EXIT_CODE_USAGE;
    uint32_t last = arguments.count - 1;
    if (last < options.next + 1) return peal_usage_error("what to copy and where to are needed");
    text to = peal_argument(arguments, last);
    bool is_to_console = peal_text_equal(to, TEXT("console"));
    if (last > options.next + 1 && !is_to_console && !peal_is_folder(to))
        return peal_usage_error("several sources need a folder to go to");
    for (uint32_t i = options.next; i < last; i++) {
        if (is_to_console)
            copy_to_console(peal_argument(arguments, i));
        else
            copy(peal_argument(arguments, i), to);
    }
    return edit.failures == 0 ? 0 : EXIT_CODE_FAILED;
}
