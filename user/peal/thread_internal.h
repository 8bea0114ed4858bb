/* Between thread.c and start-up. */
#pragma once
#include "peal/ring.h"

/* Where a thread made by peal_thread_create begins. */
void peal_thread_entry(void);
[[noreturn, gnu::used]] void peal_thread_begin(struct peal_thread *self,
                                               struct abi_ring_header *ring, uint64_t thread_id);
