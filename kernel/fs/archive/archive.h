/*
 * The boot archive as a read-only volume: a ustar archive in memory, its files and directories as
 * vnodes.
 *
 * Context: task. Locking: none; nothing changes after opening.
 */
#pragma once
#include "fs/vfs/vnode.h"

/*
 * The root directory of the archive, one reference. The bytes are borrowed for ever. What follows
 * damage is left out, and so is what has no name that a path could reach; the log says so.
 *   OUT_OF_MEMORY
 */
vnode_result archive_open(const void *bytes, uint64_t length);
/* Frees what archive_open made, all of it, when nobody else refers to any of its vnodes. For tests.
 */
void archive_close(struct vnode *root);
