#include "base/bytes.h"
#include "drivers/display/terminal.h"
#include "support/test.h"
#include <stdlib.h>
#include <string.h>

static constexpr uint16_t COLUMNS = 10;
static constexpr uint16_t ROWS = 4;
static struct terminal_cell cells[COLUMNS * ROWS];
static struct terminal_span dirty[ROWS];
static struct terminal terminal;

static void start(void)
{
    terminal_init(&terminal, COLUMNS, ROWS, cells, dirty);
}

static void write_text(const char *bytes)
{
    terminal_write(&terminal, bytes, strlen(bytes));
}

static void check_row(uint16_t row, const char *expected)
{
    for (uint16_t column = 0; column < COLUMNS; column++) {
        size_t length = strlen(expected);
        uint32_t wanted = column < length ? (uint8_t)expected[column] : ' ';
        CHECK_EQUAL(wanted, terminal_cell_at(&terminal, column, row)->character);
    }
}

static void check_cursor(uint16_t column, uint16_t row)
{
    CHECK_EQUAL(column, terminal.cursor.column);
    CHECK_EQUAL(row, terminal.cursor.row);
}

TEST(text_goes_from_left_to_right_and_lines_down)
{
    start();
    write_text("ab\ncd\r\nX");
    check_row(0, "ab");
    check_row(1, "cd");
    check_row(2, "X");
    check_cursor(1, 2);
    write_text("\rY\b\bZ");
    check_row(2, "Z");
}

TEST(a_full_line_wraps_with_the_next_character_only)
{
    start();
    write_text("0123456789");
    check_cursor(COLUMNS, 0);
    write_text("a");
    check_row(1, "a");
    start();
    write_text("0123456789\nb");
    check_row(1, "b");
    start();
    write_text("0123456789\bX");
    check_row(0, "01234567X9");
}

TEST(the_last_line_scrolls_the_others_up)
{
    start();
    write_text("a\nb\nc\nd\ne");
    check_row(0, "b");
    check_row(3, "e");
    for (int i = 0; i < 100; i++)
        write_text("\nz");
    check_row(0, "z");
    check_row(3, "z");
}

TEST(the_cursor_moves_and_stays_on_the_screen)
{
    start();
    write_text("\033[3;5H");
    check_cursor(4, 2);
    write_text("\033[A\033[2C\033[B\033[D");
    check_cursor(5, 2);
    write_text("\033[99A\033[99D");
    check_cursor(0, 0);
    write_text("\033[9999;99999999999999999999H");
    check_cursor(COLUMNS - 1, ROWS - 1);
    write_text("\033[H\t\tx");
    check_cursor(COLUMNS, 0);
    write_text("\033[s\033[H\033[u");
    check_cursor(COLUMNS, 0);
    write_text("\033[2G\033[3d");
    check_cursor(1, 2);
    write_text("\033[E");
    check_cursor(0, 3);
    write_text("\033[2F");
    check_cursor(0, 1);
}

TEST(erasing_clears_what_it_says)
{
    start();
    write_text("0123456789\033[1;4H\033[K");
    check_row(0, "012");
    write_text("\033[2;1H0123456789\033[2;4H\033[1K");
    check_row(1, "    456789");
    write_text("\033[2K");
    check_row(1, "");
    write_text("\033[1;1Ha\033[2;1Hb\033[3;1Hc\033[2;1H\033[J");
    check_row(0, "a12");
    check_row(1, "");
    check_row(2, "");
    write_text("\033[4;4Hxyz\033[4;5H\033[1J");
    check_row(0, "");
    check_row(3, "     z");
    write_text("\033[2J");
    check_row(3, "");
    write_text("\033[H012345\033[1;2H\033[2X");
    check_row(0, "0  345");
}

TEST(lines_and_characters_are_inserted_and_deleted)
{
    start();
    write_text("a\nb\nc\nd\033[2;1H\033[L");
    check_row(0, "a");
    check_row(1, "");
    check_row(2, "b");
    check_row(3, "c");
    write_text("\033[2M");
    check_row(1, "c");
    check_row(2, "");
    write_text("\033[99L\033[99M\033[99S\033[99T\033[99@\033[99P");
    check_row(0, "");
    write_text("\033[H0123456789\033[1;3H\033[2P");
    check_row(0, "01456789");
    write_text("\033[3@");
    check_row(0, "01   45678");
}

TEST(scrolling_goes_both_ways)
{
    start();
    write_text("a\nb\nc\nd\033[S");
    check_row(0, "b");
    check_row(3, "");
    write_text("\033[2T");
    check_row(0, "");
    check_row(2, "b");
    write_text("\033[H\033M\033MX");
    check_row(0, "X");
    check_row(3, "");
}

