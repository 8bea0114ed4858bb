#include "peal/path.h"
#include "support/test.h"

static void check_resolve(text current, text path, text expected)
{
    char bytes[PATH_BYTES_MAX];
    text actual;
    CHECK(path_resolve(current, path, bytes, &actual));
    CHECK_EQUAL(expected.length, actual.length);
    CHECK_BYTES(expected.bytes, actual.bytes, expected.length);
}

TEST(paths_resolve_as_people_mean_them)
{
    check_resolve(TEXT("/"), TEXT("a"), TEXT("/a"));
    check_resolve(TEXT("/a/b"), TEXT("c"), TEXT("/a/b/c"));
    check_resolve(TEXT("/a/b"), TEXT("/c"), TEXT("/c"));
    check_resolve(TEXT("/a/b"), TEXT(".."), TEXT("/a"));
    check_resolve(TEXT("/a/b"), TEXT("../../c"), TEXT("/c"));
    check_resolve(TEXT("/a"), TEXT("./x//y/"), TEXT("/a/x/y"));
    check_resolve(TEXT("/a"), TEXT(""), TEXT("/a"));
    check_resolve(TEXT("/a"), TEXT("..."), TEXT("/a/..."));
}

TEST(nobody_gets_above_the_root)
{
    check_resolve(TEXT("/"), TEXT(".."), TEXT("/"));
    check_resolve(TEXT("/a"), TEXT("../../../.."), TEXT("/"));
    check_resolve(TEXT("/a"), TEXT("/../b"), TEXT("/b"));
}

TEST(a_path_that_is_too_long_is_refused)
{
    static char names[PATH_BYTES_MAX + 2];
    char bytes[PATH_BYTES_MAX];
    text resolved;
    for (size_t i = 0; i < sizeof(names); i++)
        names[i] = 'x';
    CHECK(path_resolve(TEXT("/"), (text){names, PATH_BYTES_MAX - 1}, bytes, &resolved));
    CHECK_EQUAL(PATH_BYTES_MAX, resolved.length);
    CHECK(!path_resolve(TEXT("/"), (text){names, PATH_BYTES_MAX}, bytes, &resolved));
}

TEST(plain_paths_are_what_a_directory_takes)
{
    CHECK(path_is_plain(TEXT("a/b")));
    CHECK(path_is_plain(TEXT("..a")));
    CHECK(!path_is_plain(TEXT("")));
    CHECK(!path_is_plain(TEXT("/a")));
    CHECK(!path_is_plain(TEXT("a/../b")));
    CHECK(!path_is_plain(TEXT("./a")));
    CHECK(!path_is_plain(TEXT("a//b")));
    CHECK(!path_is_plain(TEXT("a/")));
}

TEST(the_last_name_is_behind_the_last_slash)
{
    CHECK(peal_text_equal(path_last_name(TEXT("/a/b")), TEXT("b")));
    CHECK(peal_text_equal(path_last_name(TEXT("b")), TEXT("b")));
    CHECK(peal_text_equal(path_last_name(TEXT("/a/b/")), TEXT("b/")) == false);
    CHECK(peal_text_equal(path_last_name(TEXT("/")), TEXT("")));
}
