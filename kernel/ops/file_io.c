/*
 * The content of files: reading, writing, truncating, syncing, closing.
 *
 * What is in memory is answered at once, on the ring's thread; what must wait, for a disk or for
 * dirty pages to become fewer, goes on on a worker.
 */
#include "fs/vfs/vfs.h"
#include "ops/ops.h"

/* ---- read ---- */

static op_outcome read_waiting(struct op *op)
{
    size_result read = vfs_read(op_object(op), op->submission.offset_bytes, &op->pin);
    return op_result(read.status, read.value);
}

op_outcome op_read_file(struct op *op)
{
    if (unlikely(op->submission.op_flags & ABI_IO_DIRECT)) return op_read_file_direct(op);
    size_result read = vfs_read_cached(op_object(op), op->submission.offset_bytes, &op->pin);
    if (unlikely(read.status.code == STATUS_WOULD_BLOCK)) return op_defer(op, read_waiting);
    return op_result(read.status, read.value);
}

/* ---- write ---- */

/* What was written before the op went to a worker. */
struct write_progress {
    uint64_t done;
};

static bool is_append(const struct op *op)
{
    return (op->submission.op_flags & ABI_WRITE_APPEND) != 0;
}

static op_outcome write_waiting(struct op *op)
{
    uint64_t done = op_use(op, struct write_progress)->done;
    buffer_pin rest = op->pin; /* borrowed */
    rest.offset += done;
    rest.length -= done;
    uint64_t offset = op->submission.offset_bytes;
    if (offset != ABI_OFFSET_CURRENT) offset += done;
    size_result written = vfs_write(op_object(op), offset, is_append(op), &rest);
    if (!is_ok(written.status) && done == 0) return op_failed(written.status);
    return op_done(done + written.value);
}

op_outcome op_write_file(struct op *op)
{
    if (unlikely(op->submission.op_flags & ABI_IO_DIRECT)) return op_write_file_direct(op);
    uint64_t offset = op->submission.offset_bytes;
    if (unlikely(is_append(op) && offset != ABI_OFFSET_CURRENT))
        return op_failed(FAIL(INVALID_ARGUMENT));
    size_result written = vfs_write_cached(op_object(op), offset, is_append(op), &op->pin);
    if (likely(written.status.code != STATUS_WOULD_BLOCK))
        return op_result(written.status, written.value);
    op_use(op, struct write_progress)->done = written.value;
    return op_defer(op, write_waiting);
}

/* ---- truncate, sync, close ---- */

static op_outcome truncate_waiting(struct op *op)
{
    size_result cut = vfs_truncate(op_object(op), op->submission.args[0]);
    return op_result(cut.status, cut.value);
}

op_outcome op_truncate(struct op *op)
{
    return op_defer(op, truncate_waiting);
}

static op_outcome sync_waiting(struct op *op)
{
    return op_result(vfs_sync(op_object(op)), 0);
}

op_outcome op_sync(struct op *op)
{
    if (object_kind(op_object(op)) == ABI_KIND_BLOCK_DEVICE) return op_sync_device(op);
    return op_defer(op, sync_waiting);
}

static op_outcome close_waiting(struct op *op)
{
    return op_result(vfs_close(op_object(op)), 0);
}

op_outcome op_close_file(struct op *op)
{
    return vfs_close_needs_wait(op_object(op)) ? op_defer(op, close_waiting) : op_done(0);
}
