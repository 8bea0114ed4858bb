#include "peal/input.h"
#include "peal/options.h"
#include "peal/output.h"
#include "peal/usage.h"

static const char usage[] =
    "head [-n LINES] [file]...\n"
    "Prints the first 10 lines, or so many, of files or of standard input.\n";

static uint64_t lines_wanted = 10;
static bool shows_names;

static status print_beginning(void *context, stream_ref from, text name)
{
    OWNED(line_reader) reader = {.from = from};
    text line;
    (void)context;
    if (shows_names) peal_print("==> %.*s <==\n", TEXT_ARGUMENTS(name));
    for (uint64_t i = 0; i < lines_wanted && line_reader_next(&reader, &line); i++)
        peal_print("%.*s%s", TEXT_ARGUMENTS(line), reader.had_newline ? "\n" : "");
    return reader.status;
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    struct peal_options options = {.arguments = arguments, .letters = "n:"};
    text value;
    while (peal_option_next(&options, &value) != 0) {
        if (!peal_text_to_number(value, &lines_wanted))
            return peal_usage_error("how many lines is a number");
    }
    if (options.is_wrong) return EXIT_CODE_USAGE;
    shows_names = arguments.count > options.next + 1;
    return peal_for_each_input(arguments, options.next, print_beginning, nullptr);
}
