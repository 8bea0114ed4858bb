#include "keys.h"
#include "support/test.h"

static struct keys keys;

/* The key of the last byte; all before it give none. */
static enum key feed(text sequence)
{
    enum key key = KEY_NONE;
    keys = (struct keys){0};
    for (size_t i = 0; i < sequence.length; i++) {
        CHECK_EQUAL(KEY_NONE, key);
        key = keys_feed(&keys, (uint8_t)sequence.bytes[i]);
    }
    return key;
}

TEST(bytes_are_keys)
{
    CHECK_EQUAL(KEY_BYTE, feed(TEXT("a")));
    CHECK_EQUAL('a', keys.byte);
    CHECK_EQUAL(KEY_BYTE, feed(TEXT("\x13")));
    CHECK_EQUAL(0x13, keys.byte);
    CHECK_EQUAL(KEY_BYTE, feed(TEXT("\xc3")));
}

TEST(sequences_are_keys)
{
    CHECK_EQUAL(KEY_UP, feed(TEXT("\x1b[A")));
    CHECK_EQUAL(KEY_DOWN, feed(TEXT("\x1bOB")));
    CHECK_EQUAL(KEY_RIGHT, feed(TEXT("\x1b[1;5C")));
    CHECK_EQUAL(KEY_LEFT, feed(TEXT("\x1b[D")));
    CHECK_EQUAL(KEY_HOME, feed(TEXT("\x1b[1~")));
    CHECK_EQUAL(KEY_HOME, feed(TEXT("\x1b[H")));
    CHECK_EQUAL(KEY_END, feed(TEXT("\x1bOF")));
    CHECK_EQUAL(KEY_END, feed(TEXT("\x1b[4~")));
    CHECK_EQUAL(KEY_DELETE, feed(TEXT("\x1b[3~")));
    CHECK_EQUAL(KEY_PAGE_UP, feed(TEXT("\x1b[5~")));
    CHECK_EQUAL(KEY_PAGE_DOWN, feed(TEXT("\x1b[6~")));
}

TEST(the_size_is_told)
{
    CHECK_EQUAL(KEY_SIZE, feed(TEXT("\x1b[50;160R")));
    CHECK_EQUAL(50, keys.rows);
    CHECK_EQUAL(160, keys.columns);
    CHECK_EQUAL(KEY_SIZE, feed(TEXT("\x1b[99999999999999;R")));
    CHECK_EQUAL(9999, keys.rows);
    CHECK_EQUAL(0, keys.columns);
}

TEST(what_is_not_known_is_nothing)
{
    CHECK_EQUAL(KEY_NONE, feed(TEXT("\x1b[99~")));
    CHECK_EQUAL(KEY_NONE, feed(TEXT("\x1b[?25h")));
    CHECK_EQUAL(KEY_NONE, feed(TEXT("\x1bx")));
    CHECK_EQUAL(KEY_NONE, feed(TEXT("\x1b[1;2;3;4Z")));
    CHECK_EQUAL(KEYS_PLAIN, keys.state);
}
