#include "peal/glob.h"

/* Length of the code point that starts at `at`; 1 for bytes that are none. */
static size_t character_length(text t, size_t at)
{
    uint8_t lead = (uint8_t)t.bytes[at];
    size_t length = lead < 0xc2 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 1;
    if (length > t.length - at) return 1;
    for (size_t i = 1; i < length; i++)
        if (((uint8_t)t.bytes[at + i] & 0xc0) != 0x80) return 1;
    return length;
}

/* Code points compare like their bytes, for they are in UTF-8. */
static text take_character(text t, size_t *at)
{
    if (t.bytes[*at] == '\\' && *at + 1 < t.length) (*at)++;
    text character = peal_text_slice(t, *at, character_length(t, *at));
    *at += character.length;
    return character;
}

/* Index of the ] that closes the [ at `start`, or the pattern's length. A ] that comes first is one
 * of the characters. */
static size_t find_close(text pattern, size_t start)
{
    size_t at = start + 1;
    if (at < pattern.length && pattern.bytes[at] == '!') at++;
    for (bool is_first = true; at < pattern.length; is_first = false) {
        if (pattern.bytes[at] == ']' && !is_first) return at;
        take_character(pattern, &at);
    }
    return pattern.length;
}

/* Whether `character` is one of those between [ and ]. */
static bool is_in_set(text set, text character)
{
    bool is_found = false;
    size_t at = 0;
    bool is_inverted = set.length > 0 && set.bytes[0] == '!';
    if (is_inverted) at = 1;
    while (at < set.length) {
        text low = take_character(set, &at), high = low;
        if (at + 1 < set.length && set.bytes[at] == '-') {
            at++;
            high = take_character(set, &at);
        }
        is_found |=
            peal_text_compare(low, character) <= 0 && peal_text_compare(character, high) <= 0;
    }
    return is_found != is_inverted;
}

/* Matches the pattern's element at *at with `character`, and goes behind the element. */
static bool element_matches(text pattern, size_t *at, text character)
{
    if (pattern.bytes[*at] == '?') {
        (*at)++;
        return true;
    }
    if (pattern.bytes[*at] == '[') {
        size_t close = find_close(pattern, *at);
        if (close < pattern.length) {
            text set = peal_text_slice(pattern, *at + 1, close - *at - 1);
            *at = close + 1;
            return is_in_set(set, character);
        }
    }
    return peal_text_equal(take_character(pattern, at), character);
}

static bool is_hidden(text pattern, text name)
{
    size_t at = 0;
    if (name.length == 0 || name.bytes[0] != '.') return false;
    return pattern.length == 0 || !peal_text_equal(take_character(pattern, &at), TEXT("."));
}

/*
 * Only the last * needs to be gone back to: whatever an earlier one would take instead, the later
 * one can take as well.
 */
bool glob_matches(text pattern, text name)
{
    size_t at = 0, name_at = 0, star = SIZE_MAX, star_name_at = 0;
    if (is_hidden(pattern, name)) return false;
    while (name_at < name.length) {
        if (at < pattern.length && pattern.bytes[at] == '*') {
            star = ++at;
            star_name_at = name_at;
            continue;
        }
        size_t length = character_length(name, name_at);
        if (at < pattern.length &&
            element_matches(pattern, &at, peal_text_slice(name, name_at, length))) {
            name_at += length;
            continue;
        }
        if (star == SIZE_MAX) return false;
        star_name_at += character_length(name, star_name_at);
        name_at = star_name_at;
        at = star;
    }
    while (at < pattern.length && pattern.bytes[at] == '*')
        at++;
    return at == pattern.length;
}

bool glob_is_pattern(text pattern)
{
    for (size_t at = 0; at < pattern.length; at++) {
        char c = pattern.bytes[at];
        if (c == '*' || c == '?') return true;
        if (c == '[' && find_close(pattern, at) < pattern.length) return true;
        if (c == '\\') at++;
    }
    return false;
}

text glob_plain(text pattern, char *bytes)
{
    size_t length = 0;
    for (size_t at = 0; at < pattern.length; at++) {
        if (pattern.bytes[at] == '\\' && at + 1 < pattern.length) at++;
        bytes[length++] = pattern.bytes[at];
    }
    return (text){bytes, length};
}

/* Shell's sort, with gaps of Knuth's: TAOCP volume 3, 5.2.1. */
void glob_sort(text *names, uint32_t count)
{
    uint32_t gap = 1;
    while (gap < count / 3)
        gap = 3 * gap + 1;
    for (; gap > 0; gap /= 3) {
        for (uint32_t i = gap; i < count; i++) {
            text name = names[i];
            uint32_t j = i;
            for (; j >= gap && peal_text_compare(names[j - gap], name) > 0; j -= gap)
                names[j] = names[j - gap];
            names[j] = name;
        }
    }
}
