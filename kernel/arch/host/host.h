/*
 * What tests may ask of the host's stand-in for the machine.
 *
 * heap_take and slab_take are malloc on the host, so that the sanitizers see every object of every
 * module; memory_fault_hook is the test harness's. Physical memory is the real frame pool over
 * memory of the process, after host_memory_init().
 */
#pragma once
#include <stdint.h>

/* Gives the frame pool some memory, the first time it is called in a process. */
void host_memory_init(void);

/* What a processor's timer was told last. */
struct host_timer {
    uint64_t armed_ns; /* what arch_timer_arm was told last */
    bool is_armed;
};
/* The calling thread's. */
extern thread_local struct host_timer host_timer;

/* Zero: time passes. Otherwise every processor's tick counter, a tick being a nanosecond, stands at
 * this. */
extern _Atomic uint64_t host_stopped_ticks;

/* One bit per processor that cpu_kick() has named since the caller cleared it. */
extern _Atomic uint64_t host_kicked;

/* How often tlb_flush() was called. */
extern _Atomic uint64_t host_flushes;
