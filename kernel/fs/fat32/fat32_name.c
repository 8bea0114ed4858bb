/* Names and times of directory entries. Specification 1.03, the headings quoted. */
#include "fs/fat32/fat32_name.h"
#include "base/bytes.h"
#include "base/checked.h"
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

static uint32_t utf16_length(uint32_t character)
{
    return character < 0x10000 ? 1 : 2;
}

/* Appends one character, utf16_length() units; answers the new count. */
static uint32_t append_utf16(uint16_t *to, uint32_t count, uint32_t character)
{
    if (utf16_length(character) == 2) {
        to[count++] = (uint16_t)(0xd800 | (character - 0x10000) >> 10);
        character = 0xdc00 | (character & 0x3ff);
    }
    to[count++] = (uint16_t)character;
    return count;
}

/* ---- long names: "FAT Long Directory Entries" ---- */

void fat32_long_name_reset(struct fat32_long_name *name)
{
    name->unit_count = 0;
    name->parts_missing = 0;
}

/* The thirteen units lie in three places of the entry: 5, 6 and 2, little-endian like this CPU. */
static void part_load(const uint8_t *part, uint16_t units[13])
{
    bytes_copy(units, part + 1, 10);
    bytes_copy(units + 5, part + 14, 12);
    bytes_copy(units + 11, part + 28, 4);
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
    part_load(part, name->units + (size_t)(number - 1) * LONG_UNITS_PER_PART);
    name->parts_missing = (uint8_t)(number - 1);
}

uint8_t fat32_short_name_checksum(const uint8_t *short_entry)
{
    uint8_t sum = 0;
    for (uint32_t i = 0; i < SHORT_NAME_BYTES; i++)
        sum = (uint8_t)((uint8_t)(sum << 7 | sum >> 1) + short_entry[ENTRY_NAME + i]);
    return sum;
}

/* Units of the name, if all parts are there and belong to this short entry; else 0. */
static uint32_t long_name_units(const struct fat32_long_name *name, const uint8_t *short_entry)
{
    if (name->unit_count == 0 || name->parts_missing != 0) return 0;
    if (name->checksum != fat32_short_name_checksum(short_entry)) return 0;

    uint32_t count = 0;
    while (count < name->unit_count && name->units[count] != 0)
        count++;
    return count > LONG_UNITS_MAX ? 0 : count;
}

uint32_t fat32_long_name_finish(const struct fat32_long_name *name, const uint8_t *short_entry,
                                char to[FAT32_NAME_BYTES_MAX])
{
    uint32_t count = long_name_units(name, short_entry);
    uint32_t length = utf16_to_utf8(name->units, count, to);

    /* A long name may not pretend to be a directory's own entries. */
    text written = {to, length};
    return text_equal(written, TEXT(".")) || text_equal(written, TEXT("..")) ? 0 : length;
}

/* ---- short names: "FAT 32 Byte Directory Entry Structure", DIR_Name ---- */

static uint16_t short_character(uint8_t byte, bool in_lower_case)
{
    if (byte >= 0x80) return code_page_437[byte - 0x80];
    if (in_lower_case && byte >= 'A' && byte <= 'Z') return byte + 0x20u;
    return (uint16_t)printable(byte);
}

static uint32_t trimmed_length(const uint8_t *bytes, uint32_t length)
{
    while (length > 0 && bytes[length - 1] == ' ')
        length--;
    return length;
}

/* The name as it is shown, in UTF-16. */
static uint32_t short_name_units(const uint8_t *short_entry, uint16_t units[SHORT_NAME_BYTES + 1])
{
    const uint8_t *base = short_entry + ENTRY_NAME;
    const uint8_t *extension = base + SHORT_BASE_BYTES;
    uint32_t base_length = trimmed_length(base, SHORT_BASE_BYTES);
    uint32_t extension_length = trimmed_length(extension, SHORT_NAME_BYTES - SHORT_BASE_BYTES);
    uint8_t letter_case = short_entry[ENTRY_CASE];

    uint32_t count = 0;
    for (uint32_t i = 0; i < base_length; i++) {
        uint8_t byte = i == 0 && base[0] == NAME_KANJI ? NAME_DELETED : base[i];
        units[count++] = short_character(byte, letter_case & CASE_BASE_LOWER);
    }
    if (extension_length > 0) units[count++] = '.';
    for (uint32_t i = 0; i < extension_length; i++)
        units[count++] = short_character(extension[i], letter_case & CASE_EXTENSION_LOWER);
    return count;
}

