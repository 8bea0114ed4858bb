/*
 * Handles themselves: closing, restricting, doubling.
 *
 * For those that consume it, the dispatcher has taken the handle out of the table and
 * op->capability is all that is left of it, nullptr when it was revoked; dropping that, before the
 * completion can be seen, ends what nobody else refers to. What was written through a handle is
 * handed to the file system before its CLOSE completes, with the status of that.
 */
#include "ops/ops.h"

/* A file of the kernel's that was open for writing. */
static bool may_have_written(const struct capability *capability)
{
    return capability != nullptr && object_kind(capability->object) == ABI_KIND_FILE &&
           (capability->rights & ABI_RIGHT_WRITE) != 0 && !capability->object->type->is_served;
}

op_outcome op_close(struct op *op)
{
    if (unlikely(may_have_written(op->capability))) return op_close_file(op);
    return op_done(0);
}

derivation op_derivation(const struct op *op, enum abi_origin origin)
{
    return (derivation){origin, op_handles(op)->process};
}

op_outcome op_yield_found(struct op *op, struct object *found, uint64_t rights)
{
    capability_result made =
        capability_derive_object(op->capability, found, rights & op->capability->rights,
                                 op_derivation(op, ABI_ORIGIN_OPENED));
    if (!is_ok(made.status)) return op_failed(made.status);
    return op_yield_handle(op, made.value);
}

static op_outcome yield_derived(struct op *op, enum abi_origin origin)
{
    capability_result derived =
        capability_derive(op->capability, op->submission.args[0], op_derivation(op, origin));
    if (!is_ok(derived.status)) return op_failed(derived.status);
    return op_yield_handle(op, derived.value);
}

op_outcome op_restrict(struct op *op)
{
    return yield_derived(op, ABI_ORIGIN_RESTRICT);
}

op_outcome op_dup(struct op *op)
{
    return yield_derived(op, ABI_ORIGIN_DUP);
}
