/* Running steps, and scripts from files. */
#include "events.h"
#include "jobs.h"
#include "peal/bytes.h"
#include "peal/heap.h"
#include "peal/output.h"
#include "shell.h"

#define SCRIPT_BYTES_MAX  (256u << 10)
#define SCRIPTS_DEPTH_MAX 8u /* of `source` inside `source` */

/* What a `for` goes over: copies, since the words are used by what it runs. */
struct loop {
    uint32_t count;
    uint32_t next;
    text *items; /* and behind them their bytes; on the heap */
};

/* A script on its way. */
struct run {
    struct shell *shell;
    uint32_t at;
    struct loop loops[PARSE_DEPTH_MAX];
    struct script script;
};

static bool loop_fill(struct loop *loop, const struct words *words)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < words->count; i++)
        bytes += words->items[i].length;
    peal_release(loop->items);
    *loop = (struct loop){.items = peal_allocate(words->count * sizeof(text) + bytes + 1)};
    if (loop->items == nullptr) return false;
    char *copy = (char *)(loop->items + words->count);
    for (uint32_t i = 0; i < words->count; i++) {
        memcpy(copy, words->items[i].bytes, words->items[i].length);
        loop->items[i] = (text){copy, words->items[i].length};
        copy += words->items[i].length;
    }
    loop->count = words->count;
    return true;
}

/* False when the loop cannot run. */
static bool begin_for(struct run *run, const struct step *step)
{
    struct shell *shell = run->shell;
    words_clear(&shell->words);
    for (uint32_t i = 0; i < step->count; i++)
        if (!shell_expand(shell, run->script.words[step->first + i])) return false;
    if (loop_fill(&run->loops[step->loop], &shell->words)) return true;
    peal_error_status(TEXT("for"), FAIL(OUT_OF_MEMORY));
    return false;
}

static bool next_for(struct run *run, const struct step *step)
{
    struct loop *loop = &run->loops[step->loop];
    if (loop->next == loop->count) {
        run->at = step->target;
        return true;
    }
    status set = variables_set(&run->shell->variables, step->source, loop->items[loop->next++]);
    if (!is_ok(set)) peal_error_status(step->source, set);
    return is_ok(set);
}

static void run_pipeline(struct run *run, const struct step *step)
{
    struct shell *shell = run->shell;
    uint32_t code = shell_run_pipeline(shell, &run->script, step);
    shell->last_code = step->is_inverted ? code == 0 : code;
    if (shell->last_code != 0 && shell->stops_on_failure && !step->is_tested)
        shell->wants_exit = true;
    peal_flush();
}

/* False when what runs has to stop. */
static bool run_step(struct run *run, const struct step *step)
{
    struct shell *shell = run->shell;
    switch (step->kind) {
    case STEP_PIPELINE:
        run_pipeline(run, step);
        return true;
    case STEP_JUMP:
        run->at = step->target;
        return true;
    case STEP_JUMP_IF_OK:
        if (shell->last_code == 0) run->at = step->target;
        return true;
    case STEP_JUMP_IF_FAILED:
        if (shell->last_code != 0) run->at = step->target;
        return true;
    case STEP_SUCCEED:
        shell->last_code = 0;
        return true;
    case STEP_FOR_BEGIN:
        return begin_for(run, step);
    case STEP_FOR_NEXT:
        return next_for(run, step);
    }
    return false;
}

/* Between two steps: Ctrl-C, and programs in the background that have ended. */
static void look_at_events(struct shell *shell)
{
    struct event event;
    while (events_poll(&event)) {
        if (event.kind == EVENT_ENDED) jobs_note_end(&event);
        if (event.kind == EVENT_INTERRUPT) shell->is_interrupted = true;
    }
}

