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
