/*
 * PROCESS_SPAWN: from a block of the caller's memory to a running process.
 *
 * A program whose image is in memory is started on the caller's own thread; otherwise a worker
 * reads its file first. The process is put together completely, with the caller's handle to it,
 * before its first thread is let go: so whatever fails, nothing has happened yet.
 */
#include "base/checked.h"
#include "fs/vfs/vfs.h"
#include "mm/heap.h"
#include "ops/ops.h"
#include "ops/program.h"
#include "ops/spawn_block.h"
#include "sched/thread.h"
#include "task/process.h"

typedef struct image *image_owner;
static void image_owner_drop(image_owner *owner)
{
    if (*owner != nullptr) image_put(*owner);
}

typedef void *memory_owner;
static void memory_owner_drop(memory_owner *owner)
{
    heap_give(*owner);
}

typedef struct spawn_request spawn_request_owner;
static void spawn_request_owner_drop(spawn_request_owner *request)
{
    if (request->spawn != nullptr) spawn_request_end(request);
}

/* A process that was not started. */
typedef struct process *unborn_owner;
static void unborn_owner_drop(unborn_owner *owner)
{
    if (*owner == nullptr) return;
    process_abandon(*owner);
    object_put(process_object(*owner));
}

/* ---- quotas ---- */

/* What the block asks for, which is never more than the spawner has itself. */
static status choose_limits(struct process *parent, const struct spawn_request *request,
                            struct process_options *out_options)
{
    const struct abi_spawn *spawn = request->spawn;
    struct process_options limits;
    process_limits(parent, &limits);
    if (spawn->memory_max_bytes > limits.memory_max_bytes ||
        spawn->handles_max > limits.handles_max || spawn->threads_max > limits.threads_max)
        return FAIL(QUOTA_EXCEEDED);
    if (spawn->memory_max_bytes != 0) limits.memory_max_bytes = spawn->memory_max_bytes;
    if (spawn->handles_max != 0) limits.handles_max = spawn->handles_max;
    if (spawn->threads_max != 0) limits.threads_max = spawn->threads_max;
    uint8_t wanted = (uint8_t)(THREAD_PRIORITY_USER + spawn->priority);
    if (wanted < limits.priority) limits.priority = wanted;
    limits.name = request->name;
    limits.parent = parent;
    *out_options = limits;
    return OK;
}

/* ---- handles ---- */

/* Derives from a handle of the spawner, inserts into the child, and says so for the start-up block.
 */
static op_outcome grant(struct handle_table *from, struct handle_table *to,
                        const struct abi_spawn_handle *wanted, struct abi_startup_handle *out_given)
{
    uint32_t detail = 0;
    capability_result found =
        handle_table_find(from, wanted->handle, ABI_KINDS_ANY, ABI_RIGHT_DUP, &detail);
    if (!is_ok(found.status)) return op_refused(found.status, detail);
    OWNED(capability_use_owner) own = TAKE(found.value);
    derivation how = {ABI_ORIGIN_SPAWN, from->process};
    capability_result derived = capability_derive(own, wanted->rights, how);
    if (!is_ok(derived.status)) return op_failed(derived.status);

    *out_given = (struct abi_startup_handle){
        .rights = derived.value->rights,
        .kind = derived.value->kind,
    };
    __builtin_memcpy(out_given->name, wanted->name, sizeof(out_given->name));
    handle_result inserted = handle_table_insert(to, derived.value);
    out_given->handle = inserted.value;
    return op_result(inserted.status, 0);
}

static op_outcome grant_all(struct op *op, struct process *child,
                            const struct spawn_request *request, struct abi_startup_handle *given)
{
    for (uint32_t i = 0; i < request->spawn->handles_count; i++) {
        op_outcome granted =
            grant(op_handles(op), process_handles(child), &request->handles[i], &given[i]);
        if (granted.code != STATUS_OK) return granted;
    }
    return op_done(0);
}

