/*
 * The terminal: section numbers are those of ECMA-48, 5th edition.
 *
 * Scrolling. Rows are stored in a circle; scrolling by a line moves `top` and clears one row. But
 * then every row on the screen shows something else, so all of them are dirty: whoever draws may
 * compare with what it drew before.
 */
#include "drivers/display/terminal.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "debug/assert.h"

static constexpr uint8_t COLOUR_DEFAULT = 7;
static constexpr uint8_t COLOUR_BRIGHT = 8;
static constexpr uint16_t TAB_COLUMNS = 8;
static constexpr uint16_t PARAMETER_MAX = 9999;
static constexpr uint32_t CHARACTER_UNKNOWN = 0xfffd;

static uint16_t smaller(uint32_t a, uint16_t b)
{
    return a < b ? (uint16_t)a : b;
}

static uint16_t stored_row(const struct terminal *terminal, uint16_t row)
{
    return (uint16_t)((terminal->top + row) % terminal->rows);
}

static struct terminal_cell *cell_at(const struct terminal *terminal, uint16_t column, uint16_t row)
{
    return &terminal->cells[(size_t)stored_row(terminal, row) * terminal->columns + column];
}

static void touch(struct terminal *terminal, uint16_t row, uint16_t first, uint16_t end)
{
    struct terminal_span *span = &terminal->dirty[row];
    if (span->first >= span->end) *span = (struct terminal_span){first, end};
    if (first < span->first) span->first = first;
    if (end > span->end) span->end = end;
}

static void touch_all(struct terminal *terminal)
{
    for (uint16_t row = 0; row < terminal->rows; row++)
        terminal->dirty[row] = (struct terminal_span){0, terminal->columns};
}

/* Blanks keep the background colour in force, as terminals do. */
static struct terminal_cell blank_cell(const struct terminal *terminal)
{
    return (struct terminal_cell){
        .character = ' ', .foreground = COLOUR_DEFAULT, .background = terminal->background};
}

/* first <= end <= columns */
static void erase(struct terminal *terminal, uint16_t row, uint16_t first, uint16_t end)
{
    if (first >= end) return;
    struct terminal_cell blank = blank_cell(terminal);
    struct terminal_cell *cells = cell_at(terminal, 0, row);
    for (uint16_t column = first; column < end; column++)
        cells[column] = blank;
    touch(terminal, row, first, end);
}

static void erase_rows(struct terminal *terminal, uint16_t first, uint16_t end)
{
    for (uint16_t row = first; row < end; row++)
        erase(terminal, row, 0, terminal->columns);
}

static void scroll_up(struct terminal *terminal, uint16_t lines)
{
    lines = smaller(lines, terminal->rows);
    terminal->top = (uint16_t)((terminal->top + lines) % terminal->rows);
    erase_rows(terminal, (uint16_t)(terminal->rows - lines), terminal->rows);
    touch_all(terminal);
}

static void scroll_down(struct terminal *terminal, uint16_t lines)
{
    lines = smaller(lines, terminal->rows);
    terminal->top = (uint16_t)((terminal->top + terminal->rows - lines) % terminal->rows);
    erase_rows(terminal, 0, lines);
    touch_all(terminal);
}

static void copy_row(struct terminal *terminal, uint16_t to, uint16_t from)
{
    bytes_copy(cell_at(terminal, 0, to), cell_at(terminal, 0, from),
               terminal->columns * sizeof(struct terminal_cell));
    touch(terminal, to, 0, terminal->columns);
}

/* 8.3.67: the cursor's line and those below move down. */
static void insert_lines(struct terminal *terminal, uint16_t count)
{
    uint16_t first = terminal->cursor.row;
    count = smaller(count, (uint16_t)(terminal->rows - first));
    for (uint16_t row = terminal->rows; row-- > first + count;)
        copy_row(terminal, row, (uint16_t)(row - count));
    erase_rows(terminal, first, (uint16_t)(first + count));
}

/* 8.3.32 */
static void delete_lines(struct terminal *terminal, uint16_t count)
{
    uint16_t first = terminal->cursor.row;
    count = smaller(count, (uint16_t)(terminal->rows - first));
    for (uint16_t row = first; row + count < terminal->rows; row++)
        copy_row(terminal, row, (uint16_t)(row + count));
    erase_rows(terminal, (uint16_t)(terminal->rows - count), terminal->rows);
}

