/* Glyphs by character. */
#include "drivers/display/font.h"

const uint8_t *font_find(const struct font *font, uint32_t character)
{
    uint32_t low = 0;
    uint32_t high = font->entry_count;
    while (low < high) { /* entries before low are smaller, from high on larger */
        uint32_t middle = low + (high - low) / 2;
        if (font->entries[middle].character < character)
            low = middle + 1;
        else
            high = middle;
    }
    bool is_found = low < font->entry_count && font->entries[low].character == character;
    uint32_t glyph = is_found ? font->entries[low].glyph : font->unknown_glyph;
    return font->glyphs + (size_t)glyph * font->row_bytes * font->height_pixels;
}
