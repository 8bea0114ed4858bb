/*
 * Waiting for a word of a buffer to change: the kernel half of every lock and condition in
 * programs.
 *
 * A wait is keyed by (buffer, offset), so it works between processes that share the buffer, at
 * whatever addresses. Waits stand in hashed buckets, in order of arrival. The word is compared
 * under the bucket's lock: a wake that follows a change of the word takes the same lock, so either
 * the comparison sees the change or the wake finds the wait. Deadlines are the waiter's own matter:
 * it cancels.
 *
 * Context: any. Locking: LOCK_RANK_ADDRESS_WAIT inside; `ended` is called without it.
 * Cost: a start is constant; wake and cancel look at the waits of one bucket.
 */
#pragma once
#include "base/list.h"
#include "vm/buffer.h"

struct address_wait {
    /* Set by the waiter. */
    struct buffer *buffer; /* borrowed: the waiter's pin keeps it */
    uint64_t offset;       /* 4-byte aligned, inside the buffer */
    /* Called once when a wake ends the wait, on the waker's processor and in its context. */
    void (*ended)(struct address_wait *wait);

    /* Guarded by the bucket's lock. */
    struct list link;
    bool is_waiting;
};

/* Boot. */
void address_wait_init(void);
/*
 * Starts waiting if the word holds `expected`.
 *   OK            `ended` will be called, unless cancelled
 *   WOULD_BLOCK   the word holds something else; nothing was started
 */
status address_wait_start(struct address_wait *wait, uint32_t expected);
/* True: taken back, `ended` was not and will not be called. False: it was or is being called. */
bool address_wait_cancel(struct address_wait *wait);
/* Ends up to `count` waits, the oldest first; answers how many. */
uint32_t address_wake(struct buffer *buffer, uint64_t offset, uint32_t count);
