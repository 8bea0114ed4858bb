/* Timers: making, setting and waiting for them. */
#include "ipc/timer_object.h"
#include "ops/ops.h"
#include "task/process.h"

static struct timer_setting setting_of(const struct op *op)
{
    return (struct timer_setting){.deadline_ns = op->submission.args[0],
                                  .period_ns = op->submission.args[1]};
}

op_outcome op_timer_create(struct op *op)
{
    timer_object_result made = timer_object_create(process_quota(op_process(op)), setting_of(op));
    if (!is_ok(made.status)) return op_failed(made.status);
    OWNED(object_owner) timer = timer_object_base(made.value);
    capability_result capability = capability_create(timer, ABI_RIGHTS_ALL);
    if (!is_ok(capability.status)) return op_failed(capability.status);
    return op_yield_handle(op, capability.value);
}

op_outcome op_timer_set(struct op *op)
{
    return op_result(timer_object_set(timer_object_of(op_object(op)), setting_of(op)), 0);
}

static void cancel_wait(struct op *op, status why)
{
    struct timer_object *timer = timer_object_of(op_object(op));
    if (timer_object_cancel(timer, op_use(op, struct timer_wait))) op_complete(op, op_failed(why));
}

static bool is_cancelled(const struct timer_wait *wait)
{
    return !is_ok(op_cancel_reason(op_of_use((void *)wait)));
}

/* Waits, and answers pending, or what completes the op. */
static op_outcome wait(struct op *op)
{
    struct timer_object *timer = timer_object_of(op_object(op));
    expirations_result told = timer_object_wait(timer, op_use(op, struct timer_wait));
    switch (told.status.code) {
    case STATUS_OK:
        return op_done(told.value);
    case STATUS_WOULD_BLOCK:
        return op_pending(); /* and somebody else's already */
    default:
        return op_failed(op_cancel_reason(op));
    }
}

static void wait_expired(struct timer_wait *wait, struct timer_object *timer, uint64_t count)
{
    (void)timer;
    op_complete(op_of_use(wait), op_done(count));
}

op_outcome op_timer_wait(struct op *op)
{
    *op_use(op, struct timer_wait) =
        (struct timer_wait){.expired = wait_expired, .is_cancelled = is_cancelled};
    op_outcome outcome = wait(op);
    return outcome.code == OP_CODE_PENDING ? op_park(op, cancel_wait, deadline_never()) : outcome;
}
