/*
 * Text: counted bytes, UTF-8 by convention, never terminated.
 *
 * Context: any; no state. A `text` borrows the bytes it points to.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef struct text {
    const char *bytes;
    size_t length;
} text;

/* A literal as text, without its terminator. */
#define TEXT(literal) ((text){("" literal), sizeof(literal) - 1})

/* For "%.*s" in formats: TEXT_ARGUMENTS(name). */
#define TEXT_ARGUMENTS(t) (int)(t).length, (t).bytes

bool text_equal(text a, text b);
bool text_starts_with(text whole, text prefix);
/* Compares as unsigned bytes: negative, zero or positive. */
int text_compare(text a, text b);
/* From `start` (clamped) up to `length` bytes (clamped). */
text text_slice(text whole, size_t start, size_t length);
/* Index of the first `byte` at or after `start`, or whole.length. */
size_t text_find(text whole, char byte, size_t start);
/* Splits at the first `separator`: returns what is before it and leaves what is behind in *rest. */
text text_split(text *rest, char separator);
/* Parses an unsigned decimal or 0x number that is all of the text; false when it is not, or
 * overflows. */
[[nodiscard]] bool text_to_number(text digits, uint64_t *out_number);
/* True when the bytes are well-formed UTF-8 without NUL (Unicode 15, table 3-7). */
bool text_is_utf8(text candidate);
