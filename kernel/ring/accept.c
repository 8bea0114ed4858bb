/*
 * The submission side: accepting what the program has published, running it, waiting.
 *
 * One look reads the program's two indices once, as hints. It accepts as many submissions as there
 * are, as the ring has entries, and as there are completion slots left. Each is copied, judged on
 * the copy and run; most complete in place, on the same op, which then takes the next submission.
 *
 * Slots. Accepting reserves one for each submission, before any of them runs, so that whoever wants
 * an additional one (op_post) sees what is spoken for. `accepted` may thus run ahead of what has
 * been run, within one look.
 *
 * Locking: only the submitter lets an op pend, so while ring->pending is 0 it is alone and writes
 * completions without the lock; the program sees them when the batch is over (ring_show), or an op
 * starts to pend. Once an op pends, every completion is written under the lock.
 */
#include "base/checked.h"
#include "debug/assert.h"
#include "ring/poller.h"
#include "ring/ring_internal.h"

static constexpr uint32_t SUBMISSION_WORDS = sizeof(struct abi_submission) / sizeof(uint64_t);
static constexpr uint32_t COMPLETION_WORDS = sizeof(struct abi_completion) / sizeof(uint64_t);
static constexpr uint32_t WORD_TIMEOUT = 4; /* its upper half */
static constexpr uint32_t WORD_USER_DATA = 5;
static_assert(offsetof(struct abi_submission, op) == 0, "the low byte of word 0");
static_assert(offsetof(struct abi_submission, user_data) == WORD_USER_DATA * sizeof(uint64_t), "");

/* Fixed after boot. Made complete: what does not exist has a row that says so. */
static const struct op_descriptor *operations[RING_OPERATIONS];
static op_handler *forwarder;

MUST_INLINE bool is_pending(op_outcome outcome)
{
    return (int32_t)outcome.code < 0; /* the only code that is: cheaper than to compare */
}
static_assert((int32_t)OP_CODE_PENDING < 0);

static op_outcome run_unknown(struct op *op)
{
    (void)op;
    return op_failed(FAIL(NOT_IMPLEMENTED));
}
static const struct op_descriptor unknown_operation = {
    .handler = run_unknown, .shape = OP_PLAIN, .forbidden = {OP_FLAGS_WORD0}};

status ring_init(const struct op_descriptor *const rows[RING_OPERATIONS])
{
    for (uint32_t i = 0; i < RING_OPERATIONS; i++)
        operations[i] = rows[i] != nullptr ? rows[i] : &unknown_operation;
    forwarder = run_unknown;
    return op_init();
}

const struct op_descriptor *ring_operation(uint8_t number)
{
    const struct op_descriptor *row = operations[number];
    return row != &unknown_operation ? row : nullptr;
}

void ring_set_forwarder(op_handler *function)
{
    forwarder = function;
}

/* ---- running one submission ---- */

/* Turns the span the submission claims into a pin. */
static status pin_span(struct op *op, const struct op_descriptor *row)
{
    const struct abi_submission *request = &op->submission;
    uint32_t access = ABI_ACCESS_READ;
    switch ((enum op_buffer_use)row->buffer_use) {
    case OP_BUFFER_NONE:
        return OK;
    case OP_BUFFER_IN_MAYBE:
        if (request->length_bytes == 0) return OK;
        break;
    case OP_BUFFER_IN:
        break;
    case OP_BUFFER_OUT_POOL:
    case OP_BUFFER_OUT_MAYBE:
        if (request->length_bytes == 0) return OK;
        access = ABI_ACCESS_WRITE;
        break;
    case OP_BUFFER_OUT:
        access = ABI_ACCESS_WRITE;
        break;
    case OP_BUFFER_WORD:
        if (request->length_bytes != 4 || request->buffer_offset_bytes % 4 != 0)
            return FAIL(INVALID_ARGUMENT);
        break;
    }
    return buffer_table_pin(op->ring->environment.buffers, request->buffer_index,
                            request->buffer_offset_bytes, request->length_bytes, access, &op->pin);
}

