/*
 * Formatted text into a bounded buffer. Never overruns; what does not fit is cut and told.
 *
 * Formats: the printf conversions %d %u %x %X %c %s %p %% with flags, width, precision (also *),
 * and length modifiers hh h l ll z j t. %.*s with TEXT_ARGUMENTS prints text. No floating point.
 * Context: any; no state, no allocation.
 */
#pragma once
#include "base/annotations.h"
#include "base/text.h"
#include <stdarg.h>

struct text_writer {
    char *bytes;
    size_t capacity;
    size_t length;     /* <= capacity */
    bool is_truncated; /* something did not fit */
};

#define TEXT_WRITER(array) ((struct text_writer){.bytes = (array), .capacity = sizeof(array)})

void text_write(struct text_writer *writer, text piece);
void text_write_byte(struct text_writer *writer, char byte);
void text_format(struct text_writer *writer, const char *format, ...) PRINTF_LIKE(2, 3);
void text_format_list(struct text_writer *writer, const char *format, va_list arguments)
    PRINTF_LIKE(2, 0);

static inline text text_written(const struct text_writer *writer)
{
    return (text){writer->bytes, writer->length};
}
