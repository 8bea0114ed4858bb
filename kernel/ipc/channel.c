/*
 * Channel ends: queues, and who meets whom.
 *
 * Locking: channel->lock guards the queues of both ends. Whoever wants to deliver the first message
 * of a queue sets is_delivering under it, and is then the only one to take anything out of that
 * queue's front, until he clears it again: so the message can stay in its place while it is copied
 * without the lock, and is still there when the receive refuses it. Meanwhile others add behind it,
 * and receives wait. Whoever clears is_delivering looks after them, in pump().
 *
 * A send or receive that is taken out of its list belongs to who took it, who ends it or puts it
 * back. It may be cancelled in between, and the canceller finds nothing; so who puts it back looks
 * for a reason, under the lock that cancelling takes, too.
 *
 * Nothing is ended, and no reference dropped, under the lock.
 *
 * The channel goes with the second of its ends to be destroyed. A send or receive has a reference
 * to its own end, so the channel is there; the other end need not be, and is touched under the
 * lock, after a look at is_closed, or by its reference.
 */
#include "ipc/channel.h"
#include "base/checked.h"
#include "debug/assert.h"
#include "ipc/channel_internal.h"
#include "mm/heap.h"
#include "mm/quota.h"

/* Deliveries in one call, before a worker goes on. */
static constexpr uint32_t STEPS_MAX = 64;

static void end_destroy(struct object *object);

static const struct object_type channel_type = {
    .kind = ABI_KIND_CHANNEL,
    .rights_all = ABI_RIGHT_READ | ABI_RIGHT_WRITE | ABI_RIGHT_DUP | ABI_RIGHT_TRANSFER |
                  ABI_RIGHT_CLOSE | ABI_RIGHT_STAT,
    .may_cascade = true,
    .destroy = end_destroy,
};

static struct slab_cache *channels;

status channel_init(void)
{
    channels = slab_cache_create("channel", sizeof(struct channel), alignof(struct channel));
    if (channels == nullptr) return FAIL(OUT_OF_MEMORY);
    channel_transit_init();
    return OK;
}

bool channel_is_end(const struct object *object)
{
    return object->type == &channel_type;
}

struct channel_end *channel_end_of(struct object *object)
{
    return container_of(object, struct channel_end, object);
}

static struct channel_end *other_end(struct channel_end *end)
{
    return &end->channel->ends[1 - end->index];
}

/* ---- those that wait ---- */

static void waits_init(struct channel_waits *waits)
{
    waits->present = 0;
    waits->count = 0;
    for (uint32_t i = 0; i < CHANNEL_PRIORITIES; i++)
        list_init(&waits->lists[i]);
}

static void waits_push(struct channel_waits *waits, struct list *link, uint32_t priority)
{
    list_push_back(&waits->lists[priority], link);
    waits->present |= 1u << priority;
    waits->count++;
}

static void waits_push_front(struct channel_waits *waits, struct list *link, uint32_t priority)
{
    list_push_front(&waits->lists[priority], link);
    waits->present |= 1u << priority;
    waits->count++;
}

static void waits_remove(struct channel_waits *waits, struct list *link, uint32_t priority)
{
    list_remove(link);
    waits->count--;
    if (list_is_empty(&waits->lists[priority])) waits->present &= ~(1u << priority);
}

/* The first of the highest priority; nullptr: nobody waits. */
static struct list *waits_first(const struct channel_waits *waits)
{
    if (waits->present == 0) return nullptr;
    return waits->lists[31 - (uint32_t)__builtin_clz(waits->present)].next;
}

static struct channel_send *first_send_locked(struct channel_end *end) REQUIRES(end->channel->lock)
{
    struct list *link = waits_first(&end->sends);
    return link != nullptr ? list_entry(link, struct channel_send, link) : nullptr;
}

static void take_send_locked(struct channel_end *end, struct channel_send *send)
    REQUIRES(end->channel->lock)
{
    waits_remove(&end->sends, &send->link, send->priority);
    send->is_waiting = false;
}

