#include "peal/text.h"
#include "peal/bytes.h"

bool peal_text_equal(text a, text b)
{
    return a.length == b.length && memcmp(a.bytes, b.bytes, a.length) == 0;
}

bool peal_text_starts_with(text whole, text prefix)
{
    return whole.length >= prefix.length && memcmp(whole.bytes, prefix.bytes, prefix.length) == 0;
}

bool peal_text_ends_with(text whole, text suffix)
{
    return whole.length >= suffix.length &&
           memcmp(whole.bytes + whole.length - suffix.length, suffix.bytes, suffix.length) == 0;
}

int peal_text_compare(text a, text b)
{
    size_t common = a.length < b.length ? a.length : b.length;
    int difference = memcmp(a.bytes, b.bytes, common);
    if (difference != 0) return difference;
    return a.length < b.length ? -1 : a.length > b.length;
}

text peal_text_slice(text whole, size_t start, size_t length)
{
    if (start > whole.length) start = whole.length;
    if (length > whole.length - start) length = whole.length - start;
    return (text){start == 0 ? whole.bytes : whole.bytes + start, length};
}

size_t peal_text_find(text whole, char byte, size_t start)
{
    for (size_t i = start; i < whole.length; i++)
        if (whole.bytes[i] == byte) return i;
    return whole.length;
}

text peal_text_split(text *rest, char separator)
{
    size_t at = peal_text_find(*rest, separator, 0);
    text before = peal_text_slice(*rest, 0, at);
    *rest = peal_text_slice(*rest, at + 1, SIZE_MAX);
    return before;
}

text peal_text_from_field(const uint8_t *field, size_t field_bytes)
{
    return (text){(const char *)field,
                  peal_text_find((text){(const char *)field, field_bytes}, 0, 0)};
}

static bool digit_value(char c, uint64_t *out)
{
    if (c >= '0' && c <= '9')
        *out = (uint64_t)(c - '0');
    else if (c >= 'a' && c <= 'f')
        *out = (uint64_t)(c - 'a' + 10);
    else if (c >= 'A' && c <= 'F')
        *out = (uint64_t)(c - 'A' + 10);
    else
        return false;
    return true;
}

bool peal_text_to_number(text digits, uint64_t *out_number)
{
    uint64_t base = 10;
    if (peal_text_starts_with(digits, TEXT("0x"))) {
        base = 16;
        digits = peal_text_slice(digits, 2, SIZE_MAX);
    }
    if (digits.length == 0) return false;
    uint64_t number = 0;
    for (size_t i = 0; i < digits.length; i++) {
        uint64_t digit;
        if (!digit_value(digits.bytes[i], &digit) || digit >= base) return false;
        if (__builtin_mul_overflow(number, base, &number)) return false;
        if (__builtin_add_overflow(number, digit, &number)) return false;
    }
    *out_number = number;
    return true;
}

bool peal_text_to_bytes(text digits, uint64_t *out_bytes)
{
    uint64_t unit = 1;
    if (digits.length > 0) {
        switch (digits.bytes[digits.length - 1]) {
        case 'k':
            unit = 1ull << 10;
            break;
        case 'm':
            unit = 1ull << 20;
            break;
        case 'g':
            unit = 1ull << 30;
            break;
        default:
            break;
        }
    }
    if (unit != 1) digits.length--;
    uint64_t number;
    return peal_text_to_number(digits, &number) && !__builtin_mul_overflow(number, unit, out_bytes);
}