static void check_colours(uint16_t column, uint8_t foreground, uint8_t background)
{
    CHECK_EQUAL(foreground, terminal_cell_at(&terminal, column, 0)->foreground);
    CHECK_EQUAL(background, terminal_cell_at(&terminal, column, 0)->background);
}

TEST(colours_apply_to_what_follows)
{
    start();
    write_text("a\033[31mb\033[1mc\033[44;7md\033[0me\033[95;106mf\033[mg");
    check_colours(0, 7, 0);
    check_colours(1, 1, 0);
    check_colours(2, 9, 0);
    check_colours(3, 4, 9);
    check_colours(4, 7, 0);
    check_colours(5, 13, 14);
    check_colours(6, 7, 0);
    start();
    write_text("\033[38;5;200;32ma\033[38;2;1;2;3;33mb\033[39;49mc");
    check_colours(0, 2, 0);
    check_colours(1, 3, 0);
    check_colours(2, 7, 0);
    write_text("\033[H\033[42m\033[K"); /* blanks have the colour in force */
    check_colours(5, 7, 2);
}

TEST(what_is_not_understood_disappears)
{
    start();
    write_text("a\033[?2004hb\033]0;title\007c\033]0;title\033\\d\033(Be\033[>1;2cf\033[1 qg");
    check_row(0, "abcdefg");
    start();
    write_text("a\033[1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16;17;18mb\033[\030c\033\033[Dx");
    check_row(0, "abx");
}

TEST(the_cursor_hides_when_told)
{
    start();
    CHECK(terminal_has_cursor_at(&terminal, 0, 0));
    write_text("\033[?25l");
    CHECK(!terminal_has_cursor_at(&terminal, 0, 0));
    write_text("\033[?25h\033[1;99H");
    CHECK(terminal_has_cursor_at(&terminal, COLUMNS - 1, 0));
}

TEST(utf8_becomes_one_cell_a_character)
{
    start();
    write_text("\xc3\xa4\xe2\x94\x80\xf0\x9f\x98\x80z");
    CHECK_EQUAL(0xe4, terminal_cell_at(&terminal, 0, 0)->character);
    CHECK_EQUAL(0x2500, terminal_cell_at(&terminal, 1, 0)->character);
    CHECK_EQUAL(0x1f600, terminal_cell_at(&terminal, 2, 0)->character);
    CHECK_EQUAL('z', terminal_cell_at(&terminal, 3, 0)->character);
}

TEST(malformed_utf8_is_shown_as_such)
{
    static const char *const wrong[] = {"\x80",         "\xc0",         "\xff",
                                        "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        start();
        write_text(wrong[i]);
        CHECK_EQUAL(0xfffd, terminal_cell_at(&terminal, 0, 0)->character);
    }
    start();
    write_text("\xe2\x94x\xe2\n");
    CHECK_EQUAL(0xfffd, terminal_cell_at(&terminal, 0, 0)->character);
    CHECK_EQUAL('x', terminal_cell_at(&terminal, 1, 0)->character);
    CHECK_EQUAL(0xfffd, terminal_cell_at(&terminal, 2, 0)->character);
    check_cursor(0, 1);
}

TEST(only_what_changed_is_dirty)
{
    start();
    for (uint16_t row = 0; row < ROWS; row++)
        (void)terminal_take_dirty(&terminal, row);
    write_text("\033[2;4Hab");
    struct terminal_span span = terminal_take_dirty(&terminal, 1);
    CHECK(span.first == 3 && span.end == 5);
    span = terminal_take_dirty(&terminal, 1);
    CHECK(span.first >= span.end);
    span = terminal_take_dirty(&terminal, 0);
    CHECK(span.first >= span.end);
    terminal_move_cursor(&terminal);
    span = terminal_take_dirty(&terminal, 0); /* where the cursor was */
    CHECK(span.first == 0 && span.end == 1);
    span = terminal_take_dirty(&terminal, 1);
    CHECK(span.first == 5 && span.end == 6);
}

TEST(random_bytes_leave_the_terminal_sound)
{
    srand(9);
    start();
    for (int i = 0; i < 300000; i++) {
        static const char interesting[] = "\033[;?0123456789ABCDHJKLMPSTXm@\n\r\b\t";
        char byte =
            rand() % 3 ? interesting[(size_t)rand() % (sizeof(interesting) - 1)] : (char)rand();
        terminal_write(&terminal, &byte, 1);
        CHECK(terminal.cursor.row < ROWS && terminal.cursor.column <= COLUMNS);
        CHECK(terminal.parameter_count <= TERMINAL_PARAMETERS_MAX);
    }
}
