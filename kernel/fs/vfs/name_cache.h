/*
 * Names found before: (directory, name) -> vnode, so that opening a file again waits for nothing.
 *
 * The cache is a fixed number of slots, found by a hash and shared four at a time. A slot owns a
 * reference to the vnode it names, which also keeps that file's pages in memory; the slot used
 * least recently of its four makes room for a new name. Names are kept as they were asked for, byte
 * by byte: how a file system compares them is its own affair, and so is telling when a file has
 * lost one: it calls name_cache_forget() then, before the operation that did it ends. Names that
 * are not there are not kept: a look-up that fails is a step before a name is made, not a loop.
 *
 * A look-up that was on its way while a name was forgotten must not bring it back. So whoever looks
 * up notes name_cache_changes() before, and what he adds counts only if nothing was forgotten
 * since.
 *
 * Context: find, changes: any. The others: task; none sleeps.
 * Locking: LOCK_RANK_FILE inside; forget may be called with a volume's mutex held.
 * Cost: constant; forget looks at every slot.
 */
#pragma once
#include "fs/vfs/vnode.h"

#define NAME_CACHE_SLOTS          1024u
#define NAME_CACHE_NAME_BYTES_MAX 255u /* longer names are not kept */

/* A reference to the vnode, or nullptr when the name is not known. */
struct vnode *name_cache_find(const struct vnode *directory, text name);
/* A number that grows whenever something is forgotten. */
uint64_t name_cache_changes(void);
/* Remembers a name, if there is memory for that and nothing was forgotten since `seen`, what
 * name_cache_changes() said before the look-up. Takes its own reference. */
void name_cache_add(const struct vnode *directory, text name, struct vnode *vnode, uint64_t seen);
/* Forgets every name of this vnode. The caller has a reference. */
void name_cache_forget(struct vnode *vnode);
/* Forgets everything. Task context. */
void name_cache_empty(void);
