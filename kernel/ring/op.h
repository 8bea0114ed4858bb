/*
 * One accepted submission on its way to its completion.
 *
 *          accept             done, failed
 *   FREE ----------> RUNNING ---------------> completion written ----> FREE
 *                     |   |                              ^
 *             pending |   | op_complete() before         | the one that comes last
 *                     |   | the handler has returned     |
 *                     |   +--------------------------> FINISHED
 *                     v                                ^   ^
 *                  PENDING ------- op_complete() ------+   |
 *                   |   ^                                  |
 *   ring closes, or |   | cancel() found that              | op_complete() by cancel(),
 *   deadline passed v   | another is completing it         | or by the other meanwhile
 *                CANCELLING -------------------------------+
 *
 * An op in a chain or behind a drain is HELD before it is RUNNING, and then runs on a worker: the
 * picture of that is in order.c.
 *
 * Who may touch an op: its handler while it is RUNNING; then exactly one party, the one that will
 * call op_complete(), once. The ring layer does the rest.
 *
 * Waiting. A handler whose operation waits for something that may never happen hands the op to the
 * *source* of that event (a list of waiters, under the source's own lock) and answers op_park(op,
 * cancel, limit). Two parties then compete:
 *
 *   - the source: takes the op out of its list, under its lock, then calls op_complete();
 *   - cancel(op, why): called when the ring closes (INTERRUPTED, task context) or `limit` passes
 *     (TIMED_OUT, interrupt context). It tries to take the op out of the source's list, under the
 *     source's lock. If it was there, cancel completes the op. If not, the source is completing it
 *     and cancel does nothing.
 *
 * The source's lock thus decides, and exactly one of them completes. The ring layer promises that
 * an op and what it pins stay valid for the whole of cancel(), even if the source completes it
 * meanwhile; that calls of cancel for one op never overlap; and that none comes after
 * op_complete(). A source that puts an op back into its list instead of completing it looks at
 * op_cancel_reason() afterwards: cancel may have come in between and found nothing.
 *
 * Only a handler parks. What was deferred to a worker (op_defer) ends by itself:
 * disks and the like have time limits. Closing a ring waits for it.
 *
 * What an op pins (capability, buffer) is dropped before its completion can be seen. Where
 * op_complete() is called with interrupts off, so that objects cannot be put, an op that pins
 * something finishes on a worker thread; it carries its own work item.
 *
 * Context: as each function says. Cost: constant; a completion in place takes no lock.
 */
#pragma once
#include "base/list.h"
#include "cap/handle_table.h"
#include "sched/worker.h"
#include "time/timer_queue.h"
#include "vm/buffer_table.h"
#include <abi/ops.h>
#include <abi/ring.h>

struct op;
struct ring;

/* What a handler answers: 16 bytes, in registers. */
typedef struct [[nodiscard]] op_outcome {
    /* enum status_code; with STATUS_OK, completion flags above it; or OP_CODE_PENDING. So a plain
     * success is 0 and everything else goes a slower way. */
    uint32_t code;
    uint32_t detail;
    uint64_t value;
} op_outcome;
#define OP_CODE_PENDING     0xffffffffu
#define OP_CODE_FLAGS_SHIFT 16u
static_assert(STATUS_OK == 0);

static inline enum status_code op_outcome_status(op_outcome outcome)
{
    return (enum status_code)(outcome.code & ((1u << OP_CODE_FLAGS_SHIFT) - 1));
}

static inline op_outcome op_done(uint64_t value)
{
    return (op_outcome){.code = STATUS_OK, .value = value};
}
/* Success with ABI_COMPLETION_... flags, one at least, and a detail that they explain. */
static inline op_outcome op_done_with(uint64_t value, uint32_t completion_flags, uint32_t detail)
{
    uint32_t code = STATUS_OK | completion_flags << OP_CODE_FLAGS_SHIFT;
    return (op_outcome){.code = code, .detail = detail, .value = value};
}
static inline op_outcome op_failed(status why)
{
    return (op_outcome){.code = why.code};
}
static inline op_outcome op_refused(status why, uint32_t detail)
{
    return (op_outcome){.code = why.code, .detail = detail};
}
static inline op_outcome op_pending(void)
{
    return (op_outcome){.code = OP_CODE_PENDING};
}
/* OK with a value, or the failure. */
static inline op_outcome op_result(status outcome, uint64_t value)
{
    return is_ok(outcome) ? op_done(value) : op_failed(outcome);
}

