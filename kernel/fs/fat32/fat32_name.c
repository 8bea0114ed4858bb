/* Names and times of directory entries. Specification 1.03, the headings quoted. */
#include "fs/fat32/fat32_name.h"
#include "base/bytes.h"
#include "base/container.h"
#include "fs/fat32/fat32_format.h"

static constexpr uint32_t REPLACEMENT = 0xfffd;

/* Code page 437, upper half: what the bytes of short names mean unless somebody says otherwise. */
static const uint16_t code_page_437[128] = {
    0x00c7, 0x00fc, 0x00e9, 0x00e2, 0x00e4, 0x00e0, 0x00e5, 0x00e7, 0x00ea, 0x00eb, 0x00e8, 0x00ef,
    0x00ee, 0x00ec, 0x00c4, 0x00c5, 0x00c9, 0x00e6, 0x00c6, 0x00f4, 0x00f6, 0x00f2, 0x00fb, 0x00f9,
    0x00ff, 0x00d6, 0x00dc, 0x00a2, 0x00a3, 0x00a5, 0x20a7, 0x0192, 0x00e1, 0x00ed, 0x00f3, 0x00fa,
    0x00f1, 0x00d1, 0x00aa, 0x00ba, 0x00bf, 0x2310, 0x00ac, 0x00bd, 0x00bc, 0x00a1, 0x00ab, 0x00bb,
    0x2591, 0x2592, 0x2593, 0x2502, 0x2524, 0x2561, 0x2562, 0x2556, 0x2555, 0x2563, 0x2551, 0x2557,
    0x255d, 0x255c, 0x255b, 0x2510, 0x2514, 0x2534, 0x252c, 0x251c, 0x2500, 0x253c, 0x255e, 0x255f,
    0x255a, 0x2554, 0x2569, 0x2566, 0x2560, 0x2550, 0x256c, 0x2567, 0x2568, 0x2564, 0x2565, 0x2559,
    0x2558, 0x2552, 0x2553, 0x256b, 0x256a, 0x2518, 0x250c, 0x2588, 0x2584, 0x258c, 0x2590, 0x2580,
    0x03b1, 0x00df, 0x0393, 0x03c0, 0x03a3, 0x03c3, 0x00b5, 0x03c4, 0x03a6, 0x0398, 0x03a9, 0x03b4,
    0x221e, 0x03c6, 0x03b5, 0x2229, 0x2261, 0x00b1, 0x2265, 0x2264, 0x2320, 0x2321, 0x00f7, 0x2248,
    0x00b0, 0x2219, 0x00b7, 0x221a, 0x207f, 0x00b2, 0x25a0, 0x00a0,
};

/* Appends one character; answers the new length. The caller has room for three bytes, or four for a
 * surrogate pair, which took two units. */
static uint32_t append_utf8(char *to, uint32_t length, uint32_t character)
{
    if (character < 0x80) {
        to[length++] = (char)character;
    } else if (character < 0x800) {
        to[length++] = (char)(0xc0 | character >> 6);
        to[length++] = (char)(0x80 | (character & 0x3f));
    } else if (character < 0x10000) {
        to[length++] = (char)(0xe0 | character >> 12);
        to[length++] = (char)(0x80 | (character >> 6 & 0x3f));
        to[length++] = (char)(0x80 | (character & 0x3f));
    } else {
        to[length++] = (char)(0xf0 | character >> 18);
        to[length++] = (char)(0x80 | (character >> 12 & 0x3f));
        to[length++] = (char)(0x80 | (character >> 6 & 0x3f));
        to[length++] = (char)(0x80 | (character & 0x3f));
    }
    return length;
}

static uint32_t printable(uint32_t character)
{
    return character < 0x20 || character == 0x7f || character == '/' ? REPLACEMENT : character;
}

static bool is_high_surrogate(uint32_t unit)
{
    return unit >= 0xd800 && unit <= 0xdbff;
}

static bool is_low_surrogate(uint32_t unit)
{
    return unit >= 0xdc00 && unit <= 0xdfff;
}

