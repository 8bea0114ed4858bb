/*
 * Text: counted bytes, UTF-8 by convention, never terminated; and spans of memory.
 *
 * Context: any; no state. All of these borrow the bytes they point to.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef struct text {
    const char *bytes;
    size_t length;
} text;

/* Memory to fill, and memory to look at. */
typedef struct span {
    void *bytes;
    size_t length;
} span;
typedef struct view {
    const void *bytes;
    size_t length;
} view;

/* A literal as text, without its terminator. */
#define TEXT(literal) ((text){("" literal), sizeof(literal) - 1})
/* A whole array or variable as a span. */
#define SPAN_OF(object) ((span){&(object), sizeof(object)})
/* The same as a view. */
#define VIEW_OF(object) ((view){&(object), sizeof(object)})

/* For "%.*s" in formats: TEXT_ARGUMENTS(name). */
#define TEXT_ARGUMENTS(t) (int)(t).length, (t).bytes

static inline view view_of(text t)
{
    return (view){t.bytes, t.length};
}

static inline bool text_is_empty(text t)
{
    return t.length == 0;
}

bool peal_text_equal(text a, text b);
bool peal_text_starts_with(text whole, text prefix);
bool peal_text_ends_with(text whole, text suffix);
/* Compares as unsigned bytes: negative, zero or positive. */
int peal_text_compare(text a, text b);
/* From `start` (clamped) up to `length` bytes (clamped). */
text peal_text_slice(text whole, size_t start, size_t length);
/* Index of the first `byte` at or after `start`, or whole.length. */
size_t peal_text_find(text whole, char byte, size_t start);
/* Splits at the first `separator`: returns what is before it and leaves what is behind in *rest. */
text peal_text_split(text *rest, char separator);
/* What is in front of the first zero byte of a fixed field, or all of it. */
text peal_text_from_field(const uint8_t *field, size_t field_bytes);
/* Parses an unsigned decimal or 0x number that is all of the text; false when not, or too large. */
[[nodiscard]] bool peal_text_to_number(text digits, uint64_t *out_number);
/*
 * As above with an optional k, m or g behind it: 1024, 1024^2, 1024^3 bytes.
 */
[[nodiscard]] bool peal_text_to_bytes(text digits, uint64_t *out_bytes);
