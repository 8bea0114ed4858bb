/*
 * The unit test runner: registry, checks and main().
 *
 * A failed check leaves its test with longjmp. What that test had allocated is then lost, so leaks
 * are only worth reading in a run in which every check held.
 */
#include "support/test.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum outcome { OUTCOME_PASSED, OUTCOME_FAILED, OUTCOME_SKIPPED };

/* What a child that should have stopped says instead: not a status a signal or sanitizer gives. */
static constexpr int EXIT_SURVIVED = 93;

static struct test *first;
static struct test **end = &first;
static struct test *running;
static jmp_buf leave;

static bool is_child; /* of test_child_begin(): a check that fails ends it */
static pid_t child;
static int child_output;

void test_register(struct test *test)
{
    *end = test;
    end = &test->next;
}

void test_fail(const char *file, int line, const char *format, ...)
{
    printf("%s:%d: %s: ", file, line, running ? running->name : "outside any test");
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    fflush(stdout);
    if (!running || is_child) abort();
    longjmp(leave, OUTCOME_FAILED);
}

void test_skip(const char *reason)
{
    printf("skipped: %s: %s\n", running->name, reason);
    longjmp(leave, OUTCOME_SKIPPED);
}

void test_check_equal(const char *file, int line, const char *what, uint64_t expected,
                      uint64_t actual)
{
    if (expected == actual) return;
    test_fail(file, line, "%s is %lld (%#llx), not %lld (%#llx)", what, (long long)actual,
              (unsigned long long)actual, (long long)expected, (unsigned long long)expected);
}

void test_check_bytes(const char *file, int line, const char *what, const void *expected,
                      const void *actual, size_t length_bytes)
{
    const uint8_t *want = expected;
    const uint8_t *have = actual;
    for (size_t i = 0; i < length_bytes; i++) {
        if (want[i] != have[i])
            test_fail(file, line, "%s: byte %zu is %#x, not %#x", what, i, have[i], want[i]);
    }
}

static const char *status_name(enum status_code code)
{
    switch (code) {
#define STATUS(name, number, meaning) \
    case STATUS_##name:               \
        return #name;
#include <abi/status.def>
#undef STATUS
    }
    return "no status at all";
}

void test_check_status(const char *file, int line, const char *what, enum status_code expected,
                       enum status_code actual)
{
    if (expected == actual) return;
    test_fail(file, line, "%s is %s, not %s", what, status_name(actual), status_name(expected));
}

bool test_child_begin(void)
{
    int ends[2];
    fflush(stdout);
    if (pipe(ends) != 0) test_fail(__FILE__, __LINE__, "no pipe");
    child = fork();
    if (child < 0) test_fail(__FILE__, __LINE__, "no fork");
    close(ends[child == 0 ? 0 : 1]);
    if (child == 0) {
        is_child = true;
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        return true;
    }
    child_output = ends[0];
    return false;
}

void test_child_survived(void)
{
    _exit(EXIT_SURVIVED);
}

void test_child_check(const char *file, int line, const char *what, const char *text)
{
    static char output[16384];
    size_t length = 0;
    char overflow[512];
    for (;;) { /* to the end, or the child could block on a full pipe */
        bool full = length == sizeof(output) - 1;
        ssize_t got = full ? read(child_output, overflow, sizeof(overflow))
                           : read(child_output, output + length, sizeof(output) - 1 - length);
        if (got <= 0) break;
        if (!full) length += (size_t)got;
    }
    output[length] = 0;
    close(child_output);
    int state = 0;
    waitpid(child, &state, 0);

    if (WIFEXITED(state) && WEXITSTATUS(state) == EXIT_SURVIVED)
        test_fail(file, line, "%s went through instead of stopping", what);
    if (WIFEXITED(state) && WEXITSTATUS(state) == 0)
        test_fail(file, line, "%s ended the process in peace", what);
    if (!strstr(output, text))
        test_fail(file, line, "%s stopped without saying '%s', but: %s", what, text, output);
}

static bool is_wanted(const struct test *test, int count, char **words)
{
    for (int i = 1; i < count; i++) {
        if (strstr(test->name, words[i])) return true;
    }
    return count == 1;
}

static enum outcome run(struct test *test)
{
    test_allocations_begin();
    running = test;
    int outcome = setjmp(leave);
    if (outcome == OUTCOME_PASSED) test->run();
    running = nullptr;
    return (enum outcome)outcome;
}

int main(int count, char **words)
{
    int totals[3] = {0};
    for (struct test *test = first; test; test = test->next) {
        if (is_wanted(test, count, words)) totals[run(test)]++;
    }
    printf("%d passed, %d failed, %d skipped\n", totals[OUTCOME_PASSED], totals[OUTCOME_FAILED],
           totals[OUTCOME_SKIPPED]);
    if (totals[OUTCOME_FAILED] == 0) return 0;
    fflush(stdout);
    _exit(1); /* past the search for leaks, which would report what failed tests left behind */
}
