/*
 * The completion side: how ops that pend come to their end. The picture is in op.h.
 *
 * The state word decides who finishes an op, that is: drops its pins, writes its completion and
 * frees it. op_complete() exchanges FINISHED into it and looks at what was there:
 *
 *   RUNNING      the handler has not returned: the ring's thread finishes, in op_let_go()
 *   PENDING      nobody else is near: the caller finishes
 *   CANCELLING   somebody is inside cancel() and still looks at the op: that one finishes
 *
 * A canceller moves PENDING to CANCELLING, which only one can do at a time, and afterwards back;
 * when it cannot move back, the op was completed meanwhile and is the canceller's to finish.
 *
 * The deadline's timer is the last thing that may still refer to an op. Whoever finishes takes it
 * out or waits for its function to return; only that function itself cannot, and so the op's next
 * use of its timer, or the end of the ring, does.
 */
#include "debug/assert.h"
#include "ring/ring_internal.h"

/* Finishes ops that were completed where objects cannot be put. Separate, so that slow disks do not
 * hold them up. */
static struct work_queue *finishers;
static constexpr uint32_t FINISHER_THREADS_MAX = 2;
/* Run ops that were held. Handlers do not wait, so a few do for everybody. */
static struct work_queue *starters;
static constexpr uint32_t STARTER_THREADS_MAX = 4;

static timer_function limit_passed;
static void quiet_timer(struct op *op);
static void finish(struct op *op);

status op_init(void)
{
    finishers = work_queue_create("finish", FINISHER_THREADS_MAX);
    starters = work_queue_create("start", STARTER_THREADS_MAX);
    return finishers != nullptr && starters != nullptr ? OK : FAIL(OUT_OF_MEMORY);
}

void op_set_up(struct op *op, struct ring *ring)
{
    op->ring = ring;
    op->capability = nullptr;
    op->pin = (buffer_pin){0};
    op->is_watching = op->is_pin_watched = false;
    op->number = 0;
    op->successor = op->predecessor = op->canceller = nullptr;
    op->is_link_timeout = op->is_canceller = op->is_behind = op->is_broken = false;
    list_init(&op->held_link);
    atomic_init(&op->state, OP_FREE);
    timer_init(&op->timer, limit_passed);
}

void op_start(struct op *op)
{
    op->cancel = nullptr;
    op->limit_ns = UINT64_MAX;
    /* Relaxed: nobody else has the op. */
    atomic_store_explicit(&op->cancel_reason, STATUS_OK, memory_order_relaxed);
    atomic_store_explicit(&op->state, OP_RUNNING, memory_order_relaxed);
}

void *op_process(const struct op *op)
{
    return op->ring->environment.process;
}

struct handle_table *op_handles(const struct op *op)
{
    return op->ring->environment.handles;
}

struct buffer_table *op_buffers(const struct op *op)
{
    return op->ring->environment.buffers;
}

void op_unpin(struct op *op)
{
    recorder_note_lineage(op);
    buffer_pin_drop(&op->pin);
    if (op->capability != nullptr) capability_unuse(TAKE(op->capability));
}

static bool state_move(struct op *op, enum op_state from, enum op_state to)
{
    /* Release hands over what this party wrote, acquire takes over what the last one did. Ordered
     * with the reason for a cancel in one total order: see claim_revoked(). */
    return atomic_compare_exchange_strong_explicit(&op->state, &from, to, memory_order_seq_cst,
                                                   memory_order_seq_cst);
}

[[gnu::noinline]] void ring_fill_rest(uint64_t *words, op_outcome outcome)
{
    enum status_code code = op_outcome_status(outcome);
    words[3] = (uint64_t)outcome.detail << 32;
    if (code == STATUS_OK) {
        words[3] |= outcome.code >> OP_CODE_FLAGS_SHIFT;
        return;
    }
    words[1] = ABI_RESULT_ERROR;
    words[2] = code;
}

