/*
 * Formatted text into a bounded buffer, which may be emptied when it is full.
 *
 * Formats: the printf conversions %d %i %u %x %X %c %s %p %% with flags - 0 + #, width and
 * precision (also *), and the length modifiers hh h l ll z j t. %.*s with TEXT_ARGUMENTS writes a
 * text. No floating point. Anything else is written as it stands.
 *
 * Context: any; no state, no allocation.
 */
#pragma once
#include "peal/text.h"
#include <stdarg.h>

struct writer {
    char *bytes;
    size_t capacity;
    size_t length;
    bool is_truncated;                    /* something did not fit, or could not be written */
    void (*empty)(struct writer *writer); /* writes out and sets length to 0; may be nullptr */
};

#define WRITER(array) ((struct writer){.bytes = (array), .capacity = sizeof(array)})

void writer_write(struct writer *writer, text piece);
void writer_byte(struct writer *writer, char byte);
/* `count` times `byte`. */
void writer_fill(struct writer *writer, char byte, size_t count);
void writer_format(struct writer *writer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void writer_format_list(struct writer *writer, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

static inline text writer_text(const struct writer *writer)
{
    return (text){writer->bytes, writer->length};
}
