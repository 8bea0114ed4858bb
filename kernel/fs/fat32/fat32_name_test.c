#include "base/bytes.h"
#include "fs/fat32/fat32_name.h"
#include "support/test.h"
#include <string.h>

static text text_of(const char *bytes)
{
    return (text){bytes, strlen(bytes)};
}

static bool short_name_is(const char *stored, uint8_t letter_case, const char *expected)
{
    uint8_t entry[32] = {0};
    memcpy(entry, stored, 11);
    entry[12] = letter_case;
    char name[FAT32_ALIAS_BYTES_MAX];
    uint32_t length = fat32_short_name(entry, name);
    return text_equal((text){name, length}, text_of(expected));
}

TEST(short_names_lose_their_padding_and_gain_a_dot)
{
    CHECK(short_name_is("README  TXT", 0, "README.TXT"));
    CHECK(short_name_is("README     ", 0, "README"));
    CHECK(short_name_is("A B     C  ", 0, "A B.C"));
    CHECK(short_name_is("ABCDEFGHIJK", 0, "ABCDEFGH.IJK"));
}

TEST(the_lower_case_flags_apply_to_base_and_extension_apart)
{
    CHECK(short_name_is("README  TXT", 0x08, "readme.TXT"));
    CHECK(short_name_is("README  TXT", 0x10, "README.txt"));
    CHECK(short_name_is("README  TXT", 0x18, "readme.txt"));
}

TEST(bytes_above_ascii_are_code_page_437_and_what_no_path_can_hold_is_replaced)
{
    CHECK(short_name_is("\x81"
                        "BER    \xe1  ",
                        0, "üBER.ß"));
    CHECK(short_name_is("\x05"
                        "X         ",
                        0, "σX")); /* 0x05 stands for 0xe5 */
    CHECK(short_name_is("A/B        ", 0,
                        "A\xef\xbf\xbd"
                        "B"));
    CHECK(short_name_is("A\x01"
                        "B        ",
                        0,
                        "A\xef\xbf\xbd"
                        "B"));
}

TEST(the_checksum_is_the_one_of_the_specification)
{
    /* A rotation and an addition per character, by hand for two of them. */
    uint8_t only_a[11] = {'A'};
    uint8_t expected = 'A';
    for (int i = 1; i < 11; i++)
        expected = (uint8_t)((expected & 1) << 7 | expected >> 1);
    CHECK_EQUAL(expected, fat32_short_name_checksum(only_a));
}

/* Feeds the parts of a name of `count` units to the collector, the last part first. */
static uint32_t collect(const uint16_t *units, uint32_t count, char to[FAT32_NAME_BYTES_MAX])
{
    static const uint8_t short_entry[32] = "NAME~1  TXT";
    struct fat32_long_name name = {0};
    uint32_t parts = (count + 12) / 13;
    for (uint32_t number = parts; number >= 1; number--) {
        uint8_t part[32] = {0};
        part[0] = (uint8_t)(number | (number == parts ? 0x40 : 0));
        part[11] = 0x0f;
        part[13] = fat32_short_name_checksum(short_entry);
        for (uint32_t i = 0; i < 13; i++) {
            uint32_t index = (number - 1) * 13 + i;
            uint16_t unit = index < count ? units[index] : index == count ? 0 : 0xffff;
            store_le16(part + (i < 5    ? 1 + 2 * i
                               : i < 11 ? 14 + 2 * (i - 5)
                                        : 28 + 2 * (i - 11)),
                       unit);
        }
        fat32_long_name_add(&name, part);
    }
    return fat32_long_name_finish(&name, short_entry, to);
}

TEST(long_names_of_every_length_up_to_255_units_come_back_whole)
{
    uint16_t units[256];
    char expected[256], name[FAT32_NAME_BYTES_MAX];
    for (uint32_t i = 0; i < 256; i++) {
        units[i] = (uint16_t)('a' + i % 26);
        expected[i] = (char)units[i];
    }
    for (uint32_t count = 1; count <= 255; count++) {
        CHECK_EQUAL(count, collect(units, count, name));
        CHECK_BYTES(expected, name, count);
    }
    CHECK_EQUAL(0, collect(units, 256, name));
}

TEST(the_longest_name_in_utf_8_fits)
{
    uint16_t units[255];
    char name[FAT32_NAME_BYTES_MAX];
    for (uint32_t i = 0; i < 255; i++)
        units[i] = 0x9418;
    CHECK_EQUAL(765, collect(units, 255, name));
    CHECK(text_is_utf8((text){name, 765}));
}

TEST(surrogates_pair_up_and_lonely_ones_are_replaced)
{
    char name[FAT32_NAME_BYTES_MAX];
    CHECK_EQUAL(4, collect((uint16_t[]){0xd83d, 0xde00}, 2, name));
    CHECK_BYTES("\xf0\x9f\x98\x80", name, 4);
    CHECK_EQUAL(4, collect((uint16_t[]){0xd83d, 'x'}, 2, name));
    CHECK_BYTES("\xef\xbf\xbdx", name, 4);
    CHECK_EQUAL(4, collect((uint16_t[]){'x', 0xd83d}, 2, name));
    CHECK_EQUAL(3, collect((uint16_t[]){0xde00}, 1, name));
}

