/*
 * Names for addresses in the kernel's code, from the table that tools/make_symbols puts into the
 * image. The table is empty in the first of the two links, and on the host.
 *
 * Context: any; reads constants only. Cost: logarithmic.
 */
#pragma once
#include "base/text.h"

struct symbol_place {
    text name;       /* empty when the address is in no function known */
    uint64_t offset; /* of the address from the function's start */
};

struct symbol_place symbols_find(uint64_t address);

/* One function: where it starts, from kernel_text_start, and where its name starts. */
struct kernel_symbol {
    uint32_t text_offset;
    uint32_t name_offset;
};

/* Pure: the index of the last symbol at or below the offset, or `count` when there is none. */
uint32_t symbols_search(const struct kernel_symbol *symbols, uint32_t count, uint32_t text_offset);
