#include "support/json.h"

/* What is left to read. Each read_... takes what it is named after, or answers false. */
struct reader {
    text whole;
    size_t at;
    uint32_t depth;
};

static int peek(const struct reader *reader)
{
    return reader->at < reader->whole.length ? (uint8_t)reader->whole.bytes[reader->at] : -1;
}

static bool read_byte(struct reader *reader, char wanted)
{
    if (peek(reader) != (uint8_t)wanted) return false;
    reader->at++;
    return true;
}

static bool read_word(struct reader *reader, text word)
{
    text rest = peal_text_slice(reader->whole, reader->at, word.length);
    if (!peal_text_equal(rest, word)) return false;
    reader->at += word.length;
    return true;
}

static void skip_blanks(struct reader *reader)
{
    while (peek(reader) == ' ' || peek(reader) == '\n' || peek(reader) == '\r' ||
           peek(reader) == '\t')
        reader->at++;
}

/* ---- numbers ---- */

static bool is_digit(int byte)
{
    return byte >= '0' && byte <= '9';
}

static bool read_digits(struct reader *reader)
{
    if (!is_digit(peek(reader))) return false;
    while (is_digit(peek(reader)))
        reader->at++;
    return true;
}

static bool read_number(struct reader *reader)
{
    read_byte(reader, '-');
    if (!read_byte(reader, '0') && !read_digits(reader)) return false;
    if (read_byte(reader, '.') && !read_digits(reader)) return false;
    if (!read_byte(reader, 'e') && !read_byte(reader, 'E')) return true;
    if (!read_byte(reader, '+')) read_byte(reader, '-');
    return read_digits(reader);
}

/* ---- strings ---- */

static bool read_hex4(struct reader *reader, uint32_t *out_unit)
{
    *out_unit = 0;
    for (int i = 0; i < 4; i++, reader->at++) {
        int byte = peek(reader);
        int lower = byte | 0x20;
        if (!is_digit(byte) && (lower < 'a' || lower > 'f')) return false;
        *out_unit = *out_unit << 4 | (uint32_t)(is_digit(byte) ? byte - '0' : lower - 'a' + 10);
    }
    return true;
}

static bool read_escape(struct reader *reader, uint32_t *out_character)
{
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    int letter = peek(reader);
    for (size_t i = 0; i < sizeof(letters) - 1; i++) {
        if (letter != letters[i]) continue;
        *out_character = (uint8_t)meant[i];
        reader->at++;
        return true;
    }
    uint32_t low;
    if (!read_byte(reader, 'u') || !read_hex4(reader, out_character)) return false;
    if (*out_character < 0xd800 || *out_character > 0xdfff) return true;
    /* A surrogate stands for something with its other half only. */
    if (*out_character > 0xdbff || !read_word(reader, TEXT("\\u")) || !read_hex4(reader, &low))
        return false;
    *out_character = 0x10000 + ((*out_character & 0x3ff) << 10 | (low & 0x3ff));
    return low >= 0xdc00 && low <= 0xdfff;
}

/* Shortest forms only, no surrogates, nothing above U+10FFFF. */
static bool read_utf8(struct reader *reader, uint32_t *out_character)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    int lead = peek(reader);
    uint32_t more = lead < 0x80 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    if (lead < 0x20 || (lead >= 0x80 && lead < 0xc2) || lead > 0xf4) return false;
    uint32_t character = more == 0 ? (uint32_t)lead : (uint32_t)lead & (0x3fu >> more);
    reader->at++;
    for (uint32_t i = 0; i < more; i++, reader->at++) {
        int byte = peek(reader);
        if (byte < 0x80 || byte > 0xbf) return false;
        character = character << 6 | ((uint32_t)byte & 0x3f);
    }
    *out_character = character;
    return character >= least[more] && character <= 0x10ffff &&
           (character < 0xd800 || character > 0xdfff);
}

static bool read_character(struct reader *reader, uint32_t *out_character)
{
    return read_byte(reader, '\\') ? read_escape(reader, out_character)
                                   : read_utf8(reader, out_character);
}

static bool read_string(struct reader *reader)
{
    uint32_t character;
    if (!read_byte(reader, '"')) return false;
    while (!read_byte(reader, '"'))
        if (!read_character(reader, &character)) return false;
    return true;
}

/* ---- values ---- */

static bool read_value(struct reader *reader);

static bool read_key(struct reader *reader)
{
    if (!read_string(reader)) return false;
    skip_blanks(reader);
    if (!read_byte(reader, ':')) return false;
    skip_blanks(reader);
    return true;
}