static struct channel_receive *take_receive_locked(struct channel_end *end)
    REQUIRES(end->channel->lock)
{
    struct list *link = waits_first(&end->receives);
    if (link == nullptr) return nullptr;
    struct channel_receive *receive = list_entry(link, struct channel_receive, link);
    waits_remove(&end->receives, link, receive->priority);
    receive->is_waiting = false;
    return receive;
}

static void park_receive_locked(struct channel_end *end, struct channel_receive *receive)
    REQUIRES(end->channel->lock)
{
    waits_push(&end->receives, &receive->link, receive->priority);
    receive->is_waiting = true;
}

static bool has_queue_locked(const struct channel_end *end) REQUIRES(end->channel->lock)
{
    return end->messages_count != 0 || end->sends.present != 0;
}

/* Puts it back first in line, unless it has been cancelled meanwhile: then answers why. */
static status put_back_send_locked(struct channel_end *end, struct channel_send *send)
    REQUIRES(end->channel->lock)
{
    TRY(send->type->cancel_reason(send));
    waits_push_front(&end->sends, &send->link, send->priority);
    send->is_waiting = true;
    return OK;
}

/* The same for a receive, last in line: those that stay for many messages take turns. Then the
 * caller pumps, for what has come meanwhile. */
static void put_back_receive(struct channel_end *end, struct channel_receive *receive)
{
    spin_acquire(&end->channel->lock);
    status reason = receive->type->cancel_reason(receive);
    if (is_ok(reason)) park_receive_locked(end, receive);
    spin_release(&end->channel->lock);
    if (!is_ok(reason)) receive->type->ended(receive, channel_ended(reason.code));
}

/* Tells a receive, which is in no list, how it went. One that goes on is back in line, and the
 * caller pumps. */
static void conclude(struct channel_end *end, struct channel_receive *receive,
                     channel_outcome outcome)
{
    bool goes_on =
        receive->is_multishot && outcome.code == STATUS_OK && receive->type->tell(receive, outcome);
    if (goes_on)
        put_back_receive(end, receive);
    else
        receive->type->ended(receive, outcome);
}

/* ---- delivering what is queued ---- */

/* Claims the front of the queue, which is not empty. What it answers stays the caller's until
 * end_delivery(). */
static struct channel_load begin_delivery_locked(struct channel_end *end)
    REQUIRES(end->channel->lock)
{
    end->is_delivering = true;
    if (end->messages_count != 0)
        return (struct channel_load){
            .message = list_entry(end->messages.next, struct channel_message, link)};
    struct channel_send *send = first_send_locked(end);
    take_send_locked(end, send);
    return (struct channel_load){.send = send};
}

/* How the delivery of the queue's first went, and what it leaves to do. */
struct delivery {
    enum channel_carried carried;
    bool has_more; /* pump() */
    channel_outcome outcome;
};

/* Back to a queue in which everybody may take part. Answers OK, or why a send that was to stay does
 * not. */
static status end_delivery_locked(struct channel_end *end, const struct channel_load *load,
                                  struct delivery *delivery) REQUIRES(end->channel->lock)
{
    status reason = OK;
    end->is_delivering = false;
    if (load->send != nullptr) {
        if (delivery->carried == CHANNEL_RECEIVER_REFUSED)
            reason = put_back_send_locked(end, load->send);
    } else if (delivery->carried == CHANNEL_CARRIED) {
        list_remove(&load->message->link);
        end->messages_count--;
    }
    delivery->has_more = end->receives.present != 0 || end->sends.present != 0;
    return reason;
}

/* Ends a send that has been delivered, has been refused, or was cancelled meanwhile. */
static void end_send(struct channel_send *send, const struct delivery *delivery, status reason)
{
    if (delivery->carried == CHANNEL_CARRIED)
        send->type->ended(send, channel_ended(STATUS_OK));
    else if (delivery->carried == CHANNEL_SENDER_REFUSED)
        send->type->ended(send, delivery->outcome);
    else if (!is_ok(reason))
        send->type->ended(send, channel_ended(reason.code));
}

