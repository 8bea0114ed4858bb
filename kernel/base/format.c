/*
 * printf-like formatting without floating point, allocation or locale.
 *
 * A conversion is parsed into a `struct conversion`, turned into digits or bytes, and written with
 * its padding. Anything that is not a conversion we know is written as it stands, so that a mistake
 * shows in the output.
 */
#include "base/format.h"
#include "base/bytes.h"

/* The longest number: 64 bits in octal would be 22, in decimal 20. */
static constexpr size_t DIGITS_MAX = 24;

struct conversion {
    bool left;      /* - */
    bool zero;      /* 0 */
    bool plus;      /* + */
    bool space;     /* blank */
    bool alternate; /* # */
    bool has_precision;
    size_t width;
    size_t precision;
    uint8_t length_bytes; /* of an integer argument */
};

void text_write(struct text_writer *writer, text piece)
{
    size_t room = writer->capacity - writer->length;
    size_t length = piece.length <= room ? piece.length : room;
    if (length < piece.length) writer->is_truncated = true;
    if (length > 0) bytes_copy(writer->bytes + writer->length, piece.bytes, length);
    writer->length += length;
}

void text_write_byte(struct text_writer *writer, char byte)
{
    text_write(writer, (text){&byte, 1});
}

static void write_repeated(struct text_writer *writer, char byte, size_t count)
{
    size_t room = writer->capacity - writer->length;
    if (count > room) {
        writer->is_truncated = true;
        count = room;
    }
    for (size_t i = 0; i < count; i++)
        writer->bytes[writer->length + i] = byte;
    writer->length += count;
}

static void write_padded(struct text_writer *writer, const struct conversion *how, text body)
{
    size_t padding = how->width > body.length ? how->width - body.length : 0;
    if (!how->left) write_repeated(writer, ' ', padding);
    text_write(writer, body);
    if (how->left) write_repeated(writer, ' ', padding);
}

/* Sign or 0x, then zeros, then digits, inside the width. */
static void write_number(struct text_writer *writer, const struct conversion *how, text prefix,
                         uint64_t value, uint32_t base, bool upper)
{
    char digits[DIGITS_MAX];
    size_t first = DIGITS_MAX;
    const char *alphabet = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    while (value > 0) {
        digits[--first] = alphabet[value % base];
        value /= base;
    }
    text body = {digits + first, DIGITS_MAX - first};

    size_t wanted = how->has_precision ? how->precision : 1;
    size_t zeros = wanted > body.length ? wanted - body.length : 0;
    size_t length = prefix.length + zeros + body.length;
    size_t padding = how->width > length ? how->width - length : 0;
    if (how->zero && !how->left && !how->has_precision) {
        zeros += padding;
        padding = 0;
    }
    if (!how->left) write_repeated(writer, ' ', padding);
    text_write(writer, prefix);
    write_repeated(writer, '0', zeros);
    text_write(writer, body);
    if (how->left) write_repeated(writer, ' ', padding);
}

static void write_signed(struct text_writer *writer, const struct conversion *how, int64_t value)
{
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    text sign = value < 0 ? TEXT("-") : how->plus ? TEXT("+") : how->space ? TEXT(" ") : TEXT("");
    write_number(writer, how, sign, magnitude, 10, false);
}

static void write_hexadecimal(struct text_writer *writer, const struct conversion *how,
                              uint64_t value, bool upper)
{
    text prefix = !how->alternate || value == 0 ? TEXT("") : upper ? TEXT("0X") : TEXT("0x");
    write_number(writer, how, prefix, value, 16, upper);
}

/* A precision bounds what is read: "%.*s" needs no terminator. */
static text bounded_string(const char *string, const struct conversion *how)
{
    if (!string) return TEXT("(none)");
    size_t limit = how->has_precision ? how->precision : SIZE_MAX;
    size_t length = 0;
    while (length < limit && string[length] != 0)
        length++;
    return (text){string, length};
}

static bool take_flag(struct conversion *how, char flag)
{
    switch (flag) {
    case '-':
        how->left = true;
        return true;
    case '0':
        how->zero = true;
        return true;
    case '+':
        how->plus = true;
        return true;
    case ' ':
        how->space = true;
        return true;
    case '#':
        how->alternate = true;
        return true;
    default:
        return false;
    }
}

/* A va_list inside a struct can be passed on by address on every ABI. */
struct arguments {
    va_list list;
};

