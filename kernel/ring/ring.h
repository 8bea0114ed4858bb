/*
 * Rings: accept, reserve, dispatch, complete. The memory layout is abi/ring.h.
 *
 * The kernel's indices are its own; the shared ones are read as hints, once for each system call,
 * and bounded. A submission is copied once and judged on the copy. Accepting reserves an op and a
 * completion slot, so completing cannot fail: in flight + unread <= completion entries, always.
 *
 * Context:  ring_enter and ring_close: the ring's own thread. Completion: any.
 * Locking:  LOCK_RANK_RING guards the completion side and the free ops; the submission side belongs
 * to the thread. See "Locking" in ring.c for the path that needs no lock.
 */
#pragma once
#include "ring/op.h"

/* Whose requests these are. Borrowed; outlives the ring. */
struct ring_environment {
    struct handle_table *handles;
    struct buffer_table *buffers;
    void *process;
    struct list *recorders;      /* those of the process, or nullptr */
    _Atomic uint64_t *served_ns; /* where a poller counts its time, relaxed; nullptr: nowhere */
};

#define RING_OPERATIONS 256u

/* Boot, after worker_init: rows by operation number, nullptr where there is none. OUT_OF_MEMORY */
status ring_init(const struct op_descriptor *const rows[RING_OPERATIONS]);
/* Boot, after ring_init: what runs, in place of its row's handler, an operation whose row says
 * FORWARDED on an object whose type is_served. Until then such operations are NOT_IMPLEMENTED. */
void ring_set_forwarder(op_handler *forwarder);

RESULT_TYPE(ring_result, struct ring *);
/*
 * All memory is charged to the quota.
 *   OUT_OF_RANGE       `entries` is not a power of two within ABI_RING_ENTRIES_*
 *   INVALID_ARGUMENT   `flags` has others than ABI_RING_... known
 *   OUT_OF_MEMORY
 */
ring_result ring_create(const struct ring_environment *environment, struct memory_quota *quota,
                        uint32_t entries, uint32_t flags);
/* The memory to map read-write into the process. Borrowed from the ring. */
struct buffer *ring_memory(struct ring *ring);
/* Its flight recorder. Borrowed from the ring. */
struct recorder *ring_recorder(struct ring *ring);
/* The row of the dispatch table; nullptr where there is none. */
const struct op_descriptor *ring_operation(uint8_t number);

/* Its thread is about to run. A poller must never wait for another, or for itself, so it serves
 * only rings that are closed by a thread of their own. */
void ring_start(struct ring *ring);

/*
 * ABI_SYSCALL_ENTER. Answers what goes to rax: OK, QUEUE_FULL or TIMED_OUT, and how many were
 * accepted. Waits are interruptible by thread_request_end; the answer is then INTERRUPTED, which no
 * program sees.
 */
uint64_t ring_enter(struct ring *ring, uint64_t wait_count, uint64_t deadline_ns);

/*
 * Accepts nothing more, cancels what is parked, waits until nothing is in flight. Task context, on
 * the ring's thread or when that has never run. After it only ring_destroy may be called.
 */
void ring_close(struct ring *ring);
void ring_destroy(struct ring *ring);

struct ring_counts {
    uint64_t accepted;
    uint64_t completed;  /* final completions written */
    uint64_t suppressed; /* final completions left out */
    uint64_t more;       /* completions besides the final ones */
    uint64_t entered;
};
/* accepted = completed + suppressed + what is in flight; exactly, when nothing moves. */
/* Sums over all rings that ever were. */
struct ring_counts ring_count_all(void);
