/* Between ring.c and what waits for completions in other ways than one at a time. */
#pragma once
#include "peal/ring.h"

/* Publishes what was pushed and enters the kernel, see ABI_SYSCALL_ENTER. */
uint64_t peal_ring_enter(struct peal_ring *ring, uint32_t unread_min, uint64_t deadline_ns);

/* Completions the kernel has written and this side has not passed, claimed ones included. */
static inline uint32_t peal_ring_unread(const struct peal_ring *ring)
{
    return load_acquire(&ring->header->completion_tail) - ring->completion_head;
}

/* Makes calls wait in place, whatever they did before. */
void peal_ring_block_calls(struct peal_ring *ring);

/* Tells the operation of the library's that has completed; await.c. */
void peal_operation_complete(const struct abi_completion *completion);