/* Takes the ring's thread out of its wait if there is enough for it now: the caller wakes it when
 * the lock is released. nullptr: it does not wait, or not for this. */
static struct thread *take_waiter_locked(struct ring *ring) REQUIRES(ring->lock)
{
    if (!atomic_load_explicit(&ring->is_waited_for, memory_order_relaxed)) return nullptr;
    if (ring_written(ring) < ring->wake_at && ring_in_flight(ring) != 0) return nullptr;
    atomic_store_explicit(&ring->is_waited_for, false, memory_order_relaxed);
    return wait_queue_take_first(&ring->waiters);
}

/* Not under the lock: it may have to tell another processor. In task context the caller has handed
 * over what it had and probably sleeps soon, so the thread best runs here. */
static void wake(struct thread *waiter)
{
    if (waiter != nullptr) thread_wake(waiter, interrupts_are_enabled());
}

bool op_post(struct op *op, op_outcome outcome)
{
    ASSERT(op_outcome_status(outcome) == STATUS_OK);
    outcome.code |= ABI_COMPLETION_MORE << OP_CODE_FLAGS_SHIFT;
    struct ring *ring = op->ring;
    spin_acquire(&ring->lock);
    struct thread *waiter = nullptr;
    bool has_room = ring_room(ring, ring->header) != 0;
    if (has_room) {
        recorder_note_lineage(op);
        recorder_add(&ring->record, op, outcome, ring_written(ring));
        ring_write_completion(ring, op->submission.user_data, outcome);
        ring_count_more(ring);
        ring_show_locked(ring);
        waiter = take_waiter_locked(ring);
    }
    spin_release(&ring->lock);
    wake(waiter);
    return has_room;
}

static work_function run_started;

static void start(struct op *op)
{
    work_submit(starters, &op->work, run_started);
}

/* Turns a list by `next_free` round: they were pushed, and go in the order in which they came. */
static struct op *in_order(struct op *last)
{
    struct op *first = nullptr;
    while (last != nullptr) {
        struct op *op = last;
        last = op->next_free;
        op->next_free = first;
        first = op;
    }
    return first;
}

static void start_all(struct op *last)
{
    for (struct op *op = in_order(last), *next; op != nullptr; op = next) {
        next = op->next_free; /* afterwards the op is another's */
        start(op);
    }
}

void op_finish_all(struct op *last)
{
    for (struct op *op = in_order(last), *next; op != nullptr; op = next) {
        next = op->next_free;
        quiet_timer(op);
        finish(op);
    }
}

/* One more in flight that is no op's. */
static void keep_in_flight_locked(struct ring *ring) REQUIRES(ring->lock)
{
    uint32_t pending = atomic_load_explicit(&ring->pending, memory_order_relaxed);
    atomic_store_explicit(&ring->pending, pending + 1, memory_order_relaxed);
}

/*
 * Writes the completion and frees the op. Answers the next of its chain, which the caller starts.
 * Afterwards neither the op nor, if nothing else is in flight, the ring may be there; `keeps_ring`:
 * the latter is until stop_keeping().
 */
static struct op *publish(struct op *op, bool keeps_ring)
{
    struct ring *ring = op->ring;
    bool has_failed = op_outcome_status(op->outcome) != STATUS_OK;
    struct op *next = nullptr, *started = nullptr, *ended = nullptr;
    spin_acquire(&ring->lock);
    recorder_add(&ring->record, op, op->outcome, ring_written(ring));
    ring_complete(ring, op, op->outcome);
    ring_show_locked(ring);
    if (keeps_ring) keep_in_flight_locked(ring);
    ring_leave_flight(ring, op);
    if (op->canceller != nullptr) cancel_victim_ended_locked(ring, op, &ended);
    /* Relaxed: written under the lock. */
    if (op->successor != nullptr || atomic_load_explicit(&ring->is_ordered, memory_order_relaxed))
        next = order_ended_locked(ring, op, has_failed, &started);
    op->is_link_timeout = false;
    atomic_store_explicit(&op->state, OP_FREE, memory_order_relaxed);
    op->next_free = ring->free_first;
    ring->free_first = op;
    struct thread *waiter = take_waiter_locked(ring);
    spin_release(&ring->lock);
    wake(waiter);
    /* All of these are in flight, and keep the ring. */
    start_all(started);
    op_finish_all(ended);
    return next;
}

