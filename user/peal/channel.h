/*
 * Channels: messages of bytes and handles between two ends, wherever those are.
 *
 *     OWNED(channel_pair) pair = {0};
 *     TRY(peal_channel_create(&pair, 0));
 *     ... grant pair.ends[1] to a program that is started, or send it to one that runs ...
 *
 *     TRY(peal_channel_send(channel_borrow(&pair.ends[0]), VIEW_OF(request)));
 *
 *     OWNED(channel_message) answer = {.bytes = SPAN_OF(reply)};
 *     TRY(peal_channel_receive(channel_borrow(&pair.ends[0]), &answer));
 *     OWNED(file_handle) file = channel_message_take_file(&answer, 0);
 *
 * A message arrives whole, once and in order. Up to ABI_MESSAGE_INLINE_BYTES_MAX bytes are copied:
 * the sender goes on at once, unless the queue is full. For more, up to ABI_MESSAGE_BYTES_MAX, it
 * waits until they have been received. Still larger things go in a buffer whose handle is sent.
 *
 * When every handle to one end is gone, the other end receives what is left, and then BROKEN_PIPE.
 *
 * Context: any thread; sleeps as said. Bytes must lie in registered memory (memory.h): anything of
 * the program's own but constants on pages that are not.
 */
#pragma once
#include "peal/handle.h"
#include "peal/text.h"

/* What the granter of an end keeps or gives. */
#define RIGHTS_CHANNEL \
    (ABI_RIGHT_READ | ABI_RIGHT_WRITE | ABI_RIGHT_CLOSE | ABI_RIGHT_STAT | ABI_RIGHT_TRANSFER)

typedef struct channel_pair {
    channel_handle ends[2];
} channel_pair;
static inline void channel_pair_drop(channel_pair *pair)
{
    channel_handle_drop(&pair->ends[0]);
    channel_handle_drop(&pair->ends[1]);
}
/*
 * Both ends, with room for `messages_max` messages each (0: ABI_CHANNEL_MESSAGES_DEFAULT).
 *   OUT_OF_RANGE (more than ABI_CHANNEL_MESSAGES_MAX), OUT_OF_MEMORY, QUOTA_EXCEEDED
 */
status peal_channel_create(channel_pair *out_pair, uint32_t messages_max);

/*
 * A handle to send along, any kind:
 *
 *     PEAL_MOVE(&file, rights)            the owned variable `file`; nil once it has been sent
 *     PEAL_COPY(file_ref, rights)         stays; needs RIGHT_DUP too. Revoking it revokes the copy
 *
 * Both need RIGHT_TRANSFER; the receiver has those of its rights that are also in `rights`.
 */
struct peal_parcel {
    peal_raw_handle *moved; /* nullptr: a copy */
    peal_raw_handle copied;
    uint64_t rights;
};
#define PEAL_MOVE(owned_handle, kept_rights) \
    ((struct peal_parcel){.moved = &(owned_handle)->raw, .rights = (kept_rights)})
#define PEAL_COPY(ref, kept_rights) \
    ((struct peal_parcel){.copied = (ref).raw, .rights = (kept_rights)})

/*
 * Sends the bytes, and the handles in one step with them: all or nothing. Waits while the queue is
 * full.
 *
 *   BROKEN_PIPE          the other end is gone
 *   OUT_OF_RANGE         too many bytes or handles
 *   OUT_OF_MEMORY        this process's quota: it pays until the message is received
 *   INVALID_ARGUMENT     a handle twice, or an end of this very channel
 *   INVALID_CAPABILITY, CAPABILITY_REVOKED, INSUFFICIENT_RIGHTS   of a handle in the message
 */
status peal_channel_send_with(channel_ref channel, view bytes, const struct peal_parcel *parcels,
                              uint32_t parcels_count);
static inline status peal_channel_send(channel_ref channel, view bytes)
{
    return peal_channel_send_with(channel, bytes, nullptr, 0);
}
/* As above; WOULD_BLOCK when it would have to wait. */
status peal_channel_send_try(channel_ref channel, view bytes, const struct peal_parcel *parcels,
                             uint32_t parcels_count);

