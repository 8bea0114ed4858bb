#include "buffer.h"
#include "pane.h"
#include "support/test.h"

#define CAPACITY 256u

static char memory[CAPACITY];
static struct buffer buffer;
static struct pane pane;

static void begin(text content)
{
    __builtin_memcpy(memory, content.bytes, content.length);
    buffer_init(&buffer, memory, content.length, CAPACITY);
    pane_init(&pane, &buffer, 4, 10);
}

static void check_content(text expected)
{
    char bytes[CAPACITY];
    size_t length = buffer_copy(&buffer, 0, CAPACITY, bytes);
    CHECK_EQUAL(buffer_length(&buffer), length);
    CHECK(peal_text_equal(expected, (text){bytes, length}));
}

static void check_row(uint32_t row, text expected)
{
    char bytes[64];
    struct writer drawn = WRITER(bytes);
    pane_draw_row(&pane, row, &drawn);
    CHECK(peal_text_equal(expected, writer_text(&drawn)));
}

TEST(text_is_inserted_and_deleted_anywhere)
{
    begin(TEXT("hello"));
    CHECK(buffer_insert(&buffer, 5, TEXT(" world")));
    CHECK(buffer_insert(&buffer, 0, TEXT("> ")));
    check_content(TEXT("> hello world"));
    buffer_delete(&buffer, 2, 6);
    check_content(TEXT("> world"));
    buffer_delete(&buffer, 6, 100);
    check_content(TEXT("> worl"));
    CHECK(peal_text_equal(TEXT("> worl"), buffer_before_gap(&buffer)));
    CHECK_EQUAL(0, buffer_behind_gap(&buffer).length);
}

TEST(what_does_not_fit_is_refused_until_there_is_room)
{
    static char small[8], large[64];
    __builtin_memcpy(small, "abcdef", 6);
    buffer_init(&buffer, small, 6, sizeof(small));
    buffer_delete(&buffer, 2, 1);
    CHECK(!buffer_insert(&buffer, 2, TEXT("0123")));
    check_content(TEXT("abdef"));
    buffer_move(&buffer, large, sizeof(large));
    CHECK(buffer_insert(&buffer, 2, TEXT("0123")));
    check_content(TEXT("ab0123def"));
}

TEST(characters_are_code_points_or_single_bytes)
{
    begin(TEXT("a\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\xff\xc3"));
    static const size_t starts[] = {0, 1, 3, 6, 10, 11, 12};
    for (size_t i = 0; i < 6; i++) {
        CHECK_EQUAL(starts[i + 1] - starts[i], buffer_character_bytes(&buffer, starts[i]));
        CHECK_EQUAL(starts[i], buffer_character_before(&buffer, starts[i + 1]));
    }
    CHECK_EQUAL(0, buffer_character_bytes(&buffer, 12));
    CHECK_EQUAL(0, buffer_character_before(&buffer, 0));
}

TEST(words_are_found_across_the_gap)
{
    begin(TEXT("one two two"));
    CHECK(buffer_insert(&buffer, 5, TEXT("")));
    CHECK_EQUAL(4, buffer_find(&buffer, 0, TEXT("two")));
    CHECK_EQUAL(8, buffer_find(&buffer, 5, TEXT("two")));
    CHECK_EQUAL(11, buffer_find(&buffer, 9, TEXT("two")));
    CHECK_EQUAL(11, buffer_find(&buffer, 0, TEXT("a text that is longer than the buffer")));
}

TEST(the_cursor_keeps_its_column_over_short_lines)
{
    begin(TEXT("abcdef\nx\n\tyz"));
    pane_move(&pane, MOVE_END);
    CHECK_EQUAL(6, pane_column(&pane));
    pane_move(&pane, MOVE_DOWN);
    CHECK_EQUAL(8, pane.cursor);
    CHECK_EQUAL(1, pane.line);
    pane_move(&pane, MOVE_DOWN);
    CHECK_EQUAL(9, pane.cursor); /* inside the tab */
    pane_move(&pane, MOVE_DOWN);
    CHECK_EQUAL(9, pane.cursor);
    pane_move(&pane, MOVE_UP);
    pane_move(&pane, MOVE_UP);
    CHECK_EQUAL(6, pane.cursor);
    pane_move(&pane, MOVE_UP);
    CHECK_EQUAL(6, pane.cursor);
    CHECK_EQUAL(0, pane.line);
}

