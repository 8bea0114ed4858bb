/*
 * What a program asks of the kernel, as it asks.
 *
 * The kernel's flight recorders are read again and again: a round takes all there is and prints
 * what no round before has seen. A ring keeps the last sixty records or so; what a program does
 * faster than that between two rounds is missed, and said to be.
 */
#include "follow.h"
#include "peal/clock.h"
#include "peal/file.h"
#include "peal/output.h"
#include "peal/path.h"
#include "peal/process.h"
#include "peal/system.h"
#include "peal/usage.h"

static const char usage[] =
    "trace [-c] number | command [argument]...\n"
    "Follows a running program, by its number, until it ends, or runs a command, and prints\n"
    "each operation: when it ended, its thread, what was asked for, what came of it. A program\n"
    "that died can be looked at as long as somebody holds a handle to it.\n"
    "  -c   only a summary at the end: how often each operation, how many failed\n"
    "Operations that do nothing (nop) are not recorded, and a program that is faster than this\n"
    "one is not seen completely: \"not seen\" counts both.\n";

#define ROUND_MS         2u
#define CODE_NOT_STARTED 126u
#define CODE_NOT_FOUND   127u

static bool is_ended(process_ref process)
{
    struct abi_stat stat;
    return !is_ok(process_stat(process, &stat)) || stat.process.state == ABI_PROCESS_ENDED;
}

/* Rounds until the process has ended, and one more. */
static status follow(process_ref process, struct follower *follower)
{
    for (;;) {
        bool was_last = is_ended(process);
        TRY(follower_round(follower, process));
        if (was_last) break;
        TRY(peal_sleep_until(peal_deadline_in_ms(ROUND_MS)));
    }
    follower_end(follower);
    return OK;
}

/* ---- a program that runs ---- */

static int trace_number(uint64_t id, struct follower *follower)
{
    process_result opened =
        peal_process_open(peal_granted_system(TEXT("system")), id,
                          ABI_RIGHT_ENUMERATE | ABI_RIGHT_STAT | ABI_RIGHT_CLOSE);
    status outcome = opened.status;
    if (is_ok(outcome)) {
        OWNED(process_handle) process = TAKE(opened.value);
        outcome = follow(process_borrow(&process), follower);
    }
    if (is_ok(outcome)) return 0;
    peal_error_status(TEXT("the process"), outcome);
    return EXIT_CODE_FAILED;
}

/* ---- a command ---- */

/* A name without '/' is looked for in the directories of PATH. */
static file_result find_program(text name)
{
    if (peal_text_find(name, '/', 0) < name.length)
        return peal_path_open_file(name, RIGHTS_EXECUTE);
    file_result found = {.status = FAIL(NOT_FOUND)};
    text folders = TEXT("");
    peal_environment_get(TEXT("PATH"), &folders);
    while (folders.length > 0 && found.status.code == STATUS_NOT_FOUND) {
        char bytes[PATH_BYTES_MAX];
        text path, folder = peal_text_split(&folders, ':');
        if (path_resolve(folder, name, bytes, &path))
            found = peal_path_open_file(path, RIGHTS_EXECUTE);
    }
    return found;
}

#define GRANTS_MAX    16u
#define ARGUMENTS_MAX 256u
#define VARIABLES_MAX 256u

/* With all that was granted here and may be handed on, as it is. */
static process_result start(file_ref file, const text *words, uint32_t count)
{
    static struct peal_grant grants[GRANTS_MAX];
    static text variables[VARIABLES_MAX];
    struct peal_spawn spawn = {.name = path_last_name(words[0]),
                               .arguments = words,
                               .arguments_count = count,
                               .environment = variables,
                               .grants = grants};
    for (uint32_t i = 0; i < peal_granted_count() && spawn.grants_count < GRANTS_MAX; i++) {
        const struct abi_startup_handle *granted = peal_granted_at(i);
        if ((granted->rights & ABI_RIGHT_DUP) == 0) continue;
        grants[spawn.grants_count++] =
            (struct peal_grant){.name = peal_text_from_field(granted->name, sizeof(granted->name)),
                                .raw = granted->handle,
                                .rights = ABI_RIGHTS_ALL};
    }
    for (; spawn.environment_count < VARIABLES_MAX &&
           spawn.environment_count < peal_environment_count();
         spawn.environment_count++)
        variables[spawn.environment_count] = peal_environment_at(spawn.environment_count);
    return peal_process_spawn(file, &spawn);
}

static status tell_end(process_ref process, uint32_t *out_code)
{
    struct abi_exit how;
    TRY(peal_process_wait(process, ABI_DEADLINE_NEVER, &how));
    char bytes[256];
    struct writer words = WRITER(bytes);
    peal_format_exit(&words, &how);
    if (words.length > 0)
        peal_print("--- it died: %.*s\n", TEXT_ARGUMENTS(writer_text(&words)));
    else
        peal_print("--- it ended with code %u\n", how.code);
    *out_code = how.code;
    return OK;
}

static int trace_command(const text *words, uint32_t count, struct follower *follower)
{
    file_result found = find_program(words[0]);
    if (!is_ok(found.status)) {
        peal_error_status(words[0], found.status);
        return CODE_NOT_FOUND;
    }
    OWNED(file_handle) file = TAKE(found.value);
    follower->has_begun = true; /* it has no past */
    process_result started = start(file_borrow(&file), words, count);
    if (!is_ok(started.status)) {
        peal_error_status(words[0], started.status);
        return CODE_NOT_STARTED;
    }
    OWNED(process_handle) process = TAKE(started.value);
    status outcome = follow(process_borrow(&process), follower);
    uint32_t code = EXIT_CODE_FAILED;
    if (is_ok(outcome)) outcome = tell_end(process_borrow(&process), &code);
    if (!is_ok(outcome)) peal_error_status(words[0], outcome);
    return (int)code;
}

static bool is_on_console(void)
{
    const struct abi_startup_handle *output = peal_granted(TEXT("stdout"));
    return output != nullptr && output->kind == ABI_KIND_CONSOLE;
}

int peal_main(struct peal_arguments arguments)
{
    static struct follower follower;
    static text words[ARGUMENTS_MAX];
    if (peal_wants_help(arguments, usage)) return 0;
    uint32_t first = 1;
    if (peal_text_equal(peal_argument(arguments, 1), TEXT("-c"))) {
        follower.is_summary = true;
        first = 2;
    }
    if (arguments.count <= first)
        return peal_usage_error("the number of a process or a command is needed");
    if (arguments.count - first > ARGUMENTS_MAX) return peal_usage_error("too many arguments");
    follower.has_colours = is_on_console();
    uint64_t id;
    if (peal_text_to_number(peal_argument(arguments, first), &id) && arguments.count == first + 1)
        return trace_number(id, &follower);
    for (uint32_t i = first; i < arguments.count; i++)
        words[i - first] = peal_argument(arguments, i);
    return trace_command(words, arguments.count - first, &follower);
}
