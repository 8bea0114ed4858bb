/* Channels: making them, sending, receiving. What a message is and who waits for whom is in
 * ipc/channel.h; here its sends and receives are ops. */
#include "ipc/channel.h"
#include "ops/ops.h"
#include "task/process.h"

static_assert(CHANNEL_WAITS == OP_CODE_PENDING, "an outcome is one without a look at it");

static op_outcome outcome_of(channel_outcome outcome)
{
    return (op_outcome){.code = outcome.code, .detail = outcome.detail, .value = outcome.value};
}

static struct channel_end *end_of(const struct op *op)
{
    return channel_end_of(op_object(op));
}

/* ---- create ---- */

/* Handles to both ends, or none. */
static status insert_pair(struct op *op, struct object *const ends[2], uint64_t handles[2])
{
    OWNED(capability_owner) first = nullptr;
    OWNED(capability_owner) second = nullptr;
    capability_result made = capability_create(ends[0], ABI_RIGHTS_ALL);
    TRY(made.status);
    first = made.value;
    made = capability_create(ends[1], ABI_RIGHTS_ALL);
    TRY(made.status);
    second = made.value;
    TRY(handle_table_reserve(op_handles(op), 2, handles));
    handle_table_fill(op_handles(op), handles[0], TAKE(first));
    handle_table_fill(op_handles(op), handles[1], TAKE(second));
    return OK;
}

op_outcome op_channel_create(struct op *op)
{
    struct abi_channel_pair pair;
    struct object *ends[2];
    uint64_t messages_max = op->submission.args[0];
    if (messages_max == 0) messages_max = ABI_CHANNEL_MESSAGES_DEFAULT;
    if (op->pin.length < sizeof(pair)) return op_failed(FAIL(OUT_OF_RANGE));
    /* The pages first, so that nobody has handles that he is not told. */
    pair = (struct abi_channel_pair){0};
    status written = buffer_write(op->pin.buffer, op->pin.offset, &pair, sizeof(pair));
    if (!is_ok(written)) return op_failed(written);
    status made = channel_create(process_quota(op_process(op)), messages_max, ends);
    if (!is_ok(made)) return op_failed(made);
    status inserted = insert_pair(op, ends, pair.handles);
    object_put(ends[0]);
    object_put(ends[1]);
    if (!is_ok(inserted)) return op_failed(inserted);
    return op_result(buffer_write(op->pin.buffer, op->pin.offset, &pair, sizeof(pair)), 0);
}

/* ---- send and receive ---- */

static struct channel_party party_of(const struct op *op)
{
    struct process *process = op_process(op);
    return (struct channel_party){
        .handles = op_handles(op),
        .buffers = op_buffers(op),
        .quota = process_quota(process),
        .process = process_id(process),
    };
}

/* The second span, or none: then nothing may be said about it. */
static status entries_of(const struct op *op, struct channel_entries *out_entries)
{
    const struct abi_submission *request = &op->submission;
    uint64_t count = request->args[1];
    *out_entries = (struct channel_entries){0};
    if (likely(count == 0)) {
        bool is_named = request->args[0] != 0 || request->second_buffer_index != 0;
        return unlikely(is_named) ? FAIL(INVALID_ARGUMENT) : OK;
    }
    if (count > ABI_MESSAGE_HANDLES_MAX) return FAIL(OUT_OF_RANGE);
    *out_entries = (struct channel_entries){
        .offset = request->args[0],
        .buffer_index = request->second_buffer_index,
        .count = (uint32_t)count,
    };
    return OK;
}

static void send_ended(struct channel_send *send, channel_outcome outcome)
{
    op_complete(op_of_use(send), outcome_of(outcome));
}

static status send_cancel_reason(const struct channel_send *send)
{
    return op_cancel_reason(op_of_use((void *)send));
}

static struct channel_party send_party(const struct channel_send *send)
{
    return party_of(op_of_use((void *)send));
}

static const struct channel_send_type send_type = {
    .ended = send_ended,
    .cancel_reason = send_cancel_reason,
    .party = send_party,
};

static void cancel_send(struct op *op, status why)
{
    if (channel_send_cancel(end_of(op), op_use(op, struct channel_send)))
        op_complete(op, op_failed(why));
}

op_outcome op_channel_send(struct op *op)
{
    struct channel_send *send = op_use(op, struct channel_send);
    status checked = entries_of(op, &send->entries);
    if (unlikely(!is_ok(checked))) return op_failed(checked);
    send->type = &send_type;
    send->bytes = &op->pin;
    send->priority = op_priority(op);
    send->may_wait = (op->submission.op_flags & ABI_SEND_DO_NOT_WAIT) == 0;
    op_outcome outcome = outcome_of(channel_send(end_of(op), send));
    if (likely(outcome.code != OP_CODE_PENDING)) return outcome;
    return op_park(op, cancel_send, deadline_never());
}

