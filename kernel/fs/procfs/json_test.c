#include "fs/procfs/json.h"
#include "support/test.h"
#include <string.h>

static char room[1024];
static struct json_writer json;

static void begin(uint64_t capacity)
{
    memset(room, '#', sizeof(room));
    json_begin(&json, room, capacity);
}

static void check_text(const char *expected)
{
    CHECK(json_is_whole(&json) && !json_is_cut(&json));
    CHECK_EQUAL(strlen(expected), json.length);
    CHECK_BYTES(expected, room, json.length);
}

/* What the bytes become between quotes. */
static void check_string(const char *bytes, size_t length, const char *expected)
{
    begin(sizeof(room));
    json_string(&json, (text){bytes, length});
    check_text(expected);
}
#define CHECK_STRING(literal, expected) check_string(literal, sizeof(literal) - 1, expected)

TEST(commas_stand_between_and_nowhere_else)
{
    begin(sizeof(room));
    json_open_object(&json);
    json_put_array(&json, TEXT("a"));
    json_number(&json, 1);
    json_open_array(&json);
    json_close_array(&json);
    json_open_object(&json);
    json_close_object(&json);
    json_null(&json);
    json_close_array(&json);
    json_put_boolean(&json, TEXT("b"), true);
    json_put_object(&json, TEXT("c"));
    json_put_boolean(&json, TEXT("d"), false);
    json_close_object(&json);
    json_put_string(&json, TEXT("e"), TEXT(""));
    json_close_object(&json);
    check_text("{\"a\":[1,[],{},null],\"b\":true,\"c\":{\"d\":false},\"e\":\"\"}");
}

TEST(numbers_are_whole_up_to_the_largest)
{
    begin(sizeof(room));
    json_open_array(&json);
    json_number(&json, 0);
    json_number(&json, UINT64_MAX);
    json_address(&json, 0);
    json_address(&json, UINT64_MAX);
    json_close_array(&json);
    check_text("[0,18446744073709551615,\"0x0\",\"0xffffffffffffffff\"]");
}

TEST(what_could_be_taken_for_more_than_a_letter_is_escaped)
{
    CHECK_STRING("a\"b\\c/d", "\"a\\\"b\\\\c/d\"");
    CHECK_STRING("\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\"");
    CHECK_STRING("\0\x01\x1b\x1f\x7f", "\"\\u0000\\u0001\\u001b\\u001f\\u007f\"");
    CHECK_STRING("\xc2\x80\xc2\x9b\xc2\x9f", "\"\\u0080\\u009b\\u009f\"");
    CHECK_STRING("\xe2\x80\xa8\xe2\x80\xa9", "\"\\u2028\\u2029\"");
    CHECK_STRING("a key\n", "\"a key\\n\"");
}

TEST(letters_of_every_length_stay)
{
    CHECK_STRING("~\xc2\xa0\xdf\xbf", "\"~\xc2\xa0\xdf\xbf\"");
    CHECK_STRING("\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf",
                 "\"\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\"");
    CHECK_STRING("\xf0\x90\x80\x80\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf",
                 "\"\xf0\x90\x80\x80\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf\"");
}

#define FFFD "\xef\xbf\xbd"

TEST(each_part_that_is_not_utf_8_becomes_one_replacement)
{
    CHECK_STRING("\x80", "\"" FFFD "\"");
    CHECK_STRING("\xc0\xaf", "\"" FFFD FFFD "\"");                   /* no lead byte, no sequence */
    CHECK_STRING("\xe0\x80\xaf", "\"" FFFD FFFD FFFD "\"");          /* longer than needed */
    CHECK_STRING("\xed\xa0\x80", "\"" FFFD FFFD FFFD "\"");          /* a surrogate */
    CHECK_STRING("\xf4\x90\x80\x80", "\"" FFFD FFFD FFFD FFFD "\""); /* behind the last */
    CHECK_STRING("\xf0\x9f\x98|", "\"" FFFD "|\"");                  /* one maximal subpart */
    CHECK_STRING("\xe2\x82", "\"" FFFD "\"");                        /* cut by the end */
    CHECK_STRING("\xf0", "\"" FFFD "\"");
    /* the example of Unicode 15, table 3-8 */
    CHECK_STRING("\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41",
                 "\"" FFFD FFFD FFFD FFFD FFFD FFFD FFFD FFFD "A\"");
}

TEST(what_does_not_fit_is_counted_and_not_stored)
{
    for (uint64_t capacity = 0; capacity <= 20; capacity++) {
        begin(capacity);
        json_open_object(&json);
        json_put_string(&json, TEXT("k"), TEXT("a\nb"));
        json_put_number(&json, TEXT("n"), 12);
        json_close_object(&json);
        const char *whole = "{\"k\":\"a\\nb\",\"n\":12}";
        CHECK_EQUAL(strlen(whole), json.length);
        CHECK_EQUAL(capacity < strlen(whole), json_is_cut(&json));
        CHECK_BYTES(whole, room, capacity < strlen(whole) ? capacity : strlen(whole));
        CHECK_EQUAL('#', room[capacity < strlen(whole) ? capacity : strlen(whole)]);
    }
}

TEST(a_text_is_whole_when_its_one_value_is)
{
    begin(sizeof(room));
    CHECK(!json_is_whole(&json));
    json_open_array(&json);
    CHECK(!json_is_whole(&json));
    json_number(&json, 1);
    CHECK(!json_is_whole(&json));
    json_close_array(&json);
    CHECK(json_is_whole(&json));
}
