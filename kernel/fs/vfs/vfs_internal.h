/* What the files of the vfs share and nobody else needs. */
#pragma once
#include "base/container.h"
#include "fs/vfs/vfs.h"

/* What a handle of kind file or directory names. */
struct open_file {
    struct object object;
    struct vnode *vnode;         /* counted */
    _Atomic uint64_t position;   /* files: where reads go on. Relaxed: it orders nothing else */
    _Atomic uint32_t error_told; /* of failed write-backs: write_error.h */
};

static inline struct open_file *open_file_of(struct object *object)
{
    return container_of(object, struct open_file, object);
}
