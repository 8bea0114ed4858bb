/*
 * The ring: how a program asks and how the kernel answers.
 *
 * Every thread has one ring, made before its first instruction. Its memory is a single mapping:
 *
 *     header page      indices and counters, each writer on cache lines of its own
 *     doorbell page    the three words of poller mode
 *     submissions      submission_entries x 64 bytes, written by the program
 *     completions      completion_entries x 32 bytes, written by the kernel
 *
 * Entry counts are powers of two; indices run freely through 32 bits and are masked on use.
 * The kernel keeps indices of its own. Those here are hints that it bounds by the ring's size, so
 * that whatever a program writes can hurt only its own ring.
 *
 * One submission gives exactly one final completion. The slot for it is reserved when the
 * submission is accepted: in flight + unread <= completion_entries, always. When no slot is left
 * the submission stays in the queue, and entering the ring reports QUEUE_FULL.
 */
#pragma once
#include <abi/types.h>

#define ABI_RING_MAGIC 0x676e6972'6c616570ull /* "pealring" read as little-endian bytes */

/* Submission entries of a ring; completions have twice as many. */
#define ABI_RING_ENTRIES_MIN     4u
#define ABI_RING_ENTRIES_MAX     4096u
#define ABI_RING_ENTRIES_DEFAULT 64u

/* `offset_bytes` of a read or write: use and move the file's own position. */
#define ABI_OFFSET_CURRENT UINT64_MAX

/* A deadline that never comes. Deadlines are absolute, in nanoseconds of the monotonic clock. */
#define ABI_DEADLINE_NEVER UINT64_MAX

/* What a program writes: one cache line, no padding. Fields an operation does not use are zero. */
struct abi_submission {
    uint8_t op;                   /* ABI_OP_... */
    uint8_t flags;                /* ABI_SUBMISSION_...; an unknown bit is INVALID_ARGUMENT */
    uint16_t priority;            /* 0 lowest .. ABI_PRIORITY_MAX; see ABI_RING_PRIORITIES */
    uint32_t buffer_offset_bytes; /* into the buffer below */
    uint64_t capability;          /* the handle the operation acts on */
    uint64_t offset_bytes;        /* in the file or device */
    uint32_t buffer_index;        /* registered buffer */
    uint32_t length_bytes;        /* of the span in that buffer */
    uint32_t op_flags;            /* meaning per operation; unknown bits as for `flags` */
    union {
        uint32_t second_buffer_index; /* operations with two spans; otherwise zero */
        uint32_t timeout_ms;          /* with ABI_SUBMISSION_TIMEOUT, which those cannot have */
    };
    uint64_t user_data; /* comes back untouched in the completion */
    uint64_t args[2];   /* meaning per operation; see ops.h */
};
static_assert(sizeof(struct abi_submission) == 64, "ABI");
static_assert(offsetof(struct abi_submission, priority) == 2, "ABI");
static_assert(offsetof(struct abi_submission, buffer_offset_bytes) == 4, "ABI");
static_assert(offsetof(struct abi_submission, capability) == 8, "ABI");
static_assert(offsetof(struct abi_submission, offset_bytes) == 16, "ABI");
static_assert(offsetof(struct abi_submission, buffer_index) == 24, "ABI");
static_assert(offsetof(struct abi_submission, length_bytes) == 28, "ABI");
static_assert(offsetof(struct abi_submission, op_flags) == 32, "ABI");
static_assert(offsetof(struct abi_submission, second_buffer_index) == 36, "ABI");
static_assert(offsetof(struct abi_submission, user_data) == 40, "ABI");
static_assert(offsetof(struct abi_submission, args) == 48, "ABI");

/*
 * Flags of a submission, for every operation.
 *
 *   LINK          the next submission starts when this one has succeeded; if it fails, the rest of
 *                 the chain completes with INTERRUPTED. A chain ends with the first submission that
 *                 has neither LINK nor HARD_LINK (never both); until that comes it stays open, over
 *                 any number of enters
 *   HARD_LINK     the next submission starts when this one has ended, however
 *   DRAIN         starts when everything accepted before it has ended, and what comes after it
 *                 starts when it has ended. Only the first of a chain can have it
 *   SKIP_SUCCESS  success leaves no completion; it is counted in suppressed_total instead. Not with
 *                 MULTISHOT; a success that names a chunk is told all the same
 *   TIMEOUT       cancelled, with TIMED_OUT, when timeout_ms have passed since it was started
 */
