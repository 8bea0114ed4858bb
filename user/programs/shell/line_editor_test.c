#include "line_editor.h"
#include "support/test.h"
#include <string.h>

static struct line_editor editor;
static char shown[65536];
static struct writer out;

static void begin(uint32_t columns)
{
    editor = (struct line_editor){.columns = columns};
    out = WRITER(shown);
    editor_begin(&editor, TEXT("$ "), &out);
}

static enum editor_event type(const char *keys)
{
    enum editor_event last = EDITOR_MORE;
    for (; *keys != 0; keys++)
        last = editor_feed(&editor, (uint8_t)*keys, &out);
    return last;
}

static void check_line(const char *expected, size_t cursor)
{
    text wanted = {expected, __builtin_strlen(expected)};
    CHECK_EQUAL(wanted.length, editor.length);
    CHECK_BYTES(wanted.bytes, editor.line, wanted.length);
    CHECK_EQUAL(cursor, editor.cursor);
}

TEST(typed_text_is_the_line_and_enter_ends_it_once)
{
    begin(80);
    CHECK_EQUAL(EDITOR_MORE, type("ls -l"));
    check_line("ls -l", 5);
    CHECK_EQUAL(EDITOR_LINE, type("\r"));
    CHECK_EQUAL(EDITOR_MORE, type("\n"));
    CHECK_EQUAL(EDITOR_LINE, type("\n"));
}

TEST(keys_move_and_edit)
{
    begin(80);
    type("abcd\x1b[D\x1b[D");
    check_line("abcd", 2);
    type("X");
    check_line("abXcd", 3);
    type("\x7f");
    check_line("abcd", 2);
    type("\x01Y\x05Z");
    check_line("YabcdZ", 6);
    type("\x1b[H\x1b[3~");
    check_line("abcdZ", 0);
    type("\x1b[F\x02\x04");
    check_line("abcd", 4);
    type("\x1b[1~\x1b[C\x1b[C\x0b");
    check_line("ab", 2);
    type("\x19\x19");
    check_line("abcdcd", 6);
    type(" word\x17");
    check_line("abcdcd ", 7);
    type("\x15");
    check_line("", 0);
    CHECK_EQUAL(EDITOR_END, type("\x04"));
}

TEST(a_code_point_is_one_step)
{
    begin(80);
    type("a\xc3\xa9z\x1b[D\x1b[D");
    check_line("a\xc3\xa9z", 1);
    type("\x1b[C\x7f");
    check_line("az", 1);
}

TEST(history_goes_up_and_back_to_what_was_being_typed)
{
    begin(80);
    editor_remember(&editor, TEXT("first"));
    editor_remember(&editor, TEXT("second"));
    editor_remember(&editor, TEXT("second"));
    type("typing\x1b[A");
    check_line("second", 6);
    type("\x1b[A\x1b[A\x1b[A");
    check_line("first", 5);
    type("\x1b[B\x1b[B");
    check_line("typing", 6);
    type("\x1b[B");
    check_line("typing", 6);
}

TEST(history_forgets_the_oldest)
{
    begin(80);
    for (uint32_t i = 0; i < HISTORY_LINES_MAX + 5; i++) {
        char name[2] = {(char)('A' + i % 26), (char)('a' + i / 26)};
        editor_remember(&editor, (text){name, 2});
    }
    CHECK_EQUAL(HISTORY_LINES_MAX, editor.history_count);
    for (uint32_t i = 0; i < HISTORY_LINES_MAX + 3; i++)
        type("\x1b[A");
    check_line("Fa", 2);
}

TEST(a_line_that_is_full_takes_no_more)
{
    begin(80);
    for (uint32_t i = 0; i < LINE_BYTES_MAX + 10; i++) {
        type("x");
        out.length = 0;
    }
    CHECK_EQUAL(LINE_BYTES_MAX, editor.length);
}

TEST(a_paste_is_shown_in_one_step_up_to_its_first_key)
{
    begin(20);
    text paste = TEXT("0123456789 0123456789 0123456789\rnext");
    out.length = 0;
    CHECK_EQUAL(32, editor_feed_text(&editor, paste, &out));
    CHECK(out.length <= 20 + 3 + 1); /* return, columns, erase */
    check_line("0123456789 0123456789 0123456789", 32);
    CHECK_EQUAL(0, editor_feed_text(&editor, TEXT("\rnext"), &out));
    CHECK_EQUAL(0, editor_feed_text(&editor, TEXT("\x7f"), &out));
    type("\x1b");
    CHECK_EQUAL(0, editor_feed_text(&editor, TEXT("[D"), &out)); /* within a key */
}

TEST(a_paste_longer_than_a_line_fills_it)
{
    static char paste[LINE_BYTES_MAX + 10];
    memset(paste, 'x', sizeof(paste));
    begin(80);
    out.length = 0;
    CHECK_EQUAL(sizeof(paste), editor_feed_text(&editor, (text){paste, sizeof(paste)}, &out));
    CHECK_EQUAL(LINE_BYTES_MAX, editor.length);
}

TEST(a_line_longer_than_the_terminal_never_shows_more_than_fits)
{
    begin(20);
    for (uint32_t i = 0; i < 100; i++) {
        out.length = 0;
        type("y");
        CHECK(out.length <= 20 + 3 + 1); /* return, columns, erase */
    }
}

TEST(appending_shows_just_what_was_typed)
{
    begin(80);
    out.length = 0;
    type("ls");
    CHECK_EQUAL(2, out.length);
    CHECK_BYTES("ls", shown, 2);
    CHECK_EQUAL(EDITOR_LINE, type("\r"));
    CHECK_BYTES("ls\n", shown, 3);
}

TEST(unknown_sequences_leave_nothing_behind)
{
    begin(80);
    type("a\x1b[99;5~\x1b[20~\x1bOPb\x1b[Z");
    check_line("ab", 2);
    CHECK_EQUAL(EDITOR_COMPLETE, type("\t"));
}

/* Whatever is typed, the cursor stays on a code point inside the line. */
TEST(random_keys_keep_the_invariants)
{
    begin(40);
    uint64_t seed = 99;
    static const char keys[] =
        "abc \x01\x02\x04\x05\x06\x0b\x0e\x10\x15\x17\x19\x7f\x1b[ABCDHF3~\xc3\xa9";
    for (uint32_t i = 0; i < 100000; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        out.length = 0;
        enum editor_event event =
            editor_feed(&editor, (uint8_t)keys[(seed >> 33) % (sizeof(keys) - 1)], &out);
        CHECK(editor.cursor <= editor.length && editor.length <= LINE_BYTES_MAX);
        CHECK(!out.is_truncated);
        if (event == EDITOR_LINE) editor_begin(&editor, TEXT("$ "), &out);
        if (i % 500 == 0) editor_remember(&editor, editor_line(&editor));
    }
}
