/*
 * Channels: two ends, and messages of bytes and handles between them.
 *
 * An end is a kernel object. What is sent through one end is received through the other, in order:
 *
 *      end 0                                   end 1
 *        receives  <- - matched with - -  sends to 0, messages to 0
 *        sends to 1, messages to 1 - - - ->  receives
 *
 * Each end has three queues. `messages`: what the kernel holds for it, at most as many as the
 * channel was made for; their bytes are a copy, charged to the sender's quota until they are
 * received. `sends`: those that wait behind the messages, with the bytes still in the sender's
 * memory: because the queue is full, or the message is larger than ABI_MESSAGE_INLINE_BYTES_MAX,
 * or another such one is before it. `receives`: those that wait for a message. Sends and receives
 * wait in the order of their priority, then of their arrival. There is never a message and a
 * receive at the same time, save while one is being delivered.
 *
 * A send that finds a receive waiting copies straight from the sender's memory to the receiver's:
 * no allocation, no queue. A send that waits becomes a message when there is room, if it is small
 * and carries no handles; otherwise it ends when it has been received.
 *
 * A message is received whole or it stays: whatever refuses it on the receiver's side (no room in
 * the span, the handle table, the quota) leaves the queue as it was. A sender's handles leave its
 * table in one step, when its message becomes one of the queue's or has found its place at the
 * receiver; before that nothing of the sender's has changed. What is refused then is the send, and
 * the receive goes on waiting.
 *
 * The end of an end: its object's last reference is gone. What was sent to it is gone too, and
 * the handles in it are released; sends that wait for it answer BROKEN_PIPE; so do receives of the
 * other end when its queue is empty.
 *
 * An end may travel in a message of another channel; not of its own. Ends that nobody can reach any
 * more, because they are only in messages to one another, are found and ended: see
 * channel_transit.h.
 *
 * This module knows neither rings nor operations: a send or receive that waits is a struct in its
 * owner's memory, with functions to call.
 *
 * Context:  task, no spin lock held, unless a function says otherwise. Sleeps only for the mutex of
 *           channel_transit.h, when channel ends are in messages.
 * Locking:  LOCK_RANK_CHANNEL, one for both ends, inside each call. Nothing is copied to receivers,
 *           no memory of theirs and no slot of their tables is taken under it; `is_delivering`
 *           keeps the queue in place meanwhile.
 * Cost:     constant, plus copying; 64 deliveries at most in one call: a worker goes on.
 */
#pragma once
#include "cap/handle_table.h"
#include "sched/worker.h"
#include "vm/buffer_table.h"
#include <abi/ring.h>

struct channel_end;

/* Boot, after worker_init. OUT_OF_MEMORY */
status channel_init(void);

/* How a send or a receive ended; or CHANNEL_WAITS: its `ended` will be called. */
typedef struct [[nodiscard]] channel_outcome {
    uint32_t code;   /* enum status_code */
    uint32_t detail; /* OUT_OF_RANGE of a receive: what it needs, as ABI_NEEDED_... says; of a
                      * send: see capability_explain() */
    uint64_t value;  /* of a receive that is OK: bytes, and handles in the upper half */
} channel_outcome;
#define CHANNEL_WAITS 0xffffffffu

/* Whose handles and memory a message comes from or goes to. All borrowed, and there until the send
 * or receive has ended. */
struct channel_party {
    struct handle_table *handles;
    struct buffer_table *buffers;
    struct memory_quota *quota; /* pays for messages it has sent */
    uint64_t process;           /* number */
};

/* Where the struct abi_message_handle[] are: a claim, checked whenever it is used. */
struct channel_entries {
    uint64_t offset;
    uint32_t buffer_index;
    uint32_t count;
};

