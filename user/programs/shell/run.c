/*
 * Running a pipeline: its words, its streams, its programs.
 *
 * Each program gets exactly its own three streams. Between two programs lies a channel; the shell
 * makes it, grants one end to each and closes its own handles, so that each program learns when the
 * other is gone. The file of a redirection is opened here, with the shell's rights, and granted for
 * reading or for writing alone: the program could not open it itself, nor needs to.
 */
#include "authority.h"
#include "jobs.h"
#include "peal/output.h"
#include "peal/usage.h"

#define SHELL_PATH         TEXT("/boot/bin/shell")
#define STREAMS_HELD_MAX   8u
#define SCRIPT_SIGN        TEXT("#!")
#define SCRIPT_LINE_BYTES  128u
#define RIGHTS_TO_READ     (RIGHTS_HANDLE | ABI_RIGHT_READ | ABI_RIGHT_SEEK)
#define RIGHTS_TO_WRITE    (RIGHTS_HANDLE | ABI_RIGHT_WRITE)
#define RIGHTS_TO_TRUNCATE (RIGHTS_TO_WRITE | ABI_RIGHT_SEEK)

/* A file or an end of a channel that the shell holds for a program until that has been started. */
typedef struct stream_handle {
    peal_raw_handle raw;
} stream_handle;
static inline void stream_handle_drop(stream_handle *handle)
{
    if (handle->raw != ABI_HANDLE_NONE) peal_raw_close(handle->raw);
    handle->raw = ABI_HANDLE_NONE;
}

typedef struct plumbing {
    struct streams streams;
    uint32_t held_count;
    stream_handle held[STREAMS_HELD_MAX];
} plumbing;
static inline void plumbing_drop(plumbing *plumbing)
{
    for (uint32_t i = 0; i < plumbing->held_count; i++)
        stream_handle_drop(&plumbing->held[i]);
    plumbing->held_count = 0;
}

/* ---- redirections ---- */

/* Takes the handle over. */
static void hold(plumbing *plumbing, CONSUMED stream_handle handle)
{
    plumbing->held[plumbing->held_count++] = TAKE(handle);
}

static void tell_not_opened(text file, status why)
{
    switch (why.code) {
    case STATUS_NOT_FOUND:
        peal_error("%.*s: there is no such file, or no such directory for it",
                   TEXT_ARGUMENTS(file));
        break;
    case STATUS_PERMISSION_DENIED:
        peal_error("%.*s: cannot be written: its volume, or the file, is read-only",
                   TEXT_ARGUMENTS(file));
        break;
    default:
        peal_error_path(file, why);
        break;
    }
}

static bool is_for_reading(enum redirection_kind kind)
{
    return kind == REDIRECT_INPUT;
}

static bool is_for_appending(enum redirection_kind kind)
{
    return kind == REDIRECT_APPEND || kind == REDIRECT_ERRORS_APPEND;
}

/* Empties the file, or goes to its end. */
static status prepare_output(file_ref file, bool appends)
{
    if (appends) return peal_file_seek(file, 0, ABI_SEEK_END).status;
    return peal_file_truncate(file, 0);
}

static status open_redirection(const struct shell *shell, text path, enum redirection_kind kind,
                               plumbing *plumbing, stream_ref *out_stream)
{
    bool reads = is_for_reading(kind);
    file_result opened = {0};
    opened.status = status_of_raw(shell_raw_open(
        shell, path, reads ? RIGHTS_TO_READ : RIGHTS_TO_TRUNCATE,
        ABI_OPEN_MUST_BE_FILE | (reads ? ABI_OPEN_MUST_EXIST : 0), &opened.value.raw));
    TRY(opened.status);
    file_handle file = TAKE(opened.value);
    stream_handle held = {file.raw};
    *out_stream = stream_of_file(file_borrow(&file));
    hold(plumbing, held);
    return reads ? OK : prepare_output((file_ref){file.raw}, is_for_appending(kind));
}

/* The word as meant; false after an error was printed. */
static bool expand_file(struct shell *shell, text raw, text *out_path)
{
    words_clear(&shell->words);
    if (!shell_expand(shell, raw)) return false;
    if (shell->words.count != 1) {
        peal_error("%.*s: a redirection takes one file, these are %u", TEXT_ARGUMENTS(raw),
                   shell->words.count);
        return false;
    }
    *out_path = shell->words.items[0];
    return true;
}