uint32_t fat32_short_name(const uint8_t *short_entry, char to[FAT32_ALIAS_BYTES_MAX])
{
    uint16_t units[SHORT_NAME_BYTES + 1];
    uint32_t count = short_name_units(short_entry, units), length = 0;
    for (uint32_t i = 0; i < count; i++)
        length = append_utf8(to, length, units[i]);
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

/* Fowler, Noll, Vo: FNV-1a with 64 bits (draft-eastlake-fnv), over folded characters. */
uint64_t fat32_name_hash(text name)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t at = 0; at < name.length;)
        hash = (hash ^ folded(next_character(name, &at))) * 0x100000001b3;
    return hash;
}

/* The unit as utf16_to_utf8 would show it: what is no character becomes U+FFFD. */
static uint16_t shown_unit(const uint16_t *units, uint32_t count, uint32_t index)
{
    uint16_t unit = units[index];
    bool is_lonely =
        (is_high_surrogate(unit) && !(index + 1 < count && is_low_surrogate(units[index + 1]))) ||
        (is_low_surrogate(unit) && !(index > 0 && is_high_surrogate(units[index - 1])));
    return (uint16_t)(is_lonely ? REPLACEMENT : printable(unit));
}

void fat32_sought_prepare(text name, struct fat32_sought_name *out_sought)
{
    uint32_t count = 0;
    out_sought->unit_count = 0;
    /* No entry shows such names: see fat32_long_name_finish and fat32_short_name. */
    if (!text_is_utf8(name) || text_equal(name, TEXT(".")) || text_equal(name, TEXT(".."))) return;
    for (size_t at = 0; at < name.length;) {
        uint32_t character = folded(next_character(name, &at));
        if (count + utf16_length(character) > LONG_UNITS_MAX) return;
        count = append_utf16(out_sought->units, count, character);
    }
    out_sought->unit_count = count;
}

static bool long_name_is(const struct fat32_sought_name *sought,
                         const struct fat32_long_name *long_name, const uint8_t *short_entry)
{
    uint32_t count = sought->unit_count, room = long_name->unit_count;
    if (room < count || (room > count && long_name->units[count] != 0)) return false;
    /* From behind: names of one directory that begin alike are common. */
    for (uint32_t i = count; i > 0; i--) {
        if (folded(shown_unit(long_name->units, count, i - 1)) != sought->units[i - 1])
            return false;
    }
    return long_name_units(long_name, short_entry) == count;
}

static bool short_name_is(const struct fat32_sought_name *sought, const uint8_t *short_entry)
{
    if (sought->unit_count > SHORT_NAME_BYTES + 1) return false;
    uint16_t units[SHORT_NAME_BYTES + 1];
    uint32_t count = short_name_units(short_entry, units);
    if (count != sought->unit_count) return false;
    for (uint32_t i = 0; i < count; i++) {
        if (folded(units[i]) != sought->units[i]) return false;
    }
    return true;
}

bool fat32_sought_is(const struct fat32_sought_name *sought,
                     const struct fat32_long_name *long_name, const uint8_t *short_entry)
{
    if (sought->unit_count == 0) return false;
    return long_name_is(sought, long_name, short_entry) || short_name_is(sought, short_entry);
}

/* ---- names that go in: "The Basis-Name Generation Algorithm" ---- */

static bool is_in(uint32_t character, text set)
{
    return character < 0x80 && text_find(set, (char)character, 0) < set.length;
}

static bool may_stand_in_long_name(uint32_t character)
{
    return character >= 0x20 && character != 0x7f && !is_in(character, TEXT("\"*/:<>?\\|"));
}

