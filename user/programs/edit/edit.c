/*
 * A full-screen editor for the screen and the serial line.
 *
 *     buffer.h   the text                        pure
 *     pane.h     what of it is on the screen     pure
 *     keys.h     from bytes to keys              pure
 *     document.h the file
 *
 * A line with the name is above the text, one for messages and questions below it. Of the screen
 * only rows that have changed are written: a serial line is slow.
 */
#include "document.h"
#include "keys.h"
#include "pane.h"
#include "peal/bytes.h"
#include "peal/clock.h"
#include "peal/output.h"
#include "peal/usage.h"

static const char usage[] =
    "edit FILE\n"
    "Edits a text file, or makes one, on the whole screen.\n"
    "Ctrl-S saves: the text goes to FILE~ first, is synced, and then takes the name FILE, so that\n"
    "the old or the new text is there at any moment. Ctrl-Q quits, and asks when something is not\n"
    "saved. Arrows, Home, End, Page Up, Page Down move; Ctrl-F finds, Ctrl-K cuts lines, Ctrl-U\n"
    "inserts what was cut, Ctrl-G lists the keys. Ctrl-C ends edit without saving, as any "
    "program.\n";

#define ROWS_DEFAULT    24u
#define COLUMNS_DEFAULT 80u
#define ROWS_MAX        128u
#define COLUMNS_MAX     256u
#define ROW_BYTES_MAX   1200u /* four bytes for each column, and colours */
#define ANSWER_BYTES    128u
#define CUT_BYTES_MAX   (256u << 10)

#define ASK_SIZE     TEXT("\x1b[999;999H\x1b[6n")
#define ASK_LIMIT_MS 300u
#define ASK_STEP_MS  10u

#define CONTROL(letter) ((letter) & 0x1fu)
#define KEY_BACKSPACE   0x7fu

enum mode : uint8_t { MODE_TEXT, MODE_FIND, MODE_QUIT };

struct editor {
    stream_ref in;
    stream_ref out;
    struct document document;
    struct pane pane;
    struct keys keys;
    enum mode mode;
    bool wants_end;
    bool was_cut; /* the last key cut a line: the next one is added */
    uint32_t rows;
    uint32_t columns;
    size_t message_length;
    size_t answer_length;
    size_t cut_length;
    char message[256];
    char answer[ANSWER_BYTES]; /* what is looked for */
    char cut[CUT_BYTES_MAX];
    struct {
        size_t length;
        char bytes[ROW_BYTES_MAX];
    } shown[ROWS_MAX];
    size_t drawn_length;
    char drawn[ROWS_MAX * ROW_BYTES_MAX];
};

static struct editor the_editor;

/* ---- messages ---- */

