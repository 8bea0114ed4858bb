/*
 * Program files as the task layer wants them.
 *
 * Context: task, may sleep.
 */
#pragma once
#include "fs/vfs/vnode.h"
#include "task/image.h"

/* Borrows the vnode, which is a file. */
struct image_source program_source(struct vnode *file);
/* One reference. Why the file is no program goes to the log as well, with `name`. Errors as
 * image_load. */
image_result program_load(struct vnode *file, text name, enum abi_not_executable *out_reason);