/*
 * Runs an operation whose table checks have passed: fields not defined are zero, `op->capability`
 * has the kind and the rights, `op->pin` is the span. Task context, on the ring's thread, its
 * poller's or a worker's: whose it is means nothing, and one at a time runs a given op. It must not
 * sleep, except for a mutex that is held briefly; what waits goes to a worker (op_defer) or is
 * parked (op_park).
 */
typedef op_outcome op_handler(struct op *op);

/* Takes a parked op back; see above. Any context, no spin lock held. */
typedef void op_cancel_function(struct op *op, status why);

enum op_buffer_use : uint8_t {
    OP_BUFFER_NONE,
    OP_BUFFER_IN,
    OP_BUFFER_OUT,
    OP_BUFFER_OUT_MAYBE,
    OP_BUFFER_WORD,
    OP_BUFFER_IN_MAYBE,
    OP_BUFFER_OUT_POOL,
};

/* What happens through a handle that a server minted; see ops.def. */
enum op_served : uint8_t {
    OP_SERVED_LOCAL,
    OP_SERVED_FORWARDED,
    OP_SERVED_KERNEL,
};

/* How much there is to do before the handler can run. */
enum op_shape : uint8_t {
    OP_BARE,   /* takes nothing: the submission is not copied; the handler looks at nothing and
                * completes at once */
    OP_PLAIN,  /* takes fields */
    OP_CLAIMS, /* takes a capability or a buffer */
};

/* A row of the dispatch table, made from ops.def. */
struct op_descriptor {
    /* Bits of the submission, seen as eight words, that must be zero: fields and flags the
     * operation does not define. */
    uint64_t forbidden[8];
    op_handler *handler;
    uint64_t rights;
    uint32_t kinds; /* 0: takes no capability */
    uint32_t flags_known;
    uint8_t shape;      /* enum op_shape */
    uint8_t buffer_use; /* enum op_buffer_use */
    uint8_t served;     /* enum op_served */
    /* The handle leaves the table when the common checks have passed, whatever the handler then
     * answers. */
    bool consumes_capability;
    bool closes_capability; /* the same, and a revoked one, too: then the op has none */
    bool is_link_timeout; /* guards the submission before it: the ring does it, there is no handler
                           */
    const char *name;     /* a literal, for people */
};
/* What a BARE operation forbids: all but its number, its priority and the user data. */
#define OP_BARE_FORBIDDEN_WORD0 0xfffffffffff8ff00ull
static_assert(((uint64_t)ABI_PRIORITY_MAX << 16 & OP_BARE_FORBIDDEN_WORD0) == 0 &&
              ((uint64_t)(ABI_PRIORITY_MAX + 1) << 16 & OP_BARE_FORBIDDEN_WORD0) != 0);
/* Flags are forbidden in all rows: a submission with some goes a way of its own. */
#define OP_FLAGS_WORD0 0x000000000000ff00ull

enum op_state : uint32_t {
    OP_FREE,
    OP_HELD,
    OP_RUNNING,
    OP_PENDING,
    OP_CANCELLING,
    OP_FINISHED,
};

/* Through what an operation acted, remembered when it is unpinned. Zero: nothing. */
struct op_lineage {
    uint64_t object_id;
    uint64_t derivation_id;
};

struct op {
    union { /* our copy: the program can rewrite the ring while we run */
        struct abi_submission submission;
        uint64_t words[8];
    };
    struct ring *ring;             /* fixed */
    struct capability *capability; /* a use; nullptr when the operation takes none */
    buffer_pin pin;

    /* The ring layer's. */
    _Atomic(enum op_state) state; /* release into PENDING and FINISHED, acquire out of them */
    _Atomic(enum status_code) cancel_reason;
    op_cancel_function *cancel; /* written while RUNNING */
    uint64_t limit_ns;          /* written while RUNNING; UINT64_MAX: no timer */
    struct timer timer;
    struct work work;
    op_handler *deferred;
    op_outcome outcome;        /* from op_complete() until the completion is written */
    struct op *next_free;      /* guarded by the ring's lock */
    struct op_lineage lineage; /* for the flight recorder */

    /* While it pends: told when what it acts through is taken back. Owned by whoever lets the op go
     * and by whoever finishes it. */
    struct capability_user capability_user, pin_user;
    bool is_watching, is_pin_watched;

    /* For submissions with flags: written by the submitter before the op is in flight. */
    bool is_invalid;      /* fields or flags: it ends with INVALID_ARGUMENT when its turn comes */
    bool is_link_timeout; /* what it is */

