#include "shell.h"
#include "jobs.h"
#include "peal/bytes.h"
#include "peal/heap.h"
#include "peal/output.h"
#include "peal/usage.h"

#define KEY_INTERRUPT 3u

static struct shell the_shell;

peal_raw_status shell_raw_open(const struct shell *shell, text path, uint64_t rights,
                               uint32_t flags, peal_raw_handle *out_handle)
{
    char bytes[PATH_BYTES_MAX];
    text resolved;
    if (path_is_plain(path))
        return peal_raw_open(shell_current(shell), path, rights, flags, out_handle);
    if (!path_resolve(shell_path(shell), path, bytes, &resolved))
        return ABI_STATUS_INVALID_ARGUMENT;
    if (resolved.length == 1) {
        if (flags & ABI_OPEN_MUST_BE_FILE) return ABI_STATUS_NOT_FOUND;
        return peal_raw_dup(shell->root.raw, rights, out_handle);
    }
    return peal_raw_open(shell->root, peal_text_slice(resolved, 1, SIZE_MAX), rights, flags,
                         out_handle);
}

/* What is shown of the editor goes out in one write per batch of keys. */
static void show(struct writer *out)
{
    peal_print_text(writer_text(out));
    peal_flush();
    out->length = 0;
}

static void begin_line(struct shell *shell, struct writer *out)
{
    static char prompt_bytes[PATH_BYTES_MAX + 16];
    struct writer prompt = WRITER(prompt_bytes);
    text path = shell_path(shell);
    writer_format(&prompt, "peal:%.*s$ ", TEXT_ARGUMENTS(path));
    editor_begin(&shell->editor, writer_text(&prompt), out);
}

static void show_directly(struct writer *out)
{
    peal_print_text(writer_text(out));
    out->length = 0;
}

static void drop_line(struct shell *shell, struct writer *out)
{
    writer_write(out, TEXT("^C\n"));
    begin_line(shell, out);
}

static void feed(struct shell *shell, uint8_t byte, struct writer *out)
{
    static char line_bytes[LINE_BYTES_MAX];
    text line;
    if (byte == KEY_INTERRUPT) { /* typed while no watch was in place: it is a byte then */
        drop_line(shell, out);
        return;
    }
    switch (editor_feed(&shell->editor, byte, out)) {
    case EDITOR_MORE:
        return;
    case EDITOR_COMPLETE:
        shell_complete(shell, out);
        editor_redraw(&shell->editor, out);
        return;
    case EDITOR_END:
        writer_write(out, TEXT("exit\n"));
        shell->wants_exit = true;
        return;
    case EDITOR_LINE:
        show(out);
        line = editor_line(&shell->editor);
        memcpy(line_bytes, line.bytes, line.length);
        line.bytes = line_bytes;
        editor_remember(&shell->editor, line);
        shell->is_interrupted = false;
        shell_run_source(shell, TEXT(""), line);
        jobs_report();
        if (shell->is_interrupted && events_is_leashed()) shell->wants_exit = true;
        if (!shell->wants_exit) begin_line(shell, out);
        return;
    }
}

static void feed_all(struct shell *shell, text typed, struct writer *out)
{
    while (typed.length > 0 && !shell->wants_exit) {
        size_t taken = editor_feed_text(&shell->editor, typed, out);
        if (taken == 0) {
            feed(shell, (uint8_t)typed.bytes[0], out);
            taken = 1;
        }
        typed = peal_text_slice(typed, taken, SIZE_MAX);
    }
}

/* A program in the background has ended: that is told above the line that is being typed. */
static void note_end(struct shell *shell, const struct event *event, struct writer *out)
{
    jobs_note_end(event);
    peal_print("\r\x1b[K");
    jobs_report();
    editor_redraw(&shell->editor, out);
}

static int shell_loop(struct shell *shell)
{
    static char shown_bytes[4096];
    struct writer out = WRITER(shown_bytes);
    out.empty = show_directly;
    shell->is_interactive = true;
    begin_line(shell, &out);
    while (!shell->wants_exit) {
        show(&out);
        struct event event = events_wait(true);
        if (!is_ok(event.status) && event.kind == EVENT_TYPED) {
            peal_error_status(TEXT("console"), event.status);
            return 1;
        }
        switch (event.kind) {
        case EVENT_INTERRUPT:
            if (events_is_leashed())
                shell->wants_exit = true;
            else
                drop_line(shell, &out);
            break;
        case EVENT_ENDED:
            note_end(shell, &event, &out);
            break;
        case EVENT_TYPED:
            feed_all(shell, event.typed, &out);
            break;
        }
    }
    show(&out);
    return (int)shell->last_code;
}

