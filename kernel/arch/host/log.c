/* The log and the panic of a host process: both go to standard error. */
#include "debug/log.h"
#include "debug/assert.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void panic(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("panic: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    abort();
}

void log_line(const char *module, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s: ", module);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

void log_add_sink(log_sink *sink)
{
    (void)sink;
}

void log_set_clock(uint64_t (*now_ns)(void))
{
    (void)now_ns;
}

void log_panic_text(text piece)
{
    fwrite(piece.bytes, 1, piece.length, stderr);
}

size_t log_tail(char *to, size_t capacity)
{
    (void)to;
    (void)capacity;
    return 0;
}
