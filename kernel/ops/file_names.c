/*
 * Names of files and directories: opening, making, taking away, moving.
 *
 * A path is copied before anything looks at it, so that the program cannot change it any more. What
 * is in the name cache is opened at once, on the ring's thread; everything else waits for a disk
 * and runs on a worker.
 */
#include "base/checked.h"
#include "fs/devices/devices.h"
#include "fs/vfs/vfs.h"
#include "mm/heap.h"
#include "ops/ops.h"
#include "task/process.h"
#include "time/clock.h"

/* ---- paths ---- */

typedef char *path_owner;
static void path_owner_drop(path_owner *path)
{
    heap_give(*path);
}
typedef op_outcome path_function(struct op *op, text path);

/* Runs the function with a copy of what the span holds. */
static op_outcome with_path(struct op *op, path_function *function)
{
    OWNED(path_owner) bytes = heap_take(op->pin.length);
    if (bytes == nullptr) return op_failed(FAIL(OUT_OF_MEMORY));
    buffer_read(op->pin.buffer, op->pin.offset, bytes, op->pin.length);
    return function(op, (text){bytes, op->pin.length});
}

static bool is_path_length(uint64_t length)
{
    return length != 0 && length <= ABI_PATH_BYTES_MAX;
}

static bool is_possible(const struct op *op)
{
    const struct abi_submission *request = &op->submission;
    uint64_t length = op->pin.length, first = request->args[1];
    if (request->op == ABI_OP_RENAME)
        return first < length && is_path_length(first) && is_path_length(length - first);
    bool is_both = request->op == ABI_OP_DELETE && request->op_flags == ABI_DELETE_FLAGS_KNOWN;
    return is_path_length(length) && !is_both;
}

static op_outcome lacks(const struct capability *capability, uint64_t right)
{
    return op_refused(FAIL(INSUFFICIENT_RIGHTS), capability_explain(capability, right));
}

op_outcome op_check_names(const struct op *op)
{
    const struct abi_submission *request = &op->submission;
    if (!is_possible(op)) return op_failed(FAIL(INVALID_ARGUMENT));
    if (request->op != ABI_OP_RENAME) return op_done(0);
    bool is_inside = request->args[0] == 0;
    /* A number that names a handle here means nothing to a server. */
    if (!is_inside && op_object(op)->type->is_served) return op_failed(FAIL(PERMISSION_DENIED));
    if (is_inside && !(op->capability->rights & ABI_RIGHT_CREATE))
        return lacks(op->capability, ABI_RIGHT_CREATE);
    return op_done(0);
}

/* Checks, then goes on where it may sleep. */
static op_outcome defer_checked(struct op *op, op_handler *function)
{
    op_outcome checked = op_check_names(op);
    return checked.code == STATUS_OK ? op_defer(op, function) : checked;
}

/* ---- open, create ---- */

static bool is_wanted_kind(const struct object *opened, uint32_t flags)
{
    if (flags & ABI_OPEN_MUST_BE_FILE && object_kind(opened) != ABI_KIND_FILE) return false;
    if (flags & ABI_OPEN_MUST_BE_FOLDER && object_kind(opened) != ABI_KIND_DIRECTORY) return false;
    return true;
}

/* A handle with those of the rights asked for that the directory's handle has. */
static op_outcome yield_opened(struct op *op, object_result result)
{
    if (!is_ok(result.status)) return op_failed(result.status);
    OWNED(object_owner) opened = result.value;
    if (op->submission.op == ABI_OP_OPEN && !is_wanted_kind(opened, op->submission.op_flags))
        return op_failed(FAIL(NOT_FOUND));
    uint64_t rights = op->submission.args[0] & op->capability->rights;
    if (object_kind(opened) == ABI_KIND_BLOCK_DEVICE && (rights & ABI_RIGHT_WRITE) != 0) {
        status claimed = device_object_claim(opened);
        if (!is_ok(claimed)) return op_failed(claimed);
    }
    return op_yield_found(op, opened, op->submission.args[0]);
}

/* Whether what is not there is to be made: who may write to it wants to. */
static bool may_make(const struct op *op)
{
    uint32_t flags = op->submission.op_flags;
    if (flags & (ABI_OPEN_MUST_EXIST | ABI_OPEN_MUST_BE_FOLDER)) return false;
    return (op->submission.args[0] & op->capability->rights & ABI_RIGHT_WRITE) != 0;
}

/* Another may make the file, or take it away, between two steps; who is so unlucky again and again
 * is told that it is not there. */
static constexpr uint32_t OPEN_ATTEMPTS_MAX = 4;

static object_result open_or_make(struct object *directory, text path)
{
    for (uint32_t attempt = 0; attempt < OPEN_ATTEMPTS_MAX; attempt++) {
        object_result made = vfs_create(directory, path, ABI_KIND_FILE);
        if (made.status.code != STATUS_ALREADY_EXISTS) return made;
        object_result opened = vfs_open(directory, path);
        if (opened.status.code != STATUS_NOT_FOUND) return opened;
    }
    return (object_result){.status = FAIL(NOT_FOUND)};
}

static object_result make(struct op *op, text path)
{
    if (op->submission.op == ABI_OP_OPEN) return open_or_make(op_object(op), path);
    bool is_folder = (op->submission.op_flags & ABI_CREATE_FOLDER) != 0;
    return vfs_create(op_object(op), path, is_folder ? ABI_KIND_DIRECTORY : ABI_KIND_FILE);
}

