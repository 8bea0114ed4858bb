/*
 * Forgetting stale translations on every processor that may hold them.
 *
 * Context: task, interrupts on, no spin lock held: it waits for the other processors to answer.
 */
#pragma once
#include <stdint.h>

/* One bit per processor. */
typedef struct cpu_set {
    uint64_t bits;
} cpu_set;

/* Above this many pages the whole TLB is flushed. */
#define TLB_FLUSH_PAGES_MAX 32u

/* Flushes address..+length on the processors in the set (the caller's own included when its bit is
 * set). */
void tlb_flush(cpu_set cpus, uint64_t address, uint64_t length);
