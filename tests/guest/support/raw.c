/*
 * Submissions as bytes, over the ring the library keeps for the thread.
 */
#include "support/raw.h"
#include "peal/memory.h"
#include "peal/program.h"
#include "peal/ring.h"

struct abi_completion raw_call(struct abi_submission submission)
{
    struct abi_completion completion = {.tag = ABI_RESULT_ERROR, .error = ABI_STATUS_QUEUE_FULL};
    struct abi_submission *slot = peal_ring_slot();
    if (slot == nullptr) return completion;
    *slot = submission;
    slot->user_data = 0x7261772d63616c6c;
    peal_ring_push();
    size_result entered = peal_submit(1, ABI_DEADLINE_NEVER);
    if (!is_ok(entered.status)) completion.error = entered.status.code;
    if (peal_reap(&completion) && completion.user_data != 0x7261772d63616c6c) peal_exit(99);
    return completion;
}

struct abi_ring_header *raw_ring(void)
{
    return peal_thread_self()->ring.header;
}

uint64_t raw_enter(uint64_t wait_count, uint64_t deadline_ns)
{
    /* A completion that a call has taken out of order is not one that is unread. */
    struct peal_ring *ring = &peal_thread_self()->ring;
    if (ring->settle_count != 0) peal_ring_settle(ring);
    return peal_system_call(ABI_SYSCALL_ENTER, wait_count, deadline_ns);
}

uint32_t raw_publish(const struct abi_submission *submissions, uint32_t count)
{
    struct peal_ring *ring = &peal_thread_self()->ring;
    uint32_t published = 0;
    while (published < count) {
        struct abi_submission *slot = peal_ring_slot();
        if (slot == nullptr) break;
        *slot = submissions[published++];
        peal_ring_push();
    }
    __atomic_store_n(&ring->header->submission_tail, ring->submission_tail, __ATOMIC_RELEASE);
    return published;
}

uint32_t raw_reap(struct abi_completion *completions, uint32_t capacity)
{
    uint32_t count = 0;
    while (count < capacity && peal_reap(&completions[count]))
        count++;
    return count;
}

uint32_t raw_register(uint64_t buffer_handle, uint32_t access)
{
    struct abi_completion done = raw_call((struct abi_submission){
        .op = ABI_OP_BUFFER_REGISTER, .capability = buffer_handle, .op_flags = access});
    if (!raw_is_ok(done)) peal_exit(98);
    return (uint32_t)done.value;
}

struct raw_scratch raw_scratch_make(uint64_t size_bytes)
{
    struct raw_scratch scratch = {.size_bytes = size_bytes};
    struct abi_completion done =
        raw_call((struct abi_submission){.op = ABI_OP_BUFFER_CREATE, .args = {size_bytes}});
    if (!raw_is_ok(done)) peal_exit(97);
    scratch.handle = done.value;
    done = raw_call((struct abi_submission){.op = ABI_OP_BUFFER_MAP,
                                            .capability = scratch.handle,
                                            .op_flags = ABI_ACCESS_READ | ABI_ACCESS_WRITE,
                                            .args = {0, size_bytes}});
    if (!raw_is_ok(done)) peal_exit(96);
    scratch.bytes = (uint8_t *)(uintptr_t)done.value;
    scratch.index = raw_register(scratch.handle, ABI_ACCESS_READ | ABI_ACCESS_WRITE);
    return scratch;
}

uint64_t raw_dup(uint64_t handle, uint64_t rights)
{
    struct abi_completion done =
        raw_call((struct abi_submission){.op = ABI_OP_DUP, .capability = handle, .args = {rights}});
    return raw_is_ok(done) ? done.value : 0;
}

uint64_t raw_restrict(uint64_t handle, uint64_t rights)
{
    struct abi_completion done = raw_call(
        (struct abi_submission){.op = ABI_OP_RESTRICT, .capability = handle, .args = {rights}});
    return raw_is_ok(done) ? done.value : 0;
}

bool raw_close(uint64_t handle)
{
    return raw_is_ok(raw_call((struct abi_submission){.op = ABI_OP_CLOSE, .capability = handle}));
}