/* The column a character would replace: never behind the last. */
static uint16_t cursor_column(const struct terminal *terminal)
{
    return smaller(terminal->cursor.column, (uint16_t)(terminal->columns - 1));
}

/* 8.3.64 and 8.3.26: the rest of the line makes room, or closes up. */
static void insert_characters(struct terminal *terminal, uint16_t count)
{
    uint16_t first = cursor_column(terminal);
    count = smaller(count, (uint16_t)(terminal->columns - first));
    struct terminal_cell *cells = cell_at(terminal, 0, terminal->cursor.row);
    memmove(cells + first + count, cells + first,
            (size_t)(terminal->columns - first - count) * sizeof(*cells));
    erase(terminal, terminal->cursor.row, first, (uint16_t)(first + count));
    touch(terminal, terminal->cursor.row, first, terminal->columns);
}

static void delete_characters(struct terminal *terminal, uint16_t count)
{
    uint16_t first = cursor_column(terminal);
    count = smaller(count, (uint16_t)(terminal->columns - first));
    struct terminal_cell *cells = cell_at(terminal, 0, terminal->cursor.row);
    memmove(cells + first, cells + first + count,
            (size_t)(terminal->columns - first - count) * sizeof(*cells));
    erase(terminal, terminal->cursor.row, (uint16_t)(terminal->columns - count), terminal->columns);
    touch(terminal, terminal->cursor.row, first, terminal->columns);
}

static void line_feed(struct terminal *terminal)
{
    if (terminal->cursor.row + 1 < terminal->rows)
        terminal->cursor.row++;
    else
        scroll_up(terminal, 1);
}

static void put_character(struct terminal *terminal, uint32_t character)
{
    if (terminal->cursor.column >= terminal->columns) {
        terminal->cursor.column = 0;
        line_feed(terminal);
    }
    uint16_t column = terminal->cursor.column;
    bool is_inverse = terminal->is_inverse;
    *cell_at(terminal, column, terminal->cursor.row) = (struct terminal_cell){
        .character = character,
        .foreground = is_inverse ? terminal->background : terminal->foreground,
        .background = is_inverse ? terminal->foreground : terminal->background,
    };
    touch(terminal, terminal->cursor.row, column, (uint16_t)(column + 1));
    terminal->cursor.column++;
}

static void reset(struct terminal *terminal)
{
    terminal->cursor = terminal->saved = (struct terminal_place){0};
    terminal->is_cursor_shown = true;
    terminal->is_inverse = false;
    terminal->foreground = COLOUR_DEFAULT;
    terminal->background = 0;
    terminal->state = TERMINAL_TEXT;
    terminal->utf8_left = 0;
    erase_rows(terminal, 0, terminal->rows);
}

void terminal_init(struct terminal *terminal, uint16_t columns, uint16_t rows,
                   struct terminal_cell *cells, struct terminal_span *dirty)
{
    ASSERT(columns > 0 && columns <= TERMINAL_COLUMNS_MAX && rows > 0 && rows <= TERMINAL_ROWS_MAX);
    *terminal = (struct terminal){.columns = columns, .rows = rows, .cells = cells, .dirty = dirty};
    bytes_zero(dirty, rows * sizeof(*dirty));
    reset(terminal);
}

/* ---- sequences ---- */

/* Parameter `index`, or `standard` when it is missing or zero. */
static uint16_t parameter(const struct terminal *terminal, uint32_t index, uint16_t standard)
{
    if (index >= terminal->parameter_count || terminal->parameters[index] == 0) return standard;
    return terminal->parameters[index];
}

static void move_to(struct terminal *terminal, int32_t column, int32_t row)
{
    int32_t column_max = terminal->columns - 1;
    int32_t row_max = terminal->rows - 1;
    terminal->cursor.column = (uint16_t)(column < 0 ? 0 : min_of(column, column_max));
    terminal->cursor.row = (uint16_t)(row < 0 ? 0 : min_of(row, row_max));
}

static void move_by(struct terminal *terminal, int32_t columns, int32_t rows)
{
    move_to(terminal, cursor_column(terminal) + columns, terminal->cursor.row + rows);
}

