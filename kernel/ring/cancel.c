/*
 * Cancelling other ops of a ring, and ending after them.
 *
 * A canceller looks at every op the ring has, a chunk at a time under the lock; the number of each
 * in flight tells which was accepted first. Victims point to their canceller, which counts them,
 * and itself as long as its handler runs. A victim that has a canceller already makes the newcomer
 * `depend`: it ends not before all that came before it in ring->cancellers, which are in order of
 * their beginning. So nobody keeps lists of victims, and each end costs the same.
 *
 * Cancellers that have begun cannot be cancelled, so they never wait for each other in a circle;
 * they end soon, because their victims do.
 */
#include "ring/ring_internal.h"

struct cancel_wait {
    struct list link;  /* in ring->cancellers */
    uint32_t victims;  /* that point here, and one for the handler */
    bool is_dependent; /* on those in front of it */
    uint64_t found;
};

static struct op *first_canceller(const struct ring *ring) REQUIRES(ring->lock)
{
    if (list_is_empty(&ring->cancellers)) return nullptr;
    return op_of_use(list_entry(ring->cancellers.next, struct cancel_wait, link));
}

/* ---- ending ---- */

static bool is_over_locked(const struct ring *ring, struct op *op) REQUIRES(ring->lock)
{
    const struct cancel_wait *wait = op_use(op, struct cancel_wait);
    return wait->victims == 0 && (!wait->is_dependent || first_canceller(ring) == op);
}

static op_outcome outcome_of(struct op *op)
{
    uint64_t found = op_use(op, struct cancel_wait)->found;
    return found != 0 ? op_done(found) : op_failed(FAIL(NOT_FOUND));
}

static void leave_locked(struct op *op)
{
    list_remove(&op_use(op, struct cancel_wait)->link);
    op->is_canceller = false;
}

/* As op_complete(), but for the finishing, which needs the lock. */
static void complete_locked(struct op *op, struct op **in_out_ended)
{
    leave_locked(op);
    op->outcome = outcome_of(op);
    enum op_state before = atomic_exchange_explicit(&op->state, OP_FINISHED, memory_order_acq_rel);
    if (before != OP_PENDING) return;
    op->next_free = *in_out_ended;
    *in_out_ended = op;
}

/* Those that waited for one in front of them that has left. */
static void complete_first_locked(struct ring *ring, struct op **in_out_ended) REQUIRES(ring->lock)
{
    for (struct op *first; (first = first_canceller(ring)) != nullptr;) {
        if (!is_over_locked(ring, first)) return;
        complete_locked(first, in_out_ended);
    }
}

void cancel_victim_ended_locked(struct ring *ring, struct op *victim, struct op **in_out_ended)
{
    struct op *op = TAKE(victim->canceller);
    op_use(op, struct cancel_wait)->victims--;
    if (!is_over_locked(ring, op)) return;
    complete_locked(op, in_out_ended);
    complete_first_locked(ring, in_out_ended);
}

/* ---- searching ---- */

struct search {
    struct op *op; /* the canceller */
    enum op_match match;
    uint64_t key;
};

static bool is_match_locked(const struct search *search, const struct op *op)
{
    if (op->number == 0 || op->is_canceller) return false;
    uint64_t key =
        search->match == OP_MATCH_HANDLE ? op->submission.capability : op->submission.user_data;
    return key == search->key;
}

static struct op_claim claim_victim_locked(struct ring *ring, struct op *op, struct op *victim)
    REQUIRES(ring->lock)
{
    struct cancel_wait *wait = op_use(op, struct cancel_wait);
    wait->found++;
    if (victim->canceller != nullptr) {
        wait->is_dependent = true;
    } else {
        victim->canceller = op;
        wait->victims++;
    }
    return op_claim_locked(ring, victim, FAIL(INTERRUPTED));
}

static struct op_chunk *first_chunk(struct ring *ring)
{
    /* Pairs with the release in ring_add_ops(). Those made later hold nothing accepted earlier. */
    return __atomic_load_n(&ring->chunks, __ATOMIC_ACQUIRE);
}

