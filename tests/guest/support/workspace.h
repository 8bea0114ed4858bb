/*
 * A directory of a test's own on the first disk, for what the test writes.
 *
 *     GUEST_TEST(what_is_written_is_there)
 *     {
 *         if (!workspace_begin()) return;
 *         OWNED(file_handle) file = workspace_file(TEXT("a"), TEXT("bytes"));
 *         ...
 *         workspace_end();
 *     }
 *
 * Context: the program's first thread. The program must have been granted "root".
 */
#pragma once
#include "peal/file.h"

/* Makes it, empty. False, and the test is skipped: there is no disk, or it cannot be written. */
[[nodiscard]] bool workspace_begin(void);
/* Deletes what is in it, directories of files too, and then itself; what cannot be is a failure. */
void workspace_end(void);

/* Between those two: borrowed. */
directory_ref workspace(void);
/* Where it lies, below the granted "root". */
text workspace_path(void);

/* A new file with this content, opened with all rights; nil, and a failure, if that is refused. */
file_handle workspace_file(text name, text content);
/* A new directory, opened with all rights. */
directory_handle workspace_folder(text name);
/* One that is there, with all rights. */
file_handle workspace_open(text path);

/* What the path leads to: OK, or why it is not to be had. */
status workspace_find(text path);
/* Whether the file there has exactly this content (at most 64 KiB). */
bool workspace_holds(text path, text content);
/* Entries of a directory; with `name`, only those of exactly that name. */
uint32_t workspace_count(directory_ref folder);
uint32_t workspace_count_named(directory_ref folder, text name);
/* Of the volume, when all that was deleted before has been given back. */
uint64_t workspace_free_bytes(void);
