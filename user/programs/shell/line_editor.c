#include "line_editor.h"
#include "peal/bytes.h"

#define CONTROL(letter) ((letter) & 0x1f)
#define KEY_ESCAPE      27
#define KEY_BACKSPACE   127

static bool is_continuation(char byte)
{
    return ((uint8_t)byte & 0xc0) == 0x80;
}

static uint32_t columns_of(const char *bytes, size_t length)
{
    uint32_t columns = 0;
    for (size_t i = 0; i < length; i++)
        columns += !is_continuation(bytes[i]);
    return columns;
}

static size_t index_before(const struct line_editor *editor, size_t at)
{
    if (at > 0) at--;
    while (at > 0 && is_continuation(editor->line[at]))
        at--;
    return at;
}

static size_t index_after(const struct line_editor *editor, size_t at)
{
    if (at < editor->length) at++;
    while (at < editor->length && is_continuation(editor->line[at]))
        at++;
    return at;
}

/* Columns that the line may use: one stays free, since writing the last one may wrap. */
static uint32_t room(const struct line_editor *editor)
{
    uint32_t used = editor->prompt_columns + 1;
    return editor->columns > used + 8 ? editor->columns - used : 8;
}

/* First byte to show, so that the cursor is in sight. */
static size_t first_shown(const struct line_editor *editor)
{
    uint32_t before_cursor = columns_of(editor->line, editor->cursor);
    uint32_t width = room(editor);
    if (before_cursor < width) return 0;
    uint32_t skip = before_cursor - width + 1;
    size_t at = 0;
    while (skip-- > 0)
        at = index_after(editor, at);
    return at;
}

void editor_redraw(const struct line_editor *editor, struct writer *out)
{
    size_t first = first_shown(editor), end = first;
    for (uint32_t shown = 0; shown < room(editor) && end < editor->length; shown++)
        end = index_after(editor, end);
    writer_byte(out, '\r');
    writer_write(out, editor->prompt);
    writer_write(out, (text){editor->line + first, end - first});
    writer_write(out, TEXT("\x1b[K"));
    uint32_t back = columns_of(editor->line + editor->cursor, end - editor->cursor);
    if (back > 0) writer_format(out, "\x1b[%uD", back);
}

/* Columns that a prompt takes: its colours take none. */
static uint32_t prompt_columns(text prompt)
{
    uint32_t columns = 0;
    for (size_t i = 0; i < prompt.length; i++) {
        if (prompt.bytes[i] == KEY_ESCAPE) {
            while (i < prompt.length && prompt.bytes[i] != 'm')
                i++;
            continue;
        }
        columns += !is_continuation(prompt.bytes[i]);
    }
    return columns;
}

void editor_begin(struct line_editor *editor, text prompt, struct writer *out)
{
    editor->prompt = prompt;
    editor->prompt_columns = prompt_columns(prompt);
    if (editor->columns == 0) editor->columns = 80;
    editor->length = 0;
    editor->cursor = 0;
    editor->escape = ESCAPE_NONE;
    editor->history_back = 0;
    editor_redraw(editor, out);
}

void editor_insert(struct line_editor *editor, text piece)
{
    if (piece.length > LINE_BYTES_MAX - editor->length) return;
    memmove(editor->line + editor->cursor + piece.length, editor->line + editor->cursor,
            editor->length - editor->cursor);
    memcpy(editor->line + editor->cursor, piece.bytes, piece.length);
    editor->cursor += piece.length;
    editor->length += piece.length;
}

/* Removes [from, to), leaving the cursor at `from`. */
static void remove_range(struct line_editor *editor, size_t from, size_t to)
{
    memmove(editor->line + from, editor->line + to, editor->length - to);
    editor->length -= to - from;
    editor->cursor = from;
}

static void cut_range(struct line_editor *editor, size_t from, size_t to)
{
    if (from == to) return;
    editor->cut_length = to - from;
    memcpy(editor->cut, editor->line + from, to - from);
    remove_range(editor, from, to);
}

static size_t word_start_before(const struct line_editor *editor)
{
    size_t at = editor->cursor;
    while (at > 0 && editor->line[at - 1] == ' ')
        at--;
    while (at > 0 && editor->line[at - 1] != ' ')
        at--;
    return at;
}

void editor_remember(struct line_editor *editor, text line)
{
    if (line.length == 0 || line.length > LINE_BYTES_MAX) return;
    uint32_t last = (editor->history_next + HISTORY_LINES_MAX - 1) % HISTORY_LINES_MAX;
    if (editor->history_count > 0 &&
        peal_text_equal(line, (text){editor->history[last].bytes, editor->history[last].length}))
        return;
    memcpy(editor->history[editor->history_next].bytes, line.bytes, line.length);
    editor->history[editor->history_next].length = line.length;
    editor->history_next = (editor->history_next + 1) % HISTORY_LINES_MAX;
    if (editor->history_count < HISTORY_LINES_MAX) editor->history_count++;
}

static void line_set(struct line_editor *editor, const char *bytes, size_t length)
{
    memmove(editor->line, bytes, length);
    editor->length = length;
    editor->cursor = length;
}

/* Goes to the line `back` steps up; 0 is what was being typed. */
static void history_show(struct line_editor *editor, uint32_t back)
{
    if (back > editor->history_count) return;
    if (editor->history_back == 0) {
        memcpy(editor->typed, editor->line, editor->length);
        editor->typed_length = editor->length;
    }
    editor->history_back = back;
    if (back == 0) {
        line_set(editor, editor->typed, editor->typed_length);
        return;
    }
    uint32_t slot = (editor->history_next + HISTORY_LINES_MAX - back) % HISTORY_LINES_MAX;
    line_set(editor, editor->history[slot].bytes, editor->history[slot].length);
}