static void cancel_all(const struct search *search)
{
    struct ring *ring = search->op->ring;
    for (struct op_chunk *chunk = first_chunk(ring); chunk != nullptr; chunk = chunk->next) {
        struct op_claim claims[RING_OPS_PER_CHUNK];
        uint32_t count = 0;
        spin_acquire(&ring->lock);
        for (uint32_t i = 0; i < RING_OPS_PER_CHUNK; i++)
            if (is_match_locked(search, &chunk->ops[i]))
                claims[count++] = claim_victim_locked(ring, search->op, &chunk->ops[i]);
        spin_release(&ring->lock);
        for (uint32_t i = 0; i < count; i++)
            op_cancel_claimed(claims[i], FAIL(INTERRUPTED));
        scheduler_preempt_point();
    }
}

/* The match accepted first, and its number; it may end any moment. */
static struct op *find_first(const struct search *search, uint64_t *out_number)
{
    struct ring *ring = search->op->ring;
    struct op *first = nullptr;
    for (struct op_chunk *chunk = first_chunk(ring); chunk != nullptr; chunk = chunk->next) {
        spin_acquire(&ring->lock);
        for (uint32_t i = 0; i < RING_OPS_PER_CHUNK; i++) {
            struct op *op = &chunk->ops[i];
            if (!is_match_locked(search, op) || (first != nullptr && op->number > *out_number))
                continue;
            first = op;
            *out_number = op->number;
        }
        spin_release(&ring->lock);
        scheduler_preempt_point();
    }
    return first;
}

/* False: it has ended meanwhile. */
static bool cancel_one(const struct search *search, struct op *victim, uint64_t number)
{
    struct ring *ring = search->op->ring;
    struct op_claim claim = {0};
    spin_acquire(&ring->lock);
    bool is_there = victim->number == number && is_match_locked(search, victim);
    if (is_there) claim = claim_victim_locked(ring, search->op, victim);
    spin_release(&ring->lock);
    op_cancel_claimed(claim, FAIL(INTERRUPTED));
    return is_there;
}

static void cancel_first(const struct search *search)
{
    /* Each round more means that one ended by itself between two looks. */
    for (uint32_t round = 0; round < search->op->ring->completion_entries; round++) {
        uint64_t number;
        struct op *first = find_first(search, &number);
        if (first == nullptr || cancel_one(search, first, number)) return;
    }
}

/* ---- the operation ---- */

/* False: it is cancelled itself. From here on it cannot be. */
static bool begin(struct op *op)
{
    struct ring *ring = op->ring;
    spin_acquire(&ring->lock);
    bool may_begin = is_ok(op_cancel_reason(op));
    if (may_begin) {
        op->is_canceller = true;
        struct cancel_wait *wait = op_use(op, struct cancel_wait);
        *wait = (struct cancel_wait){.victims = 1};
        list_push_back(&ring->cancellers, &wait->link);
    }
    spin_release(&ring->lock);
    return may_begin;
}

static bool end(struct op *op, struct op **out_ended)
{
    struct ring *ring = op->ring;
    spin_acquire(&ring->lock);
    op_use(op, struct cancel_wait)->victims--;
    bool is_over = is_over_locked(ring, op);
    if (is_over) {
        leave_locked(op);
        complete_first_locked(ring, out_ended);
    }
    spin_release(&ring->lock);
    return is_over;
}

op_outcome op_cancel_others(struct op *op, enum op_match match, uint64_t key, bool all)
{
    if (!begin(op)) return op_failed(op_cancel_reason(op));
    struct search search = {.op = op, .match = match, .key = key};
    if (all)
        cancel_all(&search);
    else
        cancel_first(&search);
    struct op *ended = nullptr;
    bool is_over = end(op, &ended);
    op_finish_all(ended);
    return is_over ? outcome_of(op) : op_park(op, nullptr, deadline_never());
}