static void run_steps(struct run *run)
{
    struct shell *shell = run->shell;
    bool is_fine = true;
    while (is_fine && run->at < run->script.step_count && !shell->wants_exit &&
           !shell->is_interrupted) {
        is_fine = run_step(run, &run->script.steps[run->at++]);
        look_at_events(shell);
    }
    if (!is_fine) shell->last_code = CODE_USAGE;
    if (shell->is_interrupted) shell->last_code = EVENTS_CODE_INTERRUPTED;
    for (uint32_t i = 0; i < PARSE_DEPTH_MAX; i++)
        peal_release(run->loops[i].items);
}

static void tell_error(const struct script *script, text name)
{
    if (name.length == 0)
        peal_error("%s", script_error_message(script));
    else
        peal_error("%.*s:%u: %s", TEXT_ARGUMENTS(name), script->error_line,
                   script_error_message(script));
}

void shell_run_source(struct shell *shell, text name, text source)
{
    OWNED(heap_block) block = {peal_allocate(sizeof(struct run))};
    struct run *run = block.bytes;
    if (run == nullptr) {
        peal_error_status(name, FAIL(OUT_OF_MEMORY));
        shell->last_code = CODE_NOT_STARTED;
        return;
    }
    run->shell = shell;
    run->at = 0;
    memset(run->loops, 0, sizeof(run->loops));
    if (script_parse(&run->script, source)) {
        run_steps(run);
        return;
    }
    tell_error(&run->script, name);
    shell->last_code = CODE_USAGE;
}

/* ---- files ---- */

/* The whole file, in `block`. OUT_OF_RANGE: more than a script may have */
static status read_whole(file_ref file, heap_block *block, text *out_source)
{
    size_result size = peal_file_size(file);
    TRY(size.status);
    if (size.value > SCRIPT_BYTES_MAX) return FAIL(OUT_OF_RANGE);
    block->bytes = peal_allocate(size.value + 1);
    if (block->bytes == nullptr) return FAIL(OUT_OF_MEMORY);
    size_t length = 0;
    while (length < size.value) {
        size_result read =
            peal_file_read(file, (span){(char *)block->bytes + length, size.value - length});
        TRY(read.status);
        if (read.value == 0) break;
        length += read.value;
    }
    *out_source = (text){block->bytes, length};
    return OK;
}

static status read_script(const struct shell *shell, text path, heap_block *block, text *out_source)
{
    file_result opened = {0};
    opened.status = status_of_raw(shell_raw_open(
        shell, path, RIGHTS_READ, ABI_OPEN_MUST_BE_FILE | ABI_OPEN_MUST_EXIST, &opened.value.raw));
    TRY(opened.status);
    OWNED(file_handle) file = TAKE(opened.value);
    return read_whole(file_borrow(&file), block, out_source);
}

static void tell_unread(text path, status why)
{
    switch (why.code) {
    case STATUS_NOT_FOUND:
        peal_error("%.*s: there is no such script", TEXT_ARGUMENTS(path));
        break;
    case STATUS_OUT_OF_RANGE:
        peal_error("%.*s: a script has %u KiB at most", TEXT_ARGUMENTS(path),
                   SCRIPT_BYTES_MAX >> 10);
        break;
    default:
        peal_error_status(path, why);
        break;
    }
}

bool shell_run_file(struct shell *shell, text path, const text *arguments, uint32_t count)
{
    OWNED(heap_block) block = {0};
    text source;
    if (shell->scripts_depth == SCRIPTS_DEPTH_MAX) {
        peal_error("%.*s: scripts include one another more than %u deep", TEXT_ARGUMENTS(path),
                   SCRIPTS_DEPTH_MAX);
        return false;
    }
    status read = read_script(shell, path, &block, &source);
    if (!is_ok(read)) {
        tell_unread(path, read);
        return false;
    }
    const text *arguments_before = shell->arguments;
    uint32_t count_before = shell->argument_count;
    text name_before = shell->name;
    shell->name = path;
    shell->arguments = arguments;
    shell->argument_count = count;
    shell->scripts_depth++;
    shell_run_source(shell, path, source);
    shell->scripts_depth--;
    shell->name = name_before;
    shell->arguments = arguments_before;
    shell->argument_count = count_before;
    return true;
}
