/*
 * What runs when: chains of linked submissions, and drains.
 *
 * A submission that may not start yet is held: copied, its op and completion slot reserved, counted
 * as in flight, nothing else. It waits in one of two places:
 *
 *   - as `successor` of the op before it in its chain, until that one has ended;
 *   - in ring->held, in order of acceptance, behind a DRAIN that has not ended. Only first members
 *     of chains are in that queue; those that follow hang on them.
 *
 *                 its turn comes                     on a worker
 *        HELD -----------------------> RUNNING ----------------------> as any other op
 *         |    cancelled: taken out of      |      skipped, cancelled, or found invalid
 *         +--- its place ------------------>+----------------------------> ends with that
 *
 * Chains. What is accepted next belongs to ring->chain while that is open: its predecessor has
 * ended (in place or since), or `last` is in flight and the newcomer hangs on it. That predecessor
 * ends under the ring's lock, and a newcomer decides under it, so neither misses the other. Once a
 * member has failed that was linked softly the chain is broken, and the rest is skipped.
 *
 * LINK_TIMEOUT is held behind the op it guards, its predecessor, with its timer armed; it ends
 * after that op, and passes on whether the chain was broken there.
 *
 * Drains. ring->behind counts the ops in flight that stand in ring->held or hang on some that do.
 * Everything accepted before the first of the queue has ended when nothing else is in flight:
 * that is when a DRAIN starts. While it runs it is ring->draining, and nothing leaves the queue.
 *
 * Everything here is guarded by the ring's lock. Held ops start on a worker, whoever's end it was
 * that they waited for: that may have been in an interrupt.
 */
#include "debug/assert.h"
#include "ring/ring_internal.h"

#define LINKS (ABI_SUBMISSION_LINK | ABI_SUBMISSION_HARD_LINK)

static uint8_t flags_of(const struct op *op)
{
    return op->submission.flags;
}

static bool is_hard(const struct op *op)
{
    return (flags_of(op) & LINKS) == ABI_SUBMISSION_HARD_LINK;
}

static bool is_drain(const struct op *op)
{
    return (flags_of(op) & ABI_SUBMISSION_DRAIN) != 0;
}

/* ---- chains ---- */

/* What is to be accepted next is looked at here first while a chain is open or a drain is waited
 * for; an open chain keeps the submitter from thinking itself alone. */
static void update_locked(struct ring *ring) REQUIRES(ring->lock)
{
    bool is_open = ring->chain.is_open;
    bool is_ordered = is_open || ring->draining != nullptr || !list_is_empty(&ring->held);
    atomic_store_explicit(&ring->is_ordered, is_ordered, memory_order_relaxed);
    uint32_t count = ring_in_flight(ring);
    atomic_store_explicit(&ring->pending, count | (is_open ? RING_CHAIN_OPEN : 0),
                          memory_order_release);
}

/* `op`, accepted as the last so far, has ended or pends. */
static void set_chain_locked(struct ring *ring, struct op *op, bool has_ended) REQUIRES(ring->lock)
{
    struct chain *chain = &ring->chain;
    chain->is_open = (flags_of(op) & LINKS) != 0;
    chain->last = chain->is_open && !has_ended ? op : nullptr;
    chain->ends_with_timeout = op->is_link_timeout;
}

/* An op that is a member of a chain ended so: what that means for the one behind it. */
static bool breaks_chain(const struct op *op, bool has_failed)
{
    return op->is_broken || (has_failed && !is_hard(op));
}

/* Whether a member is passed over whose predecessor was `is_skipped`, in a chain that `is_broken`.
 * A LINK_TIMEOUT is not, for having guarded what broke it. */
static bool is_passed_over(const struct op *op, bool is_broken, bool is_skipped)
{
    return op->is_link_timeout ? is_skipped : is_broken;
}

/* Reads of the chain what only the submitter writes. */
bool order_may_have_flags(const struct ring *ring, const struct op *op) NO_LOCK_CHECK
{
    uint8_t flags = flags_of(op);
    bool is_in_chain = ring->chain.is_open;
    if ((flags & ~ABI_SUBMISSION_FLAGS_KNOWN) != 0 || (flags & LINKS) == LINKS) return false;
    if (is_drain(op) && is_in_chain) return false;
    if ((flags & ABI_SUBMISSION_SKIP_SUCCESS) != 0 && op_is_multishot(op)) return false;
    if (!op->is_link_timeout) return true;
    if ((flags & ABI_SUBMISSION_TIMEOUT) != 0) return false;
    return is_in_chain && !ring->chain.ends_with_timeout;
}

/* ---- holding ---- */

static void arm_link_timeout(struct op *op)
{
    if (!op->is_link_timeout || op->is_invalid) return;
    op->limit_ns = op->submission.args[0];
    timer_arm(&op->timer, (deadline){op->limit_ns});
}

/* The op's place is set; the submitter gets another in its stead. */
static void hold_locked(struct ring *ring, struct op *op) REQUIRES(ring->lock)
{
    atomic_store_explicit(&op->state, OP_HELD, memory_order_relaxed);
    ring_enter_flight(ring, op);
    if (op->is_behind) ring->behind++;
    ring_show(ring, ring->header); /* from here on others may write */
    ring->current = ring_take_free_locked(ring);
    if (ring->current != nullptr) op_start(ring->current);
}

