/*
 * Handles themselves: closing, restricting, doubling.
 *
 * For those that consume it, the dispatcher has taken the handle out of the table and
 * op->capability is all that is left of it; dropping that, before the completion can be seen, ends
 * what nobody else refers to.
 */
#include "ops/ops.h"

op_outcome op_close(struct op *op)
{
    (void)op;
    return op_done(0);
}

static op_outcome yield_derived(struct op *op)
{
    capability_result derived = capability_derive(op->capability, op->submission.args[0]);
    if (!is_ok(derived.status)) return op_failed(derived.status);
    return op_yield_handle(op, derived.value);
}

op_outcome op_restrict(struct op *op)
{
    return yield_derived(op);
}

op_outcome op_dup(struct op *op)
{
    return yield_derived(op);
}
