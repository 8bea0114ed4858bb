/*
 * The flight recorder: the last operations of each ring, kept beyond the end of ring, thread and
 * process, for `trace`, for the tail in the log when a program dies, and for panics.
 *
 *   - What completes in place is recorded by whoever accepts for the ring, which is one at a time:
 *     the submission's words as they are copied, what came of it when it is done.
 *   - What pended is recorded when its completion is written, under the ring's lock, in slots of
 *     its own: so neither ever waits for the other, and many quick operations do not push out the
 *     few that waited.
 *   - What is under way is not recorded: the ring's ops are looked at.
 *   - Bare operations (nop) are only counted: they are the gaps between the numbers.
 *
 * A recorder belongs to a list, a process's, from its ring's creation on. When its ring has ended
 * it stays there, no longer charged to anybody, until the list is forgotten; of all that ended,
 * the last RECORDERS_ENDED_MAX are kept.
 *
 * Context:  any, except that recorder_create, _end, _forget and _put want no spin lock held.
 * Locking:  LOCK_RANK_RECORDERS guards the lists and who still has a ring, LOCK_RANK_RING inside.
 *           Records are read without a lock: one that is overwritten meanwhile is left out.
 * Cost:     about thirty instructions for an operation that is not bare.
 */
#pragma once
#include "base/format.h"
#include "base/list.h"
#include "base/status.h"
#include "ring/op.h"

struct recorder;
struct memory_quota;

#define RECORDS_IN_PLACE    40u /* of each ring */
#define RECORDS_PENDED      20u
#define RECORDERS_ENDED_MAX 128u

/* As it is kept. Each word is read and written as a whole. */
struct record {
    uint64_t words[8]; /* of the submission */
    uint64_t object_id;
    uint64_t derivation_id;
    uint64_t result; /* code of the outcome, and the detail in the upper half */
    uint64_t value;
    uint64_t ended_ticks; /* 0: still under way */
    uint64_t stamp;       /* its place among the ring's completions; 0: being written */
};

/* Where records are written: part of struct ring. */
struct recorder_place {
    struct recorder *recorder; /* one reference */
    struct record *in_place;   /* the next one; owned by whoever accepts */
    struct record *in_place_end;
    struct record *pended; /* the next one; guarded by the ring's lock */
};

/*
 * For a new ring, entered into the list if there is one; charged to the quota. OUT_OF_MEMORY
 */
status recorder_create(struct ring *ring, struct list *owner, struct memory_quota *quota,
                       struct recorder_place *out_place);
/* Whose ring it is: the thread's number, for people. */
void recorder_name(struct recorder *recorder, uint64_t thread);
/* The ring ends: nothing is recorded any more, and nothing of it is looked at. */
void recorder_end(struct recorder *recorder);
/* Drops every recorder of a list whose rings have all ended. */
void recorder_forget(struct list *owner);

/* ---- writing ---- */

/* Stores of one word, with no order among them: the stamp has it. */
static inline void record_store(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

/* Before the capability is dropped. */
MUST_INLINE void recorder_note_lineage(struct op *op)
{
    const struct capability *capability = op->capability;
    if (capability == nullptr) return;
    op->lineage = (struct op_lineage){capability->object_id, capability->id};
}

/* A submission is about to be copied here. */
MUST_INLINE struct record *recorder_begin(struct recorder_place *place)
{
    struct record *record = place->in_place;
    record_store(&record->stamp, 0);
    /* What follows is not seen before: pairs with the fence in read_record(). */
    atomic_thread_fence(memory_order_release);
    return record;
}

/* What came of it. `completed`: completions before it. */
MUST_INLINE void record_finish(struct record *record, const struct op *op, op_outcome outcome,
                               uint64_t stamp)
{
    record_store(&record->object_id, op->lineage.object_id);
    record_store(&record->derivation_id, op->lineage.derivation_id);
    record_store(&record->result, (uint64_t)outcome.detail << 32 | op_outcome_status(outcome));
    record_store(&record->value, outcome.value);
    record_store(&record->ended_ticks, cpu_ticks());
    /* Pairs with the acquire in read_record(). */
    __atomic_store_n(&record->stamp, stamp, __ATOMIC_RELEASE);
}

/* The submission copied last has been completed in place, as number `completed` or, when others
 * complete at the same time, about that. */
MUST_INLINE void recorder_finish(struct recorder_place *place, const struct op *op,
                                 op_outcome outcome, uint64_t completed)
{
    struct record *record = place->in_place;
    record_finish(record, op, outcome, (completed + 1) * 2);
    place->in_place = likely(record + 1 != place->in_place_end)
                          ? record + 1
                          : place->in_place_end - RECORDS_IN_PLACE;
}

/* An op that pended is completed, or posts an event, as number `completed`. The ring's lock is
 * held. */
void recorder_add(struct recorder_place *place, const struct op *op, op_outcome outcome,
                  uint64_t completed);

/* ---- reading ---- */

/* The first recorder of a list with this number or a larger one, counted; nullptr: none. */
struct recorder *recorder_find(struct list *owner, uint32_t number);
/* Numbers ascend in the order in which rings are made, and are never reused. */
uint32_t recorder_number(const struct recorder *recorder);
uint64_t recorder_thread(const struct recorder *recorder);
void recorder_get(struct recorder *recorder);
void recorder_put(struct recorder *recorder);

/* A ring as people are told of it: counts are since it was made. */
struct ring_description {
    uint32_t submission_entries;
    uint32_t completion_entries;
    uint32_t flags;     /* ABI_RING_... */
    uint32_t in_flight; /* accepted and not completed, besides what runs this moment */
    uint64_t accepted;
    uint64_t completed; /* final completions, those left out on request included */
    uint64_t unread;    /* completions the program has not taken */
    uint64_t entered;   /* system calls */
};
/* False: it has ended. */
bool recorder_describe_ring(struct recorder *recorder, struct ring_description *out_ring);

/*
 * The first record whose stamp is at least *stamp: copied, and *stamp moved behind it. False: there
 * is none. Starts with 0.
 */
bool recorder_next(const struct recorder *recorder, uint64_t *stamp, struct record *out_record);
/* The operation under way at this index, in no particular order; false when there are not so many.
 */
bool recorder_pending(struct recorder *recorder, uint32_t index, struct record *out_record);
/* The same without locks, for a panic. */
bool recorder_pending_in_panic(struct recorder *recorder, uint32_t index,
                               struct record *out_record);

/* Where a record says it is in its ring. */
static inline uint64_t record_sequence(const struct record *record)
{
    return record->stamp / 2;
}

/* What came of it; OP_CODE_PENDING: nothing yet. */
static inline op_outcome record_outcome(const struct record *record)
{
    return (op_outcome){.code = (uint32_t)record->result,
                        .detail = (uint32_t)(record->result >> 32),
                        .value = record->value};
}

/* One line about a record, without a newline: what was asked for and what came of it. */
void recorder_describe(struct text_writer *writer, const struct record *record,
                       const struct op_descriptor *row);
