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

/* Tells what has expired, as long as there is something to tell and the op goes on after it, and
 * then waits. Pending: whoever is told next has the op. */
static op_outcome tell_and_wait(struct op *op)
{
    struct timer_object *timer = timer_object_of(op_object(op));
    struct timer_wait *wait = op_use(op, struct timer_wait);
    for (;;) {
        expirations_result told = timer_object_wait(timer, wait);
        if (told.status.code == STATUS_WOULD_BLOCK) return op_pending();
        if (!is_ok(told.status)) return op_failed(op_cancel_reason(op));
        op_outcome outcome = op_done(told.value);
        if (!op_is_multishot(op) || !op_post(op, outcome)) return outcome;
    }
}

static void wait_expired(struct timer_wait *wait, uint64_t count)
{
    struct op *op = op_of_use(wait);
    op_outcome outcome = op_done(count);
    if (op_is_multishot(op) && op_post(op, outcome)) outcome = tell_and_wait(op);
    if (outcome.code != OP_CODE_PENDING) op_complete(op, outcome);
}

op_outcome op_timer_wait(struct op *op)
{
    *op_use(op, struct timer_wait) =
        (struct timer_wait){.expired = wait_expired, .is_cancelled = is_cancelled};
    op_outcome outcome = tell_and_wait(op);
    return outcome.code == OP_CODE_PENDING ? op_park(op, cancel_wait, deadline_never()) : outcome;
}