/* Digits, or the next argument for "*". A negative argument is answered as such. */
static int64_t parse_count(const char **format, struct arguments *arguments)
{
    if (**format == '*') {
        (*format)++;
        return va_arg(arguments->list, int);
    }
    int64_t count = 0;
    while (**format >= '0' && **format <= '9') {
        if (count < INT32_MAX) count = count * 10 + (**format - '0');
        (*format)++;
    }
    return count;
}

static uint8_t parse_length(const char **format)
{
    const char *at = *format;
    uint8_t bytes = sizeof(int);
    if (at[0] == 'h' && at[1] == 'h') {
        bytes = 1;
        at += 2;
    } else if (at[0] == 'l' && at[1] == 'l') {
        bytes = 8;
        at += 2;
    } else if (at[0] == 'h') {
        bytes = 2;
        at += 1;
    } else if (at[0] == 'l' || at[0] == 'z' || at[0] == 'j' || at[0] == 't') {
        bytes = 8; /* LP64, the only model we compile for */
        at += 1;
    }
    *format = at;
    return bytes;
}

static struct conversion parse_conversion(const char **format, struct arguments *arguments)
{
    struct conversion how = {0};
    while (take_flag(&how, **format))
        (*format)++;
    int64_t width = parse_count(format, arguments);
    how.left |= width < 0;
    how.width = (size_t)(width < 0 ? -width : width);
    if (**format == '.') {
        (*format)++;
        int64_t precision = parse_count(format, arguments);
        how.has_precision = precision >= 0;
        how.precision = precision >= 0 ? (size_t)precision : 0;
    }
    how.length_bytes = parse_length(format);
    return how;
}

static int64_t next_signed(struct arguments *arguments, uint8_t length_bytes)
{
    switch (length_bytes) {
    case 1:
        return (int8_t)va_arg(arguments->list, int);
    case 2:
        return (int16_t)va_arg(arguments->list, int);
    case 4:
        return va_arg(arguments->list, int);
    default:
        return va_arg(arguments->list, int64_t);
    }
}

static uint64_t next_unsigned(struct arguments *arguments, uint8_t length_bytes)
{
    switch (length_bytes) {
    case 1:
        return (uint8_t)va_arg(arguments->list, unsigned);
    case 2:
        return (uint16_t)va_arg(arguments->list, unsigned);
    case 4:
        return va_arg(arguments->list, unsigned);
    default:
        return va_arg(arguments->list, uint64_t);
    }
}

/* False when the letter is no conversion. */
static bool write_conversion(struct text_writer *writer, const struct conversion *how, char letter,
                             struct arguments *arguments)
{
    char byte;
    switch (letter) {
    case 'd':
    case 'i':
        write_signed(writer, how, next_signed(arguments, how->length_bytes));
        return true;
    case 'u':
        write_number(writer, how, TEXT(""), next_unsigned(arguments, how->length_bytes), 10, false);
        return true;
    case 'x':
    case 'X':
        write_hexadecimal(writer, how, next_unsigned(arguments, how->length_bytes), letter == 'X');
        return true;
    case 'p':
        write_number(writer, how, TEXT("0x"), (uintptr_t)va_arg(arguments->list, void *), 16,
                     false);
        return true;
    case 'c':
        byte = (char)va_arg(arguments->list, int);
        write_padded(writer, how, (text){&byte, 1});
        return true;
    case 's':
        write_padded(writer, how, bounded_string(va_arg(arguments->list, const char *), how));
        return true;
    case '%':
        text_write_byte(writer, '%');
        return true;
    default:
        return false;
    }
}

void text_format_list(struct text_writer *writer, const char *format, va_list list)
{
    struct arguments arguments;
    va_copy(arguments.list, list);
    while (*format != 0) {
        const char *start = format;
        if (*format != '%') {
            while (*format != 0 && *format != '%')
                format++;
            text_write(writer, (text){start, (size_t)(format - start)});
            continue;
        }
        format++;
        struct conversion how = parse_conversion(&format, &arguments);
        if (write_conversion(writer, &how, *format, &arguments)) {
            format++;
        } else {
            text_write(writer, (text){start, (size_t)(format - start)});
        }
    }
    va_end(arguments.list);
}

void text_format(struct text_writer *writer, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    text_format_list(writer, format, list);
    va_end(list);
}
