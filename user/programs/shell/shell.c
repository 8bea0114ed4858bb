#include "shell.h"
#include "events.h"
#include "peal/bytes.h"
#include "peal/output.h"
#include "peal/program.h"

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

static bool look_up_variable(void *context, text name, text *out_value)
{
    static char code_bytes[12];
    const struct shell *shell = context;
    if (!peal_text_equal(name, TEXT("?"))) return variables_get(&shell->variables, name, out_value);
    struct writer code = WRITER(code_bytes);
    writer_format(&code, "%u", shell->last_code);
    *out_value = writer_text(&code);
    return true;
}

static void run_command(struct shell *shell)
{
    const text *words = shell->words.items;
    uint32_t count = shell->words.count, code;
    if (!shell_run_builtin(shell, words, count, &code))
        code = shell_run_program(shell, TEXT(""), words, count);
    shell->last_code = code;
}

void shell_run_line(struct shell *shell, text line)
{
    while (line.length > 0 && !shell->wants_exit) {
        enum words_error error = words_take_command(&shell->words, &line, look_up_variable, shell);
        if (error != WORDS_OK) {
            peal_error("%s", words_error_message(error));
            shell->last_code = 2;
            return;
        }
        if (shell->words.count > 0) run_command(shell);
        peal_flush();
    }
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
        shell_run_line(shell, line);
        if (!shell->wants_exit) begin_line(shell, out);
        return;
    }
}

static int shell_loop(struct shell *shell)
{
    static char shown_bytes[4096];
    struct writer out = WRITER(shown_bytes);
    out.empty = show_directly;
    begin_line(shell, &out);
    while (!shell->wants_exit) {
        text typed = TEXT("");
        status read;
        show(&out);
        if (!events_read(&typed, &read)) drop_line(shell, &out);
        if (!is_ok(read)) {
            peal_error_status(TEXT("console"), read);
            return 1;
        }
        while (typed.length > 0 && !shell->wants_exit) {
            size_t taken = editor_feed_text(&shell->editor, typed, &out);
            if (taken == 0) {
                feed(shell, (uint8_t)typed.bytes[0], &out);
                taken = 1;
            }
            typed = peal_text_slice(typed, taken, SIZE_MAX);
        }
    }
    show(&out);
    return (int)shell->last_code;
}

static bool shell_init(struct shell *shell)
{
    shell->console = peal_granted_console(TEXT("console"));
    shell->root = peal_granted_directory(TEXT("root"));
    shell->system = peal_granted_system(TEXT("system"));
    shell->path[0] = '/';
    shell->path_length = 1;
    if (console_is_nil(shell->console) || directory_is_nil(shell->root)) {
        peal_error("a shell needs the handles \"console\" and \"root\"");
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
    events_init(shell->console);
    return is_ok(variables_set(&shell->variables, TEXT("PWD"), TEXT("/")));
}

/* `shell -c LINE` runs one line and ends with its code. */
int peal_main(struct peal_arguments arguments)
{
    struct shell *shell = &the_shell;
    if (!shell_init(shell)) return 1;
    if (!peal_text_equal(peal_argument(arguments, 1), TEXT("-c"))) return shell_loop(shell);
    shell_run_line(shell, peal_argument(arguments, 2));
    return (int)shell->last_code;
}
