#include "support/test.h"
#include "task/startup.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LITERAL(string) ((text){string, sizeof(string) - 1})

static struct abi_startup *build(const struct startup_contents *contents,
                                 const struct abi_startup_region *regions, uint32_t regions_count)
{
    struct startup_block block = {.head.process_id = 7};
    CHECK_STATUS(OK, startup_plan(&block, contents, regions_count));
    block.regions = regions;
    struct abi_startup *built = malloc(block.head.total_bytes);
    memset(built, 0xee, block.head.total_bytes);
    startup_write(&block, built);
    return built;
}

static text string_at(const struct abi_startup *built, uint32_t table, uint32_t index)
{
    const char *bytes = (const char *)built;
    const struct abi_string *string = (const void *)(bytes + table + index * 8);
    CHECK(string->offset_bytes + string->length_bytes < built->total_bytes);
    CHECK_EQUAL(0, bytes[string->offset_bytes + string->length_bytes]);
    return (text){bytes + string->offset_bytes, string->length_bytes};
}

TEST(everything_is_found_where_the_head_says)
{
    text arguments[] = {LITERAL("ls"), LITERAL(""), LITERAL("-long option")};
    text environment[] = {LITERAL("PATH=/boot/bin")};
    struct abi_startup_handle handles[] = {{.handle = 11, .name = "root"},
                                           {.handle = 22, .name = "console"}};
    struct abi_startup_region regions[] = {
        {.address = 0x1000}, {.address = 0x2000}, {.address = 3}};
    struct abi_startup *built = build(
        &(struct startup_contents){
            .arguments = arguments,
            .arguments_count = 3,
            .environment = environment,
            .environment_count = 1,
            .handles = handles,
            .handles_count = 2,
        },
        regions, 3);
    CHECK_EQUAL(ABI_STARTUP_MAGIC, built->magic);
    CHECK_EQUAL(7, built->process_id);
    CHECK_EQUAL(3, built->arguments_count);
    for (uint32_t i = 0; i < 3; i++)
        CHECK(text_equal(arguments[i], string_at(built, built->arguments_offset, i)));
    CHECK(text_equal(environment[0], string_at(built, built->environment_offset, 0)));
    CHECK_BYTES(handles, (char *)built + built->handles_offset, sizeof(handles));
    CHECK_BYTES(regions, (char *)built + built->regions_offset, sizeof(regions));
    CHECK_EQUAL(0, built->handles_offset % 8 + built->regions_offset % 8);
    free(built);
}

TEST(a_process_may_be_given_nothing)
{
    struct abi_startup *built = build(&(struct startup_contents){0}, nullptr, 0);
    CHECK_EQUAL(sizeof(struct abi_startup), built->total_bytes);
    CHECK_EQUAL(0, built->arguments_count + built->environment_count + built->handles_count);
    free(built);
}

TEST(four_thousand_arguments_fit)
{
    enum { COUNT = 4096 };
    static char digits[COUNT][8];
    static text arguments[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        int length = snprintf(digits[i], sizeof(digits[i]), "%u", i);
        arguments[i] = (text){digits[i], (size_t)length};
    }
    struct abi_startup *built = build(
        &(struct startup_contents){.arguments = arguments, .arguments_count = COUNT}, nullptr, 0);
    for (uint32_t i = 0; i < COUNT; i++)
        CHECK(text_equal(arguments[i], string_at(built, built->arguments_offset, i)));
    free(built);
}

TEST(what_is_too_much_is_refused_before_any_sum_can_wrap)
{
    static char bytes[1];
    text huge[] = {{bytes, STARTUP_BYTES_MAX}, {bytes, SIZE_MAX}, {bytes, SIZE_MAX}};
    for (uint32_t count = 1; count <= 3; count++) {
        struct startup_block block = {0};
        struct startup_contents contents = {.environment = huge + 3 - count,
                                            .environment_count = count};
        CHECK_STATUS(OUT_OF_RANGE, startup_plan(&block, &contents, 0));
    }
    struct startup_block block = {0};
    CHECK_STATUS(OUT_OF_RANGE, startup_plan(&block, &(struct startup_contents){0}, UINT32_MAX));
    text exact[] = {{bytes, STARTUP_BYTES_MAX - sizeof(struct abi_startup) - 8 - 1}};
    struct startup_contents contents = {.arguments = exact, .arguments_count = 1};
    CHECK_STATUS(OK, startup_plan(&block, &contents, 0));
    CHECK_EQUAL(STARTUP_BYTES_MAX, block.head.total_bytes);
    exact[0].length++;
    CHECK_STATUS(OUT_OF_RANGE, startup_plan(&block, &contents, 0));
}
