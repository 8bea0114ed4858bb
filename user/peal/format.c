#include "peal/format.h"

/* What stands between % and the conversion. */
struct specification {
    bool is_left, is_zero_padded, has_plus, has_prefix, has_precision;
    int width;
    int precision;
    int length; /* bytes of the integer */
    char conversion;
};

void writer_byte(struct writer *writer, char byte)
{
    if (writer->length == writer->capacity && writer->empty != nullptr) writer->empty(writer);
    if (writer->length == writer->capacity)
        writer->is_truncated = true;
    else
        writer->bytes[writer->length++] = byte;
}

void writer_write(struct writer *writer, text piece)
{
    for (size_t i = 0; i < piece.length; i++)
        writer_byte(writer, piece.bytes[i]);
}

void writer_fill(struct writer *writer, char byte, size_t count)
{
    for (size_t i = 0; i < count; i++)
        writer_byte(writer, byte);
}

static void write_padded(struct writer *writer, const struct specification *how, text sign,
                         text body, size_t zeros)
{
    size_t shown = sign.length + zeros + body.length;
    size_t padding = how->width > 0 && (size_t)how->width > shown ? (size_t)how->width - shown : 0;
    if (!how->is_left) writer_fill(writer, ' ', padding);
    writer_write(writer, sign);
    writer_fill(writer, '0', zeros);
    writer_write(writer, body);
    if (how->is_left) writer_fill(writer, ' ', padding);
}

static void write_number(struct writer *writer, const struct specification *how, uint64_t magnitude,
                         text sign)
{
    char digits[24];
    size_t at = sizeof(digits);
    uint64_t base = how->conversion == 'd' || how->conversion == 'u' ? 10 : 16;
    const char *symbols = how->conversion == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    for (uint64_t rest = magnitude; rest != 0; rest /= base)
        digits[--at] = symbols[rest % base];
    size_t count = sizeof(digits) - at;
    size_t zeros = 0;
    size_t wanted = how->has_precision ? (size_t)how->precision : 1;
    if (count < wanted) zeros = wanted - count;
    if (how->is_zero_padded && !how->is_left && !how->has_precision && how->width > 0 &&
        (size_t)how->width > sign.length + zeros + count)
        zeros = (size_t)how->width - sign.length - count;
    write_padded(writer, how, sign, (text){digits + at, count}, zeros);
}

static void write_string(struct writer *writer, const struct specification *how, const char *string)
{
    if (string == nullptr) string = "(nil)";
    size_t length = 0;
    while ((!how->has_precision || length < (size_t)how->precision) && string[length] != 0)
        length++;
    write_padded(writer, how, TEXT(""), (text){string, length}, 0);
}

static const char *parse_number(const char *at, int *out_number)
{
    int number = 0;
    for (; *at >= '0' && *at <= '9'; at++)
        if (number < 100'000) number = number * 10 + (*at - '0');
    *out_number = number;
    return at;
}

static const char *parse_flags(const char *at, struct specification *how)
{
    for (;; at++) {
        if (*at == '-')
            how->is_left = true;
        else if (*at == '0')
            how->is_zero_padded = true;
        else if (*at == '+')
            how->has_plus = true;
        else if (*at == '#')
            how->has_prefix = true;
        else
            return at;
    }
}

static const char *parse_length(const char *at, struct specification *how)
{
    how->length = 4;
    for (;; at++) {
        if (*at == 'h')
            how->length = how->length == 2 ? 1 : 2;
        else if (*at == 'l' || *at == 'z' || *at == 'j' || *at == 't')
            how->length = 8;
        else
            return at;
    }
}

static uint64_t integer_of(const struct specification *how, uint64_t raw, bool is_signed)
{
    switch (how->length) {
    case 1:
        return is_signed ? (uint64_t)(int64_t)(int8_t)raw : (uint8_t)raw;
    case 2:
        return is_signed ? (uint64_t)(int64_t)(int16_t)raw : (uint16_t)raw;
    case 4:
        return is_signed ? (uint64_t)(int64_t)(int32_t)raw : (uint32_t)raw;
    default:
        return raw;
    }
}

static void write_integer(struct writer *writer, const struct specification *how, uint64_t raw)
{
    bool is_signed = how->conversion == 'd';
    uint64_t value = integer_of(how, raw, is_signed);
    text sign = TEXT("");
    if (is_signed && (int64_t)value < 0) {
        sign = TEXT("-");
        value = 0 - value;
    } else if (is_signed && how->has_plus) {
        sign = TEXT("+");
    } else if (how->has_prefix && (how->conversion == 'x' || how->conversion == 'X') &&
               value != 0) {
        sign = TEXT("0x");
    }
    write_number(writer, how, value, sign);
}

void writer_format_list(struct writer *writer, const char *format, va_list arguments)
{
    for (const char *at = format; *at != 0; at++) {
        if (*at != '%') {
            writer_byte(writer, *at);
            continue;
        }
        const char *percent = at;
        struct specification how = {0};
        at = parse_flags(at + 1, &how);
        if (*at == '*') {
            how.width = va_arg(arguments, int);
            at++;
            if (how.width < 0) {
                how.is_left = true;
                how.width = -how.width;
            }
        } else {
            at = parse_number(at, &how.width);
        }
        if (*at == '.') {
            how.has_precision = true;
            at++;
            if (*at == '*') {
                how.precision = va_arg(arguments, int);
                if (how.precision < 0) how.has_precision = false;
                at++;
            } else {
                at = parse_number(at, &how.precision);
            }
        }
        at = parse_length(at, &how);
        how.conversion = *at == 'i' ? 'd' : *at;
        switch (how.conversion) {
        case 'd':
        case 'u':
        case 'x':
        case 'X':
            write_integer(writer, &how,
                          how.length == 8 ? va_arg(arguments, uint64_t)
                                          : (uint64_t)va_arg(arguments, unsigned int));
            break;
        case 'p':
            how.conversion = 'x';
            write_number(writer, &how, (uint64_t)va_arg(arguments, void *), TEXT("0x"));
            break;
        case 'c': {
            char c = (char)va_arg(arguments, int);
            write_padded(writer, &how, TEXT(""), (text){&c, 1}, 0);
            break;
        }
        case 's':
            write_string(writer, &how, va_arg(arguments, const char *));
            break;
        case '%':
            writer_byte(writer, '%');
            break;
        case 0:
            writer_write(writer, (text){percent, (size_t)(at - percent)});
            return;
        default:
            writer_write(writer, (text){percent, (size_t)(at - percent) + 1});
            break;
        }
    }
}

void writer_format(struct writer *writer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    writer_format_list(writer, format, arguments);
    va_end(arguments);
}
