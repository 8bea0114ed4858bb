/*
 * One request, start to end: the base of every synchronous function of the library.
 *
 * Context: any thread, on its own ring. Sleeps until the completion is there.
 * Cost: about fifty instructions outside the kernel, see bench.
 */
#pragma once
#include "peal/analyser.h"
#include "peal/ring.h"

/* Publishes the slot behind the tail, enters, and takes its completion: the thread waits. */
size_result peal_call_finish(void);
/* The next free slot where none is known to be: what fills the queue is submitted first. nullptr
 * when that does not help. */
struct abi_submission *peal_call_make_room(void);

/*
 * ring->finish(), read relative to %fs: so that the inline function below needs no register that
 * its caller would have to save.
 */
[[gnu::always_inline]] static inline size_result peal_finish_call(void)
{
    typedef size_result finish(void);
    return (*(finish * __seg_fs *)offsetof(struct peal_thread, ring.finish))();
}

/*
 * Submits `request`, whose user data is not used, and waits for its completion: the thread does, or
 * the task (task.h). Besides what the operation gives:
 *
 *   QUEUE_FULL   completions of earlier submissions fill the ring; reap them. Nothing was asked
 *
 * Inline and field by field, so that the compiler builds the request where the kernel reads it
 * instead of copying it there.
 */
[[gnu::always_inline]] static inline size_result peal_call(const struct abi_submission *request)
{
    struct peal_ring *ring = &peal_thread_self()->ring;
    uint32_t tail = ring->submission_tail;
    struct abi_submission *slot = &ring->submissions[tail & ring->submission_mask];
    if (__builtin_expect(tail == ring->submission_end, false)) {
        slot = peal_call_make_room();
        if (slot == nullptr) return (size_result){.status = FAIL(QUEUE_FULL)};
    }
    slot->op = request->op;
    slot->flags = request->flags;
    slot->priority = request->priority;
    slot->buffer_offset_bytes = request->buffer_offset_bytes;
    slot->capability = request->capability;
    slot->offset_bytes = request->offset_bytes;
    slot->buffer_index = request->buffer_index;
    slot->length_bytes = request->length_bytes;
    slot->op_flags = request->op_flags;
    slot->second_buffer_index = request->second_buffer_index;
    slot->user_data = PEAL_USER_DATA_CALL;
    slot->args[0] = request->args[0];
    slot->args[1] = request->args[1];
    return peal_finish_call();
}

/*
 * Submits `first` and, when that has succeeded, `second`, and waits for the end of `second`: two
 * operations for one entry. What failed gives the result; of `first` there is nothing else. Their
 * user data and flags are not used. In a task the two are asked one after the other.
 *
 *   QUEUE_FULL   as above; `first` may have been done
 */
size_result peal_call_after(const struct abi_submission *first,
                            const struct abi_submission *second);

/* As peal_call() for an operation whose value is a new handle. */
peal_raw_status peal_call_yielding(const struct abi_submission *request,
                                   peal_raw_handle *out_handle ACQUIRES_HANDLE);

/* The cheapest request there is, to measure with. */
size_result peal_nop(void);