/* Of a send that waited, and carries handles: only now they are looked for. */
[[gnu::noinline]] static struct delivery carry_with_handles(const struct channel *channel,
                                                            struct channel_send *send,
                                                            struct channel_receive *receive)
{
    struct channel_departure departure;
    struct channel_load load = {.send = send, .departure = &departure};
    struct delivery delivery = {.carried = CHANNEL_SENDER_REFUSED};
    delivery.outcome = channel_message_of_handles(send, channel, 0, &departure, &load.message);
    if (delivery.outcome.code != STATUS_OK) return delivery;
    delivery.carried = channel_carry(&load, receive, &delivery.outcome);
    channel_message_settle(&departure, load.message);
    return delivery;
}

/* Carries what begin_delivery_locked() answered to the receive, which is the caller's. */
static struct delivery deliver(struct channel_end *end, struct channel_load load,
                               struct channel_receive *receive)
{
    struct delivery delivery;
    if (load.send != nullptr && load.send->entries.count != 0)
        delivery = carry_with_handles(end->channel, load.send, receive);
    else
        delivery.carried = channel_carry(&load, receive, &delivery.outcome);

    spin_acquire(&end->channel->lock);
    status reason = end_delivery_locked(end, &load, &delivery);
    spin_release(&end->channel->lock);

    if (load.send != nullptr)
        end_send(load.send, &delivery, reason);
    else if (delivery.carried == CHANNEL_CARRIED)
        channel_message_destroy(load.message);
    return delivery;
}

static void deliver_to_waiting(struct channel_end *end, struct channel_load load,
                               struct channel_receive *receive)
{
    struct delivery delivery = deliver(end, load, receive);
    if (delivery.carried == CHANNEL_SENDER_REFUSED)
        put_back_receive(end, receive);
    else
        conclude(end, receive, delivery.outcome);
}

/* A send that waits becomes a message, if there is room for it. Answers it, to be ended. */
static struct channel_send *promote_locked(struct channel_end *end) REQUIRES(end->channel->lock)
{
    struct channel_send *send = first_send_locked(end);
    if (send == nullptr || end->messages_count >= end->channel->messages_max ||
        send->entries.count != 0 || send->bytes->length > ABI_MESSAGE_INLINE_BYTES_MAX)
        return nullptr;
    struct channel_message *message = channel_message_of_bytes(send);
    if (message == nullptr) return nullptr; /* it is received from where it is */
    take_send_locked(end, send);
    list_push_back(&end->messages, &message->link);
    end->messages_count++;
    return send;
}

/* Does one thing that is due at this end, and answers whether there was any. */
static bool pump_step(struct channel_end *end)
{
    struct channel_receive *receive = nullptr;
    struct channel_send *promoted = nullptr;
    struct channel_load load = {0};
    spin_acquire(&end->channel->lock);
    if (!end->is_delivering) {
        bool has_queue = has_queue_locked(end);
        if (has_queue || other_end(end)->is_closed) receive = take_receive_locked(end);
        if (receive == nullptr)
            promoted = promote_locked(end);
        else if (has_queue)
            load = begin_delivery_locked(end);
    }
    spin_release(&end->channel->lock);

    if (promoted != nullptr)
        promoted->type->ended(promoted, channel_ended(STATUS_OK));
    else if (receive != nullptr && (load.message != nullptr || load.send != nullptr))
        deliver_to_waiting(end, load, receive);
    else if (receive != nullptr)
        receive->type->ended(receive, channel_ended(STATUS_BROKEN_PIPE));
    return promoted != nullptr || receive != nullptr;
}

static void pump_on_worker(struct work *work);

/* Any context, the channel's lock held. */
static void request_pump_locked(struct channel_end *end) REQUIRES(end->channel->lock)
{
    if (end->is_pump_queued || !object_get_try(&end->object)) return;
    end->is_pump_queued = true;
    work_submit(work_queue_shared(), &end->pump, pump_on_worker);
}

