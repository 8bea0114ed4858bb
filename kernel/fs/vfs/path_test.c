#include "fs/vfs/path.h"
#include "support/test.h"
#include <abi/ops.h>
#include <string.h>

TEST(ordinary_paths_are_accepted_and_split_at_each_slash)
{
    text rest = TEXT("a/long name/Grüße.txt"), name;
    CHECK_STATUS(OK, path_check(rest));
    CHECK(path_next(&rest, &name));
    CHECK(text_equal(name, TEXT("a")));
    CHECK(path_next(&rest, &name));
    CHECK(text_equal(name, TEXT("long name")));
    CHECK(path_next(&rest, &name));
    CHECK(text_equal(name, TEXT("Grüße.txt")));
    CHECK(!path_next(&rest, &name));
}

TEST(names_that_only_contain_dots_among_other_things_are_ordinary)
{
    CHECK_STATUS(OK, path_check(TEXT("...")));
    CHECK_STATUS(OK, path_check(TEXT(".hidden/..data")));
}

TEST(a_path_that_tries_to_leave_its_directory_is_denied)
{
    CHECK_STATUS(PERMISSION_DENIED, path_check(TEXT("/")));
    CHECK_STATUS(PERMISSION_DENIED, path_check(TEXT("/boot")));
    CHECK_STATUS(PERMISSION_DENIED, path_check(TEXT("..")));
    CHECK_STATUS(PERMISSION_DENIED, path_check(TEXT("a/../b")));
    CHECK_STATUS(PERMISSION_DENIED, path_check(TEXT("a/..")));
}

TEST(a_path_with_a_name_that_is_none_is_invalid)
{
    CHECK_STATUS(INVALID_ARGUMENT, path_check((text){nullptr, 0}));
    CHECK_STATUS(INVALID_ARGUMENT, path_check(TEXT(".")));
    CHECK_STATUS(INVALID_ARGUMENT, path_check(TEXT("a/./b")));
    CHECK_STATUS(INVALID_ARGUMENT, path_check(TEXT("a//b")));
    CHECK_STATUS(INVALID_ARGUMENT, path_check(TEXT("a/")));
    CHECK_STATUS(INVALID_ARGUMENT, path_check((text){"a\0b", 3}));
    CHECK_STATUS(INVALID_ARGUMENT, path_check(TEXT("a\xff")));
}

TEST(lengths_are_bounded_to_the_byte)
{
    static char bytes[ABI_PATH_BYTES_MAX + 1];
    memset(bytes, 'x', sizeof(bytes));
    CHECK_STATUS(OK, path_check((text){bytes, ABI_NAME_BYTES_MAX}));
    CHECK_STATUS(INVALID_ARGUMENT, path_check((text){bytes, ABI_NAME_BYTES_MAX + 1}));
    for (size_t i = 1; i < sizeof(bytes); i += 2)
        bytes[i] = '/';
    CHECK_STATUS(OK, path_check((text){bytes, ABI_PATH_BYTES_MAX - 1}));
    CHECK_STATUS(INVALID_ARGUMENT, path_check((text){bytes, ABI_PATH_BYTES_MAX + 1}));
}
