/*
 * Opening, moving in and listing files and directories.
 *
 * What is in memory is answered at once, on the ring's thread; what must wait for a disk is begun
 * again on a worker.
 */
#include "base/checked.h"
#include "fs/devices/devices.h"
#include "fs/vfs/vfs.h"
#include "mm/heap.h"
#include "ops/ops.h"
#include "task/process.h"

/* ---- open ---- */

typedef char *path_owner;
static void path_owner_drop(path_owner *path)
{
    heap_give(*path);
}

static bool is_wanted_kind(const struct object *opened, uint32_t flags)
{
    if (flags & ABI_OPEN_MUST_BE_FILE && object_kind(opened) != ABI_KIND_FILE) return false;
    if (flags & ABI_OPEN_MUST_BE_FOLDER && object_kind(opened) != ABI_KIND_DIRECTORY) return false;
    return true;
}

typedef object_result open_function(struct op *op, text path);

/* Opens what the span names, in a copy that the program cannot change any more. */
static object_result open_object(struct op *op, open_function *open)
{
    uint64_t length = op->pin.length;
    if (length == 0 || length > ABI_PATH_BYTES_MAX)
        return (object_result){.status = FAIL(INVALID_ARGUMENT)};
    OWNED(path_owner) path = heap_take(length);
    if (path == nullptr) return (object_result){.status = FAIL(OUT_OF_MEMORY)};
    buffer_read(op->pin.buffer, op->pin.offset, path, length);
    return open(op, (text){path, length});
}

/* A handle with those of the rights asked for that the directory's handle has. */
static op_outcome open_with(struct op *op, open_function *open)
{
    object_result result = open_object(op, open);
    if (!is_ok(result.status)) return op_failed(result.status);
    OWNED(object_owner) opened = result.value;
    if (!is_wanted_kind(opened, op->submission.op_flags)) return op_failed(FAIL(NOT_FOUND));
    uint64_t rights = op->submission.args[0] & op->capability->rights;
    if (object_kind(opened) == ABI_KIND_BLOCK_DEVICE && (rights & ABI_RIGHT_WRITE) != 0) {
        status claimed = device_object_claim(opened);
        if (!is_ok(claimed)) return op_failed(claimed);
    }
    return op_yield_found(op, opened, op->submission.args[0]);
}

static object_result open_path_waiting(struct op *op, text path)
{
    struct process *process = op_process(op);
    struct vnode_requester requester = {process_id(process), process_quota(process)};
    return vfs_open_for(op_object(op), path, &requester);
}

static object_result open_path_cached(struct op *op, text path)
{
    return vfs_open_cached(op_object(op), path);
}

static op_outcome open_waiting(struct op *op)
{
    return open_with(op, open_path_waiting);
}

op_outcome op_open(struct op *op)
{
    op_outcome outcome = open_with(op, open_path_cached);
    return outcome.code == STATUS_WOULD_BLOCK ? op_defer(op, open_waiting) : outcome;
}

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
