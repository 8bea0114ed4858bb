/*
 * What accept.c (submission side), op.c (completion side) and ring.c (life) share.
 * Context and locking: see there.
 */
#pragma once
#include "ring/recorder.h"
#include "ring/ring.h"

#define RING_SUBMISSIONS_PER_PAGE (ABI_PAGE_BYTES / sizeof(struct abi_submission))
#define RING_COMPLETIONS_PER_PAGE (ABI_PAGE_BYTES / sizeof(struct abi_completion))

/* Ops come in chunks, made when so many pend at once. The first is part of what creating a ring
 * takes. */
#define RING_OPS_PER_CHUNK 8u
struct op_chunk {
    struct op_chunk *next;
    struct op ops[RING_OPS_PER_CHUNK];
};

/* Where the next submission belongs. `is_open` and `ends_with_timeout` change only when the
 * submitter says so. */
struct chain {
    bool is_open;
    bool ends_with_timeout; /* with a LINK_TIMEOUT, behind which no other can stand */
    struct op *last;        /* in flight, held perhaps; nullptr: it has ended, and so: */
    bool is_broken;         /* something linked softly has failed */
    bool is_skipped;        /* before the last member */
};

#define RING_CHAIN_OPEN (1u << 31)

/* A ring's place at its poller; see poller.c. */
struct poller;
struct poller_seat {
    struct poller *poller;    /* fixed from ring_start() on; nullptr: none serves it */
    struct list link;         /* owned by the poller's thread once it has found it */
    struct list leaving_link; /* guarded by the poller's lock, as is the next */
    bool is_taken;
    uint64_t sleeps; /* owned by the poller's thread */
};

struct ring {
    /* Fixed at creation. */
    struct abi_ring_header *header;     /* shared memory, in the direct map, as the pages below */
    struct abi_ring_doorbell *doorbell; /* nullptr without a poller */
    uint8_t **submission_pages;
    uint8_t **completion_pages; /* in the same array, behind the former */
    uint32_t flags;             /* ABI_RING_... */
    uint32_t submission_entries;
    uint32_t completion_entries;
    uint64_t submission_run_bytes; /* submissions that lie side by side: a page, or all */
    uint64_t completion_run_mask;  /* the same for completions, less one */
    struct ring_environment environment;
    struct memory_quota *quota;   /* counted; nullptr: the kernel's */
    struct buffer *memory;        /* counted */
    struct recorder_place record; /* see there */
    struct list all_link;         /* guarded by the list of rings' lock */

    /* Owned by the submitter: the thread that accepts, which is the ring's own, or the poller. */
    uint16_t *order;       /* for rings with priorities: in which to accept; else nullptr */
    uint8_t *notes;        /* the same: what decides it */
    uint64_t refused_full; /* times QUEUE_FULL was reported */
    const uint64_t *submission_next; /* where number `accepted` is */
    struct op *current;              /* runs the next submission; nullptr: take a free one */
    uint32_t op_count;               /* in `chunks` */
    struct op_chunk *chunks;         /* every op there is */

    /* Written by the submitter, alone or under the lock; relaxed. Slots are reserved up to here. */
    _Atomic uint64_t accepted;
    _Atomic uint64_t entered; /* written by the ring's thread, a statistic */

    /*
     * How many ops are in flight, that is HELD, PENDING, CANCELLING, FINISHED or RUNNING on a
     * worker; and RING_CHAIN_OPEN, which keeps the submitter from thinking itself alone. The count
     * is raised by the submitter before an op gets there, lowered when its completion has been
     * written; both under the lock. While it is 0 nobody but the submitter touches what follows,
     * and that needs no lock. Acquire where 0 is concluded from: pairs with the lowering.
     */
    _Atomic uint32_t pending;
    /* Relaxed: ordered by the lock, or by `pending`. */
    _Atomic uint64_t written;    /* completions, final or not */
    _Atomic uint64_t reaped;     /* of them the program has taken, as far as its hints made sense */
    _Atomic uint64_t more;       /* of those written: not final */
    _Atomic uint64_t suppressed; /* final ones that were not written */
    uint64_t extra;              /* more - suppressed: slots beside one for each accepted */
    uint64_t *completion_next;   /* where the next one goes: number `written` */

    /* With a poller: `accepted` when it last had finished a turn. Release, pairs with the ring's
     * thread, which finds the completions of that turn shown. */
    _Atomic uint64_t settled;
    struct poller_seat seat;

    spin_lock lock; /* LOCK_RANK_RING */
    struct op *free_first GUARDED_BY(lock);
    uint64_t number_last GUARDED_BY(lock); /* of an op in flight */
    uint64_t *in_flight_set; /* a bit for each, by number modulo its size; guarded like that */

    /* order.c */
    struct chain chain GUARDED_BY(lock);
    struct list held GUARDED_BY(lock); /* first members of chains, behind a drain */
    uint32_t behind GUARDED_BY(lock);  /* ops in flight that are in `held` or hang on some there */
    struct op *draining GUARDED_BY(lock); /* a DRAIN that runs */
    /* A chain is open or a drain waited for. Set by the submitter; relaxed: who clears it has the
     * lock, under which it is looked at again. */
    _Atomic bool is_ordered;

