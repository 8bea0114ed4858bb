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

struct ring {
    /* Fixed at creation. */
    struct abi_ring_header *header; /* shared memory, in the direct map, as the pages below */
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
    uint64_t refused_full;           /* times QUEUE_FULL was reported */
    const uint64_t *submission_next; /* where number `accepted` is */
    struct op *current;              /* runs the next submission; nullptr: take a free one */
    struct op_chunk *chunks;         /* every op there is */

    /* Written by the submitter, alone or under the lock; relaxed. Slots are reserved up to here. */
    _Atomic uint64_t accepted;
    _Atomic uint64_t entered; /* written by the ring's thread, a statistic */

    /*
     * Ops in state PENDING, CANCELLING or FINISHED, raised by the submitter before an op gets
     * there, lowered when its completion has been written; both under the lock. While it is 0
     * nobody but the submitter touches what follows, and that needs no lock. Acquire where 0 is
     * concluded from: pairs with the lowering.
     */
    _Atomic uint32_t pending;
    /* Relaxed: ordered by the lock, or by `pending`. */
    _Atomic uint64_t written;    /* completions, final or not */
    _Atomic uint64_t reaped;     /* of them the program has taken, as far as its hints made sense */
    _Atomic uint64_t more;       /* of those written: not final */
    _Atomic uint64_t suppressed; /* final ones that were not written */
    uint64_t extra;              /* more - suppressed: slots beside one for each accepted */
    uint64_t *completion_next;   /* where the next one goes: number `written` */

    spin_lock lock; /* LOCK_RANK_RING */
    struct op *free_first GUARDED_BY(lock);
    bool is_waited_for GUARDED_BY(lock);
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
 * Accepts and runs what the program has published, as far as there is room. The submitter: the
 * ring's thread, or the poller's thread instead; never both. Completions written are shown before
 * it returns. When the submitter is asked to end it stops between runs of entries.
 */
ring_acceptance ring_accept(struct ring *ring);

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

/* Publishes the completions written so far. */
static inline void ring_show(struct ring *ring, struct abi_ring_header *header)
{
    uint64_t written = ring_written(ring);
    header->completed_total = written - atomic_load_explicit(&ring->more, memory_order_relaxed);
    /* Pairs with the program's acquire: it finds the entries behind the tail filled. */
    __atomic_store_n(&header->completion_tail, (uint32_t)written, __ATOMIC_RELEASE);
}

/* ring.c */

/* Cancels all that is in flight. Nobody submits meanwhile. Task context. */
void ring_interrupt_all(struct ring *ring);

/* op.c */

/* Boot. OUT_OF_MEMORY */
status op_init(void);
/* Makes an op that is FREE of fresh memory. */
void op_create(struct op *op, struct ring *ring);
/* FREE to RUNNING: ready for a submission. */
void op_start(struct op *op);
/* Drops what the op pins. Task context. */
void op_unpin(struct op *op);
/*
 * Its handler answered pending: lets the op go, makes a free one the ring's current op in its place
 * and answers pending too; or, when it has been completed already, answers what with. Then, and
 * only then, the op is still the caller's.
 */
op_outcome op_let_go(struct op *op);
/* The ring closes: calls the op's cancel function if it is parked, and tells it to give up in any
 * case. */
void op_interrupt(struct op *op);
