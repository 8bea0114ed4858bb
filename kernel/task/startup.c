/*
 * Head, regions, handles, the two tables of strings, and then the strings' bytes, each with a zero
 * behind it.
 */
#include "task/startup.h"
#include "base/bytes.h"
#include "base/checked.h"

static constexpr uint64_t TABLE_ALIGNMENT = 8;
static_assert(sizeof(struct abi_startup) % TABLE_ALIGNMENT == 0 &&
                  sizeof(struct abi_startup_region) % TABLE_ALIGNMENT == 0 &&
                  sizeof(struct abi_startup_handle) % TABLE_ALIGNMENT == 0 &&
                  sizeof(struct abi_string) == TABLE_ALIGNMENT,
              "the tables follow each other without gaps");

/* False as soon as the sum is more than a block may have, which is before it can wrap. */
static bool add_bytes(uint64_t *total, uint64_t count, uint64_t each)
{
    uint64_t bytes;
    if (!checked_multiply(count, each, &bytes) || bytes > STARTUP_BYTES_MAX - *total) return false;
    *total += bytes;
    return true;
}

static bool add_strings(uint64_t *total, const text *strings, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!add_bytes(total, strings[i].length, 1) || !add_bytes(total, 1, 1)) return false;
    }
    return true;
}

status startup_plan(struct startup_block *block, const struct startup_contents *contents,
                    uint32_t regions_count)
{
    struct abi_startup *head = &block->head;
    uint64_t total = sizeof(*head);
    head->regions_offset = (uint32_t)total;
    if (!add_bytes(&total, regions_count, sizeof(struct abi_startup_region)))
        return FAIL(OUT_OF_RANGE);
    head->handles_offset = (uint32_t)total;
    if (!add_bytes(&total, contents->handles_count, sizeof(struct abi_startup_handle)))
        return FAIL(OUT_OF_RANGE);
    head->arguments_offset = (uint32_t)total;
    if (!add_bytes(&total, contents->arguments_count, sizeof(struct abi_string)))
        return FAIL(OUT_OF_RANGE);
    head->environment_offset = (uint32_t)total;
    if (!add_bytes(&total, contents->environment_count, sizeof(struct abi_string)))
        return FAIL(OUT_OF_RANGE);
    if (!add_strings(&total, contents->arguments, contents->arguments_count) ||
        !add_strings(&total, contents->environment, contents->environment_count))
        return FAIL(OUT_OF_RANGE);

    head->magic = ABI_STARTUP_MAGIC;
    head->version = ABI_VERSION;
    head->total_bytes = (uint32_t)total;
    head->regions_count = regions_count;
    head->handles_count = contents->handles_count;
    head->arguments_count = contents->arguments_count;
    head->environment_count = contents->environment_count;
    block->contents = contents;
    return OK;
}

/* Writes a table and its strings' bytes at *place, and moves that behind them. */
static void write_strings(uint8_t *block, uint32_t table_offset, const text *strings,
                          uint32_t count, uint32_t *place)
{
    struct abi_string *table = (struct abi_string *)(void *)(block + table_offset);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t length = (uint32_t)strings[i].length;
        table[i] = (struct abi_string){.offset_bytes = *place, .length_bytes = length};
        if (length > 0) bytes_copy(block + *place, strings[i].bytes, length);
        block[*place + length] = 0;
        *place += length + 1;
    }
}

void startup_write(const struct startup_block *block, void *to)
{
    const struct startup_contents *contents = block->contents;
    const struct abi_startup *head = &block->head;
    uint8_t *bytes = to;
    bytes_copy(bytes, head, sizeof(*head));
    if (head->regions_count > 0)
        bytes_copy(bytes + head->regions_offset, block->regions,
                   head->regions_count * sizeof(block->regions[0]));
    if (contents->handles_count > 0)
        bytes_copy(bytes + head->handles_offset, contents->handles,
                   contents->handles_count * sizeof(contents->handles[0]));
    uint32_t place =
        head->environment_offset + contents->environment_count * (uint32_t)TABLE_ALIGNMENT;
    write_strings(bytes, head->arguments_offset, contents->arguments, contents->arguments_count,
                  &place);
    write_strings(bytes, head->environment_offset, contents->environment,
                  contents->environment_count, &place);
}