    struct list cancellers GUARDED_BY(lock); /* ops that cancel others, in order: cancel.c */

    _Atomic bool is_waited_for; /* relaxed; written under the lock, a poller looks without it */
    uint64_t wake_at GUARDED_BY(lock); /* wake the ring's thread when `written` gets here */
    struct wait_queue waiters GUARDED_BY(lock);
};

static inline uint64_t ring_accepted(const struct ring *ring)
{
    return atomic_load_explicit(&ring->accepted, memory_order_relaxed);
}

static inline uint64_t ring_written(const struct ring *ring)
{
    return atomic_load_explicit(&ring->written, memory_order_relaxed);
}

static inline uint64_t ring_reaped(const struct ring *ring)
{
    return atomic_load_explicit(&ring->reaped, memory_order_relaxed);
}

static inline uint32_t ring_in_flight(const struct ring *ring)
{
    return atomic_load_explicit(&ring->pending, memory_order_relaxed) & ~RING_CHAIN_OPEN;
}

static inline const uint64_t *ring_submission_at(const struct ring *ring, uint64_t position)
{
    uint32_t index = (uint32_t)position & (ring->submission_entries - 1);
    const uint8_t *page = ring->submission_pages[index / RING_SUBMISSIONS_PER_PAGE];
    return (const uint64_t *)(const void *)(page + index % RING_SUBMISSIONS_PER_PAGE *
                                                       sizeof(struct abi_submission));
}

static inline uint64_t *ring_completion_at(const struct ring *ring, uint64_t position)
{
    uint32_t index = (uint32_t)position & (ring->completion_entries - 1);
    uint8_t *page = ring->completion_pages[index / RING_COMPLETIONS_PER_PAGE];
    return (uint64_t *)(void *)(page +
                                index % RING_COMPLETIONS_PER_PAGE * sizeof(struct abi_completion));
}

/*
 * Completion slots that nothing is reserved for. Believes the program's head if it lies where it
 * can: it never goes back, and not beyond what was written. The submitter while it is alone, or
 * under the lock.
 */
MUST_INLINE uint64_t ring_room(struct ring *ring, const struct abi_ring_header *header)
{
    /* Pairs with the program's release: it has read the entries before it. */
    uint32_t hint = __atomic_load_n(&header->completion_head, __ATOMIC_ACQUIRE);
    uint64_t reaped = ring_reaped(ring);
    uint32_t taken = hint - (uint32_t)reaped;
    if (likely(taken <= ring_written(ring) - reaped)) reaped += taken;
    atomic_store_explicit(&ring->reaped, reaped, memory_order_relaxed);
    return ring->completion_entries - (ring_accepted(ring) + ring->extra - reaped);
}

/* Counts an op as in flight and gives it a number. */
void ring_enter_flight(struct ring *ring, struct op *op) REQUIRES(ring->lock);
/* The op's final completion was written or suppressed: stops the kernel if that is its second. */
void ring_leave_flight(struct ring *ring, struct op *op) REQUIRES(ring->lock);

/* nullptr: none is free. */
struct op *ring_take_free(struct ring *ring);
/* More ops, all free. The submitter, or the ring's creator. OUT_OF_MEMORY */
status ring_add_ops(struct ring *ring);

/* nullptr: none is free. */
static inline struct op *ring_take_free_locked(struct ring *ring) REQUIRES(ring->lock)
{
    struct op *op = ring->free_first;
    if (op != nullptr) ring->free_first = op->next_free;
    return op;
}

/* How many submissions one look found, and how many of them were accepted. Fewer: for want of room.
 */
typedef struct ring_acceptance {
    uint32_t taken;
    uint32_t offered;
} ring_acceptance;
/*
 * Accepts and runs what the program has published, as far as there is room, `count_max` at most.
 * The submitter: the ring's thread, or the poller's thread instead; never both. Completions written
 * are shown before it returns. When the submitter is asked to end it stops between runs of entries.
 */
ring_acceptance ring_accept(struct ring *ring, uint32_t count_max);

/* What a completion says behind the user data that is not a plain success. */
void ring_fill_rest(uint64_t *words, op_outcome outcome);

MUST_INLINE void completion_fill(uint64_t *words, uint64_t user_data, op_outcome outcome)
{
    words[0] = user_data;
    words[1] = ABI_RESULT_OK;
    words[2] = outcome.value;
    words[3] = 0; /* flags and detail */
    if (unlikely(outcome.code != STATUS_OK)) ring_fill_rest(words, outcome);
}

/* `count` completions were filled, side by side, up to `end`; the program sees them with the next
 * ring_show(). */
MUST_INLINE void ring_advance(struct ring *ring, uint64_t *end, uint64_t count)
{
    uint64_t written = ring_written(ring) + count;
    atomic_store_explicit(&ring->written, written, memory_order_relaxed);
    bool is_run_over = ((uintptr_t)end & ring->completion_run_mask) == 0;
    ring->completion_next = unlikely(is_run_over) ? ring_completion_at(ring, written) : end;
}

