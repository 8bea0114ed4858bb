/* Processes after their start: waiting, killing, opening, listing. Starting them is spawn.c. */
#include "task/process.h"
#include "ops/ops.h"

/* ---- waiting ---- */

static op_outcome exit_outcome(struct op *op)
{
    struct abi_exit record = process_exit_record(process_of(op_object(op)));
    if (op->pin.length > 0) {
        op_outcome answered = op_answer_bytes(op, &record, sizeof(record), sizeof(record));
        if (answered.code != STATUS_OK) return answered;
    }
    return op_done(record.code);
}

static void process_ended(struct end_watch *watch)
{
    struct op *op = op_of_use(watch);
    op_complete(op, exit_outcome(op));
}

static void cancel_wait(struct op *op, status why)
{
    if (process_unwatch(process_of(op_object(op)), op_use(op, struct end_watch)))
        op_complete(op, op_failed(why));
}

op_outcome op_process_wait(struct op *op)
{
    if (op->pin.length > 0 && op->pin.length < sizeof(struct abi_exit))
        return op_failed(FAIL(OUT_OF_RANGE));
    struct end_watch *watch = op_use(op, struct end_watch);
    watch->ended = process_ended;
    if (!process_watch_end(process_of(op_object(op)), watch)) return exit_outcome(op);
    return op_park(op, cancel_wait, (deadline){op->submission.args[0]});
}

/* ---- ending ---- */

op_outcome op_process_kill(struct op *op)
{
    uint64_t code = op->submission.args[0];
    if (code > UINT32_MAX) return op_failed(FAIL(INVALID_ARGUMENT));
    process_end(process_of(op_object(op)), &(struct abi_exit){
                                               .reason = ABI_EXIT_REASON_KILLED,
                                               .code = (uint32_t)code,
                                           });
    return op_done(0);
}

/* ---- finding ---- */

op_outcome op_process_open(struct op *op)
{
    uint64_t id = op->submission.args[0];
    struct process *found = process_find_from(id);
    if (found == nullptr) return op_failed(FAIL(NOT_FOUND));
    OWNED(object_owner) process = process_object(found);
    if (process_id(found) != id) return op_failed(FAIL(NOT_FOUND));
    return op_yield_found(op, process, op->submission.args[1]);
}

void stat_process(struct object *process, struct abi_stat *stat)
{
    process_fill_stat(process_of(process), &stat->process);
}

/* ---- listing ---- */

/* Records go to the op's span one behind the other. */
struct listing {
    struct op *op;
    uint64_t bytes; /* written so far */
};

static bool has_room(const struct listing *listing, uint64_t record_bytes)
{
    return listing->op->pin.length - listing->bytes >= record_bytes;
}

static status add_record(struct listing *listing, const void *record, uint64_t record_bytes)
{
    const buffer_pin *pin = &listing->op->pin;
    TRY(buffer_write(pin->buffer, pin->offset + listing->bytes, record, record_bytes));
    listing->bytes += record_bytes;
    return OK;
}

op_outcome op_enumerate_process(struct op *op)
{
    struct handle_table *handles = process_handles(process_of(op_object(op)));
    struct listing listing = {.op = op};
    if (op->submission.args[0] >= HANDLE_TABLE_SLOTS_MAX) return op_done(0);
    uint32_t cursor = (uint32_t)op->submission.args[0];
    struct abi_handle_entry entry = {0};
    while (handle_table_next(handles, &cursor, &entry)) {
        entry.record_bytes = sizeof(entry);
        entry.next_cookie = cursor;
        if (!has_room(&listing, sizeof(entry)))
            return listing.bytes > 0 ? op_done(listing.bytes) : op_failed(FAIL(OUT_OF_RANGE));
        status added = add_record(&listing, &entry, sizeof(entry));
        if (!is_ok(added)) return op_failed(added);
    }
    return op_done(listing.bytes);
}

op_outcome op_enumerate_system(struct op *op)
{
    struct listing listing = {.op = op};
    uint64_t id = op->submission.args[0];
    for (struct process *process; (process = process_find_from(id)) != nullptr;) {
        OWNED(object_owner) found = process_object(process);
        id = process_id(process) + 1;
        if (!has_room(&listing, sizeof(struct abi_process_entry)))
            return listing.bytes > 0 ? op_done(listing.bytes) : op_failed(FAIL(OUT_OF_RANGE));
        struct abi_process_entry entry = {.record_bytes = sizeof(entry), .next_cookie = id};
        process_fill_stat(process, &entry.process);
        status added = add_record(&listing, &entry, sizeof(entry));
        if (!is_ok(added)) return op_failed(added);
    }
    return op_done(listing.bytes);
}
