#include "peal/spawn_block.h"
#include "support/test.h"
#include <stdlib.h>
#include <string.h>

static text string_in(const uint8_t *block, struct abi_string string)
{
    return (text){(const char *)block + string.offset_bytes, string.length_bytes};
}

TEST(the_block_holds_what_was_asked_for_where_it_says)
{
    text arguments[] = {TEXT("prog"), TEXT(""), TEXT("a b")};
    text environment[] = {TEXT("PWD=/")};
    struct peal_grant grants[] = {{TEXT("root"), 77, ABI_RIGHT_READ}, {TEXT("stdout"), 78, 3}};
    struct peal_spawn spawn = {.name = TEXT("prog"),
                               .arguments = arguments,
                               .arguments_count = 3,
                               .environment = environment,
                               .environment_count = 1,
                               .grants = grants,
                               .grants_count = 2,
                               .memory_max_bytes = 1 << 20};
    size_t bytes = spawn_block_bytes(&spawn);
    uint8_t *block = malloc(bytes); /* exactly: the sanitizer sees one byte too far */
    CHECK(spawn_block_fill(&spawn, block));

    const struct abi_spawn *header = (const struct abi_spawn *)block;
    CHECK_EQUAL(ABI_VERSION, header->version);
    CHECK_EQUAL(3, header->arguments_count);
    CHECK_EQUAL(0, header->handles_offset % 8);
    CHECK_EQUAL(1 << 20, header->memory_max_bytes);
    const struct abi_string *strings =
        (const struct abi_string *)(block + header->arguments_offset);
    CHECK(peal_text_equal(string_in(block, strings[0]), TEXT("prog")));
    CHECK(peal_text_equal(string_in(block, strings[1]), TEXT("")));
    CHECK(peal_text_equal(string_in(block, strings[2]), TEXT("a b")));
    CHECK(peal_text_equal(
        string_in(block, *(const struct abi_string *)(block + header->environment_offset)),
        TEXT("PWD=/")));
    CHECK(peal_text_equal(string_in(block, header->name), TEXT("prog")));
    const struct abi_spawn_handle *handles =
        (const struct abi_spawn_handle *)(block + header->handles_offset);
    CHECK_EQUAL(78, handles[1].handle);
    CHECK_BYTES("stdout\0", handles[1].name, 7);
    free(block);
}

TEST(names_of_grants_are_checked)
{
    struct peal_grant grant = {TEXT(""), 1, 1};
    struct peal_spawn spawn = {.grants = &grant, .grants_count = 1};
    alignas(8) uint8_t block[512];
    CHECK(!spawn_block_fill(&spawn, block));
    grant.name = TEXT("01234567890123456789012345678901");
    CHECK(!spawn_block_fill(&spawn, block));
    grant.name = TEXT("0123456789012345678901234567890");
    CHECK(spawn_block_fill(&spawn, block));
}

TEST(a_block_larger_than_the_kernel_takes_is_refused)
{
    static char long_bytes[ABI_SPAWN_BLOCK_BYTES_MAX];
    text argument = {long_bytes, sizeof(long_bytes)};
    struct peal_spawn spawn = {.arguments = &argument, .arguments_count = 1};
    CHECK_EQUAL(0, spawn_block_bytes(&spawn));
}
