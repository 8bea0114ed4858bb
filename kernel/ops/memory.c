/* Buffers and the address space of the calling process. */
#include "base/checked.h"
#include "ipc/service.h"
#include "ops/ops.h"
#include "task/process.h"

void stat_buffer(struct object *object, struct abi_stat *stat)
{
    const struct buffer *buffer = buffer_of(object);
    stat->size_bytes = buffer_size(buffer);
    stat->buffer = (struct abi_stat_buffer){.committed_bytes = buffer_committed_bytes(buffer)};
}

op_outcome op_buffer_create(struct op *op)
{
    buffer_result made = buffer_create(&(struct buffer_options){
        .quota = process_quota(op_process(op)),
        .size_bytes = op->submission.args[0],
        .flags = op->submission.op_flags,
    });
    if (!is_ok(made.status)) return op_failed(made.status);
    OWNED(buffer_owner) buffer = TAKE(made.value);
    capability_result capability = capability_create(buffer_object(buffer), ABI_RIGHTS_ALL);
    if (!is_ok(capability.status)) return op_failed(capability.status);
    return op_yield_handle(op, capability.value);
}

/* ---- what a handle allows ---- */

static uint64_t rights_for(uint32_t access)
{
    uint64_t rights = 0;
    if ((access & ABI_ACCESS_READ) != 0) rights |= ABI_RIGHT_READ;
    if ((access & ABI_ACCESS_WRITE) != 0) rights |= ABI_RIGHT_READ | ABI_RIGHT_WRITE;
    if ((access & ABI_ACCESS_EXECUTE) != 0) rights |= ABI_RIGHT_READ | ABI_RIGHT_EXECUTE;
    return rights;
}

/* Writing and executing imply reading. */
static uint8_t access_for(uint64_t rights)
{
    uint8_t access = 0;
    if ((rights & ABI_RIGHT_READ) == 0) return access;
    access |= ABI_ACCESS_READ;
    if ((rights & ABI_RIGHT_WRITE) != 0) access |= ABI_ACCESS_WRITE;
    if ((rights & ABI_RIGHT_EXECUTE) != 0) access |= ABI_ACCESS_EXECUTE;
    return access;
}

/* OK, or the refusal that names the right that is missing. */
static op_outcome check_access(const struct op *op, uint32_t access)
{
    uint64_t needed = rights_for(access);
    if ((needed & ~op->capability->rights) == 0) return op_done(0);
    return op_refused(FAIL(INSUFFICIENT_RIGHTS), capability_explain(op->capability, needed));
}

static bool is_request(const struct op *op)
{
    return object_kind(op_object(op)) == ABI_KIND_REQUEST;
}

/* What a handle shows: all of a buffer, or what the client of a request has lent, perhaps nothing.
 */
static struct buffer_window window_of(const struct op *op)
{
    struct buffer_window window;
    if (!is_request(op))
        return buffer_window_whole(buffer_of(op_object(op)), ABI_ACCESS_FLAGS_KNOWN);
    return request_window(op_object(op), &window) ? window : (struct buffer_window){0};
}

/* ---- mapping ---- */

/*
 * A page of which a window has a part only would show what is beside it: such windows are
 * registered, not mapped.
 */
static status check_window(const struct buffer_window *window, uint64_t offset, uint64_t length)
{
    if (window->buffer == nullptr) return FAIL(OUT_OF_RANGE);
    if (!is_aligned(window->offset | window->length, PAGE_BYTES)) return FAIL(INVALID_ARGUMENT);
    return span_fits(offset, length, window->length) ? OK : FAIL(OUT_OF_RANGE);
}

op_outcome op_buffer_map(struct op *op)
{
    const struct abi_submission *request = &op->submission;
    op_outcome allowed = check_access(op, request->op_flags);
    if (allowed.code != STATUS_OK) return allowed;
    struct buffer_window window = window_of(op);
    status fits = check_window(&window, request->offset_bytes, request->args[1]);
    if (!is_ok(fits)) return op_failed(fits);
    uint8_t access_max = access_for(op->capability->rights) & (uint8_t)window.access;
    address_result mapped =
        address_space_map(process_addresses(op_process(op)),
                          &(struct mapping_request){
                              .buffer = window.buffer,
                              .capability = op->capability,
                              .buffer_offset = window.offset + request->offset_bytes,
                              .length_bytes = request->args[1],
                              .address = user_at(request->args[0]),
                              .access = (uint8_t)request->op_flags,
                              .access_max = access_max,
                          });
    return op_result(mapped.status, mapped.value.value);
}

op_outcome op_buffer_unmap(struct op *op)
{
    const uint64_t *range = op->submission.args;
    return op_result(
        address_space_unmap(process_addresses(op_process(op)), user_at(range[0]), range[1]), 0);
}

op_outcome op_buffer_protect(struct op *op)
{
    const uint64_t *range = op->submission.args;
    return op_result(address_space_protect(process_addresses(op_process(op)), user_at(range[0]),
                                           range[1], (uint8_t)op->submission.op_flags),
                     0);
}

/* ---- registering ---- */

/* What a client has lent to be filled need not be readable for that. */
static op_outcome check_register(const struct op *op, uint32_t access)
{
    uint64_t write_only = ABI_RIGHT_WRITE & ~op->capability->rights;
    if (is_request(op) && access == ABI_ACCESS_WRITE && write_only == 0) return op_done(0);
    return check_access(op, access);
}

op_outcome op_buffer_register(struct op *op)
{
    uint32_t access = op->submission.op_flags;
    if (access == 0 || (access & ABI_ACCESS_EXECUTE) != 0) return op_failed(FAIL(INVALID_ARGUMENT));
    op_outcome allowed = check_register(op, access);
    if (allowed.code != STATUS_OK) return allowed;
    if ((access & ABI_ACCESS_WRITE) != 0 && !is_request(op)) access |= ABI_ACCESS_READ;
    struct buffer_window window = window_of(op);
    if ((access & ~window.access) != 0) return op_failed(FAIL(PERMISSION_DENIED));
    window.access = access;
    index_result index = buffer_table_register_window(op_buffers(op), &window, op->capability);
    return op_result(index.status, index.value);
}

op_outcome op_buffer_unregister(struct op *op)
{
    uint64_t index = op->submission.args[0];
    if (index >= BUFFER_TABLE_MAX) return op_failed(FAIL(INVALID_BUFFER_INDEX));
    return op_result(buffer_table_unregister(op_buffers(op), (uint32_t)index), 0);
}
