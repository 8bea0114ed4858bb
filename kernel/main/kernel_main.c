/*
 * The boot order, on one screen.
 *
 * The boot processor runs from kernel_main() to the first process; from scheduler_init() on as an
 * ordinary thread, which ends when that process runs. What is started stands above whatever needs
 * it.
 */
#include "arch/arch/cpu.h"
#include "arch/arch/machine.h"
#include "arch/arch/timer.h"
#include "cap/capability.h"
#include "debug/assert.h"
#include "debug/log.h"
#include "debug/panic.h"
#include "device/console.h"
#include "device/device_init.h"
#include "drivers/bus/pci.h"
#include "fs/vfs/page_cache.h"
#include "fs/vfs/vfs.h"
#include "main/boot_memory.h"
#include "main/command_line.h"
#include "main/deliberate.h"
#include "main/fault_injection.h"
#include "main/first.h"
#include "main/mount.h"
#include "main/self_test.h"
#include "mm/direct_map.h"
#include "mm/heap.h"
#include "ops/ops.h"
#include "random/random.h"
#include "sched/scheduler.h"
#include "sched/worker.h"
#include "task/process.h"
#include "time/clock.h"

[[noreturn]] void kernel_main(const struct boot_info *handed_over);

/* A copy: the loader's memory goes to the frame pool. */
static struct boot_info boot;

static bool is_understood(const struct boot_info *info)
{
    return info->magic == BOOT_INFO_MAGIC && info->version == BOOT_INFO_VERSION &&
           info->size_bytes == sizeof(*info) &&
           info->command_line_bytes <= BOOT_COMMAND_LINE_BYTES_MAX &&
           info->memory_ranges_count <= BOOT_MEMORY_RANGES_MAX;
}

static void install_describer(void)
{
    static const struct panic_thread_describer describer = {
        .name = trace_describe_thread,
        .history = trace_describe_ring,
        .find = scheduler_running,
    };
    panic_set_thread_describer(&describer);
}

/* Nothing works without these, and at boot there is memory for them or none at all. */
static void need(status started, const char *what)
{
    if (!is_ok(started)) panic("%s cannot start: status %u", what, started.code);
}

static void start_processors(text command_line)
{
    uint32_t wanted = (uint32_t)command_line_number(command_line, TEXT("cpus"), CPU_COUNT_MAX);
    uint32_t running = machine_start_processors(&boot, wanted, scheduler_start_processor);
    boot_memory_reclaim();
    boot_memory_report(&boot);
    log_line("boot", "%u processor%s", running, running == 1 ? "" : "s");
}

static void start_devices(text command_line)
{
    if (command_line_has(command_line, TEXT("nomsix"))) pci_forbid_messages();
    device_init_serial();
    device_init_display(&boot.framebuffer);
    device_init_input();
    device_init_bus();
    device_init_block();
}

[[noreturn]] void kernel_main(const struct boot_info *handed_over)
{
    machine_init_early_log();
    if (!is_understood(handed_over)) panic("the loader is of another version");
    boot = *handed_over;
    text command_line = {(const char *)boot.command_line, boot.command_line_bytes};
    panic_set_test_mode(command_line_has(command_line, TEXT("run")));
    log_line("boot", "Peal, command line: %.*s", TEXT_ARGUMENTS(command_line));

    machine_init_early(&boot);
    random_init(boot.random_seed, sizeof(boot.random_seed));
    boot_memory_init(&boot);
    machine_init_paging(&boot);
    heap_init();
    machine_init_interrupts(&boot);
    clock_init(arch_real_time_seconds());
    log_set_clock(clock_now_ns);

    scheduler_init();
    install_describer();
    interrupts_restore(true);
    start_processors(command_line);
    need(worker_init(), "workers");
    need(capability_init(), "capabilities");
    if (command_line_has(command_line, TEXT("selftest"))) self_test();

    console_init();
    need(vfs_init(), "the file systems");
    need(page_cache_start(), "the page cache");
    need(process_init(), "processes");
    need(ops_init(), "operations");
    start_devices(command_line);
    text kind;
    if (command_line_find(command_line, TEXT("panic"), &kind)) deliberate_panic(kind);
    mount_all(direct_map(physical_at(boot.archive_physical)), boot.archive_bytes);
    fault_injection_init(command_line);
    start_first(command_line, clock_ticks_to_ns(cpu_ticks() - boot.entry_ticks));
    thread_exit();
}
