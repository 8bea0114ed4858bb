#include "peal/service.h"
#include "peal/memory.h"

#define USER_DATA_RECEIVE PEAL_USER_DATA_SERVER
#define USER_DATA_REPLY   (PEAL_USER_DATA_SERVER + 1)
#define USER_DATA_CANCEL  (PEAL_USER_DATA_SERVER + 2)

peal_raw_status peal_raw_service_create(peal_raw_handle *out_service)
{
    return peal_call_yielding(&(struct abi_submission){.op = ABI_OP_SERVICE_CREATE}, out_service);
}

peal_raw_status peal_raw_service_mint(service_ref service, uint32_t kind, uint64_t rights,
                                      uint64_t badge, peal_raw_handle *out_handle)
{
    return peal_call_yielding(&(struct abi_submission){.op = ABI_OP_SERVICE_MINT,
                                                       .capability = service.raw,
                                                       .op_flags = kind,
                                                       .args = {rights, badge}},
                              out_handle);
}

/* ---- questions ---- */

static status receive(service_ref service, uint32_t flags, struct question *out_question)
{
    struct location where;
    *out_question = (struct question){0};
    TRY(peal_locate_whole(&out_question->asked, sizeof(out_question->asked), ABI_ACCESS_WRITE,
                          &where));
    size_result received =
        peal_call(&(struct abi_submission){.op = ABI_OP_SERVICE_RECEIVE,
                                           .capability = service.raw,
                                           .buffer_index = where.buffer_index,
                                           .buffer_offset_bytes = where.offset_bytes,
                                           .length_bytes = where.length_bytes,
                                           .op_flags = flags});
    out_question->request.raw = received.value;
    return received.status;
}

status peal_service_receive(service_ref service, struct question *out_question)
{
    return receive(service, 0, out_question);
}

status peal_service_receive_try(service_ref service, struct question *out_question)
{
    return receive(service, ABI_SERVICE_DO_NOT_WAIT, out_question);
}

static size_result transfer(const struct question *question, uint8_t op, uint64_t offset_bytes,
                            const struct location *where)
{
    return peal_call(&(struct abi_submission){.op = op,
                                              .capability = question->request.raw,
                                              .offset_bytes = offset_bytes,
                                              .buffer_index = where->buffer_index,
                                              .buffer_offset_bytes = where->offset_bytes,
                                              .length_bytes = where->length_bytes});
}

size_result peal_question_read(const struct question *question, span into, uint64_t offset_bytes)
{
    struct location where;
    TRY_AS(size_result, peal_locate_whole(into.bytes, into.length, ABI_ACCESS_WRITE, &where));
    return transfer(question, ABI_OP_READ, offset_bytes, &where);
}

size_result peal_question_write(const struct question *question, view from, uint64_t offset_bytes)
{
    struct location where;
    TRY_AS(size_result, peal_locate_whole(from.bytes, from.length, ABI_ACCESS_READ, &where));
    return transfer(question, ABI_OP_WRITE, offset_bytes, &where);
}

/* ---- answers ---- */

static status reply_submission(peal_raw_handle request, const answer *reply,
                               struct abi_submission *out_submission)
{
    struct location where = {0};
    if (reply->bytes.length > 0)
        TRY(peal_locate_whole(reply->bytes.bytes, reply->bytes.length, ABI_ACCESS_READ, &where));
    *out_submission = (struct abi_submission){.op = ABI_OP_REQUEST_REPLY,
                                              .capability = request,
                                              .offset_bytes = reply->rights,
                                              .buffer_index = where.buffer_index,
                                              .buffer_offset_bytes = where.offset_bytes,
                                              .length_bytes = where.length_bytes,
                                              .op_flags = reply->flags,
                                              .args = {reply->value, reply->status.code}};
    return OK;
}

status peal_reply(CONSUMED request_handle request, const answer *reply)
{
    struct abi_submission submission;
    status made = reply_submission(request.raw, reply, &submission);
    if (is_ok(made)) made = peal_call(&submission).status;
    if (!is_ok(made)) request_handle_drop(&request);
    return made;
}

/* ---- a server ---- */

