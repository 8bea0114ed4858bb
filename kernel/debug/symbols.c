#include "debug/symbols.h"

extern const uint32_t kernel_symbols_count;
extern const struct kernel_symbol kernel_symbols[];
extern const char kernel_symbol_names[];
extern const uint8_t kernel_text_start[], kernel_text_end[];

static text name_at(uint32_t offset)
{
    const char *name = &kernel_symbol_names[offset];
    size_t length = 0;
    while (name[length] != 0)
        length++;
    return (text){name, length};
}

struct symbol_place symbols_find(uint64_t address)
{
    uint64_t start = (uintptr_t)kernel_text_start;
    if (address < start || address >= (uintptr_t)kernel_text_end) return (struct symbol_place){0};
    uint32_t offset = (uint32_t)(address - start);
    uint32_t index = symbols_search(kernel_symbols, kernel_symbols_count, offset);
    if (index == kernel_symbols_count) return (struct symbol_place){0};
    const struct kernel_symbol *symbol = &kernel_symbols[index];
    return (struct symbol_place){name_at(symbol->name_offset), offset - symbol->text_offset};
}
