/* Running a program: finding it, granting, waiting, telling how it ended. */
#include "authority.h"
#include "events.h"
#include "peal/output.h"

#define CODE_NOT_STARTED 126u
#define CODE_NOT_FOUND   127u

/* A name without '/' is looked for in the directories of PATH. */
static file_result find_program(const struct shell *shell, text name)
{
    file_result found = {.status = FAIL(NOT_FOUND)};
    if (peal_text_find(name, '/', 0) < name.length) {
        found.status = status_of_raw(
            shell_raw_open(shell, name, RIGHTS_EXECUTE, ABI_OPEN_MUST_BE_FILE, &found.value.raw));
        return found;
    }
    text folders = TEXT("");
    variables_get(&shell->variables, TEXT("PATH"), &folders);
    while (folders.length > 0) {
        char bytes[PATH_BYTES_MAX];
        text path;
        text folder = peal_text_split(&folders, ':');
        if (!path_resolve(folder, name, bytes, &path)) continue;
        found.status = status_of_raw(
            shell_raw_open(shell, path, RIGHTS_EXECUTE, ABI_OPEN_MUST_BE_FILE, &found.value.raw));
        if (found.status.code != STATUS_NOT_FOUND) return found;
    }
    return found;
}

static void tell_not_found(text name, status why)
{
    if (why.code != STATUS_NOT_FOUND) {
        peal_error_status(name, why);
        return;
    }
    peal_error("%.*s: no such command; `help` lists them", TEXT_ARGUMENTS(name));
}

static void tell_end(text name, const struct abi_exit *how)
{
    char bytes[256];
    struct writer words = WRITER(bytes);
    if (how->reason == ABI_EXIT_REASON_KILLED && how->code == EVENTS_CODE_INTERRUPTED) return;
    peal_format_exit(&words, how);
    if (words.length > 0)
        peal_error("%.*s died: %.*s", TEXT_ARGUMENTS(name), TEXT_ARGUMENTS(writer_text(&words)));
}

uint32_t shell_run_program(struct shell *shell, text grant_list, const text *words, uint32_t count)
{
    struct grants grants;
    text name = path_last_name(words[0]);
    if (grant_list.length == 0)
        grants_usual(&grants, shell, name);
    else if (!grants_listed(&grants, shell, grant_list))
        return CODE_NOT_STARTED;

    file_result found = find_program(shell, words[0]);
    if (!is_ok(found.status)) {
        tell_not_found(words[0], found.status);
        return CODE_NOT_FOUND;
    }
    OWNED(file_handle) file = TAKE(found.value);
    process_result started = peal_process_spawn(
        file_borrow(&file), &(struct peal_spawn){.name = name,
                                                 .arguments = words,
                                                 .arguments_count = count,
                                                 .environment = shell->variables.items,
                                                 .environment_count = shell->variables.count,
                                                 .grants = grants.items,
                                                 .grants_count = grants.count});
    if (!is_ok(started.status)) {
        peal_error_status(words[0], started.status);
        return CODE_NOT_STARTED;
    }
    OWNED(process_handle) process = TAKE(started.value);
    struct abi_exit how = {0};
    status waited = events_wait(process_borrow(&process), &how);
    if (!is_ok(waited)) {
        peal_error_status(words[0], waited);
        return CODE_NOT_STARTED;
    }
    tell_end(name, &how);
    return how.code;
}
