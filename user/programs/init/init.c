/*
 * The first program. It holds everything, starts the shell, and starts it again when it ends. With
 * the variable run=NAME it runs that program of /boot/bin instead, with all it holds, and switches
 * the machine off; run=tests means the test runner.
 */
#include "peal/clock.h"
#include "peal/output.h"
#include "peal/process.h"
#include "peal/program.h"
#include "peal/system.h"

#define NS_PER_SECOND     1'000'000'000ull
#define BACK_OFF_FIRST_MS 100u
#define BACK_OFF_LAST_MS  5000u

struct granted {
    console_ref console;
    directory_ref root;
    system_ref system;
};

/* Runs a program that is handed all that init has, and waits for its end. */
static status run(const struct granted *granted, text path, text name, struct abi_exit *out_exit)
{
    file_result opened = peal_file_open(granted->root, path, RIGHTS_EXECUTE);
    TRY(opened.status);
    OWNED(file_handle) file = TAKE(opened.value);
    process_result started = peal_process_spawn_heir(file_borrow(&file), name);
    TRY(started.status);
    OWNED(process_handle) process = TAKE(started.value);
    return peal_process_wait(process_borrow(&process), ABI_DEADLINE_NEVER, out_exit);
}

/* The machine has nothing to do any more. */
[[noreturn]] static void stop(const struct granted *granted, int code)
{
    peal_flush();
    peal_error_status(TEXT("power-off"), peal_system_power(granted->system, ABI_POWER_OFF));
    peal_exit(code);
}

/* What a script looks for when the test runner could not say how the tests went. */
static void tell_lost_tests(text name)
{
    if (peal_text_equal(name, TEXT("testrunner"))) peal_print("tests: 0 passed, 1 failed\n");
}

[[noreturn]] static void run_and_stop(const struct granted *granted, text name)
{
    char path_bytes[ABI_NAME_BYTES_MAX + 16];
    struct writer path = WRITER(path_bytes);
    writer_format(&path, "boot/bin/%.*s", TEXT_ARGUMENTS(name));
    struct abi_exit how = {0};
    status ran = run(granted, writer_text(&path), name, &how);
    if (!is_ok(ran)) {
        peal_error_status(writer_text(&path), ran);
        tell_lost_tests(name);
        stop(granted, 1);
    }
    char bytes[256];
    struct writer words = WRITER(bytes);
    peal_format_exit(&words, &how);
    if (words.length > 0) {
        peal_print("%.*s died: %.*s\n", TEXT_ARGUMENTS(name), TEXT_ARGUMENTS(writer_text(&words)));
        tell_lost_tests(name);
    }
    stop(granted, (int)how.code);
}

static void tell_end(status ran, const struct abi_exit *how)
{
    char bytes[256];
    struct writer words = WRITER(bytes);
    if (!is_ok(ran)) {
        peal_error_status(TEXT("boot/bin/shell"), ran);
        return;
    }
    peal_format_exit(&words, how);
    if (words.length > 0)
        peal_print("\nThe shell died: %.*s. Here is another one.\n",
                   TEXT_ARGUMENTS(writer_text(&words)));
    else
        peal_print("The shell ended with code %u. Here is another one.\n", how->code);
    peal_flush();
}

/* A shell that dies at once is started less and less often. */
[[noreturn]] static void keep_shell(const struct granted *granted)
{
    uint64_t back_off_ms = BACK_OFF_FIRST_MS;
    for (;;) {
        struct abi_exit how = {0};
        uint64_t started_ns = peal_clock_now_ns();
        status ran = run(granted, TEXT("boot/bin/shell"), TEXT("shell"), &how);
        tell_end(ran, &how);
        if (peal_clock_now_ns() - started_ns > NS_PER_SECOND) {
            back_off_ms = BACK_OFF_FIRST_MS;
            continue;
        }
        ignore_status(peal_sleep_until(peal_deadline_in_ms(back_off_ms))); /* then a bit earlier */
        back_off_ms = back_off_ms * 2 < BACK_OFF_LAST_MS ? back_off_ms * 2 : BACK_OFF_LAST_MS;
    }
}

static void welcome(const struct granted *granted)
{
    struct abi_stat stat;
    if (!is_ok(system_stat(granted->system, &stat))) return;
    char memory_bytes[16];
    struct writer memory = WRITER(memory_bytes);
    text version = peal_text_from_field(stat.system.version, sizeof(stat.system.version));
    peal_format_bytes(&memory, stat.system.memory_total_bytes);
    peal_print("\n%.*s: %u processor%s, %.*s of memory. Type `help`.\n\n", TEXT_ARGUMENTS(version),
               stat.system.cpu_count, stat.system.cpu_count == 1 ? "" : "s",
               TEXT_ARGUMENTS(writer_text(&memory)));
    peal_flush();
}

int peal_main(struct peal_arguments)
{
    struct granted granted = {
        .console = peal_granted_console(TEXT("console")),
        .root = peal_granted_directory(TEXT("root")),
        .system = peal_granted_system(TEXT("system")),
    };
    text mode = TEXT("");
    peal_environment_get(TEXT("run"), &mode);
    if (peal_text_equal(mode, TEXT("tests"))) mode = TEXT("testrunner");
    if (mode.length > 0) run_and_stop(&granted, mode);
    welcome(&granted);
    keep_shell(&granted);
}
