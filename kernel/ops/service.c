/*
 * Services: making them, minting handles, asking through those, receiving and answering.
 *
 * An operation on an object that a server minted comes to forward() in place of its own handler, as
 * ops.def says; the operation is the call. What the kernel promises of each operation holds for
 * served ones too, whatever the server answers:
 *
 *   - no more bytes than the span has; no value where there is none; a handle, and of the right
 *     kind, where there is one (check_value)
 *   - kind, rights and object id in STAT are the kernel's (complete_stat)
 *   - a status that exists, and not QUEUE_FULL, which is the ring's own
 *   - deadlines of operations that have one
 *
 * What else a server answers is its own truth, and what is in the bytes of a listing too: who reads
 * them checks them.
 */
#include "ipc/service.h"
#include "base/checked.h"
#include "debug/assert.h"
#include "ops/ops.h"
#include "sched/scheduler.h"
#include "task/process.h"

/* ---- the client's side ---- */

static const struct op *op_of_call(const struct service_call *call)
{
    return op_of_use((void *)(uintptr_t)call);
}

/* What the operation lets the server do to the span. */
static uint32_t lent_access(const struct op *op)
{
    if (op->pin.buffer == nullptr) return 0;
    switch (op->submission.op) {
    case ABI_OP_OPEN:
    case ABI_OP_WRITE:
    case ABI_OP_CREATE:
    case ABI_OP_DELETE:
    case ABI_OP_RENAME:
        return ABI_ACCESS_READ;
    default:
        return ABI_ACCESS_WRITE;
    }
}

static void describe_call(const struct service_call *call, struct abi_request *request)
{
    const struct op *op = op_of_call(call);
    const struct abi_submission *submission = &op->submission;
    const struct object *served = op_object(op);
    *request = (struct abi_request){
        .badge = served_badge(served),
        .rights = op->capability->rights,
        .offset_bytes = submission->offset_bytes,
        .args = {submission->args[0], submission->args[1]},
        .op_flags = submission->op_flags,
        .length_bytes = (uint32_t)op->pin.length,
        .client = process_id(op_process(op)),
        .op = submission->op,
        .kind = object_kind(served),
    };
}

static void lend_span(const struct service_call *call, struct buffer_window *window)
{
    const struct op *op = op_of_call(call);
    *window = (struct buffer_window){
        .buffer = op->pin.buffer,
        .offset = op->pin.offset,
        .length = op->pin.length,
        .access = lent_access(op),
    };
}

static struct capability *capability_of_call(const struct service_call *call)
{
    return op_of_call(call)->capability;
}

static status call_cancelled(const struct service_call *call)
{
    return op_cancel_reason(op_of_call(call));
}

/* What a server cannot say of a handle: written when it has no access any more. */
static status complete_stat(const struct op *op)
{
    struct object *served = op_object(op);
    struct abi_stat stat = {
        .kind = object_kind(served),
        .rights = op->capability->rights,
        .object_id = served->id,
    };
    const buffer_pin *pin = &op->pin;
    TRY(buffer_write(pin->buffer, pin->offset, &stat, offsetof(struct abi_stat, size_bytes)));
    uint64_t at = offsetof(struct abi_stat, object_id);
    return buffer_write(pin->buffer, pin->offset + at, &stat.object_id, sizeof(stat.object_id));
}

static void call_answered(struct service_call *call, struct service_answer answer)
{
    struct op *op = op_of_use(call);
    if (is_ok(answer.outcome) && op->submission.op == ABI_OP_STAT)
        answer.outcome = complete_stat(op);
    op_complete(op, op_result(answer.outcome, answer.value));
}

static const struct service_call_type call_type = {
    .describe = describe_call,
    .lend = lend_span,
    .capability = capability_of_call,
    .cancelled = call_cancelled,
    .answered = call_answered,
};

static void cancel_call(struct op *op, status why)
{
    if (service_call_cancel(op_use(op, struct service_call), why)) op_complete(op, op_failed(why));
}

static op_outcome check_room(const struct op *op, uint64_t bytes_min)
{
    return op->pin.length >= bytes_min ? op_done(0) : op_failed(FAIL(OUT_OF_RANGE));
}

