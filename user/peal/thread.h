/*
 * Threads of this process, each with a ring, a stack and a thread block of its own.
 *
 *     running_thread_result started = peal_thread_create(work, (uint64_t)&job);
 *     TRY(started.status);
 *     OWNED(running_thread) worker = TAKE(started.value);   joins at the end of the scope
 *
 * Stacks are 252 KiB with an unmapped page below: running over the end is a fault, never silent.
 * They are kept for the next thread, since a used stack needs no fresh pages.
 *
 * Context: any thread.
 */
#pragma once
#include "peal/handle.h"

#define THREAD_STACK_BYTES (256u << 10) /* of address range, the guard page included */

/* A thread that somebody has to join. */
typedef struct running_thread {
    peal_raw_handle raw; /* a thread handle */
    uint64_t stack;      /* lowest address of its stack's range */
} running_thread;

typedef struct [[nodiscard]] running_thread_result {
    status status;
    running_thread value;
} running_thread_result;

/* Zero everywhere is what peal_thread_create takes. */
struct peal_thread_options {
    uint32_t ring_entries; /* a power of two; 0: the default */
    uint32_t ring_flags;   /* ABI_RING_... */
    uint32_t priority;     /* 0 the default .. 7 higher, at most the process's own */
};

/*
 * Starts `entry(argument)`.
 *   OUT_OF_RANGE       no ring can have that many entries
 *   INVALID_ARGUMENT   an unknown flag, or no such priority
 *   OUT_OF_MEMORY, QUOTA_EXCEEDED
 */
peal_raw_status peal_raw_thread_create(int (*entry)(uint64_t argument), uint64_t argument,
                                       const struct peal_thread_options *options,
                                       uint64_t *out_stack,
                                       peal_raw_handle *out_thread ACQUIRES_HANDLE);
static inline running_thread_result
peal_thread_create_with(int (*entry)(uint64_t argument), uint64_t argument,
                        const struct peal_thread_options *options)
{
    running_thread_result result = {0};
    result.status = status_of_raw(
        peal_raw_thread_create(entry, argument, options, &result.value.stack, &result.value.raw));
    return result;
}
static inline running_thread_result peal_thread_create(int (*entry)(uint64_t argument),
                                                       uint64_t argument)
{
    return peal_thread_create_with(entry, argument, &(struct peal_thread_options){0});
}

/* Waits for its end and gives its exit code; the thread is nil afterwards. */
size_result peal_thread_join(running_thread *thread);

/* Joins and forgets the code. */
void running_thread_drop(running_thread *thread);

static inline thread_ref running_thread_borrow(const running_thread *thread)
{
    PEAL_ANALYSER_USE(thread->raw);
    return (thread_ref){thread->raw};
}

/* Ends the calling thread only; the last one's code is the process's. */
[[noreturn]] void peal_thread_exit(int code);

uint64_t peal_thread_id(void);
