/*
 * What one processor has for itself. The gs base points here while the kernel runs.
 *
 * Context: fields are the owning processor's, with interrupts off, unless a comment says otherwise.
 * Assembly reads the first part through the offsets below.
 */
#pragma once

#define CPU_LOCAL_THREAD       0
#define CPU_LOCAL_INDEX        8
#define CPU_LOCAL_KERNEL_STACK 16
#define CPU_LOCAL_USER_STACK   24

/* Selectors. SYSRET wants user data just below user code. */
#define SELECTOR_KERNEL_CODE 0x08
#define SELECTOR_KERNEL_DATA 0x10
#define SELECTOR_USER_DATA   0x1b
#define SELECTOR_USER_CODE   0x23
#define SELECTOR_TSS         0x28

#ifndef __ASSEMBLER__
#include "arch/arch/cpu.h"
#include "arch/arch/trap.h"
#include "base/annotations.h"
#include <stdatomic.h>
#include <stddef.h>

/* Intel SDM vol. 3A, 8.7, figure 8-11. */
struct [[gnu::packed]] task_state {
    uint32_t reserved0;
    uint64_t privileged_stacks[3];
    uint64_t reserved1;
    uint64_t interrupt_stacks[7];
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map_base;
};
static_assert(sizeof(struct task_state) == 104, "hardware layout");

enum interrupt_stack : uint8_t {
    INTERRUPT_STACK_NONE = 0,
    INTERRUPT_STACK_NMI = 1,
    INTERRUPT_STACK_DOUBLE_FAULT = 2,
    INTERRUPT_STACK_MACHINE_CHECK = 3,
    INTERRUPT_STACK_COUNT = 3,
};

struct cpu_local {
    struct thread *thread;
    uint32_t index;
    uint32_t apic_id;
    void *kernel_stack;  /* where system calls from user mode start */
    uint64_t user_stack; /* the system call entry's scratch */

    uint64_t woken_ticks;           /* of the first interrupt since it was cleared */
    const struct trap_frame *frame; /* of the trap being handled, nullptr outside; for panics */

    /* Atomic: bit i is set when processor i asks this one to flush. See tlb.c. */
    CACHE_ALIGNED _Atomic uint64_t flush_requests;
    /* Atomic: written by the processor when it runs; acquire before sending it anything. */
    _Atomic bool is_running;
    _Atomic bool is_stopped; /* for good, by a panic elsewhere */

    uint64_t segments[7]; /* GDT: null, four flat segments, two halves of the TSS descriptor */
    struct task_state task;
    void *interrupt_stacks[INTERRUPT_STACK_COUNT]; /* tops */
} CACHE_ALIGNED;
static_assert(offsetof(struct cpu_local, thread) == CPU_LOCAL_THREAD, "trap_entry.S, cpu_inline.h");
static_assert(offsetof(struct cpu_local, index) == CPU_LOCAL_INDEX, "cpu_inline.h");
static_assert(offsetof(struct cpu_local, kernel_stack) == CPU_LOCAL_KERNEL_STACK, "trap_entry.S");
static_assert(offsetof(struct cpu_local, user_stack) == CPU_LOCAL_USER_STACK, "trap_entry.S");

extern struct cpu_local cpu_locals[CPU_COUNT_MAX];

static inline struct cpu_local *cpu_local(void)
{
    return &cpu_locals[cpu_index()];
}
#endif
