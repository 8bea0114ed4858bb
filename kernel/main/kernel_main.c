/* The boot order, on one screen. */
#include "arch/arch/cpu.h"
#include "arch/arch/machine.h"
#include "arch/arch/timer.h"
#include "debug/assert.h"
#include "debug/log.h"
#include "debug/panic.h"
#include "debug/ubsan.h"
#include "main/boot_memory.h"
#include "main/command_line.h"
#include "main/deliberate.h"
#include "main/self_test.h"
#include "mm/heap.h"
#include "random/random.h"
#include "sched/scheduler.h"
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

static void describe_thread(struct text_writer *writer)
{
    const struct thread *thread = cpu_current_thread();
    text_format(writer, "%llu \"%s\"", (unsigned long long)thread->id, thread->name);
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
    boot_memory_init(&boot);
    machine_init_paging(&boot);
    heap_init();
    random_init(boot.random_seed, sizeof(boot.random_seed));
    machine_init_interrupts(&boot);
    clock_init(arch_real_time_seconds());
    log_set_clock(clock_now_ns);
    scheduler_init();
    panic_set_thread_describer(describe_thread);
    interrupts_restore(true);

    uint32_t wanted = (uint32_t)command_line_number(command_line, TEXT("cpus"), CPU_COUNT_MAX);
    uint32_t running = machine_start_processors(&boot, wanted, scheduler_start_processor);
    boot_memory_reclaim(&boot);
    boot_memory_report(&boot);
    log_line("boot", "%u processors", running);

    text kind;
    if (command_line_find(command_line, TEXT("panic"), &kind)) deliberate_panic(kind);
    if (command_line_is(command_line, TEXT("run"), TEXT("selftest"))) self_test();
    log_line("boot", "undefined behaviour reports: %llu", (unsigned long long)ubsan_reports());
    machine_power_off();
}
