/*
 * The console's font: fixed-width glyphs and which characters they draw.
 *
 * The data is made at build time by tools/make_font from a font of the distribution; it is part of
 * the kernel image and read-only.
 *
 * Context: any; no state. Cost of a look-up: logarithmic.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* The build's own format, so trusted: a character and the number of the glyph that draws it. */
struct font_entry {
    uint32_t character;
    uint32_t glyph;
};

struct font {
    uint32_t width_pixels; /* 1..32 */
    uint32_t height_pixels;
    uint32_t row_bytes; /* of a glyph; the leftmost pixel is the highest bit of the first byte */
    uint32_t glyph_count;
    uint32_t entry_count;
    uint32_t unknown_glyph;           /* drawn for characters the font does not have */
    const struct font_entry *entries; /* sorted by character */
    const uint8_t *glyphs;
};

/* In the generated file. */
extern const struct font console_font;

/* The rows of the glyph for a character. */
const uint8_t *font_find(const struct font *font, uint32_t character);
