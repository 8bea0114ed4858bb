/*
 * The processor, played by an ordinary process: each thread of the process is one processor.
 *
 * "Interrupts" are a flag per thread that nothing ever interrupts; what depends on it can be
 * checked. Context: any.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct thread;

/* Frames are at their own addresses. */
#define DIRECT_MAP_BASE 0ull

extern thread_local bool host_interrupts_enabled;
extern thread_local struct thread *host_current_thread;

/* The lowest number no other living thread has; claimed at the first call. */
uint32_t host_cpu_index(void);

static inline uint32_t cpu_index(void)
{
    return host_cpu_index();
}

static inline struct thread *cpu_current_thread(void)
{
    return host_current_thread;
}

static inline void cpu_set_current_thread(struct thread *thread)
{
    host_current_thread = thread;
}

static inline bool interrupts_disable(void)
{
    bool were_enabled = host_interrupts_enabled;
    host_interrupts_enabled = false;
    return were_enabled;
}

static inline void interrupts_restore(bool enabled)
{
    host_interrupts_enabled = enabled;
}

static inline bool interrupts_are_enabled(void)
{
    return host_interrupts_enabled;
}

static inline void cpu_relax(void)
{
    __asm__ volatile("pause");
}

/* Nanoseconds, unless a test has stopped the clock: host.h. */
uint64_t host_ticks(void);

static inline uint64_t cpu_ticks(void)
{
    return host_ticks();
}