static bool redirect(struct shell *shell, const struct redirection *redirection, plumbing *plumbing)
{
    text path;
    stream_ref stream;
    struct streams *streams = &plumbing->streams;
    if (redirection->kind == REDIRECT_ERRORS_TO_OUTPUT) {
        streams->errors = streams->output;
        return true;
    }
    if (redirection->kind == REDIRECT_OUTPUT_TO_ERRORS) {
        streams->output = streams->errors;
        return true;
    }
    if (plumbing->held_count + 1 >= STREAMS_HELD_MAX) {
        peal_error("a command has %u redirections at most", STREAMS_HELD_MAX - 3);
        return false;
    }
    if (!expand_file(shell, redirection->file, &path)) return false;
    status opened = open_redirection(shell, path, redirection->kind, plumbing, &stream);
    if (!is_ok(opened)) {
        tell_not_opened(path, opened);
        return false;
    }
    if (redirection->kind == REDIRECT_INPUT)
        streams->input = stream;
    else if (redirection->kind == REDIRECT_OUTPUT || redirection->kind == REDIRECT_APPEND)
        streams->output = stream;
    else
        streams->errors = stream;
    return true;
}

static bool redirect_all(struct shell *shell, const struct script *script,
                         const struct parsed_command *command, plumbing *plumbing)
{
    for (uint32_t i = 0; i < command->redirection_count; i++)
        if (!redirect(shell, &script->redirections[command->first_redirection + i], plumbing))
            return false;
    return true;
}

/* The words of the command, in shell->words. */
static bool expand_command(struct shell *shell, const struct script *script,
                           const struct parsed_command *command)
{
    words_clear(&shell->words);
    for (uint32_t i = 0; i < command->word_count; i++)
        if (!shell_expand(shell, script->words[command->first_word + i])) return false;
    return true;
}

/* ---- channels ---- */

/* Writing end and reading end. */
static status make_pipe(stream_handle *out_writing, stream_handle *out_reading)
{
    channel_pair pair;
    TRY(peal_channel_create(&pair, 0));
    out_writing->raw = pair.ends[0].raw;
    out_reading->raw = pair.ends[1].raw;
    return OK;
}

static stream_ref stream_of_handle(const stream_handle *handle)
{
    return (stream_ref){handle->raw, ABI_KIND_CHANNEL};
}

/* What nothing ever comes from: the reading end of a channel without another one. */
static status make_empty(plumbing *plumbing)
{
    OWNED(stream_handle) writing = {0};
    OWNED(stream_handle) reading = {0};
    TRY(make_pipe(&writing, &reading));
    plumbing->streams.input = stream_of_handle(&reading);
    hold(plumbing, TAKE(reading));
    return OK;
}

/* ---- programs ---- */

/* What is to be started. */
struct launch {
    text name;   /* the program's, without folders */
    text grants; /* as `with` takes it; empty for the usual ones */
    const text *words;
    uint32_t count;
    struct streams streams;
};

/* A name without '/' is looked for in the directories of PATH. *out_path is what was opened. */
static file_result find_program(const struct shell *shell, text name, char bytes[PATH_BYTES_MAX],
                                text *out_path)
{
    file_result found = {.status = FAIL(NOT_FOUND)};
    *out_path = name;
    if (peal_text_find(name, '/', 0) < name.length) {
        found.status = status_of_raw(
            shell_raw_open(shell, name, RIGHTS_EXECUTE, ABI_OPEN_MUST_BE_FILE, &found.value.raw));
        return found;
    }
    text folders = TEXT("");
    variables_get(&shell->variables, TEXT("PATH"), &folders);
    while (folders.length > 0) {
        text folder = peal_text_split(&folders, ':');
        if (!path_resolve(folder, name, bytes, out_path)) continue;
        found.status = status_of_raw(shell_raw_open(shell, *out_path, RIGHTS_EXECUTE,
                                                    ABI_OPEN_MUST_BE_FILE, &found.value.raw));
        if (found.status.code != STATUS_NOT_FOUND) return found;
    }
    return found;
}

static void tell_not_found(text name, status why)
{
    if (why.code == STATUS_NOT_FOUND)
        peal_error("%.*s: no such command; `help` lists them", TEXT_ARGUMENTS(name));
    else
        peal_error_status(name, why);
}

