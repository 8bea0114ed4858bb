/*
 * Services: requests through handles that a program minted, and that program's answers.
 *
 *     client                                                              server
 *
 *     call --- service_call_start ---> QUEUED --- service_receive ---> struct request
 *       ^                                 |                             |  its window: the client's
 *       |                                 | the last handle to the      |  span, until it has ended
 *       |                                 | service is gone             |
 *       +---- answered(BROKEN_PIPE) <-----+                             | request_claim
 *       |                                                               v
 *       +---- answered() <---- nobody uses the window any more <---- request_end
 *
 * A *served object* is what a minted handle names: a kind, a badge, its service. It has no
 * operations of its own; whoever runs operations makes a call of each and starts it here. Calls
 * stand in one queue for each priority, oldest first, and are part of the operation that waits, so
 * queueing cannot fail and is bounded by the clients' own rings.
 *
 * A *receiver* takes the oldest call of the highest priority that has any, and gets a *request*: an
 * object with a capability of its own, derived from the one the client used, so that taking back
 * the client's handle takes back what was lent with it. When a receiver cannot take it (no memory,
 * no room in its table), the call stays first in its queue.
 *
 * A request ends once. Four parties compete for the claim, under the service's lock: the server's
 * answer, the client's cancellation, the end of the last handle to the request, and a delivery that
 * finds the client cancelled meanwhile. Whoever has claimed it ends it: everything derived from
 * the lent capability is revoked, and only when the last use of it has ended is the call answered.
 * So while somebody has a use of a request's capability, or the claim, the call and the client's
 * span stay valid without any lock.
 *
 *     claimed by      window                                        the client is answered
 *     answer          revoked, a barrier                            as the server says
 *     cancellation    revoked, a barrier; on a worker, since        why it was cancelled
 *                     deadlines pass in interrupts
 *     last handle     over: what used it kept the handle's object   BROKEN_PIPE
 *
 * The service is *closed* when its last handle is gone: calls that wait and calls still to come are
 * answered BROKEN_PIPE at once. Those received already can still be answered. A service that shall
 * outlive its server would keep its queue here, and put received calls back into it: call_put_back
 * is the place.
 *
 * When the last handle to a served object is gone, the object itself stands in the queue and is
 * received as ABI_REQUEST_CLOSED; nothing has to be allocated for that, so it cannot be lost.
 *
 * Context:  task, may put objects, unless a function says otherwise. Never sleeps.
 * Locking:  LOCK_RANK_SERVICE inside; callbacks are called without it, except `cancelled`.
 * Cost:     constant; closing walks what waits.
 */
#pragma once
#include "cap/capability.h"
#include "cap/handle_table.h"
#include "sched/worker.h"
#include "vm/buffer_table.h"
#include <abi/ops.h>
#include <abi/ring.h>

struct service;
struct request;

/* Boot, after worker_init. OUT_OF_MEMORY */
status service_init(void);

/* ---- the service and what it mints ---- */

/* One reference. Its memory, and that of what is minted and received, is charged to the quota.
 * OUT_OF_MEMORY */
object_result service_create(struct memory_quota *quota);
struct service *service_of(struct object *object); /* the kind has been checked */

/*
 * A served object, one reference. Until served_publish() its end is silent: the server does not
 * know the badge yet.
 *   INVALID_ARGUMENT   not a kind
 *   OUT_OF_MEMORY
 */
object_result service_mint(struct service *service, uint32_t kind, uint64_t badge);
void served_publish(struct object *served);
uint64_t served_badge(const struct object *served);
/* Borrowed: lives as long as the served object. Closed, perhaps. */
struct service *served_service(const struct object *served);

/* ---- the client's side ---- */

struct service_answer {
    status outcome;
    uint64_t value; /* when OK */
};

struct service_call;
struct service_call_type {
    /* Everything of the request that the server is told. */
    void (*describe)(const struct service_call *call, struct abi_request *out_request);
    /* What is lent; access 0: nothing. */
    void (*lend)(const struct service_call *call, struct buffer_window *out_window);
    /* The capability used: the caller's own use of it lasts until `answered`. */
    struct capability *(*capability)(const struct service_call *call);
    /* OK, or why the call is being cancelled. Any context, under the service's lock. */
    status (*cancelled)(const struct service_call *call);
    /* Once; the call is the caller's again. */
    void (*answered)(struct service_call *call, struct service_answer answer);
};

/* What stands in a service's queue. */
struct service_entry {
    struct list link;
    bool is_note; /* a served object's, not a call's */
};

struct service_call {
    const struct service_call_type *type; /* set by the caller */
    struct service *service;

    /* Guarded by the service's lock. */
    struct service_entry entry;
    struct request *request; /* counted; nullptr: not received */
    bool is_queued;
    uint8_t priority;
};

/*
 * Asks the server.
 *   OK            `answered` will be called, perhaps has been already
 *   BROKEN_PIPE   the service is closed, and nothing was started
 */
status service_call_start(struct service_call *call, struct object *served, uint8_t priority);
/*
 * Any context. True: taken back, `answered` was not and will not be called. False: it is being
 * answered, or will be, with `why` as soon as nothing of what was lent is in use.
 */
bool service_call_cancel(struct service_call *call, status why);

/* ---- the server's side ---- */

struct service_receiver;
struct service_receiver_type {
    /*
     * Tells the server: writes the description, and makes a handle of the capability, which is
     * consumed, also on failure; nullptr: there is none, and the value is 0. A failure is the
     * receiver's, and ends it.
     */
    handle_result (*take)(struct service_receiver *receiver, const struct abi_request *request,
                          CONSUMED struct capability *capability);
    /* A receiver that waited has this outcome. True: it goes on waiting for more; possible only
     * when the outcome is OK. */
    bool (*received)(struct service_receiver *receiver, handle_result outcome);
    /* As for calls. */
    status (*cancelled)(const struct service_receiver *receiver);
};
struct service_receiver {
    const struct service_receiver_type *type; /* set by the caller */
    struct list link;                         /* guarded by the service's lock, as the next */
    bool is_waiting;
};

/*
 * Takes the next call or note: the handle, or 0 for a note.
 *   WOULD_BLOCK   there is none
 *   others        of `take`, OUT_OF_MEMORY; what was to be received is still there
 */
handle_result service_receive(struct service *service, struct service_receiver *receiver);
/* Waits for it: `received` will be called, perhaps has been already. The caller's use of the
 * service's handle lasts until then. */
void service_wait(struct service *service, struct service_receiver *receiver);
/* Any context. True: it waited and does no more. */
bool service_wait_cancel(struct service *service, struct service_receiver *receiver);

/* ---- requests ---- */

struct request *request_of(struct object *object); /* the kind has been checked */
/* What was lent. False: nothing. Whoever has a use of the request's capability, or the claim. */
bool request_window(struct object *object, struct buffer_window *out_window);
/* The call. The same. */
struct service_call *request_call(struct request *request);

/*
 * Takes the duty to end the request. False: it is being ended already. With it comes a reference,
 * consumed by request_end() or request_unclaim().
 */
bool request_claim(struct request *request);
/* Nothing was done after all. */
void request_unclaim(CONSUMED struct request *request);
/*
 * Revokes what was lent and, when nothing of it is in use, answers the call: before this returns,
 * or later, on a worker. The caller has given up its own use of the request's capability.
 */
void request_end(CONSUMED struct request *request, struct service_answer answer);
