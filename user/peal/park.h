/*
 * Waiting for each other within a process, without the kernel where it can be: what mutex.h and
 * sync.h are made of.
 *
 * A flow, task or thread, parks on a word and is woken through it by another of the same process,
 * wherever that runs. Tasks of one thread wake each other without entering the kernel. A parked
 * task takes no slot of the ring, so any number can be.
 *
 * Words in memory shared with other processes are for peal_address_wait (mutex.h).
 *
 * Context: any thread, in tasks and outside.
 */
#pragma once
#include "peal/status.h"

/*
 * Waits for a wake on the word, unless it does not hold `expected`: looking and beginning to wait
 * are one step for whoever wakes after changing it.
 *
 *   WOULD_BLOCK   it does not hold `expected`
 *   INTERRUPTED, TIMED_OUT   with `may_stop`: the task was told to stop, see scope.h
 */
status peal_park(const uint32_t *word, uint32_t expected, bool may_stop);

/* Ends up to `count` waits on the word, the oldest first; how many. Change the word before. */
uint32_t peal_unpark(const uint32_t *word, uint32_t count);