#define ABI_SUBMISSION_LINK         1u
#define ABI_SUBMISSION_HARD_LINK    2u
#define ABI_SUBMISSION_DRAIN        4u
#define ABI_SUBMISSION_SKIP_SUCCESS 8u
#define ABI_SUBMISSION_TIMEOUT      16u
#define ABI_SUBMISSION_FLAGS_KNOWN  31u

#define ABI_PRIORITY_MAX 7u

/*
 * Bits of `op_flags` that mean the same in every operation that defines them.
 *
 *   MULTISHOT  goes on: completions with ABI_COMPLETION_MORE for each event, a last one without it
 *              when it is cancelled, fails, or finds no completion slot beyond its own: then the
 *              event is in that last one, and nothing is lost
 *   POOL       `buffer_index` names a pool of provided buffers, `length_bytes` and the buffer's
 *              offset are zero: the chunk is taken when there is something to put into it and named
 *              by the completion (ABI_COMPLETION_CHUNK). WOULD_BLOCK when the pool is empty: give
 *              chunks back and ask again, nothing is lost
 */
#define ABI_OP_FLAG_MULTISHOT (1u << 30)
#define ABI_OP_FLAG_POOL      (1u << 31)

#define ABI_RESULT_OK    0u
#define ABI_RESULT_ERROR 1u

/* What the kernel answers. Success and failure are told by the tag, never by a sign bit. */
struct abi_completion {
    uint64_t user_data;
    uint8_t tag; /* ABI_RESULT_OK or ABI_RESULT_ERROR */
    uint8_t reserved[7];
    union {
        uint64_t value; /* what the operation yields: bytes moved, a new handle */
        uint32_t error; /* enum abi_status: why it yields nothing */
    };
    uint32_t flags;  /* ABI_COMPLETION_... */
    uint32_t detail; /* for a refusal: see ABI_DETAIL_MAKE; with CHUNK: which */
};
#define ABI_COMPLETION_MORE  1u /* not the final one: the operation goes on */
#define ABI_COMPLETION_CHUNK 2u /* the data is in chunk `detail` of the pool */

static_assert(sizeof(struct abi_completion) == 32, "ABI");
static_assert(offsetof(struct abi_completion, tag) == 8, "ABI");
static_assert(offsetof(struct abi_completion, value) == 16, "ABI");
static_assert(offsetof(struct abi_completion, error) == 16, "ABI");
static_assert(offsetof(struct abi_completion, flags) == 24, "ABI");
static_assert(offsetof(struct abi_completion, detail) == 28, "ABI");

/* The header page. Each group is a cache line with one writer. */
struct abi_ring_header {
    /* Written once by the kernel; a program that changes it confuses only itself. */
    uint64_t magic;
    uint32_t version;
    uint32_t total_bytes;
    uint32_t submission_entries;
    uint32_t completion_entries;
    uint32_t doorbell_offset_bytes; /* from the start of this header, as the next two */
    uint32_t submissions_offset_bytes;
    uint32_t completions_offset_bytes;
    uint32_t flags; /* ABI_RING_... it was made with */
    uint32_t reserved_line0[6];

    uint32_t submission_tail; /* program: release after filling the entry */
    uint32_t reserved_line1[15];

    uint32_t submission_head; /* kernel: release after copying the entry */
    uint32_t reserved_line2[15];

    uint32_t completion_tail; /* kernel: release after filling the entry */
    uint32_t reserved_line3[15];

    uint32_t completion_head; /* program: release after reading the entry */
    uint32_t reserved_line4[15];

