/*
 * Services, what they mint, and requests.
 *
 * Lifetimes. A service's memory is kept by its object (handles, and operations through them), by
 * each served object and by each request: `keepers`. A request is two objects in one piece of
 * memory:
 *
 *     client's capability
 *       `-- lent         names request->lender; used by the kernel, until the end
 *             `-- given  names request->object; its hold is the server's handle
 *
 * The second is there so that the end of the server's last handle can be told from the end of the
 * lending: `object` is destroyed when no handle, operation, mapping or registration of the server
 * refers to it, while `lent` is what has to be revoked in any case, from whatever is below it.
 * `lender` counts: the capability `lent`, the object, and the call (which gives its reference to
 * whoever claims the request).
 *
 * Locking: the service's lock guards its queues, its receivers, and of each call and request which
 * state it is in. A call or receiver that is in no list belongs to whoever took it out. One that
 * is put back may have been cancelled meanwhile, so its reason is looked at, under the lock: either
 * cancel() comes after and finds it, or it came before and left its reason.
 */
#include "ipc/service.h"
#include "base/bytes.h"
#include "debug/assert.h"
#include "mm/heap.h"
#include "mm/quota.h"

static constexpr uint32_t PRIORITIES = ABI_PRIORITY_MAX + 1;
static constexpr uint32_t ENDERS_MAX = 2; /* threads that end requests */

struct service {
    struct object object;
    _Atomic uint32_t keepers;
    struct memory_quota *quota; /* counted; nullptr: the kernel's. Fixed */

    spin_lock lock; /* LOCK_RANK_SERVICE */
    struct list queues[PRIORITIES] GUARDED_BY(lock);
    uint32_t filled GUARDED_BY(lock); /* a bit for each queue that is not empty */
    struct list receivers GUARDED_BY(lock);
    bool is_closed GUARDED_BY(lock);
};

struct served {
    struct object object;
    struct service *service; /* kept; fixed, as the next */
    uint64_t badge;
    struct service_entry entry; /* once nothing refers to it; guarded by the service's lock */
    _Atomic bool is_published;  /* relaxed: ordered by the references to the object */
};

/* Whether the server has got its handle, and what has become of it. */
enum handing : uint32_t {
    HANDING_NOT_YET,
    HANDING_DONE,
    HANDING_OVER, /* nothing refers to the object any more */
};

struct request {
    struct object lender;
    struct object object;
    struct service *service;     /* kept; fixed, as the next three */
    struct service_call *call;   /* valid until it is answered */
    struct buffer_window window; /* of the call's span */
    struct capability *lent;     /* used, until the end */
    _Atomic(enum handing) handing;
    bool is_claimed; /* guarded by the service's lock */

    /* Of whoever has the claim. */
    struct service_answer answer;
    struct revocation revocation;
    struct work work;
};

static struct work_queue *enders;

status service_init(void)
{
    enders = work_queue_create("service", ENDERS_MAX);
    return enders != nullptr ? OK : FAIL(OUT_OF_MEMORY);
}

/* ---- memory ---- */

static void *charged_take(struct memory_quota *quota, uint64_t bytes)
{
    if (!is_ok(memory_quota_charge(quota, bytes))) return nullptr;
    void *memory = heap_take(bytes);
    if (memory == nullptr) memory_quota_uncharge(quota, bytes);
    return memory;
}

static void charged_give(struct memory_quota *quota, void *memory, uint64_t bytes)
{
    heap_give(memory);
    memory_quota_uncharge(quota, bytes);
}

static void service_keep(struct service *service)
{
    /* Relaxed: whoever keeps it more knows that it is kept. */
    atomic_fetch_add_explicit(&service->keepers, 1, memory_order_relaxed);
}

static void service_let_go(struct service *service)
{
    /* Release what was done to it; acquire, by the last, what the others did. */
    if (atomic_fetch_sub_explicit(&service->keepers, 1, memory_order_acq_rel) != 1) return;
    struct memory_quota *quota = service->quota;
    charged_give(quota, service, sizeof(*service));
    if (quota != nullptr) memory_quota_put(quota);
}

/* ---- queues ---- */

