/* What fuzz targets use in place of the unit test runner, whose main() libFuzzer has already. */
#include "support/test.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void test_fail(const char *file, int line, const char *format, ...)
{
    fprintf(stderr, "%s:%d: ", file, line);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n");
    abort();
}
