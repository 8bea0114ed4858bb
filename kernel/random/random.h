/*
 * Random numbers that an attacker cannot predict.
 *
 * ChaCha20 (RFC 8439, section 2.3) with fast key erasure: each request runs on a key that is
 * replaced before it returns, so that what was given out cannot be computed from what is in memory
 * later. Seeded from the loader and RDRAND/RDSEED; stirred with more as interrupts arrive.
 *
 * Context: any after random_init; never sleeps. Locking: LOCK_RANK_RANDOM inside; per-processor
 * pools for random_number(), so that the common case takes no shared lock.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Boot processor, once. The seed's bytes are mixed with hardware randomness and may be public. */
void random_init(const uint8_t *seed, size_t length);
void random_fill(void *where, size_t length);
uint64_t random_number(void);
/* Adds what an outsider cannot know exactly, such as when an interrupt came. Cheap. */
void random_stir(uint64_t observation);
