/*
 * Runs every program in /boot/test, one after the other, and counts what the machine holds before
 * and after: a test that leaves something behind fails the run.
 */
#include "peal/bytes.h"
#include "peal/clock.h"
#include "peal/file.h"
#include "peal/output.h"
#include "peal/process.h"
#include "peal/program.h"
#include "peal/system.h"
#include "peal/usage.h"

static const char usage[] =
    "testrunner [name]...\n"
    "Runs the tests in /boot/test, all of them or those named, and prints\n"
    "    tests: N passed, N failed\n"
    "Processes, threads, handles, objects and memory are compared before and after.\n";

#define TESTS_MAX         128u
#define TEST_LIMIT_MS     300'000u /* a hang detector, not an expectation */
#define SHORTAGE_LIMIT_MS 30'000u  /* a test made to fail may wait for what will not come */
#define SETTLE_LIMIT_MS   3'000u
#define CODE_SKIPPED      77u
/* What allocators keep per processor, and volumes of their tables and directories. */
#define MEMORY_SLACK_BYTES (2u << 20)

struct names {
    uint32_t count;
    text items[TESTS_MAX];
    size_t used_bytes;
    char bytes[TESTS_MAX * 64];
};

static struct names tests;
static uint32_t passed_count, failed_count;

static status collect(directory_ref folder)
{
    struct listing listing = {.raw = folder.raw};
    const struct abi_directory_entry *entry;
    while ((entry = peal_list_directory(&listing)) != nullptr) {
        text name = directory_entry_name(entry);
        if (tests.count == TESTS_MAX || name.length > sizeof(tests.bytes) - tests.used_bytes)
            return FAIL(OUT_OF_RANGE);
        char *copy = tests.bytes + tests.used_bytes;
        memcpy(copy, name.bytes, name.length);
        tests.used_bytes += name.length;
        tests.items[tests.count++] = (text){copy, name.length};
    }
    return listing.status;
}

static status start(directory_ref folder, text name, process_handle *out_process)
{
    file_result opened = peal_file_open(folder, name, RIGHTS_EXECUTE);
    TRY(opened.status);
    OWNED(file_handle) file = TAKE(opened.value);
    process_result started = peal_process_spawn_heir(file_borrow(&file), name);
    TRY(started.status);
    *out_process = TAKE(started.value);
    return OK;
}

/* The kernel's option to let allocations fail is part of the environment. */
static bool is_made_to_fail(void)
{
    text rate;
    return peal_environment_get(TEXT("fail_one_in"), &rate);
}

static uint64_t test_deadline(void)
{
    return peal_deadline_in_ms(is_made_to_fail() ? SHORTAGE_LIMIT_MS : TEST_LIMIT_MS);
}

static status run(directory_ref folder, text name, struct abi_exit *out_exit)
{
    OWNED(process_handle) process = {0};
    TRY(start(folder, name, &process));
    status waited = peal_process_wait(process_borrow(&process), test_deadline(), out_exit);
    if (waited.code == STATUS_TIMED_OUT)
        ignore_status(peal_process_kill(process_borrow(&process), 1)); /* it may have ended now */
    return waited;
}

static void report(text name, status ran, const struct abi_exit *how)
{
    char bytes[256];
    struct writer words = WRITER(bytes);
    if (is_ok(ran))
        peal_format_exit(&words, how);
    else
        writer_write(&words, peal_status_meaning(ran));
    bool passed = words.length == 0 && (how->code == 0 || how->code == CODE_SKIPPED);
    if (words.length == 0 && !passed) writer_format(&words, "exit code %u", how->code);
    if (passed) {
        passed_count++;
        peal_print("program: %s %.*s\n", how->code == 0 ? "ok" : "skip", TEXT_ARGUMENTS(name));
    } else {
        failed_count++;
        peal_print("program: FAIL %.*s: %.*s\n", TEXT_ARGUMENTS(name),
                   TEXT_ARGUMENTS(writer_text(&words)));
    }
    peal_flush();
}

static bool is_selected(text name, struct peal_arguments arguments)
{
    bool selected = arguments.count <= 1;
    for (uint32_t i = 1; i < arguments.count; i++)
        selected = selected || peal_text_equal(name, peal_argument(arguments, i));
    return selected;
}

static struct abi_stat_system snapshot(void)
{
    struct abi_stat stat;
    if (!is_ok(system_stat(peal_granted_system(TEXT("system")), &stat)))
        return (struct abi_stat_system){0};
    return stat.system;
}