static uint32_t utf16_to_utf8(const uint16_t *units, uint32_t count, char *to)
{
    uint32_t length = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t character = units[i];
        if (is_high_surrogate(character) && i + 1 < count && is_low_surrogate(units[i + 1]))
            character = 0x10000 + ((character - 0xd800) << 10) + (units[++i] - 0xdc00u);
        else if (is_high_surrogate(character) || is_low_surrogate(character))
            character = REPLACEMENT;
        length = append_utf8(to, length, printable(character));
    }
    return length;
}

/* ---- long names: "FAT Long Directory Entries" ---- */

void fat32_long_name_reset(struct fat32_long_name *name)
{
    name->unit_count = 0;
    name->parts_missing = 0;
}

/* The thirteen units lie in three places of the entry. */
static uint16_t part_unit(const uint8_t *part, uint32_t index)
{
    if (index < 5) return load_le16(part + 1 + 2 * index);
    if (index < 11) return load_le16(part + 14 + 2 * (index - 5));
    return load_le16(part + 28 + 2 * (index - 11));
}

void fat32_long_name_add(struct fat32_long_name *name, const uint8_t *part)
{
    uint32_t number = part[LONG_ORDER] & LONG_ORDER_MASK;
    if (part[LONG_ORDER] & LONG_ORDER_LAST) {
        fat32_long_name_reset(name);
        if (number == 0 || number > LONG_PARTS_MAX) return;
        name->checksum = part[LONG_CHECKSUM];
        name->unit_count = (uint16_t)(number * LONG_UNITS_PER_PART);
    } else if (number == 0 || name->unit_count == 0 || number != name->parts_missing ||
               part[LONG_CHECKSUM] != name->checksum) {
        fat32_long_name_reset(name);
        return;
    }
    for (uint32_t i = 0; i < LONG_UNITS_PER_PART; i++)
        name->units[(number - 1) * LONG_UNITS_PER_PART + i] = part_unit(part, i);
    name->parts_missing = (uint8_t)(number - 1);
}

uint8_t fat32_short_name_checksum(const uint8_t *short_entry)
{
    uint8_t sum = 0;
    for (uint32_t i = 0; i < SHORT_NAME_BYTES; i++)
        sum = (uint8_t)((uint8_t)(sum << 7 | sum >> 1) + short_entry[ENTRY_NAME + i]);
    return sum;
}

uint32_t fat32_long_name_finish(const struct fat32_long_name *name, const uint8_t *short_entry,
                                char to[FAT32_NAME_BYTES_MAX])
{
    if (name->unit_count == 0 || name->parts_missing != 0) return 0;
    if (name->checksum != fat32_short_name_checksum(short_entry)) return 0;

    uint32_t count = 0;
    while (count < name->unit_count && name->units[count] != 0)
        count++;
    if (count > LONG_UNITS_MAX) return 0;
    uint32_t length = utf16_to_utf8(name->units, count, to);

    /* A long name may not pretend to be a directory's own entries. */
    text written = {to, length};
    return text_equal(written, TEXT(".")) || text_equal(written, TEXT("..")) ? 0 : length;
}

/* ---- short names: "FAT 32 Byte Directory Entry Structure", DIR_Name ---- */

static uint32_t short_character(uint8_t byte, bool is_lower)
{
    if (byte >= 0x80) return code_page_437[byte - 0x80];
    if (is_lower && byte >= 'A' && byte <= 'Z') return byte + 0x20u;
    return printable(byte);
}

static uint32_t trimmed_length(const uint8_t *bytes, uint32_t length)
{
    while (length > 0 && bytes[length - 1] == ' ')
        length--;
    return length;
}

uint32_t fat32_short_name(const uint8_t *short_entry, char to[FAT32_ALIAS_BYTES_MAX])
{
    const uint8_t *base = short_entry + ENTRY_NAME;
    const uint8_t *extension = base + SHORT_BASE_BYTES;
    uint32_t base_length = trimmed_length(base, SHORT_BASE_BYTES);
    uint32_t extension_length = trimmed_length(extension, SHORT_NAME_BYTES - SHORT_BASE_BYTES);
    uint8_t letter_case = short_entry[ENTRY_CASE];

    uint32_t length = 0;
    for (uint32_t i = 0; i < base_length; i++) {
        uint8_t byte = i == 0 && base[0] == NAME_KANJI ? NAME_DELETED : base[i];
        length = append_utf8(to, length, short_character(byte, letter_case & CASE_BASE_LOWER));
    }
    if (extension_length > 0) to[length++] = '.';
    for (uint32_t i = 0; i < extension_length; i++)
        length = append_utf8(to, length,
                             short_character(extension[i], letter_case & CASE_EXTENSION_LOWER));
    return length;
}

