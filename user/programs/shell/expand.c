/*
 * From words as typed to words as meant. A pattern is gone through name by name: the directories
 * found so far, each listed for the next name. Two sets take turns; nothing recurses.
 */
#include "peal/bytes.h"
#include "peal/glob.h"
#include "peal/output.h"
#include "shell.h"

#define MATCHES_MAX       4096u
#define MATCHES_BYTES_MAX 65536u

struct matches {
    uint32_t count;
    bool is_full;
    size_t used_bytes;
    text items[MATCHES_MAX];
    char bytes[MATCHES_BYTES_MAX];
};

/* One name of the pattern. */
struct component {
    text name;
    bool is_pattern;
    bool is_last;
};

static struct matches sets[2];

static bool look_up_special(const struct shell *shell, text name, text *out_value)
{
    static char number_bytes[24];
    struct writer number = WRITER(number_bytes);
    uint64_t index;
    if (peal_text_equal(name, TEXT("?"))) {
        writer_format(&number, "%u", shell->last_code);
    } else if (peal_text_equal(name, TEXT("#"))) {
        writer_format(&number, "%u", shell->argument_count);
    } else if (peal_text_equal(name, TEXT("!"))) {
        if (shell->last_background == 0) return false;
        writer_format(&number, "%lu", shell->last_background);
    } else if (peal_text_to_number(name, &index)) {
        if (index > shell->argument_count) return false;
        *out_value = index == 0 ? shell->name : shell->arguments[index - 1];
        return true;
    } else {
        return false;
    }
    *out_value = writer_text(&number);
    return true;
}

static bool look_up_variable(void *context, text name, text *out_value)
{
    const struct shell *shell = context;
    return look_up_special(shell, name, out_value) ||
           variables_get(&shell->variables, name, out_value);
}

static void matches_clear(struct matches *matches, bool is_full)
{
    matches->count = 0;
    matches->used_bytes = 0;
    matches->is_full = is_full;
}

static void matches_add(struct matches *matches, text prefix, text name, bool is_folder)
{
    size_t length = prefix.length + name.length + is_folder;
    if (matches->count == MATCHES_MAX || length > MATCHES_BYTES_MAX - matches->used_bytes) {
        matches->is_full = true;
        return;
    }
    char *bytes = matches->bytes + matches->used_bytes;
    memcpy(bytes, prefix.bytes, prefix.length);
    memcpy(bytes + prefix.length, name.bytes, name.length);
    if (is_folder) bytes[length - 1] = '/';
    matches->used_bytes += length;
    matches->items[matches->count++] = (text){bytes, length};
}

/* As the kernel takes it: the current directory has a name, and none ends with a slash. */
static text path_to_open(text path)
{
    if (path.length == 0) return TEXT(".");
    bool has_slash = path.length > 1 && path.bytes[path.length - 1] == '/';
    return peal_text_slice(path, 0, path.length - has_slash);
}

/* Those of the directory's names that match. What cannot be opened or listed has none. */
static void match_folder(const struct shell *shell, text folder, const struct component *component,
                         struct matches *to)
{
    directory_result opened = {0};
    opened.status = status_of_raw(shell_raw_open(shell, path_to_open(folder), RIGHTS_FOLDER,
                                                 ABI_OPEN_MUST_BE_FOLDER, &opened.value.raw));
    if (!is_ok(opened.status)) return;
    OWNED(directory_handle) handle = TAKE(opened.value);
    bool shows_hidden = peal_text_starts_with(component->name, TEXT("."));
    struct listing listing = {.raw = handle.raw};
    const struct abi_directory_entry *entry;
    while (!to->is_full && (entry = peal_list_directory(&listing)) != nullptr) {
        bool is_folder = entry->kind == ABI_KIND_DIRECTORY;
        if ((entry->attributes & ABI_ATTRIBUTE_HIDDEN) && !shows_hidden) continue;
        if (!is_folder && !component->is_last) continue;
        if (glob_matches(component->name, directory_entry_name(entry)))
            matches_add(to, folder, directory_entry_name(entry), !component->is_last);
    }
}

static bool exists(const struct shell *shell, text path)
{
    peal_raw_handle handle;
    if (shell_raw_open(shell, path_to_open(path), ABI_RIGHT_CLOSE, ABI_OPEN_MUST_EXIST, &handle) !=
        ABI_STATUS_OK)
        return false;
    peal_raw_close(handle);
    return true;
}

static void match_plain(const struct component *component, text folder, struct matches *to)
{
    char bytes[ABI_PATH_BYTES_MAX];
    if (component->name.length > sizeof(bytes)) return;
    matches_add(to, folder, glob_plain(component->name, bytes), !component->is_last);
}

/* Takes the next name of the pattern, with the slashes behind it. */
static struct component take_component(text *pattern)
{
    size_t end = peal_text_find(*pattern, '/', 0);
    bool is_last = end == pattern->length;
    text name = peal_text_slice(*pattern, 0, end);
    while (end < pattern->length && pattern->bytes[end] == '/')
        end++;
    *pattern = peal_text_slice(*pattern, end, SIZE_MAX);
    return (struct component){name, glob_is_pattern(name), is_last};
}

/* All paths that match; behind the first pattern, what is named must be there. */
static struct matches *match_path(const struct shell *shell, text pattern)
{
    struct matches *from = &sets[0], *to = &sets[1];
    matches_clear(from, false);
    size_t root_bytes = 0;
    while (root_bytes < pattern.length && pattern.bytes[root_bytes] == '/')
        root_bytes++;
    matches_add(from, TEXT(""), TEXT(""), root_bytes > 0);
    pattern = peal_text_slice(pattern, root_bytes, SIZE_MAX);
    bool was_pattern = false;
    while (pattern.length > 0) {
        struct component component = take_component(&pattern);
        matches_clear(to, from->is_full);
        for (uint32_t i = 0; i < from->count; i++) {
            if (component.is_pattern)
                match_folder(shell, from->items[i], &component, to);
            else
                match_plain(&component, from->items[i], to);
            bool is_sure = component.is_pattern || !was_pattern || to->count == 0;
            if (!is_sure && !exists(shell, to->items[to->count - 1])) to->count--;
        }
        was_pattern |= component.is_pattern;
        struct matches *swap = from;
        from = to;
        to = swap;
    }
    return from;
}

static enum words_error add_matches(struct shell *shell, text pattern)
{
    struct matches *found = match_path(shell, pattern);
    enum words_error error = found->is_full ? WORDS_TOO_MANY : WORDS_OK;
    glob_sort(found->items, found->count);
    for (uint32_t i = 0; error == WORDS_OK && i < found->count; i++)
        error = words_add_plain(&shell->words, found->items[i]);
    if (found->count > 0 || error != WORDS_OK) return error;
    /* Nothing matches: the word is as it was typed. */
    char bytes[ABI_PATH_BYTES_MAX];
    if (pattern.length > sizeof(bytes)) return WORDS_TOO_MANY;
    return words_add_plain(&shell->words, glob_plain(pattern, bytes));
}

struct word_values shell_word_values(struct shell *shell)
{
    return (struct word_values){look_up_variable, shell, shell->arguments, shell->argument_count};
}

bool shell_expand(struct shell *shell, text raw)
{
    const struct word_values values = shell_word_values(shell);
    struct words *words = &shell->words;
    enum words_error error = words_add(words, raw, &values);
    if (error == WORDS_OK && words->count > 0 && words->is_pattern[words->count - 1])
        error = add_matches(shell, words_take_last(words));
    if (error != WORDS_OK) peal_error("%s", words_error_message(error));
    return error == WORDS_OK;
}