/* 8.3.39 and 8.3.41: 0 from the cursor on, 1 up to it, 2 all. */
static void erase_display(struct terminal *terminal, uint16_t which)
{
    uint16_t row = terminal->cursor.row;
    if (which == 0) {
        erase(terminal, row, cursor_column(terminal), terminal->columns);
        erase_rows(terminal, (uint16_t)(row + 1), terminal->rows);
    } else if (which == 1) {
        erase_rows(terminal, 0, row);
        erase(terminal, row, 0, (uint16_t)(cursor_column(terminal) + 1));
    } else if (which <= 3) {
        erase_rows(terminal, 0, terminal->rows);
    }
}

static void erase_line(struct terminal *terminal, uint16_t which)
{
    uint16_t row = terminal->cursor.row;
    uint16_t column = cursor_column(terminal);
    if (which == 0) erase(terminal, row, column, terminal->columns);
    if (which == 1) erase(terminal, row, 0, (uint16_t)(column + 1));
    if (which == 2) erase(terminal, row, 0, terminal->columns);
}

/* ECMA-48's colours are in the order of bits red, green, blue. */
static void set_colour(struct terminal *terminal, uint16_t value)
{
    if (value >= 30 && value <= 37)
        terminal->foreground = (uint8_t)(value - 30 + (terminal->foreground & COLOUR_BRIGHT));
    else if (value == 39)
        terminal->foreground = COLOUR_DEFAULT;
    else if (value >= 40 && value <= 47)
        terminal->background = (uint8_t)(value - 40);
    else if (value == 49)
        terminal->background = 0;
    else if (value >= 90 && value <= 97)
        terminal->foreground = (uint8_t)(value - 90 + COLOUR_BRIGHT);
    else if (value >= 100 && value <= 107)
        terminal->background = (uint8_t)(value - 100 + COLOUR_BRIGHT);
}

/* Parameters of a colour from a larger palette, which this screen does not have: how many follow.
 */
static uint32_t palette_parameters(const struct terminal *terminal, uint32_t index)
{
    uint16_t kind = parameter(terminal, index + 1, 0);
    return kind == 5 ? 2 : kind == 2 ? 4 : 0;
}

/* 8.3.117 */
static void set_rendition(struct terminal *terminal)
{
    uint32_t count = max_of((uint32_t)terminal->parameter_count, 1u);
    for (uint32_t i = 0; i < count; i++) {
        uint16_t value = parameter(terminal, i, 0);
        switch (value) {
        case 0:
            terminal->foreground = COLOUR_DEFAULT;
            terminal->background = 0;
            terminal->is_inverse = false;
            break;
        case 1:
            terminal->foreground |= COLOUR_BRIGHT;
            break;
        case 7:
            terminal->is_inverse = true;
            break;
        case 22:
            terminal->foreground &= (uint8_t)~COLOUR_BRIGHT;
            break;
        case 27:
            terminal->is_inverse = false;
            break;
        case 38:
        case 48:
            i += palette_parameters(terminal, i);
            break;
        default:
            set_colour(terminal, value);
        }
    }
}

/* The one private mode that matters here: DECTCEM, whether the cursor shows. */
static void set_private_mode(struct terminal *terminal, bool is_on)
{
    if (parameter(terminal, 0, 0) == 25) terminal->is_cursor_shown = is_on;
}

static void run_private_sequence(struct terminal *terminal, char final)
{
    if (final == 'h') set_private_mode(terminal, true);
    if (final == 'l') set_private_mode(terminal, false);
}

static void run_sequence(struct terminal *terminal, char final)
{
    int32_t count = parameter(terminal, 0, 1);
    switch (final) {
    case 'A':
        return move_by(terminal, 0, -count);
    case 'B':
    case 'e':
        return move_by(terminal, 0, count);
    case 'C':
    case 'a':
        return move_by(terminal, count, 0);
    case 'D':
        return move_by(terminal, -count, 0);
    case 'E':
        return move_to(terminal, 0, terminal->cursor.row + count);
    case 'F':
        return move_to(terminal, 0, terminal->cursor.row - count);
    case 'G':
    case '`':
        return move_to(terminal, count - 1, terminal->cursor.row);
    case 'd':
        return move_to(terminal, cursor_column(terminal), count - 1);
    case 'H':
    case 'f':
        return move_to(terminal, parameter(terminal, 1, 1) - 1, count - 1);
    case 'J':
        return erase_display(terminal, parameter(terminal, 0, 0));
    case 'K':
        return erase_line(terminal, parameter(terminal, 0, 0));
    case 'L':
        return insert_lines(terminal, (uint16_t)count);
    case 'M':
        return delete_lines(terminal, (uint16_t)count);
    case '@':
        return insert_characters(terminal, (uint16_t)count);
    case 'P':
        return delete_characters(terminal, (uint16_t)count);
    case 'X':
        return erase(terminal, terminal->cursor.row, cursor_column(terminal),
                     (uint16_t)min_of(cursor_column(terminal) + count, (int32_t)terminal->columns));
    case 'S':
        return scroll_up(terminal, (uint16_t)count);
    case 'T':
        return scroll_down(terminal, (uint16_t)count);
    case 'm':
        return set_rendition(terminal);
    case 's':
        terminal->saved = terminal->cursor;
        return;
    case 'u':
        terminal->cursor = terminal->saved;
        return;
    default:
        return;
    }
}

