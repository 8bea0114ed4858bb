/* Headers of a ustar archive. POSIX.1-1988 (IEEE Std 1003.1), section 10.1.1. */
#include "fs/archive/ustar.h"
#include "base/address.h"
#include "base/bytes.h"
#include "base/checked.h"

static constexpr uint32_t NAME = 0; /* 100 bytes */
static constexpr uint32_t NAME_BYTES = 100;
static constexpr uint32_t SIZE = 124; /* 12 bytes, as MTIME */
static constexpr uint32_t MTIME = 136;
static constexpr uint32_t NUMBER_BYTES = 12;
static constexpr uint32_t CHECKSUM = 148; /* 8 bytes */
static constexpr uint32_t CHECKSUM_BYTES = 8;
static constexpr uint32_t TYPE = 156;
static constexpr uint32_t MAGIC = 257;  /* "ustar", a zero, and the version "00" */
static constexpr uint32_t PREFIX = 345; /* 155 bytes */
static constexpr uint32_t PREFIX_BYTES = 155;
static_assert(PREFIX_BYTES + 1 + NAME_BYTES <= USTAR_NAME_BYTES_MAX, "a name fits");

/* Octal digits, spaces before and a space or zero behind, if there is room. */
static bool octal_load(const uint8_t *field, uint32_t length, uint64_t *out_number)
{
    uint32_t i = 0;
    while (i < length && field[i] == ' ')
        i++;
    uint64_t number = 0;
    uint32_t first_digit = i;
    for (; i < length && field[i] >= '0' && field[i] <= '7'; i++)
        number = number << 3 | (field[i] - (uint32_t)'0');
    if (i == first_digit) return false;
    if (i < length && field[i] != ' ' && field[i] != 0) return false;
    *out_number = number; /* 12 digits are 36 bits */
    return true;
}

static bool is_zero_block(const uint8_t *header)
{
    uint8_t any = 0;
    for (uint32_t i = 0; i < USTAR_BLOCK_BYTES; i++)
        any |= header[i];
    return any == 0;
}

/* The sum of all bytes, those of the sum itself taken as spaces. */
static bool has_valid_checksum(const uint8_t *header)
{
    uint64_t expected;
    if (!octal_load(header + CHECKSUM, CHECKSUM_BYTES, &expected)) return false;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < USTAR_BLOCK_BYTES; i++)
        sum += i >= CHECKSUM && i < CHECKSUM + CHECKSUM_BYTES ? ' ' : header[i];
    return sum == expected;
}

static uint32_t field_length(const uint8_t *field, uint32_t capacity)
{
    uint32_t length = 0;
    while (length < capacity && field[length] != 0)
        length++;
    return length;
}

static void name_load(const uint8_t *header, struct ustar_entry *entry)
{
    uint32_t length = field_length(header + PREFIX, PREFIX_BYTES);
    bytes_copy(entry->name, header + PREFIX, length);
    if (length > 0) entry->name[length++] = '/';
    uint32_t name_length = field_length(header + NAME, NAME_BYTES);
    bytes_copy(entry->name + length, header + NAME, name_length);
    length += name_length;
    if (entry->kind == USTAR_DIRECTORY && length > 0 && entry->name[length - 1] == '/') length--;
    entry->name_bytes = (uint16_t)length;
}

static enum ustar_kind kind_of(uint8_t type)
{
    if (type == '0' || type == 0) return USTAR_FILE;
    return type == '5' ? USTAR_DIRECTORY : USTAR_OTHER;
}

/* Only these types have content; for others the size means something else or nothing. */
static bool type_has_content(uint8_t type)
{
    return type == '0' || type == 0 || type == '7' || type == 'x' || type == 'g' || type == 'L' ||
           type == 'K';
}

static status damaged(text *out_reason, text why)
{
    *out_reason = why;
    return FAIL(IO_ERROR);
}

status ustar_next(struct ustar_reader *reader, struct ustar_entry *out_entry, text *out_reason)
{
    *out_reason = TEXT("");
    if (reader->offset == reader->length) return FAIL(NOT_FOUND);
    if (!span_fits(reader->offset, USTAR_BLOCK_BYTES, reader->length))
        return damaged(out_reason, TEXT("it ends inside a header"));
    const uint8_t *header = reader->bytes + reader->offset;
    if (is_zero_block(header)) return FAIL(NOT_FOUND);
    if (!bytes_equal(header + MAGIC,
                     "ustar\0"
                     "00",
                     8))
        return damaged(out_reason, TEXT("a header is not one of a ustar archive"));
    if (!has_valid_checksum(header))
        return damaged(out_reason, TEXT("a header's checksum is wrong"));
    uint64_t size, modified;
    if (!octal_load(header + SIZE, NUMBER_BYTES, &size) ||
        !octal_load(header + MTIME, NUMBER_BYTES, &modified))
        return damaged(out_reason, TEXT("a header has a number that is none"));

    uint64_t content = reader->offset + USTAR_BLOCK_BYTES;
    if (!type_has_content(header[TYPE])) size = 0;
    if (!span_fits(content, size, reader->length))
        return damaged(out_reason, TEXT("it ends inside a file"));
    out_entry->kind = kind_of(header[TYPE]);
    name_load(header, out_entry);
    out_entry->content = reader->bytes + content;
    out_entry->size_bytes = size;
    out_entry->modified_seconds = modified;
    /* The padding of the last file may be missing. */
    reader->offset = min_of(content + round_up(size, USTAR_BLOCK_BYTES), reader->length);
    return OK;
}