    /* Kernel: counters, for people and tests. */
    uint64_t accepted_total;
    uint64_t completed_total;
    uint64_t refused_full_total;  /* times QUEUE_FULL was reported */
    uint64_t entered_total;       /* system calls made for this ring */
    uint64_t suppressed_total;    /* final completions that SKIP_SUCCESS left out */
    uint64_t more_total;          /* completions with ABI_COMPLETION_MORE, not in completed_total */
    uint64_t polled_total;        /* of accepted_total: by a poller */
    uint64_t poller_sleeps_total; /* times the poller set needs_wakeup for this ring */
};
static_assert(offsetof(struct abi_ring_header, submission_tail) == 64, "ABI");
static_assert(offsetof(struct abi_ring_header, submission_head) == 128, "ABI");
static_assert(offsetof(struct abi_ring_header, completion_tail) == 192, "ABI");
static_assert(offsetof(struct abi_ring_header, completion_head) == 256, "ABI");
static_assert(offsetof(struct abi_ring_header, accepted_total) == 320, "ABI");
static_assert(sizeof(struct abi_ring_header) == 384, "ABI");

/*
 * What a ring is made with (abi_spawn, abi_thread_start).
 *
 *   POLLER      a kernel worker accepts what is published; see the doorbell
 *   PRIORITIES  among the submissions that one enter, or one look of the poller, finds, those of
 *               higher priority are accepted first; a chain goes by its first. Work of higher
 *               priority is also taken first where operations queue in the kernel, for every ring
 */
#define ABI_RING_POLLER      1u
#define ABI_RING_PRIORITIES  2u
#define ABI_RING_FLAGS_KNOWN 3u

/*
 * The doorbell page: for rings with a poller. A ring without one leaves it zero. Each word has a
 * cache line of its own; models/poller.pml is the protocol, checked.
 *
 * The program publishes a tail, increments `ring`, and then looks at `needs_wakeup`, with a full
 * barrier between: if that is set it enters the ring, which wakes the poller; otherwise no system
 * call is needed. It does the same after it has published a completion head while submissions of
 * its own are not accepted: they may have been waiting for that. The poller, before it sleeps, sets
 * `needs_wakeup` and then looks at tail and head once more, with a full barrier between. Entering
 * such a ring accepts nothing itself.
 *
 * A program may wait for `cq_ready` instead of the tails of many rings: it clears the word and then
 * looks at the completion tail, with a full barrier between.
 */
struct abi_ring_doorbell {
    uint32_t ring; /* program increments after publishing a tail */
    uint32_t reserved_line0[15];
    uint32_t needs_wakeup; /* kernel sets when its poller sleeps, clears when it is awake */
    uint32_t reserved_line1[15];
    uint32_t cq_ready; /* kernel sets when it has published completions; the program may clear it */
    uint32_t reserved_line2[15];
};
static_assert(offsetof(struct abi_ring_doorbell, needs_wakeup) == 64, "ABI");
static_assert(offsetof(struct abi_ring_doorbell, cq_ready) == 128, "ABI");

/*
 * The system calls. They carry integers only; everything else is a submission.
 *
 * Convention: number in rax, arguments in rdi, rsi; answer in rax; rcx and r11 are lost,
 * all other registers are kept. An unknown number answers NOT_IMPLEMENTED.
 */
enum abi_syscall : uint64_t {
    /*
     * Enters the calling thread's ring: accepts every submission up to the tail, then waits until
     * `rdi` completions are unread, until nothing is in flight that could complete, or until the
     * deadline `rsi`. Answers ABI_ENTER_STATUS (OK, QUEUE_FULL, TIMED_OUT) and
     * ABI_ENTER_ACCEPTED, the number of submissions accepted by this call.
     */
    ABI_SYSCALL_ENTER = 0,
    /* Lets another thread of the same or higher priority run. Answers OK. */
    ABI_SYSCALL_YIELD = 1,
    /*
     * Ends the calling thread (rsi = ABI_EXIT_THREAD) or its whole process (ABI_EXIT_PROCESS) with
     * code `rdi`. Does not return. The last thread's end is the process's end, with its code.
     */
    ABI_SYSCALL_EXIT = 2,
};
#define ABI_ENTER_STATUS(answer)   ((uint32_t)(answer))
#define ABI_ENTER_ACCEPTED(answer) ((uint32_t)((answer) >> 32))
#define ABI_EXIT_THREAD            0u
#define ABI_EXIT_PROCESS           1u