/* ---- bytes ---- */

static void begin_sequence(struct terminal *terminal)
{
    terminal->state = TERMINAL_SEQUENCE;
    terminal->is_private = false;
    terminal->parameter_count = 0;
    bytes_zero(terminal->parameters, sizeof(terminal->parameters));
}

/* What may follow an escape: 5.3, and the DEC sequences in use. */
static void take_escaped(struct terminal *terminal, char byte)
{
    terminal->state = TERMINAL_TEXT;
    switch (byte) {
    case '[':
        return begin_sequence(terminal);
    case ']':
    case 'P':
    case '^':
    case '_':
    case 'X':
        terminal->state = TERMINAL_STRING;
        return;
    case '(':
    case ')':
    case '#':
        terminal->state = TERMINAL_SKIP;
        return;
    case '7':
        terminal->saved = terminal->cursor;
        return;
    case '8':
        terminal->cursor = terminal->saved;
        return;
    case 'c':
        return reset(terminal);
    case 'D':
        return line_feed(terminal);
    case 'E':
        terminal->cursor.column = 0;
        return line_feed(terminal);
    case 'M':
        if (terminal->cursor.row > 0)
            terminal->cursor.row--;
        else
            scroll_down(terminal, 1);
        return;
    default:
        return;
    }
}

static void take_digit(struct terminal *terminal, char byte)
{
    if (terminal->parameter_count == 0) terminal->parameter_count = 1;
    uint16_t *value = &terminal->parameters[terminal->parameter_count - 1];
    *value = smaller(*value * 10u + (uint32_t)(byte - '0'), PARAMETER_MAX);
}

static void next_parameter(struct terminal *terminal)
{
    if (terminal->parameter_count == 0) terminal->parameter_count = 1;
    if (terminal->parameter_count == TERMINAL_PARAMETERS_MAX)
        terminal->state = TERMINAL_IGNORE; /* too many to mean anything */
    else
        terminal->parameter_count++;
}

/* 5.4: parameter bytes 3/0 to 3/15, intermediate 2/0 to 2/15, final 4/0 to 7/14. */
static void take_in_sequence(struct terminal *terminal, char byte)
{
    if (byte >= '0' && byte <= '9') return take_digit(terminal, byte);
    if (byte == ';' || byte == ':') return next_parameter(terminal);
    if (byte >= '<' && byte <= '?') {
        terminal->is_private = true;
        return;
    }
    if (byte >= ' ' && byte <= '/') {
        terminal->state = TERMINAL_IGNORE;
        return;
    }
    terminal->state = TERMINAL_TEXT;
    if (terminal->is_private)
        run_private_sequence(terminal, byte);
    else
        run_sequence(terminal, byte);
}

/* True when the byte was a control character, which acts even inside sequences: 8.3. */
static bool take_control(struct terminal *terminal, char byte)
{
    switch (byte) {
    case '\a':
    case '\0':
    case '\177':
        return true;
    case '\b':
        move_by(terminal, -1, 0);
        return true;
    case '\t':
        move_to(terminal, (cursor_column(terminal) / TAB_COLUMNS + 1) * TAB_COLUMNS,
                terminal->cursor.row);
        return true;
    case '\n':
    case '\v':
    case '\f':
        terminal->cursor.column = 0; /* the console's line feed begins a line */
        line_feed(terminal);
        return true;
    case '\r':
        terminal->cursor.column = 0;
        return true;
    case '\030':
    case '\032':
        terminal->state = TERMINAL_TEXT;
        return true;
    case '\033':
        terminal->state = TERMINAL_ESCAPE;
        return true;
    default:
        return (uint8_t)byte < ' ';
    }
}