static status find_capability(struct op *op, const struct op_descriptor *row, uint32_t *out_detail)
{
    struct handle_table *handles = op->ring->environment.handles;
    uint64_t handle = op->submission.capability;
    capability_result found;
    if (likely(!row->consumes_capability))
        found = handle_table_find(handles, handle, row->kinds, row->rights, out_detail);
    else if (row->closes_capability)
        found = handle_table_close(handles, handle, row->rights, out_detail);
    else
        found = handle_table_remove(handles, handle, row->kinds, row->rights, out_detail);
    op->capability = found.value;
    return found.status;
}

/* What happens through a handle that a server minted. */
[[gnu::noinline]] static op_outcome run_served(struct op *op, const struct op_descriptor *row)
{
    if (row->served == OP_SERVED_KERNEL) return op_failed(FAIL(WRONG_CAPABILITY_TYPE));
    return row->served == OP_SERVED_FORWARDED ? forwarder(op) : row->handler(op);
}

MUST_INLINE bool is_served(const struct op *op)
{
    return op->capability != nullptr && op_object(op)->type->is_served;
}

static op_outcome run_with_claims(struct op *op, const struct op_descriptor *row)
{
    uint32_t detail = 0;
    status claimed = OK;
    if (row->kinds != 0) claimed = find_capability(op, row, &detail);
    if (is_ok(claimed)) claimed = pin_span(op, row);
    op_outcome outcome;
    if (unlikely(!is_ok(claimed)))
        outcome = op_refused(claimed, detail);
    else
        outcome = unlikely(is_served(op)) ? run_served(op, row) : row->handler(op);
    if (is_pending(outcome)) outcome = op_let_go(op);
    if (!is_pending(outcome)) op_unpin(op);
    return outcome;
}

/*
 * Copies the entry into the op, each word read once, and answers the bits that must be zero and are
 * not, those of word 0 aside. The program may rewrite it at any moment: nothing here believes that
 * two reads agree.
 */
MUST_INLINE uint64_t copy_submission(struct op *op, const uint64_t *entry, uint64_t word0,
                                     const struct op_descriptor *row)
{
    struct record *record = recorder_begin(&op->ring->record);
    uint64_t forbidden = 0;
    op->words[0] = word0;
    record_store(&record->words[0], word0);
    op->lineage = (struct op_lineage){0};
#pragma clang loop unroll(full)
    for (uint32_t i = 1; i < array_count(op->words); i++) {
        uint64_t word = __atomic_load_n(&entry[i], __ATOMIC_RELAXED);
        op->words[i] = word;
        record_store(&record->words[i], word);
        if (i != WORD_USER_DATA) forbidden |= word & row->forbidden[i];
    }
    return forbidden;
}

MUST_INLINE op_outcome run(struct op *op, const struct op_descriptor *row)
{
    if (row->shape == OP_CLAIMS) return run_with_claims(op, row);
    op_outcome outcome = row->handler(op);
    return is_pending(outcome) ? op_let_go(op) : outcome;
}

static op_outcome accept_in_order(struct op *op, const struct op_descriptor *row,
                                  uint64_t forbidden);

/* Pending: the op is gone, or its completion is written. */
MUST_INLINE op_outcome copy_and_run(struct op *op, const uint64_t *entry, uint64_t word0,
                                    const struct op_descriptor *row)
{
    uint64_t forbidden = copy_submission(op, entry, word0, row);
    if (unlikely((forbidden | (word0 & row->forbidden[0])) != 0))
        return accept_in_order(op, row, forbidden);
    return run(op, row);
}

/* Apart, so that it does not crowd the registers of the loop around bare operations. */
[[gnu::noinline]] static op_outcome run_copied(struct op *op, const uint64_t *entry, uint64_t word0,
                                               const struct op_descriptor *row)
{
    return copy_and_run(op, entry, word0, row);
}