static void push_locked(struct service *service, struct service_entry *entry, uint8_t priority,
                        bool is_first) REQUIRES(service->lock)
{
    struct list *queue = &service->queues[priority];
    if (is_first)
        list_push_front(queue, &entry->link);
    else
        list_push_back(queue, &entry->link);
    service->filled |= 1u << priority;
}

static void remove_locked(struct service *service, struct service_entry *entry, uint8_t priority)
    REQUIRES(service->lock)
{
    list_remove(&entry->link);
    if (list_is_empty(&service->queues[priority])) service->filled &= ~(1u << priority);
}

static struct service_call *call_of(struct service_entry *entry)
{
    return container_of(entry, struct service_call, entry);
}

static struct served *served_of_entry(struct service_entry *entry)
{
    return container_of(entry, struct served, entry);
}

/* The oldest of the most urgent, or nullptr. */
static struct service_entry *take_entry_locked(struct service *service) REQUIRES(service->lock)
{
    if (service->filled == 0) return nullptr;
    uint32_t priority = 31u - (uint32_t)__builtin_clz(service->filled);
    struct service_entry *entry =
        list_entry(service->queues[priority].next, struct service_entry, link);
    remove_locked(service, entry, (uint8_t)priority);
    if (!entry->is_note) call_of(entry)->is_queued = false;
    return entry;
}

static struct service_receiver *take_receiver_locked(struct service *service)
    REQUIRES(service->lock)
{
    struct list *link = list_take_front(&service->receivers);
    if (link == nullptr) return nullptr;
    struct service_receiver *receiver = list_entry(link, struct service_receiver, link);
    receiver->is_waiting = false;
    return receiver;
}

static void answer_failed(struct service_call *call, status why)
{
    call->type->answered(call, (struct service_answer){.outcome = why});
}

/* ---- the end of requests ---- */

static void lender_destroy(struct object *object)
{
    struct request *request = container_of(object, struct request, lender);
    struct service *service = request->service;
    memory_quota_uncharge(service->quota, sizeof(*request));
    heap_give(request);
    service_let_go(service);
}

/* Nothing of what was lent is in use. Consumes the claim. */
static void request_finish(CONSUMED struct request *request)
{
    struct service_call *call = request->call;
    capability_unuse(TAKE(request->lent));
    spin_acquire(&request->service->lock);
    call->request = nullptr; /* cancelling may be looking at it */
    spin_release(&request->service->lock);
    call->type->answered(call, request->answer);
    object_put(&request->lender);
}

/* Goes on until the revocation is over, or has to be waited for: then another may have it already,
 * and finish the request. */
static void request_advance(struct request *request)
{
    for (;;) {
        switch (revocation_advance(&request->revocation)) {
        case REVOCATION_AGAIN:
            scheduler_preempt_point();
            break;
        case REVOCATION_WAITING:
            return;
        case REVOCATION_DONE:
            request_finish(request);
            return;
        }
    }
}

static void advance_on_worker(struct work *work)
{
    request_advance(container_of(work, struct request, work));
}

/* Any context: under the lock of the tree. */
static void revocation_progressed(struct revocation *revocation)
{
    struct request *request = container_of(revocation, struct request, revocation);
    work_submit(enders, &request->work, advance_on_worker);
}

void request_end(CONSUMED struct request *request, struct service_answer answer)
{
    request->answer = answer;
    /* As after most replies: what the server had is gone, and only from that more could derive. */
    if (!capability_has_children(request->lent)) {
        request_finish(request);
        return;
    }
    revocation_init(&request->revocation, request->lent, false, revocation_progressed);
    request_advance(request);
}

static void end_on_worker(struct work *work)
{
    struct request *request = container_of(work, struct request, work);
    request_end(request, request->answer);
}

/* The claim, from where objects cannot be put. */
static void request_end_later(CONSUMED struct request *request, status why)
{
    request->answer = (struct service_answer){.outcome = why};
    work_submit(enders, &request->work, end_on_worker);
}

static bool claim_locked(struct service *service, struct request *request) REQUIRES(service->lock)
{
    ASSERT(request->service == service);
    bool is_ours = !request->is_claimed;
    request->is_claimed = true;
    return is_ours;
}

bool request_claim(struct request *request)
{
    spin_acquire(&request->service->lock);
    bool is_ours = claim_locked(request->service, request);
    spin_release(&request->service->lock);
    return is_ours;
}