/* Unicode 15, table 3-7, a byte at a time; what is malformed becomes one replacement character. */
static void begin_character(struct terminal *terminal, uint8_t byte)
{
    if (byte < 0x80) {
        put_character(terminal, byte);
    } else if (byte >= 0xc2 && byte <= 0xf4) {
        terminal->utf8_left = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
        terminal->utf8_character = byte & (0x3fu >> terminal->utf8_left);
        terminal->utf8_least = byte < 0xe0 ? 0x80 : byte < 0xf0 ? 0x800 : 0x10000;
    } else {
        put_character(terminal, CHARACTER_UNKNOWN);
    }
}

static void end_character(struct terminal *terminal)
{
    uint32_t character = terminal->utf8_character;
    bool is_wrong = character < terminal->utf8_least || character > 0x10ffff ||
                    (character >= 0xd800 && character <= 0xdfff);
    put_character(terminal, is_wrong ? CHARACTER_UNKNOWN : character);
}

static void take_text(struct terminal *terminal, uint8_t byte)
{
    if (terminal->utf8_left == 0) return begin_character(terminal, byte);
    if ((byte & 0xc0) != 0x80) { /* the one before ended early */
        terminal->utf8_left = 0;
        put_character(terminal, CHARACTER_UNKNOWN);
        return begin_character(terminal, byte);
    }
    terminal->utf8_character = terminal->utf8_character << 6 | (byte & 0x3f);
    if (--terminal->utf8_left == 0) end_character(terminal);
}

/* 5.6: a string ends with ST, which is ESC \; terminals take BEL as well. */
static void take_in_string(struct terminal *terminal, char byte)
{
    if (terminal->state == TERMINAL_STRING_ESCAPE) {
        terminal->state = TERMINAL_TEXT;
        if (byte != '\\') take_escaped(terminal, byte);
    } else if (byte == '\033') {
        terminal->state = TERMINAL_STRING_ESCAPE;
    } else if (byte == '\a' || byte == '\030' || byte == '\032') {
        terminal->state = TERMINAL_TEXT;
    }
}

static void take(struct terminal *terminal, char byte)
{
    if (terminal->state == TERMINAL_STRING || terminal->state == TERMINAL_STRING_ESCAPE)
        return take_in_string(terminal, byte);
    bool is_control = (uint8_t)byte < ' ' || byte == '\177';
    if (is_control && terminal->utf8_left > 0) {
        terminal->utf8_left = 0;
        put_character(terminal, CHARACTER_UNKNOWN);
    }
    if (is_control) {
        (void)take_control(terminal, byte);
        return;
    }
    switch (terminal->state) {
    case TERMINAL_TEXT:
        return take_text(terminal, (uint8_t)byte);
    case TERMINAL_ESCAPE:
        return take_escaped(terminal, byte);
    case TERMINAL_SEQUENCE:
        return take_in_sequence(terminal, byte);
    case TERMINAL_IGNORE:
        if ((uint8_t)byte >= '@') terminal->state = TERMINAL_TEXT;
        return;
    case TERMINAL_SKIP:
        terminal->state = TERMINAL_TEXT;
        return;
    case TERMINAL_STRING:
    case TERMINAL_STRING_ESCAPE:
        return;
    }
}

void terminal_write(struct terminal *terminal, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        take(terminal, bytes[i]);
}

/* ---- drawing ---- */

const struct terminal_cell *terminal_cell_at(const struct terminal *terminal, uint16_t column,
                                             uint16_t row)
{
    return cell_at(terminal, column, row);
}

bool terminal_has_cursor_at(const struct terminal *terminal, uint16_t column, uint16_t row)
{
    return terminal->is_cursor_shown && terminal->cursor.row == row &&
           cursor_column(terminal) == column;
}

void terminal_move_cursor(struct terminal *terminal)
{
    struct terminal_place old = terminal->drawn_cursor;
    struct terminal_place now = {cursor_column(terminal), terminal->cursor.row};
    touch(terminal, old.row, old.column, (uint16_t)(old.column + 1));
    touch(terminal, now.row, now.column, (uint16_t)(now.column + 1));
    terminal->drawn_cursor = now;
}

struct terminal_span terminal_take_dirty(struct terminal *terminal, uint16_t row)
{
    struct terminal_span span = terminal->dirty[row];
    terminal->dirty[row] = (struct terminal_span){0};
    return span;
}