static stream_ref own_stream(const struct shell *shell, text name)
{
    stream_ref stream = peal_granted_stream(name);
    return stream_is_nil(stream) ? stream_of_console(shell->console) : stream;
}

/* A shell that was started by another one begins where that is. */
static void init_current(struct shell *shell)
{
    text path = TEXT("/");
    directory_ref current = peal_granted_directory(TEXT("cwd"));
    shell->path[0] = '/';
    shell->path_length = 1;
    variables_get(&shell->variables, TEXT("PWD"), &path);
    if (directory_is_nil(current) || path.length < 2 || path.length > PATH_BYTES_MAX) return;
    directory_result own = directory_dup(current, ABI_RIGHTS_ALL);
    if (!is_ok(own.status)) return;
    shell->current = TAKE(own.value);
    memcpy(shell->path, path.bytes, path.length);
    shell->path_length = path.length;
}

static bool shell_init(struct shell *shell)
{
    shell->console = peal_granted_console(TEXT("console"));
    shell->root = peal_granted_directory(TEXT("root"));
    shell->system = peal_granted_system(TEXT("system"));
    shell->streams =
        (struct streams){own_stream(shell, TEXT("stdin")), own_stream(shell, TEXT("stdout")),
                         own_stream(shell, TEXT("stderr"))};
    shell->name = TEXT("shell");
    if (directory_is_nil(shell->root)) {
        peal_error("a shell needs the handle \"root\"");
        return false;
    }
    for (uint32_t i = 0; i < peal_environment_count(); i++) {
        text value = peal_environment_at(i);
        text name = peal_text_split(&value, '=');
        if (!is_ok(variables_set(&shell->variables, name, value))) return false;
    }
    text path;
    if (!variables_get(&shell->variables, TEXT("PATH"), &path) &&
        !is_ok(variables_set(&shell->variables, TEXT("PATH"), TEXT("/boot/bin"))))
        return false;
    events_init(shell->console, peal_granted_channel(TEXT("leash")));
    init_current(shell);
    return is_ok(variables_set(&shell->variables, TEXT("PWD"), shell_path(shell)));
}

/* `count` of the program's arguments from the one numbered `first`, on the heap. */
static const text *copy_arguments(struct peal_arguments arguments, uint32_t first, uint32_t count)
{
    text *copy = peal_allocate_zeroed(count + 1, sizeof(text));
    for (uint32_t i = 0; copy != nullptr && i < count; i++)
        copy[i] = peal_argument(arguments, first + i);
    return copy;
}

static const char usage[] =
    "shell                      read commands from the console\n"
    "shell FILE [argument]...   run the commands in a file\n"
    "shell -c LINE [argument]...   run one line; $1 is the first argument\n"
    "`help language`, typed at the prompt, tells what a command may look like.\n";

static int run_arguments(struct shell *shell, struct peal_arguments arguments)
{
    text first = peal_argument(arguments, 1);
    bool is_line = peal_text_equal(first, TEXT("-c"));
    bool is_builtin = peal_text_equal(first, TEXT("-b")); /* of a shell: in a pipeline */
    uint32_t skipped = is_line ? 3 : 2;
    uint32_t count = arguments.count > skipped ? arguments.count - skipped : 0;
    const text *rest = copy_arguments(arguments, skipped, count);
    if (rest == nullptr) {
        peal_error_status(first, FAIL(OUT_OF_MEMORY));
        return 1;
    }
    if (is_builtin) return count == 0 ? 2 : (int)shell_run_builtin(shell, rest, count);
    if (!is_line)
        return shell_run_file(shell, first, rest, count) ? (int)shell->last_code
                                                         : (int)CODE_NOT_FOUND;
    shell->arguments = rest;
    shell->argument_count = count;
    shell_run_source(shell, TEXT(""), peal_argument(arguments, 2));
    return (int)shell->last_code;
}

int peal_main(struct peal_arguments arguments)
{
    struct shell *shell = &the_shell;
    if (peal_wants_help(arguments, usage)) return 0;
    if (!shell_init(shell)) return 1;
    if (arguments.count > 1) return run_arguments(shell, arguments);
    if (!console_is_nil(shell->console)) return shell_loop(shell);
    peal_error("a shell that reads commands needs the handle \"console\"");
    return 1;
}