void request_unclaim(CONSUMED struct request *request)
{
    struct service_call *call = request->call;
    spin_acquire(&request->service->lock);
    status cancelled = call->type->cancelled(call);
    if (is_ok(cancelled)) request->is_claimed = false;
    spin_release(&request->service->lock);
    if (!is_ok(cancelled)) request_end_later(request, cancelled);
}

/* The server can do nothing with it any more. A service that outlives its server would put the call
 * back here. */
static void request_abandoned(struct request *request)
{
    if (!request_claim(request)) return;
    struct service_call *call = request->call;
    /* Its handle may have ended because the client's was taken back: the client is told so. */
    bool is_revoked = capability_is_revoked(call->type->capability(call));
    request->answer.outcome = is_revoked ? FAIL(CAPABILITY_REVOKED) : FAIL(BROKEN_PIPE);
    request_finish(request);
}

static void request_object_destroy(struct object *object)
{
    struct request *request = container_of(object, struct request, object);
    /* Pairs with the exchange in deliver_call(): the second of the two does what there is to do. */
    enum handing before =
        atomic_exchange_explicit(&request->handing, HANDING_OVER, memory_order_acq_rel);
    if (before == HANDING_DONE) request_abandoned(request);
    object_put(&request->lender);
}

static const struct object_type request_type = {
    .kind = ABI_KIND_REQUEST,
    .rights_all = ABI_RIGHT_READ | ABI_RIGHT_WRITE | ABI_RIGHT_MAP | ABI_RIGHT_TRANSFER |
                  ABI_RIGHT_CLOSE | ABI_RIGHT_STAT | ABI_RIGHT_CONTROL,
    .destroy = request_object_destroy,
    .may_cascade = true,
};
static const struct object_type lender_type = {
    .kind = ABI_KIND_REQUEST,
    .rights_all = request_type.rights_all,
    .destroy = lender_destroy,
    .may_cascade = true,
};

struct request *request_of(struct object *object)
{
    ASSERT(object->type == &request_type);
    return container_of(object, struct request, object);
}

struct service_call *request_call(struct request *request)
{
    return request->call;
}

bool request_window(struct object *object, struct buffer_window *out_window)
{
    *out_window = request_of(object)->window;
    return out_window->access != 0;
}

/* ---- making requests ---- */

static uint64_t request_rights(uint32_t access)
{
    uint64_t rights = ABI_RIGHT_TRANSFER | ABI_RIGHT_CLOSE | ABI_RIGHT_STAT | ABI_RIGHT_CONTROL;
    if (access & ABI_ACCESS_READ) rights |= ABI_RIGHT_READ | ABI_RIGHT_MAP;
    if (access & ABI_ACCESS_WRITE) rights |= ABI_RIGHT_WRITE | ABI_RIGHT_MAP;
    return rights;
}

/* Without capabilities. The reference is the call's. */
static struct request *request_allocate(struct service_call *call)
{
    struct service *service = call->service;
    struct request *request = charged_take(service->quota, sizeof(*request));
    if (request == nullptr) return nullptr;
    service_keep(service);
    request->service = service;
    request->call = call;
    request->lent = nullptr;
    atomic_init(&request->handing, HANDING_NOT_YET);
    request->is_claimed = false;
    request->answer = (struct service_answer){0};
    request->work = (struct work){0};
    call->type->lend(call, &request->window);
    object_init(&request->lender, &lender_type);
    return request;
}

/* What the server is to get: the hold is the caller's. On failure nothing is left but the call's
 * reference. */
static capability_result lend(struct request *request)
{
    struct service_call *call = request->call;
    uint64_t rights = request_rights(request->window.access);
    struct capability *used = call->type->capability(call);
    derivation how = {.origin = ABI_ORIGIN_LENT};
    capability_result lent = capability_derive_object(used, &request->lender, rights, how);
    TRY_AS(capability_result, lent.status);
    if (!capability_use_hold(lent.value)) {
        capability_release(lent.value);
        return (capability_result){.status = FAIL(CAPABILITY_REVOKED)};
    }
    object_init(&request->object, &request_type);
    object_get(&request->lender); /* the object's */
    capability_result given = capability_derive_object(lent.value, &request->object, rights, how);
    object_put(&request->object); /* the capability's is left, or none */
    if (is_ok(given.status))
        request->lent = lent.value;
    else
        capability_unuse(lent.value);
    return given;
}