/* The end of what publish() kept. Afterwards the ring may be gone. */
static void stop_keeping(struct ring *ring)
{
    spin_acquire(&ring->lock);
    uint32_t pending = atomic_load_explicit(&ring->pending, memory_order_relaxed);
    /* Release: whoever finds 0 without the lock finds the rest of this done. */
    atomic_store_explicit(&ring->pending, pending - 1, memory_order_release);
    struct op *started = nullptr;
    /* A drain may have waited for this alone. Relaxed: written under the lock. */
    if (atomic_load_explicit(&ring->is_ordered, memory_order_relaxed))
        order_fewer_in_flight_locked(ring, &started);
    struct thread *waiter = take_waiter_locked(ring);
    spin_release(&ring->lock);
    wake(waiter);
    start_all(started); /* in flight, and keep the ring */
}

/*
 * Drops what the op pins and publishes its completion. Uses of capabilities end last: whoever waits
 * for them in order to take something back is to be told after this. Until then the ring counts one
 * more in flight, so that it does not end, nor its process, with a use left over.
 */
static void unpin_and_publish(struct op *op)
{
    struct ring *ring = op->ring;
    recorder_note_lineage(op);
    struct capability *used = TAKE(op->capability);
    buffer_pin pin = TAKE(op->pin);
    bool has_uses = used != nullptr || pin.capability != nullptr;
    if (!has_uses) buffer_pin_drop(&pin);
    struct op *next = publish(op, has_uses);
    if (next != nullptr) start(next);
    if (!has_uses) return;
    buffer_pin_drop(&pin);
    if (used != nullptr) capability_unuse(used);
    stop_keeping(ring);
}

static void run_started(struct work *work)
{
    struct op *op = container_of(work, struct op, work);
    while (op != nullptr) {
        quiet_timer(op); /* of a LINK_TIMEOUT */
        op_outcome outcome = ring_run_held(op);
        if (outcome.code == OP_CODE_PENDING) return;
        op->outcome = outcome;
        op = publish(op, false);
        scheduler_preempt_point();
    }
}

static void finish_on_worker(struct work *work)
{
    unpin_and_publish(container_of(work, struct op, work));
}

/* Makes sure that the timer's function will not look at the op any more. */
static void quiet_timer(struct op *op)
{
    if (op->limit_ns == UINT64_MAX) return;
    if (!timer_cancel(&op->timer)) timer_wait_idle(&op->timer);
}

/* ---- what it acts through may be taken back ---- */

/* The first reason counts. Sequentially consistent for op_cancel_reason(): a source's lock orders
 * it against what cancel finds. */
static void note_reason(struct op *op, status why)
{
    enum status_code none = STATUS_OK;
    atomic_compare_exchange_strong(&op->cancel_reason, &none, why.code);
}

/* Under the lock of the capability's users. Leaves the reason before it looks at the state, as
 * op_let_go() changes the state before it looks for a reason. */
static void *claim_revoked(struct op *op)
{
    note_reason(op, FAIL(CAPABILITY_REVOKED));
    return state_move(op, OP_PENDING, OP_CANCELLING) ? op : nullptr;
}

static void *claim_by_capability(struct capability_user *user)
{
    return claim_revoked(container_of(user, struct op, capability_user));
}

static void *claim_by_pin(struct capability_user *user)
{
    return claim_revoked(container_of(user, struct op, pin_user));
}

static void stop_revoked(void *claimed)
{
    op_cancel_claimed((struct op_claim){.parked = claimed}, FAIL(CAPABILITY_REVOKED));
}

