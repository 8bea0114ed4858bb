/*
 * Any bytes as names in a text of any size: what comes out, read by a reader of its own, is one
 * string that is ASCII or well-formed UTF-8, without anything a terminal would act on; it means the
 * same as before where that was UTF-8; and no byte is written behind the room there is.
 *
 * Input: {room, bytes ...}
 */
#include "base/bytes.h"
#include "debug/assert.h"
#include "fs/procfs/json.h"
#include <stdlib.h>

/* What a string between quotes stands for, appended; answers where it ends. */
static size_t unescape(const char *bytes, size_t length, char *out, size_t *out_length)
{
    static const char letters[] = "\"\\bfnrt", meant[] = "\"\\\b\f\n\r\t";
    size_t at = 1;
    while (bytes[at] != '"') {
        ASSERT(at < length && (uint8_t)bytes[at] >= 0x20 && bytes[at] != 0x7f);
        if (bytes[at] != '\\') {
            out[(*out_length)++] = bytes[at++];
            continue;
        }
        if (bytes[at + 1] != 'u') {
            size_t which = 0;
            while (letters[which] != bytes[at + 1])
                ASSERT(letters[which++] != 0);
            out[(*out_length)++] = meant[which];
            at += 2;
            continue;
        }
        char digits[5] = {bytes[at + 2], bytes[at + 3], bytes[at + 4], bytes[at + 5], 0};
        unsigned long character = strtoul(digits, nullptr, 16);
        if (character >= 0x800) {
            out[(*out_length)++] = (char)(0xe0 | character >> 12);
            out[(*out_length)++] = (char)(0x80 | (character >> 6 & 0x3f));
        } else if (character >= 0x80) {
            out[(*out_length)++] = (char)(0xc0 | character >> 6);
        }
        out[(*out_length)++] = (char)(character < 0x80 ? character : (0x80 | (character & 0x3f)));
        at += 6;
    }
    return at + 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    if (size < 1 || size > 2000) return 0;
    static char room[8 * 2000], meaning[8 * 2000];
    text name = {(const char *)input + 1, size - 1};
    struct json_writer json;
    json_begin(&json, room, sizeof(room));
    json_string(&json, name);
    ASSERT(json_is_whole(&json) && !json_is_cut(&json));
    size_t length = 0;
    ASSERT(unescape(room, json.length, meaning, &length) == json.length);
    for (size_t i = 0; i < length; i++) /* text_is_utf8 takes no NUL */
        if (meaning[i] == 0) meaning[i] = 'n';
    ASSERT(text_is_utf8((text){meaning, length}));
    if (text_is_utf8(name)) ASSERT(text_equal(name, (text){meaning, length}));

    uint64_t needed = json.length, capacity = input[0];
    char *small = malloc(capacity + 1); /* the sanitizer looks after what is behind it */
    json_begin(&json, small, capacity);
    json_string(&json, name);
    ASSERT(json.length == needed && json_is_cut(&json) == (needed > capacity));
    ASSERT(bytes_equal(room, small, needed < capacity ? needed : capacity));
    free(small);
    return 0;
}
