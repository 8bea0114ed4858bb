/*
 * Words: how far one goes in a line, and what it stands for. Pure: values come from the caller.
 *
 *     echo 'no $change'  "but $this"\ word  *.txt
 *
 * '...' keeps everything as it is; "..." keeps everything but $ and \; \ keeps the next character,
 * and with a line end behind it is nothing at all. $NAME, ${NAME}, $?, $!, $#, $0 to $9 and ${10}
 * are replaced by their values, which are neither split nor matched. "$@" and $@, alone, are one
 * word for each argument; inside a word all of them with blanks between.
 *
 * An unquoted * ? or [ makes the word a pattern (glob.h): it is given with a \ before each
 * character that was quoted and would otherwise match more than itself.
 */
#pragma once
#include "peal/text.h"

#define WORDS_MAX       4097u /* a command and 4096 arguments */
#define WORDS_BYTES_MAX 65536u

enum words_error : uint8_t {
    WORDS_OK,
    WORDS_QUOTE_OPEN,   /* ' or " without its end */
    WORDS_BRACE_OPEN,   /* ${ without } */
    WORDS_TOO_MANY,     /* more than WORDS_MAX words or WORDS_BYTES_MAX bytes */
    WORDS_BAD_VARIABLE, /* $ with no name behind it */
};

/* False when there is no variable of this name; `context` is the caller's own. */
typedef bool variable_lookup(void *context, text name, text *out_value);

struct word_values {
    variable_lookup *look_up; /* also of "?", "!", "#" and numbers */
    void *context;
    const text *arguments; /* $@ */
    uint32_t argument_count;
};

struct words {
    uint32_t count;
    bool is_pattern[WORDS_MAX];
    text items[WORDS_MAX];
    size_t used_bytes;
    char bytes[WORDS_BYTES_MAX]; /* what the items point to */
};

static inline void words_clear(struct words *words)
{
    words->count = 0;
    words->used_bytes = 0;
}

/*
 * Where the word that begins at `start` ends: at a blank, a line end or one of | & ; < > that is
 * not quoted, or at the end of `source`. WORDS_QUOTE_OPEN, _BRACE_OPEN, _BAD_VARIABLE
 */
enum words_error words_find_end(text source, size_t start, size_t *out_end);

/*
 * Adds what `raw`, one word as typed, stands for: mostly one word; none when it is nothing but
 * unquoted variables without a value. On an error what was added before stays.
 */
enum words_error words_add(struct words *words, text raw, const struct word_values *values);

/* Adds one word as it is. WORDS_TOO_MANY */
enum words_error words_add_plain(struct words *words, text word);

/* Takes the last word away, and answers it; its bytes stay until words_clear(). */
text words_take_last(struct words *words);

/* One sentence about the error, with what to do. */
const char *words_error_message(enum words_error error);

/* True when `name` may name a variable: a letter or _, then letters, digits and _. */
bool words_is_name(text name);
