/*
 * The processor, as the rest of the kernel sees it.
 *
 * arch/x86_64 and arch/host implement it. Which implementation is used is the build's choice: the
 * inline parts come from "arch/arch/cpu_inline.h", found on the implementation's include path.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define CPU_COUNT_MAX 64u

struct thread;

/*
 * Inline, in cpu_inline.h:
 *
 *   uint32_t cpu_index(void)                 0..cpu_count()-1; stable while interrupts are off
 *   struct thread *cpu_current_thread(void)  what runs here; nullptr early in boot
 *   void cpu_set_current_thread(struct thread *)
 *   bool interrupts_disable(void)            returns whether they were enabled
 *   void interrupts_restore(bool enabled)
 *   bool interrupts_are_enabled(void)
 *   void cpu_relax(void)                     in a bounded spin
 *   uint64_t cpu_ticks(void)                 the time stamp counter
 */
#include "arch/arch/cpu_inline.h"

/* Processors that run. Changes only during boot. */
uint32_t cpu_count(void);

/* Waits for an interrupt: enables interrupts and halts as one step, returns with them disabled.
 * Answers cpu_ticks() as of when the interrupt came, before it was handled. */
uint64_t cpu_wait_for_interrupt(void);

/* Asks processor `index` to look at its run queue soon (reschedule interrupt). Any context. */
void cpu_kick(uint32_t index);

/* Hardware random bits, mixed from what the processor has. True when all of *out came from RDRAND
 * or RDSEED. */
bool cpu_random(uint64_t *out);

/* Stops the machine. Order: power_off/reboot try ACPI and firmware means and fall back to halting.
 */
[[noreturn]] void machine_power_off(void);
[[noreturn]] void machine_reboot(void);
/* Ends QEMU with status 2*code+1 when the test device is there; otherwise halts. */
[[noreturn]] void machine_test_exit(uint8_t code);