static bool is_lower(uint32_t character)
{
    return character >= 'a' && character <= 'z';
}

static bool is_upper(uint32_t character)
{
    return character >= 'A' && character <= 'Z';
}

/* What a character of the name becomes in the short one: the same in upper case, or '_'. */
static uint8_t short_form(uint32_t character)
{
    if (is_lower(character)) return (uint8_t)(character - 0x20);
    return character >= 0x80 || is_in(character, TEXT("+,;=[]")) ? '_' : (uint8_t)character;
}

static status units_encode(text name, struct fat32_encoded_name *out_name)
{
    if (!text_is_utf8(name)) return FAIL(INVALID_ARGUMENT);
    uint32_t count = 0, character = '.'; /* so that an empty name is refused below */
    for (size_t at = 0; at < name.length;) {
        character = next_character(name, &at);
        if (!may_stand_in_long_name(character)) return FAIL(INVALID_ARGUMENT);
        if (count + utf16_length(character) > LONG_UNITS_MAX) return FAIL(INVALID_ARGUMENT);
        count = append_utf16(out_name->units, count, character);
    }
    if (character == '.' || character == ' ') return FAIL(INVALID_ARGUMENT);
    out_name->unit_count = (uint16_t)count;
    for (uint32_t i = count; i < FAT32_NAME_UNITS; i++)
        out_name->units[i] = i == count ? 0 : UINT16_MAX;
    return OK;
}

/*
 * Writes the short form of units first..end into up to `room` bytes; answers the flag that says
 * they are in lower case. needs_tail: the short form says less than they do. part_count 1: no flag
 * can say their case.
 */
static bool shorten(struct fat32_encoded_name *name, uint32_t first, uint32_t end, uint8_t *to,
                    uint32_t room)
{
    uint32_t length = 0;
    bool has_lower = false, has_upper = false;
    for (uint32_t i = first; i < end; i++) {
        uint16_t unit = name->units[i];
        uint8_t form = short_form(unit);
        bool is_kept = unit != ' ' && !is_low_surrogate(unit) && length < room;
        if (is_kept) to[length++] = form;
        name->needs_tail |= !is_kept || (form == '_' && unit != '_');
        has_lower |= is_lower(unit);
        has_upper |= is_upper(unit);
    }
    if (has_lower && has_upper) name->part_count = 1;
    return has_lower;
}

/*
 * Leading dots and spaces are left out. The base ends at the first dot after them, the extension
 * begins behind the last one; what is between is left out, too. The base has at least one
 * character, because the name ends in neither dot nor space.
 */
static void short_name_make(struct fat32_encoded_name *name)
{
    uint32_t start = 0;
    while (name->units[start] == '.' || name->units[start] == ' ')
        start++;
    uint32_t end = name->unit_count, base_end = end, last_dot = end;
    for (uint32_t i = end; i > start; i--) {
        if (name->units[i - 1] != '.') continue;
        base_end = i - 1;
        if (last_dot == end) last_dot = i - 1;
    }
    name->part_count = 0;
    name->needs_tail = start > 0 || base_end != last_dot;
    name->letter_case = 0;
    __builtin_memset(name->short_name, ' ', SHORT_NAME_BYTES);
    if (shorten(name, start, base_end, name->short_name, SHORT_BASE_BYTES))
        name->letter_case |= CASE_BASE_LOWER;
    if (shorten(name, min_of(last_dot + 1, end), end, name->short_name + SHORT_BASE_BYTES,
                SHORT_NAME_BYTES - SHORT_BASE_BYTES))
        name->letter_case |= CASE_EXTENSION_LOWER;
    if (name->part_count == 0 && !name->needs_tail) return;
    name->letter_case = 0;
    name->part_count = (uint8_t)((end + LONG_UNITS_PER_PART - 1) / LONG_UNITS_PER_PART);
}

status fat32_name_encode(text name, struct fat32_encoded_name *out_name)
{
    TRY(units_encode(name, out_name));
    short_name_make(out_name);
    return OK;
}