/* Answered for a submission that must be copied and looked at closely; nothing was done. */
#define OP_CODE_COPY 0x80000000u
static_assert((int32_t)OP_CODE_COPY < 0, "counts as pending");

/* What must be zero need not be copied. */
MUST_INLINE op_outcome run_bare(struct op *op, const uint64_t *entry, uint64_t word0,
                                const struct op_descriptor *row)
{
    uint64_t forbidden = word0 & OP_BARE_FORBIDDEN_WORD0;
#pragma clang loop unroll(full)
    for (uint32_t i = 1; i < array_count(op->words); i++)
        if (i != WORD_USER_DATA) forbidden |= __atomic_load_n(&entry[i], __ATOMIC_RELAXED);
    if (unlikely(forbidden != 0)) return (op_outcome){.code = OP_CODE_COPY};
    return row->handler(op);
}

/* ---- running in order ---- */

/* Those of an op with a timeout, which stands where others must have zeros. */
[[gnu::noinline]] static bool timed_fields_are_valid(const struct op *op,
                                                     const struct op_descriptor *row)
{
    uint64_t forbidden = 0;
    for (uint32_t i = 1; i < array_count(op->words); i++)
        if (i != WORD_USER_DATA && i != WORD_TIMEOUT) forbidden |= op->words[i] & row->forbidden[i];
    uint64_t timeout_forbidden = row->forbidden[WORD_TIMEOUT];
    bool has_second_span = timeout_forbidden >> 32 == 0;
    timeout_forbidden = (uint32_t)timeout_forbidden;
    return !has_second_span && (forbidden | (op->words[WORD_TIMEOUT] & timeout_forbidden)) == 0;
}

/* All but the flags. `forbidden`: as found in the other words. */
MUST_INLINE bool fields_are_valid(const struct op *op, const struct op_descriptor *row,
                                  uint64_t forbidden)
{
    if ((op->words[0] & row->forbidden[0] & ~OP_FLAGS_WORD0) != 0) return false;
    if (likely((op->submission.flags & ABI_SUBMISSION_TIMEOUT) == 0)) return forbidden == 0;
    return timed_fields_are_valid(op, row);
}

static op_outcome run_in_order(struct op *op, const struct op_descriptor *row)
{
    if (op->is_skipped) return op_failed(FAIL(INTERRUPTED));
    if (op->is_invalid) return op_failed(FAIL(INVALID_ARGUMENT));
    if (row->is_link_timeout) return op->has_struck ? op_failed(FAIL(TIMED_OUT)) : op_done(0);
    return run(op, row);
}

op_outcome ring_run_held(struct op *op)
{
    status cancelled = op_cancel_reason(op);
    if (!is_ok(cancelled) && !op->is_skipped) return op_failed(cancelled);
    return run_in_order(op, operations[op->submission.op]);
}

/* Accepts a submission that is copied and has flags, or something wrong with it, or comes while a
 * chain is open or a drain waited for. Pending: the op is gone, or its completion is written. */
[[gnu::noinline]] static op_outcome accept_in_order(struct op *op, const struct op_descriptor *row,
                                                    uint64_t forbidden)
{
    struct ring *ring = op->ring;
    op->is_link_timeout = row->is_link_timeout;
    op->is_invalid = !fields_are_valid(op, row, forbidden) || !order_may_have_flags(ring, op);
    if (order_accept(ring, op)) return op_pending();
    op_outcome outcome = run_in_order(op, row);
    if (is_pending(outcome)) return outcome;
    recorder_finish(&ring->record, op, outcome, ring_written(ring));
    spin_acquire(&ring->lock);
    order_ended_in_place_locked(ring, op, op_outcome_status(outcome) != STATUS_OK);
    ring_complete(ring, op, outcome);
    ring_show(ring, ring->header);
    spin_release(&ring->lock);
    return op_pending();
}