/* ---- the process ---- */

/* The caller's handle to the child. */
static handle_result insert_handle(struct op *op, struct process *child)
{
    capability_result made = capability_create(process_object(child), ABI_RIGHTS_ALL);
    TRY_AS(handle_result, made.status);
    return handle_table_insert(op_handles(op), made.value);
}

static void remove_handle(struct op *op, uint64_t handle)
{
    uint32_t detail;
    capability_result removed =
        handle_table_remove(op_handles(op), handle, ABI_KIND_BIT(PROCESS), 0, &detail);
    if (is_ok(removed.status)) capability_unuse(removed.value);
}

static op_outcome start(struct op *op, struct process *child, const struct spawn_request *request,
                        const struct abi_startup_handle *given)
{
    handle_result handle = insert_handle(op, child);
    if (!is_ok(handle.status)) return op_failed(handle.status);
    struct startup_contents contents = {
        .arguments = request->arguments,
        .arguments_count = request->spawn->arguments_count,
        .environment = request->environment,
        .environment_count = request->spawn->environment_count,
        .handles = given,
        .handles_count = request->spawn->handles_count,
        .ring = {request->spawn->ring_entries, request->spawn->ring_flags},
    };
    status started = process_start(child, &contents);
    if (!is_ok(started)) remove_handle(op, handle.value);
    return op_result(started, handle.value);
}

static op_outcome spawn_request_run(struct op *op, struct image *image,
                                    const struct spawn_request *request)
{
    struct process_options options;
    status allowed = choose_limits(op_process(op), request, &options);
    if (!is_ok(allowed)) return op_failed(allowed);
    process_result made = process_create(&options);
    if (!is_ok(made.status)) return op_failed(made.status);
    OWNED(unborn_owner) child = TAKE(made.value);
    status loaded = process_load(child, image);
    if (!is_ok(loaded)) return op_failed(loaded);

    uint64_t given_bytes = (request->spawn->handles_count + 1) * sizeof(struct abi_startup_handle);
    OWNED(memory_owner) given = heap_take(given_bytes);
    if (given == nullptr) return op_failed(FAIL(OUT_OF_MEMORY));
    op_outcome outcome = grant_all(op, child, request, given);
    if (outcome.code == STATUS_OK) outcome = start(op, child, request, given);
    if (outcome.code == STATUS_OK) object_put(process_object(TAKE(child)));
    return outcome;
}

/* Copies the block once, and judges the copy. */
static op_outcome spawn(struct op *op, struct image *image)
{
    uint64_t length = op->pin.length;
    if (length < sizeof(struct abi_spawn) || length > ABI_SPAWN_BLOCK_BYTES_MAX)
        return op_failed(FAIL(OUT_OF_RANGE));
    OWNED(memory_owner) block = heap_take(length);
    if (block == nullptr) return op_failed(FAIL(OUT_OF_MEMORY));
    buffer_read(op->pin.buffer, op->pin.offset, block, length);
    OWNED(spawn_request_owner) request = {0};
    status read = spawn_request_read(block, length, &request);
    if (!is_ok(read)) return op_failed(read);
    return spawn_request_run(op, image, &request);
}

static op_outcome load_and_spawn(struct op *op)
{
    enum abi_not_executable reason = ABI_NOT_EXECUTABLE_NONE;
    image_result loaded =
        program_load(vfs_vnode(op_object(op)), TEXT("a file to be started"), &reason);
    if (!is_ok(loaded.status)) return op_refused(loaded.status, reason);
    OWNED(image_owner) image = TAKE(loaded.value);
    return spawn(op, image);
}

op_outcome op_process_spawn(struct op *op)
{
    struct image_source source = program_source(vfs_vnode(op_object(op)));
    OWNED(image_owner) image = image_find(source.identity, source.version);
    return image != nullptr ? spawn(op, image) : op_defer(op, load_and_spawn);
}
