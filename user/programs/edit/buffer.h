/*
 * The text being edited: bytes with a gap where it was last changed. Pure; the memory is the
 * caller's.
 *
 *     [ text before the gap | gap | text behind it ]
 *
 * Offsets count bytes of the text, the gap left out. A character is a code point of UTF-8, or one
 * byte that belongs to none, so that any bytes can be edited and come back as they were.
 *
 * Cost: inserting and deleting cost the distance from the last change; the rest is linear in what
 * is passed over.
 */
#pragma once
#include "peal/text.h"

struct buffer {
    char *bytes;
    size_t capacity;
    size_t gap_start;
    size_t gap_end;
};

/* Takes memory that holds `length` bytes of text at its start. */
void buffer_init(struct buffer *buffer, char *bytes, size_t length, size_t capacity);

/* Moves the text to larger memory; the old is the caller's again. */
void buffer_move(struct buffer *buffer, char *bytes, size_t capacity);

static inline size_t buffer_length(const struct buffer *buffer)
{
    return buffer->capacity - (buffer->gap_end - buffer->gap_start);
}

/* The byte at an offset below the length. */
static inline uint8_t buffer_byte(const struct buffer *buffer, size_t at)
{
    if (at >= buffer->gap_start) at += buffer->gap_end - buffer->gap_start;
    return (uint8_t)buffer->bytes[at];
}

/* False when it does not fit: buffer_move() first. */
[[nodiscard]] bool buffer_insert(struct buffer *buffer, size_t at, text piece);
/* Deletes up to `length` bytes. */
void buffer_delete(struct buffer *buffer, size_t at, size_t length);

/* The two parts of the text. */
text buffer_before_gap(const struct buffer *buffer);
text buffer_behind_gap(const struct buffer *buffer);

/* Copies up to `length` bytes from `at`; how many there were. */
size_t buffer_copy(const struct buffer *buffer, size_t at, size_t length, char *to);

/* Start of the line that `at` is in, and its end: the offset of its \n, or the text's end. */
size_t buffer_line_start(const struct buffer *buffer, size_t at);
size_t buffer_line_end(const struct buffer *buffer, size_t at);

/* Bytes of the character at `at`; 0 at the end. */
size_t buffer_character_bytes(const struct buffer *buffer, size_t at);
/* Start of the character before `at`; 0 at the start. */
size_t buffer_character_before(const struct buffer *buffer, size_t at);

/* Offset of the first occurrence at or behind `start`; the length when there is none. */
size_t buffer_find(const struct buffer *buffer, size_t start, text wanted);

/* Line ends in from..to. */
size_t buffer_count_lines(const struct buffer *buffer, size_t from, size_t to);