/* A slot of the submission queue, which the loop's few submissions never fill by themselves. */
static status push(const struct abi_submission *submission)
{
    struct abi_submission *slot = peal_ring_slot();
    if (slot == nullptr) {
        TRY(peal_submit(0, 0).status);
        slot = peal_ring_slot();
        if (slot == nullptr) return FAIL(QUEUE_FULL);
    }
    *slot = *submission;
    peal_ring_push();
    return OK;
}

static status push_receive(struct server *server)
{
    struct location where;
    TRY(peal_locate_whole(&server->asked, sizeof(server->asked), ABI_ACCESS_WRITE, &where));
    TRY(push(&(struct abi_submission){.op = ABI_OP_SERVICE_RECEIVE,
                                      .capability = server->service.raw,
                                      .buffer_index = where.buffer_index,
                                      .buffer_offset_bytes = where.offset_bytes,
                                      .length_bytes = where.length_bytes,
                                      .user_data = USER_DATA_RECEIVE}));
    server->is_receiving = true;
    return OK;
}

/* The client gets BROKEN_PIPE, if it is there, and nothing that was minted for it. */
static void reply_refused(struct server *server, CONSUMED peal_raw_handle request)
{
    server->refused_total++;
    peal_raw_close(request);
    if (server->reply.flags & ABI_REPLY_MINT && server->closed != nullptr)
        server->closed(server->context, server->reply.value);
}

/* The answer goes with the next enter; the kernel has read its bytes when that returns. */
static status push_reply(struct server *server, CONSUMED request_handle request,
                         const answer *reply)
{
    struct abi_submission submission;
    status made = reply_submission(request.raw, reply, &submission);
    submission.user_data = USER_DATA_REPLY;
    submission.flags = ABI_SUBMISSION_SKIP_SUCCESS;
    if (is_ok(made)) made = push(&submission);
    server->reply = *reply;
    if (is_ok(made))
        server->replying = request.raw;
    else
        reply_refused(server, request.raw);
    return made;
}

static status answer_question(struct server *server, peal_raw_handle raw)
{
    struct question question = {.asked = server->asked, .request = {raw}};
    if (question.asked.flags & ABI_REQUEST_CLOSED) {
        if (server->closed != nullptr) server->closed(server->context, question.asked.badge);
        return OK;
    }
    question_handler *handler = server->handlers[question.asked.op];
    answer reply = handler != nullptr ? handler(server->context, &question)
                                      : answer_status(FAIL(NOT_IMPLEMENTED));
    if (reply.is_later) return OK;
    status pushed = push_reply(server, question.request, &reply);
    return pushed.code == STATUS_QUEUE_FULL ? pushed : OK;
}

/* Does what a completion asks for. */
static status take_completion(struct server *server, const struct abi_completion *completion)
{
    switch (completion->user_data) {
    case USER_DATA_RECEIVE:
        server->is_receiving = false;
        if (completion->tag != ABI_RESULT_OK) return status_of_raw(completion->error);
        return answer_question(server, completion->value);
    case USER_DATA_CANCEL:
        return OK; /* it was faster */
    case USER_DATA_REPLY:
        reply_refused(server, TAKE(server->replying));
        return OK;
    default:
        if (server->completed != nullptr) server->completed(server->context, completion);
        return OK;
    }
}

static status take_completions(struct server *server)
{
    struct abi_completion completion;
    while (peal_reap(&completion))
        TRY(take_completion(server, &completion));
    return OK;
}

/* The receive that is still under way writes to the server's memory: it has to end first. */
static status end_receiving(struct server *server)
{
    while (server->is_receiving) {
        TRY(push(&(struct abi_submission){.op = ABI_OP_CANCEL,
                                          .flags = ABI_SUBMISSION_SKIP_SUCCESS,
                                          .user_data = USER_DATA_CANCEL,
                                          .args = {USER_DATA_RECEIVE}}));
        TRY(peal_submit(1, ABI_DEADLINE_NEVER).status);
        status taken = take_completions(server);
        if (!is_ok(taken) && taken.code != STATUS_INTERRUPTED) return taken;
    }
    return peal_submit(0, 0).status; /* the last answer */
}

status peal_serve(struct server *server)
{
    while (!server->is_over) {
        if (!server->is_receiving) TRY(push_receive(server));
        status entered = peal_submit(1, ABI_DEADLINE_NEVER).status;
        if (!is_ok(entered) && entered.code != STATUS_QUEUE_FULL) return entered;
        TRY(take_completions(server));
    }
    return end_receiving(server);
}
