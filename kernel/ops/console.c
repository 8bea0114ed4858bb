/*
 * Reading, writing and watching the console.
 *
 * A read or watch that finds nothing is parked: the console's lock decides between the key that
 * arrives and the cancellation, and the wait lives in the op.
 */
#include "device/console.h"
#include "base/checked.h"
#include "ops/ops.h"
#include "sched/scheduler.h"

static constexpr uint32_t WRITE_CHUNK_BYTES = 512; /* on the stack */

static void cancel_wait(struct op *op, status why)
{
    if (console_unwait(op_use(op, struct console_wait))) op_complete(op, op_failed(why));
}

/* A reader's bytes have come. The page they go to exists, so that this cannot fail for memory. */
static void reader_ready(struct console_wait *wait)
{
    struct op *op = op_of_use(wait);
    status written = buffer_write(op->pin.buffer, op->pin.offset, wait->bytes, wait->length);
    op_complete(op, op_result(written, wait->length));
}

/*
 * Bytes that one read may yield: a read never crosses a page, so that making that page before
 * anything is taken from the console means nothing typed is lost for want of memory.
 */
static uint64_t read_limit(const buffer_pin *pin)
{
    uint64_t limit = min_of(pin->length, PAGE_BYTES - pin->offset % PAGE_BYTES);
    return min_of(limit, (uint64_t)CONSOLE_WAIT_BYTES);
}

op_outcome op_read_console(struct op *op)
{
    if ((op->submission.op_flags & ABI_IO_DIRECT) != 0) return op_failed(FAIL(INVALID_ARGUMENT));
    if (op->pin.length == 0) return op_done(0);
    frame_result page = buffer_touch(op->pin.buffer, op->pin.offset / PAGE_BYTES);
    if (!is_ok(page.status)) return op_failed(page.status);

    struct console_wait *wait = op_use(op, struct console_wait);
    wait->ready = reader_ready;
    wait->capacity = (uint32_t)read_limit(&op->pin);
    for (;;) {
        uint64_t taken = console_take(wait->bytes, wait->capacity);
        if (taken > 0)
            return op_result(buffer_write(op->pin.buffer, op->pin.offset, wait->bytes, taken),
                             taken);
        if (op->submission.op_flags & ABI_READ_DO_NOT_WAIT) return op_failed(FAIL(WOULD_BLOCK));
        if (console_wait_input(wait)) return op_park(op, cancel_wait, deadline_never());
    }
}

op_outcome op_write_console(struct op *op)
{
    char chunk[WRITE_CHUNK_BYTES];
    uint64_t done = 0;
    while (done < op->pin.length) {
        uint64_t length = min_of(op->pin.length - done, (uint64_t)sizeof(chunk));
        buffer_read(op->pin.buffer, op->pin.offset + done, chunk, length);
        console_write(chunk, length);
        done += length;
        if (done < op->pin.length && !scheduler_pause()) return op_failed(FAIL(INTERRUPTED));
    }
    return op_done(done);
}

static void watch_ready(struct console_wait *wait)
{
    op_complete(op_of_use(wait), op_done((uint8_t)wait->bytes[0]));
}

op_outcome op_console_watch(struct op *op)
{
    struct console_wait *wait = op_use(op, struct console_wait);
    wait->ready = watch_ready;
    if (!console_watch_interrupt(wait)) return op_failed(FAIL(BUSY));
    return op_park(op, cancel_wait, deadline_never());
}