/* What the kernel's own objects refuse before they look at anything, so that no server has to. */
static op_outcome check_request(const struct op *op)
{
    switch (op->submission.op) {
    case ABI_OP_OPEN:
    case ABI_OP_CREATE:
    case ABI_OP_DELETE:
    case ABI_OP_RENAME:
        return op_check_names(op);
    case ABI_OP_STAT:
        return check_room(op, ABI_STAT_COMMON_BYTES);
    case ABI_OP_PROCESS_WAIT:
        return op->pin.length == 0 ? op_done(0) : check_room(op, sizeof(struct abi_exit));
    default:
        return op_done(0);
    }
}

static deadline limit_of(const struct op *op)
{
    uint8_t number = op->submission.op;
    bool has_limit = number == ABI_OP_PROCESS_WAIT || number == ABI_OP_THREAD_JOIN;
    return has_limit ? (deadline){op->submission.args[0]} : deadline_never();
}

op_outcome service_forward(struct op *op)
{
    op_outcome checked = check_request(op);
    if (checked.code != STATUS_OK) return checked;
    struct service_call *call = op_use(op, struct service_call);
    call->type = &call_type;
    status started = service_call_start(call, op_object(op), op_priority(op));
    if (!is_ok(started)) return op_failed(started);
    return op_park(op, cancel_call, limit_of(op));
}

/* ---- making and minting ---- */

op_outcome op_service_create(struct op *op)
{
    object_result made = service_create(process_quota(op_process(op)));
    if (!is_ok(made.status)) return op_failed(made.status);
    OWNED(object_owner) service = TAKE(made.value);
    capability_result capability = capability_create(service, ABI_RIGHTS_ALL);
    if (!is_ok(capability.status)) return op_failed(capability.status);
    return op_yield_handle(op, capability.value);
}

static derivation derivation_by(const struct op *op, enum abi_origin origin)
{
    return (derivation){.origin = origin, .process = process_id(op_process(op))};
}

op_outcome op_service_mint(struct op *op)
{
    const struct abi_submission *request = &op->submission;
    object_result made =
        service_mint(service_of(op_object(op)), request->op_flags, request->args[1]);
    if (!is_ok(made.status)) return op_failed(made.status);
    OWNED(object_owner) served = TAKE(made.value);
    capability_result minted = capability_derive_object(op->capability, served, request->args[0],
                                                        derivation_by(op, ABI_ORIGIN_MINTED));
    if (!is_ok(minted.status)) return op_failed(minted.status);
    op_outcome outcome = op_yield_handle(op, minted.value);
    if (outcome.code == STATUS_OK) served_publish(served);
    return outcome;
}

/* ---- receiving ---- */

struct receive {
    struct service_receiver receiver;
    uint32_t chunk; /* with a pool: where the description is */
};

static struct receive *receive_of(const struct service_receiver *receiver)
{
    return container_of((struct service_receiver *)(uintptr_t)receiver, struct receive, receiver);
}

static struct op *op_of_receiver(const struct service_receiver *receiver)
{
    return op_of_use(receive_of(receiver));
}

/* The op's span, or a chunk that becomes it. */
static status find_place(struct op *op, struct receive *receive)
{
    if (op_uses_pool(op)) TRY(op_pool_take(op, &receive->chunk));
    return op->pin.length >= sizeof(struct abi_request) ? OK : FAIL(OUT_OF_RANGE);
}

static handle_result place_request(struct op *op, const struct abi_request *request,
                                   CONSUMED struct capability *capability)
{
    status written = buffer_write(op->pin.buffer, op->pin.offset, request, sizeof(*request));
    if (!is_ok(written)) {
        if (capability != nullptr) capability_release(capability);
        return (handle_result){.status = written};
    }
    if (capability == nullptr) return (handle_result){.value = 0};
    return handle_table_insert(op_handles(op), capability);
}

