/*
 * Pollers: kernel threads that accept what programs publish in rings made with ABI_RING_POLLER, so
 * that a busy program makes no system calls.
 *
 * There is one poller for two processors. Each serves many rings, in turns of a bounded number of
 * submissions. It is the submitter of its rings (accept.c): what an entry of the ring's thread
 * does elsewhere, it does here, at the priority of an ordinary program; its time is charged to the
 * process.
 *
 * Context:  task, no lock held. poller_enter and poller_detach: the ring's own thread; a poller
 *           must not wait for another.
 * Locking:  LOCK_RANK_POLLER and LOCK_RANK_RING inside, one after the other.
 * Cost:     poller_detach waits for the end of one turn.
 */
#pragma once
#include "ring/ring.h"

/* Boot, after the other processors run. OUT_OF_MEMORY */
status poller_init(void);

/* From here on the ring is served, if anything is published. The ring's doorbell is there. */
void poller_attach(struct ring *ring);
/* When it returns no poller touches the ring any more, and the caller is its submitter. */
void poller_detach(struct ring *ring);

/* ABI_SYSCALL_ENTER for a ring that is attached: as ring_enter, but it accepts nothing itself. */
uint64_t poller_enter(struct ring *ring, uint64_t wait_count, uint64_t deadline_ns);
