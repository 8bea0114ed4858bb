/*
 * The inline parts of arch/arch/cpu.h for x86-64.
 *
 * The gs segment's base is this processor's struct cpu_local while the kernel runs; the two fields
 * read here are at fixed offsets in it, which arch/x86_64/cpu_local.h checks.
 */
#pragma once
#include <stdint.h>

#define DIRECT_MAP_BASE 0xffff'8000'0000'0000ull

#define RFLAGS_INTERRUPTS (1ull << 9)

struct thread;

static inline uint32_t cpu_index(void)
{
    uint32_t index;
    __asm__ volatile("movl %%gs:8, %0" : "=r"(index));
    return index;
}

static inline struct thread *cpu_current_thread(void)
{
    struct thread *thread;
    __asm__ volatile("movq %%gs:0, %0" : "=r"(thread));
    return thread;
}

static inline void cpu_set_current_thread(struct thread *thread)
{
    __asm__ volatile("movq %0, %%gs:0" : : "r"(thread) : "memory");
}

static inline bool interrupts_are_enabled(void)
{
    uint64_t flags;
    __asm__ volatile("pushfq; popq %0" : "=r"(flags) : : "memory");
    return (flags & RFLAGS_INTERRUPTS) != 0;
}

static inline bool interrupts_disable(void)
{
    uint64_t flags;
    __asm__ volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
    return (flags & RFLAGS_INTERRUPTS) != 0;
}

static inline void interrupts_restore(bool enabled)
{
    if (enabled) __asm__ volatile("sti" : : : "memory");
}

static inline void cpu_relax(void)
{
    __asm__ volatile("pause" : : : "memory");
}

static inline uint64_t cpu_ticks(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return ((uint64_t)high << 32) | low;
}