/* ---- delivering ---- */

/* What became of something that was to be delivered. */
enum delivery : uint32_t {
    DELIVERED,   /* the receiver has it */
    UNDELIVERED, /* it could not: the receiver's outcome is a failure, the entry is back */
    VANISHED,    /* there is nothing to deliver any more, the receiver may have the next */
};

/* Back to the front of its queue: from a delivery that failed. */
static enum delivery call_put_back(struct service_call *call)
{
    struct service *service = call->service;
    spin_acquire(&service->lock);
    status gone = service->is_closed ? FAIL(BROKEN_PIPE) : call->type->cancelled(call);
    call->is_queued = is_ok(gone);
    if (call->is_queued) push_locked(service, &call->entry, call->priority, true);
    spin_release(&service->lock);
    if (is_ok(gone)) return UNDELIVERED;
    answer_failed(call, gone);
    return VANISHED;
}

/* The call can be found through its request from here on. False: it was cancelled meanwhile. */
static bool bind(struct service_call *call, struct request *request)
{
    spin_acquire(&call->service->lock);
    status cancelled = call->type->cancelled(call);
    if (is_ok(cancelled)) call->request = request;
    spin_release(&call->service->lock);
    if (is_ok(cancelled)) return true;
    request->is_claimed = true; /* nobody else knows it */
    request_end_later(request, cancelled);
    return false;
}

/* Nobody has got the handle: the call is the deliverer's again. False: it is being cancelled. */
static bool unbind(struct service_call *call, struct request *request)
{
    spin_acquire(&request->service->lock);
    bool is_ours = claim_locked(request->service, request);
    if (is_ours) call->request = nullptr;
    spin_release(&request->service->lock);
    if (!is_ours) return false;
    capability_unuse(TAKE(request->lent));
    object_put(&request->lender);
    return true;
}

static enum delivery deliver_call(struct service_call *call, struct service_receiver *receiver,
                                  handle_result *out)
{
    struct request *request = request_allocate(call);
    if (request == nullptr) {
        *out = (handle_result){.status = FAIL(OUT_OF_MEMORY)};
        return call_put_back(call);
    }
    capability_result given = lend(request);
    if (!is_ok(given.status)) {
        object_put(&request->lender);
        *out = (handle_result){.status = FAIL(OUT_OF_MEMORY)};
        if (given.status.code != STATUS_CAPABILITY_REVOKED) return call_put_back(call);
        answer_failed(call, given.status); /* as its cancellation, which is on its way, would say */
        return VANISHED;
    }
    struct abi_request description = {0};
    call->type->describe(call, &description);
    description.access = (uint8_t)request->window.access;
    object_get(&request->lender); /* ours */
    OWNED(object_owner) keeper = &request->lender;
    if (!bind(call, request)) {
        capability_release(given.value);
        return VANISHED;
    }
    *out = receiver->type->take(receiver, &description, given.value);
    if (!is_ok(out->status)) {
        /* Cancelled meanwhile: the receiver failed all the same. */
        if (!unbind(call, request)) return UNDELIVERED;
        call_put_back(call);
        return UNDELIVERED;
    }
    enum handing before =
        atomic_exchange_explicit(&request->handing, HANDING_DONE, memory_order_acq_rel);
    /* The handle was found and closed before its owner was told. */
    if (before == HANDING_OVER) request_abandoned(request);
    return DELIVERED;
}

static void served_free(struct served *served)
{
    struct service *service = served->service;
    memory_quota_uncharge(service->quota, sizeof(*served));
    heap_give(served);
    service_let_go(service);
}

static enum delivery deliver_note(struct served *served, struct service_receiver *receiver,
                                  handle_result *out)
{
    struct service *service = served->service;
    struct abi_request description = {
        .badge = served->badge,
        .kind = object_kind(&served->object),
        .flags = ABI_REQUEST_CLOSED,
    };
    *out = receiver->type->take(receiver, &description, nullptr);
    bool is_over = is_ok(out->status);
    spin_acquire(&service->lock);
    if (!is_over && !service->is_closed)
        push_locked(service, &served->entry, 0, true);
    else
        is_over = true;
    spin_release(&service->lock);
    if (is_over) served_free(served);
    return is_ok(out->status) ? DELIVERED : UNDELIVERED;
}

