#include "pane.h"

#define TAB_COLUMNS 8u

void pane_init(struct pane *pane, struct buffer *buffer, uint32_t rows, uint32_t columns)
{
    *pane = (struct pane){.buffer = buffer, .rows = rows, .columns = columns};
}

/* ---- columns ---- */

static bool is_control(uint8_t byte)
{
    return byte < 0x20 || byte == 0x7f;
}

/* U+0080 to U+009F, which terminals may take for commands. */
static bool is_high_control(const struct buffer *buffer, size_t at, size_t bytes)
{
    return bytes == 2 && buffer_byte(buffer, at) == 0xc2 && buffer_byte(buffer, at + 1) < 0xa0;
}

static size_t columns_at(const struct buffer *buffer, size_t at, size_t column)
{
    uint8_t byte = buffer_byte(buffer, at);
    if (byte == '\t') return TAB_COLUMNS - column % TAB_COLUMNS;
    if (is_control(byte)) return 2;
    size_t bytes = buffer_character_bytes(buffer, at);
    return (byte >= 0x80 && bytes == 1) || is_high_control(buffer, at, bytes) ? 4 : 1;
}

static size_t column_of(const struct pane *pane, size_t offset)
{
    size_t column = 0;
    for (size_t at = buffer_line_start(pane->buffer, offset); at < offset;
         at += buffer_character_bytes(pane->buffer, at))
        column += columns_at(pane->buffer, at, column);
    return column;
}

size_t pane_column(const struct pane *pane)
{
    return column_of(pane, pane->cursor);
}

/* The character of the line at `start` that covers the column, or the line's end. */
static size_t offset_at_column(const struct pane *pane, size_t start, size_t wanted)
{
    size_t end = buffer_line_end(pane->buffer, start), at = start, column = 0;
    while (at < end) {
        column += columns_at(pane->buffer, at, column);
        if (column > wanted) break;
        at += buffer_character_bytes(pane->buffer, at);
    }
    return at;
}

/* ---- scrolling ---- */

static void scroll_up(struct pane *pane, size_t lines)
{
    for (; lines > 0 && pane->top > 0; lines--) {
        pane->top = buffer_line_start(pane->buffer, pane->top - 1);
        pane->top_line--;
    }
}

static void scroll_to_line(struct pane *pane)
{
    bool is_above = pane->line < pane->top_line;
    if (!is_above && pane->line - pane->top_line < pane->rows) return;
    bool is_far = is_above ? pane->top_line - pane->line > pane->rows
                           : pane->line - pane->top_line >= 2 * pane->rows;
    size_t behind = is_far ? pane->rows / 2 : is_above ? 0 : pane->rows - 1;
    pane->top = buffer_line_start(pane->buffer, pane->cursor);
    pane->top_line = pane->line;
    scroll_up(pane, behind);
}

static void scroll_to_column(struct pane *pane)
{
    size_t column = pane_column(pane);
    if (column < pane->left)
        pane->left = column < pane->columns ? 0 : column - pane->columns / 2;
    else if (column - pane->left >= pane->columns)
        pane->left = column - pane->columns / 2;
}

static void scroll(struct pane *pane)
{
    scroll_to_line(pane);
    scroll_to_column(pane);
}

/* ---- moving ---- */

static void place(struct pane *pane, size_t offset)
{
    if (offset < pane->cursor)
        pane->line -= buffer_count_lines(pane->buffer, offset, pane->cursor);
    else
        pane->line += buffer_count_lines(pane->buffer, pane->cursor, offset);
    pane->cursor = offset;
}

void pane_go(struct pane *pane, size_t offset)
{
    place(pane, offset);
    pane->wanted_column = pane_column(pane);
    scroll(pane);
}

static void go_up(struct pane *pane, size_t lines)
{
    for (; lines > 0; lines--) {
        size_t start = buffer_line_start(pane->buffer, pane->cursor);
        if (start == 0) break;
        start = buffer_line_start(pane->buffer, start - 1);
        place(pane, offset_at_column(pane, start, pane->wanted_column));
    }
    scroll(pane);
}

static void go_down(struct pane *pane, size_t lines)
{
    for (; lines > 0; lines--) {
        size_t end = buffer_line_end(pane->buffer, pane->cursor);
        if (end == buffer_length(pane->buffer)) break;
        place(pane, offset_at_column(pane, end + 1, pane->wanted_column));
    }
    scroll(pane);
}

