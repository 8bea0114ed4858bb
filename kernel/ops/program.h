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
/* One reference. The file's reason for being no program goes to the log, with `name`. Errors as
 * image_load. */
image_result program_load(struct vnode *file, text name);