/* ---- accepting ---- */

/* nullptr: no memory, and then some op is pending and its end will help. */
[[gnu::noinline]] static struct op *take_op(struct ring *ring)
{
    struct op *op = ring_take_free(ring);
    if (op == nullptr && is_ok(ring_add_ops(ring))) op = ring_take_free(ring);
    if (op != nullptr) op_start(op);
    ring->current = op;
    return op;
}

/* Nobody else completes anything in this ring, nor will before this thread lets an op pend. */
MUST_INLINE bool is_alone(const struct ring *ring)
{
    return atomic_load_explicit(&ring->pending, memory_order_acquire) == 0;
}

/* Behind the path that needs no lock because nobody else completes anything in this ring. */
[[gnu::noinline]] static void complete_beside_others(struct ring *ring, uint64_t user_data,
                                                     op_outcome outcome)
{
    spin_acquire(&ring->lock);
    ring_write_completion(ring, user_data, outcome);
    ring_show_locked(ring);
    spin_release(&ring->lock);
}

/* What comes next may not simply run. */
static bool is_ordered(const struct ring *ring)
{
    return atomic_load_explicit(&ring->is_ordered, memory_order_relaxed);
}

[[gnu::noinline]] static op_outcome run_ordered(struct op *op, const uint64_t *entry,
                                                uint64_t word0, const struct op_descriptor *row)
{
    uint64_t forbidden = copy_submission(op, entry, word0, row);
    return accept_in_order(op, row, forbidden);
}

/* Writes the completion of an op that was copied and did not pend. */
MUST_INLINE void complete_in_place(struct ring *ring, const struct op *op, op_outcome outcome)
{
    recorder_finish(&ring->record, op, outcome, ring_written(ring));
    uint64_t user_data = op->words[WORD_USER_DATA];
    if (likely(is_alone(ring)))
        ring_write_completion(ring, user_data, outcome);
    else
        complete_beside_others(ring, user_data, outcome);
}

/* How many bare operations may run from `entry` on before their completions are not side by side
 * any more, or `end` comes. */
MUST_INLINE const uint64_t *bare_end(const struct ring *ring, const uint64_t *entry,
                                     const uint64_t *end)
{
    uint64_t used_bytes = (uintptr_t)ring->completion_next & ring->completion_run_mask;
    uint64_t room = (ring->completion_run_mask + 1 - used_bytes) / sizeof(struct abi_completion);
    uint64_t offered = (uint64_t)(end - entry) / SUBMISSION_WORDS;
    return entry + min_of(room, offered) * SUBMISSION_WORDS;
}

/*
 * Runs bare operations from `entry` on, while there are some that need not be copied; answers the
 * first entry that is none. The submitter is alone and stays so, since they neither pend nor post:
 * the kernel's own counts need to be right only at the end.
 */
static const uint64_t *accept_bare(struct ring *ring, struct op *op, const uint64_t *entry,
                                   const uint64_t *end)
{
    const uint64_t *limit = bare_end(ring, entry, end);
    uint64_t *words = ring->completion_next;
    uint64_t word0 = __atomic_load_n(entry, __ATOMIC_RELAXED);
    const struct op_descriptor *row = operations[(uint8_t)word0];
    do {
        op_outcome outcome = run_bare(op, entry, word0, row);
        if (unlikely(is_pending(outcome))) break;
        uint64_t user_data = __atomic_load_n(&entry[WORD_USER_DATA], __ATOMIC_RELAXED);
        completion_fill(words, user_data, outcome);
        words += COMPLETION_WORDS;
        entry += SUBMISSION_WORDS;
        if (entry == limit) break;
        word0 = __atomic_load_n(entry, __ATOMIC_RELAXED);
        row = operations[(uint8_t)word0];
    } while (row->shape == OP_BARE);
    ring_advance(ring, words, (uint64_t)(words - ring->completion_next) / COMPLETION_WORDS);
    return entry;
}