static void history_newer(struct line_editor *editor)
{
    if (editor->history_back > 0) history_show(editor, editor->history_back - 1);
}

/* The last byte of ESC [ ... or ESC O .: ECMA-48, and the numbered keys of the VT220. */
static void escape_finish(struct line_editor *editor, uint8_t byte)
{
    if (byte == 'A')
        history_show(editor, editor->history_back + 1);
    else if (byte == 'B')
        history_newer(editor);
    else if (byte == 'C')
        editor->cursor = index_after(editor, editor->cursor);
    else if (byte == 'D')
        editor->cursor = index_before(editor, editor->cursor);
    else if (byte == 'H')
        editor->cursor = 0;
    else if (byte == 'F')
        editor->cursor = editor->length;
    else if (byte == '~' && (editor->escape_number == 1 || editor->escape_number == 7))
        editor->cursor = 0;
    else if (byte == '~' && (editor->escape_number == 4 || editor->escape_number == 8))
        editor->cursor = editor->length;
    else if (byte == '~' && editor->escape_number == 3)
        remove_range(editor, editor->cursor, index_after(editor, editor->cursor));
}

static void escape_feed(struct line_editor *editor, uint8_t byte)
{
    if (editor->escape == ESCAPE_STARTED) {
        editor->escape_number = 0;
        editor->escape = byte == '[' ? ESCAPE_BRACKET : byte == 'O' ? ESCAPE_SS3 : ESCAPE_NONE;
    } else if (byte >= '0' && byte <= '9' && editor->escape_number < 1000) {
        editor->escape_number = editor->escape_number * 10 + (byte - '0');
    } else if (byte >= 0x40) {
        escape_finish(editor, byte);
        editor->escape = ESCAPE_NONE;
    }
}

/* Keys that change line or cursor; false for all others. */
static bool edit(struct line_editor *editor, uint8_t byte)
{
    switch (byte) {
    case CONTROL('A'):
        editor->cursor = 0;
        return true;
    case CONTROL('E'):
        editor->cursor = editor->length;
        return true;
    case CONTROL('B'):
        editor->cursor = index_before(editor, editor->cursor);
        return true;
    case CONTROL('F'):
        editor->cursor = index_after(editor, editor->cursor);
        return true;
    case CONTROL('P'):
        history_show(editor, editor->history_back + 1);
        return true;
    case CONTROL('N'):
        history_newer(editor);
        return true;
    case CONTROL('K'):
        cut_range(editor, editor->cursor, editor->length);
        return true;
    case CONTROL('U'):
        cut_range(editor, 0, editor->cursor);
        return true;
    case CONTROL('W'):
        cut_range(editor, word_start_before(editor), editor->cursor);
        return true;
    case CONTROL('Y'):
        editor_insert(editor, (text){editor->cut, editor->cut_length});
        return true;
    case CONTROL('H'):
    case KEY_BACKSPACE:
        remove_range(editor, index_before(editor, editor->cursor), editor->cursor);
        return true;
    case CONTROL('D'):
        remove_range(editor, editor->cursor, index_after(editor, editor->cursor));
        return true;
    default:
        return false;
    }
}

static bool is_character(uint8_t byte)
{
    return byte >= ' ' && byte != KEY_BACKSPACE;
}

/* What does not fit into the line is dropped. */
static void insert_and_show(struct line_editor *editor, text typed, struct writer *out)
{
    text fitting = peal_text_slice(typed, 0, LINE_BYTES_MAX - editor->length);
    bool is_append = editor->cursor == editor->length;
    editor_insert(editor, fitting);
    if (is_append && columns_of(editor->line, editor->length) < room(editor))
        writer_write(out, fitting);
    else
        editor_redraw(editor, out);
}

static enum editor_event key_feed(struct line_editor *editor, uint8_t byte, struct writer *out)
{
    if (byte == '\r' || byte == '\n') {
        bool was_at_end = editor->cursor == editor->length;
        editor->cursor = editor->length;
        if (!was_at_end) editor_redraw(editor, out);
        writer_byte(out, '\n');
        return EDITOR_LINE;
    }
    if (byte == '\t') return EDITOR_COMPLETE;
    if (byte == CONTROL('D') && editor->length == 0) return EDITOR_END;
    if (byte == KEY_ESCAPE) {
        editor->escape = ESCAPE_STARTED;
        return EDITOR_MORE;
    }
    if (byte == CONTROL('L'))
        writer_write(out, TEXT("\x1b[H\x1b[2J"));
    else if (!edit(editor, byte)) {
        char typed = (char)byte;
        if (is_character(byte)) insert_and_show(editor, (text){&typed, 1}, out);
        return EDITOR_MORE;
    }
    editor_redraw(editor, out);
    return EDITOR_MORE;
}

size_t editor_feed_text(struct line_editor *editor, text typed, struct writer *out)
{
    size_t count = 0;
    if (editor->escape != ESCAPE_NONE) return 0;
    while (count < typed.length && is_character((uint8_t)typed.bytes[count]))
        count++;
    if (count == 0) return 0;
    editor->last_was_return = false;
    insert_and_show(editor, peal_text_slice(typed, 0, count), out);
    return count;
}

enum editor_event editor_feed(struct line_editor *editor, uint8_t byte, struct writer *out)
{
    bool is_second_half = byte == '\n' && editor->last_was_return;
    editor->last_was_return = byte == '\r';
    if (is_second_half) return EDITOR_MORE;
    if (editor->escape != ESCAPE_NONE) {
        escape_feed(editor, byte);
        if (editor->escape == ESCAPE_NONE) editor_redraw(editor, out);
        return EDITOR_MORE;
    }
    return key_feed(editor, byte, out);
}
