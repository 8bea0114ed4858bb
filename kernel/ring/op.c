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

static timer_function limit_passed;

status op_init(void)
{
    finishers = work_queue_create("finish", FINISHER_THREADS_MAX);
    return finishers != nullptr ? OK : FAIL(OUT_OF_MEMORY);
}

void op_create(struct op *op, struct ring *ring)
{
    op->ring = ring;
    op->capability = nullptr;
    op->pin = (buffer_pin){0};
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
    /* Release hands over what this party wrote, acquire takes over what the last one did. */
    return atomic_compare_exchange_strong_explicit(&op->state, &from, to, memory_order_acq_rel,
                                                   memory_order_acquire);
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
    if (!ring->is_waited_for) return nullptr;
    bool is_idle = atomic_load_explicit(&ring->pending, memory_order_relaxed) == 0;
    if (ring_written(ring) < ring->wake_at && !is_idle) return nullptr;
    ring->is_waited_for = false;
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
        ring_show(ring, ring->header);
        waiter = take_waiter_locked(ring);
    }
    spin_release(&ring->lock);
    wake(waiter);
    return has_room;
}

/* Writes the completion and frees the op. Afterwards neither it nor, if this was the last one, the
 * ring may be there. */
static void publish(struct op *op)
{
    struct ring *ring = op->ring;
    spin_acquire(&ring->lock);
    recorder_add(&ring->record, op, op->outcome, ring_written(ring));
    ring_write_completion(ring, op->submission.user_data, op->outcome);
    ring_show(ring, ring->header);
    atomic_store_explicit(&op->state, OP_FREE, memory_order_relaxed);
    op->next_free = ring->free_first;
    ring->free_first = op;
    /* Release: whoever finds 0 without the lock finds the rest of this done. */
    uint32_t others = atomic_load_explicit(&ring->pending, memory_order_relaxed) - 1;
    atomic_store_explicit(&ring->pending, others, memory_order_release);
    struct thread *waiter = take_waiter_locked(ring);
    spin_release(&ring->lock);
    wake(waiter);
}

static void finish_on_worker(struct work *work)
{
    struct op *op = container_of(work, struct op, work);
    op_unpin(op);
    publish(op);
}

/* Makes sure that the timer's function will not look at the op any more. */
static void quiet_timer(struct op *op)
{
    if (op->limit_ns == UINT64_MAX) return;
    if (!timer_cancel(&op->timer)) timer_wait_idle(&op->timer);
}

static void finish(struct op *op)
{
    bool has_pins = op->pin.buffer != nullptr || op->capability != nullptr;
    if (has_pins && !interrupts_are_enabled()) {
        work_submit(finishers, &op->work, finish_on_worker);
        return;
    }
    op_unpin(op);
    publish(op);
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

/* Runs cancel(). True: the op was completed meanwhile, and the caller must finish it. */
static bool cancel(struct op *op, status why)
{
    if (!state_move(op, OP_PENDING, OP_CANCELLING)) return false;
    /* Sequentially consistent for op_cancel_reason(): the source's lock orders it against what
     * cancel finds. */
    atomic_store(&op->cancel_reason, why.code);
    if (op->cancel != nullptr) op->cancel(op, why);
    return !state_move(op, OP_CANCELLING, OP_PENDING);
}

static void limit_passed(struct timer *timer)
{
    struct op *op = container_of(timer, struct op, timer);
    if (cancel(op, FAIL(TIMED_OUT))) finish(op);
}

void op_interrupt(struct op *op)
{
    if (!cancel(op, FAIL(INTERRUPTED))) return;
    quiet_timer(op);
    finish(op);
}

status op_cancel_reason(const struct op *op)
{
    return (status){atomic_load(&op->cancel_reason)};
}

op_outcome op_park(struct op *op, op_cancel *cancel_function, deadline limit)
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
    work_submit(work_queue_shared(), &op->work, run_deferred);
    return op_pending();
}

op_outcome op_let_go(struct op *op)
{
    struct ring *ring = op->ring;
    bool has_limit = op->limit_ns != UINT64_MAX;
    if (has_limit) timer_wait_idle(&op->timer); /* of the op's previous use */

    spin_acquire(&ring->lock);
    uint32_t others = atomic_load_explicit(&ring->pending, memory_order_relaxed);
    atomic_store_explicit(&ring->pending, others + 1, memory_order_relaxed);
    ring_show(ring,
              ring->header); /* what was written without the lock; from here on others may write */
    /* Armed here, so it fires on this processor, and not before the lock is released. */
    if (has_limit) timer_arm(&op->timer, (deadline){op->limit_ns});
    bool is_gone = state_move(op, OP_RUNNING, OP_PENDING);
    if (is_gone)
        ring->current = ring_take_free_locked(ring);
    else
        atomic_store_explicit(&ring->pending, others, memory_order_relaxed);
    spin_release(&ring->lock);
    if (is_gone) {
        if (ring->current != nullptr) op_start(ring->current);
        return op_pending();
    }

    quiet_timer(op);
    op_start(op);
    return op->outcome;
}

op_outcome op_yield_handle(struct op *op, CONSUMED struct capability *capability)
{
    handle_result made = handle_table_insert(op_handles(op), capability);
    return op_result(made.status, made.value);
}