static handle_result take_request(struct service_receiver *receiver,
                                  const struct abi_request *request,
                                  CONSUMED struct capability *capability)
{
    struct op *op = op_of_receiver(receiver);
    status found = find_place(op, receive_of(receiver));
    handle_result placed = {.status = found};
    if (is_ok(found))
        placed = place_request(op, request, capability);
    else if (capability != nullptr)
        capability_release(capability);
    bool has_chunk = op_uses_pool(op) && op->pin.buffer != nullptr;
    if (!is_ok(placed.status) && has_chunk) op_pool_give_back(op, receive_of(receiver)->chunk);
    return placed;
}

static op_outcome receive_outcome(struct op *op, struct receive *receive, handle_result outcome)
{
    if (!is_ok(outcome.status)) return op_failed(outcome.status);
    if (!op_uses_pool(op)) return op_done(outcome.value);
    return op_done_with(outcome.value, ABI_COMPLETION_CHUNK, receive->chunk);
}

static bool request_received(struct service_receiver *receiver, handle_result outcome)
{
    struct op *op = op_of_receiver(receiver);
    op_outcome answer = receive_outcome(op, receive_of(receiver), outcome);
    if (is_ok(outcome.status) && op_is_multishot(op) && op_post(op, answer)) {
        buffer_pin_drop(&op->pin); /* the next goes into another chunk */
        return true;
    }
    op_complete(op, answer);
    return false;
}

static status receiver_cancelled(const struct service_receiver *receiver)
{
    return op_cancel_reason(op_of_receiver(receiver));
}

static const struct service_receiver_type receiver_type = {
    .take = take_request,
    .received = request_received,
    .cancelled = receiver_cancelled,
};

static void cancel_receive(struct op *op, status why)
{
    struct receive *receive = op_use(op, struct receive);
    if (service_wait_cancel(service_of(op_object(op)), &receive->receiver))
        op_complete(op, op_failed(why));
}

/* A span of its own serves for one request only. */
static status check_receive(const struct op *op)
{
    if (op_uses_pool(op)) return op_pool_check(op);
    if (op_is_multishot(op)) return FAIL(INVALID_ARGUMENT);
    return op->pin.length >= sizeof(struct abi_request) ? OK : FAIL(OUT_OF_RANGE);
}

op_outcome op_service_receive(struct op *op)
{
    status checked = check_receive(op);
    if (!is_ok(checked)) return op_failed(checked);
    struct service *service = service_of(op_object(op));
    struct receive *receive = op_use(op, struct receive);
    receive->receiver.type = &receiver_type;
    receive->receiver.is_waiting = false;
    bool may_wait = (op->submission.op_flags & ABI_SERVICE_DO_NOT_WAIT) == 0;
    if (!may_wait || !op_is_multishot(op)) {
        handle_result received = service_receive(service, &receive->receiver);
        if (received.status.code != STATUS_WOULD_BLOCK || !may_wait)
            return receive_outcome(op, receive, received);
    }
    service_wait(service, &receive->receiver);
    return op_park(op, cancel_receive, deadline_never());
}

/* ---- the window ---- */

/* The part of the window that the submission names. OUT_OF_RANGE. What was lent for is in the
 * rights. */
static status find_part(const struct op *op, buffer_pin *part)
{
    struct buffer_window window;
    uint64_t offset = op->submission.offset_bytes;
    if (!request_window(op_object(op), &window)) return FAIL(OUT_OF_RANGE);
    if (!span_fits(offset, op->pin.length, window.length)) return FAIL(OUT_OF_RANGE);
    *part = (buffer_pin){
        .buffer = window.buffer, .offset = window.offset + offset, .length = op->pin.length};
    return OK;
}

op_outcome op_read_request(struct op *op)
{
    buffer_pin part;
    status found = find_part(op, &part);
    if (is_ok(found)) found = op_copy_span(&op->pin, &part, op);
    return op_result(found, op->pin.length);
}

op_outcome op_write_request(struct op *op)
{
    buffer_pin part;
    status found = find_part(op, &part);
    if (is_ok(found)) found = op_copy_span(&part, &op->pin, op);
    return op_result(found, op->pin.length);
}

void stat_request(struct object *object, struct abi_stat *stat)
{
    struct buffer_window window;
    if (request_window(object, &window)) stat->size_bytes = window.length;
}

