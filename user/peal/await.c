/*
 * Operations in flight, and what happens when they complete.
 *
 * A record's address is its user data, so a completion finds it without a look-up. Whoever began it
 * keeps the record until all completions that name it have come, that of its cancellation included:
 * a cancellation can therefore never meet the next user of the same address.
 *
 * Calls in tasks keep the record on their stack. Pendings keep it apart, since they can be moved.
 *
 * Room: tasks keep at most in_flight_max operations in flight that may wait for long, so that slots
 * are always left for what ends those: a cancellation, a wake; the next one waits. Each completion
 * lets one go on, which looks again; one that leaves without using the room passes it on.
 */
#include "peal/await.h"
#include "peal/heap.h"
#include "peal/memory.h"
#include "peal/ring_internal.h"
#include "peal/task_internal.h"

#define STOPS_IN_FLIGHT_MAX 4u
#define PROMPT_SLOTS        4u
#define USER_DATA_IS_STOP   1u

static uint64_t user_data_of(const struct peal_operation *operation)
{
    return (uint64_t)operation | PEAL_USER_DATA_LIBRARY;
}

static struct peal_operation *operation_of(uint64_t user_data)
{
    uint64_t address = user_data & ~(PEAL_USER_DATA_LIBRARY | USER_DATA_IS_STOP);
    return (struct peal_operation *)address;
}

/*
 * Whether a task that was told to stop may be refused it, and have it cancelled. Not what cleaning
 * up is made of: the ring's own operations, those on handles and memory (by their families), and
 * what sets others free.
 */
static bool op_may_stop(uint8_t op)
{
    switch (op / 16) {
    case ABI_OP_NOP / 16:
    case ABI_OP_CLOSE / 16:
    case ABI_OP_BUFFER_CREATE / 16:
        return false;
    default:
        return op != ABI_OP_ADDRESS_WAKE && op != ABI_OP_PROCESS_KILL && op != ABI_OP_REQUEST_REPLY;
    }
}

/* ---- completions ---- */

static void room_pass_on(struct task_scheduler *scheduler)
{
    struct list *first = list_take_first(&scheduler->room);
    if (first == nullptr) return;
    struct task *task = LIST_ELEMENT(first, struct task, queue_link);
    task->waits_for_room = false;
    task_make_ready(scheduler, task);
}

static void operation_has_result(struct task_scheduler *scheduler, struct peal_operation *operation,
                                 const struct abi_completion *completion)
{
    bool succeeded = completion->tag == ABI_RESULT_OK;
    operation->status = succeeded ? OK : status_of_raw(completion->error);
    operation->value = succeeded ? completion->value : 0;
    operation->detail = completion->detail;
    if (operation->stop == STOP_WANTED) {
        list_remove(&operation->link);
        operation->stop = STOP_NO;
    }
    scheduler->in_flight--;
    room_pass_on(scheduler);
}

void peal_operation_complete(const struct abi_completion *completion)
{
    struct peal_thread *thread = peal_thread_self();
    struct task_scheduler *scheduler = &thread->scheduler;
    struct peal_operation *operation = operation_of(completion->user_data);
    thread->ring.settle_count--;
    if (completion->user_data & USER_DATA_IS_STOP)
        scheduler->stops_in_flight--;
    else
        operation_has_result(scheduler, operation, completion);
    if (--operation->outstanding == 0 && operation->waiter != nullptr) {
        task_make_ready(scheduler, operation->waiter);
        operation->waiter = nullptr;
    }
}

/* Keeps what is not the library's, in order, and ends the rest. */
void operation_take_back(struct task_scheduler *scheduler)
{
    struct peal_ring *ring = &peal_thread_self()->ring;
    uint32_t head = load_acquire(&ring->header->submission_head), kept = head;
    for (uint32_t i = head; i != ring->submission_tail; i++) {
        struct abi_submission *entry = &ring->submissions[i & ring->submission_mask];
        if (!(entry->user_data & PEAL_USER_DATA_LIBRARY)) {
            ring->submissions[kept++ & ring->submission_mask] = *entry;
            continue;
        }
        struct abi_completion refused = {
            .user_data = entry->user_data, .tag = ABI_RESULT_ERROR, .error = ABI_STATUS_QUEUE_FULL};
        peal_operation_complete(&refused);
    }
    ring->submission_tail = kept;
    store_release(&ring->header->submission_tail, kept);
    if (scheduler->in_flight == 0) room_pass_on(scheduler);
}