/* A receive, and what its completion tells besides. */
struct receive_op {
    struct channel_receive receive;
    uint32_t chunk; /* with a pool: the last that was taken */
    bool has_chunk;
};

static struct receive_op *receive_op_of(const struct channel_receive *receive)
{
    return container_of((struct channel_receive *)receive, struct receive_op, receive);
}

static op_outcome received(const struct channel_receive *receive, channel_outcome outcome)
{
    const struct receive_op *own = receive_op_of(receive);
    if (likely(!own->has_chunk) || outcome.code != STATUS_OK) return outcome_of(outcome);
    return op_done_with(outcome.value, ABI_COMPLETION_CHUNK, own->chunk);
}

static void receive_ended(struct channel_receive *receive, channel_outcome outcome)
{
    op_complete(op_of_use(receive_op_of(receive)), received(receive, outcome));
}

static bool receive_tell(struct channel_receive *receive, channel_outcome outcome)
{
    return op_post(op_of_use(receive_op_of(receive)), received(receive, outcome));
}

static status receive_cancel_reason(const struct channel_receive *receive)
{
    return op_cancel_reason(op_of_use(receive_op_of(receive)));
}

static struct channel_party receive_party(const struct channel_receive *receive)
{
    return party_of(op_of_use(receive_op_of(receive)));
}

static struct buffer_pool_table *pools_of(const struct op *op)
{
    return &op_buffers(op)->pools;
}

static void give_chunk(struct channel_receive *receive)
{
    struct receive_op *own = receive_op_of(receive);
    struct op *op = op_of_use(own);
    own->has_chunk = false;
    /* The pool may be gone, or the program have given the chunk it was not given yet. */
    ignore_status(buffer_pool_give(pools_of(op), op->submission.buffer_index, own->chunk).status);
}

static status take_chunk(struct channel_receive *receive, uint64_t bytes, buffer_pin *out_pin)
{
    struct receive_op *own = receive_op_of(receive);
    struct op *op = op_of_use(own);
    TRY(buffer_pool_take(pools_of(op), op->submission.buffer_index, out_pin, &own->chunk));
    own->has_chunk = true;
    if (likely(bytes <= out_pin->length)) return OK;
    buffer_pin_drop(out_pin);
    give_chunk(receive);
    return FAIL(OUT_OF_RANGE);
}

static const struct channel_receive_type receive_type = {
    .ended = receive_ended,
    .cancel_reason = receive_cancel_reason,
    .party = receive_party,
    .tell = receive_tell,
};
static const struct channel_receive_type receive_pool_type = {
    .ended = receive_ended,
    .cancel_reason = receive_cancel_reason,
    .party = receive_party,
    .tell = receive_tell,
    .take_place = take_chunk,
    .give_place = give_chunk,
};

static void cancel_receive(struct op *op, status why)
{
    if (channel_receive_cancel(end_of(op), &op_use(op, struct receive_op)->receive))
        op_complete(op, op_failed(why));
}

/* With a pool: names neither a span nor entries, which go into the chunk. */
static status check_pool(const struct op *op)
{
    const struct abi_submission *request = &op->submission;
    if (request->length_bytes != 0 || request->buffer_offset_bytes != 0 || request->args[1] != 0)
        return FAIL(INVALID_ARGUMENT);
    return buffer_pool_check(pools_of(op), request->buffer_index);
}

op_outcome op_channel_receive(struct op *op)
{
    struct receive_op *own = op_use(op, struct receive_op);
    struct channel_receive *receive = &own->receive;
    uint32_t flags = op->submission.op_flags;
    bool has_pool = (flags & ABI_OP_FLAG_POOL) != 0;
    status checked = entries_of(op, &receive->entries);
    if (unlikely(has_pool) && is_ok(checked)) checked = check_pool(op);
    /* For many messages, and for none: one of the two. */
    if ((flags & ABI_OP_FLAG_MULTISHOT) != 0 && (flags & ABI_RECEIVE_DO_NOT_WAIT) != 0)
        checked = FAIL(INVALID_ARGUMENT);
    if (unlikely(!is_ok(checked))) return op_failed(checked);
    own->has_chunk = false;
    receive->type = has_pool ? &receive_pool_type : &receive_type;
    receive->bytes = &op->pin;
    receive->priority = op_priority(op);
    receive->may_wait = (flags & ABI_RECEIVE_DO_NOT_WAIT) == 0;
    receive->is_multishot = op_is_multishot(op);
    channel_outcome outcome = channel_receive(end_of(op), receive);
    if (unlikely(outcome.code != CHANNEL_WAITS)) return received(receive, outcome);
    return op_park(op, cancel_receive, deadline_never());
}

void stat_channel(struct object *end, struct abi_stat *stat)
{
    stat->size_bytes = channel_waiting_count(channel_end_of(end));
}