static void say(struct editor *editor, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void say(struct editor *editor, const char *format, ...)
{
    struct writer message = WRITER(editor->message);
    va_list arguments;
    va_start(arguments, format);
    writer_format_list(&message, format, arguments);
    va_end(arguments);
    editor->message_length = message.length;
}

static void say_status(struct editor *editor, const char *what, status why)
{
    text meaning = peal_status_meaning(why), name = peal_status_name(why);
    say(editor, "%s: %.*s (%.*s)", what, TEXT_ARGUMENTS(meaning), TEXT_ARGUMENTS(name));
}

/* ---- the screen ---- */

/* A row as it shall be; written when it is another than before. */
static void show_row(struct editor *editor, uint32_t row, text content, struct writer *out)
{
    if (row >= ROWS_MAX || content.length > ROW_BYTES_MAX) return;
    text before = {editor->shown[row].bytes, editor->shown[row].length};
    if (peal_text_equal(before, content)) return;
    memcpy(editor->shown[row].bytes, content.bytes, content.length);
    editor->shown[row].length = content.length;
    writer_format(out, "\x1b[%u;1H", row + 1);
    writer_write(out, content);
    writer_write(out, TEXT("\x1b[K"));
}

static void show_title(struct editor *editor, struct writer *out)
{
    char bytes[ROW_BYTES_MAX];
    struct writer row = WRITER(bytes);
    const struct document *document = &editor->document;
    text path = document->path;
    size_t room = editor->columns > 50 ? editor->columns - 50 : 1;
    if (path.length > room) path = peal_text_slice(path, path.length - room, room);
    writer_format(&row, "\x1b[7m %.*s%s%s   line %lu, column %lu   Ctrl-G help \x1b[0m",
                  TEXT_ARGUMENTS(path), document->is_new ? " (new)" : "",
                  document->is_changed ? " (changed)" : "", editor->pane.line + 1,
                  pane_column(&editor->pane) + 1);
    show_row(editor, 0, writer_text(&row), out);
}

static void show_bottom(struct editor *editor, struct writer *out)
{
    char bytes[ROW_BYTES_MAX];
    struct writer row = WRITER(bytes);
    text message = {editor->message, editor->message_length};
    if (editor->mode == MODE_FIND)
        writer_format(&row, "Find: %.*s", (int)editor->answer_length, editor->answer);
    else
        writer_write(&row, peal_text_slice(message, 0, editor->columns - 1));
    show_row(editor, editor->rows - 1, writer_text(&row), out);
}

static void show_text(struct editor *editor, struct writer *out)
{
    for (uint32_t i = 0; i < editor->pane.rows; i++) {
        char bytes[ROW_BYTES_MAX];
        struct writer row = WRITER(bytes);
        pane_draw_row(&editor->pane, i, &row);
        show_row(editor, i + 1, writer_text(&row), out);
    }
}

static status show(struct editor *editor)
{
    struct writer out = WRITER(editor->drawn);
    writer_write(&out, TEXT("\x1b[?25l"));
    show_title(editor, &out);
    show_text(editor, &out);
    show_bottom(editor, &out);
    if (editor->mode == MODE_TEXT)
        writer_format(&out, "\x1b[%u;%uH", pane_cursor_row(&editor->pane) + 2,
                      pane_cursor_column(&editor->pane) + 1);
    else
        writer_format(&out, "\x1b[%u;%uH", editor->rows, editor->columns);
    writer_write(&out, TEXT("\x1b[?25h"));
    return peal_stream_write_all(editor->out, view_of(writer_text(&out)));
}

static uint32_t clamp(uint32_t value, uint32_t least, uint32_t most)
{
    return value < least ? least : value > most ? most : value;
}

/* Everything is drawn anew after this. */
static void set_size(struct editor *editor, uint32_t rows, uint32_t columns)
{
    editor->rows = clamp(rows, 4, ROWS_MAX);
    editor->columns = clamp(columns, 20, COLUMNS_MAX);
    editor->pane.rows = editor->rows - 2;
    editor->pane.columns = editor->columns;
    for (uint32_t i = 0; i < ROWS_MAX; i++)
        editor->shown[i].length = SIZE_MAX;
    pane_go(&editor->pane, editor->pane.cursor);
}

/* ---- commands ---- */

static void move(struct editor *editor, enum pane_move move)
{
    pane_move(&editor->pane, move);
}

static void insert(struct editor *editor, text piece)
{
    if (piece.length == 0) return;
    editor->document.is_changed = true;
    if (pane_insert(&editor->pane, piece)) return;
    status made = document_make_room(&editor->document, piece.length);
    if (!is_ok(made) || !pane_insert(&editor->pane, piece))
        say_status(editor, "No room", is_ok(made) ? FAIL(OUT_OF_MEMORY) : made);
}

static void save(struct editor *editor)
{
    status saved = document_save(&editor->document);
    if (is_ok(saved))
        say(editor, "Saved, %lu bytes.", buffer_length(&editor->document.buffer));
    else
        say_status(editor, "Not saved", saved);
}

static void quit(struct editor *editor)
{
    if (!editor->document.is_changed) {
        editor->wants_end = true;
        return;
    }
    editor->mode = MODE_QUIT;
    say(editor, "Not saved. Save before quitting? y: save  n: quit all the same  other keys: stay");
}

static void answer_quit(struct editor *editor, uint8_t byte)
{
    editor->mode = MODE_TEXT;
    say(editor, "%s", "");
    if (byte == 'y' || byte == 'Y') save(editor);
    bool is_saved = !editor->document.is_changed;
    if (byte == 'n' || byte == 'N' || is_saved) editor->wants_end = true;
}

static void cut_line(struct editor *editor)
{
    struct pane *pane = &editor->pane;
    const struct buffer *buffer = &editor->document.buffer;
    size_t start = buffer_line_start(buffer, pane->cursor);
    size_t length = buffer_line_end(buffer, start) - start;
    if (start + length < buffer_length(buffer)) length++;
    if (length == 0) return;
    if (!editor->was_cut) editor->cut_length = 0;
    if (length > CUT_BYTES_MAX - editor->cut_length) {
        say(editor, "%u KiB are cut at most.", CUT_BYTES_MAX >> 10);
        return;
    }
    editor->cut_length += buffer_copy(buffer, start, length, editor->cut + editor->cut_length);
    editor->was_cut = true;
    editor->document.is_changed = true;
    pane_delete_line(pane);
}

/* From behind the cursor, and from the start when there is none. */
static void find_next(struct editor *editor)
{
    const struct buffer *buffer = &editor->document.buffer;
    text wanted = {editor->answer, editor->answer_length};
    size_t end = buffer_length(buffer);
    size_t from = editor->pane.cursor + buffer_character_bytes(buffer, editor->pane.cursor);
    size_t found = buffer_find(buffer, from, wanted);
    if (wanted.length == 0) return;
    say(editor, "%s", "");
    if (found == end) {
        found = buffer_find(buffer, 0, wanted);
        say(editor, "From the start again.");
    }
    if (found < end)
        pane_go(&editor->pane, found);
    else
        say(editor, "Not found: %.*s", TEXT_ARGUMENTS(wanted));
}

static void answer_find(struct editor *editor, uint8_t byte)
{
    if (byte == '\r' || byte == '\n') {
        editor->mode = MODE_TEXT;
        find_next(editor);
    } else if (byte == KEY_BACKSPACE || byte == CONTROL('H')) {
        while (editor->answer_length > 0 &&
               ((uint8_t)editor->answer[--editor->answer_length] & 0xc0) == 0x80)
            ;
    } else if (byte == CONTROL('U')) {
        editor->answer_length = 0;
    } else if (byte < ' ') {
        editor->mode = MODE_TEXT;
    } else if (editor->answer_length < ANSWER_BYTES) {
        editor->answer[editor->answer_length++] = (char)byte;
    }
}

static void change(struct editor *editor, bool was_changed)
{
    if (was_changed) editor->document.is_changed = true;
}

static void take_byte(struct editor *editor, uint8_t byte)
{
    char character = byte == '\r' ? '\n' : (char)byte;
    switch (byte) {
    case CONTROL('S'):
        return save(editor);
    case CONTROL('Q'):
        return quit(editor);
    case CONTROL('F'):
        editor->mode = MODE_FIND;
        return;
    case CONTROL('K'):
        return cut_line(editor);
    case CONTROL('U'):
        return insert(editor, (text){editor->cut, editor->cut_length});
    case CONTROL('G'):
        return say(editor,
                   "^S save  ^Q quit  ^F find  ^K cut line  ^U insert  ^L draw  ^A ^E line");
    case CONTROL('L'):
        return set_size(editor, editor->rows, editor->columns);
    case CONTROL('A'):
        return move(editor, MOVE_HOME);
    case CONTROL('E'):
        return move(editor, MOVE_END);
    case CONTROL('D'):
        return change(editor, pane_delete(&editor->pane));
    case CONTROL('H'):
    case KEY_BACKSPACE:
        return change(editor, pane_delete_before(&editor->pane));
    default:
        if (byte >= ' ' || byte == '\r' || byte == '\n' || byte == '\t')
            insert(editor, (text){&character, 1});
        return;
    }
}

static void take_text_key(struct editor *editor, enum key key)
{
    bool was_cut = editor->was_cut;
    switch (key) {
    case KEY_NONE:
        return;
    case KEY_BYTE:
        take_byte(editor, editor->keys.byte);
        break;
    case KEY_UP:
        move(editor, MOVE_UP);
        break;
    case KEY_DOWN:
        move(editor, MOVE_DOWN);
        break;
    case KEY_LEFT:
        move(editor, MOVE_LEFT);
        break;
    case KEY_RIGHT:
        move(editor, MOVE_RIGHT);
        break;
    case KEY_HOME:
        move(editor, MOVE_HOME);
        break;
    case KEY_END:
        move(editor, MOVE_END);
        break;
    case KEY_PAGE_UP:
        move(editor, MOVE_PAGE_UP);
        break;
    case KEY_PAGE_DOWN:
        move(editor, MOVE_PAGE_DOWN);
        break;
    case KEY_DELETE:
        change(editor, pane_delete(&editor->pane));
        break;
    case KEY_SIZE:
        set_size(editor, editor->keys.rows, editor->keys.columns);
        break;
    }
    bool is_cut = key == KEY_BYTE && editor->keys.byte == CONTROL('K');
    editor->was_cut = is_cut && (editor->was_cut || was_cut);
}

static void take_key(struct editor *editor, enum key key)
{
    if (editor->mode == MODE_TEXT || key == KEY_SIZE) return take_text_key(editor, key);
    if (key != KEY_BYTE) return;
    if (editor->mode == MODE_FIND)
        answer_find(editor, editor->keys.byte);
    else
        answer_quit(editor, editor->keys.byte);
}

/* ---- the loop ---- */

static void take_typed(struct editor *editor, const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length && !editor->wants_end; i++)
        take_key(editor, keys_feed(&editor->keys, bytes[i]));
}

