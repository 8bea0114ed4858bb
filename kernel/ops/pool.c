/* Pools of provided buffers. */
#include "ops/ops.h"

static uint32_t pool_index_of(const struct op *op)
{
    uint64_t index = op->submission.args[0];
    return index <= UINT32_MAX ? (uint32_t)index : UINT32_MAX;
}

op_outcome op_pool_create(struct op *op)
{
    pool_index_result made =
        buffer_pool_create(&op_buffers(op)->pools, &op->pin, op->submission.args[0]);
    return op_result(made.status, made.value);
}

op_outcome op_pool_give(struct op *op)
{
    pool_index_result given =
        buffer_pool_give(&op_buffers(op)->pools, pool_index_of(op), op->submission.args[1]);
    return op_result(given.status, given.value);
}

op_outcome op_pool_destroy(struct op *op)
{
    return op_result(buffer_pool_destroy(&op_buffers(op)->pools, pool_index_of(op)), 0);
}

/* ---- for operations that fill chunks ---- */

status op_pool_check(const struct op *op)
{
    const struct abi_submission *request = &op->submission;
    if (request->buffer_offset_bytes != 0 || request->length_bytes != 0)
        return FAIL(INVALID_ARGUMENT);
    return buffer_pool_check(&op_buffers(op)->pools, request->buffer_index);
}

status op_pool_take(struct op *op, uint32_t *out_chunk)
{
    return buffer_pool_take(&op_buffers(op)->pools, op->submission.buffer_index, &op->pin,
                            out_chunk);
}

void op_pool_give_back(struct op *op, uint32_t chunk)
{
    /* The pool may have been destroyed since, and its index be another's, in which the chunk is
     * free, or not there, or lost to a program that does such things. */
    ignore_status(
        buffer_pool_give(&op_buffers(op)->pools, op->submission.buffer_index, chunk).status);
}
