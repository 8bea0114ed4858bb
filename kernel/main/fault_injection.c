#include "main/fault_injection.h"
#include "arch/arch/cpu.h"
#include "debug/log.h"
#include "main/command_line.h"
#include "mm/heap.h"
#include "task/process.h"
#include <stdatomic.h>

/* init, and the test runner or shell. */
static constexpr uint64_t SPARED_PROCESSES = 2;

static uint64_t one_in;              /* fixed at boot */
static _Atomic uint64_t asked_count; /* relaxed: only its value matters, to nobody in particular */

static bool may_proceed(void)
{
    if (cpu_current_thread() == nullptr) return true;
    const struct process *process = process_current();
    if (process == nullptr || process_id(process) <= SPARED_PROCESSES) return true;
    return atomic_fetch_add_explicit(&asked_count, 1, memory_order_relaxed) % one_in != one_in - 1;
}

void fault_injection_init(text command_line)
{
    one_in = command_line_number(command_line, TEXT("fail_one_in"), 0);
    if (one_in == 0) return;
    log_line("memory", "one allocation in %llu for programs fails on purpose",
             (unsigned long long)one_in);
    memory_fault_hook = may_proceed;
}
