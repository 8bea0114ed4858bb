/*
 * REVOKE: takes back every handle derived from one.
 *
 * A small subtree that nobody uses is cleared on the ring's thread. What takes longer goes on as a
 * work item, which ends whenever there is nothing to do but wait: the last use that ends submits it
 * again. So any number of revocations may wait for each other's operations without keeping a worker
 * thread each.
 *
 *     RUNNING --done--> completes in place
 *        |
 *        | waiting, or much to do
 *        v                                   on_progress
 *     on a worker --waiting--> nobody has it ------------> on a worker
 *        |
 *        | done
 *        v
 *     op_complete()
 *
 * It cannot be cancelled: what has been marked must be cleared. It ends soon by itself, since all
 * that uses what was taken back has been told to stop.
 */
#include "mm/heap.h"
#include "ops/ops.h"
#include "sched/scheduler.h"

/* Steps of the walk on the ring's thread before a worker goes on. */
static constexpr uint32_t STEPS_IN_PLACE = 4;

struct revoke {
    struct revocation revocation;
    struct work work;
};

static op_outcome revoked(const struct revoke *revoke)
{
    return op_done(revoke->revocation.count);
}

static void go_on(struct work *work)
{
    struct revoke *revoke = container_of(work, struct revoke, work);
    enum revocation_progress progress;
    while ((progress = revocation_advance(&revoke->revocation)) == REVOCATION_AGAIN)
        scheduler_preempt_point();
    if (progress == REVOCATION_DONE) op_complete(op_of_use(revoke), revoked(revoke));
}

static void submit(struct revoke *revoke)
{
    work_submit(work_queue_shared(), &revoke->work, go_on);
}

static void something_ended(struct revocation *revocation)
{
    submit(container_of(revocation, struct revoke, revocation));
}

op_outcome op_revoke(struct op *op)
{
    struct revoke *revoke = op_use(op, struct revoke);
    revocation_init(&revoke->revocation, op->capability, false, something_ended);
    for (uint32_t step = 0; step < STEPS_IN_PLACE; step++) {
        enum revocation_progress progress = revocation_advance(&revoke->revocation);
        if (progress == REVOCATION_DONE) return revoked(revoke);
        if (progress == REVOCATION_WAITING) return op_pending();
    }
    submit(revoke);
    return op_pending();
}