static uint32_t digit_count(uint32_t number)
{
    uint32_t count = 1;
    for (; number >= 10; number /= 10)
        count++;
    return count;
}

/* Where the '~' of a tail of so many digits stands in the base. */
static uint32_t tail_start(const struct fat32_encoded_name *name, uint32_t digits)
{
    return min_of(trimmed_length(name->short_name, SHORT_BASE_BYTES),
                  SHORT_BASE_BYTES - 1 - digits);
}

void fat32_name_set_tail(const struct fat32_encoded_name *name, uint32_t tail, uint8_t to[11])
{
    uint32_t digits = digit_count(tail), start = tail_start(name, digits);
    bytes_copy(to, name->short_name, SHORT_NAME_BYTES);
    to[start] = '~';
    for (uint32_t i = digits; i > 0; i--, tail /= 10)
        to[start + i] = (uint8_t)('0' + tail % 10);
}

uint32_t fat32_name_tail_of(const struct fat32_encoded_name *name, const uint8_t *short_name)
{
    /* Almost every name of a directory is told apart here. */
    if (short_name[0] != name->short_name[0]) return 0;
    uint32_t length = trimmed_length(short_name, SHORT_BASE_BYTES), tilde = length, tail = 0;
    for (uint32_t unit = 1; tilde > 0 && short_name[tilde - 1] != '~'; unit *= 10) {
        uint32_t digit = short_name[--tilde] - (uint32_t)'0';
        if (digit > 9) return 0;
        tail += digit * unit;
    }
    uint32_t digits = length - tilde;
    bool is_tail = tilde > 0 && digits > 0 && digits <= 6 && short_name[tilde] != '0' &&
                   tilde - 1 == tail_start(name, digits) &&
                   bytes_equal(short_name, name->short_name, tilde - 1) &&
                   bytes_equal(short_name + SHORT_BASE_BYTES, name->short_name + SHORT_BASE_BYTES,
                               SHORT_NAME_BYTES - SHORT_BASE_BYTES);
    return is_tail ? tail : 0;
}

void fat32_name_put_part(const struct fat32_encoded_name *name, uint32_t number, uint8_t checksum,
                         uint8_t *to)
{
    const uint16_t *units = name->units + (size_t)(number - 1) * LONG_UNITS_PER_PART;
    bytes_zero(to, ENTRY_BYTES);
    to[LONG_ORDER] = (uint8_t)(number | (number == name->part_count ? LONG_ORDER_LAST : 0));
    to[ENTRY_ATTRIBUTES] = ATTRIBUTE_LONG_NAME;
    to[LONG_CHECKSUM] = checksum;
    bytes_copy(to + 1, units, 10);
    bytes_copy(to + 14, units + 5, 12);
    bytes_copy(to + 28, units + 11, 4);
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

/* The calendar date of a day counted from 1980. */
static uint16_t date_of_day(uint32_t day)
{
    uint32_t year = 1980, month = 1;
    while (day >= 365u + is_leap_year(year))
        day -= 365u + is_leap_year(year++);
    while (day >= month_days(month, year))
        day -= month_days(month++, year);
    return (uint16_t)((year - 1980) << 9 | month << 5 | (day + 1));
}

struct fat32_time fat32_time_of(uint64_t ns)
{
    static constexpr uint64_t SECOND = 1000000000, FIRST = 315532800, END = 4354819200;
    if (ns == 0) return (struct fat32_time){0};
    if (ns < FIRST * SECOND) ns = FIRST * SECOND;  /* 1980-01-01 */
    if (ns >= END * SECOND) ns = END * SECOND - 1; /* 2108-01-01 */
    uint64_t since = ns - FIRST * SECOND, seconds = since / SECOND;
    uint32_t in_day = (uint32_t)(seconds % 86400);
    return (struct fat32_time){
        .date = date_of_day((uint32_t)(seconds / 86400)),
        .time = (uint16_t)(in_day / 3600 << 11 | in_day / 60 % 60 << 5 | in_day % 60 / 2),
        .tenths = (uint8_t)(since % (2 * SECOND) / 10000000),
    };
}