/* Does what is due at this end, as far as that is not endless: others may add as fast as this
 * delivers. */
static void pump(struct channel_end *end)
{
    for (uint32_t i = 0; i < STEPS_MAX; i++) {
        if (!pump_step(end)) return;
        scheduler_preempt_point();
    }
    spin_acquire(&end->channel->lock);
    request_pump_locked(end);
    spin_release(&end->channel->lock);
}

static void pump_on_worker(struct work *work)
{
    struct channel_end *end = container_of(work, struct channel_end, pump);
    spin_acquire(&end->channel->lock);
    end->is_pump_queued = false;
    spin_release(&end->channel->lock);
    pump(end);
    object_put(&end->object);
}

/* ---- sending ---- */

/* The receive that may have the message at once: the first, if nothing is in line before it. */
static struct channel_receive *meet_locked(struct channel_end *to) REQUIRES(to->channel->lock)
{
    if (to->receives.present == 0 || to->is_delivering || has_queue_locked(to)) return nullptr;
    return take_receive_locked(to);
}

/* Makes it one of the queue's messages. The message is consumed if that is OK. */
static channel_outcome enqueue_locked(struct channel_end *to, struct channel_load *load)
    REQUIRES(to->channel->lock)
{
    struct channel_message *message = load->message;
    const struct channel_send *send = load->send;
    if (message == nullptr) {
        message = channel_message_of_bytes(send);
        if (message == nullptr) return channel_ended(STATUS_OUT_OF_MEMORY);
    } else {
        if (!channel_message_commit(send, load->departure))
            return channel_ended(STATUS_INVALID_CAPABILITY);
        if (message->length != 0) /* else the sender may have named no buffer */
            buffer_read(send->bytes->buffer, send->bytes->offset, message->bytes, message->length);
    }
    list_push_back(&to->messages, &message->link);
    to->messages_count++;
    load->message = nullptr;
    return channel_ended(STATUS_OK);
}

static channel_outcome queue_locked(struct channel_end *to, struct channel_load *load)
    REQUIRES(to->channel->lock)
{
    struct channel_send *send = load->send;
    if (to->is_closed) return channel_ended(STATUS_BROKEN_PIPE);
    bool has_room = to->sends.present == 0 && to->messages_count < to->channel->messages_max;
    if (has_room && send->bytes->length <= ABI_MESSAGE_INLINE_BYTES_MAX)
        return enqueue_locked(to, load);
    if (!send->may_wait) return channel_ended(STATUS_WOULD_BLOCK);
    waits_push(&to->sends, &send->link, send->priority);
    send->is_waiting = true;
    return channel_ended(CHANNEL_WAITS);
}

/* Into the queue, unless a receive has come: then false, and nothing has happened. A message with
 * ends in it gets there, and into the books of those, as one step. */
static bool queue(struct channel_end *to, struct channel_load *load, bool even_so,
                  channel_outcome *out_outcome) NO_LOCK_CHECK
{
    struct channel_message *message = load->message;
    bool has_ends = message != nullptr && message->ends_count != 0;
    if (has_ends) mutex_acquire(&channel_transit_mutex);
    spin_acquire(&to->channel->lock);
    bool is_met =
        !even_so && to->receives.present != 0 && !to->is_delivering && !has_queue_locked(to);
    if (!is_met) *out_outcome = queue_locked(to, load);
    if (even_so) request_pump_locked(to);
    spin_release(&to->channel->lock);
    if (has_ends && load->message == nullptr) channel_transit_enter(message, to);
    if (has_ends) mutex_release(&channel_transit_mutex);
    return !is_met;
}

/* Straight to a receive that waited, which is now the caller's. False: that did not want it. */
static bool hand_over(struct channel_end *to, const struct channel_load *load,
                      struct channel_receive *receive, channel_outcome *out_outcome)
{
    channel_outcome outcome;
    bool is_multishot = receive->is_multishot;
    enum channel_carried carried = channel_carry(load, receive, &outcome);
    if (unlikely(carried == CHANNEL_SENDER_REFUSED)) {
        *out_outcome = outcome;
        put_back_receive(to, receive);
    } else {
        *out_outcome = channel_ended(STATUS_OK);
        conclude(to, receive, outcome);
    }
    if (is_multishot || carried == CHANNEL_SENDER_REFUSED) pump(to);
    return carried != CHANNEL_RECEIVER_REFUSED;
}

