/*
 * Copying and deleting: what cp, mv and rm have in common.
 *
 * Paths are as people mean them (peal_path_... in file.h). A failure is told to the person at once,
 * and the rest goes on.
 *
 * Context: one thread at a time; sleeps.
 */
#pragma once
#include "peal/file.h"

struct tree_edit {
    bool is_verbose; /* tells each step */
    bool keeps;      /* does not replace what is there: told as an error */
    uint64_t failures;
};

/* Replaces what `to` holds; keeps the time of the last change. */
status peal_copy_file(text from, text to);
/* `from` with all below it becomes `to`; folders that are there already are filled. */
void peal_copy_tree(struct tree_edit *edit, text from, text to);
/* `path` with all below it. */
void peal_delete_tree(struct tree_edit *edit, text path);

/* True when `path` is a folder. */
bool peal_is_folder(text path);
/*
 * Where `from` ends up when it is put at `to`: in it, under its own last name, when that is a
 * folder. False when that is too long a path.
 */
[[nodiscard]] bool peal_target_path(text from, text to, char bytes[static ABI_PATH_BYTES_MAX],
                                    text *out_path);
/* True when `path` is `folder` or below it, as the paths say. */
bool peal_is_inside(text path, text folder);
