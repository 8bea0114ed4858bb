#include "base/bytes.h"
#include "base/container.h"
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
    CHECK(short_name_is("R_1[    TXT", 0x18, "r_1[.txt"));
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
    CHECK(short_name_is("A\x7f"
                        "B        ",
                        0,
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

    first[13] ^= 1;
    first[0] = 0; /* no part has this number */
    fat32_long_name_add(&long_name, last);
    fat32_long_name_add(&long_name, first);
    CHECK_EQUAL(0, long_name.unit_count);
    first[0] = 1;
    last[0] = 0x43; /* the second of three is left out */
    fat32_long_name_add(&long_name, last);
    fat32_long_name_add(&long_name, first);
    CHECK_EQUAL(0, long_name.unit_count);

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
    CHECK(!fat32_names_match(TEXT("\xc3x"), TEXT("\xc3\xa4x")));
    CHECK(!fat32_names_match(TEXT("\x80"), TEXT("\x81")));
    CHECK(fat32_names_match(TEXT("\xe4\xb8"), TEXT("\xe4\xb8")));
}

/* ---- names that go in ---- */

static struct fat32_encoded_name encoded;

static bool is_refused(text name)
{
    return fat32_name_encode(name, &encoded).code == STATUS_INVALID_ARGUMENT;
}

TEST(names_that_fat_cannot_hold_are_refused)
{
    static const char forbidden[] = "\"*/:<>?\\|\x7f";
    for (uint32_t byte = 0; byte < 0x80; byte++) {
        char name[3] = {'a', (char)byte, 'b'};
        bool is_forbidden =
            byte < 0x20 || memchr(forbidden, (int)byte, sizeof(forbidden)) != nullptr;
        CHECK_EQUAL(is_forbidden, is_refused((text){name, 3}));
    }
    static const char *const refused[] = {
        "", ".", "..", "...", " ", "a.", "a ", "a. ", "\xff", "\xc3", "\xed\xa0\x80", "\xc0\xaf"};
    for (size_t i = 0; i < array_count(refused); i++)
        CHECK(is_refused(text_of(refused[i])));
}

TEST(names_have_up_to_255_units_and_characters_above_16_bits_take_two)
{
    char name[4 * 256];
    memset(name, 'a', sizeof(name));
    CHECK(!is_refused((text){name, 255}));
    CHECK_EQUAL(20, encoded.part_count);
    CHECK(is_refused((text){name, 256}));
    for (uint32_t i = 0; i < 127; i++)
        memcpy(name + 4 * (size_t)i, "\xf0\x9f\x98\x80", 4);
    name[508] = name[509] = 'a';
    CHECK(!is_refused((text){name, 509}));
    CHECK_EQUAL(255, encoded.unit_count);
    CHECK_EQUAL(0xd83d, encoded.units[252]);
    CHECK_EQUAL(0xde00, encoded.units[253]);
    CHECK(is_refused((text){name, 510}));
    memcpy(name + 508, "\xf0\x9f\x98\x80", 4);
    CHECK(is_refused((text){name, 512})); /* half of it would fit */
}

/* Checks the short form, its flags and whether there is a long form. */
static void check_short(const char *name, const char *short_name, uint8_t letter_case,
                        bool has_long, bool needs_tail)
{
    CHECK_STATUS(OK, fat32_name_encode(text_of(name), &encoded));
    CHECK_BYTES(short_name, encoded.short_name, 11);
    CHECK_EQUAL(letter_case, encoded.letter_case);
    CHECK_EQUAL(has_long, encoded.part_count > 0);
    CHECK_EQUAL(needs_tail, encoded.needs_tail);
}

TEST(names_of_8_and_3_in_one_case_need_no_long_form)
{
    check_short("README.TXT", "README  TXT", 0, false, false);
    check_short("README", "README     ", 0, false, false);
    check_short("readme.txt", "README  TXT", 0x18, false, false);
    check_short("readme.TXT", "README  TXT", 0x08, false, false);
    check_short("README.txt", "README  TXT", 0x10, false, false);
    check_short("12345678.123", "12345678123", 0, false, false);
    check_short("a", "A          ", 0x08, false, false);
    check_short("$%'-_@~`.!()", "$%'-_@~`!()", 0, false, false);
}

TEST(mixed_case_needs_a_long_form_but_no_number)
{
    check_short("Readme.txt", "README  TXT", 0, true, false);
    check_short("README.Txt", "README  TXT", 0, true, false);
    check_short("readme.tXT", "README  TXT", 0, true, false);
}

TEST(short_forms_are_made_as_the_specification_says)
{
    check_short("a name.txt", "ANAME   TXT", 0, true, true);
    check_short(" a", "A          ", 0, true, true);
    check_short(". a", "A          ", 0, true, true);
    check_short("a .b", "A       B  ", 0, true, true);
    check_short("a. b", "A       B  ", 0, true, true);
    check_short(".hidden", "HIDDEN     ", 0, true, true);
    check_short("..hidden.c", "HIDDEN  C  ", 0, true, true);
    check_short("several.dots.in.it", "SEVERAL IT ", 0, true, true);
    check_short("a..b", "A       B  ", 0, true, true);
    check_short("ninechars", "NINECHAR   ", 0, true, true);
    check_short("four.four", "FOUR    FOU", 0, true, true);
    check_short("+,;=[].+x", "______  _X ", 0, true, true);
    check_short("Grüße", "GR__E      ", 0, true, true);
    check_short("\xf0\x9f\x98\x80.\xf0\x9f\x98\x80", "_       _  ", 0, true, true);
    check_short("_._", "_       _  ", 0, false, false);
}

TEST(a_number_takes_the_place_of_as_many_characters_as_it_needs)
{
    static const struct {
        const char *name;
        uint32_t tail;
        const char *expected;
    } cases[] = {
        {"long name.text", 1, "LONGNA~1TEX"},
        {"long name.text", 10, "LONGN~10TEX"},
        {"long name.text", 999, "LONG~999TEX"},
        {"long name.text", 999999, "L~999999TEX"},
        {"+", 1, "_~1        "},
        {"+", 99999, "_~99999    "},
        {"+b+", 99999, "_B~99999   "},
        {"a b c d e f", 7, "ABCDEF~7   "},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        uint8_t made[11];
        CHECK_STATUS(OK, fat32_name_encode(text_of(cases[i].name), &encoded));
        fat32_name_set_tail(&encoded, cases[i].tail, made);
        CHECK_BYTES(cases[i].expected, made, 11);
        CHECK_EQUAL(cases[i].tail, fat32_name_tail_of(&encoded, made));
    }
}

TEST(only_the_forms_that_a_number_would_make_count_as_taken)
{
    static const char *const others[] = {"LONGNA~0TEX", "LONGNA~ TEX", "LONGNAM1TEX", "LONGN~1 TEX",
                                         "LONGNA~1TXT", "LONGNA01TEX", "LO~01   TEX", "L~9999999EX",
                                         "MONGNA~1TEX", "LONG-1  TEX", "LON~1 1 TEX", "LONGNX~1TEX",
                                         "12345678TEX", "        TEX", "LONGNAMETEX"};
    CHECK_STATUS(OK, fat32_name_encode(TEXT("long name.text"), &encoded));
    for (size_t i = 0; i < array_count(others); i++)
        CHECK_EQUAL(0, fat32_name_tail_of(&encoded, (const uint8_t *)others[i]));
    CHECK_STATUS(OK, fat32_name_encode(TEXT("1+.text"), &encoded));
    CHECK_EQUAL(0, fat32_name_tail_of(&encoded, (const uint8_t *)"12345678TEX"));
    CHECK_EQUAL(0, fat32_name_tail_of(&encoded, (const uint8_t *)"1234567 TEX"));
    CHECK_STATUS(OK, fat32_name_encode(TEXT("+.text"), &encoded));
    CHECK_EQUAL(1, fat32_name_tail_of(&encoded, (const uint8_t *)"_~1     TEX"));
    CHECK_EQUAL(0, fat32_name_tail_of(&encoded, (const uint8_t *)"_~01    TEX"));
    CHECK_STATUS(OK, fat32_name_encode(TEXT("~+.text"), &encoded));
    CHECK_EQUAL(0, fat32_name_tail_of(&encoded, (const uint8_t *)"~1234567TEX"));
}

/* The name's parts, put as on the disk and read again. */
static uint32_t there_and_back(text name, char to[FAT32_NAME_BYTES_MAX])
{
    CHECK_STATUS(OK, fat32_name_encode(name, &encoded));
    uint8_t sum = fat32_short_name_checksum(encoded.short_name);
    struct fat32_long_name read = {0};
    for (uint32_t number = encoded.part_count; number > 0; number--) {
        uint8_t part[32];
        memset(part, 0xaa, sizeof(part));
        fat32_name_put_part(&encoded, number, sum, part);
        CHECK_EQUAL(0x0f, part[11]);
        CHECK_EQUAL(0, part[12] + part[26] + part[27]); /* type and cluster: zero */
        fat32_long_name_add(&read, part);
    }
    return fat32_long_name_finish(&read, encoded.short_name, to);
}

TEST(names_of_every_length_come_back_as_they_went_in)
{
    char name[260], back[FAT32_NAME_BYTES_MAX];
    for (size_t i = 0; i < sizeof(name); i++)
        name[i] = (char)(i % 2 == 0 ? 'A' + i % 26 : 'a' + i % 26);
    for (uint32_t length = 2; length <= 255; length++) {
        CHECK_EQUAL(length, there_and_back((text){name, length}, back));
        CHECK_BYTES(name, back, length);
    }
    static const char *const others[] = {"Grüße aus Köln.txt", "Привет, мир",
                                         "鐘 \xf0\x9f\x98\x80 x", " leading", ".hidden file"};
    for (size_t i = 0; i < array_count(others); i++) {
        CHECK_EQUAL(strlen(others[i]), there_and_back(text_of(others[i]), back));
        CHECK_BYTES(others[i], back, strlen(others[i]));
    }
}

TEST(the_space_behind_a_name_in_its_last_part_is_filled_as_the_specification_says)
{
    uint8_t part[32];
    CHECK_STATUS(OK, fat32_name_encode(TEXT("Abc"), &encoded));
    fat32_name_put_part(&encoded, 1, 0x5a, part);
    CHECK_EQUAL(0x41, part[0]);
    CHECK_EQUAL(0x5a, part[13]);
    CHECK_EQUAL('c', load_le16(part + 5));
    CHECK_EQUAL(0, load_le16(part + 7));
    CHECK_EQUAL(0xffff, load_le16(part + 9));
    CHECK_EQUAL(0xffff, load_le16(part + 14));
    CHECK_EQUAL(0xffff, load_le16(part + 30));
    CHECK_STATUS(OK, fat32_name_encode(TEXT("Exactly13.abc"), &encoded)); /* no room for a zero */
    CHECK_EQUAL(1, encoded.part_count);
    fat32_name_put_part(&encoded, 1, 0, part);
    CHECK_EQUAL('c', load_le16(part + 30));
}

/* ---- comparing prepared names ---- */

static bool sought_is(const char *sought_name, const uint16_t *units, uint32_t count,
                      const char *short_entry)
{
    struct fat32_sought_name sought;
    struct fat32_long_name long_name = {0};
    fat32_sought_prepare(text_of(sought_name), &sought);
    if (count > 0) {
        long_name.unit_count = (uint16_t)((count + 12) / 13 * 13);
        long_name.checksum = fat32_short_name_checksum((const uint8_t *)short_entry);
        memcpy(long_name.units, units, 2 * (size_t)count);
    }
    uint8_t entry[32] = {0};
    memcpy(entry, short_entry, 11);
    return fat32_sought_is(&sought, &long_name, entry);
}

TEST(an_entry_is_found_by_either_of_its_names)
{
    static const uint16_t units[] = {'L', 0xdc, '.', 't'};
    CHECK(sought_is("lÜ.T", units, 4, "L_~1    T  "));
    CHECK(sought_is("l_~1.t", units, 4, "L_~1    T  "));
    CHECK(!sought_is("l_~1.", units, 4, "L_~1    T  "));
    CHECK(!sought_is("l_~2.t", units, 4, "L_~1    T  "));
    CHECK(!sought_is("lü.u", units, 4, "L_~1    T  "));
    CHECK(!sought_is("lü.", units, 4, "L_~1    T  "));
    CHECK(!sought_is("lü.tt", units, 4, "L_~1    T  "));
    CHECK(sought_is("plain.txt", nullptr, 0, "PLAIN   TXT"));
    CHECK(sought_is("übeR", nullptr, 0,
                    "\x9a"
                    "BER       ")); /* Ü of code page 437 */
    CHECK(!sought_is("a much longer name", nullptr, 0, "PLAIN   TXT"));
}

TEST(names_that_no_entry_can_have_are_never_found)
{
    static const uint16_t dots[] = {'.', '.'};
    CHECK(!sought_is("..", dots, 2, "DOTS       "));
    CHECK(!sought_is(".", dots, 1, "DOTS       "));
    CHECK(!sought_is("", nullptr, 0, "           "));
    CHECK(!sought_is("\xc1\x81", nullptr, 0, "A          ")); /* an overlong A */
    char name[1024];
    memset(name, 'a', sizeof(name));
    name[256] = 0;
    CHECK(!sought_is(name, nullptr, 0, "A          "));
    for (uint32_t i = 0; i < 128; i++)
        memcpy(name + 4 * (size_t)i, "\xf0\x9f\x98\x80", 5);
    CHECK(!sought_is(name, nullptr, 0, "A          "));
}

TEST(parts_of_another_entry_are_not_its_name)
{
    struct fat32_sought_name sought;
    struct fat32_long_name long_name = {.unit_count = 13, .units = {'L', 'o', 'n', 'g'}};
    static const uint8_t entry[32] = "SHORT      ";
    long_name.checksum = fat32_short_name_checksum(entry);
    fat32_sought_prepare(TEXT("long"), &sought);
    CHECK(fat32_sought_is(&sought, &long_name, entry));
    long_name.checksum ^= 1;
    CHECK(!fat32_sought_is(&sought, &long_name, entry));
    long_name.checksum ^= 1;
    long_name.parts_missing = 1;
    CHECK(!fat32_sought_is(&sought, &long_name, entry));
    fat32_sought_prepare(TEXT("short"), &sought);
    CHECK(fat32_sought_is(&sought, &long_name, entry));
}

TEST(what_is_shown_as_replaced_is_found_as_it_is_shown)
{
    static const uint16_t lonely[] = {0xd83d, 'x', 0xde00, 0xde00}, first[] = {0xde00},
                          pair[] = {0xd83d, 0xde00}, slash[] = {'a', '/'}, end[] = {'a', 0xd83d},
                          wide[] = {0xff21};
    CHECK(sought_is("a\xef\xbf\xbd", end, 2, "X          "));
    CHECK(sought_is("\xef\xbc\xa1", wide, 1, "X          "));
    CHECK(sought_is("\xef\xbf\xbdx\xef\xbf\xbd\xef\xbf\xbd", lonely, 4, "X          "));
    CHECK(sought_is("\xef\xbf\xbd", first, 1, "X          "));
    CHECK(sought_is("\xef\xbf\xbd", lonely, 1, "X          "));
    CHECK(sought_is("\xf0\x9f\x98\x80", pair, 2, "X          "));
    CHECK(sought_is("A\xef\xbf\xbd", slash, 2, "X          "));
    CHECK(!sought_is("\xef\xbf\xbd\xef\xbf\xbd", pair, 2, "X          "));
}

TEST(every_pair_of_names_is_judged_alike_by_both_comparisons)
{
    static const char *const names[] = {"a",
                                        "A",
                                        "b",
                                        "Ä",
                                        "ä",
                                        "Ω",
                                        "ω",
                                        "Жук",
                                        "жУК",
                                        "x.y",
                                        "\xf0\x9f\x98\x80",
                                        "x y",
                                        "long NAME here",
                                        "Long name here"};
    for (size_t i = 0; i < array_count(names); i++) {
        for (size_t k = 0; k < array_count(names); k++) {
            CHECK_STATUS(OK, fat32_name_encode(text_of(names[k]), &encoded));
            bool match = fat32_names_match(text_of(names[i]), text_of(names[k]));
            CHECK_EQUAL(match,
                        sought_is(names[i], encoded.units, encoded.unit_count, "NOBODY     "));
        }
    }
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

TEST(every_second_that_fat_can_hold_comes_back)
{
    uint64_t end = 4354819200;
    for (uint64_t second = 315532800; second < end; second += 8640 * 9 + 2) {
        struct fat32_time stored = fat32_time_of(second * 1000000000 + 123456789);
        CHECK_EQUAL((second & 1) * 100 + 12, stored.tenths);
        CHECK_EQUAL(second * 1000000000 + 120000000,
                    fat32_time_ns(stored.date, stored.time, stored.tenths));
    }
    struct fat32_time leap_day = fat32_time_of(951868799990000000ull); /* 2000-02-29 23:59:59.99 */
    CHECK_EQUAL(20 << 9 | 2 << 5 | 29, leap_day.date);
    CHECK_EQUAL(23 << 11 | 59 << 5 | 29, leap_day.time);
    CHECK_EQUAL(199, leap_day.tenths);
}

TEST(times_outside_become_the_nearest_and_unknown_stays_unknown)
{
    struct fat32_time unknown = fat32_time_of(0), early = fat32_time_of(1),
                      late = fat32_time_of(UINT64_MAX),
                      last = fat32_time_of(4354819199ull * 1000000000);
    CHECK_EQUAL(0, unknown.date + unknown.time + unknown.tenths);
    CHECK_EQUAL(315532800000000000ull, fat32_time_ns(early.date, early.time, early.tenths));
    CHECK_EQUAL(4354819199990000000ull, fat32_time_ns(late.date, late.time, late.tenths));
    CHECK_EQUAL(last.date, late.date);
    CHECK_EQUAL(last.time, late.time);
}
