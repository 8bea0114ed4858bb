/*
 * Services: handles that a program mints, and the requests that come through them.
 *
 * A server makes a service and mints handles of any kind from it, each with rights and a badge, a
 * number of the server's choice. Whoever gets such a handle uses it like any other; what is not the
 * kernel's own business arrives here as a question. user/programs/serve is a file server.
 *
 *     static answer read(void *context, const struct question *question)
 *     {
 *         struct open_file *file = (void *)question->asked.badge;
 *         return answer_bytes((view){file->bytes, ...});
 *     }
 *     ...
 *     struct server server = {.service = service_borrow(&service), .context = &tree,
 *                             .handlers = {[ABI_OP_READ] = read}};
 *     status ended = peal_serve(&server);
 *
 * The bytes of an answer are copied once, by the kernel, from where they are to where the client
 * wants them. The other way, peal_question_read() takes them from the client's memory.
 *
 * Context: any thread. Several may receive from one service.
 */
#pragma once
#include "peal/call.h"
#include "peal/file.h"

/* ---- the service ---- */

peal_raw_status peal_raw_service_create(peal_raw_handle *out_service ACQUIRES_HANDLE);
/* OUT_OF_MEMORY, QUOTA_EXCEEDED. When the last handle to it is closed, all its clients get
 * BROKEN_PIPE. */
static inline service_result peal_service_create(void)
{
    service_result result = {0};
    result.status = status_of_raw(peal_raw_service_create(&result.value.raw));
    return result;
}

/* A handle of any kind (abi/kinds.def), whose requests carry the badge. OUT_OF_MEMORY,
 * QUOTA_EXCEEDED */
peal_raw_status peal_raw_service_mint(service_ref service, uint32_t kind, uint64_t rights,
                                      uint64_t badge, peal_raw_handle *out_handle ACQUIRES_HANDLE);
/* peal_service_mint_X(service, rights, badge): the same, typed. */
#define KIND(NAME, name, number, summary)                                                       \
    static inline name##_result peal_service_mint_##name(service_ref service, uint64_t rights,  \
                                                         uint64_t badge)                        \
    {                                                                                           \
        name##_result result = {0};                                                             \
        result.status = status_of_raw(                                                          \
            peal_raw_service_mint(service, ABI_KIND_##NAME, rights, badge, &result.value.raw)); \
        return result;                                                                          \
    }
#include <abi/kinds.def>
#undef KIND

/* ---- questions ---- */

/*
 * What somebody asked, and the duty to answer. Dropping it unanswered gives the client BROKEN_PIPE.
 * When `asked.flags` says ABI_REQUEST_CLOSED, the last handle with this badge is gone: the request
 * is nil, nobody waits.
 */
struct question {
    struct abi_request asked;
    request_handle request;
};
typedef struct question question_owner;
static inline void question_owner_drop(question_owner *question)
{
    request_handle_drop(&question->request);
}

/* Waits for the next one. Errors of SERVICE_RECEIVE. */
status peal_service_receive(service_ref service, struct question *out_question);
/* WOULD_BLOCK when there is none. */
status peal_service_receive_try(service_ref service, struct question *out_question);

/* Takes bytes from the client's span, puts some into it; all of them, or OUT_OF_RANGE. */
size_result peal_question_read(const struct question *question, span into, uint64_t offset_bytes);
size_result peal_question_write(const struct question *question, view from, uint64_t offset_bytes);

/* ---- answers ---- */

/* What a question is answered with. Make one with the functions below. */
typedef struct answer {
    status status;
    bool is_later;   /* not now: the handler has kept the request */
    uint32_t flags;  /* ABI_REPLY_... */
    uint64_t value;  /* or badge, or handle */
    uint64_t rights; /* of what is minted */
    view bytes;      /* borrowed until the reply has been made */
} answer;

static inline answer answer_status(status why)
{
    return (answer){.status = why};
}
/* OK, and what the operation defines as its value. */
static inline answer answer_value(uint64_t value)
{
    return (answer){.value = value};
}
/* OK, these bytes at the start of the client's span, and how many as the value. */
static inline answer answer_bytes(view bytes)
{
    return (answer){.value = bytes.length, .bytes = bytes};
}
/* OK, and a new handle: minted for the client, of that kind; with those of the rights that it asked
 * for and has. */
static inline answer answer_mint(enum abi_kind kind, uint64_t rights, uint64_t badge)
{
    return (answer){
        .flags = ABI_REPLY_MINT | ABI_REPLY_KIND(kind), .value = badge, .rights = rights};
}
/* OK, and a handle of this program's, which moves to the client. */
static inline answer answer_handle(peal_raw_handle handle)
{
    return (answer){.flags = ABI_REPLY_HANDLE, .value = handle};
}
/* The handler has taken the request out of the question and will answer with peal_reply(). */
static inline answer answer_later(void)
{
    return (answer){.is_later = true};
}

/*
 * Answers. The request is gone afterwards, also when the answer is refused: then the client gets
 * BROKEN_PIPE.
 *   CAPABILITY_REVOKED   the client does not wait any more
 *   INVALID_ARGUMENT     no such answer to that question
 *   OUT_OF_RANGE         more bytes than the client has room for
 */
status peal_reply(CONSUMED request_handle request, const answer *reply);

/* ---- a server ---- */

typedef answer question_handler(void *context, struct question *question);

struct server {
    service_ref service;
    void *context; /* for the handlers */
    /* By operation; what has none is answered NOT_IMPLEMENTED. */
    question_handler *handlers[256];
    /* The last handle with this badge is gone, or the client that it was minted for was gone before
     * the answer; may be nullptr. */
    void (*closed)(void *context, uint64_t badge);
    /* A completion that is not the server's own: of what handlers have submitted; may be nullptr.
     */
    void (*completed)(void *context, const struct abi_completion *completion);
    bool is_over; /* set by a handler: peal_serve returns */

    /* peal_serve's. */
    struct abi_request asked;
    bool is_receiving;
    peal_raw_handle replying;
    answer reply;
    uint64_t refused_total; /* answers the kernel did not take */
};

/*
 * Receives and answers until `is_over`, or receiving fails. Each answer goes to the kernel together
 * with the next receive: one system call for each question. Other submissions may be in flight
 * on this thread; user data from PEAL_USER_DATA_SERVER on are taken.
 */
status peal_serve(struct server *server);
#define PEAL_USER_DATA_SERVER (UINT64_MAX - 15)