    /* Guarded by the ring's lock, while the op is in flight. */
    uint64_t number;        /* ascends in order of acceptance; 0: not in flight */
    struct op *successor;   /* next of the chain, held until this one has ended */
    struct op *predecessor; /* the op whose successor this one is */
    struct list held_link;  /* in ring->held */
    struct op *canceller;   /* to be told when this one has ended */
    bool is_canceller;      /* waits for its victims, and cannot be cancelled itself */
    bool is_behind;         /* in ring->held, or hanging on one there */
    bool is_broken;         /* something linked softly has failed in front of it */
    bool is_skipped;        /* it ends with INTERRUPTED instead of running, for that */
    bool has_struck;        /* LINK_TIMEOUT: it cancelled what it guards */

    /* Of whoever has the op while it pends: an end_watch, a console_wait, ... The ring layer does
     * not touch it. */
    union {
        uint64_t scratch[16];
    } use;
};

/* The operation's own state, in the op. `op_use(op, struct sleeper)` is a pointer to that type. */
#define op_use(op, type)                                                            \
    ({                                                                              \
        static_assert(sizeof(type) <= sizeof((op)->use) && alignof(type) <= 8, ""); \
        (type *)(void *)&(op)->use;                                                 \
    })
/* And back, from a pointer that op_use gave. */
static inline struct op *op_of_use(void *use)
{
    return (struct op *)(void *)((char *)use - offsetof(struct op, use));
}

static inline struct object *op_object(const struct op *op)
{
    return op->capability->object;
}

/* It goes on after its first event; see op_post(). */
static inline bool op_is_multishot(const struct op *op)
{
    return (op->submission.op_flags & ABI_OP_FLAG_MULTISHOT) != 0;
}

/* 0 lowest .. ABI_PRIORITY_MAX */
static_assert(ABI_PRIORITY_MAX == WORK_PRIORITY_MAX);
static inline uint8_t op_priority(const struct op *op)
{
    return (uint8_t)op->submission.priority;
}

/* The process the ring belongs to, as registered by ops/ (struct ring_environment). */
void *op_process(const struct op *op);
struct handle_table *op_handles(const struct op *op);
struct buffer_table *op_buffers(const struct op *op);

/*
 * Completes an op that its handler has handed on, once. The op is the ring's again.
 * Any context and processor, with no spin lock held; the handler need not have returned.
 */
void op_complete(struct op *op, op_outcome outcome);

/*
 * Multishot: writes a completion with ABI_COMPLETION_MORE, a success, besides the reserved final
 * one. True: written, the op goes on. False: there is no slot beyond those reserved, nothing was
 * written: the caller completes the op with this very outcome instead, and no event is lost.
 *
 * Called by whoever has the op: the handler, or the source, which has taken it out of its list and
 * afterwards puts it back and looks at op_cancel_reason(). Any context, no spin lock held.
 */
bool op_post(struct op *op, op_outcome outcome);

/*
 * Runs `function(op)` on a kernel worker thread, where it may sleep; what it answers completes the
 * op, unless that is pending: then it has handed the op on. When the ring closes before its turn
 * has come it does not run at all. Answers op_pending(), for `return op_defer(...)`. From a
 * handler, or from whoever has the op, in any context.
 */
op_outcome op_defer(struct op *op, op_handler *function);

/*
 * For `return op_park(...)` in a handler that has handed the op to a source; see above. `limit` may
 * be in the past or never.
 */
op_outcome op_park(struct op *op, op_cancel_function *cancel, deadline limit);

/*
 * OK, or why the op has been cancelled. For a source that put the op back into its list, and for
 * long operations on a worker, which may look between steps and give up early. Whoever has the op;
 * any context.
 */
status op_cancel_reason(const struct op *op);

/*
 * For CANCEL and its like, from a handler: cancels others of the ring that are in flight, with
 * INTERRUPTED, and ends when they have ended, with how many they were. Neither the op itself nor
 * others of its kind that have begun are among them. `all`, or the one accepted first. NOT_FOUND
 */
enum op_match : uint8_t {
    OP_MATCH_USER_DATA,
    OP_MATCH_HANDLE, /* ops that take a handle */
};
op_outcome op_cancel_others(struct op *op, enum op_match match, uint64_t key, bool all);

/* Inserts the capability (consumed) into the process's table: the usual end of an operation that
 * yields a handle. */
op_outcome op_yield_handle(struct op *op, CONSUMED struct capability *capability);
