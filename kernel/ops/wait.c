/* Waiting, time and chance. */
#include "base/checked.h"
#include "ipc/address_wait.h"
#include "mm/direct_map.h"
#include "ops/ops.h"
#include "random/random.h"
#include "sched/scheduler.h"
#include "time/clock.h"

static void wait_ended(struct address_wait *wait)
{
    op_complete(op_of_use(wait), op_done(0));
}

static void cancel_wait(struct op *op, status why)
{
    if (address_wait_cancel(op_use(op, struct address_wait))) op_complete(op, op_failed(why));
}

op_outcome op_address_wait(struct op *op)
{
    uint64_t expected = op->submission.args[0];
    if (expected > UINT32_MAX) return op_failed(FAIL(INVALID_ARGUMENT));

    struct address_wait *wait = op_use(op, struct address_wait);
    *wait = (struct address_wait){
        .buffer = op->pin.buffer, .offset = op->pin.offset, .ended = wait_ended};
    status started = address_wait_start(wait, (uint32_t)expected);
    if (!is_ok(started)) return op_failed(started);
    return op_park(op, cancel_wait, (deadline){op->submission.args[1]});
}

op_outcome op_address_wake(struct op *op)
{
    uint32_t count = (uint32_t)min_of(op->submission.args[0], (uint64_t)UINT32_MAX);
    return op_done(address_wake(op->pin.buffer, op->pin.offset, count));
}

/* For a sleep the deadline is the event itself, if it is its own; nothing else can complete it. */
static void end_sleep(struct op *op, status why)
{
    deadline until = {op->submission.args[0]};
    bool is_slept_out = why.code == STATUS_TIMED_OUT && deadline_passed(until);
    op_complete(op, is_slept_out ? op_done(0) : op_failed(why));
}

op_outcome op_sleep(struct op *op)
{
    deadline until = {op->submission.args[0]};
    return deadline_passed(until) ? op_done(0) : op_park(op, end_sleep, until);
}

op_outcome op_clock_read(struct op *op)
{
    switch (op->submission.args[0]) {
    case ABI_CLOCK_MONOTONIC:
        return op_done(clock_now_ns());
    case ABI_CLOCK_REAL:
        return op_done(clock_real_ns());
    default:
        return op_failed(FAIL(INVALID_ARGUMENT));
    }
}

/*
 * Fills the span page by page, where the pages are. However long it is, this is the work of the
 * thread that asked: a worker would do it at a priority above all programs.
 */
op_outcome op_random(struct op *op)
{
    uint64_t done = 0;
    while (done < op->pin.length) {
        uint64_t offset = op->pin.offset + done;
        frame_result page = buffer_touch(op->pin.buffer, offset / PAGE_BYTES);
        if (!is_ok(page.status)) return op_failed(page.status);
        uint64_t length = min_of(op->pin.length - done, PAGE_BYTES - offset % PAGE_BYTES);
        random_fill(direct_map(physical_add(page.value, offset % PAGE_BYTES)), length);
        done += length;
        if (done < op->pin.length && !scheduler_pause()) return op_failed(FAIL(INTERRUPTED));
    }
    return op_done(done);
}