static status start(const struct shell *shell, const struct launch *launch, file_ref file,
                    struct job *job)
{
    struct grants grants;
    if (launch->grants.length == 0)
        grants_usual(&grants, shell, launch->name, &launch->streams);
    else if (!grants_listed(&grants, shell, launch->grants, &launch->streams))
        return FAIL(INVALID_ARGUMENT);
    OWNED(channel_pair) leash = {0};
    if (peal_text_equal(launch->name, TEXT("shell")) &&
        is_ok(peal_channel_create(&leash, 1))) /* without one it ends as other programs do */
        grants_add(&grants, PEAL_GRANT("leash", leash.ends[1], RIGHTS_TO_READ));
    process_result started =
        peal_process_spawn(file, &(struct peal_spawn){.name = launch->name,
                                                      .arguments = launch->words,
                                                      .arguments_count = launch->count,
                                                      .environment = shell->variables.items,
                                                      .environment_count = shell->variables.count,
                                                      .grants = grants.items,
                                                      .grants_count = grants.count});
    if (is_ok(started.status))
        started.status = job_add(job, TAKE(started.value), TAKE(leash.ends[0]), launch->name);
    if (!is_ok(started.status)) peal_error_status(launch->words[0], started.status);
    return started.status;
}

/* Runs the shell with `first` before the words of the launch. */
static uint32_t start_shell(const struct shell *shell, const struct launch *launch, text first,
                            struct job *job)
{
    static text words[WORDS_MAX + 2];
    struct launch with_shell = *launch;
    uint32_t count = 0;
    words[count++] = TEXT("shell");
    words[count++] = first;
    for (uint32_t i = 0; i < launch->count && i < WORDS_MAX; i++)
        words[count++] = launch->words[i];
    with_shell.name = TEXT("shell");
    with_shell.words = words;
    with_shell.count = count;
    file_result opened = {0};
    opened.status = status_of_raw(shell_raw_open(shell, SHELL_PATH, RIGHTS_EXECUTE,
                                                 ABI_OPEN_MUST_BE_FILE, &opened.value.raw));
    if (!is_ok(opened.status)) {
        peal_error_status(SHELL_PATH, opened.status);
        return CODE_NOT_STARTED;
    }
    OWNED(file_handle) file = TAKE(opened.value);
    return is_ok(start(shell, &with_shell, file_borrow(&file), job)) ? 0 : CODE_NOT_STARTED;
}

/* A script begins with "#!" and a line that says "shell". */
static bool is_script(file_ref file)
{
    char bytes[SCRIPT_LINE_BYTES];
    size_result read = peal_file_read_at(file, SPAN_OF(bytes), 0);
    if (!is_ok(read.status)) return false;
    text line = {bytes, read.value};
    line = peal_text_split(&line, '\n');
    if (!peal_text_starts_with(line, SCRIPT_SIGN)) return false;
    for (size_t i = 0; i < line.length; i++)
        if (peal_text_starts_with(peal_text_slice(line, i, SIZE_MAX), TEXT("shell"))) return true;
    return false;
}

/* Starts what the words say as a part of the job. 0, or the code for what was not started. */
static uint32_t launch_words(const struct shell *shell, struct launch launch, struct job *job)
{
    char bytes[PATH_BYTES_MAX];
    text path;
    if (peal_text_equal(launch.words[0], TEXT("with")) && launch.count > 2) {
        launch.grants = launch.words[1];
        launch.words += 2;
        launch.count -= 2;
    }
    if (shell_is_builtin(launch.words, launch.count))
        return start_shell(shell, &launch, TEXT("-b"), job);
    file_result found = find_program(shell, launch.words[0], bytes, &path);
    if (!is_ok(found.status)) {
        tell_not_found(launch.words[0], found.status);
        return CODE_NOT_FOUND;
    }
    OWNED(file_handle) file = TAKE(found.value);
    if (is_script(file_borrow(&file))) {
        launch.words++;
        launch.count--;
        return start_shell(shell, &launch, path, job);
    }
    launch.name = path_last_name(launch.words[0]);
    return is_ok(start(shell, &launch, file_borrow(&file), job)) ? 0 : CODE_NOT_STARTED;
}

/* ---- pipelines ---- */

/* One of its commands: what flows in from the one before, and out to the next. */
struct position {
    const struct parsed_command *command;
    bool is_first;
    bool is_last;
    bool is_background;
};

/* The streams before redirections. */
static status connect(const struct shell *shell, const struct position *position,
                      plumbing *plumbing, stream_handle *previous)
{
    plumbing->streams = shell->streams;
    if (!position->is_first) {
        plumbing->streams.input = stream_of_handle(previous);
        hold(plumbing, TAKE(*previous));
    } else if (position->is_background) {
        TRY(make_empty(plumbing));
    }
    if (position->is_last) return OK;
    OWNED(stream_handle) writing = {0};
    TRY(make_pipe(&writing, previous));
    plumbing->streams.output = stream_of_handle(&writing);
    hold(plumbing, TAKE(writing));
    return OK;
}

/* Starts one command. *previous is the end to read what the one before it writes, and becomes the
 * one for the next. */
