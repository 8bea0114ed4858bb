/*
 * Unit tests that run as an ordinary process, under AddressSanitizer and UBSan.
 *
 *     TEST(a_closed_handle_never_names_its_successor)
 *     {
 *         CHECK_EQUAL(0, table.live);
 *     }
 *
 * A TEST registers itself; main() is in test.c and runs every test of the binary, or those whose
 * name contains one of its arguments. The first check that fails ends its test, not the others.
 *
 * Context: checks may stand in any function that a test calls, on the test's own thread.
 */
#pragma once
#ifdef PEAL_USER_TEST
#include "peal/status.h" /* the native library's copy: the same type, in programs' headers */
#else
#include "base/status.h"
#endif
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct test {
    const char *name;
    void (*run)(void);
    struct test *next;
};

void test_register(struct test *test);

#define TEST(sentence)                                                         \
    static void test_##sentence(void);                                         \
    [[gnu::constructor]] static void register_##sentence(void)                 \
    {                                                                          \
        static struct test test = {.name = #sentence, .run = test_##sentence}; \
        test_register(&test);                                                  \
    }                                                                          \
    static void test_##sentence(void)

/* Fails the running test with a printf-like explanation. */
[[noreturn, gnu::format(printf, 3, 4)]] void test_fail(const char *file, int line,
                                                       const char *format, ...);

/* Ends the running test as skipped; the reason appears in the summary. */
[[noreturn]] void test_skip(const char *reason);

#define CHECK(condition)                                                        \
    do {                                                                        \
        if (!(condition)) test_fail(__FILE__, __LINE__, "not: %s", #condition); \
    } while (0)

/* Integers, enums, bools and pointers; compared as 64 bits. */
#define CHECK_EQUAL(expected, actual) \
    test_check_equal(__FILE__, __LINE__, #actual, (uint64_t)(expected), (uint64_t)(actual))
void test_check_equal(const char *file, int line, const char *what, uint64_t expected,
                      uint64_t actual);

#define CHECK_BYTES(expected, actual, length_bytes) \
    test_check_bytes(__FILE__, __LINE__, #actual, (expected), (actual), (length_bytes))
void test_check_bytes(const char *file, int line, const char *what, const void *expected,
                      const void *actual, size_t length_bytes);

/* CHECK_STATUS(NOT_FOUND, file_open(...)): the status is the one of status.def with that name. */
#define CHECK_STATUS(name, status) \
    test_check_status(__FILE__, __LINE__, #status, STATUS_##name, (status).code)
void test_check_status(const char *file, int line, const char *what, enum status_code expected,
                       enum status_code actual);

/*
 * Runs its body again and again: first with the first allocation failing, then with the second, and
 * so on until a run in which none failed. The body must not leave the loop itself.
 */
#define FOR_EACH_FAILING_ALLOCATION for (test_allocations_begin(); test_allocations_next();)
void test_allocations_begin(void);
bool test_allocations_next(void);

/*
 * Called by every allocator before it allocates: false means that this allocation is to fail.
 * Counts only inside FOR_EACH_FAILING_ALLOCATION, and may be called from any thread.
 */
bool test_allocation_may_proceed(void);

/*
 * CHECK_STOPS("twice", frame_pool_give(...)): the statement must stop the process, as ASSERT and
 * panic do, and what it prints must contain the text. It runs in a child: nothing it does is seen.
 */
#define CHECK_STOPS(text, statement)                              \
    do {                                                          \
        if (test_child_begin()) {                                 \
            statement;                                            \
            test_child_survived();                                \
        }                                                         \
        test_child_check(__FILE__, __LINE__, #statement, (text)); \
    } while (0)
bool test_child_begin(void); /* true in the child, whose output goes to the parent */
[[noreturn]] void test_child_survived(void);
void test_child_check(const char *file, int line, const char *what, const char *text);
