/*
 * Any bytes as the block of PROCESS_SPAWN: what is accepted lies inside the block, is text where
 * text is wanted, and says what the block says.
 *
 * Input: a byte of choices, then the block. With choice 1 what the head must say is made right
 * first, so that what lies behind it is reached; with choice 2 the counts are made small.
 */
#include "base/bytes.h"
#include "debug/assert.h"
#include "mm/heap.h"
#include "ops/spawn_block.h"
#include <stdlib.h>

static constexpr uint8_t CHOICE_GOOD_HEAD = 1;
static constexpr uint8_t CHOICE_SMALL_COUNTS = 2;
static constexpr uint32_t SMALL_COUNT = 8;
static constexpr uint32_t TABLE_ALIGNMENT = 8;

/* Exactly as large as the input, so that a read behind its end is seen. */
static uint8_t *block;
static size_t block_bytes;

static void mend_head(uint8_t choices)
{
    if (block_bytes < sizeof(struct abi_spawn)) return;
    struct abi_spawn *head = (struct abi_spawn *)(void *)block;
    if (choices & CHOICE_GOOD_HEAD) {
        head->version = ABI_VERSION;
        head->ring_flags &= ABI_RING_FLAGS_KNOWN;
        head->priority %= TABLE_ALIGNMENT;
        head->arguments_offset &= ~(TABLE_ALIGNMENT - 1);
        head->environment_offset &= ~(TABLE_ALIGNMENT - 1);
        head->handles_offset &= ~(TABLE_ALIGNMENT - 1);
    }
    if (choices & CHOICE_SMALL_COUNTS) {
        head->arguments_count %= SMALL_COUNT;
        head->environment_count %= SMALL_COUNT;
        head->handles_count %= SMALL_COUNT;
    }
}

static bool is_inside(const void *bytes, uint64_t length)
{
    uintptr_t start = (uintptr_t)block, at = (uintptr_t)bytes;
    return at >= start && at - start <= block_bytes && length <= block_bytes - (at - start);
}

static void check_text(text string, struct abi_string said)
{
    ASSERT(string.length == said.length_bytes);
    ASSERT((uintptr_t)string.bytes - (uintptr_t)block == said.offset_bytes);
    ASSERT(is_inside(string.bytes, string.length) && text_is_utf8(string));
}

static void check_texts(const text *strings, uint32_t offset, uint32_t count)
{
    ASSERT(count <= ABI_SPAWN_ARGUMENTS_MAX);
    const struct abi_string *said = (const void *)(block + offset);
    for (uint32_t i = 0; i < count; i++)
        check_text(strings[i], said[i]);
}

static void check_request(const struct spawn_request *request)
{
    const struct abi_spawn *head = request->spawn;
    ASSERT((const uint8_t *)head == block && head->version == ABI_VERSION);
    ASSERT(request->name.length < 64);
    check_text(request->name, head->name);
    check_texts(request->arguments, head->arguments_offset, head->arguments_count);
    check_texts(request->environment, head->environment_offset, head->environment_count);
    ASSERT(head->handles_count <= ABI_SPAWN_HANDLES_MAX);
    for (uint32_t i = 0; i < head->handles_count; i++) {
        const struct abi_spawn_handle *handle = &request->handles[i];
        ASSERT(is_inside(handle, sizeof(*handle)));
        ASSERT(handle->name[0] != 0 && handle->name[ABI_HANDLE_NAME_BYTES_MAX] == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    if (size == 0) return 0;
    block_bytes = size - 1;
    block = malloc(block_bytes > 0 ? block_bytes : 1);
    if (block == nullptr) return 0;
    bytes_copy(block, input + 1, block_bytes);
    mend_head(input[0]);

    uint64_t before = heap_count().objects_taken;
    struct spawn_request request;
    status read = spawn_request_read(block, block_bytes, &request);
    ASSERT(is_ok(read) || read.code == STATUS_OUT_OF_RANGE || read.code == STATUS_INVALID_ARGUMENT);
    if (is_ok(read)) {
        check_request(&request);
        spawn_request_end(&request);
    }
    ASSERT(heap_count().objects_taken == before);
    free(block);
    return 0;
}