static uint32_t start_command(struct shell *shell, const struct script *script,
                              const struct position *position, stream_handle *previous,
                              struct job *job)
{
    OWNED(plumbing) plumbing = {0};
    status connected = connect(shell, position, &plumbing, previous);
    if (!is_ok(connected)) {
        peal_error_status(TEXT("pipeline"), connected);
        return CODE_NOT_STARTED;
    }
    if (!redirect_all(shell, script, position->command, &plumbing)) return 1;
    if (!expand_command(shell, script, position->command)) return CODE_USAGE;
    if (shell->words.count == 0) return 0; /* only redirections, or variables without values */
    return launch_words(shell,
                        (struct launch){.words = shell->words.items,
                                        .count = shell->words.count,
                                        .streams = plumbing.streams},
                        job);
}

static void note_background(struct shell *shell, const struct job *job)
{
    struct abi_stat stat;
    if (job->process_count == 0) return;
    const struct job_process *last = &job->processes[job->process_count - 1];
    if (is_ok(process_stat(process_borrow(&last->process), &stat)))
        shell->last_background = stat.process.id;
    if (shell->is_interactive) peal_print("[%u] %lu\n", job->number, shell->last_background);
}

/* Waits for the foreground's, and gives the code of the last command, started or not. */
static uint32_t finish(struct shell *shell, struct job *job, uint32_t last_code)
{
    if (job->is_background && job->process_count > 0) {
        note_background(shell, job);
        return last_code;
    }
    uint32_t code = job_wait(job, &shell->is_interrupted);
    return last_code != 0 ? last_code : code;
}

static uint32_t run_programs(struct shell *shell, const struct script *script,
                             const struct step *step)
{
    uint32_t code = 0;
    OWNED(stream_handle) previous = {0};
    struct job *job = job_begin(step->source, step->is_background);
    if (job == nullptr) return CODE_NOT_STARTED;
    for (uint32_t i = 0; i < step->count; i++) {
        struct position position = {.command = &script->commands[step->first + i],
                                    .is_first = i == 0,
                                    .is_last = i + 1 == step->count,
                                    .is_background = step->is_background};
        code = start_command(shell, script, &position, &previous, job);
    }
    return finish(shell, job, code);
}

/* A builtin alone in the foreground changes this shell: its streams are put in place around it. */
static uint32_t run_builtin_here(struct shell *shell, const struct script *script,
                                 const struct parsed_command *command)
{
    OWNED(plumbing) plumbing = {.streams = shell->streams};
    if (!redirect_all(shell, script, command, &plumbing)) return 1;
    if (!expand_command(shell, script, command)) return CODE_USAGE;
    if (command->redirection_count == 0)
        return shell_run_builtin(shell, shell->words.items, shell->words.count);
    struct streams own = shell->streams;
    shell->streams = plumbing.streams;
    status before = peal_output_redirect(plumbing.streams.output, plumbing.streams.errors);
    uint32_t code = shell_run_builtin(shell, shell->words.items, shell->words.count);
    status written = peal_output_redirect((stream_ref){0}, (stream_ref){0});
    shell->streams = own;
    if (!is_ok(before)) peal_error_status(TEXT("standard output"), before);
    if (!is_ok(written)) peal_error_status(TEXT("standard output"), written);
    return is_ok(written) ? code : 1;
}

/* The first two words tell. What is wrong with them is said when they are expanded to be run. */
static bool is_builtin_command(struct shell *shell, const struct script *script,
                               const struct parsed_command *command)
{
    const struct word_values values = shell_word_values(shell);
    words_clear(&shell->words);
    for (uint32_t i = 0; i < command->word_count && i < 2; i++)
        if (words_add(&shell->words, script->words[command->first_word + i], &values) != WORDS_OK)
            return false;
    uint32_t count = shell->words.count < 2 ? shell->words.count : command->word_count;
    return shell_is_builtin(shell->words.items, count);
}

uint32_t shell_run_pipeline(struct shell *shell, const struct script *script,
                            const struct step *step)
{
    const struct parsed_command *command = &script->commands[step->first];
    peal_flush();
    if (step->count == 1 && !step->is_background) {
        if (is_builtin_command(shell, script, command))
            return run_builtin_here(shell, script, command);
    }
    return run_programs(shell, script, step);
}

uint32_t shell_run_program(struct shell *shell, const text *words, uint32_t count)
{
    peal_flush();
    struct job *job = job_begin(words[0], false);
    if (job == nullptr) return CODE_NOT_STARTED;
    struct launch launch = {.words = words, .count = count, .streams = shell->streams};
    uint32_t code = launch_words(shell, launch, job);
    return finish(shell, job, code);
}
