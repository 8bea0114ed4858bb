/*
 * What the files of a channel share.
 *
 *   channel.c           the ends, their queues, who meets whom
 *   channel_message.c   messages: made from a send, carried to a receive
 *   channel_transit.c   ends that are in messages, and how those that nobody can reach are found
 */
#pragma once
#include "ipc/channel.h"
#include "sched/mutex.h"

#define CHANNEL_PRIORITIES (ABI_PRIORITY_MAX + 1)

/* Sends or receives that wait: a list for each priority, and a bit for each list with somebody. */
struct channel_waits {
    struct list lists[CHANNEL_PRIORITIES];
    uint32_t present;
    uint32_t count;
};

struct channel_end {
    struct object object;

    /* Fixed at creation. */
    struct channel *channel;
    uint32_t index; /* in the channel's ends */

    /* Guarded by the channel's lock. */
    bool is_closed;      /* its last reference is gone */
    bool is_delivering;  /* somebody carries the first message to a receive: hands off the queue */
    bool is_pump_queued; /* `pump` is, and has a reference */
    uint32_t messages_count;
    struct list messages; /* struct channel_message */
    struct channel_waits sends;
    struct channel_waits receives;
    struct work pump;

    /* Guarded by channel_transit_mutex. */
    struct list parcels_of;   /* struct channel_parcel that carry this end */
    struct list parcels_here; /* those, of any end, that are in messages to this one */
    struct list transit_link; /* among the ends with parcels_of */
    struct list mark_link;    /* while a collection runs */
    bool is_reachable;
};

struct channel {
    /* Fixed at creation. */
    struct memory_quota *quota; /* counted; nullptr: the kernel's */
    uint32_t messages_max;

    spin_lock lock; /* LOCK_RANK_CHANNEL */
    uint32_t
        ends_count GUARDED_BY(lock); /* that are not destroyed; the last takes the channel along */
    struct channel_end ends[2];
};

/* A handle in a message. */
struct channel_parcel {
    struct capability *capability; /* held by the message from its commit on, see below */
    struct channel_end
        *end; /* what it refers to, if that is an end; nullptr, too, once it is gone */
    /* While it is in a queue, of an end; guarded by channel_transit_mutex. */
    struct channel_end *where; /* whose queue */
    struct list of_link;
    struct list here_link;
};

/*
 * What leaves a sender's table when its message is accepted. Until then the capability of a handle
 * that moves as it is stands in the parcel and is only used, not held; one that is copied or loses
 * rights has a child there, which the message holds from the start.
 */
struct channel_departure {
    struct {
        uint64_t handle;
        struct capability *capability; /* used; nullptr: a copy, its handle stays */
        bool has_child;
    } moves[ABI_MESSAGE_HANDLES_MAX];
    uint32_t count;
    bool is_committed;
};

struct channel_message {
    struct list link;           /* in an end's messages */
    struct memory_quota *quota; /* counted; nullptr: the kernel's */
    uint32_t charged_bytes;
    uint32_t length;
    uint32_t parcels_count;
    uint32_t ends_count; /* of the parcels: channel ends */
    uint8_t *bytes;      /* behind the parcels */
    struct channel_parcel parcels[];
};

/* Something on its way to a receive. */
struct channel_load {
    struct channel_send *send;           /* the bytes are in its memory; nullptr: in the message */
    struct channel_message *message;     /* nullptr: no handles */
    struct channel_departure *departure; /* of a message that is still its sender's */
};

static inline uint64_t channel_load_length(const struct channel_load *load)
{
    return load->send != nullptr ? load->send->bytes->length : load->message->length;
}

/* ---- channel_message.c ---- */

/* With the bytes of a send that carries no handles. nullptr: no memory, or no quota. Any context.
 */
struct channel_message *channel_message_of_bytes(const struct channel_send *send);
/*
 * With the handles of a send that carries some, checked, and room for `bytes`. Nothing has left the
 * sender's table yet: the caller goes on with channel_message_commit(), or does not, and then with
 * channel_message_settle(). Its errors are those of channel_send().
 */
channel_outcome channel_message_of_handles(const struct channel_send *send,
                                           const struct channel *channel, uint64_t bytes,
                                           struct channel_departure *departure,
                                           struct channel_message **out_message);
/* The sender's handles leave its table, all at once; false: one of them has left already, and
 * nothing has changed. Any context. */
bool channel_message_commit(const struct channel_send *send, struct channel_departure *departure);
/*
 * Lets go of what was used of the sender's. `message` is destroyed, unless it is nullptr: then it
 * has been accepted, and is somebody else's.
 */
void channel_message_settle(struct channel_departure *departure,
                            CONSUMED struct channel_message *message);
/* Ends the message with all it holds. Not in a queue, its parcels not in transit. */
void channel_message_destroy(CONSUMED struct channel_message *message);

enum channel_carried : uint8_t {
    CHANNEL_CARRIED,
    CHANNEL_RECEIVER_REFUSED, /* the load is as it was */
    CHANNEL_SENDER_REFUSED,   /* the receive is as it was */
};
/* Moves a load to where the receive wants it. Nobody else touches either meanwhile. `out_outcome`
 * is that of whoever refused; otherwise the receive's. */
enum channel_carried channel_carry(const struct channel_load *load, struct channel_receive *receive,
                                   channel_outcome *out_outcome);

static inline channel_outcome channel_ended(uint32_t code)
{
    return (channel_outcome){.code = code};
}

/* ---- channel_transit.c ---- */

extern mutex channel_transit_mutex; /* LOCK_RANK_CHANNEL_TRANSIT */

void channel_transit_init(void);
/* The message has been put into the queue of `where`, under this very hold of the mutex. */
void channel_transit_enter(struct channel_message *message, struct channel_end *where)
    REQUIRES(channel_transit_mutex);
/* It is going to leave it. */
void channel_transit_leave(struct channel_message *message);
/* The end is being destroyed: parcels that still name it (they were revoked) forget it. */
void channel_transit_end_gone(struct channel_end *end);

/* ---- channel.c ---- */

/* Whether it is an end: a server may have made objects of that kind, too. */
bool channel_is_end(const struct object *object);

/* Takes every message out of the end's queue and destroys it. */
void channel_end_purge(struct channel_end *end);
