/*
 * JSON (RFC 8259) into bounded memory: pure logic.
 *
 * The writer says what its text consists of; commas, quotes and escapes are put here. Strings may
 * be any bytes: what a terminal or JavaScript could take for more than a letter is escaped (control
 * characters of both ranges, U+2028 and U+2029), and each part that is not UTF-8 becomes one U+FFFD
 * as Unicode 15, 3.9 recommends ("substitution of maximal subparts"). Numbers are integers, in
 * decimal and whole: readers that keep them in doubles round those above 2^53.
 *
 * What does not fit is counted and not stored, so that the caller learns what room the text needs.
 * Wrong nesting is a mistake of the kernel's and stops it; contents never do.
 *
 * Context: any; no state, no allocation. Cost: the bytes.
 */
#pragma once
#include "base/text.h"
#include <stdint.h>

#define JSON_DEPTH_MAX 12u

enum json_place : uint8_t {
    JSON_IN_TEXT,   /* outside everything: one value may stand here */
    JSON_IN_ARRAY,  /* values */
    JSON_IN_OBJECT, /* keys */
    JSON_AT_VALUE,  /* behind a key */
};

struct json_writer {
    char *bytes;
    uint64_t capacity;
    uint64_t length; /* of the text so far; above the capacity: only that much was stored */
    uint32_t depth;
    bool has_sibling; /* something stands before, where the next one is going to */
    enum json_place places[JSON_DEPTH_MAX + 1];
};

/* An empty text in `capacity` bytes. */
void json_begin(struct json_writer *json, char *bytes, uint64_t capacity);
/* One value stands there, complete. */
bool json_is_whole(const struct json_writer *json);
/* Some of it was not stored. */
static inline bool json_is_cut(const struct json_writer *json)
{
    return json->length > json->capacity;
}

void json_open_object(struct json_writer *json);
void json_close_object(struct json_writer *json);
void json_open_array(struct json_writer *json);
void json_close_array(struct json_writer *json);
/* In an object: the name of the value that comes next. */
void json_key(struct json_writer *json, text key);

void json_string(struct json_writer *json, text value);
void json_number(struct json_writer *json, uint64_t value);
/* A string, as "0x7fff00001000": what no reader must round. */
void json_address(struct json_writer *json, uint64_t value);
void json_boolean(struct json_writer *json, bool value);
void json_null(struct json_writer *json);

/* A key and its value. */
static inline void json_put_string(struct json_writer *json, text key, text value)
{
    json_key(json, key);
    json_string(json, value);
}

static inline void json_put_number(struct json_writer *json, text key, uint64_t value)
{
    json_key(json, key);
    json_number(json, value);
}

static inline void json_put_boolean(struct json_writer *json, text key, bool value)
{
    json_key(json, key);
    json_boolean(json, value);
}

static inline void json_put_array(struct json_writer *json, text key)
{
    json_key(json, key);
    json_open_array(json);
}

static inline void json_put_object(struct json_writer *json, text key)
{
    json_key(json, key);
    json_open_object(json);
}
