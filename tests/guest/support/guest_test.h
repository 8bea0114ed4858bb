/*
 * Tests that run as programs inside Peal.
 *
 *     GUEST_TEST(a_closed_handle_is_refused)
 *     {
 *         EXPECT(is_ok(made.status));
 *         EXPECT_EQUAL(7, value);
 *         EXPECT_STATUS(INVALID_CAPABILITY, peal_raw_stat(stale, &stat));
 *     }
 *
 * Each test gives one line, "test: ok NAME", "test: skip NAME: why" or "test: FAIL NAME: why", and
 * the program ends with "test: PROGRAM: N ok, N failed, N skipped" and exit code 0, or 1 when one
 * failed. Arguments select the tests whose names contain one of them.
 *
 * Every test is followed by a count of the handles of its process, when "system" was granted: one
 * left open fails it. What a program may keep is made in GUEST_TEST_SETUP, which runs once before
 * all.
 *
 * Context: expectations may stand in any function that a test calls, on the program's first thread.
 * The first one that fails is reported; the test goes on, so that it can clean up.
 */
#pragma once
#include "peal/output.h"
#include "peal/program.h"

struct guest_test {
    const char *name;
    void (*run)(void);
};

#define GUEST_TEST(sentence)                                                                 \
    static void guest_test_##sentence(void);                                                 \
    [[gnu::used, gnu::retain,                                                                \
      gnu::section("guest_tests")]] static struct guest_test guest_test_entry_##sentence = { \
        .name = #sentence, .run = guest_test_##sentence};                                    \
    static void guest_test_##sentence(void)

#define GUEST_TEST_SETUP void guest_test_setup(void)
void guest_test_setup(void);
/*
 * For GUEST_TEST_SETUP, behind what children play: the tests start programs or look at the machine.
 * Ends the program, saying so, when it was not granted what the test runner grants, as when it was
 * started at the prompt by its path.
 */
void guest_test_need_grants(void);

#define EXPECT(condition)                                                             \
    do {                                                                              \
        if (!(condition)) guest_test_fail(__FILE__, __LINE__, "not: %s", #condition); \
    } while (0)
#define EXPECT_MESSAGE(condition, ...)                                      \
    do {                                                                    \
        if (!(condition)) guest_test_fail(__FILE__, __LINE__, __VA_ARGS__); \
    } while (0)
/* Integers, enums, bools and pointers; compared as 64 bits. */
#define EXPECT_EQUAL(expected, actual) \
    guest_test_expect_equal(__FILE__, __LINE__, #actual, (uint64_t)(expected), (uint64_t)(actual))
/* EXPECT_STATUS(NOT_FOUND, a_call()): the status is the one of status.def with that name. */
#define EXPECT_STATUS(name, expression) \
    guest_test_expect_status(__FILE__, __LINE__, #expression, (status){STATUS_##name}, (expression))
/* What the rest of the test stands on: leaves the calling function, which returns nothing. */
#define REQUIRE(condition)                                              \
    do {                                                                \
        if (!(condition)) {                                             \
            guest_test_fail(__FILE__, __LINE__, "not: %s", #condition); \
            return;                                                     \
        }                                                               \
    } while (0)

void guest_test_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void guest_test_expect_equal(const char *file, int line, const char *what, uint64_t expected,
                             uint64_t actual);
void guest_test_expect_status(const char *file, int line, const char *what, status expected,
                              status actual);
/* Marks the running test as skipped; the reason appears in its line. Return afterwards. */
void guest_test_skip(const char *reason);
/* A line for people: "test: note ...". */
void guest_test_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* True once an expectation of the running test has failed. */
bool guest_test_has_failed(void);