/* Handles of one message that a receiver without an array of its own can take. */
#define PEAL_MESSAGE_HANDLES 4u

/*
 * Room for a message, and then the message. Handles that are not taken out of it are closed when it
 * is dropped, or used for the next receive.
 */
typedef struct channel_message {
    span bytes; /* room */
    /* Room for more than PEAL_MESSAGE_HANDLES handles; nullptr: the array below. */
    struct abi_message_handle *more_handles;
    uint32_t more_handles_max;

    uint32_t handles_count;
    size_t length; /* of the bytes received */
    struct abi_message_handle own_handles[PEAL_MESSAGE_HANDLES];
} channel_message;
void channel_message_drop(channel_message *message);

/*
 * Waits for a message and receives it.
 *
 *   BROKEN_PIPE      there is none, and the other end is gone
 *   OUT_OF_RANGE     it does not fit; peal_refusal_detail() says what it needs: ABI_NEEDED_...
 *   QUOTA_EXCEEDED   no room for its handles in this process
 * Then it stays where it is.
 */
status peal_channel_receive(channel_ref channel, channel_message *message);
/* As above; WOULD_BLOCK when there is none. */
status peal_channel_receive_try(channel_ref channel, channel_message *message);

/*
 * Sends, then waits for a message and receives it: what a client does with its request, and a
 * server with its answer to the last. Errors of both; when sending failed, nothing was received.
 * The kernel is entered once. Handles still in `message` are closed before anything is sent.
 */
status peal_channel_call(channel_ref channel, view bytes, channel_message *message);

/*
 * Large data without a copy: pages, mapped here, that move to the receiver.
 *
 *     OWNED(channel_pages) pages = {0};
 *     TRY(peal_channel_pages_make(&pages, 8 << 20));
 *     ... fill pages.bytes ...
 *     TRY(peal_channel_send_pages(channel, VIEW_OF(heading), &pages));
 *
 *     TRY(peal_channel_receive(channel, &message));
 *     OWNED(channel_pages) pages = {0};
 *     TRY(channel_message_take_pages(&message, 0, &pages));
 *
 * They stay charged to the process that made them until nobody has them any more.
 */
typedef struct channel_pages {
    buffer_handle buffer;
    span bytes; /* where it is mapped, whole */
} channel_pages;
/* Unmapped first: then the pages go. */
void channel_pages_drop(channel_pages *pages);
/* Zeroed; `bytes` is rounded up to whole pages. OUT_OF_MEMORY, QUOTA_EXCEEDED, OUT_OF_RANGE */
status peal_channel_pages_make(channel_pages *out_pages, size_t bytes);
/* As peal_channel_send_with(). Once it is sent the pages are gone from here, and `pages` is nil. */
status peal_channel_send_pages(channel_ref channel, view bytes, channel_pages *pages);

static inline struct abi_message_handle *channel_message_handles(channel_message *message)
{
    return message->more_handles != nullptr ? message->more_handles : message->own_handles;
}
/* Takes out handle number `index`, if there is one of this kind; nil otherwise. */
peal_raw_handle channel_message_take_raw(channel_message *message, uint32_t index,
                                         enum abi_kind kind);
#define KIND(NAME, name, number, summary)                                                  \
    static inline name##_handle channel_message_take_##name(channel_message *message,      \
                                                            uint32_t index)                \
    {                                                                                      \
        return (name##_handle){channel_message_take_raw(message, index, ABI_KIND_##NAME)}; \
    }
#include <abi/kinds.def>
#undef KIND
/*
 * Takes out the buffer at `index` and maps all of it, to read, and to write if its rights allow.
 *   NOT_FOUND   handle number `index` is none, or not a buffer: it stays
 *   and what mapping gives: then the buffer is closed
 */
status channel_message_take_pages(channel_message *message, uint32_t index,
                                  channel_pages *out_pages);
