#include "completion.h"
#include "peal/bytes.h"

void completion_begin(struct completion *completion, text prefix)
{
    completion->prefix = prefix;
    completion->count = 0;
    completion->common_length = 0;
    completion->shown_count = 0;
    completion->shown_used = 0;
    completion->is_folder = false;
}

static void show(struct completion *completion, text name)
{
    if (completion->shown_count == COMPLETION_SHOWN_MAX) return;
    if (name.length > sizeof(completion->shown_bytes) - completion->shown_used) return;
    char *copy = completion->shown_bytes + completion->shown_used;
    memcpy(copy, name.bytes, name.length);
    completion->shown_used += name.length;
    completion->shown[completion->shown_count++] = (text){copy, name.length};
}

void completion_offer(struct completion *completion, text name, bool is_folder)
{
    if (!peal_text_starts_with(name, completion->prefix)) return;
    if (name.length > COMPLETION_NAME_BYTES_MAX) return;
    if (completion->count++ == 0) {
        memcpy(completion->common, name.bytes, name.length);
        completion->common_length = name.length;
        completion->is_folder = is_folder;
    } else {
        size_t same = 0;
        while (same < completion->common_length && same < name.length &&
               completion->common[same] == name.bytes[same])
            same++;
        while (same > 0 && same < name.length && ((uint8_t)name.bytes[same] & 0xc0) == 0x80)
            same--; /* never half a code point */
        completion->common_length = same;
    }
    show(completion, name);
}

text completion_addition(const struct completion *completion)
{
    return peal_text_slice((text){completion->common, completion->common_length},
                           completion->prefix.length, SIZE_MAX);
}

bool completion_is_special(char byte)
{
    text special = TEXT(" \\'\"$;#|<>&*?[");
    return peal_text_find(special, byte, 0) < special.length;
}

text completion_plain(text word, char *bytes)
{
    size_t length = 0;
    for (size_t i = 0; i < word.length; i++) {
        if (word.bytes[i] == '\\' && i + 1 < word.length) i++;
        bytes[length++] = word.bytes[i];
    }
    return (text){bytes, length};
}

/* Whether the character at `at` is one of these, and no backslash is before it. */
static bool is_one_of(text characters, text line, size_t at)
{
    bool is_one = peal_text_find(characters, line.bytes[at], 0) < characters.length;
    return is_one && (at == 0 || line.bytes[at - 1] != '\\');
}

struct word_at_cursor completion_word(text line)
{
    size_t start = line.length;
    while (start > 0 && !is_one_of(TEXT(" ;|&<>"), line, start - 1))
        start--;
    size_t before = start;
    while (before > 0 && line.bytes[before - 1] == ' ')
        before--;
    return (struct word_at_cursor){
        .start = start, .is_command = before == 0 || is_one_of(TEXT(";|&"), line, before - 1)};
}