/* `entry` is where number `position` would be if entries never wrapped. */
MUST_INLINE void set_next(struct ring *ring, const uint64_t *entry, uint64_t position)
{
    bool is_run_over = ((uintptr_t)entry & (ring->submission_run_bytes - 1)) == 0;
    ring->submission_next = unlikely(is_run_over) ? ring_submission_at(ring, position) : entry;
}

/* Accepts and runs entry..end, not empty, and answers where it stopped: before the end when there
 * is no op for more. */
static const uint64_t *accept_run(struct ring *ring, const uint64_t *entry, const uint64_t *end)
{
    do {
        struct op *op = ring->current;
        if (unlikely(op == nullptr)) op = take_op(ring);
        if (unlikely(op == nullptr)) break;
        uint64_t word0 = __atomic_load_n(entry, __ATOMIC_RELAXED);
        const struct op_descriptor *row = operations[(uint8_t)word0];
        if (row->shape == OP_BARE && is_alone(ring)) {
            const uint64_t *stop = accept_bare(ring, op, entry, end);
            if (likely(stop != entry)) {
                entry = stop;
                continue;
            }
        }
        op_outcome outcome = is_ordered(ring) ? run_ordered(op, entry, word0, row)
                                              : run_copied(op, entry, word0, row);
        if (!is_pending(outcome)) complete_in_place(ring, op, outcome);
        entry += SUBMISSION_WORDS;
    } while (entry != end);
    return entry;
}

/* Accepts and runs up to `count` submissions, run by run, and answers how many. Between the runs
 * others get a chance; a thread that is to end accepts no more. */
[[gnu::noinline]] static uint32_t accept_batch(struct ring *ring, uint64_t position, uint32_t count)
{
    uint64_t run_bytes_max = ring->submission_run_bytes;
    uint32_t left = count;
    for (;;) {
        const uint64_t *entry = ring->submission_next;
        uint64_t run_bytes = run_bytes_max - ((uintptr_t)entry & (run_bytes_max - 1));
        uint64_t left_bytes = (uint64_t)left * sizeof(struct abi_submission);
        const uint64_t *end = entry + min_of(run_bytes, left_bytes) / sizeof(uint64_t);
        const uint64_t *stop = accept_run(ring, entry, end);
        left -= (uint32_t)((uintptr_t)stop - (uintptr_t)entry) / sizeof(struct abi_submission);
        set_next(ring, stop, position + count - left);
        if (left == 0 || stop != end || !scheduler_pause()) return count - left;
    }
}

/* As many ops as `count` submissions can need, if there is memory for them; answers for how many
 * there are some. */
static uint32_t ensure_ops(struct ring *ring, uint32_t count)
{
    while (ring->op_count - ring_in_flight(ring) < count && is_ok(ring_add_ops(ring)))
        ;
    /* Others only make it more. */
    return min_of(ring->op_count - ring_in_flight(ring), count);
}

/* By priority. All that is planned is accepted: what would be left over is not at the end. */
[[gnu::noinline]] static uint32_t accept_planned(struct ring *ring, uint64_t position,
                                                 uint32_t count) NO_LOCK_CHECK
{
    count = ensure_ops(ring, count);
    if (count == 0) return 0;
    priority_note(ring, position, count);
    priority_plan(ring->notes, count, ring->chain.is_open, ring->order);
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t *entry = ring_submission_at(ring, position + ring->order[i]);
        const uint64_t *stop = accept_run(ring, entry, entry + SUBMISSION_WORDS);
        ASSERT(stop != entry);
        if (i % RING_SUBMISSIONS_PER_PAGE == 0) scheduler_preempt_point();
    }
    ring->submission_next = ring_submission_at(ring, position + count);
    return count;
}