/* ---- answering ---- */

/* Kinds of the handle that is the operation's value; 0: it is a number. */
static uint32_t kinds_yielded(const struct abi_submission *question)
{
    switch (question->op) {
    case ABI_OP_OPEN:
        if (question->op_flags & ABI_OPEN_MUST_BE_FILE) return ABI_KIND_BIT(FILE);
        if (question->op_flags & ABI_OPEN_MUST_BE_FOLDER) return ABI_KIND_BIT(DIRECTORY);
        return ABI_KIND_BIT(FILE) | ABI_KIND_BIT(DIRECTORY);
    case ABI_OP_CREATE:
        return question->op_flags & ABI_CREATE_FOLDER ? ABI_KIND_BIT(DIRECTORY)
                                                      : ABI_KIND_BIT(FILE);
    case ABI_OP_PROCESS_OPEN:
        return ABI_KIND_BIT(PROCESS);
    default:
        return 0;
    }
}

/* The rights that the client asked for the new handle. */
static uint64_t rights_wanted(const struct abi_submission *question)
{
    return question->op == ABI_OP_PROCESS_OPEN ? question->args[1] : question->args[0];
}

static bool is_value_possible(const struct op *client, uint64_t value)
{
    switch (client->submission.op) {
    case ABI_OP_READ:
    case ABI_OP_WRITE:
    case ABI_OP_ENUMERATE:
        return value <= client->pin.length;
    case ABI_OP_STAT:
        return value >= ABI_STAT_COMMON_BYTES && value <= client->pin.length;
    case ABI_OP_PROCESS_WAIT:
    case ABI_OP_THREAD_JOIN:
    case ABI_OP_CONSOLE_WATCH:
        return value <= UINT32_MAX;
    case ABI_OP_TRUNCATE:
        return value == client->submission.args[0];
    case ABI_OP_PROCESS_KILL:
    case ABI_OP_SYSTEM_POWER:
    case ABI_OP_SYNC:
    case ABI_OP_DELETE:
    case ABI_OP_RENAME:
    case ABI_OP_SET_MODIFIED:
        return value == 0;
    default:
        return true;
    }
}

static bool is_status(uint64_t code)
{
    switch (code) {
#define STATUS(NAME, number, meaning) case number:
#include <abi/status.def>
#undef STATUS
        return true;
    default:
        return false;
    }
}

/* What the reply says is possible for this question. The op's pin is the data. */
static status check_reply(const struct op *op, const struct op *client)
{
    const struct abi_submission *reply = &op->submission;
    if (!is_status(reply->args[1]) || reply->args[1] == STATUS_QUEUE_FULL)
        return FAIL(INVALID_ARGUMENT);
    uint32_t how = reply->op_flags & (ABI_REPLY_HANDLE | ABI_REPLY_MINT);
    bool is_plain = how == 0 && reply->op_flags == 0 && reply->offset_bytes == 0;
    if (reply->args[1] != STATUS_OK)
        return is_plain && reply->args[0] == 0 && op->pin.buffer == nullptr
                   ? OK
                   : FAIL(INVALID_ARGUMENT);

    if (op->pin.buffer != nullptr) {
        if (lent_access(client) != ABI_ACCESS_WRITE) return FAIL(INVALID_ARGUMENT);
        if (op->pin.length > client->pin.length) return FAIL(OUT_OF_RANGE);
    }
    uint32_t kinds = kinds_yielded(&client->submission);
    if (kinds == 0)
        return is_plain && is_value_possible(client, reply->args[0]) ? OK : FAIL(INVALID_ARGUMENT);
    if (how == ABI_REPLY_MINT) {
        uint32_t kind = ABI_REPLY_KIND_OF(reply->op_flags);
        return kind < 32 && (kinds >> kind & 1) != 0 ? OK : FAIL(INVALID_ARGUMENT);
    }
    return reply->op_flags == ABI_REPLY_HANDLE && reply->offset_bytes == 0 ? OK
                                                                           : FAIL(INVALID_ARGUMENT);
}

/* What becomes the client's handle. */
struct gift {
    struct capability *capability; /* held; nullptr: the value is a number */
    struct object *served;         /* counted; minted for this answer, not yet published */
};