/* ---- cancelling ---- */

/* A slot of the submission queue, which the kernel empties when it is full. */
static struct abi_submission *slot_take(void)
{
    struct abi_submission *slot = peal_ring_slot();
    return slot != nullptr ? slot : peal_call_make_room();
}

void operation_stops_send(struct task_scheduler *scheduler)
{
    while (scheduler->stops_in_flight < STOPS_IN_FLIGHT_MAX && !list_is_empty(&scheduler->stops)) {
        struct abi_submission *slot = slot_take();
        if (slot == nullptr) return; /* the kernel takes nothing now: later */
        struct list *first = scheduler->stops.next;
        list_remove(first);
        struct peal_operation *operation = LIST_ELEMENT(first, struct peal_operation, link);
        operation->stop = STOP_SENT;
        operation->outstanding++;
        *slot = (struct abi_submission){.op = ABI_OP_CANCEL,
                                        .user_data = user_data_of(operation) | USER_DATA_IS_STOP,
                                        .args = {user_data_of(operation)}};
        peal_ring_push();
        scheduler->stops_in_flight++;
        peal_thread_self()->ring.settle_count++;
    }
}

static void operation_stop(struct task_scheduler *scheduler, struct peal_operation *operation)
{
    if (operation->outstanding == 0 || operation->stop != STOP_NO) return;
    operation->stop = STOP_WANTED;
    list_add_last(&scheduler->stops, &operation->link);
    operation_stops_send(scheduler);
}

void task_stop_waiting(struct list *scope_link)
{
    struct task_scheduler *scheduler = &peal_thread_self()->scheduler;
    struct task *task = LIST_ELEMENT(scope_link, struct task, scope_link);
    if (task->waits_for != nullptr && task->waits_for->may_stop)
        operation_stop(scheduler, task->waits_for);
    if (task->parked != nullptr) park_stop(task);
    if (task->waits_for_room) {
        task->waits_for_room = false;
        list_remove(&task->queue_link);
        task_make_ready(scheduler, task);
    }
    if (task->waits_for_any) {
        task->waits_for_any = false;
        task_make_ready(scheduler, task);
    }
}

/* ---- the wait that lets other threads wake this one ---- */

static void operation_push(struct task_scheduler *scheduler, struct abi_submission *slot,
                           struct peal_operation *operation)
{
    struct peal_ring *ring = &peal_thread_self()->ring;
    slot->user_data = user_data_of(operation);
    ring->submission_tail++;
    ring->settle_count++;
    scheduler->in_flight++;
}

void operation_watch(struct task_scheduler *scheduler, const uint32_t *word, uint32_t expected)
{
    struct location where;
    if (scheduler->watch.outstanding != 0) return;
    if (!is_ok(peal_locate_whole(word, sizeof(*word), ABI_ACCESS_READ, &where))) return;
    struct abi_submission *slot = slot_take();
    if (slot == nullptr) return; /* completions that nobody reaps: see QUEUE_FULL */
    *slot = (struct abi_submission){.op = ABI_OP_ADDRESS_WAIT,
                                    .buffer_index = where.buffer_index,
                                    .buffer_offset_bytes = where.offset_bytes,
                                    .length_bytes = sizeof(*word),
                                    .args = {expected, ABI_DEADLINE_NEVER}};
    scheduler->watch = (struct peal_operation){.outstanding = 1, .may_stop = true};
    operation_push(scheduler, slot, &scheduler->watch);
}

void operation_watch_end(struct task_scheduler *scheduler)
{
    operation_stop(scheduler, &scheduler->watch);
}

/* ---- beginning and waiting ---- */

static status reason_to_refuse(const struct task_scheduler *scheduler, bool may_stop)
{
    return may_stop ? scheduler->current->scope->reason : OK;
}

/* How many may be in flight. What never waits for anybody, and may be what others wait for, has a
 * few slots more than what may wait for long. */
static uint32_t room_for(const struct task_scheduler *scheduler, bool may_stop)
{
    return may_stop ? scheduler->in_flight_max : scheduler->in_flight_max + PROMPT_SLOTS;
}