/* Asks the terminal how large it is. One that does not answer in time is 80 by 24; an answer that
 * comes later still counts. */
static status ask_size(struct editor *editor)
{
    set_size(editor, ROWS_DEFAULT, COLUMNS_DEFAULT);
    TRY(peal_stream_write_all(editor->out, view_of(ASK_SIZE)));
    for (uint32_t waited_ms = 0; waited_ms < ASK_LIMIT_MS; waited_ms += ASK_STEP_MS) {
        uint8_t bytes[64];
        size_result read = peal_stream_read_try(editor->in, SPAN_OF(bytes));
        if (is_ok(read.status)) {
            take_typed(editor, bytes, read.value);
            if (editor->keys.rows != 0) return OK;
        } else if (read.status.code != STATUS_WOULD_BLOCK) {
            return read.status;
        }
        TRY(peal_sleep_until(peal_deadline_in_ms(ASK_STEP_MS)));
    }
    return OK;
}

static status edit(struct editor *editor)
{
    TRY(ask_size(editor));
    while (!editor->wants_end) {
        uint8_t bytes[256];
        TRY(show(editor));
        size_result read = peal_stream_read(editor->in, SPAN_OF(bytes));
        TRY(read.status);
        if (read.value == 0) return FAIL(BROKEN_PIPE);
        if (editor->mode == MODE_TEXT) say(editor, "%s", "");
        take_typed(editor, bytes, read.value);
    }
    return OK;
}

