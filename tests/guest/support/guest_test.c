#include "support/guest_test.h"
#include "peal/path.h"
#include "peal/system.h"

#define REASON_BYTES 256u

extern struct guest_test guest_tests_first[] __asm__("__start_guest_tests")
    __attribute__((visibility("hidden")));
extern struct guest_test guest_tests_end[] __asm__("__stop_guest_tests")
    __attribute__((visibility("hidden")));

static text program; /* its name */
static bool has_failed;
static const char *skip_reason;
static char failure_bytes[REASON_BYTES];
static struct writer failure;
static uint32_t passed_count, failed_count, skipped_count;

[[gnu::weak]] void guest_test_setup(void)
{
}

void guest_test_fail(const char *file, int line, const char *format, ...)
{
    if (has_failed) return;
    has_failed = true;
    writer_format(&failure, "%s:%d: ", file, line);
    va_list arguments;
    va_start(arguments, format);
    writer_format_list(&failure, format, arguments);
    va_end(arguments);
}

void guest_test_expect_equal(const char *file, int line, const char *what, uint64_t expected,
                             uint64_t actual)
{
    if (expected != actual)
        guest_test_fail(file, line, "%s is %lu (0x%lx), not %lu (0x%lx)", what, actual, actual,
                        expected, expected);
}

void guest_test_expect_status(const char *file, int line, const char *what, status expected,
                              status actual)
{
    if (expected.code == actual.code) return;
    text was = peal_status_name(actual), wanted = peal_status_name(expected);
    guest_test_fail(file, line, "%s gives %.*s, not %.*s", what, TEXT_ARGUMENTS(was),
                    TEXT_ARGUMENTS(wanted));
}

void guest_test_skip(const char *reason)
{
    skip_reason = reason;
}

void guest_test_note(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    peal_print("test: note ");
    peal_print_list(format, arguments);
    peal_print("\n");
    va_end(arguments);
    peal_flush();
}

bool guest_test_has_failed(void)
{
    return has_failed;
}

/* Handles this process holds, the one used to ask not counted; 0 when it may not ask. */
static uint32_t handles_held(void)
{
    system_ref system = peal_granted_system(TEXT("system"));
    if (system_is_nil(system)) return 0;
    process_result opened =
        peal_process_open(system, peal_startup()->process_id, ABI_RIGHT_STAT | ABI_RIGHT_CLOSE);
    if (!is_ok(opened.status)) return 0;
    OWNED(process_handle) self = TAKE(opened.value);
    struct abi_stat stat;
    if (!is_ok(process_stat(process_borrow(&self), &stat))) return 0;
    return stat.process.handle_count - 1;
}

static void run(const struct guest_test *test)
{
    has_failed = false;
    skip_reason = nullptr;
    failure = WRITER(failure_bytes);
    uint32_t held_before = handles_held();
    test->run();
    uint32_t held_after = handles_held();
    EXPECT_MESSAGE(held_after <= held_before, "%u handles before, %u after", held_before,
                   held_after);

    if (has_failed) {
        failed_count++;
        peal_print("test: FAIL %s: %.*s\n", test->name, TEXT_ARGUMENTS(writer_text(&failure)));
    } else if (skip_reason != nullptr) {
        skipped_count++;
        peal_print("test: skip %s: %s\n", test->name, skip_reason);
    } else {
        passed_count++;
        peal_print("test: ok %s\n", test->name);
    }
    peal_flush();
}

static text text_of_string(const char *string)
{
    size_t length = 0;
    while (string[length] != 0)
        length++;
    return (text){string, length};
}

#define CODE_SKIPPED 77 /* as the test runner knows it */

void guest_test_need_grants(void)
{
    const struct abi_startup_handle *root = peal_granted(TEXT("root"));
    bool may_execute = root != nullptr && (root->rights & ABI_RIGHT_EXECUTE) != 0;
    if (may_execute && peal_granted(TEXT("system")) != nullptr &&
        peal_granted(TEXT("console")) != nullptr)
        return;
    peal_print("test: skip %.*s: it needs handles that the shell grants to the test runner only; "
               "try: testrunner %.*s\n",
               TEXT_ARGUMENTS(program), TEXT_ARGUMENTS(program));
    peal_flush();
    peal_exit(CODE_SKIPPED);
}

static bool contains(text whole, text part)
{
    for (size_t start = 0; start + part.length <= whole.length; start++)
        if (peal_text_equal(peal_text_slice(whole, start, part.length), part)) return true;
    return false;
}

static bool is_selected(const struct guest_test *test, struct peal_arguments arguments)
{
    if (arguments.count <= 1) return true;
    for (uint32_t i = 1; i < arguments.count; i++)
        if (contains(text_of_string(test->name), peal_argument(arguments, i))) return true;
    return false;
}

int peal_main(struct peal_arguments arguments)
{
    program = path_last_name(peal_argument(arguments, 0));
    guest_test_setup();
    for (const struct guest_test *test = guest_tests_first; test < guest_tests_end; test++)
        if (is_selected(test, arguments)) run(test);
    peal_print("test: %.*s: %u ok, %u failed, %u skipped\n", TEXT_ARGUMENTS(program), passed_count,
               failed_count, skipped_count);
    return failed_count == 0 ? 0 : 1;
}
