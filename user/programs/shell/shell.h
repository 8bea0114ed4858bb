/*
 * The shell: reads a line, takes it apart, runs what it says.
 *
 * It holds the console, the root directory and the machine's handle, and passes on to each program
 * only what that program is for (authority.h), or what `with` says.
 */
#pragma once
#include "line_editor.h"
#include "peal/file.h"
#include "peal/path.h"
#include "variables.h"
#include "words.h"

struct shell {
    console_ref console;
    directory_ref root;
    system_ref system;
    directory_handle current; /* nil: the root itself */
    size_t path_length;
    char path[PATH_BYTES_MAX]; /* of the current directory, absolute */
    struct variables variables;
    uint32_t last_code; /* $? */
    bool wants_exit;
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

/* Runs one line: every command in it, one after the other. */
void shell_run_line(struct shell *shell, text line);

/* builtins.c: runs the command if the shell does it itself. */
bool shell_run_builtin(struct shell *shell, const text *words, uint32_t count, uint32_t *out_code);
/* For completion and help: name of builtin `index`, or empty text behind the last. */
text shell_builtin_name(uint32_t index);

/* run.c: runs a program and waits for it. `grants` as `with` takes it; empty for the usual ones. */
uint32_t shell_run_program(struct shell *shell, text grants, const text *words, uint32_t count);

/* tab.c: completes the word at the cursor. */
void shell_complete(struct shell *shell, struct writer *out);
