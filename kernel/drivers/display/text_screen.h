/*
 * A terminal drawn on a framebuffer.
 *
 * Drawing happens in a back buffer of one text row, in the framebuffer's own pixel format; a flush
 * compares what the terminal shows with what was drawn last and, for each row, copies exactly the
 * box of cells that differ. The framebuffer is never read.
 *
 * Context: task; the caller provides the locking.
 * Cost: a flush draws and copies only cells that changed, after looking at those that may have.
 */
#pragma once
#include "base/status.h"
#include "drivers/display/font.h"
#include "drivers/display/terminal.h"
#include <boot/boot_info.h>

struct text_screen {
    struct terminal terminal;
    const struct font *font; /* borrowed */
    uint32_t *pixels;        /* borrowed: the framebuffer */
    uint32_t stride_pixels;
    uint32_t width_pixels;
    uint32_t height_pixels;
    uint32_t palette[16];        /* in the framebuffer's format */
    uint32_t *strip;             /* owned: the back buffer, one row of cells */
    struct terminal_cell *cells; /* owned: the terminal's */
    struct terminal_cell *shown; /* owned: as last drawn */
    struct terminal_span *dirty; /* owned: the terminal's */
};

/*
 * Makes a blank screen as large as the framebuffer allows; `pixels` is where it is mapped.
 *   INVALID_ARGUMENT   the description is not one of a framebuffer that can be used
 *   OUT_OF_MEMORY
 */
status text_screen_create(struct text_screen *screen, const struct boot_framebuffer *description,
                          void *pixels, const struct font *font);
void text_screen_destroy(struct text_screen *screen);

/* Draws what changed. */
void text_screen_flush(struct text_screen *screen);
