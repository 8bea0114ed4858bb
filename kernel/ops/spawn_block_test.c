#include "ops/spawn_block.h"
#include "support/test.h"
#include <string.h>

/* A block as the library makes it: two arguments, one variable, one handle. */
struct block {
    struct abi_spawn head;
    struct abi_string arguments[2];
    struct abi_string environment[1];
    struct abi_spawn_handle handles[1];
    char bytes[16];
};

#define STRING(from, length) ((struct abi_string){offsetof(struct block, bytes) + (from), (length)})

static struct block good_block(void)
{
    struct block block = {
        .head =
            {
                .version = ABI_VERSION,
                .arguments_count = 2,
                .arguments_offset = offsetof(struct block, arguments),
                .environment_count = 1,
                .environment_offset = offsetof(struct block, environment),
                .handles_count = 1,
                .handles_offset = offsetof(struct block, handles),
                .name = STRING(0, 2),
            },
        .arguments = {STRING(0, 2), STRING(2, 0)},
        .environment = {STRING(2, 3)},
        .handles = {{.handle = 5, .rights = 1, .name = "root"}},
    };
    memcpy(block.bytes, "lsA=b", 5);
    return block;
}

static status read_block(const struct block *block)
{
    struct spawn_request request = {0};
    status read = spawn_request_read(block, sizeof(*block), &request);
    if (is_ok(read)) spawn_request_end(&request);
    return read;
}

TEST(a_good_block_is_read)
{
    struct block block = good_block();
    struct spawn_request request;
    CHECK_STATUS(OK, spawn_request_read(&block, sizeof(block), &request));
    CHECK(text_equal(TEXT("ls"), request.name));
    CHECK(text_equal(TEXT("ls"), request.arguments[0]));
    CHECK(text_equal(TEXT(""), request.arguments[1]));
    CHECK(text_equal(TEXT("A=b"), request.environment[0]));
    CHECK_EQUAL(5, request.handles[0].handle);
    spawn_request_end(&request);

    struct abi_spawn bare = {.version = ABI_VERSION};
    CHECK_STATUS(OK, spawn_request_read(&bare, sizeof(bare), &request));
    CHECK_EQUAL(0, request.name.length);
    spawn_request_end(&request);
}

#define CHECK_SPOILED(expected, ...)                \
    do {                                            \
        struct block block = good_block();          \
        __VA_ARGS__;                                \
        CHECK_STATUS(expected, read_block(&block)); \
    } while (0)

TEST(every_field_that_is_wrong_is_refused)
{
    CHECK_SPOILED(INVALID_ARGUMENT, block.head.version = 2);
    CHECK_SPOILED(INVALID_ARGUMENT, block.head.ring_flags = 1u << 31);
    CHECK_SPOILED(INVALID_ARGUMENT, block.head.priority = 8);
    CHECK_SPOILED(INVALID_ARGUMENT, block.head.arguments_offset += 2);
    CHECK_SPOILED(INVALID_ARGUMENT, block.head.environment_offset += 1);
    CHECK_SPOILED(INVALID_ARGUMENT, block.head.handles_offset += 4);
    CHECK_SPOILED(OUT_OF_RANGE, block.head.arguments_count = ABI_SPAWN_ARGUMENTS_MAX + 1);
    CHECK_SPOILED(OUT_OF_RANGE, block.head.environment_count = UINT32_MAX);
    CHECK_SPOILED(OUT_OF_RANGE, block.head.handles_count = ABI_SPAWN_HANDLES_MAX + 1);
    CHECK_SPOILED(OUT_OF_RANGE, block.head.handles_count = 2);
    CHECK_SPOILED(OUT_OF_RANGE, block.head.arguments_offset = 0xffff'fff8);
    CHECK_SPOILED(OUT_OF_RANGE, block.arguments[1].offset_bytes = sizeof(block) + 1);
    CHECK_SPOILED(OUT_OF_RANGE, block.arguments[1].length_bytes = UINT32_MAX);
    CHECK_SPOILED(OUT_OF_RANGE, block.environment[0].length_bytes = 100);
    CHECK_SPOILED(OUT_OF_RANGE, block.head.name.length_bytes = 100);
    CHECK_SPOILED(INVALID_ARGUMENT, block.bytes[1] = (char)0xff);
    CHECK_SPOILED(INVALID_ARGUMENT, block.bytes[3] = 0);
    CHECK_SPOILED(INVALID_ARGUMENT, block.handles[0].name[0] = 0);
    CHECK_SPOILED(INVALID_ARGUMENT, block.handles[0].name[9] = 'x');
    CHECK_SPOILED(INVALID_ARGUMENT, memset(block.handles[0].name, 'x', 32));
    CHECK_SPOILED(INVALID_ARGUMENT, block.handles[0].name[1] = 0xc0);
    CHECK_SPOILED(INVALID_ARGUMENT, block.bytes[1] = 0, block.head.arguments_count = 0);
}

TEST(a_handle_name_may_be_31_bytes_long)
{
    struct block block = good_block();
    memset(block.handles[0].name, 'x', 31);
    CHECK_STATUS(OK, read_block(&block));
}

TEST(a_name_may_be_63_bytes_long)
{
    struct {
        struct abi_spawn head;
        char bytes[64];
    } block = {.head = {.version = ABI_VERSION, .name = {sizeof(struct abi_spawn), 63}}};
    struct spawn_request request;
    memset(block.bytes, 'n', sizeof(block.bytes));
    CHECK_STATUS(OK, spawn_request_read(&block, sizeof(block), &request));
    spawn_request_end(&request);
    block.head.name.length_bytes = 64;
    CHECK_STATUS(OUT_OF_RANGE, spawn_request_read(&block, sizeof(block), &request));
}

TEST(strings_that_overlap_are_not_read_for_ever)
{
    static struct {
        struct abi_spawn head;
        struct abi_string arguments[ABI_SPAWN_ARGUMENTS_MAX];
        char bytes[1 << 16];
    } block = {.head = {.version = ABI_VERSION, .arguments_offset = sizeof(struct abi_spawn)}};
    struct spawn_request request;
    memset(block.bytes, 'n', sizeof(block.bytes));
    for (uint32_t i = 0; i < ABI_SPAWN_ARGUMENTS_MAX; i++)
        block.arguments[i] = (struct abi_string){(uint32_t)offsetof(typeof(block), bytes), 1 << 16};
    block.head.arguments_count = 32;
    CHECK_STATUS(OK, spawn_request_read(&block, sizeof(block), &request));
    spawn_request_end(&request);
    block.head.arguments_count = ABI_SPAWN_ARGUMENTS_MAX;
    CHECK_STATUS(OUT_OF_RANGE, spawn_request_read(&block, sizeof(block), &request));
}

TEST(a_block_cut_short_anywhere_is_refused)
{
    struct block block = good_block();
    struct spawn_request request;
    for (uint64_t length = 0; length < offsetof(struct block, bytes) + 5; length++)
        CHECK_STATUS(OUT_OF_RANGE, spawn_request_read(&block, length, &request));
    CHECK_STATUS(OUT_OF_RANGE, spawn_request_read(&block, ABI_SPAWN_BLOCK_BYTES_MAX + 1, &request));
}

TEST(no_memory_is_said)
{
    struct block block = good_block();
    FOR_EACH_FAILING_ALLOCATION {
        status read = read_block(&block);
        if (!is_ok(read)) CHECK_STATUS(OUT_OF_MEMORY, read);
    }
}
