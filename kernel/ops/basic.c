/* The ring itself: nothing, and what there is. */
#include "base/bytes.h"
#include "base/checked.h"
#include "ops/dispatch.h"
#include "sched/scheduler.h"

op_outcome op_nop(struct op *op)
{
    (void)op;
    return op_done(0);
}

static struct abi_op_info describe(uint32_t number, const struct op_descriptor *row)
{
    struct abi_op_info info = {
        .number = number,
        .kinds = row->kinds,
        .rights = row->rights,
        .op_flags = row->flags_known,
        .version = 1,
    };
    for (uint32_t i = 0; i < sizeof(info.name) && row->name[i] != 0; i++)
        info.name[i] = (uint8_t)row->name[i];
    return info;
}

op_outcome op_query(struct op *op)
{
    uint64_t number = op->submission.args[0];
    const struct op_descriptor *row = number < RING_OPERATIONS ? dispatch_rows[number] : nullptr;
    if (row == nullptr) return op_failed(FAIL(NOT_IMPLEMENTED));
    if (op->pin.buffer != nullptr) {
        struct abi_op_info info = describe((uint32_t)number, row);
        op_outcome written = op_answer_bytes(op, &info, sizeof(info), sizeof(info));
        if (written.code != STATUS_OK) return written;
    }
    return op_done(ABI_VERSION);
}

op_outcome op_answer_bytes(struct op *op, const void *bytes, uint64_t length,
                           uint64_t minimum_bytes)
{
    if (op->pin.length < minimum_bytes) return op_failed(FAIL(OUT_OF_RANGE));
    if (op->pin.length < length) length = op->pin.length;
    return op_result(buffer_write(op->pin.buffer, op->pin.offset, bytes, length), length);
}

status op_copy_span(const buffer_pin *to, const buffer_pin *from, const struct op *watched)
{
    static constexpr uint64_t STEP_BYTES = 128 * 1024;
    uint64_t length = min_of(to->length, from->length);
    for (uint64_t done = 0; done < length;) {
        uint64_t step = min_of(length - done, STEP_BYTES);
        TRY(buffer_copy(to->buffer, to->offset + done, from->buffer, from->offset + done, step));
        done += step;
        if (done == length) break;
        if (!scheduler_pause()) return FAIL(INTERRUPTED);
        TRY(op_cancel_reason(watched));
    }
    return OK;
}