struct channel_send;
struct channel_send_type {
    /* Called once, if it waits; the send is the caller's again. No lock held. */
    void (*ended)(struct channel_send *send, channel_outcome outcome);
    /* OK, or why it has been cancelled while it was not in the queue. Under the channel's lock. */
    status (*cancel_reason)(const struct channel_send *send);
    struct channel_party (*party)(const struct channel_send *send);
};
/* A send. The caller fills the first part; the rest is the channel's. */
struct channel_send {
    const struct channel_send_type *type;
    const buffer_pin *bytes; /* stays as it is until the send has ended */
    struct channel_entries entries;
    uint8_t priority;
    bool may_wait;

    bool is_waiting;
    struct list link;
};

struct channel_receive;
struct channel_receive_type {
    /* As above. */
    void (*ended)(struct channel_receive *receive, channel_outcome outcome);
    status (*cancel_reason)(const struct channel_receive *receive);
    struct channel_party (*party)(const struct channel_receive *receive);
    /* Multishot: tells of one message. False: it could not, and the same outcome ends it. */
    bool (*tell)(struct channel_receive *receive, channel_outcome outcome);
    /*
     * nullptr: the message goes to the spans that the receive names. Otherwise finds a span for
     * `bytes`, in which the entries come first, and fills out_pin, which the caller then drops.
     *   WOULD_BLOCK    there is none now
     *   OUT_OF_RANGE   there is none so large
     */
    status (*take_place)(struct channel_receive *receive, uint64_t bytes, buffer_pin *out_pin);
    void (*give_place)(struct channel_receive *receive); /* it was not used after all */
};
/* A receive. */
struct channel_receive {
    const struct channel_receive_type *type;
    const buffer_pin *bytes; /* no buffer: no room for bytes */
    struct channel_entries entries;
    uint8_t priority;
    bool may_wait;
    bool is_multishot;

    bool is_waiting;
    struct list link;
};

/*
 * Two ends with room for `messages_max` messages each (1 .. ABI_CHANNEL_MESSAGES_MAX), one
 * reference each for the caller. Charged to the quota. OUT_OF_MEMORY, OUT_OF_RANGE
 */
status channel_create(struct memory_quota *quota, uint64_t messages_max,
                      struct object *out_ends[2]);
struct channel_end *channel_end_of(struct object *object); /* the kind has been checked */

/*
 * Sends to the other end. The caller's reference to `end` lasts until the send has ended.
 *
 *   BROKEN_PIPE        the other end is gone
 *   WOULD_BLOCK        it would have to wait, and must not
 *   OUT_OF_RANGE       more bytes or handles than a message may have, or the entries' span
 *   OUT_OF_MEMORY      the quota or the machine has none for the message
 *   INVALID_ARGUMENT   a handle twice, an end of this very channel, an unknown flag
 *   INVALID_CAPABILITY, CAPABILITY_REVOKED, INSUFFICIENT_RIGHTS
 *                      of a handle in the message: it needs RIGHT_TRANSFER, and RIGHT_DUP for a
 * copy BUFFER_NOT_REGISTERED, INVALID_BUFFER_INDEX, PERMISSION_DENIED   the entries' span
 */
channel_outcome channel_send(struct channel_end *end, struct channel_send *send);
/*
 * Receives what was sent to `end`.
 *
 *   BROKEN_PIPE        there is no message, and the other end is gone
 *   WOULD_BLOCK        there is no message, or another receive is taking one right now
 *   OUT_OF_RANGE       it does not fit; `detail` says what it needs
 *   OUT_OF_MEMORY, QUOTA_EXCEEDED, BUFFER_NOT_REGISTERED, INVALID_BUFFER_INDEX, PERMISSION_DENIED
 * Whatever it is, the message stays.
 */
channel_outcome channel_receive(struct channel_end *end, struct channel_receive *receive);

/* True: taken back, `ended` was not and will not be called. False: it was or is being called. Any
 * context. */
bool channel_send_cancel(struct channel_end *end, struct channel_send *send);
bool channel_receive_cancel(struct channel_end *end, struct channel_receive *receive);

/* Messages that wait to be received from this end, those still with their senders included. */
uint64_t channel_waiting_count(struct channel_end *end);
