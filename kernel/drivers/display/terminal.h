/*
 * A text terminal: a grid of character cells and the control sequences that change it.
 *
 * Understands UTF-8 and the part of ECMA-48 (5th edition) that programs use: cursor movement,
 * erasing, inserting and deleting lines, colours (SGR, and the brighter eight of xterm), saving the
 * cursor. Anything else is consumed and has no effect. Each row remembers which of its columns
 * changed, so that drawing touches only those.
 *
 * Context: any. Pure logic over cells it is given; the caller provides the locking.
 * Cost: a character and a scroll are constant, apart from the blank row; erasing is by the cell.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define TERMINAL_COLUMNS_MAX    512u
#define TERMINAL_ROWS_MAX       256u
#define TERMINAL_PARAMETERS_MAX 16u

struct terminal_cell {
    uint32_t character; /* Unicode; 0 is drawn like a space */
    uint8_t foreground; /* 0..15, brighter from 8 */
    uint8_t background;
    uint8_t reserved[2];
};

/* Columns of a row that changed since terminal_take_dirty(): first..end, none when first >= end. */
struct terminal_span {
    uint16_t first;
    uint16_t end;
};

enum terminal_state : uint8_t {
    TERMINAL_TEXT,
    TERMINAL_ESCAPE,   /* after ESC */
    TERMINAL_SEQUENCE, /* after ESC [ */
    TERMINAL_SKIP,     /* one more byte that has no effect */
    TERMINAL_IGNORE,   /* in a sequence of a kind that has no effect */
    TERMINAL_STRING,   /* in a string (title and the like) that ends with ST or BEL */
    TERMINAL_STRING_ESCAPE,
};

struct terminal_place {
    uint16_t column;
    uint16_t row;
};

struct terminal {
    /* Fixed. */
    uint16_t columns;
    uint16_t rows;
    struct terminal_cell *cells; /* borrowed: columns * rows */
    struct terminal_span *dirty; /* borrowed: one per row on the screen */

    uint16_t top; /* which stored row is the first on the screen: scrolling turns the wheel */
    struct terminal_place
        cursor; /* column == columns: behind the last, wraps with the next character */
    struct terminal_place saved;
    struct terminal_place drawn_cursor; /* where it was when last drawn */
    bool is_cursor_shown;
    bool is_inverse;
    uint8_t foreground;
    uint8_t background;

    enum terminal_state state;
    bool is_private;         /* the sequence began with one of <=>? */
    uint8_t parameter_count; /* 0 before the first digit or separator */
    uint16_t parameters[TERMINAL_PARAMETERS_MAX];
    uint8_t utf8_left; /* bytes missing of a character */
    uint32_t utf8_character;
    uint32_t utf8_least; /* smaller ones are encoded too long */
};

/* Blank. columns and rows are 1..the maxima; cells and dirty are given. */
void terminal_init(struct terminal *terminal, uint16_t columns, uint16_t rows,
                   struct terminal_cell *cells, struct terminal_span *dirty);

void terminal_write(struct terminal *terminal, const char *bytes, size_t length);

/* The cell at a place on the screen. */
const struct terminal_cell *terminal_cell_at(const struct terminal *terminal, uint16_t column,
                                             uint16_t row);
/* True for the cell that the cursor covers. */
bool terminal_has_cursor_at(const struct terminal *terminal, uint16_t column, uint16_t row);

/*
 * What changed in a row since it was last asked; the row counts as drawn afterwards. Call
 * terminal_move_cursor() first, once per drawing, so that the cursor's old and new place count.
 */
void terminal_move_cursor(struct terminal *terminal);
struct terminal_span terminal_take_dirty(struct terminal *terminal, uint16_t row);
