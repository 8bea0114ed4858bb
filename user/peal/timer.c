#include "peal/timer.h"
#include "peal/call.h"

peal_raw_status peal_raw_timer_create(struct timer_setting setting, peal_raw_handle *out_timer)
{
    return peal_call_yielding(
        &(struct abi_submission){.op = ABI_OP_TIMER_CREATE,
                                 .args = {setting.deadline_ns, setting.period_ns}},
        out_timer);
}

size_result peal_timer_wait(timer_ref timer)
{
    return peal_call(&(struct abi_submission){.op = ABI_OP_TIMER_WAIT, .capability = timer.raw});
}

status peal_timer_set(timer_ref timer, struct timer_setting setting)
{
    return peal_call(&(struct abi_submission){.op = ABI_OP_TIMER_SET,
                                              .capability = timer.raw,
                                              .args = {setting.deadline_ns, setting.period_ns}})
        .status;
}
