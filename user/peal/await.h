/*
 * Operations that overlap: begin now, await later.
 *
 *     OWNED(peal_pending) first = peal_file_read_at_begin(file, SPAN_OF(one), 0);
 *     OWNED(peal_pending) second = peal_file_read_at_begin(file, SPAN_OF(other), 4096);
 *     size_result read = peal_await(&first);
 *
 * What has been begun is handed to the kernel when anything on the thread waits, several at once;
 * peal_submit(0, 0) does so at once. The memory an operation names belongs to the kernel until the
 * pending is awaited or dropped: declare it before the pending, then it lives longer.
 *
 * A pending has exactly one owner and can be moved with TAKE. Dropping one that was not awaited
 * cancels its operation and waits for the end; a handle that it yielded is closed.
 *
 * Every thread and every task may use these. Awaiting in a task suspends the task; outside, the
 * thread waits, and its tasks run meanwhile.
 *
 * Context: any thread; a pending is used on the thread that began it.
 * Cost: see bench; await of something that has completed enters nothing.
 */
#pragma once
#include "peal/file.h"
#include "peal/thread.h"

struct peal_operation;

/* Nil when zero. */
typedef struct peal_pending {
    struct peal_operation *operation;
    status refusal; /* without an operation: why there is none */
} peal_pending;

/*
 * Begins any operation. `submission` is copied; its user data is not used. Never fails here: the
 * reason why nothing was begun is what peal_await gives.
 *
 *   INVALID_ARGUMENT     it has other flags than TIMEOUT and DRAIN, or is multishot: such belong
 *                        to programs that use the ring themselves
 *   OUT_OF_MEMORY        no record for it
 *   QUEUE_FULL           completions that nobody reaps fill the ring
 *   INTERRUPTED, TIMED_OUT   the task has been told to stop, see scope.h
 */
[[nodiscard]] peal_pending peal_begin(const struct abi_submission *submission);

/*
 * Waits for its end and gives what it gave; the pending is nil then. Of a nil one:
 * INVALID_ARGUMENT. When the task is told to stop, the operation is cancelled: INTERRUPTED, or
 * TIMED_OUT for a deadline; or its own result, when that was faster.
 */
size_result peal_await(peal_pending *pending);

/* True when peal_await would not wait. */
bool peal_is_done(const peal_pending *pending);

/*
 * Waits until one of them is done, and gives its index; it still has to be awaited. Nil ones are
 * passed over. When all are nil or the task has been told to stop: `count`.
 */
uint32_t peal_await_any(const peal_pending *pendings, uint32_t count);

/* Asks for its end: it still has to be awaited, and gives INTERRUPTED unless it was faster. */
void peal_cancel(const peal_pending *pending);

void peal_pending_drop(peal_pending *pending);

/* As the functions without _begin; what those give, peal_await gives. */
peal_pending peal_file_read_begin(file_ref file, span into);
peal_pending peal_file_write_begin(file_ref file, view from);
peal_pending peal_file_read_at_begin(file_ref file, span into, uint64_t offset_bytes);
peal_pending peal_file_write_at_begin(file_ref file, view from, uint64_t offset_bytes);
peal_pending peal_stream_read_begin(stream_ref stream, span into);
peal_pending peal_stream_write_begin(stream_ref stream, view from);
peal_pending peal_sleep_until_begin(uint64_t deadline_ns);
peal_pending peal_process_wait_begin(process_ref process, uint64_t deadline_ns,
                                     struct abi_exit *out_exit);
peal_pending peal_address_wait_begin(const uint32_t *word, uint32_t expected, uint64_t deadline_ns);
peal_pending peal_thread_join_begin(const running_thread *thread, uint64_t deadline_ns);
/* The path stays until it is awaited, and lies in registered memory. Await with peal_await_file. */
peal_pending peal_file_open_begin(directory_ref folder, text path, uint64_t rights);
file_result peal_await_file(peal_pending *pending);
