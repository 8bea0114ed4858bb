/*
 * Editing one line on a terminal. Pure: bytes in, bytes to show out.
 *
 * Keys: left, right, home, end, delete, backspace, up and down for history; Ctrl-A home, Ctrl-E
 * end, Ctrl-B and -F left and right, Ctrl-K cut behind the cursor, Ctrl-U cut before it, Ctrl-W
 * cut the word before it, Ctrl-Y insert what was cut, Ctrl-L clear the screen, Ctrl-D end on an
 * empty line, Ctrl-P and -N history. A line longer than the terminal scrolls sideways.
 *
 * The terminal is taken to be ANSI (ECMA-48) and `columns` wide. Each code point is one column.
 */
#pragma once
#include "peal/format.h"
#include "peal/text.h"

#define LINE_BYTES_MAX    12288u /* enough for a command with WORDS_MAX words */
#define HISTORY_LINES_MAX 64u

enum editor_event : uint8_t {
    EDITOR_MORE,     /* go on typing */
    EDITOR_LINE,     /* Enter: editor_line() is complete */
    EDITOR_COMPLETE, /* Tab: complete at the cursor, then editor_redraw() */
    EDITOR_END,      /* Ctrl-D on an empty line */
};

enum editor_escape : uint8_t { ESCAPE_NONE, ESCAPE_STARTED, ESCAPE_BRACKET, ESCAPE_SS3 };

struct line_editor {
    text prompt;
    uint32_t prompt_columns;
    uint32_t columns;
    size_t length; /* bytes */
    size_t cursor; /* byte index, at the start of a code point */
    enum editor_escape escape;
    uint32_t escape_number;
    bool last_was_return; /* so that \r\n is one Enter */
    size_t cut_length;
    uint32_t history_count; /* lines kept */
    uint32_t history_next;  /* slot of the next one */
    uint32_t history_back;  /* how far up we are: 0 is the line being typed */
    size_t typed_length;    /* of `typed` */
    char line[LINE_BYTES_MAX];
    char cut[LINE_BYTES_MAX];
    char typed[LINE_BYTES_MAX]; /* the line being typed while an older one is shown */
    struct {
        size_t length;
        char bytes[LINE_BYTES_MAX];
    } history[HISTORY_LINES_MAX];
};

/* Begins an empty line and shows the prompt. `prompt` stays borrowed until the line is complete. */
void editor_begin(struct line_editor *editor, text prompt, struct writer *out);

/* Takes one typed byte. */
enum editor_event editor_feed(struct line_editor *editor, uint8_t byte, struct writer *out);

/*
 * Takes the characters that `typed` begins with, as from a paste, and shows them in one step: a
 * terminal is slow. Answers how many bytes; 0 when the first one is a key for editor_feed().
 */
size_t editor_feed_text(struct line_editor *editor, text typed, struct writer *out);

static inline text editor_line(const struct line_editor *editor)
{
    return (text){editor->line, editor->length};
}

/* Inserts at the cursor what fits. Does not show it. */
void editor_insert(struct line_editor *editor, text piece);

/* Shows prompt and line again, from the first column. */
void editor_redraw(const struct line_editor *editor, struct writer *out);

/* Remembers a line, unless it is empty or the same as the last one. */
void editor_remember(struct line_editor *editor, text line);