static enum delivery deliver(struct service_entry *entry, struct service_receiver *receiver,
                             handle_result *out)
{
    return entry->is_note ? deliver_note(served_of_entry(entry), receiver, out)
                          : deliver_call(call_of(entry), receiver, out);
}

/* Puts a receiver back, the first that is served next. */
static void receiver_put_back(struct service *service, struct service_receiver *receiver)
{
    spin_acquire(&service->lock);
    status cancelled = receiver->type->cancelled(receiver);
    receiver->is_waiting = is_ok(cancelled);
    if (receiver->is_waiting) list_push_front(&service->receivers, &receiver->link);
    spin_release(&service->lock);
    if (!is_ok(cancelled))
        (void)receiver->type->received(receiver, (handle_result){.status = cancelled});
}

/*
 * As long as there are both, gives the entries to the receivers. Each step ends an entry's or a
 * receiver's stay, or continues a receiver that has got something; so no more steps are made than
 * calls and receives were started. Consumes a keep.
 */
static void match(struct service *service)
{
    for (;;) {
        spin_acquire(&service->lock);
        struct service_receiver *receiver = nullptr;
        struct service_entry *entry = nullptr;
        if (service->filled != 0) receiver = take_receiver_locked(service);
        if (receiver != nullptr) entry = take_entry_locked(service);
        spin_release(&service->lock);
        if (entry == nullptr) break;

        handle_result outcome;
        bool goes_on = deliver(entry, receiver, &outcome) == VANISHED ||
                       receiver->type->received(receiver, outcome);
        if (goes_on) receiver_put_back(service, receiver);
    }
    service_let_go(service);
}

/* ---- the service ---- */

static void answer_waiting(struct service *service)
{
    for (;;) {
        spin_acquire(&service->lock);
        struct service_entry *entry = take_entry_locked(service);
        spin_release(&service->lock);
        if (entry == nullptr) return;
        if (entry->is_note)
            served_free(served_of_entry(entry));
        else
            answer_failed(call_of(entry), FAIL(BROKEN_PIPE));
    }
}

static void service_destroy(struct object *object)
{
    struct service *service = service_of(object);
    spin_acquire(&service->lock);
    ASSERT(list_is_empty(&service->receivers)); /* each has a use of a handle */
    service->is_closed = true;
    spin_release(&service->lock);
    answer_waiting(service);
    service_let_go(service);
}

static const struct object_type service_type = {
    .kind = ABI_KIND_SERVICE,
    .rights_all = ABI_RIGHT_CREATE | ABI_RIGHT_ACCEPT | ABI_RIGHT_DUP | ABI_RIGHT_TRANSFER |
                  ABI_RIGHT_CLOSE | ABI_RIGHT_STAT,
    .destroy = service_destroy,
    .may_cascade = true,
};

object_result service_create(struct memory_quota *quota)
{
    struct service *service = charged_take(quota, sizeof(*service));
    if (service == nullptr) return (object_result){.status = FAIL(OUT_OF_MEMORY)};
    bytes_zero(service, sizeof(*service));
    if (quota != nullptr) memory_quota_get(quota);
    service->quota = quota;
    atomic_init(&service->keepers, 1);
    spin_lock_init(&service->lock, LOCK_RANK_SERVICE);
    for (uint32_t i = 0; i < PRIORITIES; i++)
        list_init(&service->queues[i]);
    list_init(&service->receivers);
    object_init(&service->object, &service_type);
    return (object_result){.value = &service->object};
}

struct service *service_of(struct object *object)
{
    ASSERT(object->type == &service_type);
    return container_of(object, struct service, object);
}

/* ---- what is minted ---- */

static struct served *served_of(const struct object *object)
{
    ASSERT(object->type->is_served);
    return container_of((struct object *)(uintptr_t)object, struct served, object);
}