static const struct capability_user_type by_capability = {claim_by_capability, stop_revoked};
static const struct capability_user_type by_pin = {claim_by_pin, stop_revoked};

/* Before it pends. */
static void watch(struct op *op)
{
    op->is_watching = op->capability != nullptr;
    op->is_pin_watched = op->pin.capability != nullptr;
    bool is_there = true;
    if (op->is_watching)
        is_there = capability_user_enter(op->capability, &op->capability_user, &by_capability);
    if (op->is_pin_watched)
        is_there &= capability_user_enter(op->pin.capability, &op->pin_user, &by_pin);
    if (!is_there) note_reason(op, FAIL(CAPABILITY_REVOKED));
}

/* Afterwards no revocation is about to look at the op. */
static void unwatch(struct op *op)
{
    if (op->is_watching) capability_user_leave(op->capability, &op->capability_user);
    if (op->is_pin_watched) capability_user_leave(op->pin.capability, &op->pin_user);
    op->is_watching = op->is_pin_watched = false;
}

/* ---- the end ---- */

/* Whose holder took back what an op acted through, if its source did not say. */
[[gnu::noinline]] static void explain_revoked(struct op *op)
{
    const struct capability *capability = op->capability;
    if (capability == nullptr || !capability_is_revoked(capability))
        capability = op->pin.capability;
    if (capability != nullptr && capability_is_revoked(capability) && op->outcome.detail == 0)
        op->outcome.detail = capability_explain_revoked(capability);
}

static void finish(struct op *op)
{
    unwatch(op);
    if (unlikely(op->outcome.code == STATUS_CAPABILITY_REVOKED)) explain_revoked(op);
    bool has_pins = op->pin.buffer != nullptr || op->capability != nullptr;
    if (has_pins && !interrupts_are_enabled()) {
        work_submit(finishers, &op->work, finish_on_worker);
        return;
    }
    unpin_and_publish(op);
}

void op_complete(struct op *op, op_outcome outcome)
{
    ASSERT(outcome.code != OP_CODE_PENDING);
    op->outcome = outcome;
    enum op_state before = atomic_exchange_explicit(&op->state, OP_FINISHED, memory_order_acq_rel);
    ASSERT(before == OP_RUNNING || before == OP_PENDING || before == OP_CANCELLING);
    if (before != OP_PENDING) return;
    quiet_timer(op);
    finish(op);
}

/* Calls the cancel function of an op that is CANCELLING. True: the op was completed meanwhile, and
 * the caller must finish it. */
static bool cancel(struct op *op, status why)
{
    if (op->cancel != nullptr) op->cancel(op, why);
    return !state_move(op, OP_CANCELLING, OP_PENDING);
}

struct op_claim op_claim_locked(struct ring *ring, struct op *op, status why)
{
    struct op_claim claim = {0};
    /* Acquire: of what its handler left, as in state_move(). */
    switch (atomic_load_explicit(&op->state, memory_order_acquire)) {
    case OP_HELD:
        note_reason(op, why);
        order_take_out_locked(ring, op, &claim.started);
        break;
    case OP_RUNNING: /* on a worker; op_let_go() will see it */
        note_reason(op, why);
        break;
    case OP_PENDING:
        if (!state_move(op, OP_PENDING, OP_CANCELLING)) break;
        note_reason(op, why);
        claim.parked = op;
        break;
    case OP_FREE:
    case OP_CANCELLING:
    case OP_FINISHED: /* it ends already */
        break;
    }
    return claim;
}

void op_cancel_claimed(struct op_claim claim, status why)
{
    struct op *op = claim.parked;
    if (op != nullptr && cancel(op, why)) {
        quiet_timer(op);
        finish(op);
    }
    start_all(claim.started);
}

