/*
 * Waiting for a word of a buffer to change: the kernel half of every lock and condition in programs.
 *
 * A wait is keyed by (buffer, offset), so it works between processes that share the buffer, at whatever addresses. Waits stand in
 * hashed buckets, in order of arrival. The word is compared under the bucket's lock, so that a wake after the change is not lost.
 *
 * Context: any for wake and cancel; task for start. Locking: LOCK_RANK_ADDRESS_WAIT inside; `ended` is called without it.
 */
#pragma once
#include "base/list.h"
#include "sync/spin_lock.h"
#include "time/timer_queue.h"
#include "vm/buffer.h"

struct address_wait {
    struct list link;
    struct buffer *buffer; /* borrowed: the waiter's pin keeps it */
    uint64_t offset;
    struct timer timer;
    /* Called once, when woken or timed out: outcome OK or TIMED_OUT. May run in interrupt context. */
    void (*ended)(struct address_wait *wait, status outcome);
};

void address_wait_init(void);
/*
 * Starts waiting while the word holds `expected`.
 *   OK            `ended` will be called, unless cancelled
 *   WOULD_BLOCK   the word holds something else; nothing was started
 *   OUT_OF_MEMORY the word's page could not be made
 */
status address_wait_start(struct address_wait *wait, uint32_t expected, deadline limit);
/* True: taken back, `ended` was not and will not be called. False: it was or is being called. */
bool address_wait_cancel(struct address_wait *wait);
/* Ends up to `count` waits; answers how many. */
uint32_t address_wake(struct buffer *buffer, uint64_t offset, uint32_t count);