static uint64_t memory_held(const struct abi_stat_system *system)
{
    return system->memory_total_bytes - system->memory_free_bytes - system->memory_cache_bytes;
}

static bool is_settled(const struct abi_stat_system *before, const struct abi_stat_system *now)
{
    return now->process_count <= before->process_count &&
           now->thread_count <= before->thread_count && now->handle_count <= before->handle_count &&
           now->object_count <= before->object_count &&
           memory_held(now) <= memory_held(before) + MEMORY_SLACK_BYTES;
}

/* What ended programs held is given back a moment after their end. */
static struct abi_stat_system snapshot_settled(const struct abi_stat_system *before)
{
    uint64_t limit_ns = peal_deadline_in_ms(SETTLE_LIMIT_MS);
    struct abi_stat_system now = snapshot();
    while (!is_settled(before, &now) && peal_clock_now_ns() < limit_ns) {
        ignore_status(peal_sleep_until(peal_deadline_in_ms(20))); /* shorter does no harm */
        now = snapshot();
    }
    return now;
}

static void compare(const struct abi_stat_system *before, const struct abi_stat_system *after)
{
    bool settled = is_settled(before, after);
    peal_print(
        "leaks: %s: processes %u -> %u, threads %u -> %u, handles %u -> %u, objects %u -> %u, "
        "memory %lu -> %lu KiB\n",
        settled ? "none" : "FAIL", before->process_count, after->process_count,
        before->thread_count, after->thread_count, before->handle_count, after->handle_count,
        before->object_count, after->object_count, memory_held(before) / 1024,
        memory_held(after) / 1024);
    if (!settled) failed_count++;
}

/* Starts a program and ends it at once: its image is in the kernel's cache afterwards, and stays.
 */
static status warm_up(directory_ref folder, text name)
{
    OWNED(process_handle) process = {0};
    struct abi_exit how;
    TRY(start(folder, name, &process));
    TRY(peal_process_kill(process_borrow(&process), 0));
    return peal_process_wait(process_borrow(&process), ABI_DEADLINE_NEVER, &how);
}

static status end_process(uint64_t id)
{
    process_result opened = peal_process_open(peal_granted_system(TEXT("system")), id,
                                              ABI_RIGHT_KILL | ABI_RIGHT_WAIT | ABI_RIGHT_CLOSE);
    TRY(opened.status);
    OWNED(process_handle) process = TAKE(opened.value);
    struct abi_exit how;
    TRY(peal_process_kill(process_borrow(&process), 1));
    return peal_process_wait(process_borrow(&process), test_deadline(), &how);
}

/*
 * A test that itself died of an allocation failing on purpose could not end the programs it had
 * started. Anywhere else, one that leaves programs behind is a failure that the count shows.
 */
static void end_orphans_of_shortage(void)
{
    if (!is_made_to_fail()) return;
    struct listing listing = {.raw = peal_granted_system(TEXT("system")).raw};
    const struct abi_process_entry *entry;
    while ((entry = peal_list_processes(&listing)) != nullptr)
        if (entry->process.id > peal_startup()->process_id)
            ignore_status(end_process(entry->process.id)); /* it may have ended by itself */
}

static status run_all(struct peal_arguments arguments)
{
    directory_result opened =
        peal_directory_open(peal_granted_directory(TEXT("root")), TEXT("boot/test"), RIGHTS_FOLDER);
    TRY(opened.status);
    OWNED(directory_handle) folder = TAKE(opened.value);
    TRY(collect(directory_borrow(&folder)));
    for (uint32_t i = 0; i < tests.count; i++)
        if (is_selected(tests.items[i], arguments))
            ignore_status(
                warm_up(directory_borrow(&folder), tests.items[i])); /* told when it runs */

    struct abi_stat_system before = snapshot();
    for (uint32_t i = 0; i < tests.count; i++) {
        if (!is_selected(tests.items[i], arguments)) continue;
        struct abi_exit how = {0};
        status ran = run(directory_borrow(&folder), tests.items[i], &how);
        report(tests.items[i], ran, &how);
        end_orphans_of_shortage();
    }
    struct abi_stat_system after = snapshot_settled(&before);
    compare(&before, &after);
    return OK;
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    status ran = run_all(arguments);
    if (!is_ok(ran)) {
        peal_error_status(TEXT("/boot/test"), ran);
        failed_count++;
    }
    peal_print("tests: %u passed, %u failed\n", passed_count, failed_count);
    return failed_count == 0 ? 0 : EXIT_CODE_FAILED;
}
