/*
 * Moving in and listing files and directories; names are in file_names.c, bytes in file_io.c.
 *
 * What is in memory is answered at once, on the ring's thread; what must wait for a disk is begun
 * again on a worker.
 */
#include "fs/vfs/vfs.h"
#include "ops/ops.h"

/* ---- seek ---- */

op_outcome op_seek(struct op *op)
{
    size_result moved =
        vfs_seek(op_object(op), (int64_t)op->submission.args[0], op->submission.op_flags);
    return op_result(moved.status, moved.value);
}

/* ---- directories, stat ---- */

static op_outcome enumerate_waiting(struct op *op)
{
    size_result listed = vfs_enumerate(op_object(op), op->submission.args[0], &op->pin);
    return op_result(listed.status, listed.value);
}

op_outcome op_enumerate_directory(struct op *op)
{
    return op_defer(op, enumerate_waiting);
}

void stat_file(struct object *file, struct abi_stat *stat)
{
    vfs_fill_stat(file, stat);
}

void stat_directory(struct object *directory, struct abi_stat *stat)
{
    vfs_fill_stat(directory, stat);
}
