/*
 * Any bytes written to a terminal of any size: the cursor stays on the screen, spans stay inside
 * their rows, and what a flush would not draw has not changed (checked against a copy).
 *
 * Input: {columns, rows, bytes ...}; a zero byte also flushes.
 */
#include "base/bytes.h"
#include "debug/assert.h"
#include "drivers/display/terminal.h"

static constexpr uint32_t COLUMNS_MAX = 32;
static constexpr uint32_t ROWS_MAX = 16;
static struct terminal_cell cells[COLUMNS_MAX * ROWS_MAX];
static struct terminal_cell shown[COLUMNS_MAX * ROWS_MAX];
static struct terminal_span dirty[ROWS_MAX];

static void flush(struct terminal *terminal)
{
    terminal_move_cursor(terminal);
    for (uint16_t row = 0; row < terminal->rows; row++) {
        struct terminal_span span = terminal_take_dirty(terminal, row);
        ASSERT(span.first >= span.end || span.end <= terminal->columns);
        for (uint16_t column = 0; column < terminal->columns; column++) {
            const struct terminal_cell *cell = terminal_cell_at(terminal, column, row);
            struct terminal_cell *copy = &shown[row * terminal->columns + column];
            if (column >= span.first && column < span.end) *copy = *cell;
            ASSERT(bytes_equal(cell, copy, sizeof(*cell)));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    if (size < 2) return 0;
    struct terminal terminal;
    uint16_t columns = (uint16_t)(1 + input[0] % COLUMNS_MAX);
    uint16_t rows = (uint16_t)(1 + input[1] % ROWS_MAX);
    terminal_init(&terminal, columns, rows, cells, dirty);
    for (size_t i = 2; i < size; i++) {
        char byte = (char)input[i];
        terminal_write(&terminal, &byte, 1);
        ASSERT(terminal.cursor.row < rows && terminal.cursor.column <= columns);
        ASSERT(terminal.saved.row < rows && terminal.saved.column <= columns);
        ASSERT(terminal.foreground < 16 && terminal.background < 16);
        if (byte == 0) flush(&terminal);
    }
    flush(&terminal);
    return 0;
}