/* ---- comparing: "Name Matching In Short & Long Names" ---- */

/* The character at *position, which moves behind it. A byte that starts none stands for itself,
 * above all characters. */
static uint32_t next_character(text whole, size_t *position)
{
    const uint8_t *bytes = (const uint8_t *)whole.bytes + *position;
    size_t left = whole.length - *position;
    uint32_t length = bytes[0] < 0x80    ? 1
                      : bytes[0] >= 0xf0 ? 4
                      : bytes[0] >= 0xe0 ? 3
                      : bytes[0] >= 0xc0 ? 2
                                         : 0;
    if (length == 1) {
        *position += 1;
        return bytes[0];
    }
    uint32_t character = length == 0 ? 0 : bytes[0] & (0x7fu >> length);
    for (uint32_t i = 1; i < length; i++) {
        if (i >= left || (bytes[i] & 0xc0) != 0x80) {
            length = 0;
            break;
        }
        character = character << 6 | (bytes[i] & 0x3fu);
    }
    *position += length == 0 ? 1 : length;
    return length == 0 ? 0x80000000u | bytes[0] : character;
}

/* Letters first..last whose lower-case form is `distance` further, every one or every second. */
struct fold_range {
    uint16_t first, last;
    uint16_t distance;
    uint16_t step;
};
/* Unicode 15, CaseFolding.txt, status C, the regular ranges below U+0530. */
static const struct fold_range fold_ranges[] = {
    {0x0041, 0x005a, 32, 1}, {0x00c0, 0x00d6, 32, 1}, {0x00d8, 0x00de, 32, 1},
    {0x0100, 0x012e, 1, 2},  {0x0132, 0x0136, 1, 2},  {0x0139, 0x0147, 1, 2},
    {0x014a, 0x0176, 1, 2},  {0x0179, 0x017d, 1, 2},  {0x0388, 0x038a, 37, 1},
    {0x0391, 0x03a1, 32, 1}, {0x03a3, 0x03ab, 32, 1}, {0x0400, 0x040f, 80, 1},
    {0x0410, 0x042f, 32, 1}, {0x0460, 0x0480, 1, 2},  {0x048a, 0x04be, 1, 2},
    {0x04d0, 0x052e, 1, 2},
};

static uint32_t folded(uint32_t character)
{
    for (uint32_t i = 0; i < array_count(fold_ranges); i++) {
        const struct fold_range *range = &fold_ranges[i];
        if (character < range->first) return character;
        if (character <= range->last && (character - range->first) % range->step == 0)
            return character + range->distance;
    }
    return character;
}

bool fat32_names_match(text a, text b)
{
    size_t in_a = 0, in_b = 0;
    while (in_a < a.length && in_b < b.length) {
        if (folded(next_character(a, &in_a)) != folded(next_character(b, &in_b))) return false;
    }
    return in_a == a.length && in_b == b.length;
}

/* ---- times: "Date and Time Formats" ---- */

static bool is_leap_year(uint32_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static uint32_t days_before_year(uint32_t year)
{
    uint32_t past = year - 1;
    return past * 365 + past / 4 - past / 100 + past / 400;
}

static uint32_t month_days(uint32_t month, uint32_t year)
{
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap_year(year));
}

uint64_t fat32_time_ns(uint16_t date, uint16_t time, uint8_t tenths)
{
    uint32_t year = 1980u + (date >> 9), month = date >> 5 & 15u, day = date & 31u;
    uint32_t hours = time >> 11, minutes = time >> 5 & 63u, seconds = 2 * (time & 31u);
    if (month < 1 || month > 12 || day < 1 || day > month_days(month, year)) return 0;
    if (hours > 23 || minutes > 59 || seconds > 58 || tenths > 199) return 0;

    uint32_t days = days_before_year(year) - days_before_year(1970) + day - 1;
    for (uint32_t m = 1; m < month; m++)
        days += month_days(m, year);
    uint64_t all_seconds = ((days * 24ull + hours) * 60 + minutes) * 60 + seconds;
    return all_seconds * 1000000000ull + tenths * 10000000ull;
}
