/*
 * The part of a text that is on the screen, and the cursor in it. Pure.
 *
 * A line of text is one line of the screen: long ones scroll sideways, all together. A tab goes to
 * the next multiple of 8 columns; a control character is shown as ^X, a byte that is no text as
 * <ff>; every other character is one column.
 */
#pragma once
#include "buffer.h"
#include "peal/format.h"

struct pane {
    struct buffer *buffer;
    uint32_t rows; /* of text */
    uint32_t columns;
    size_t cursor;        /* at the start of a character */
    size_t line;          /* of the cursor, from 0 */
    size_t wanted_column; /* where up and down try to go */
    size_t top;           /* start of the first line shown */
    size_t top_line;
    size_t left; /* columns that are scrolled away */
};

enum pane_move : uint8_t {
    MOVE_LEFT,
    MOVE_RIGHT,
    MOVE_UP,
    MOVE_DOWN,
    MOVE_HOME,
    MOVE_END,
    MOVE_PAGE_UP,
    MOVE_PAGE_DOWN,
};

void pane_init(struct pane *pane, struct buffer *buffer, uint32_t rows, uint32_t columns);
void pane_move(struct pane *pane, enum pane_move move);
/* To an offset at the start of a character. */
void pane_go(struct pane *pane, size_t offset);

/* At the cursor, which goes behind it. False when the buffer has no room. */
[[nodiscard]] bool pane_insert(struct pane *pane, text piece);
/* The character at the cursor, or before it. False: there is none. */
bool pane_delete(struct pane *pane);
bool pane_delete_before(struct pane *pane);
/* The line of the cursor with its line end, which then is at the start of the next one. */
void pane_delete_line(struct pane *pane);

/* Column of the cursor in its line, from 0. */
size_t pane_column(const struct pane *pane);
/* Where the cursor is on the screen, both from 0. */
uint32_t pane_cursor_row(const struct pane *pane);
uint32_t pane_cursor_column(const struct pane *pane);

/* What is in a row of the screen: at most `columns` columns, no control characters. */
void pane_draw_row(const struct pane *pane, uint32_t row, struct writer *out);