/* Waits until one more operation may be in flight. */
static status room_wait(struct task_scheduler *scheduler, bool may_stop)
{
    while (scheduler->in_flight >= room_for(scheduler, may_stop)) {
        struct task *self = scheduler->current;
        self->waits_for_room = true;
        list_add_last(&scheduler->room, &self->queue_link);
        task_suspend(scheduler);
        status reason = reason_to_refuse(scheduler, may_stop);
        if (is_ok(reason)) continue;
        if (scheduler->in_flight < scheduler->in_flight_max) room_pass_on(scheduler);
        return reason;
    }
    return OK;
}

static void operation_wait(struct task_scheduler *scheduler, struct peal_operation *operation)
{
    struct task *self = scheduler->current;
    if (operation->may_stop && !is_ok(self->scope->reason)) operation_stop(scheduler, operation);
    operation->waiter = self;
    self->waits_for = operation;
    while (operation->outstanding != 0)
        task_suspend(scheduler);
    self->waits_for = nullptr;
}

/* What ended because of a deadline says so. */
static size_result operation_result(const struct task_scheduler *scheduler,
                                    const struct peal_operation *operation)
{
    if (__builtin_expect(is_ok(operation->status), true))
        return (size_result){OK, operation->value};
    peal_thread_self()->ring.refusal_detail = operation->detail;
    status reason = scheduler->current->scope->reason;
    bool was_stopped = operation->stop == STOP_SENT && operation->status.code == STATUS_INTERRUPTED;
    return (size_result){.status = was_stopped && !is_ok(reason) ? reason : operation->status};
}

/* The slot's fields stay while others use the queue. */
[[gnu::noinline]] static size_result operation_call_later(struct task_scheduler *scheduler,
                                                          const struct abi_submission *slot)
{
    struct abi_submission request = *slot;
    TRY_AS(size_result, room_wait(scheduler, op_may_stop(request.op)));
    return peal_call(&request);
}

size_result operation_call(void)
{
    struct peal_thread *thread = peal_thread_self();
    struct task_scheduler *scheduler = &thread->scheduler;
    struct peal_ring *ring = &thread->ring;
    struct abi_submission *slot = &ring->submissions[ring->submission_tail & ring->submission_mask];
    bool may_stop = op_may_stop(slot->op);
    TRY_AS(size_result, reason_to_refuse(scheduler, may_stop));
    if (__builtin_expect(scheduler->in_flight >= room_for(scheduler, may_stop), false))
        return operation_call_later(scheduler, slot);
    struct peal_operation operation = {.outstanding = 1, .may_stop = may_stop};
    operation_push(scheduler, slot, &operation);
    operation_wait(scheduler, &operation);
    return operation_result(scheduler, &operation);
}

static struct peal_operation *operation_take(struct task_scheduler *scheduler)
{
    struct list *idle = list_take_first(&scheduler->idle_operations);
    return idle != nullptr ? LIST_ELEMENT(idle, struct peal_operation, link)
                           : peal_allocate(sizeof(struct peal_operation));
}

static void operation_give(struct task_scheduler *scheduler, struct peal_operation *operation)
{
    list_add_last(&scheduler->idle_operations, &operation->link);
}

void task_scheduler_end(void)
{
    struct task_scheduler *scheduler = &peal_thread_self()->scheduler;
    struct list *idle;
    if (scheduler->current == nullptr) return;
    /* acquire: pairs with the release in inbox_put() */
    while (atomic_load_explicit(&scheduler->inbox_senders, memory_order_acquire) != 0)
        peal_yield();
    while ((idle = list_take_first(&scheduler->idle_operations)) != nullptr)
        peal_release(LIST_ELEMENT(idle, struct peal_operation, link));
}

static bool op_yields(uint8_t op)
{
    enum {
        KEEPS = false,
        CONSUMES = false,
        CLOSES = false,
        ENDS = false,
        YIELDS = true,
        CONSUMES_YIELDS = true
    };
    static const bool yields[UINT8_MAX + 1] = {
#define OP(number, NAME, name, KINDS, RIGHTS, BUFFER, FIELDS, FLAGS, HANDLES, ...) \
    [number] = (HANDLES),
#include <abi/ops.def>
#undef OP
    };
    return yields[op];
}