TEST(the_cursor_goes_over_line_ends_and_stays_inside)
{
    begin(TEXT("a\nb"));
    pane_move(&pane, MOVE_LEFT);
    CHECK_EQUAL(0, pane.cursor);
    pane_move(&pane, MOVE_RIGHT);
    pane_move(&pane, MOVE_RIGHT);
    CHECK_EQUAL(2, pane.cursor);
    CHECK_EQUAL(1, pane.line);
    pane_move(&pane, MOVE_RIGHT);
    pane_move(&pane, MOVE_RIGHT);
    CHECK_EQUAL(3, pane.cursor);
    pane_move(&pane, MOVE_HOME);
    pane_move(&pane, MOVE_LEFT);
    CHECK_EQUAL(1, pane.cursor);
    CHECK_EQUAL(0, pane.line);
}

TEST(rows_scroll_with_the_cursor)
{
    begin(TEXT("0\n1\n2\n3\n4\n5\n6\n7\n8\n9"));
    check_row(0, TEXT("0"));
    check_row(3, TEXT("3"));
    for (uint32_t i = 0; i < 5; i++)
        pane_move(&pane, MOVE_DOWN);
    check_row(0, TEXT("2"));
    CHECK_EQUAL(3, pane_cursor_row(&pane));
    pane_move(&pane, MOVE_PAGE_UP);
    CHECK_EQUAL(0, pane_cursor_row(&pane));
    pane_go(&pane, buffer_length(&buffer));
    CHECK_EQUAL(9, pane.line);
    check_row(pane_cursor_row(&pane), TEXT("9"));
    check_row(pane_cursor_row(&pane) + 1, TEXT("~"));
    pane_go(&pane, 0);
    check_row(0, TEXT("0"));
    CHECK_EQUAL(0, pane.top_line);
}

TEST(long_lines_scroll_sideways)
{
    begin(TEXT("0123456789abcdefghij"));
    check_row(0, TEXT("0123456789"));
    pane_move(&pane, MOVE_END);
    CHECK_EQUAL(20, pane_column(&pane));
    CHECK(pane_cursor_column(&pane) < 10);
    check_row(0, TEXT("fghij"));
    pane_move(&pane, MOVE_HOME);
    check_row(0, TEXT("0123456789"));
}

TEST(what_is_no_text_is_shown_safely)
{
    begin(TEXT("\x1b[m\xff"));
    check_row(0, TEXT("^[[m<ff>"));
    begin(TEXT("\xc2\x9b\x7f"));
    check_row(0, TEXT("<9b>^?"));
    begin(TEXT("a\tb"));
    check_row(0, TEXT("a       b"));
    begin(TEXT("12345678\xff"));
    check_row(0, TEXT("12345678<f"));
}

TEST(lines_are_joined_split_and_cut)
{
    begin(TEXT("one\ntwo\nthree"));
    pane_go(&pane, 4);
    CHECK(pane_delete_before(&pane));
    check_content(TEXT("onetwo\nthree"));
    CHECK_EQUAL(0, pane.line);
    CHECK(pane_insert(&pane, TEXT("\n")));
    CHECK_EQUAL(1, pane.line);
    pane_delete_line(&pane);
    check_content(TEXT("one\nthree"));
    CHECK_EQUAL(4, pane.cursor);
    pane_delete_line(&pane);
    check_content(TEXT("one\n"));
    pane_delete_line(&pane);
    CHECK(!pane_delete(&pane));
    pane_go(&pane, 0);
    CHECK(!pane_delete_before(&pane));
    CHECK(pane_delete(&pane));
    check_content(TEXT("ne\n"));
}

/* Against a plain array. */
TEST(a_long_random_session_keeps_text_and_position)
{
    static char model[CAPACITY];
    size_t length = 0;
    uint32_t seed = 3;
    begin(TEXT(""));
    for (uint32_t round = 0; round < 20000; round++) {
        seed = seed * 1103515245u + 12345u;
        uint32_t choice = (seed >> 16) % 12;
        if (choice < 8) {
            pane_move(&pane, (enum pane_move)choice);
        } else if (choice < 11 && length < CAPACITY) {
            char c = "ab\n\xc3\xbc"[(seed >> 20) % 5];
            __builtin_memmove(model + pane.cursor + 1, model + pane.cursor, length - pane.cursor);
            model[pane.cursor] = c;
            length++;
            CHECK(pane_insert(&pane, (text){&c, 1}));
        } else if (pane.cursor < length) {
            size_t bytes = buffer_character_bytes(&buffer, pane.cursor);
            __builtin_memmove(model + pane.cursor, model + pane.cursor + bytes,
                              length - pane.cursor - bytes);
            length -= bytes;
            CHECK(pane_delete(&pane));
        }
        CHECK_EQUAL(length, buffer_length(&buffer));
        CHECK_EQUAL(buffer_count_lines(&buffer, 0, pane.cursor), pane.line);
        CHECK_EQUAL(buffer_count_lines(&buffer, 0, pane.top), pane.top_line);
        CHECK(pane_cursor_row(&pane) < pane.rows && pane_cursor_column(&pane) < pane.columns);
    }
    check_content((text){model, length});
}
