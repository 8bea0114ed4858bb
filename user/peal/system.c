#include "peal/system.h"
#include "peal/call.h"
#include "peal/memory.h"

peal_raw_status peal_raw_process_open(system_ref system, uint64_t id, uint64_t rights,
                                      peal_raw_handle *out_process)
{
    return peal_call_yielding(&(struct abi_submission){.op = ABI_OP_PROCESS_OPEN,
                                                       .capability = system.raw,
                                                       .args = {id, rights}},
                              out_process);
}

status peal_system_power(system_ref system, uint64_t action)
{
    return peal_call(&(struct abi_submission){
                         .op = ABI_OP_SYSTEM_POWER, .capability = system.raw, .args = {action}})
        .status;
}

status peal_random(span into)
{
    uint8_t *at = into.bytes;
    while (into.length > 0) {
        struct location where;
        TRY(peal_locate(at, into.length, ABI_ACCESS_WRITE, &where));
        size_result filled =
            peal_call(&(struct abi_submission){.op = ABI_OP_RANDOM,
                                               .buffer_index = where.buffer_index,
                                               .buffer_offset_bytes = where.offset_bytes,
                                               .length_bytes = where.length_bytes});
        TRY(filled.status);
        if (filled.value == 0 || filled.value > into.length) return FAIL(IO_ERROR);
        at += filled.value;
        into.length -= filled.value;
    }
    return OK;
}
