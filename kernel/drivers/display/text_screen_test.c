#include "drivers/display/text_screen.h"
#include "support/test.h"
#include <string.h>

/* A font of two glyphs, 3 by 2 pixels: a space and something that fills its corners. */
static const struct font_entry entries[] = {{' ', 0}, {'x', 1}};
static const uint8_t glyphs[] = {0x00, 0x00, 0x80, 0x20};
static const struct font font = {.width_pixels = 3,
                                 .height_pixels = 2,
                                 .row_bytes = 1,
                                 .glyph_count = 2,
                                 .entry_count = 2,
                                 .unknown_glyph = 1,
                                 .entries = entries,
                                 .glyphs = glyphs};

static constexpr uint32_t WIDTH = 16; /* five cells and a pixel */
static constexpr uint32_t HEIGHT = 7; /* three rows and a pixel */
static constexpr uint32_t STRIDE = 20;
static uint32_t pixels[STRIDE * HEIGHT];
static constexpr uint32_t UNTOUCHED = 0x12345678;

static struct boot_framebuffer describe(void)
{
    return (struct boot_framebuffer){.length_bytes = sizeof(pixels),
                                     .width_pixels = WIDTH,
                                     .height_pixels = HEIGHT,
                                     .stride_bytes = STRIDE * 4,
                                     .format = BOOT_PIXEL_BGRX};
}

static void fill(uint32_t value)
{
    for (uint32_t i = 0; i < STRIDE * HEIGHT; i++)
        pixels[i] = value;
}

/* Counts pixels that were written since fill(UNTOUCHED), and checks that they lie in the box. */
static uint32_t written_in(uint32_t left, uint32_t top, uint32_t right, uint32_t bottom)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < STRIDE * HEIGHT; i++) {
        if (pixels[i] == UNTOUCHED) continue;
        uint32_t x = i % STRIDE, y = i / STRIDE;
        CHECK(x >= left && x < right && y >= top && y < bottom);
        count++;
    }
    return count;
}

static void show(struct text_screen *screen, const char *text)
{
    terminal_write(&screen->terminal, text, strlen(text));
    text_screen_flush(screen);
}

TEST(a_flush_writes_exactly_the_box_that_changed)
{
    struct boot_framebuffer description = describe();
    struct text_screen screen;
    fill(UNTOUCHED);
    CHECK_STATUS(OK, text_screen_create(&screen, &description, pixels, &font));
    CHECK_EQUAL(WIDTH * HEIGHT, written_in(0, 0, WIDTH, HEIGHT));
    show(&screen, "\033[?25l");

    fill(UNTOUCHED);
    show(&screen, "\033[2;2Hx x");
    CHECK_EQUAL(3 * 3 * 2, written_in(3, 2, 12, 4));

    fill(UNTOUCHED);
    show(&screen, "\033[2;2Hx x"); /* the same again */
    CHECK_EQUAL(0, written_in(0, 0, 0, 0));
    text_screen_destroy(&screen);
}

TEST(glyphs_have_their_colours_in_the_screens_own_format)
{
    struct boot_framebuffer description = describe();
    struct text_screen screen;
    CHECK_STATUS(OK, text_screen_create(&screen, &description, pixels, &font));
    show(&screen, "\033[?25l\033[97;41mx");
    CHECK_EQUAL(0xffffff, pixels[0]);
    CHECK_EQUAL(0xc03030, pixels[1]);
    CHECK_EQUAL(0xffffff, pixels[STRIDE + 2]);
    text_screen_destroy(&screen);

    description.format = BOOT_PIXEL_RGBX;
    CHECK_STATUS(OK, text_screen_create(&screen, &description, pixels, &font));
    show(&screen, "\033[?25l\033[97;41mx");
    CHECK_EQUAL(0x3030c0, pixels[1]);
    text_screen_destroy(&screen);
}

TEST(scrolling_draws_only_cells_that_look_different)
{
    struct boot_framebuffer description = describe();
    struct text_screen screen;
    CHECK_STATUS(OK, text_screen_create(&screen, &description, pixels, &font));
    show(&screen, "\033[?25lx\nx\nx");
    fill(UNTOUCHED);
    show(&screen, "\nx");
    CHECK_EQUAL(0, written_in(0, 0, 0, 0));
    show(&screen, "\n");
    CHECK_EQUAL(3 * 2, written_in(0, 4, 3, 6));
    text_screen_destroy(&screen);
}

TEST(the_cursor_is_drawn_and_taken_away)
{
    struct boot_framebuffer description = describe();
    struct text_screen screen;
    CHECK_STATUS(OK, text_screen_create(&screen, &description, pixels, &font));
    CHECK_EQUAL(screen.palette[7], pixels[1]);
    show(&screen, "\033[3;1H");
    CHECK_EQUAL(screen.palette[0], pixels[1]);
    CHECK_EQUAL(screen.palette[7], pixels[4 * STRIDE + 1]);
    text_screen_destroy(&screen);
}

TEST(descriptions_that_cannot_be_are_refused)
{
    struct text_screen screen;
    struct boot_framebuffer d = describe();
    d.format = BOOT_PIXEL_NONE;
    CHECK_STATUS(INVALID_ARGUMENT, text_screen_create(&screen, &d, pixels, &font));
    d = describe();
    d.stride_bytes = WIDTH * 4 - 4;
    CHECK_STATUS(INVALID_ARGUMENT, text_screen_create(&screen, &d, pixels, &font));
    d = describe();
    d.stride_bytes = STRIDE * 4 - 1;
    CHECK_STATUS(INVALID_ARGUMENT, text_screen_create(&screen, &d, pixels, &font));
    d = describe();
    d.length_bytes--;
    CHECK_STATUS(INVALID_ARGUMENT, text_screen_create(&screen, &d, pixels, &font));
    d = describe();
    d.width_pixels = UINT32_MAX;
    CHECK_STATUS(INVALID_ARGUMENT, text_screen_create(&screen, &d, pixels, &font));
    d = describe();
    d.width_pixels = 2;
    CHECK_STATUS(INVALID_ARGUMENT, text_screen_create(&screen, &d, pixels, &font));
    d = describe();
    d.height_pixels = 1;
    CHECK_STATUS(INVALID_ARGUMENT, text_screen_create(&screen, &d, pixels, &font));
}

TEST(without_memory_there_is_no_screen_and_no_leak)
{
    FOR_EACH_FAILING_ALLOCATION {
        struct boot_framebuffer description = describe();
        struct text_screen screen;
        status created = text_screen_create(&screen, &description, pixels, &font);
        if (is_ok(created))
            text_screen_destroy(&screen);
        else
            CHECK_STATUS(OUT_OF_MEMORY, created);
    }
}

TEST(characters_the_font_lacks_have_a_glyph_of_their_own)
{
    CHECK(font_find(&font, ' ') == glyphs);
    CHECK(font_find(&font, 'x') == glyphs + 2);
    CHECK(font_find(&font, 'y') == glyphs + 2);
    CHECK(font_find(&font, 0) == glyphs + 2);
    CHECK(font_find(&font, UINT32_MAX) == glyphs + 2);
}
