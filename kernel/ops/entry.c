/*
 * The system calls, and what else ties rings to threads and processes.
 *
 * Every thread of a program has a ring: process.h makes, closes and destroys it through the hooks
 * installed here, because rings are above tasks.
 */
#include "arch/arch/cpu.h"
#include "arch/arch/trap.h"
#include "ipc/address_wait.h"
#include "ipc/channel.h"
#include "ipc/channel_transit.h"
#include "ipc/service.h"
#include "ops/direct.h"
#include "ops/dispatch.h"
#include "ops/ops_internal.h"
#include "ring/poller.h"
#include "ring/recorder.h"
#include "sched/scheduler.h"
#include "task/process.h"

static status make_ring(struct process *process, struct ring_options options, void **out_ring,
                        struct buffer **out_memory)
{
    struct ring_environment environment = {
        .handles = process_handles(process),
        .buffers = process_buffers(process),
        .process = process,
        .recorders = process_recorders(process),
        .served_ns = process_served_ns(process),
    };
    ring_result made =
        ring_create(&environment, process_quota(process), options.entries, options.flags);
    TRY(made.status);
    *out_ring = made.value;
    *out_memory = ring_memory(made.value);
    return OK;
}

static void start_ring(void *ring)
{
    ring_start(ring);
}

static void close_ring(void *ring)
{
    ring_close(ring);
}

static void destroy_ring(void *ring)
{
    ring_destroy(ring);
}

static void name_ring(void *ring, uint64_t thread)
{
    recorder_name(ring_recorder(ring), thread);
}

static uint64_t exit_current(uint64_t code, uint64_t what)
{
    if (what != ABI_EXIT_THREAD && what != ABI_EXIT_PROCESS) return STATUS_INVALID_ARGUMENT;
    process_exit_current((uint32_t)code, what == ABI_EXIT_PROCESS);
}

static uint64_t serve(uint64_t number, uint64_t argument0, uint64_t argument1)
{
    if (likely(number == ABI_SYSCALL_ENTER))
        return ring_enter(user_thread_ring(cpu_current_thread()->owner), argument0, argument1);
    switch (number) {
    case ABI_SYSCALL_YIELD:
        scheduler_yield();
        return STATUS_OK;
    case ABI_SYSCALL_EXIT:
        return exit_current(argument0, argument1);
    default:
        return STATUS_NOT_IMPLEMENTED;
    }
}

status ops_init(void)
{
    static const struct ring_hooks hooks = {
        .create = make_ring,
        .start = start_ring,
        .close = close_ring,
        .destroy = destroy_ring,
        .name = name_ring,
        .tell = trace_tell,
        .gone = channel_collect,
        .forget = recorder_forget,
    };
    address_wait_init();
    system_init();
    TRY(channel_init());
    TRY(service_init());
    TRY(direct_init());
    TRY(ring_init(dispatch_rows));
    ring_set_forwarder(service_forward);
    TRY(poller_init());
    process_set_ring_hooks(&hooks);
    trap_set_syscall(serve);
    return OK;
}
