/*
 * More ways to wait for each other: once, and semaphores. As in mutex.h: nil when zero, between
 * tasks and threads of one process, no kernel entry unless a thread has to sleep or be woken.
 *
 * Context: any thread, in tasks and outside.
 */
#pragma once
#include "peal/mutex.h"

/* Something that is done the first time only. */
struct once {
    uint32_t state; /* 0 not done, 1 being done, 2 being done and waited for, 3 done */
};

/*
 * Runs `initialise(argument)` if nobody has yet; otherwise waits until that has returned. All it
 * did is seen afterwards. It must not come back here with the same `once`.
 */
void once_run(struct once *once, void (*initialise)(void *argument), void *argument);

/* A count of what there is, that one may wait for. */
struct semaphore {
    uint32_t count; /* the initial value is the program's */
    uint32_t waiters;
};

/* Takes one, waiting while there is none. INTERRUPTED, TIMED_OUT: told to stop, took none */
status semaphore_take(struct semaphore *semaphore);
/* False when there is none. */
bool semaphore_take_try(struct semaphore *semaphore);
/* Gives `count`, whether they were taken before or are new. */
void semaphore_give(struct semaphore *semaphore, uint32_t count);
