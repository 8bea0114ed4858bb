#include "ops/spawn_block.h"
#include "base/address.h"
#include "base/checked.h"
#include "mm/heap.h"
#include <abi/ring.h>

static constexpr uint32_t NAME_BYTES_MAX = 63;
static constexpr uint32_t PRIORITY_MAX = 7; /* abi/ops.h */
static constexpr uint64_t STRINGS_BYTES_MAX = 2 * ABI_SPAWN_BLOCK_BYTES_MAX;

struct reader {
    const char *block;
    uint64_t block_bytes;
    uint64_t string_bytes; /* read so far: strings may overlap, but looking at them must end */
};

static status check_table(const struct reader *reader, uint64_t offset, uint64_t count,
                          uint64_t count_max, uint64_t each, uint64_t alignment)
{
    if (count > count_max) return FAIL(OUT_OF_RANGE);
    if (count == 0) return OK;
    if (!is_aligned(offset, alignment)) return FAIL(INVALID_ARGUMENT);
    return span_fits(offset, count * each, reader->block_bytes) ? OK : FAIL(OUT_OF_RANGE);
}

static status read_string(struct reader *reader, struct abi_string string, text *out_text)
{
    if (!span_fits(string.offset_bytes, string.length_bytes, reader->block_bytes))
        return FAIL(OUT_OF_RANGE);
    reader->string_bytes += string.length_bytes;
    if (reader->string_bytes > STRINGS_BYTES_MAX) return FAIL(OUT_OF_RANGE);
    *out_text = (text){reader->block + string.offset_bytes, string.length_bytes};
    return text_is_utf8(*out_text) ? OK : FAIL(INVALID_ARGUMENT);
}

static status read_strings(struct reader *reader, uint32_t offset, uint32_t count, text *out_texts)
{
    const struct abi_string *strings = (const void *)(reader->block + offset);
    for (uint32_t i = 0; i < count; i++)
        TRY(read_string(reader, strings[i], &out_texts[i]));
    return OK;
}

/* One to 31 bytes of UTF-8, then zeros. */
static status check_handle_name(const struct abi_spawn_handle *handle)
{
    const char *bytes = (const char *)handle->name;
    text whole = {bytes, sizeof(handle->name)};
    size_t length = text_find(whole, 0, 0);
    if (length == 0 || length == sizeof(handle->name)) return FAIL(INVALID_ARGUMENT);
    for (size_t i = length; i < sizeof(handle->name); i++) {
        if (bytes[i] != 0) return FAIL(INVALID_ARGUMENT);
    }
    return text_is_utf8((text){bytes, length}) ? OK : FAIL(INVALID_ARGUMENT);
}

static status check_head(const struct reader *reader, const struct abi_spawn *spawn)
{
    if (spawn->version != ABI_VERSION || (spawn->ring_flags & ~ABI_RING_FLAGS_KNOWN) != 0 ||
        spawn->priority > PRIORITY_MAX)
        return FAIL(INVALID_ARGUMENT);
    TRY(check_table(reader, spawn->arguments_offset, spawn->arguments_count,
                    ABI_SPAWN_ARGUMENTS_MAX, sizeof(struct abi_string), alignof(uint32_t)));
    TRY(check_table(reader, spawn->environment_offset, spawn->environment_count,
                    ABI_SPAWN_ARGUMENTS_MAX, sizeof(struct abi_string), alignof(uint32_t)));
    return check_table(reader, spawn->handles_offset, spawn->handles_count, ABI_SPAWN_HANDLES_MAX,
                       sizeof(struct abi_spawn_handle), alignof(uint64_t));
}

static status read_parts(struct reader *reader, struct spawn_request *request)
{
    const struct abi_spawn *spawn = request->spawn;
    TRY(read_string(reader, spawn->name, &request->name));
    if (request->name.length > NAME_BYTES_MAX) return FAIL(OUT_OF_RANGE);
    TRY(read_strings(reader, spawn->arguments_offset, spawn->arguments_count, request->arguments));
    TRY(read_strings(reader, spawn->environment_offset, spawn->environment_count,
                     request->environment));
    request->handles = (const void *)(reader->block + spawn->handles_offset);
    for (uint32_t i = 0; i < spawn->handles_count; i++)
        TRY(check_handle_name(&request->handles[i]));
    return OK;
}

status spawn_request_read(const void *block, uint64_t block_bytes,
                          struct spawn_request *out_request)
{
    struct reader reader = {.block = block, .block_bytes = block_bytes};
    struct spawn_request request = {.spawn = block};
    if (block_bytes < sizeof(struct abi_spawn) || block_bytes > ABI_SPAWN_BLOCK_BYTES_MAX)
        return FAIL(OUT_OF_RANGE);
    TRY(check_head(&reader, request.spawn));
    size_t strings = (size_t)request.spawn->arguments_count + request.spawn->environment_count;
    request.arguments = heap_take((strings + 1) * sizeof(text));
    if (request.arguments == nullptr) return FAIL(OUT_OF_MEMORY);
    request.environment = request.arguments + request.spawn->arguments_count;
    status read = read_parts(&reader, &request);
    if (!is_ok(read)) {
        heap_give(request.arguments);
        return read;
    }
    *out_request = request;
    return OK;
}

void spawn_request_end(struct spawn_request *request)
{
    heap_give(request->arguments);
    *request = (struct spawn_request){0};
}
