#include "peal/spawn_block.h"
#include "peal/bytes.h"

#define PROCESS_NAME_BYTES_MAX 63u

/* Order: the struct, handles (8-byte aligned), string tables, string bytes. */
struct layout {
    uint64_t handles, arguments, environment, strings, total;
};

static uint64_t bytes_of(const text *items, uint32_t count)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < count; i++)
        bytes += items[i].length;
    return bytes;
}

static text short_name(const struct peal_spawn *spawn)
{
    return peal_text_slice(spawn->name, 0, PROCESS_NAME_BYTES_MAX);
}

static struct layout layout_of(const struct peal_spawn *spawn)
{
    struct layout layout = {.handles = sizeof(struct abi_spawn)};
    layout.arguments =
        layout.handles + (uint64_t)spawn->grants_count * sizeof(struct abi_spawn_handle);
    layout.environment =
        layout.arguments + (uint64_t)spawn->arguments_count * sizeof(struct abi_string);
    layout.strings =
        layout.environment + (uint64_t)spawn->environment_count * sizeof(struct abi_string);
    layout.total = layout.strings + bytes_of(spawn->arguments, spawn->arguments_count) +
                   bytes_of(spawn->environment, spawn->environment_count) +
                   short_name(spawn).length;
    return layout;
}

size_t spawn_block_bytes(const struct peal_spawn *spawn)
{
    uint64_t total = layout_of(spawn).total;
    return total <= ABI_SPAWN_BLOCK_BYTES_MAX ? total : 0;
}

static struct abi_string string_add(uint8_t *block, uint64_t *at, text string)
{
    struct abi_string added = {(uint32_t)*at, (uint32_t)string.length};
    memcpy(block + *at, string.bytes, string.length);
    *at += string.length;
    return added;
}

static bool handles_fill(const struct peal_spawn *spawn, struct abi_spawn_handle *handles)
{
    for (uint32_t i = 0; i < spawn->grants_count; i++) {
        const struct peal_grant *grant = &spawn->grants[i];
        if (grant->name.length == 0 || grant->name.length > ABI_HANDLE_NAME_BYTES_MAX) return false;
        handles[i] = (struct abi_spawn_handle){.handle = grant->raw, .rights = grant->rights};
        memcpy(handles[i].name, grant->name.bytes, grant->name.length);
    }
    return true;
}

bool spawn_block_fill(const struct peal_spawn *spawn, void *block)
{
    struct layout layout = layout_of(spawn);
    uint8_t *bytes = block;
    if (!handles_fill(spawn, (struct abi_spawn_handle *)(bytes + layout.handles))) return false;

    uint64_t at = layout.strings;
    struct abi_string *strings = (struct abi_string *)(bytes + layout.arguments);
    for (uint32_t i = 0; i < spawn->arguments_count; i++)
        *strings++ = string_add(bytes, &at, spawn->arguments[i]);
    for (uint32_t i = 0; i < spawn->environment_count; i++)
        *strings++ = string_add(bytes, &at, spawn->environment[i]);

    *(struct abi_spawn *)block = (struct abi_spawn){
        .version = ABI_VERSION,
        .priority = spawn->priority,
        .arguments_count = spawn->arguments_count,
        .arguments_offset = (uint32_t)layout.arguments,
        .environment_count = spawn->environment_count,
        .environment_offset = (uint32_t)layout.environment,
        .handles_count = spawn->grants_count,
        .handles_offset = (uint32_t)layout.handles,
        .name = string_add(bytes, &at, short_name(spawn)),
        .memory_max_bytes = spawn->memory_max_bytes,
        .handles_max = spawn->handles_max,
        .threads_max = spawn->threads_max,
        .ring_entries = spawn->ring_entries,
        .ring_flags = spawn->ring_flags,
    };
    return true;
}
