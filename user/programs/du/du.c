#include "peal/heap.h"
#include "peal/options.h"
#include "peal/output.h"
#include "peal/tree_walk.h"
#include "peal/usage.h"

static const char usage[] =
    "du [-abs] [path]...\n"
    "Adds up the sizes of files, folder by folder, below each path or the current folder.\n"
    "  -a   files, too      -s   only the sum of each path      -b   exact bytes\n";

static bool shows_files, only_sums, shows_bytes;

/* What has been added up in the folder at each depth; grows as needed. */
static uint64_t *sums;
static uint32_t sum_count;

static bool has_depth(uint32_t depth)
{
    if (depth < sum_count) return true;
    uint32_t count = 2 * depth + 16;
    uint64_t *larger = peal_resize(sums, count * sizeof(*larger));
    if (larger == nullptr) return false;
    sums = larger;
    sum_count = count;
    return true;
}

static void print_sum(uint64_t bytes, text path)
{
    char digits[24];
    struct writer size = WRITER(digits);
    if (shows_bytes)
        writer_format(&size, "%lu", bytes);
    else
        peal_format_bytes(&size, bytes);
    peal_print("%-10.*s  %.*s\n", TEXT_ARGUMENTS(writer_text(&size)), TEXT_ARGUMENTS(path));
}

static void add_up(struct tree_entry *entry)
{
    uint32_t depth = entry->depth;
    if (!has_depth(depth + 1)) {
        entry->why = FAIL(OUT_OF_MEMORY);
        return;
    }
    if (entry->step == TREE_ENTER) sums[depth + 1] = 0;
    if (entry->step == TREE_FILE) {
        sums[depth] += entry->size_bytes;
        if (depth == 0 || (shows_files && !only_sums)) print_sum(entry->size_bytes, entry->path);
    }
    if (entry->step == TREE_LEAVE) {
        sums[depth] += sums[depth + 1];
        if (depth == 0 || !only_sums) print_sum(sums[depth + 1], entry->path);
    }
}

static bool measure(text path)
{
    static tree_walk walk;
    struct tree_entry entry;
    bool is_well = true;
    if (has_depth(0)) sums[0] = 0;
    tree_walk_begin(&walk, path);
    while (tree_walk_next(&walk, &entry)) {
        if (is_ok(entry.why)) add_up(&entry);
        if (is_ok(entry.why)) continue;
        peal_error_status(entry.path, entry.why);
        is_well = false;
    }
    return is_well;
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    struct peal_options options = {.arguments = arguments, .letters = "abs"};
    text value;
    for (char letter; (letter = peal_option_next(&options, &value)) != 0;) {
        if (letter == 'a') shows_files = true;
        if (letter == 'b') shows_bytes = true;
        if (letter == 's') only_sums = true;
    }
    if (options.is_wrong) return EXIT_CODE_USAGE;
    int code = 0;
    if (options.next >= arguments.count && !measure(TEXT("."))) code = EXIT_CODE_FAILED;
    for (uint32_t i = options.next; i < arguments.count; i++)
        if (!measure(peal_argument(arguments, i))) code = EXIT_CODE_FAILED;
    return code;
}