TEST(a_long_name_cannot_pose_as_a_path)
{
    char name[FAT32_NAME_BYTES_MAX];
    CHECK_EQUAL(0, collect((uint16_t[]){'.'}, 1, name));
    CHECK_EQUAL(0, collect((uint16_t[]){'.', '.'}, 2, name));
    CHECK_EQUAL(5, collect((uint16_t[]){'a', '/', 'b'}, 3, name));
    CHECK_BYTES("a\xef\xbf\xbd"
                "b",
                name, 5);
}

TEST(parts_that_do_not_belong_together_make_no_name)
{
    static const uint8_t short_entry[32] = "NAME~1  TXT";
    uint8_t sum = fat32_short_name_checksum(short_entry);
    uint8_t last[32] = {0x42, 'a', 0, 'b', 0, [11] = 0x0f, [13] = sum};
    uint8_t first[32] = {0x01, 'c', 0, 'd', 0, [11] = 0x0f, [13] = sum};
    char name[FAT32_NAME_BYTES_MAX];
    struct fat32_long_name long_name = {0};

    fat32_long_name_add(&long_name, first); /* no last part before it */
    CHECK_EQUAL(0, fat32_long_name_finish(&long_name, short_entry, name));
    fat32_long_name_add(&long_name, last); /* its first part is missing */
    CHECK_EQUAL(0, fat32_long_name_finish(&long_name, short_entry, name));
    fat32_long_name_add(&long_name, first);
    CHECK_EQUAL(2, fat32_long_name_finish(&long_name, short_entry, name));
    CHECK_EQUAL(0, fat32_long_name_finish(&long_name, (const uint8_t *)"OTHER      ", name));

    first[13] ^= 1; /* another checksum within one name */
    fat32_long_name_add(&long_name, last);
    fat32_long_name_add(&long_name, first);
    CHECK_EQUAL(0, fat32_long_name_finish(&long_name, short_entry, name));

    last[0] = 0x40 | 21; /* more parts than there can be */
    fat32_long_name_add(&long_name, last);
    CHECK_EQUAL(0, long_name.unit_count);
    last[0] = 0x40;
    fat32_long_name_add(&long_name, last);
    CHECK_EQUAL(0, long_name.unit_count);
}

TEST(names_match_whatever_their_case)
{
    CHECK(fat32_names_match(TEXT("README.TXT"), TEXT("readme.txt")));
    CHECK(fat32_names_match(TEXT("GRÜSSE"), TEXT("grüsse")));
    CHECK(fat32_names_match(TEXT("ΑΒΓ Ω"), TEXT("αβγ ω")));
    CHECK(fat32_names_match(TEXT("ЖЁЙ"), TEXT("жёй")));
    CHECK(fat32_names_match(TEXT("ŁÓDŹ"), TEXT("łódź")));
    CHECK(!fat32_names_match(TEXT("a"), TEXT("ab")));
    CHECK(!fat32_names_match(TEXT("ab"), TEXT("a")));
    CHECK(!fat32_names_match(TEXT("["), TEXT("{")));
    CHECK(!fat32_names_match(TEXT("×"), TEXT("÷"))); /* among the letters, but none */
}

TEST(malformed_utf_8_matches_itself_only)
{
    CHECK(fat32_names_match(TEXT("a\xff"), TEXT("A\xff")));
    CHECK(!fat32_names_match(TEXT("\xc3"), TEXT("\xc3\xa4")));
    CHECK(!fat32_names_match(TEXT("\x80"), TEXT("\x81")));
    CHECK(fat32_names_match(TEXT("\xe4\xb8"), TEXT("\xe4\xb8")));
}

TEST(dates_are_counted_from_1970)
{
    CHECK_EQUAL(315532800000000000ull, fat32_time_ns(1 << 5 | 1, 0, 0)); /* 1980-01-01 */
    /* 2000-02-29 23:59:58 and 1.99 s */
    uint16_t leap_day = 20 << 9 | 2 << 5 | 29, late = 23 << 11 | 59 << 5 | 29;
    CHECK_EQUAL(951868799990000000ull, fat32_time_ns(leap_day, late, 199));
    CHECK_EQUAL(4354819198000000000ull, fat32_time_ns(127 << 9 | 12 << 5 | 31, late, 0));
}

TEST(dates_that_do_not_exist_are_unknown)
{
    CHECK_EQUAL(0, fat32_time_ns(0, 0, 0));
    CHECK_EQUAL(0, fat32_time_ns(21 << 9 | 2 << 5 | 29, 0, 0));  /* 2001-02-29 */
    CHECK_EQUAL(0, fat32_time_ns(120 << 9 | 2 << 5 | 29, 0, 0)); /* 2100 is no leap year */
    CHECK_EQUAL(0, fat32_time_ns(13 << 5 | 1, 0, 0));
    CHECK_EQUAL(0, fat32_time_ns(1 << 5, 0, 0));
    CHECK_EQUAL(0, fat32_time_ns(1 << 5 | 1, 24 << 11, 0));
    CHECK_EQUAL(0, fat32_time_ns(1 << 5 | 1, 60 << 5, 0));
    CHECK_EQUAL(0, fat32_time_ns(1 << 5 | 1, 30, 0));
    CHECK_EQUAL(0, fat32_time_ns(1 << 5 | 1, 0, 200));
}
