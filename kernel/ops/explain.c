/*
 * How handles came to be: EXPLAIN and REACH.
 *
 * Both tell of the tree as it is while they look, one node at a time: what is derived or ended
 * meanwhile may be told of or not.
 */
#include "ops/ops.h"
#include "sched/scheduler.h"

static constexpr uint64_t RECORD_BYTES = sizeof(struct abi_derivation);

/* Records that the span holds. */
static uint64_t room(const struct op *op)
{
    return op->pin.length / RECORD_BYTES;
}

static status add_record(struct op *op, uint64_t index, struct abi_derivation *record)
{
    record->record_bytes = sizeof(*record);
    return buffer_write(op->pin.buffer, op->pin.offset + index * RECORD_BYTES, record,
                        RECORD_BYTES);
}

/*
 * The chain is as long as there are handles derived from one another, so the span may hold only its
 * beginning: the handle itself, its parent, and so on; the last record's parent_id then is not 0.
 */
op_outcome op_explain(struct op *op)
{
    if (room(op) == 0) return op_failed(FAIL(OUT_OF_RANGE));
    struct capability *node = op->capability;
    status added = OK;
    uint64_t count = 0;
    while (node != nullptr && count < room(op) && is_ok(added)) {
        struct abi_derivation record;
        capability_describe(node, &record);
        added = add_record(op, count++, &record);
        struct capability *parent = capability_parent(node);
        if (node != op->capability) capability_unuse(node);
        node = parent;
        if (is_ok(added) && !scheduler_pause()) added = FAIL(INTERRUPTED);
    }
    if (node != nullptr && node != op->capability) capability_unuse(node);
    return op_result(added, count * RECORD_BYTES);
}

op_outcome op_reach(struct op *op)
{
    if (room(op) == 0) return op_failed(FAIL(OUT_OF_RANGE));
    struct capability_reach reach;
    capability_reach_begin(&reach, op->submission.args[0], op->submission.args[1]);
    struct abi_derivation record;
    status added = OK;
    uint64_t count = 0;
    while (count < room(op) && is_ok(added) && capability_reach_next(&reach, &record)) {
        if (!scheduler_pause()) added = FAIL(INTERRUPTED);
        if (record.id == 0 || !is_ok(added)) continue;
        record.next_cookie = record.id;
        added = add_record(op, count++, &record);
    }
    capability_reach_end(&reach);
    return op_result(added, count * RECORD_BYTES);
}