/* Writes a completion and counts it. */
MUST_INLINE void ring_write_completion(struct ring *ring, uint64_t user_data, op_outcome outcome)
{
    uint64_t *words = ring->completion_next;
    completion_fill(words, user_data, outcome);
    ring_advance(ring, words + sizeof(struct abi_completion) / sizeof(uint64_t), 1);
}

/* One of those written is not a final one. Under the lock. */
static inline void ring_count_more(struct ring *ring)
{
    uint64_t more = atomic_load_explicit(&ring->more, memory_order_relaxed) + 1;
    atomic_store_explicit(&ring->more, more, memory_order_relaxed);
    ring->extra++;
    ring->header->more_total = more;
}

/* Leaves the final completion of an op, or nothing if that is wanted. Under the lock. */
void ring_complete(struct ring *ring, const struct op *op, op_outcome outcome);

/* Publishes the completions written so far. */
static inline void ring_show(struct ring *ring, struct abi_ring_header *header)
{
    uint64_t written = ring_written(ring);
    header->completed_total = written - atomic_load_explicit(&ring->more, memory_order_relaxed);
    /* Pairs with the program's acquire: it finds the entries behind the tail filled. */
    __atomic_store_n(&header->completion_tail, (uint32_t)written, __ATOMIC_RELEASE);
}

/* The same for what is completed under the lock: where the poller does not look afterwards. */
static inline void ring_show_locked(struct ring *ring) REQUIRES(ring->lock)
{
    ring_show(ring, ring->header);
    if (ring->doorbell != nullptr) __atomic_store_n(&ring->doorbell->cq_ready, 1, __ATOMIC_RELEASE);
}

/* accept.c */

/* Runs an op that was held, or tells why it does not run. Pending: it was let go. */
op_outcome ring_run_held(struct op *op);

/* order.c */

/* Whether the flags of a submission, `words` copied, go together and may stand where they are. */
bool order_may_have_flags(const struct ring *ring, const struct op *op);
/* Decides whether a submission may run now. True: it is held, and ring->current is another op.
 * The submitter. */
bool order_accept(struct ring *ring, struct op *op);
/* The op just accepted pends, or has ended. */
void order_pends_locked(struct ring *ring, struct op *op) REQUIRES(ring->lock);
void order_ended_in_place_locked(struct ring *ring, struct op *op, bool has_failed)
    REQUIRES(ring->lock);
/*
 * An op that was in flight, and is not any more, has ended. Answers the next of its chain, RUNNING,
 * or nullptr. Others that may start now are pushed to *in_out_started, by `next_free`.
 */
struct op *order_ended_locked(struct ring *ring, struct op *op, bool has_failed,
                              struct op **in_out_started) REQUIRES(ring->lock);
/* What was counted as in flight without being an op is not any more: what may start now is pushed,
 * too. */
void order_fewer_in_flight_locked(struct ring *ring, struct op **in_out_started)
    REQUIRES(ring->lock);
/* A HELD op is to end now, with those that cannot run without it: it is pushed to *in_out_started,
 * too. */
void order_take_out_locked(struct ring *ring, struct op *op, struct op **in_out_started)
    REQUIRES(ring->lock);

/* priority.c */

/* Copies what the next `count` entries say into ring->notes. */
void priority_note(struct ring *ring, uint64_t position, uint32_t count);
/* Fills out_order with the numbers below `count`, each once. */
void priority_plan(const uint8_t *notes, uint32_t count, bool is_chain_open, uint16_t *out_order);

/* cancel.c */

/* A victim has ended: pushes cancellers that may end now to *in_out_ended, by `next_free`. */
void cancel_victim_ended_locked(struct ring *ring, struct op *victim, struct op **in_out_ended)
    REQUIRES(ring->lock);

/* ring.c */

/* Cancels all that is in flight. Nobody submits meanwhile. Task context. */
void ring_interrupt_all(struct ring *ring);

/* op.c */

/* Boot. OUT_OF_MEMORY */
status op_init(void);
/* Makes an op that is FREE of fresh memory. */
void op_set_up(struct op *op, struct ring *ring);
/* FREE to RUNNING: ready for a submission. */
void op_start(struct op *op);
/* Drops what the op pins. Task context. */
void op_unpin(struct op *op);
/*
 * Its handler answered pending: lets the op go and answers pending too; if it was the submitter's
 * current op, a free one takes its place. Or, when the op has been completed already, answers what
 * with. Then, and only then, it is still the caller's.
 */
op_outcome op_let_go(struct op *op);
/*
 * Cancelling an op in flight, in two steps: under the lock what it is doing is found out and `why`
 * noted; then, without it, what is to be done about that is done.
 */
struct op_claim {
    struct op *parked;  /* is CANCELLING: its cancel function is to be called */
    struct op *started; /* held ones that have been taken out or released, by `next_free` */
};
struct op_claim op_claim_locked(struct ring *ring, struct op *op, status why) REQUIRES(ring->lock);
void op_cancel_claimed(struct op_claim claim, status why);

/* Ends ops that are nobody's any more, their outcome set: pushed to a list by `next_free`. Any
 * context. */
void op_finish_all(struct op *last);
