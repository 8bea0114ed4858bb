/* Operations on several kinds of object: which kind's function runs them. */
#include "debug/assert.h"
#include "ops/ops.h"

/* Functions by kind; the dispatcher lets only those kinds through that ops.def names, which all
 * have one. */
typedef op_handler *const handlers_by_kind[ABI_KIND_COUNT];

static op_outcome run_by_kind(struct op *op, handlers_by_kind handlers)
{
    op_handler *handler = handlers[object_kind(op_object(op))];
    ASSERT(handler != nullptr);
    return handler(op);
}

/* Flags that are about places in a file, for what has none. */
static bool has_stray_place(const struct op *op)
{
    static constexpr uint32_t PLACE_FLAGS = ABI_IO_DIRECT | ABI_WRITE_APPEND;
    if (likely((op->submission.op_flags & PLACE_FLAGS) == 0)) return false;
    enum abi_kind kind = object_kind(op_object(op));
    return kind == ABI_KIND_CONSOLE || kind == ABI_KIND_REQUEST;
}

op_outcome op_read(struct op *op)
{
    static handlers_by_kind readers = {
        [ABI_KIND_FILE] = op_read_file,
        [ABI_KIND_BLOCK_DEVICE] = op_read_device,
        [ABI_KIND_CONSOLE] = op_read_console,
        [ABI_KIND_REQUEST] = op_read_request,
    };
    if (unlikely(has_stray_place(op))) return op_failed(FAIL(INVALID_ARGUMENT));
    return run_by_kind(op, readers);
}

op_outcome op_write(struct op *op)
{
    static handlers_by_kind writers = {
        [ABI_KIND_FILE] = op_write_file,
        [ABI_KIND_BLOCK_DEVICE] = op_write_device,
        [ABI_KIND_CONSOLE] = op_write_console,
        [ABI_KIND_REQUEST] = op_write_request,
    };
    if (unlikely(has_stray_place(op))) return op_failed(FAIL(INVALID_ARGUMENT));
    return run_by_kind(op, writers);
}

op_outcome op_enumerate(struct op *op)
{
    static handlers_by_kind listers = {
        [ABI_KIND_DIRECTORY] = op_enumerate_directory,
        [ABI_KIND_PROCESS] = op_enumerate_process,
        [ABI_KIND_SYSTEM] = op_enumerate_system,
    };
    return run_by_kind(op, listers);
}
