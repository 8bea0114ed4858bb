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
#include "fs/vfs/vfs.h"
#include "ops/ops.h"
#include "task/process.h"
#include <stdatomic.h>

static constexpr uint64_t PROCESSES_END_MS = 10000;
static constexpr uint64_t SYNC_MS = 30000;

static _Atomic bool power_is_changing; /* set once, by whoever comes first */

/* ---- what files hold back ---- */

static struct {
    spin_lock lock; /* LOCK_RANK_FILE */
    struct wait_queue waiter GUARDED_BY(lock);
    bool is_done GUARDED_BY(lock);
    struct work work;
} syncing = {.lock = SPIN_LOCK_INIT(LOCK_RANK_FILE), .waiter = {LIST_INIT(syncing.waiter.waiters)}};

static void sync_files(struct work *work)
{
    (void)work;
    vfs_sync_all();
    spin_acquire(&syncing.lock);
    syncing.is_done = true;
    wait_queue_wake_all(&syncing.waiter);
    spin_release(&syncing.lock);
}

/* A disk that answers no more keeps nobody from switching the machine off. Once. */
static void sync_files_for_a_while(void)
{
    deadline limit = deadline_in_ms(SYNC_MS);
    work_submit(work_queue_shared(), &syncing.work, sync_files);
    spin_acquire(&syncing.lock);
    while (!syncing.is_done && !deadline_passed(limit))
        ignore_status(wait_queue_sleep(&syncing.waiter, &syncing.lock, limit, false));
    bool is_done = syncing.is_done;
    spin_release(&syncing.lock);
    if (!is_done) log_line("power", "files could not be written in time");
}

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
    sync_files_for_a_while();
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
