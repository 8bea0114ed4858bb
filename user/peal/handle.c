#include "peal/handle.h"
#include "peal/call.h"
#include "peal/memory.h"

/*
 * A handle that cannot be closed is not ours any more, or lacks the right: nothing is left to do,
 * and the detail of a refusal that somebody is about to report must not get lost.
 */
void peal_raw_close(peal_raw_handle handle)
{
    struct peal_ring *ring = &peal_thread_self()->ring;
    uint32_t detail = ring->refusal_detail;
    ignore_status(
        peal_call(&(struct abi_submission){.op = ABI_OP_CLOSE, .capability = handle}).status);
    ring->refusal_detail = detail;
}

status peal_raw_close_telling(peal_raw_handle handle)
{
    return peal_call(&(struct abi_submission){.op = ABI_OP_CLOSE, .capability = handle}).status;
}

peal_raw_status peal_raw_dup(peal_raw_handle handle, uint64_t rights, peal_raw_handle *out_handle)
{
    return peal_call_yielding(
        &(struct abi_submission){.op = ABI_OP_DUP, .capability = handle, .args = {rights}},
        out_handle);
}

peal_raw_status peal_raw_restrict(peal_raw_handle handle, uint64_t rights,
                                  peal_raw_handle *out_handle)
{
    return peal_call_yielding(
        &(struct abi_submission){.op = ABI_OP_RESTRICT, .capability = handle, .args = {rights}},
        out_handle);
}

size_result peal_raw_revoke(peal_raw_handle handle)
{
    return peal_call(&(struct abi_submission){.op = ABI_OP_REVOKE, .capability = handle});
}

status peal_raw_stat(peal_raw_handle handle, struct abi_stat *out_stat)
{
    struct location where;
    *out_stat = (struct abi_stat){0};
    TRY(peal_locate_whole(out_stat, sizeof(*out_stat), ABI_ACCESS_WRITE, &where));
    return peal_call(&(struct abi_submission){.op = ABI_OP_STAT,
                                              .capability = handle,
                                              .buffer_index = where.buffer_index,
                                              .buffer_offset_bytes = where.offset_bytes,
                                              .length_bytes = where.length_bytes})
        .status;
}
