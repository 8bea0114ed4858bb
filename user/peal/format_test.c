#include "peal/format.h"
#include "peal/output.h"
#include "support/test.h"
#include <stdio.h>

/* What the C library says is right, for the conversions that both have. */
#define CHECK_AS_PRINTF(...)                                            \
    do {                                                                \
        char expected[128], actual[128];                                \
        struct writer writer = WRITER(actual);                          \
        int length = snprintf(expected, sizeof(expected), __VA_ARGS__); \
        writer_format(&writer, __VA_ARGS__);                            \
        CHECK_EQUAL(length, writer.length);                             \
        CHECK_BYTES(expected, actual, writer.length);                   \
    } while (0)

TEST(formats_agree_with_the_c_library)
{
    CHECK_AS_PRINTF("%d %d %d", 0, -1, 2147483647);
    CHECK_AS_PRINTF("%5d|%-5d|%05d|%+d", 42, 42, -42, 42);
    CHECK_AS_PRINTF("%u %x %X %#x", 4000000000u, 0xbeefu, 0xbeefu, 0xbeefu);
    CHECK_AS_PRINTF("%lu %lx %ld", ~0ul, ~0ul, -1l);
    CHECK_AS_PRINTF("%hhu %hd", 300, 70000);
    CHECK_AS_PRINTF("%8.3d|%-8.3d|%.0d", 7, 7, 0);
    CHECK_AS_PRINTF("%08lx", 0x1234ul);
    CHECK_AS_PRINTF("%s|%10s|%-10s|%.2s", "abc", "abc", "abc", "abc");
    CHECK_AS_PRINTF("%.*s|%*d", 2, "abc", 6, 5);
    CHECK_AS_PRINTF("%c%c%%", 'x', 'y');
    CHECK_AS_PRINTF("%zu %jd", (size_t)7, (intmax_t)-7);
    CHECK_AS_PRINTF("%ld", INT64_MIN);
}

TEST(what_does_not_fit_is_cut_and_told)
{
    char bytes[4];
    struct writer writer = WRITER(bytes);
    writer_format(&writer, "%s", "12345");
    CHECK_EQUAL(4, writer.length);
    CHECK(writer.is_truncated);
    CHECK_BYTES("1234", bytes, 4);
}

static char emptied[64];
static size_t emptied_length;

static void empty(struct writer *writer)
{
    for (size_t i = 0; i < writer->length; i++)
        emptied[emptied_length++] = writer->bytes[i];
    writer->length = 0;
}

TEST(a_full_writer_is_emptied_and_nothing_is_lost)
{
    char bytes[4];
    struct writer writer = WRITER(bytes);
    writer.empty = empty;
    emptied_length = 0;
    writer_write(&writer, TEXT("0123456789"));
    empty(&writer);
    CHECK(!writer.is_truncated);
    CHECK_EQUAL(10, emptied_length);
    CHECK_BYTES("0123456789", emptied, 10);
}

static void check_bytes_as(const char *expected, uint64_t bytes)
{
    char actual[16];
    struct writer writer = WRITER(actual);
    peal_format_bytes(&writer, bytes);
    text wanted = {expected, __builtin_strlen(expected)};
    CHECK_EQUAL(wanted.length, writer.length);
    CHECK_BYTES(wanted.bytes, actual, wanted.length);
}

TEST(sizes_are_short_for_people)
{
    check_bytes_as("0", 0);
    check_bytes_as("1023", 1023);
    check_bytes_as("1.0K", 1024);
    check_bytes_as("1.5K", 1536);
    check_bytes_as("10K", 10240);
    check_bytes_as("256M", 256ull << 20);
    check_bytes_as("4.0G", 4ull << 30);
}

TEST(rights_have_names_both_ways)
{
    char bytes[128];
    struct writer writer = WRITER(bytes);
    peal_format_rights(&writer, ABI_RIGHT_READ | ABI_RIGHT_LOOK_UP);
    CHECK(peal_text_equal(writer_text(&writer), TEXT("read,look_up")));
    CHECK_EQUAL(ABI_RIGHT_LOOK_UP, peal_right_by_name(TEXT("look_up")));
    CHECK_EQUAL(0, peal_right_by_name(TEXT("fly")));
}
