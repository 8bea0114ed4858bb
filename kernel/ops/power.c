/*
 * The end of everything, in order: programs first, then what disks still hold back, then the power.
 *
 * Runs on a worker, because the program that asked is ended too. Its process is the one exception:
 * its ring waits for this very operation, which never completes.
 */
#include "arch/arch/cpu.h"
#include "debug/log.h"
#include "debug/ubsan.h"
#include "device/block_device.h"
#include "ops/ops.h"
#include "task/process.h"
#include <stdatomic.h>

static constexpr uint64_t PROCESSES_END_MS = 10000;

static _Atomic bool power_is_changing; /* set once, by whoever comes first */

static void flush_disks(void)
{
    for (uint32_t i = 0; i < block_device_count(); i++) {
        struct block_device *device = block_device_at(i);
        if (device->is_read_only || is_ok(block_flush(device))) continue;
        log_line("power", "%.*s: what was written last may be lost",
                 TEXT_ARGUMENTS(block_device_name(device)));
    }
}

static op_outcome change_power(struct op *op)
{
    uint64_t what = op->submission.args[0];
    /* Whoever comes second is ended by the first, in a moment. */
    if (atomic_exchange_explicit(&power_is_changing, true, memory_order_relaxed))
        return op_failed(FAIL(INTERRUPTED));
    log_line("power", "ending %u processes", process_count());
    if (!is_ok(process_end_all(op_process(op), deadline_in_ms(PROCESSES_END_MS))))
        log_line("power", "some processes did not end in time");
    flush_disks();
    if (ubsan_reports() > 0)
        log_line("power", "undefined behaviour was reported %llu times",
                 (unsigned long long)ubsan_reports());
    log_line("power", what == ABI_POWER_OFF ? "off" : "restart");
    if (what == ABI_POWER_OFF) machine_power_off();
    machine_reboot();
}

op_outcome op_system_power(struct op *op)
{
    if (op->submission.args[0] > ABI_POWER_REBOOT) return op_failed(FAIL(INVALID_ARGUMENT));
    return op_defer(op, change_power);
}
