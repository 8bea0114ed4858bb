/*
 * The shell: reads a line or a script, takes it apart, runs what it says.
 *
 *     parse.h     from text to steps                       pure
 *     words.h     from a word as typed to what it means    pure
 *     glob.h      patterns for names                       pure
 *     expand.c    the two above, and what lies in directories
 *     script.c    runs steps, and scripts from files
 *     run.c       pipelines: streams, redirections, starting programs
 *     jobs.h      what was started and has not been told of
 *     events.h    what it waits for
 *     authority.h who is granted what
 *
 * It holds the console, the root directory and the machine's handle, and passes on to each program
 * only what that program is for (authority.h), or what `with` says.
 */
#pragma once
#include "line_editor.h"
#include "parse.h"
#include "peal/file.h"
#include "peal/path.h"
#include "variables.h"
#include "words.h"

/* What changing the files in a directory takes. */
#define RIGHTS_CHANGING (ABI_RIGHT_WRITE | ABI_RIGHT_CREATE | ABI_RIGHT_DELETE)

#define CODE_USAGE       2u
#define CODE_NOT_STARTED 126u
#define CODE_NOT_FOUND   127u

/* What a program is granted as stdin, stdout and stderr. Borrowed; nil: not granted. */
struct streams {
    stream_ref input;
    stream_ref output;
    stream_ref errors;
};

struct shell {
    console_ref console; /* nil: without one, as in a pipeline */
    directory_ref root;
    system_ref system;
    struct streams streams;   /* its own: what its programs have, too */
    directory_handle current; /* nil: the root itself */
    size_t path_length;
    char path[PATH_BYTES_MAX]; /* of the current directory, absolute */
    struct variables variables;
    text name; /* $0 */
    const text *arguments;
    uint32_t argument_count;
    uint32_t last_code;       /* $? */
    uint64_t last_background; /* $!: number of a process */
    bool wants_exit;
    bool is_interactive;
    bool is_interrupted;    /* by Ctrl-C: what is being run stops */
    bool stops_on_failure;  /* set -e */
    uint32_t scripts_depth; /* of `source` */
    struct words words;
    struct line_editor editor;
};

static inline text shell_path(const struct shell *shell)
{
    return (text){shell->path, shell->path_length};
}

static inline directory_ref shell_current(const struct shell *shell)
{
    return directory_is_nil(directory_borrow(&shell->current)) ? shell->root
                                                               : directory_borrow(&shell->current);
}

/*
 * Opens a path as typed, relative to the current directory or from the root.
 * As peal_path_open_file and peal_path_open_directory, with the shell's own directory.
 */
peal_raw_status shell_raw_open(const struct shell *shell, text path, uint64_t rights,
                               uint32_t flags, peal_raw_handle *out_handle ACQUIRES_HANDLE);

/*
 * script.c: runs a line, or a script, to its end. `name` is said in errors; empty at the prompt.
 * The code is in last_code.
 */
void shell_run_source(struct shell *shell, text name, text source);
/*
 * Runs the script in a file with these arguments, in this shell. False when the file could not be
 * read, which was said.
 */
bool shell_run_file(struct shell *shell, text path, const text *arguments, uint32_t count);

/*
 * expand.c: adds to shell->words what `raw` stands for, with the files that patterns match. False
 * after an error was printed.
 */
bool shell_expand(struct shell *shell, text raw);
/* What words.h asks for: the values of variables, as they are now. */
struct word_values shell_word_values(struct shell *shell);

/* run.c: runs the pipeline of the step, and waits for it unless it goes to the background. */
uint32_t shell_run_pipeline(struct shell *shell, const struct script *script,
                            const struct step *step);
/* Runs one program with these words in the foreground, with the shell's own streams. */
uint32_t shell_run_program(struct shell *shell, const text *words, uint32_t count);

/* builtins.c: what the shell does itself. */
bool shell_is_builtin(const text *words, uint32_t count);
uint32_t shell_run_builtin(struct shell *shell, const text *words, uint32_t count);
/* For completion and help: name of builtin `index`, or empty text behind the last. */
text shell_builtin_name(uint32_t index);

/* test.c: `test` and `[`. */
uint32_t shell_test(struct shell *shell, const text *words, uint32_t count);

/* tab.c: completes the word at the cursor. */
void shell_complete(struct shell *shell, struct writer *out);
