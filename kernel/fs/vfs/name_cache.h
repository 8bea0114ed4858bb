/*
 * Names found before: (directory, name) -> vnode, so that opening a file again waits for nothing.
 *
 * The cache is a fixed number of slots, found by a hash and shared four at a time. A slot owns a
 * reference to the vnode it names, which also keeps that file's pages in memory; the slot used
 * least recently of its four makes room for a new name. Names are kept as they were asked for, byte
 * by byte: how a file system compares them is its own affair.
 *
 * Context: find: any. add: task.
 * Locking: LOCK_RANK_FILE inside. Cost: constant.
 */
#pragma once
#include "fs/vfs/vnode.h"

#define NAME_CACHE_SLOTS          1024u
#define NAME_CACHE_NAME_BYTES_MAX 255u /* longer names are not kept */

/* A reference to the vnode, or nullptr when the name is not known. */
struct vnode *name_cache_find(const struct vnode *directory, text name);
/* Remembers a name, if there is memory for that. Takes its own reference. */
void name_cache_add(const struct vnode *directory, text name, struct vnode *vnode);
/* Forgets everything. Task context. */
void name_cache_empty(void);