/* A LINK_TIMEOUT is held as long as what it guards has not ended. */
static void strike(struct op *op)
{
    struct ring *ring = op->ring;
    struct op_claim claim = {0};
    spin_acquire(&ring->lock);
    bool is_held = atomic_load_explicit(&op->state, memory_order_relaxed) == OP_HELD;
    if (is_held) {
        op->has_struck = true;
        claim = op_claim_locked(ring, op->predecessor, FAIL(TIMED_OUT));
    }
    spin_release(&ring->lock);
    op_cancel_claimed(claim, FAIL(TIMED_OUT));
}

static void limit_passed(struct timer *timer)
{
    struct op *op = container_of(timer, struct op, timer);
    if (op->is_link_timeout) {
        strike(op);
        return;
    }
    if (!state_move(op, OP_PENDING, OP_CANCELLING)) return;
    note_reason(op, FAIL(TIMED_OUT));
    if (cancel(op, FAIL(TIMED_OUT))) finish(op);
}

status op_cancel_reason(const struct op *op)
{
    return (status){atomic_load(&op->cancel_reason)};
}

op_outcome op_park(struct op *op, op_cancel_function *cancel_function, deadline limit)
{
    op->cancel = cancel_function;
    op->limit_ns = limit.at_ns;
    return op_pending();
}

static void run_deferred(struct work *work)
{
    struct op *op = container_of(work, struct op, work);
    /* A ring that closes waits for what has begun, not for all that was waiting its turn. */
    status cancelled = op_cancel_reason(op);
    op_outcome outcome = is_ok(cancelled) ? op->deferred(op) : op_failed(cancelled);
    if (outcome.code != OP_CODE_PENDING) op_complete(op, outcome);
}

op_outcome op_defer(struct op *op, op_handler *function)
{
    op->deferred = function;
    work_submit_at(work_queue_shared(), &op->work, run_deferred, op_priority(op));
    return op_pending();
}

static void limit_by_timeout(struct op *op)
{
    if ((op->submission.flags & ABI_SUBMISSION_TIMEOUT) == 0) return;
    uint64_t limit_ns = deadline_in_ms(op->submission.timeout_ms).at_ns;
    if (limit_ns < op->limit_ns) op->limit_ns = limit_ns;
}

/* The submitter's: the op is in flight, and another takes its place. */
static void enter_flight_locked(struct ring *ring, struct op *op) REQUIRES(ring->lock)
{
    ring_enter_flight(ring, op);
    /* What was written without the lock; from here on others may write. */
    ring_show_locked(ring);
    if (op->submission.flags != 0 || ring->chain.is_open) order_pends_locked(ring, op);
    ring->current = ring_take_free_locked(ring);
    if (ring->current != nullptr) op_start(ring->current);
}

op_outcome op_let_go(struct op *op)
{
    struct ring *ring = op->ring;
    bool was_in_flight = op->number != 0; /* on a worker */
    limit_by_timeout(op);
    watch(op);
    bool has_limit = op->limit_ns != UINT64_MAX;
    if (has_limit) timer_wait_idle(&op->timer); /* of the op's previous use */

    spin_acquire(&ring->lock);
    /* Armed here, so it fires on this processor, and not before the lock is released. */
    if (has_limit) timer_arm(&op->timer, (deadline){op->limit_ns});
    bool is_gone = state_move(op, OP_RUNNING, OP_PENDING);
    if (is_gone && !was_in_flight) enter_flight_locked(ring, op);
    /* While it ran; whoever ends it now waits for the lock, so it is still there. */
    status cancelled = is_gone ? op_cancel_reason(op) : OK;
    bool is_claimed = !is_ok(cancelled) && state_move(op, OP_PENDING, OP_CANCELLING);
    spin_release(&ring->lock);
    if (!is_gone) {
        quiet_timer(op);
        unwatch(op);
        op_start(op);
        return op->outcome;
    }
    if (is_claimed) op_cancel_claimed((struct op_claim){.parked = op}, cancelled);
    return op_pending();
}

op_outcome op_yield_handle(struct op *op, CONSUMED struct capability *capability)
{
    handle_result made = handle_table_insert(op_handles(op), capability);
    return op_result(made.status, made.value);
}