void pane_move(struct pane *pane, enum pane_move move)
{
    switch (move) {
    case MOVE_LEFT:
        return pane_go(pane, buffer_character_before(pane->buffer, pane->cursor));
    case MOVE_RIGHT:
        return pane_go(pane, pane->cursor + buffer_character_bytes(pane->buffer, pane->cursor));
    case MOVE_HOME:
        return pane_go(pane, buffer_line_start(pane->buffer, pane->cursor));
    case MOVE_END:
        return pane_go(pane, buffer_line_end(pane->buffer, pane->cursor));
    case MOVE_UP:
        return go_up(pane, 1);
    case MOVE_DOWN:
        return go_down(pane, 1);
    case MOVE_PAGE_UP:
        return go_up(pane, pane->rows - 1);
    case MOVE_PAGE_DOWN:
        return go_down(pane, pane->rows - 1);
    }
}

/* ---- changing ---- */

bool pane_insert(struct pane *pane, text piece)
{
    size_t at = pane->cursor;
    if (!buffer_insert(pane->buffer, at, piece)) return false;
    pane_go(pane, at + piece.length);
    return true;
}

bool pane_delete(struct pane *pane)
{
    size_t bytes = buffer_character_bytes(pane->buffer, pane->cursor);
    buffer_delete(pane->buffer, pane->cursor, bytes);
    pane_go(pane, pane->cursor); /* what is left before and behind may be one character now */
    return bytes > 0;
}

bool pane_delete_before(struct pane *pane)
{
    if (pane->cursor == 0) return false;
    pane_go(pane, buffer_character_before(pane->buffer, pane->cursor));
    return pane_delete(pane);
}

void pane_delete_line(struct pane *pane)
{
    pane_go(pane, buffer_line_start(pane->buffer, pane->cursor));
    size_t end = buffer_line_end(pane->buffer, pane->cursor);
    buffer_delete(pane->buffer, pane->cursor, end + 1 - pane->cursor);
}

/* ---- drawing ---- */

uint32_t pane_cursor_row(const struct pane *pane)
{
    return (uint32_t)(pane->line - pane->top_line);
}

uint32_t pane_cursor_column(const struct pane *pane)
{
    return (uint32_t)(pane_column(pane) - pane->left);
}

/* How the character at `at` looks, in `bytes`. */
static text look_of(const struct pane *pane, size_t at, size_t columns, char bytes[8])
{
    struct writer look = {.bytes = bytes, .capacity = 8};
    uint8_t byte = buffer_byte(pane->buffer, at);
    size_t length = buffer_character_bytes(pane->buffer, at);
    if (byte == '\t')
        writer_fill(&look, ' ', columns);
    else if (is_control(byte))
        writer_format(&look, "^%c", byte ^ 0x40);
    else if (columns == 4)
        writer_format(&look, "<%02x>", length == 2 ? buffer_byte(pane->buffer, at + 1) : byte);
    else
        look.length = buffer_copy(pane->buffer, at, length, bytes);
    return writer_text(&look);
}

/* The part of a look, which begins at `column`, that lies on the screen. */
static void draw_look(const struct pane *pane, text look, size_t column, size_t columns,
                      struct writer *out)
{
    size_t right = pane->left + pane->columns;
    if (column >= pane->left && column + columns <= right) {
        writer_write(out, look);
        return;
    }
    for (size_t i = 0; i < columns; i++) /* it is of several columns, a byte each */
        if (column + i >= pane->left && column + i < right)
            writer_write(out, peal_text_slice(look, i, 1));
}

void pane_draw_row(const struct pane *pane, uint32_t row, struct writer *out)
{
    const struct buffer *buffer = pane->buffer;
    size_t length = buffer_length(buffer), at = pane->top, column = 0;
    for (; row > 0; row--) {
        at = buffer_line_end(buffer, at);
        if (at == length) return writer_byte(out, '~');
        at++;
    }
    while (at < length && buffer_byte(buffer, at) != '\n' && column < pane->left + pane->columns) {
        char bytes[8];
        size_t columns = columns_at(buffer, at, column);
        draw_look(pane, look_of(pane, at, columns, bytes), column, columns, out);
        column += columns;
        at += buffer_character_bytes(buffer, at);
    }
}
