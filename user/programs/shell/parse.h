/*
 * From a line or a script to steps. Pure: nothing is expanded and nothing is run here.
 *
 *     list       a ; b       a & b       a (line end) b
 *     and, or    a && b      a || b      ! a
 *     pipeline   a | b | c
 *     command    words and redirections: < FILE  > FILE  >> FILE  2> FILE  2>> FILE  2>&1  >&2
 *     if         if LIST; then LIST; [elif LIST; then LIST;]... [else LIST;] fi
 *     while      while LIST; do LIST; done       until LIST; do LIST; done
 *     for        for NAME [in WORD...]; do LIST; done
 *                break, continue: of the innermost loop
 *     comment    # up to the line's end, where a word would begin
 *
 * The result is a list of steps with jumps between them, so that whoever runs it needs no recursion
 * and can look at Ctrl-C between any two. Everything has a bound; what exceeds it is an error, too.
 */
#pragma once
#include "words.h"

#define PARSE_STEPS_MAX             2048u
#define PARSE_COMMANDS_MAX          2048u
#define PARSE_WORDS_MAX             8192u
#define PARSE_REDIRECTIONS_MAX      1024u
#define PARSE_PIPELINE_COMMANDS_MAX 16u
#define PARSE_DEPTH_MAX             16u /* if, while and for inside one another */

enum parse_error : uint8_t {
    PARSE_OK,
    PARSE_WORD,               /* words_error says what is wrong with a word */
    PARSE_NO_COMMAND,         /* an operator where a command should be */
    PARSE_NO_FILE,            /* < or > without a file behind it */
    PARSE_BAD_DUPLICATE,      /* >& with anything but 2>&1 and >&2 */
    PARSE_BACKGROUND_LIST,    /* & behind && or || */
    PARSE_PIPELINE_TOO_LONG,  /* PARSE_PIPELINE_COMMANDS_MAX */
    PARSE_COMPOUND_IN_LIST,   /* if, while, for behind |, && or || */
    PARSE_COMPOUND_NOT_PLAIN, /* |, &, < or > behind fi or done */
    PARSE_NO_SEPARATOR,       /* fi or done with a word behind it */
    PARSE_OPEN_IF,            /* an end without fi ... */
    PARSE_OPEN_LOOP,          /* ... without done */
    PARSE_STRAY_WORD,         /* then, elif, else, fi, do, done without what it belongs to */
    PARSE_EMPTY,              /* nothing between if and then, then and fi, do and done ... */
    PARSE_BAD_FOR,            /* for without NAME, or without in or do */
    PARSE_NOT_IN_LOOP,        /* break, continue */
    PARSE_TOO_DEEP,           /* PARSE_DEPTH_MAX */
    PARSE_TOO_LONG,           /* one of the other bounds */
};

enum redirection_kind : uint8_t {
    REDIRECT_INPUT,            /* < */
    REDIRECT_OUTPUT,           /* > */
    REDIRECT_APPEND,           /* >> */
    REDIRECT_ERRORS,           /* 2> */
    REDIRECT_ERRORS_APPEND,    /* 2>> */
    REDIRECT_ERRORS_TO_OUTPUT, /* 2>&1 */
    REDIRECT_OUTPUT_TO_ERRORS, /* >&2 */
};
struct redirection {
    enum redirection_kind kind;
    text file; /* as typed; empty for the last two */
};

/* Of the program's words and redirections. */
struct parsed_command {
    uint32_t first_word;
    uint32_t word_count; /* may be 0 when there is a redirection */
    uint32_t first_redirection;
    uint32_t redirection_count;
};

enum step_kind : uint8_t {
    STEP_PIPELINE,       /* commands first.., count; $? becomes its code */
    STEP_JUMP,           /* go on at `target` */
    STEP_JUMP_IF_OK,     /* when $? is 0 */
    STEP_JUMP_IF_FAILED, /* when it is not */
    STEP_SUCCEED,        /* $? becomes 0 */
    STEP_FOR_BEGIN,      /* loop `loop` goes over words first.., count */
    STEP_FOR_NEXT,       /* variable `name` takes the next one; without one go on at `target` */
};
struct step {
    enum step_kind kind;
    bool is_background;
    bool is_inverted; /* ! */
    bool is_tested;   /* somebody looks at the code: `set -e` does not */
    uint8_t loop;     /* below PARSE_DEPTH_MAX; loops inside one another have different ones */
    uint32_t first;
    uint32_t count;
    uint32_t target;
    text source; /* STEP_PIPELINE: as typed; _FOR_NEXT: the variable */
};

struct script {
    uint32_t step_count;
    uint32_t command_count;
    uint32_t word_count;
    uint32_t redirection_count;
    enum parse_error error;
    enum words_error words_error;
    uint32_t error_line; /* from 1 */
    struct step steps[PARSE_STEPS_MAX];
    struct parsed_command commands[PARSE_COMMANDS_MAX];
    text words[PARSE_WORDS_MAX]; /* as typed; they point into the source */
    struct redirection redirections[PARSE_REDIRECTIONS_MAX];
};

/*
 * Takes `source` apart. It must stay as long as the script is used. False on an error, told in
 * `error`, `words_error` and `error_line`; there are no steps then. Cost: linear.
 */
[[nodiscard]] bool script_parse(struct script *script, text source);

/* One sentence about the error, with what to do. */
const char *script_error_message(const struct script *script);
