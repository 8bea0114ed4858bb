/*
 * Submissions as bytes: for tests that send what the native library never would.
 *
 * It uses the calling thread's own ring directly; nothing of the library may be in flight on that
 * thread.
 */
#pragma once
#include <abi/ops.h>
#include <abi/ring.h>
#include <abi/startup.h>

/* One submission, entered and waited for. Its user_data is replaced. */
struct abi_completion raw_call(struct abi_submission submission);

/* Publishes entries without entering; answers how many fitted into the submission queue. */
uint32_t raw_publish(const struct abi_submission *submissions, uint32_t count);
/* System call. */
uint64_t raw_enter(uint64_t wait_count, uint64_t deadline_ns);
/* Takes completions that wait, up to `capacity`. */
uint32_t raw_reap(struct abi_completion *completions, uint32_t capacity);
/* The calling thread's ring. */
struct abi_ring_header *raw_ring(void);

/* A page-aligned scratch buffer registered for reading and writing, and its index. */
struct raw_scratch {
    uint8_t *bytes;
    uint64_t size_bytes;
    uint64_t handle;
    uint32_t index;
};
/* Makes one of so many bytes (page multiple); ends the program when that fails. */
struct raw_scratch raw_scratch_make(uint64_t size_bytes);
/* The same buffer registered once more, with the access given; the index. */
uint32_t raw_register(uint64_t buffer_handle, uint32_t access);

/* Handles. 0 when refused. */
uint64_t raw_dup(uint64_t handle, uint64_t rights);
uint64_t raw_restrict(uint64_t handle, uint64_t rights);
/* True when it was one. */
bool raw_close(uint64_t handle);

static inline bool raw_is_ok(struct abi_completion completion)
{
    return completion.tag == ABI_RESULT_OK;
}
/* The status, 0 for success. */
static inline uint32_t raw_status(struct abi_completion completion)
{
    return completion.tag == ABI_RESULT_OK ? 0 : completion.error;
}
