/*
 * Paths as people type them, made into what a directory handle understands.
 *
 * A directory handle refuses '..' and absolute paths, because it gives access to what is below it
 * only. A program that was granted "root" may go up in its own name: the path is resolved as text
 * and then opened from the root. Pure; context: any.
 */
#pragma once
#include "peal/text.h"

#define PATH_BYTES_MAX 4096u

/*
 * Resolves `path` against the absolute path `current` ("/boot"): '.', '..' and doubled '/' go away,
 * and '..' at the root stays there. `out` receives an absolute path, "/" for the root itself, at
 * most PATH_BYTES_MAX bytes. False when it does not fit.
 */
[[nodiscard]] bool path_resolve(text current, text path, char out[static PATH_BYTES_MAX],
                                text *out_path);

/* True when a directory handle takes the path as it is: relative, and no '.' or '..' in it. */
bool path_is_plain(text path);

/* What is behind the last '/'. */
text path_last_name(text path);
