/* A terminal drawn on a framebuffer. */
#include "drivers/display/text_screen.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "mm/heap.h"

static constexpr uint32_t PIXEL_BYTES = sizeof(uint32_t);

/* Red, green, blue of the sixteen colours, in terminal order. */
static const uint8_t colours[16][3] = {
    {0x00, 0x00, 0x00}, {0xc0, 0x30, 0x30}, {0x30, 0xa8, 0x48}, {0xb8, 0x88, 0x20},
    {0x40, 0x70, 0xd0}, {0xa8, 0x50, 0xb8}, {0x30, 0xa0, 0xa8}, {0xc8, 0xc8, 0xc8},
    {0x60, 0x60, 0x60}, {0xf0, 0x60, 0x60}, {0x60, 0xd8, 0x70}, {0xf0, 0xc8, 0x50},
    {0x70, 0xa0, 0xf8}, {0xd8, 0x80, 0xe8}, {0x60, 0xd8, 0xe0}, {0xff, 0xff, 0xff},
};

static bool is_usable(const struct boot_framebuffer *description)
{
    uint64_t row_bytes = (uint64_t)description->width_pixels * PIXEL_BYTES;
    return (description->format == BOOT_PIXEL_BGRX || description->format == BOOT_PIXEL_RGBX) &&
           description->stride_bytes >= row_bytes && description->stride_bytes % PIXEL_BYTES == 0 &&
           (uint64_t)description->stride_bytes * description->height_pixels <=
               description->length_bytes;
}

/* What a framebuffer of this format wants to see for a colour: boot_info.h. */
static uint32_t pixel_of(uint32_t format, const uint8_t colour[3])
{
    uint32_t red = colour[0], green = colour[1], blue = colour[2];
    if (format == BOOT_PIXEL_BGRX) return red << 16 | green << 8 | blue;
    return blue << 16 | green << 8 | red;
}

static status take_memory(struct text_screen *screen, uint16_t columns, uint16_t rows)
{
    size_t cells = (size_t)columns * rows;
    size_t strip_pixels =
        (size_t)columns * screen->font->width_pixels * screen->font->height_pixels;
    screen->strip = heap_take(strip_pixels * PIXEL_BYTES);
    screen->cells = heap_take(cells * sizeof(*screen->cells));
    screen->shown = heap_take(cells * sizeof(*screen->shown));
    screen->dirty = heap_take(rows * sizeof(*screen->dirty));
    bool has_all = screen->strip && screen->cells && screen->shown && screen->dirty;
    return has_all ? OK : FAIL(OUT_OF_MEMORY);
}

void text_screen_destroy(struct text_screen *screen)
{
    heap_give(screen->strip);
    heap_give(screen->cells);
    heap_give(screen->shown);
    heap_give(screen->dirty);
    *screen = (struct text_screen){0};
}

static void clear_pixels(struct text_screen *screen)
{
    for (uint32_t y = 0; y < screen->height_pixels; y++) {
        uint32_t *row = screen->pixels + (size_t)y * screen->stride_pixels;
        for (uint32_t x = 0; x < screen->width_pixels; x++)
            row[x] = screen->palette[0];
    }
}

status text_screen_create(struct text_screen *screen, const struct boot_framebuffer *description,
                          void *pixels, const struct font *font)
{
    if (!is_usable(description)) return FAIL(INVALID_ARGUMENT);
    uint32_t columns = min_of(description->width_pixels / font->width_pixels, TERMINAL_COLUMNS_MAX);
    uint32_t rows = min_of(description->height_pixels / font->height_pixels, TERMINAL_ROWS_MAX);
    if (columns == 0 || rows == 0) return FAIL(INVALID_ARGUMENT);

    *screen = (struct text_screen){
        .font = font,
        .pixels = pixels,
        .stride_pixels = description->stride_bytes / PIXEL_BYTES,
        .width_pixels = description->width_pixels,
        .height_pixels = description->height_pixels,
    };
    status taken = take_memory(screen, (uint16_t)columns, (uint16_t)rows);
    if (!is_ok(taken)) {
        text_screen_destroy(screen);
        return taken;
    }
    for (uint32_t i = 0; i < 16; i++)
        screen->palette[i] = pixel_of(description->format, colours[i]);
    terminal_init(&screen->terminal, (uint16_t)columns, (uint16_t)rows, screen->cells,
                  screen->dirty);
    clear_pixels(screen);
    /* What a blank cell looks like is there already. */
    bytes_copy(screen->shown, screen->cells, (size_t)columns * rows * sizeof(*screen->shown));
    text_screen_flush(screen);
    return OK;
}

