/*
 * From a typed line to the words of a command. Pure: variables come from a function.
 *
 *     echo 'no $change'  "but $this"\ word   # and this is a comment
 *
 * Blanks separate words. '...' keeps everything as it is; "..." keeps everything but $ and \;
 * \ keeps the next character. $NAME, ${NAME} and $? are replaced by their values, which are not
 * split again. # begins a comment where a word would begin. ; ends a command.
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
    WORDS_PIPE,         /* | */
    WORDS_REDIRECTION,  /* < or > */
    WORDS_BACKGROUND,   /* & */
    WORDS_BAD_VARIABLE, /* $ with no name behind it */
};

/* False when there is no variable of this name; `context` is the caller's own. */
typedef bool variable_lookup(void *context, text name, text *out_value);

struct words {
    uint32_t count;
    text items[WORDS_MAX];
    size_t used_bytes;
    char bytes[WORDS_BYTES_MAX]; /* what the items point to */
};

/*
 * Takes the first command from *line into `words` and leaves the rest in *line. A variable that is
 * not set is empty. On an error `words` is empty.
 */
enum words_error words_take_command(struct words *words, text *line, variable_lookup *lookup,
                                    void *context);

/* One sentence about the error, with what to do. */
const char *words_error_message(enum words_error error);

/* True when `name` may name a variable: a letter or _, then letters, digits and _. */
bool words_is_name(text name);
