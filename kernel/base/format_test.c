#include "base/format.h"
#include "support/test.h"
#include <stdio.h>
#include <string.h>

/* What the C library makes of the same format is what ours must make of it. */
#define CHECK_AS_PRINTF(...)                                            \
    do {                                                                \
        char expected[256];                                             \
        char bytes[256];                                                \
        struct text_writer writer = TEXT_WRITER(bytes);                 \
        int length = snprintf(expected, sizeof(expected), __VA_ARGS__); \
        text_format(&writer, __VA_ARGS__);                              \
        CHECK_EQUAL(length, writer.length);                             \
        CHECK_BYTES(expected, bytes, writer.length);                    \
    } while (0)

TEST(integers_are_written_as_printf_writes_them)
{
    CHECK_AS_PRINTF("%d %d %d", 0, 42, -42);
    CHECK_AS_PRINTF("%u", UINT32_MAX);
    CHECK_AS_PRINTF("%lld %lld", (long long)INT64_MIN, (long long)INT64_MAX);
    CHECK_AS_PRINTF("%llu", (unsigned long long)UINT64_MAX);
    CHECK_AS_PRINTF("%x %X %#x %#X %#x", 0xbeefu, 0xbeefu, 0xbeefu, 0xbeefu, 0u);
    CHECK_AS_PRINTF("%lx %zx %jx %tx", 0x123456789abcul, (size_t)7, (uintmax_t)8, (ptrdiff_t)9);
    CHECK_AS_PRINTF("%hhd %hhu %hd %hu", -1, 255, -2, 65535);
    CHECK_AS_PRINTF("%+d % d %+d", 5, 5, -5);
}

TEST(width_precision_and_flags_are_those_of_printf)
{
    CHECK_AS_PRINTF("[%5d] [%-5d] [%05d] [%05d]", 42, 42, 42, -42);
    CHECK_AS_PRINTF("[%.3d] [%8.3d] [%-8.3d] [%08.3d]", 7, 7, 7, 7);
    CHECK_AS_PRINTF("[%.0d] [%5.0d]", 0, 0);
    CHECK_AS_PRINTF("[%*d] [%-*d] [%*d]", 6, 1, 6, 2, -6, 3);
    CHECK_AS_PRINTF("[%#10x] [%#010x] [%-#10x]", 255u, 255u, 255u);
    CHECK_AS_PRINTF("[%016llx]", 0xffff800000000000ull);
    CHECK_AS_PRINTF("[%.*d]", -1, 5);
}

TEST(strings_and_bytes_are_padded_and_cut)
{
    CHECK_AS_PRINTF("[%s] [%8s] [%-8s] [%.2s] [%8.2s]", "peal", "peal", "peal", "peal", "peal");
    CHECK_AS_PRINTF("[%c] [%3c] [%-3c] 100%%", 'a', 'b', 'c');
    char unterminated[3] = {'a', 'b', 'c'};
    text name = {unterminated, 3};
    CHECK_AS_PRINTF("%.*s", TEXT_ARGUMENTS(name));
    CHECK_AS_PRINTF("%p", (void *)0x1234);
}

TEST(a_missing_string_is_named_instead_of_read)
{
    char bytes[16];
    struct text_writer writer = TEXT_WRITER(bytes);
    const char *missing = nullptr;
    text_format(&writer, "%s", missing);
    CHECK(text_equal(TEXT("(none)"), text_written(&writer)));
}

TEST(what_does_not_fit_is_cut_and_told)
{
    char bytes[9];
    memset(bytes, 'z', sizeof(bytes));
    struct text_writer writer = {.bytes = bytes, .capacity = 8};
    text_format(&writer, "%s", "12345678");
    CHECK(!writer.is_truncated);
    text_format(&writer, "%d", 9);
    CHECK(writer.is_truncated);
    CHECK_EQUAL(8, writer.length);
    CHECK_EQUAL('z', bytes[8]);

    writer = (struct text_writer){.bytes = bytes, .capacity = 4};
    text_format(&writer, "%20d", 7);
    CHECK(writer.is_truncated);
    CHECK(text_equal(TEXT("    "), text_written(&writer)));
}

TEST(an_unknown_conversion_is_written_as_it_stands)
{
    char bytes[32];
    struct text_writer writer = TEXT_WRITER(bytes);
    const char *format = "a %-3q b %";
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wformat-nonliteral"
#pragma clang diagnostic ignored "-Wformat-security"
    text_format(&writer, format);
#pragma clang diagnostic pop
    CHECK(text_equal(TEXT("a %-3q b %"), text_written(&writer)));
}