static channel_outcome send_load(struct channel_end *to, struct channel_load *load)
{
    channel_outcome outcome;
    for (uint32_t refusals = 0;; refusals++) {
        spin_acquire(&to->channel->lock);
        struct channel_receive *receive = refusals < STEPS_MAX ? meet_locked(to) : nullptr;
        spin_release(&to->channel->lock);
        bool is_over = receive != nullptr ? hand_over(to, load, receive, &outcome)
                                          : queue(to, load, refusals >= STEPS_MAX, &outcome);
        if (is_over) return outcome;
    }
}

[[gnu::noinline]] static channel_outcome send_with_handles(struct channel_end *to,
                                                           struct channel_send *send)
{
    struct channel_departure departure;
    struct channel_load load = {.send = send, .departure = &departure};
    uint64_t bytes = send->bytes->length <= ABI_MESSAGE_INLINE_BYTES_MAX ? send->bytes->length : 0;
    channel_outcome made =
        channel_message_of_handles(send, to->channel, bytes, &departure, &load.message);
    if (made.code != STATUS_OK) return made;
    channel_outcome outcome = send_load(to, &load);
    channel_message_settle(&departure, load.message);
    return outcome;
}

channel_outcome channel_send(struct channel_end *end, struct channel_send *send)
{
    DEBUG_ASSERT(send->priority < CHANNEL_PRIORITIES);
    send->is_waiting = false;
    if (send->bytes->length > ABI_MESSAGE_BYTES_MAX ||
        send->entries.count > ABI_MESSAGE_HANDLES_MAX)
        return channel_ended(STATUS_OUT_OF_RANGE);
    if (send->entries.count != 0) return send_with_handles(other_end(end), send);
    return send_load(other_end(end), &(struct channel_load){.send = send});
}

/* ---- receiving ---- */

/* Nothing can be received now: waits, or says why not. */
static channel_outcome await_locked(struct channel_end *end, struct channel_receive *receive)
    REQUIRES(end->channel->lock)
{
    bool may_come = end->is_delivering || has_queue_locked(end) || !other_end(end)->is_closed;
    if (!may_come) return channel_ended(STATUS_BROKEN_PIPE);
    if (!receive->may_wait) return channel_ended(STATUS_WOULD_BLOCK);
    park_receive_locked(end, receive);
    return channel_ended(CHANNEL_WAITS);
}

channel_outcome channel_receive(struct channel_end *end, struct channel_receive *receive)
{
    DEBUG_ASSERT(receive->priority < CHANNEL_PRIORITIES);
    receive->is_waiting = false;
    for (uint32_t refusals = 0;; refusals++) {
        spin_acquire(&end->channel->lock);
        bool has_queue = has_queue_locked(end);
        if (!has_queue || end->is_delivering || receive->is_multishot || refusals == STEPS_MAX) {
            channel_outcome outcome = await_locked(end, receive);
            spin_release(&end->channel->lock);
            if (has_queue) pump(end);
            return outcome;
        }
        struct channel_load load = begin_delivery_locked(end);
        spin_release(&end->channel->lock);
        struct delivery delivery = deliver(end, load, receive);
        if (delivery.has_more) pump(end);
        if (delivery.carried != CHANNEL_SENDER_REFUSED) return delivery.outcome;
    }
}

/* ---- taking back ---- */

bool channel_send_cancel(struct channel_end *end, struct channel_send *send)
{
    struct channel_end *to = other_end(end);
    spin_acquire(&to->channel->lock);
    bool was_waiting = send->is_waiting;
    if (was_waiting) take_send_locked(to, send);
    /* It may have been all that kept others from becoming messages. */
    if (was_waiting && to->sends.present != 0) request_pump_locked(to);
    spin_release(&to->channel->lock);
    return was_waiting;
}