/* Counts a submission that ran while the submitter was alone. */
MUST_INLINE uint32_t pass_single(struct ring *ring, const uint64_t *entry, uint64_t position)
{
    set_next(ring, entry + SUBMISSION_WORDS, position + 1);
    return 1;
}

/* Apart, as run_copied(). */
[[gnu::noinline]] static uint32_t accept_single_copied(struct ring *ring, struct op *op,
                                                       const struct op_descriptor *row,
                                                       uint64_t word0, uint64_t position)
{
    const uint64_t *entry = ring->submission_next;
    op_outcome outcome = copy_and_run(op, entry, word0, row);
    if (likely(!is_pending(outcome))) {
        recorder_finish(&ring->record, op, outcome, ring_written(ring));
        /* Still alone: an op that did not pend let nobody in. */
        ring_write_completion(ring, op->words[WORD_USER_DATA], outcome);
        ring_show(ring, ring->header);
    }
    return pass_single(ring, entry, position);
}

/* The same for one, while the submitter is alone: the way of every synchronous call. Shows the
 * completion. */
MUST_INLINE uint32_t accept_single(struct ring *ring, struct abi_ring_header *header,
                                   uint64_t position)
{
    struct op *op = ring->current;
    if (unlikely(op == nullptr)) op = take_op(ring);
    if (unlikely(op == nullptr)) return 0;
    const uint64_t *entry = ring->submission_next;
    uint64_t word0 = __atomic_load_n(entry, __ATOMIC_RELAXED);
    const struct op_descriptor *row = operations[(uint8_t)word0];
    if (row->shape != OP_BARE) return accept_single_copied(ring, op, row, word0, position);
    op_outcome outcome = run_bare(op, entry, word0, row);
    if (unlikely(is_pending(outcome))) return accept_single_copied(ring, op, row, word0, position);
    uint64_t user_data = __atomic_load_n(&entry[WORD_USER_DATA], __ATOMIC_RELAXED);
    ring_write_completion(ring, user_data, outcome);
    ring_show(ring, header);
    return pass_single(ring, entry, position);
}

/* How much is offered and how much of it fits. Reserves the slots of what fits, by raising
 * `accepted`. The submitter, alone or under the lock. */
MUST_INLINE ring_acceptance reserve(struct ring *ring, const struct abi_ring_header *header,
                                    uint64_t accepted, uint32_t count_max)
{
    uint32_t room = (uint32_t)ring_room(ring, header);
    /* Pairs with the program's release: the entries below the tail are filled. */
    uint32_t tail = __atomic_load_n(&header->submission_tail, __ATOMIC_ACQUIRE);
    uint32_t offered = min_of(tail - (uint32_t)accepted, ring->submission_entries);
    uint32_t allowed = min_of(offered, room);
    if (allowed > count_max) allowed = count_max;
    atomic_store_explicit(&ring->accepted, accepted + allowed, memory_order_relaxed);
    return (ring_acceptance){.taken = allowed, .offered = offered};
}

/* Fewer ran than there were slots reserved. */
[[gnu::noinline]] static void unreserve(struct ring *ring, uint64_t accepted)
{
    /* Relaxed: whoever still sees the old number finds less room than there is. */
    atomic_store_explicit(&ring->accepted, accepted, memory_order_relaxed);
}

MUST_INLINE void tell_accepted(struct abi_ring_header *header, uint64_t accepted)
{
    header->accepted_total = accepted;
    /* Pairs with the program's acquire: it may fill the entries again. */
    __atomic_store_n(&header->submission_head, (uint32_t)accepted, __ATOMIC_RELEASE);
}

/* While others complete ops of this ring, or a batch. */
[[gnu::noinline]] static uint32_t accept_reserved(struct ring *ring, struct abi_ring_header *header,
                                                  uint64_t accepted, uint32_t count)
{
    uint32_t taken = ring->order != nullptr ? accept_planned(ring, accepted, count)
                                            : accept_batch(ring, accepted, count);
    if (unlikely(taken != count)) unreserve(ring, accepted + taken);
    tell_accepted(header, accepted + taken);
    if (is_alone(ring)) ring_show(ring, header);
    return taken;
}

