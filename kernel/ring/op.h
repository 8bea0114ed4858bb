/*
 * One accepted submission on its way to its completion.
 *
 *      accept                 handler says done or failed
 *   o --------> RUNNING -----------------------------------> completion written
 *                  |                                               ^
 *                  | handler says pending                          | op_complete(), any CPU
 *                  +--------------------> PENDING -----------------+
 *
 * Ops live in an array that belongs to the ring, as many as it has completion entries, so accepting
 * allocates nothing. What an op pins (capability, buffer) is dropped before its completion can be seen.
 *
 * A pending op is exactly one party's: whoever will call op_complete, once. An op that waits for something that may
 * never happen is *parked* with a cancel function, so that its ring can be closed.
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
    uint32_t code;   /* enum status_code, or OP_CODE_PENDING */
    uint32_t detail;
    uint64_t value;
} op_outcome;
#define OP_CODE_PENDING 0xffffffffu

static inline op_outcome op_done(uint64_t value)
{
    return (op_outcome){.code = STATUS_OK, .value = value};
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
 * Runs an operation whose table checks have passed: fields not defined are zero, `op->capability` has the kind and the
 * rights, `op->pin` is the span. Task context, on the ring's thread: it must not sleep, except for a mutex that is held briefly;
 * what waits goes to a worker (op_defer) or is parked.
 */
typedef op_outcome op_handler(struct op *op);

enum op_buffer_use : uint8_t {
    OP_BUFFER_NONE,
    OP_BUFFER_IN,
    OP_BUFFER_OUT,
    OP_BUFFER_OUT_MAYBE,
    OP_BUFFER_WORD,
};
#define OP_FIELD_OFFSET 1u
#define OP_FIELD_ARG0   2u
#define OP_FIELD_ARG1   4u

/* A row of the dispatch table, made from ops.def. */
struct op_descriptor {
    op_handler *handler; /* nullptr: no such operation */
    uint64_t rights;
    uint32_t kinds; /* 0: the capability field must be zero */
    uint32_t flags_known;
    uint8_t buffer_use; /* enum op_buffer_use */
    uint8_t fields;     /* OP_FIELD_... */
    bool consumes_capability;
    const char *name; /* a literal, for people */
};

struct op {
    struct abi_submission submission; /* our copy: the program can rewrite the ring while we run */
    struct ring *ring;
    struct capability *capability;    /* counted; nullptr when the operation takes none */
    buffer_pin pin;
    struct list link;                 /* in the ring's list of free ops, or of ops in flight that pend */
    _Atomic(void (*)(struct op *)) cancel; /* set while parked */
    union {                           /* of whoever has the op while it pends */
        struct work work;
        uint64_t scratch[24];
    } use;
};

static inline struct object *op_object(const struct op *op)
{
    return op->capability->object;
}

/* The process the ring belongs to, as registered by ops/ (struct ring_environment). */
void *op_process(const struct op *op);
struct handle_table *op_handles(const struct op *op);
struct buffer_table *op_buffers(const struct op *op);

/* Completes a pending op. Any context and processor; once. The op is the ring's again. */
void op_complete(struct op *op, op_outcome outcome);

/*
 * Runs `function(op)` on a kernel worker thread, where it may sleep; its outcome completes the op, unless it is pending again.
 * Answers op_pending(), for `return op_defer(...)`.
 */
op_outcome op_defer(struct op *op, op_handler *function);

/*
 * Before waiting for something that may never happen: `cancel(op)` will be called in task context if the ring closes first, and must
 * bring about op_complete(INTERRUPTED) soon, unless it finds that the op is being completed already. Whoever completes the op
 * calls op_unpark() first and must not touch it when that answers false... see ring/op.c for the protocol.
 * Answers false when the ring is closing: then nothing is parked and the handler answers INTERRUPTED.
 */
bool op_park(struct op *op, void (*cancel)(struct op *op));

/* Inserts the capability (consumed) into the process's table: the usual end of an operation that yields a handle. */
op_outcome op_yield_handle(struct op *op, CONSUMED struct capability *capability);
