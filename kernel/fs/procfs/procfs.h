/*
 * /proc: what the kernel knows of the machine and of its processes, as files of JSON.
 *
 * A volume of read-only files, each one text
 *
 *     {"schema":"peal-1","ok":true,"data":{...}}
 *     {"schema":"peal-1","ok":false,"error":{"status":"BUSY","message":"..."}}
 *
 * that docs/proc.md describes field by field. The text is made when the file is opened, and the
 * handle sees that one text at any offset, however long it is kept; whoever opened it pays for its
 * memory. Texts are bounded: a list tells at most PROC_LIST_ENTRIES_MAX entries and says how many
 * it left out.
 *
 * Nothing can be done through it, and it shows no token of any handle. It is reached, as any other
 * directory, by those who were given a handle to it or to the root above it.
 *
 * Context: task; opening may sleep for a mutex of the process that is told of, never for long.
 * Locking: none of its own. What it tells of is copied, record by record, under the locks of those
 *          who own it, and written without them: so a text is not one moment's, entry by entry.
 */
#pragma once
#include "fs/vfs/vnode.h"

#define PROC_LIST_ENTRIES_MAX 4096u
#define PROC_FILE_BYTES_MAX   (3u << 20)

/* The root directory of the volume; borrowed, it stays. Boot, after vfs_init. */
struct vnode *procfs_init(void);