[[gnu::noinline]] static ring_acceptance accept_beside_others(struct ring *ring,
                                                              struct abi_ring_header *header,
                                                              uint64_t accepted, uint32_t count_max)
{
    spin_acquire(&ring->lock);
    ring_acceptance fits = reserve(ring, header, accepted, count_max);
    spin_release(&ring->lock);
    if (fits.taken != 0) fits.taken = accept_reserved(ring, header, accepted, fits.taken);
    return fits;
}

/* Inlined into the way of every system call; others use ring_accept(). */
MUST_INLINE ring_acceptance accept_offered(struct ring *ring, struct abi_ring_header *header,
                                           uint32_t count_max)
{
    uint64_t accepted = ring_accepted(ring);
    if (unlikely(!is_alone(ring))) return accept_beside_others(ring, header, accepted, count_max);

    ring_acceptance fits = reserve(ring, header, accepted, count_max);
    if (likely(fits.taken == 1)) {
        fits.taken = accept_single(ring, header, accepted);
        if (unlikely(fits.taken == 0)) unreserve(ring, accepted);
        tell_accepted(header, accepted + fits.taken);
    } else if (fits.taken != 0) {
        fits.taken = accept_reserved(ring, header, accepted, fits.taken);
    }
    return fits;
}

ring_acceptance ring_accept(struct ring *ring, uint32_t count_max)
{
    return accept_offered(ring, ring->header, count_max);
}

/* ---- entering ---- */

/* Enough is unread, or nothing is in flight. */
static bool wait_is_over_locked(const struct ring *ring, uint64_t target) REQUIRES(ring->lock)
{
    return ring_written(ring) >= target || ring_in_flight(ring) == 0;
}

/* Waits until `count` completions are unread or nothing is in flight. TIMED_OUT, INTERRUPTED */
[[gnu::noinline]] static status wait(struct ring *ring, uint64_t count, deadline limit)
{
    status outcome = OK;
    spin_acquire(&ring->lock);
    uint64_t target = ring_reaped(ring) + min_of(count, (uint64_t)ring->completion_entries);
    while (is_ok(outcome) && !wait_is_over_locked(ring, target)) {
        atomic_store_explicit(&ring->is_waited_for, true, memory_order_relaxed);
        ring->wake_at = target;
        outcome = wait_queue_sleep(&ring->waiters, &ring->lock, limit, true);
    }
    atomic_store_explicit(&ring->is_waited_for, false, memory_order_relaxed);
    bool is_over = wait_is_over_locked(ring, target);
    spin_release(&ring->lock);
    return is_over ? OK : outcome;
}

uint64_t ring_enter(struct ring *ring, uint64_t wait_count, uint64_t deadline_ns)
{
    struct abi_ring_header *header = ring->header;
    /* Relaxed: this thread is the only writer. */
    uint64_t entered = atomic_load_explicit(&ring->entered, memory_order_relaxed) + 1;
    atomic_store_explicit(&ring->entered, entered, memory_order_relaxed);
    header->entered_total = entered;

    if (unlikely(ring->doorbell != nullptr)) return poller_enter(ring, wait_count, deadline_ns);
    ring_acceptance acceptance = accept_offered(ring, header, UINT32_MAX);
    status outcome = OK;
    if (wait_count != 0 && !is_alone(ring))
        outcome = wait(ring, wait_count, (deadline){deadline_ns});
    if (unlikely(acceptance.taken < acceptance.offered)) {
        header->refused_full_total = ++ring->refused_full;
        outcome = FAIL(QUEUE_FULL);
    }
    return (uint64_t)acceptance.taken << 32 | outcome.code;
}
