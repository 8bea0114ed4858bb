#include "pattern.h"
#include "peal/input.h"
#include "peal/options.h"
#include "peal/output.h"
#include "peal/tree_walk.h"
#include "peal/usage.h"

static const char usage[] =
    "grep [-Fcilnqrv] PATTERN [file]...\n"
    "Prints the lines of files, or of standard input, that match; exit code 0 when any did, else "
    "1.\n"
    "  . [a-z] [^a-z] ^ $ * + ?  as usual, \\ in front takes the meaning away\n"
    "  -F   the pattern is plain text       -i   ignore case        -v   lines that do not match\n"
    "  -c   only count them                 -l   only names         -n   with line numbers\n"
    "  -q   nothing, only the exit code     -r   all files below each folder named\n";

static struct pattern pattern;
static bool is_plain, ignores_case, is_inverse, only_counts, only_names, shows_numbers, is_quiet;
static bool is_recursive, shows_names;
static bool has_matched;

static void print_match(text name, uint64_t number, text line)
{
    if (shows_names) peal_print("%.*s:", TEXT_ARGUMENTS(name));
    if (shows_numbers) peal_print("%lu:", number);
    peal_print("%.*s\n", TEXT_ARGUMENTS(line));
}

static void print_sum(text name, uint64_t count)
{
    if (is_quiet) return;
    if (only_names && count > 0) peal_print("%.*s\n", TEXT_ARGUMENTS(name));
    if (!only_counts) return;
    if (shows_names) peal_print("%.*s:", TEXT_ARGUMENTS(name));
    peal_print("%lu\n", count);
}

static status search(void *context, stream_ref from, text name)
{
    OWNED(line_reader) reader = {.from = from};
    text line;
    uint64_t count = 0;
    (void)context;
    for (uint64_t number = 1; line_reader_next(&reader, &line); number++) {
        if (pattern_matches(&pattern, line) == is_inverse) continue;
        count++;
        if (is_quiet || only_names) break;
        if (!only_counts) print_match(name, number, line);
    }
    if (count > 0) has_matched = true;
    print_sum(name, count);
    return reader.status;
}

static status search_file(text path)
{
    file_result opened = peal_path_open_file(path, RIGHTS_READ);
    TRY(opened.status);
    OWNED(file_handle) file = TAKE(opened.value);
    return search(nullptr, stream_of_file(file_borrow(&file)), path);
}

static bool search_tree(text path)
{
    static tree_walk walk;
    struct tree_entry entry;
    bool is_well = true;
    tree_walk_begin(&walk, path);
    while (tree_walk_next(&walk, &entry)) {
        if (entry.step == TREE_FILE) entry.why = search_file(entry.path);
        if (is_ok(entry.why)) continue;
        peal_error_status(entry.path, entry.why);
        is_well = false;
    }
    return is_well;
}

static bool take_options(struct peal_options *options)
{
    text value;
    for (char letter; (letter = peal_option_next(options, &value)) != 0;) {
        switch (letter) {
        case 'F':
            is_plain = true;
            break;
        case 'c':
            only_counts = true;
            break;
        case 'i':
            ignores_case = true;
            break;
        case 'l':
            only_names = true;
            break;
        case 'n':
            shows_numbers = true;
            break;
        case 'q':
            is_quiet = true;
            break;
        case 'r':
            is_recursive = true;
            break;
        default:
            is_inverse = true;
        }
    }
    return !options->is_wrong;
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    struct peal_options options = {.arguments = arguments, .letters = "Fcilnqrv"};
    if (!take_options(&options)) return EXIT_CODE_USAGE;
    if (options.next >= arguments.count) return peal_usage_error("a pattern is needed");
    text source = peal_argument(arguments, options.next);
    const char *problem = is_plain ? pattern_literal(source, ignores_case, &pattern)
                                   : pattern_parse(source, ignores_case, &pattern);
    if (problem != nullptr) return peal_usage_error(problem);
    uint32_t first = options.next + 1;
    if (is_recursive && first >= arguments.count) return peal_usage_error("-r needs a folder");
    shows_names = is_recursive || arguments.count > first + 1;
    int code = 0;
    if (!is_recursive) code = peal_for_each_input(arguments, first, search, nullptr);
    for (uint32_t i = first; is_recursive && i < arguments.count; i++)
        if (!search_tree(peal_argument(arguments, i))) code = EXIT_CODE_USAGE;
    if (code != 0) return EXIT_CODE_USAGE;
    return has_matched ? 0 : EXIT_CODE_FAILED;
}