peal_pending peal_begin(const struct abi_submission *submission)
{
    const uint8_t flags = ABI_SUBMISSION_TIMEOUT | ABI_SUBMISSION_DRAIN;
    struct task_scheduler *scheduler = task_scheduler_self();
    bool may_stop = op_may_stop(submission->op);
    if ((submission->flags & ~flags) || (submission->op_flags & ABI_OP_FLAG_MULTISHOT))
        return (peal_pending){.refusal = FAIL(INVALID_ARGUMENT)};
    status reason = reason_to_refuse(scheduler, may_stop);
    if (is_ok(reason)) reason = room_wait(scheduler, may_stop);
    if (!is_ok(reason)) return (peal_pending){.refusal = reason};

    struct peal_operation *operation = operation_take(scheduler);
    if (operation == nullptr) return (peal_pending){.refusal = FAIL(OUT_OF_MEMORY)};
    *operation = (struct peal_operation){
        .outstanding = 1, .may_stop = may_stop, .yields = op_yields(submission->op)};
    struct abi_submission *slot = slot_take();
    if (slot == nullptr) {
        operation_give(scheduler, operation);
        return (peal_pending){.refusal = FAIL(QUEUE_FULL)};
    }
    *slot = *submission;
    operation_push(scheduler, slot, operation);
    return (peal_pending){.operation = operation};
}

size_result peal_await(peal_pending *pending)
{
    struct task_scheduler *scheduler = &peal_thread_self()->scheduler;
    struct peal_operation *operation = pending->operation;
    if (operation == nullptr) {
        status refusal = is_ok(pending->refusal) ? FAIL(INVALID_ARGUMENT) : pending->refusal;
        *pending = (peal_pending){0};
        return (size_result){.status = refusal};
    }
    if (operation->outstanding != 0) {
        peal_ring_settle(&peal_thread_self()->ring);
        operation_wait(scheduler, operation);
    }
    size_result result = operation_result(scheduler, operation);
    *pending = (peal_pending){0};
    operation_give(scheduler, operation);
    return result;
}

bool peal_is_done(const peal_pending *pending)
{
    if (pending->operation == nullptr || pending->operation->outstanding == 0) return true;
    peal_ring_settle(&peal_thread_self()->ring);
    return pending->operation->outstanding == 0;
}

/* The first that is done; `count` when none is. */
static uint32_t find_done(const peal_pending *pendings, uint32_t count)
{
    uint32_t i = 0;
    while (i < count &&
           (pendings[i].operation == nullptr || pendings[i].operation->outstanding != 0))
        i++;
    return i;
}

static bool set_waiter(const peal_pending *pendings, uint32_t count, struct task *waiter)
{
    bool any = false;
    for (uint32_t i = 0; i < count; i++) {
        if (pendings[i].operation == nullptr) continue;
        pendings[i].operation->waiter = waiter;
        any = true;
    }
    return any;
}

uint32_t peal_await_any(const peal_pending *pendings, uint32_t count)
{
    struct task_scheduler *scheduler = task_scheduler_self();
    struct task *self = scheduler->current;
    peal_ring_settle(&peal_thread_self()->ring);
    uint32_t done = find_done(pendings, count);
    if (done < count || !is_ok(self->scope->reason) || !set_waiter(pendings, count, self))
        return done;
    self->waits_for_any = true;
    while ((done = find_done(pendings, count)) == count && is_ok(self->scope->reason))
        task_suspend(scheduler);
    self->waits_for_any = false;
    set_waiter(pendings, count, nullptr);
    return done;
}

void peal_cancel(const peal_pending *pending)
{
    if (pending->operation != nullptr) operation_stop(task_scheduler_self(), pending->operation);
}

void peal_pending_drop(peal_pending *pending)
{
    struct peal_operation *operation = pending->operation;
    *pending = (peal_pending){0};
    if (operation == nullptr) return;
    struct task_scheduler *scheduler = &peal_thread_self()->scheduler;
    if (operation->outstanding != 0) {
        operation_stop(scheduler, operation);
        operation_wait(scheduler, operation);
    }
    if (operation->yields && is_ok(operation->status)) peal_raw_close(operation->value);
    operation_give(scheduler, operation);
}
