#include "variables.h"
#include "peal/bytes.h"
#include "peal/heap.h"

static uint32_t find(const struct variables *variables, text name)
{
    for (uint32_t i = 0; i < variables->count; i++) {
        text rest = variables->items[i];
        if (peal_text_equal(peal_text_split(&rest, '='), name)) return i;
    }
    return variables->count;
}

bool variables_get(const struct variables *variables, text name, text *out_value)
{
    uint32_t index = find(variables, name);
    if (index == variables->count) return false;
    text value = variables->items[index];
    peal_text_split(&value, '=');
    *out_value = value;
    return true;
}

status variables_set(struct variables *variables, text name, text value)
{
    uint32_t index = find(variables, name);
    if (index == VARIABLES_MAX) return FAIL(QUOTA_EXCEEDED);
    size_t length = name.length + 1 + value.length;
    char *bytes = peal_allocate(length);
    if (bytes == nullptr) return FAIL(OUT_OF_MEMORY);
    memcpy(bytes, name.bytes, name.length);
    bytes[name.length] = '=';
    memcpy(bytes + name.length + 1, value.bytes, value.length);
    if (index == variables->count)
        variables->count++;
    else
        peal_release((void *)variables->items[index].bytes);
    variables->items[index] = (text){bytes, length};
    return OK;
}

void variables_unset(struct variables *variables, text name)
{
    uint32_t index = find(variables, name);
    if (index == variables->count) return;
    peal_release((void *)variables->items[index].bytes);
    variables->items[index] = variables->items[--variables->count];
}
