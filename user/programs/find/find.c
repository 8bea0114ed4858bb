#include "peal/glob.h"
#include "peal/output.h"
#include "peal/tree_walk.h"
#include "peal/usage.h"

static const char usage[] =
    "find [path]... [-name PATTERN] [-type f|d] [-size +N|-N] [-empty]\n"
    "Prints the paths of files and folders, those for which all conditions hold.\n"
    "  -name   the last name matches: * ? [a-z] [!a-z]; quote it, or the shell looks first\n"
    "  -type   f: files, d: folders\n"
    "  -size   larger (+) or smaller (-) than N bytes; N may end in k, m or g; files only\n"
    "  -empty  no bytes in it; files only\n";

static text name_pattern;
static char wanted_type; /* 0: any */
static bool has_least, has_most;
static uint64_t least_bytes, most_bytes;

static bool is_wanted(const struct tree_entry *entry)
{
    bool is_file = entry->step == TREE_FILE;
    if (wanted_type == 'f' && !is_file) return false;
    if (wanted_type == 'd' && is_file) return false;
    if ((has_least || has_most) && !is_file) return false;
    if (has_least && entry->size_bytes < least_bytes) return false;
    if (has_most && entry->size_bytes > most_bytes) return false;
    return name_pattern.length == 0 || glob_matches(name_pattern, entry->name);
}

static bool search(text path)
{
    static tree_walk walk;
    struct tree_entry entry;
    bool is_well = true;
    tree_walk_begin(&walk, path);
    while (tree_walk_next(&walk, &entry)) {
        if (!is_ok(entry.why)) {
            peal_error_status(entry.path, entry.why);
            is_well = false;
        } else if (entry.step != TREE_LEAVE && is_wanted(&entry)) {
            peal_print("%.*s\n", TEXT_ARGUMENTS(entry.path));
        }
    }
    return is_well;
}

/* "+10k", "-4096" */
static bool take_size(text value)
{
    uint64_t bytes;
    bool is_least = peal_text_starts_with(value, TEXT("+"));
    bool is_most = peal_text_starts_with(value, TEXT("-"));
    if (!is_least && !is_most) return false;
    if (!peal_text_to_bytes(peal_text_slice(value, 1, SIZE_MAX), &bytes)) return false;
    if (is_most && bytes == 0) return false;
    has_least = has_least || is_least;
    has_most = has_most || is_most;
    if (is_least)
        least_bytes = bytes + 1;
    else
        most_bytes = bytes - 1;
    return true;
}

/* nullptr, or what is wrong. `value` is the argument behind; *out_used is whether it was taken. */
static const char *take_condition(text condition, text value, bool *out_used)
{
    *out_used = true;
    if (peal_text_equal(condition, TEXT("-name"))) {
        name_pattern = value;
        return value.length > 0 ? nullptr : "-name needs a pattern";
    }
    if (peal_text_equal(condition, TEXT("-type"))) {
        wanted_type = value.length == 1 ? value.bytes[0] : 0;
        return wanted_type == 'f' || wanted_type == 'd' ? nullptr : "-type is f or d";
    }
    if (peal_text_equal(condition, TEXT("-size")))
        return take_size(value) ? nullptr : "-size needs + or - and a number of bytes";
    *out_used = false;
    has_most = true;
    most_bytes = 0;
    return peal_text_equal(condition, TEXT("-empty")) ? nullptr : "there is no such condition";
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    uint32_t paths_end = 1;
    while (paths_end < arguments.count &&
           !peal_text_starts_with(peal_argument(arguments, paths_end), TEXT("-")))
        paths_end++;
    for (uint32_t i = paths_end; i < arguments.count; i++) {
        bool is_used;
        const char *problem =
            take_condition(peal_argument(arguments, i), peal_argument(arguments, i + 1), &is_used);
        if (problem != nullptr) return peal_usage_error(problem);
        if (is_used) i++;
    }
    int code = 0;
    if (paths_end == 1 && !search(TEXT("."))) code = EXIT_CODE_FAILED;
    for (uint32_t i = 1; i < paths_end; i++)
        if (!search(peal_argument(arguments, i))) code = EXIT_CODE_FAILED;
    return code;
}