/* What was made, with those of the rights asked for that the directory's handle has. */
static capability_result make_named(struct op *op, text path)
{
    object_result made = make(op, path);
    TRY_AS(capability_result, made.status);
    OWNED(object_owner) object = made.value;
    /* Another may have made a folder of the name meanwhile. */
    if (op->submission.op == ABI_OP_OPEN && !is_wanted_kind(object, op->submission.op_flags))
        return (capability_result){.status = FAIL(NOT_FOUND)};
    return capability_derive_object(op->capability, object,
                                    op->submission.args[0] & op->capability->rights,
                                    op_derivation(op, ABI_ORIGIN_OPENED));
}

/* The handle comes first: who has no room for it shall not leave a file behind. */
static op_outcome make_path(struct op *op, text path)
{
    uint64_t handle;
    status reserved = handle_table_reserve(op_handles(op), 1, &handle);
    if (!is_ok(reserved)) return op_failed(reserved);
    capability_result named = make_named(op, path);
    if (!is_ok(named.status)) {
        handle_table_unreserve(op_handles(op), 1, &handle);
        return op_failed(named.status);
    }
    handle_table_fill(op_handles(op), handle, named.value);
    return op_done(handle);
}

static op_outcome open_path(struct op *op, text path)
{
    struct process *process = op_process(op);
    struct vnode_requester requester = {process_id(process), process_quota(process)};
    object_result opened = vfs_open_for(op_object(op), path, &requester);
    if (opened.status.code != STATUS_NOT_FOUND || !may_make(op)) return yield_opened(op, opened);
    if (!(op->capability->rights & ABI_RIGHT_CREATE))
        return lacks(op->capability, ABI_RIGHT_CREATE);
    return make_path(op, path);
}

static op_outcome open_waiting(struct op *op)
{
    return with_path(op, open_path);
}

static op_outcome open_cached(struct op *op, text path)
{
    return yield_opened(op, vfs_open_cached(op_object(op), path));
}

op_outcome op_open(struct op *op)
{
    op_outcome checked = op_check_names(op);
    if (unlikely(checked.code != STATUS_OK)) return checked;
    op_outcome outcome = with_path(op, open_cached);
    return outcome.code == STATUS_WOULD_BLOCK ? op_defer(op, open_waiting) : outcome;
}

static op_outcome create_waiting(struct op *op)
{
    return with_path(op, make_path);
}

op_outcome op_create(struct op *op)
{
    return defer_checked(op, create_waiting);
}

/* ---- delete ---- */

static op_outcome delete_path(struct op *op, text path)
{
    uint32_t flags = op->submission.op_flags;
    enum abi_kind kind = flags & ABI_DELETE_MUST_BE_FILE     ? ABI_KIND_FILE
                         : flags & ABI_DELETE_MUST_BE_FOLDER ? ABI_KIND_DIRECTORY
                                                             : ABI_KIND_COUNT;
    return op_result(vfs_remove(op_object(op), path, kind), 0);
}

static op_outcome delete_waiting(struct op *op)
{
    return with_path(op, delete_path);
}

op_outcome op_delete(struct op *op)
{
    return defer_checked(op, delete_waiting);
}

/* ---- rename ---- */

/* Who may not take anything away from the new place keeps what is there. */
static op_outcome rename_to(struct op *op, const struct capability *to, text both)
{
    uint64_t first = op->submission.args[1];
    text old_path = {both.bytes, first}, new_path = {both.bytes + first, both.length - first};
    bool keep = (op->submission.op_flags & ABI_RENAME_KEEP) != 0;
    bool may_replace = (to->rights & ABI_RIGHT_DELETE) != 0;
    status renamed =
        vfs_rename(op_object(op), old_path, to->object, new_path, keep || !may_replace);
    if (renamed.code == STATUS_ALREADY_EXISTS && !keep && !may_replace)
        return lacks(to, ABI_RIGHT_DELETE);
    return op_result(renamed, 0);
}

static op_outcome rename_inside(struct op *op, text both)
{
    return rename_to(op, op->capability, both);
}

/* What is moved may not be reached with more rights than before. */
static uint64_t rights_gained(const struct capability *from, const struct capability *to)
{
    return to->rights & ~from->rights & ABI_RENAME_RIGHTS_KEPT;
}

static op_outcome rename_across(struct op *op, text both)
{
    uint32_t detail = 0;
    capability_result found = handle_table_find(op_handles(op), op->submission.args[0],
                                                ABI_KIND_BIT(DIRECTORY), ABI_RIGHT_CREATE, &detail);
    if (!is_ok(found.status)) return op_refused(found.status, detail);
    OWNED(capability_use_owner) to = found.value;
    if (to->object->type->is_served) return op_failed(FAIL(PERMISSION_DENIED));
    uint64_t gained = rights_gained(op->capability, to);
    return gained != 0 ? lacks(op->capability, gained) : rename_to(op, to, both);
}

static op_outcome rename_waiting(struct op *op)
{
    return with_path(op, op->submission.args[0] == 0 ? rename_inside : rename_across);
}

op_outcome op_rename(struct op *op)
{
    return defer_checked(op, rename_waiting);
}

/* ---- times ---- */

static op_outcome set_modified_waiting(struct op *op)
{
    uint64_t when = op->submission.args[0];
    return op_result(vfs_set_modified(op_object(op), when != 0 ? when : clock_real_ns()), 0);
}

op_outcome op_set_modified(struct op *op)
{
    return op_defer(op, set_modified_waiting);
}