static void hang_on_locked(struct ring *ring, struct op *last, struct op *op) REQUIRES(ring->lock)
{
    last->successor = op;
    op->predecessor = last;
    op->is_behind = last->is_behind;
    hold_locked(ring, op);
    arm_link_timeout(op);
}

static bool is_queueing(const struct ring *ring) REQUIRES(ring->lock)
{
    return ring->draining != nullptr || !list_is_empty(&ring->held);
}

/* Also what continues a chain whose last member was cancelled while it was behind a drain. */
static bool must_queue(const struct ring *ring, const struct op *op) REQUIRES(ring->lock)
{
    bool is_first = !ring->chain.is_open;
    return is_queueing(ring) || (is_first && is_drain(op) && ring_in_flight(ring) != 0);
}

bool order_accept(struct ring *ring, struct op *op)
{
    /* Of the op's previous use. */
    if (op->is_link_timeout) timer_wait_idle(&op->timer);
    spin_acquire(&ring->lock);
    struct chain *chain = &ring->chain;
    bool is_behind_last = chain->is_open && chain->last != nullptr;
    bool is_held = is_behind_last || must_queue(ring, op);
    op->is_behind = op->is_broken = op->is_skipped = op->has_struck = false;
    if (is_behind_last) {
        hang_on_locked(ring, chain->last, op);
    } else if (chain->is_open) {
        op->is_broken = chain->is_broken;
        op->is_skipped = is_passed_over(op, chain->is_broken, chain->is_skipped);
    }
    if (is_held && !is_behind_last) {
        op->is_behind = true;
        list_push_back(&ring->held, &op->held_link);
        hold_locked(ring, op);
    }
    if (is_held) set_chain_locked(ring, op, false);
    update_locked(ring);
    spin_release(&ring->lock);
    return is_held;
}

void order_pends_locked(struct ring *ring, struct op *op)
{
    if (is_drain(op)) ring->draining = op;
    set_chain_locked(ring, op, false);
    update_locked(ring);
}

void order_ended_in_place_locked(struct ring *ring, struct op *op, bool has_failed)
{
    set_chain_locked(ring, op, true);
    ring->chain.is_broken = breaks_chain(op, has_failed);
    ring->chain.is_skipped = op->is_skipped;
    op->is_link_timeout = false;
    update_locked(ring);
}

/* ---- starting ---- */

static void start_locked(struct op *op, struct op **in_out_started)
{
    atomic_store_explicit(&op->state, OP_RUNNING, memory_order_relaxed);
    op->next_free = *in_out_started;
    *in_out_started = op;
}

/* The op and what hangs on it do not wait behind a drain any more. */
static void step_forward_locked(struct ring *ring, struct op *op) REQUIRES(ring->lock)
{
    for (; op != nullptr && op->is_behind; op = op->successor) {
        op->is_behind = false;
        ring->behind--;
    }
}

/* Starts what may be started from the front of the queue. */
static void release_locked(struct ring *ring, struct op **in_out_started) REQUIRES(ring->lock)
{
    while (ring->draining == nullptr && !list_is_empty(&ring->held)) {
        struct op *first = list_entry(ring->held.next, struct op, held_link);
        if (is_drain(first) && ring_in_flight(ring) != ring->behind) break;
        list_remove(&first->held_link);
        step_forward_locked(ring, first);
        if (is_drain(first)) ring->draining = first;
        start_locked(first, in_out_started);
    }
}

void order_fewer_in_flight_locked(struct ring *ring, struct op **in_out_started)
{
    release_locked(ring, in_out_started);
    update_locked(ring);
}

struct op *order_ended_locked(struct ring *ring, struct op *op, bool has_failed,
                              struct op **in_out_started)
{
    bool is_broken = breaks_chain(op, has_failed);
    DEBUG_ASSERT(!op->is_behind); /* it stepped forward when it was started */
    if (ring->draining == op) ring->draining = nullptr;
    if (ring->chain.last == op) {
        ring->chain.last = nullptr;
        ring->chain.is_broken = is_broken;
        ring->chain.is_skipped = op->is_skipped;
    }
    struct op *next = TAKE(op->successor);
    if (next != nullptr) {
        next->predecessor = nullptr;
        next->is_broken = is_broken;
        next->is_skipped = is_passed_over(next, is_broken, op->is_skipped);
        struct op *alone = nullptr;
        start_locked(next, &alone);
    }
    release_locked(ring, in_out_started);
    update_locked(ring);
    return next;
}

/* ---- taking out ---- */

/* A LINK_TIMEOUT goes with what it guards, if that is linked hard; else all of the chain goes. */
static struct op *unit_end(struct op *op)
{
    struct op *next = op->successor;
    return is_hard(op) && next != nullptr && next->is_link_timeout ? next : op;
}

void order_take_out_locked(struct ring *ring, struct op *op, struct op **in_out_started)
{
    struct op *end = unit_end(op);
    struct op *before = TAKE(op->predecessor);
    struct op *rest = nullptr; /* runs however the op ends */
    if (is_hard(op) && is_hard(end)) {
        rest = TAKE(end->successor);
        if (ring->chain.last == end && before != nullptr) ring->chain.last = before;
    }
    if (rest != nullptr) rest->predecessor = before;
    if (before != nullptr) {
        before->successor = rest;
    } else {
        if (rest != nullptr) list_insert_after(&op->held_link, &rest->held_link);
        list_remove(&op->held_link);
    }
    step_forward_locked(ring, op);
    start_locked(op, in_out_started);
    release_locked(ring, in_out_started);
    update_locked(ring);
}