static void served_destroy(struct object *object)
{
    struct served *served = served_of(object);
    struct service *service = served->service;
    bool is_told = atomic_load_explicit(&served->is_published, memory_order_relaxed);
    if (is_told) {
        spin_acquire(&service->lock);
        is_told = !service->is_closed;
        if (is_told) {
            served->entry.is_note = true;
            push_locked(service, &served->entry, 0, false);
            service_keep(service);
        }
        spin_release(&service->lock);
    }
    if (is_told)
        match(service);
    else
        served_free(served);
}

/* What a server's handles may do is the server's matter: all rights make sense. */
static const struct object_type served_types[ABI_KIND_COUNT] = {
#define KIND(NAME, name, number, summary)              \
    [ABI_KIND_##NAME] = {.kind = ABI_KIND_##NAME,      \
                         .rights_all = ABI_RIGHTS_ALL, \
                         .destroy = served_destroy,    \
                         .is_served = true,            \
                         .may_cascade = true},
#include <abi/kinds.def>
#undef KIND
};

object_result service_mint(struct service *service, uint32_t kind, uint64_t badge)
{
    if (kind >= ABI_KIND_COUNT || served_types[kind].destroy == nullptr)
        return (object_result){.status = FAIL(INVALID_ARGUMENT)};
    struct served *served = charged_take(service->quota, sizeof(*served));
    if (served == nullptr) return (object_result){.status = FAIL(OUT_OF_MEMORY)};
    service_keep(service);
    served->service = service;
    served->badge = badge;
    served->entry = (struct service_entry){0};
    atomic_init(&served->is_published, false);
    object_init(&served->object, &served_types[kind]);
    return (object_result){.value = &served->object};
}

void served_publish(struct object *served)
{
    atomic_store_explicit(&served_of(served)->is_published, true, memory_order_relaxed);
}

uint64_t served_badge(const struct object *served)
{
    return served_of(served)->badge;
}

struct service *served_service(const struct object *served)
{
    return served_of(served)->service;
}

/* ---- calls ---- */

status service_call_start(struct service_call *call, struct object *served, uint8_t priority)
{
    struct service *service = served_of(served)->service;
    call->service = service;
    call->request = nullptr;
    call->entry.is_note = false;
    call->priority = priority;
    spin_acquire(&service->lock);
    bool is_closed = service->is_closed;
    bool has_receiver = !list_is_empty(&service->receivers);
    call->is_queued = !is_closed;
    if (!is_closed) push_locked(service, &call->entry, priority, false);
    if (has_receiver) service_keep(service); /* from here on the call may be answered */
    spin_release(&service->lock);
    if (is_closed) return FAIL(BROKEN_PIPE);
    if (has_receiver) match(service);
    return OK;
}

bool service_call_cancel(struct service_call *call, status why)
{
    struct service *service = call->service;
    struct request *request = nullptr;
    spin_acquire(&service->lock);
    bool was_queued = call->is_queued;
    if (was_queued)
        remove_locked(service, &call->entry, call->priority);
    else if (call->request != nullptr && claim_locked(service, call->request))
        request = call->request;
    call->is_queued = false;
    spin_release(&service->lock);
    if (request != nullptr) request_end_later(request, why);
    return was_queued;
}

/* ---- receivers ---- */

handle_result service_receive(struct service *service, struct service_receiver *receiver)
{
    for (;;) {
        spin_acquire(&service->lock);
        struct service_entry *entry = take_entry_locked(service);
        if (entry != nullptr) service_keep(service);
        spin_release(&service->lock);
        if (entry == nullptr) return (handle_result){.status = FAIL(WOULD_BLOCK)};

        handle_result outcome;
        enum delivery delivery = deliver(entry, receiver, &outcome);
        if (delivery == UNDELIVERED)
            match(service); /* others may have begun to wait while it was out of its queue */
        else
            service_let_go(service);
        if (delivery != VANISHED) return outcome;
    }
}

void service_wait(struct service *service, struct service_receiver *receiver)
{
    spin_acquire(&service->lock);
    service_keep(service);
    receiver->is_waiting = true;
    list_push_back(&service->receivers, &receiver->link);
    spin_release(&service->lock);
    match(service);
}

bool service_wait_cancel(struct service *service, struct service_receiver *receiver)
{
    spin_acquire(&service->lock);
    bool was_waiting = receiver->is_waiting;
    if (was_waiting) list_remove(&receiver->link);
    receiver->is_waiting = false;
    spin_release(&service->lock);
    return was_waiting;
}