bool channel_receive_cancel(struct channel_end *end, struct channel_receive *receive)
{
    spin_acquire(&end->channel->lock);
    bool was_waiting = receive->is_waiting;
    if (was_waiting) waits_remove(&end->receives, &receive->link, receive->priority);
    receive->is_waiting = false;
    spin_release(&end->channel->lock);
    return was_waiting;
}

uint64_t channel_waiting_count(struct channel_end *end)
{
    spin_acquire(&end->channel->lock);
    uint64_t count = (uint64_t)end->messages_count + end->sends.count;
    spin_release(&end->channel->lock);
    return count;
}

/* ---- life ---- */

static void end_init(struct channel *channel, uint32_t index)
{
    struct channel_end *end = &channel->ends[index];
    *end = (struct channel_end){.channel = channel, .index = index};
    object_init(&end->object, &channel_type);
    list_init(&end->messages);
    waits_init(&end->sends);
    waits_init(&end->receives);
    list_init(&end->parcels_of);
    list_init(&end->parcels_here);
    list_init(&end->transit_link);
    list_init(&end->mark_link);
}

status channel_create(struct memory_quota *quota, uint64_t messages_max, struct object *out_ends[2])
{
    if (messages_max == 0 || messages_max > ABI_CHANNEL_MESSAGES_MAX) return FAIL(OUT_OF_RANGE);
    TRY(memory_quota_charge(quota, sizeof(struct channel)));
    struct channel *channel = slab_take(channels);
    if (channel == nullptr) {
        memory_quota_uncharge(quota, sizeof(struct channel));
        return FAIL(OUT_OF_MEMORY);
    }
    memory_quota_get(quota);
    *channel = (struct channel){
        .quota = quota,
        .messages_max = (uint32_t)messages_max,
        .lock = SPIN_LOCK_INIT(LOCK_RANK_CHANNEL),
        .ends_count = 2,
    };
    for (uint32_t i = 0; i < 2; i++) {
        end_init(channel, i);
        out_ends[i] = &channel->ends[i].object;
    }
    return OK;
}

static struct channel_message *take_message(struct channel_end *end)
{
    spin_acquire(&end->channel->lock);
    ASSERT(!end->is_delivering);
    struct list *link = list_take_front(&end->messages);
    if (link != nullptr) end->messages_count--;
    spin_release(&end->channel->lock);
    return link != nullptr ? list_entry(link, struct channel_message, link) : nullptr;
}

void channel_end_purge(struct channel_end *end)
{
    struct channel_message *message;
    while ((message = take_message(end)) != nullptr) {
        channel_transit_leave(message);
        channel_message_destroy(message);
    }
}

static struct channel_send *take_first_send(struct channel_end *end)
{
    spin_acquire(&end->channel->lock);
    struct channel_send *send = first_send_locked(end);
    if (send != nullptr) take_send_locked(end, send);
    spin_release(&end->channel->lock);
    return send;
}

/* Nobody receives through it any more. What the other end has yet to receive stays. */
static void end_destroy(struct object *object)
{
    struct channel_end *end = channel_end_of(object);
    spin_acquire(&end->channel->lock);
    end->is_closed = true;
    spin_release(&end->channel->lock);

    struct channel_send *send;
    while ((send = take_first_send(end)) != nullptr)
        send->type->ended(send, channel_ended(STATUS_BROKEN_PIPE));
    channel_end_purge(end);
    channel_transit_end_gone(end);
    pump(other_end(end)); /* its receives */

    spin_acquire(&end->channel->lock);
    bool is_last = --end->channel->ends_count == 0;
    spin_release(&end->channel->lock);
    if (!is_last) return;
    struct channel *channel = end->channel;
    struct memory_quota *quota = channel->quota;
    slab_give(channels, channel);
    memory_quota_uncharge(quota, sizeof(struct channel));
    memory_quota_put(quota);
}
