/* JSON into bounded memory. */
#include "fs/procfs/json.h"
#include "base/format.h"
#include "debug/assert.h"

void json_begin(struct json_writer *json, char *bytes, uint64_t capacity)
{
    *json = (struct json_writer){.bytes = bytes, .capacity = capacity};
}

bool json_is_whole(const struct json_writer *json)
{
    return json->depth == 0 && json->has_sibling;
}

static void put_byte(struct json_writer *json, char byte)
{
    if (json->length < json->capacity) json->bytes[json->length] = byte;
    json->length++;
}

static void put(struct json_writer *json, text piece)
{
    for (size_t i = 0; i < piece.length; i++)
        put_byte(json, piece.bytes[i]);
}

/* ---- nesting ---- */

static enum json_place *place_of(struct json_writer *json)
{
    return &json->places[json->depth];
}

/* What precedes a value, and what comes after it. */
static void begin_value(struct json_writer *json)
{
    enum json_place *place = place_of(json);
    ASSERT(*place != JSON_IN_OBJECT); /* a key comes first */
    ASSERT(*place != JSON_IN_TEXT || !json->has_sibling);
    if (*place == JSON_IN_ARRAY && json->has_sibling) put_byte(json, ',');
    if (*place == JSON_AT_VALUE) *place = JSON_IN_OBJECT;
    json->has_sibling = true;
}

static void open(struct json_writer *json, enum json_place inside, char bracket)
{
    begin_value(json);
    ASSERT(json->depth < JSON_DEPTH_MAX);
    json->depth++;
    *place_of(json) = inside;
    json->has_sibling = false;
    put_byte(json, bracket);
}

static void close(struct json_writer *json, enum json_place inside, char bracket)
{
    ASSERT(json->depth > 0 && *place_of(json) == inside);
    json->depth--;
    json->has_sibling = true;
    put_byte(json, bracket);
}

void json_open_object(struct json_writer *json)
{
    open(json, JSON_IN_OBJECT, '{');
}

void json_close_object(struct json_writer *json)
{
    close(json, JSON_IN_OBJECT, '}');
}

void json_open_array(struct json_writer *json)
{
    open(json, JSON_IN_ARRAY, '[');
}

void json_close_array(struct json_writer *json)
{
    close(json, JSON_IN_ARRAY, ']');
}

/* ---- strings ---- */

/* A UTF-8 sequence, or what is to be replaced by one U+FFFD. */
struct sequence {
    uint32_t character;
    size_t length; /* at least 1 */
};

static constexpr uint32_t REPLACEMENT = 0xfffd;

/* What bytes may follow a lead byte: Unicode 15, table 3-7. `more` is 0 for what leads nothing. */
struct lead {
    uint8_t more;
    uint8_t second_first, second_last;
    uint8_t bits; /* of the character, in the lead byte */
};

static struct lead lead_of(uint8_t byte)
{
    if (byte >= 0xc2 && byte <= 0xdf) return (struct lead){1, 0x80, 0xbf, byte & 0x1f};
    if (byte >= 0xe0 && byte <= 0xef)
        return (struct lead){2, byte == 0xe0 ? 0xa0 : 0x80, byte == 0xed ? 0x9f : 0xbf,
                             byte & 0x0f};
    if (byte >= 0xf0 && byte <= 0xf4)
        return (struct lead){3, byte == 0xf0 ? 0x90 : 0x80, byte == 0xf4 ? 0x8f : 0xbf,
                             byte & 0x07};
    return (struct lead){0};
}

static struct sequence first_sequence(const uint8_t *bytes, size_t available)
{
    if (bytes[0] < 0x80) return (struct sequence){bytes[0], 1};
    struct lead lead = lead_of(bytes[0]);
    struct sequence result = {lead.bits, 1};
    for (; result.length <= lead.more; result.length++) {
        bool is_second = result.length == 1;
        uint8_t first = is_second ? lead.second_first : 0x80;
        uint8_t last = is_second ? lead.second_last : 0xbf;
        uint8_t byte = result.length < available ? bytes[result.length] : 0;
        if (byte < first || byte > last) return (struct sequence){REPLACEMENT, result.length};
        result.character = result.character << 6 | (byte & 0x3f);
    }
    if (lead.more == 0) result.character = REPLACEMENT;
    return result;
}

/* The letter behind the backslash, or 0 for those that have none. */
static char short_escape(uint32_t character)
{
    switch (character) {
    case '"':
    case '\\':
        return (char)character;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

static bool is_control(uint32_t character)
{
    return character < 0x20 || (character >= 0x7f && character < 0xa0) || character == 0x2028 ||
           character == 0x2029;
}

static void put_escaped(struct json_writer *json, uint32_t character)
{
    put_byte(json, '\\');
    char letter = short_escape(character);
    if (letter != 0) {
        put_byte(json, letter);
        return;
    }
    char bytes[8];
    struct text_writer digits = TEXT_WRITER(bytes);
    text_format(&digits, "u%04x", character);
    put(json, text_written(&digits));
}

static void put_string(struct json_writer *json, text value)
{
    put_byte(json, '"');
    for (size_t at = 0; at < value.length;) {
        struct sequence next = first_sequence((const uint8_t *)value.bytes + at, value.length - at);
        if (short_escape(next.character) != 0 || is_control(next.character))
            put_escaped(json, next.character);
        else if (next.character == REPLACEMENT)
            put(json, TEXT("\xef\xbf\xbd"));
        else
            put(json, text_slice(value, at, next.length));
        at += next.length;
    }
    put_byte(json, '"');
}

/* ---- values ---- */

void json_key(struct json_writer *json, text key)
{
    ASSERT(json->depth > 0 && *place_of(json) == JSON_IN_OBJECT);
    if (json->has_sibling) put_byte(json, ',');
    *place_of(json) = JSON_AT_VALUE;
    put_string(json, key);
    put_byte(json, ':');
}

void json_string(struct json_writer *json, text value)
{
    begin_value(json);
    put_string(json, value);
}

static constexpr size_t DIGITS_MAX = 32; /* of any 64-bit number, with what is around them */

void json_number(struct json_writer *json, uint64_t value)
{
    char bytes[DIGITS_MAX];
    struct text_writer digits = TEXT_WRITER(bytes);
    text_format(&digits, "%llu", (unsigned long long)value);
    begin_value(json);
    put(json, text_written(&digits));
}

void json_address(struct json_writer *json, uint64_t value)
{
    char bytes[DIGITS_MAX];
    struct text_writer digits = TEXT_WRITER(bytes);
    text_format(&digits, "\"0x%llx\"", (unsigned long long)value);
    begin_value(json);
    put(json, text_written(&digits));
}

void json_boolean(struct json_writer *json, bool value)
{
    begin_value(json);
    put(json, value ? TEXT("true") : TEXT("false"));
}

void json_null(struct json_writer *json)
{
    begin_value(json);
    put(json, TEXT("null"));
}