/* Behind the opening bracket; depth is bounded. */
static bool read_rest_of(struct reader *reader, char end, bool has_keys)
{
    skip_blanks(reader);
    if (read_byte(reader, end)) return true;
    for (;;) {
        skip_blanks(reader);
        if (has_keys && !read_key(reader)) return false;
        if (!read_value(reader)) return false;
        skip_blanks(reader);
        if (read_byte(reader, end)) return true;
        if (!read_byte(reader, ',')) return false;
    }
}

static bool read_bracketed(struct reader *reader)
{
    bool is_object = read_byte(reader, '{');
    if (!is_object && !read_byte(reader, '[')) return false;
    if (++reader->depth > JSON_DEPTH_MAX) return false;
    bool is_whole = read_rest_of(reader, is_object ? '}' : ']', is_object);
    reader->depth--;
    return is_whole;
}

static bool read_value(struct reader *reader)
{
    switch (peek(reader)) {
    case '{':
    case '[':
        return read_bracketed(reader);
    case '"':
        return read_string(reader);
    case 't':
        return read_word(reader, TEXT("true"));
    case 'f':
        return read_word(reader, TEXT("false"));
    case 'n':
        return read_word(reader, TEXT("null"));
    default:
        return read_number(reader);
    }
}

bool json_is_valid(text whole, size_t *out_at)
{
    struct reader reader = {.whole = whole};
    skip_blanks(&reader);
    bool is_valid = read_value(&reader);
    skip_blanks(&reader);
    *out_at = reader.at;
    return is_valid && reader.at == whole.length;
}

/* ---- looking into valid texts ---- */

/* Takes the next value, whole, from where the reader is. */
static text take_value(struct reader *reader)
{
    skip_blanks(reader);
    size_t start = reader->at;
    if (!read_value(reader)) reader->at = reader->whole.length;
    return peal_text_slice(reader->whole, start, reader->at - start);
}

bool json_member(text object, text key, text *out_value)
{
    struct reader reader = {.whole = object};
    skip_blanks(&reader);
    if (!read_byte(&reader, '{')) return false;
    while (reader.at < object.length) {
        char bytes[64];
        text name;
        text written = take_value(&reader);
        skip_blanks(&reader);
        if (!read_byte(&reader, ':')) return false;
        text value = take_value(&reader);
        skip_blanks(&reader);
        if (json_to_text(written, bytes, sizeof(bytes), &name) && peal_text_equal(name, key)) {
            *out_value = value;
            return true;
        }
        if (!read_byte(&reader, ',')) return false;
    }
    return false;
}

bool json_find(text whole, text path, text *out_value)
{
    *out_value = whole;
    while (path.length > 0)
        if (!json_member(*out_value, peal_text_split(&path, '.'), out_value)) return false;
    return true;
}

bool json_next_item(text *rest, text *out_item)
{
    struct reader reader = {.whole = *rest};
    skip_blanks(&reader);
    if (!read_byte(&reader, '[') && !read_byte(&reader, ',')) return false;
    skip_blanks(&reader);
    if (peek(&reader) == ']') return false;
    *out_item = take_value(&reader);
    *rest = peal_text_slice(*rest, reader.at, rest->length);
    return out_item->length > 0;
}

bool json_to_number(text value, uint64_t *out_number)
{
    return value.length > 0 && is_digit(value.bytes[0]) && peal_text_to_number(value, out_number);
}

bool json_is_true(text value)
{
    return peal_text_equal(value, TEXT("true"));
}

/* Appends a character as UTF-8. */
static bool put_utf8(char *bytes, size_t capacity, size_t *length, uint32_t character)
{
    uint32_t more = character < 0x80 ? 0 : character < 0x800 ? 1 : character < 0x10000 ? 2 : 3;
    static const uint8_t leads[] = {0, 0xc0, 0xe0, 0xf0};
    if (capacity - *length <= more) return false;
    bytes[(*length)++] = (char)(leads[more] | character >> (6 * more));
    while (more-- > 0)
        bytes[(*length)++] = (char)(0x80 | (character >> (6 * more) & 0x3f));
    return true;
}

bool json_to_text(text value, char *bytes, size_t capacity, text *out_text)
{
    struct reader reader = {.whole = value};
    size_t length = 0;
    if (!read_byte(&reader, '"')) return false;
    while (!read_byte(&reader, '"')) {
        uint32_t character;
        if (!read_character(&reader, &character)) return false;
        if (!put_utf8(bytes, capacity, &length, character)) return false;
    }
    *out_text = (text){bytes, length};
    return true;
}
