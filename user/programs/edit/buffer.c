#include "buffer.h"
#include "peal/bytes.h"

void buffer_init(struct buffer *buffer, char *bytes, size_t length, size_t capacity)
{
    *buffer = (struct buffer){
        .bytes = bytes, .capacity = capacity, .gap_start = length, .gap_end = capacity};
}

text buffer_before_gap(const struct buffer *buffer)
{
    return (text){buffer->bytes, buffer->gap_start};
}

text buffer_behind_gap(const struct buffer *buffer)
{
    return (text){buffer->bytes + buffer->gap_end, buffer->capacity - buffer->gap_end};
}

void buffer_move(struct buffer *buffer, char *bytes, size_t capacity)
{
    text before = buffer_before_gap(buffer), behind = buffer_behind_gap(buffer);
    memcpy(bytes, before.bytes, before.length);
    memcpy(bytes + capacity - behind.length, behind.bytes, behind.length);
    buffer->bytes = bytes;
    buffer->capacity = capacity;
    buffer->gap_end = capacity - behind.length;
}

static void move_gap(struct buffer *buffer, size_t at)
{
    if (at < buffer->gap_start) {
        size_t length = buffer->gap_start - at;
        memmove(buffer->bytes + buffer->gap_end - length, buffer->bytes + at, length);
        buffer->gap_start -= length;
        buffer->gap_end -= length;
    } else {
        size_t length = at - buffer->gap_start;
        memmove(buffer->bytes + buffer->gap_start, buffer->bytes + buffer->gap_end, length);
        buffer->gap_start += length;
        buffer->gap_end += length;
    }
}

bool buffer_insert(struct buffer *buffer, size_t at, text piece)
{
    if (piece.length > buffer->gap_end - buffer->gap_start) return false;
    move_gap(buffer, at);
    memcpy(buffer->bytes + buffer->gap_start, piece.bytes, piece.length);
    buffer->gap_start += piece.length;
    return true;
}

void buffer_delete(struct buffer *buffer, size_t at, size_t length)
{
    size_t left = buffer_length(buffer) - at;
    move_gap(buffer, at);
    buffer->gap_end += length < left ? length : left;
}

size_t buffer_copy(const struct buffer *buffer, size_t at, size_t length, char *to)
{
    size_t left = buffer_length(buffer) - at;
    if (length > left) length = left;
    for (size_t i = 0; i < length; i++)
        to[i] = (char)buffer_byte(buffer, at + i);
    return length;
}

size_t buffer_line_start(const struct buffer *buffer, size_t at)
{
    while (at > 0 && buffer_byte(buffer, at - 1) != '\n')
        at--;
    return at;
}

size_t buffer_line_end(const struct buffer *buffer, size_t at)
{
    size_t length = buffer_length(buffer);
    while (at < length && buffer_byte(buffer, at) != '\n')
        at++;
    return at;
}

static bool is_continuation(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

/* The Unicode Standard, 3.9, table 3-7: the first byte tells the length; of E0, ED, F0 and F4 not
 * every second byte is good, and what a terminal makes of those others is one character, too. */
size_t buffer_character_bytes(const struct buffer *buffer, size_t at)
{
    size_t left = buffer_length(buffer) - at;
    if (left == 0) return 0;
    uint8_t lead = buffer_byte(buffer, at);
    size_t bytes = lead < 0xc2 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 1;
    if (bytes > left) return 1;
    for (size_t i = 1; i < bytes; i++)
        if (!is_continuation(buffer_byte(buffer, at + i))) return 1;
    return bytes;
}

size_t buffer_character_before(const struct buffer *buffer, size_t at)
{
    for (size_t bytes = 2; bytes <= 4 && bytes <= at; bytes++)
        if (buffer_character_bytes(buffer, at - bytes) == bytes) return at - bytes;
    return at == 0 ? 0 : at - 1;
}

static bool is_at(const struct buffer *buffer, size_t at, text wanted)
{
    for (size_t i = 0; i < wanted.length; i++)
        if (buffer_byte(buffer, at + i) != (uint8_t)wanted.bytes[i]) return false;
    return true;
}

size_t buffer_find(const struct buffer *buffer, size_t start, text wanted)
{
    size_t length = buffer_length(buffer);
    for (size_t at = start; at < length && wanted.length <= length - at; at++)
        if (is_at(buffer, at, wanted)) return at;
    return length;
}

size_t buffer_count_lines(const struct buffer *buffer, size_t from, size_t to)
{
    size_t count = 0;
    for (size_t at = from; at < to; at++)
        count += buffer_byte(buffer, at) == '\n';
    return count;
}