/* The cell as it is to be seen: the cursor turns its colours over. */
static struct terminal_cell visible_cell(const struct text_screen *screen, uint16_t column,
                                         uint16_t row)
{
    struct terminal_cell cell = *terminal_cell_at(&screen->terminal, column, row);
    if (terminal_has_cursor_at(&screen->terminal, column, row)) {
        uint8_t foreground = cell.foreground;
        cell.foreground = cell.background;
        cell.background = foreground;
    }
    return cell;
}

static void draw_cell(struct text_screen *screen, uint32_t strip_column, uint32_t strip_columns,
                      struct terminal_cell cell)
{
    const struct font *font = screen->font;
    const uint8_t *glyph = font_find(font, cell.character);
    uint32_t ink = screen->palette[cell.foreground & 15];
    uint32_t paper = screen->palette[cell.background & 15];
    uint32_t strip_stride = strip_columns * font->width_pixels;
    uint32_t *to = screen->strip + (size_t)strip_column * font->width_pixels;
    for (uint32_t y = 0; y < font->height_pixels; y++) {
        for (uint32_t x = 0; x < font->width_pixels; x++)
            to[x] = (glyph[x / 8] & (0x80u >> x % 8)) != 0 ? ink : paper;
        glyph += font->row_bytes;
        to += strip_stride;
    }
}

/* Copies the strip, `columns` cells wide, to its place. */
static void copy_strip(struct text_screen *screen, uint16_t row, uint16_t column, uint32_t columns)
{
    const struct font *font = screen->font;
    uint32_t width = columns * font->width_pixels;
    uint32_t *to = screen->pixels + (size_t)row * font->height_pixels * screen->stride_pixels +
                   (size_t)column * font->width_pixels;
    const uint32_t *from = screen->strip;
    for (uint32_t y = 0; y < font->height_pixels; y++) {
        bytes_copy(to, from, (size_t)width * PIXEL_BYTES);
        to += screen->stride_pixels;
        from += width;
    }
}

/* The smallest part of the span that differs from what was drawn. */
static struct terminal_span narrow(const struct text_screen *screen, uint16_t row,
                                   struct terminal_span span)
{
    const struct terminal_cell *shown = screen->shown + (size_t)row * screen->terminal.columns;
    struct terminal_span found = {0};
    for (uint16_t column = span.first; column < span.end; column++) {
        struct terminal_cell cell = visible_cell(screen, column, row);
        if (bytes_equal(&cell, &shown[column], sizeof(cell))) continue;
        if (found.end == 0) found.first = column;
        found.end = (uint16_t)(column + 1);
    }
    return found;
}

static void draw_span(struct text_screen *screen, uint16_t row, struct terminal_span span)
{
    uint32_t columns = (uint32_t)(span.end - span.first);
    struct terminal_cell *shown = screen->shown + (size_t)row * screen->terminal.columns;
    for (uint16_t column = span.first; column < span.end; column++) {
        shown[column] = visible_cell(screen, column, row);
        draw_cell(screen, (uint32_t)(column - span.first), columns, shown[column]);
    }
    copy_strip(screen, row, span.first, columns);
}

void text_screen_flush(struct text_screen *screen)
{
    terminal_move_cursor(&screen->terminal);
    for (uint16_t row = 0; row < screen->terminal.rows; row++) {
        struct terminal_span span = terminal_take_dirty(&screen->terminal, row);
        span = narrow(screen, row, span);
        if (span.first < span.end) draw_span(screen, row, span);
    }
}