static bool is_writable(const struct document *document)
{
    struct abi_stat stat;
    file_result opened = peal_path_open_file(document->path, ABI_RIGHT_CLOSE | ABI_RIGHT_STAT);
    if (!is_ok(opened.status)) return true; /* it is new: saving will tell */
    OWNED(file_handle) file = TAKE(opened.value);
    if (!is_ok(file_stat(file_borrow(&file), &stat))) return true;
    return (stat.file.attributes & ABI_ATTRIBUTE_READ_ONLY) == 0;
}

static int tell_failure(text path, status why)
{
    if (why.code == STATUS_OUT_OF_RANGE)
        peal_error("%.*s: larger than %u MiB", TEXT_ARGUMENTS(path), DOCUMENT_BYTES_MAX >> 20);
    else
        peal_error_path(path, why);
    return EXIT_CODE_FAILED;
}

int peal_main(struct peal_arguments arguments)
{
    struct editor *editor = &the_editor;
    if (peal_wants_help(arguments, usage)) return 0;
    if (arguments.count != 2) return peal_usage_error("one file is needed");
    text path = peal_argument(arguments, 1);
    editor->in = peal_granted_stream(TEXT("stdin"));
    editor->out = peal_granted_stream(TEXT("stdout"));
    if (editor->in.kind != ABI_KIND_CONSOLE || editor->out.kind != ABI_KIND_CONSOLE) {
        peal_error("input and output must be a console");
        return EXIT_CODE_FAILED;
    }
    status read = document_read(&editor->document, path);
    if (!is_ok(read)) return tell_failure(path, read);
    pane_init(&editor->pane, &editor->document.buffer, ROWS_DEFAULT, COLUMNS_DEFAULT);
    if (!is_writable(&editor->document)) say(editor, "The file is read-only: it cannot be saved.");
    status edited = edit(editor);
    struct writer out = WRITER(editor->drawn);
    writer_format(&out, "\x1b[%u;1H\x1b[K", editor->rows);
    ignore_status(peal_stream_write_all(editor->out, view_of(writer_text(&out)))); /* told next */
    if (is_ok(edited)) return 0;
    peal_error_status(TEXT("console"), edited);
    return EXIT_CODE_FAILED;
}
