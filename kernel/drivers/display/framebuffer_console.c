/*
 * The screen as an output of the console. After a panic, whose text goes there too, nothing else
 * draws.
 *
 * Locking: the console's mutex for this output serialises drawing; a panic has stopped the other
 * processors and draws whatever state it finds.
 */
#include "arch/arch/machine.h"
#include "arch/arch/page_table.h"
#include "debug/log.h"
#include "device/console.h"
#include "device/device_init.h"
#include "drivers/display/text_screen.h"

static struct text_screen screen;

static void write_out(const char *bytes, size_t length)
{
    terminal_write(&screen.terminal, bytes, length);
    text_screen_flush(&screen);
}

/* The log has the serial line for itself; here it only appears when it is about the end. */
static void panic_sink(text piece, bool is_panic)
{
    if (is_panic) write_out(piece.bytes, piece.length);
}

void device_init_display(const struct boot_framebuffer *framebuffer)
{
    if (framebuffer->format == BOOT_PIXEL_NONE) {
        log_line("display", "no framebuffer");
        return;
    }
    void *pixels = machine_map_device(physical_at(framebuffer->start), framebuffer->length_bytes,
                                      PAGE_WRITE_COMBINE);
    status created = pixels == nullptr
                         ? FAIL(OUT_OF_MEMORY)
                         : text_screen_create(&screen, framebuffer, pixels, &console_font);
    if (!is_ok(created)) {
        log_line("display", "framebuffer not usable (status %u)", created.code);
        return;
    }
    console_add_output(write_out);
    log_add_sink(panic_sink);
    log_line("display", "%u x %u pixels, %u x %u characters", framebuffer->width_pixels,
             framebuffer->height_pixels, screen.terminal.columns, screen.terminal.rows);
}