/* The server's handle leaves its table, or the reply is refused. */
static op_outcome take_given(struct op *op, const struct op *client, struct gift *gift)
{
    uint32_t detail = 0;
    capability_result taken =
        handle_table_take(op_handles(op), op->submission.args[0],
                          kinds_yielded(&client->submission), ABI_RIGHT_TRANSFER, &detail);
    if (!is_ok(taken.status)) return op_refused(taken.status, detail);
    gift->capability = taken.value;
    return op_done(0);
}

/*
 * A handle of this service's that derives from the one the client used: whoever takes that back
 * takes back what was opened through it, as with the kernel's own directories.
 */
static op_outcome mint_given(struct op *op, const struct op *client, struct gift *gift)
{
    const struct abi_submission *reply = &op->submission;
    object_result made = service_mint(served_service(op_object(client)),
                                      ABI_REPLY_KIND_OF(reply->op_flags), reply->args[0]);
    if (!is_ok(made.status)) return op_failed(made.status);
    OWNED(object_owner) served = TAKE(made.value);
    uint64_t rights =
        reply->offset_bytes & rights_wanted(&client->submission) & client->capability->rights;
    capability_result minted = capability_derive_object(client->capability, served, rights,
                                                        derivation_by(op, ABI_ORIGIN_OPENED));
    if (!is_ok(minted.status)) return op_failed(minted.status);
    gift->capability = minted.value;
    gift->served = TAKE(served);
    return op_done(0);
}

static op_outcome find_gift(struct op *op, const struct op *client, struct gift *gift)
{
    if (op->submission.op_flags & ABI_REPLY_HANDLE) return take_given(op, client, gift);
    if (op->submission.op_flags & ABI_REPLY_MINT) return mint_given(op, client, gift);
    return op_done(0);
}

static status copy_answer(const struct op *op, const struct op *client)
{
    status copied = op_copy_span(&client->pin, &op->pin, client);
    /* Cut short by the server's end, unless it was the client's own. */
    bool is_server_gone = copied.code == STATUS_INTERRUPTED && is_ok(op_cancel_reason(client));
    return is_server_gone ? FAIL(BROKEN_PIPE) : copied;
}

/* The answer's bytes to the client, and the handle: from here on a failure is the client's, as if
 * the object were the kernel's: its table is full, or its memory. */
static struct service_answer give_answer(struct op *op, struct op *client, struct gift *gift)
{
    status outcome = {(enum status_code)op->submission.args[1]};
    uint64_t value = op->submission.args[0];
    if (op->pin.buffer != nullptr) outcome = copy_answer(op, client);
    if (gift->capability != nullptr) {
        if (gift->served != nullptr) served_publish(gift->served);
        handle_result inserted = handle_table_insert(op_handles(client), TAKE(gift->capability));
        outcome = inserted.status;
        value = inserted.value;
    }
    if (gift->served != nullptr) object_put(TAKE(gift->served));
    return (struct service_answer){.outcome = outcome, .value = value};
}

/* The handle to the request ends; it may be somewhere else already, and is revoked in any case. */
static void end_own_handle(struct op *op)
{
    uint32_t detail;
    capability_result own =
        handle_table_close(op_handles(op), op->submission.capability, 0, &detail);
    if (is_ok(own.status) && own.value != nullptr) capability_unuse(own.value);
    capability_unuse(TAKE(op->capability));
}

op_outcome op_request_reply(struct op *op)
{
    struct request *request = request_of(op_object(op));
    struct op *client = op_of_use(request_call(request)); /* valid: we have a use */
    status possible = check_reply(op, client);
    if (!is_ok(possible)) return op_failed(possible);
    if (!request_claim(request)) return op_failed(FAIL(CAPABILITY_REVOKED));

    struct gift gift = {0};
    op_outcome found = find_gift(op, client, &gift);
    if (found.code != STATUS_OK) {
        request_unclaim(request);
        return found;
    }
    struct service_answer answer = give_answer(op, client, &gift);
    end_own_handle(op);
    request_end(request, answer);
    return op_done(0);
}
