#include "debug/symbols.h"

uint32_t symbols_search(const struct kernel_symbol *symbols, uint32_t count, uint32_t text_offset)
{
    uint32_t low = 0; /* symbols before `low` are at or below the offset; from `high` on, above */
    uint32_t high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (symbols[middle].text_offset <= text_offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? count : low - 1;
}
