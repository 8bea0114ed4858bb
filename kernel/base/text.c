/* Text: comparing, cutting, parsing. */
#include "base/text.h"
#include "base/bytes.h"

bool text_equal(text a, text b)
{
    return a.length == b.length && bytes_equal(a.bytes, b.bytes, a.length);
}

bool text_starts_with(text whole, text prefix)
{
    return whole.length >= prefix.length && bytes_equal(whole.bytes, prefix.bytes, prefix.length);
}

int text_compare(text a, text b)
{
    size_t shared = a.length < b.length ? a.length : b.length;
    int order = shared == 0 ? 0 : memcmp(a.bytes, b.bytes, shared);
    if (order != 0 || a.length == b.length) return order;
    return a.length < b.length ? -1 : 1;
}

text text_slice(text whole, size_t start, size_t length)
{
    if (start > whole.length) start = whole.length;
    if (length > whole.length - start) length = whole.length - start;
    return (text){start == 0 ? whole.bytes : whole.bytes + start, length};
}

size_t text_find(text whole, char byte, size_t start)
{
    for (size_t i = start; i < whole.length; i++) {
        if (whole.bytes[i] == byte) return i;
    }
    return whole.length;
}

text text_split(text *rest, char separator)
{
    size_t end = text_find(*rest, separator, 0);
    text before = text_slice(*rest, 0, end);
    *rest = text_slice(*rest, end + 1, rest->length);
    return before;
}

/* The value of a digit in any base up to 16, or 16. */
static uint64_t digit_value(char digit)
{
    if (digit >= '0' && digit <= '9') return (uint64_t)(digit - '0');
    if (digit >= 'a' && digit <= 'f') return (uint64_t)(digit - 'a') + 10;
    if (digit >= 'A' && digit <= 'F') return (uint64_t)(digit - 'A') + 10;
    return 16;
}

bool text_to_number(text digits, uint64_t *out_number)
{
    uint64_t base = 10;
    if (text_starts_with(digits, TEXT("0x"))) {
        base = 16;
        digits = text_slice(digits, 2, digits.length);
    }
    if (digits.length == 0) return false;

    uint64_t number = 0;
    for (size_t i = 0; i < digits.length; i++) {
        uint64_t digit = digit_value(digits.bytes[i]);
        if (digit >= base) return false;
        if (__builtin_mul_overflow(number, base, &number)) return false;
        if (__builtin_add_overflow(number, digit, &number)) return false;
    }
    *out_number = number;
    return true;
}

/* One row of Unicode 15, table 3-7: what the byte after a lead byte may be. */
struct utf8_row {
    uint8_t lead_first, lead_last;
    uint8_t second_first, second_last;
    uint8_t length;
};

static const struct utf8_row utf8_rows[] = {
    {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
    {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
    {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

/* Length of the well-formed sequence at the start, or 0. */
static size_t utf8_sequence_length(const uint8_t *bytes, size_t available)
{
    if (bytes[0] < 0x80) return bytes[0] == 0 ? 0 : 1;
    for (size_t i = 0; i < sizeof(utf8_rows) / sizeof(utf8_rows[0]); i++) {
        const struct utf8_row *row = &utf8_rows[i];
        if (bytes[0] < row->lead_first || bytes[0] > row->lead_last) continue;
        if (available < row->length) return 0;
        if (bytes[1] < row->second_first || bytes[1] > row->second_last) return 0;
        for (size_t k = 2; k < row->length; k++) {
            if ((bytes[k] & 0xc0) != 0x80) return 0;
        }
        return row->length;
    }
    return 0;
}

bool text_is_utf8(text candidate)
{
    const uint8_t *bytes = (const uint8_t *)candidate.bytes;
    for (size_t at = 0; at < candidate.length;) {
        size_t length = utf8_sequence_length(bytes + at, candidate.length - at);
        if (length == 0) return false;
        at += length;
    }
    return true;
}
