/* Ending what is under way in the same ring. */
#include "ops/ops.h"

op_outcome op_cancel(struct op *op)
{
    bool all = (op->submission.op_flags & ABI_CANCEL_ALL) != 0;
    return op_cancel_others(op, OP_MATCH_USER_DATA, op->submission.args[0], all);
}

op_outcome op_cancel_handle(struct op *op)
{
    uint64_t handle = op->submission.capability;
    return op_cancel_others(op, OP_MATCH_HANDLE, handle, true);
}

/* The ring runs it where it may stand: behind a linked submission. Here it stands alone. */
op_outcome op_link_timeout(struct op *op)
{
    (void)op;
    return op_failed(FAIL(INVALID_ARGUMENT));
}
