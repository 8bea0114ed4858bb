#include "main/command_line.h"

static bool is_separator(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r' || byte == ';';
}

/* The next word at or after *at, which moves behind it; empty at the end. */
static text next_word(text line, size_t *at)
{
    while (*at < line.length && is_separator(line.bytes[*at]))
        (*at)++;
    size_t start = *at;
    while (*at < line.length && !is_separator(line.bytes[*at]))
        (*at)++;
    return text_slice(line, start, *at - start);
}

bool command_line_find(text command_line, text name, text *out_value)
{
    bool is_found = false;
    size_t at = 0;
    for (text word = next_word(command_line, &at); word.length > 0;
         word = next_word(command_line, &at)) {
        text value = word;
        if (!text_equal(text_split(&value, '='), name)) continue;
        *out_value = value;
        is_found = true;
    }
    return is_found;
}

bool command_line_has(text command_line, text name)
{
    text value;
    return command_line_find(command_line, name, &value);
}

uint64_t command_line_number(text command_line, text name, uint64_t otherwise)
{
    text value;
    uint64_t number;
    if (!command_line_find(command_line, name, &value)) return otherwise;
    return text_to_number(value, &number) ? number : otherwise;
}

bool command_line_is(text command_line, text name, text value)
{
    text found;
    return command_line_find(command_line, name, &found) && text_equal(found, value);
}
