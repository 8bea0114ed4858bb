#include "peal/task_channel.h"
#include "peal/bytes.h"

static uint8_t *slot_at(const struct task_channel *channel, uint32_t index)
{
    return (uint8_t *)channel->slots + (size_t)(index % channel->capacity) * channel->item_bytes;
}

static status put_locked(struct task_channel *channel, const void *item)
    __attribute__((requires_capability(&channel -> mutex)));
static status put_locked(struct task_channel *channel, const void *item)
{
    if (channel->is_closed) return FAIL(BROKEN_PIPE);
    if (channel->count == channel->capacity) return FAIL(WOULD_BLOCK);
    memcpy(slot_at(channel, channel->first + channel->count), item, channel->item_bytes);
    channel->count++;
    condition_signal(&channel->not_empty);
    return OK;
}

static status take_locked(struct task_channel *channel, void *out_item)
    __attribute__((requires_capability(&channel -> mutex)));
static status take_locked(struct task_channel *channel, void *out_item)
{
    if (channel->count == 0) return channel->is_closed ? FAIL(BROKEN_PIPE) : FAIL(WOULD_BLOCK);
    memcpy(out_item, slot_at(channel, channel->first), channel->item_bytes);
    channel->first = (channel->first + 1) % channel->capacity;
    channel->count--;
    condition_signal(&channel->not_full);
    return OK;
}

/*
 * Who is told to stop may just have been given the signal that another needs: it passes it on.
 */
status task_channel_send(struct task_channel *channel, const void *item)
{
    status waited = OK, put;
    mutex_lock(&channel->mutex);
    while ((put = put_locked(channel, item)).code == STATUS_WOULD_BLOCK && is_ok(waited))
        waited = condition_wait(&channel->not_full, &channel->mutex);
    if (!is_ok(waited)) condition_signal(&channel->not_full);
    mutex_unlock(&channel->mutex);
    return put.code == STATUS_WOULD_BLOCK ? waited : put;
}

status task_channel_receive(struct task_channel *channel, void *out_item)
{
    status waited = OK, taken;
    mutex_lock(&channel->mutex);
    while ((taken = take_locked(channel, out_item)).code == STATUS_WOULD_BLOCK && is_ok(waited))
        waited = condition_wait(&channel->not_empty, &channel->mutex);
    if (!is_ok(waited)) condition_signal(&channel->not_empty);
    mutex_unlock(&channel->mutex);
    return taken.code == STATUS_WOULD_BLOCK ? waited : taken;
}

status task_channel_send_try(struct task_channel *channel, const void *item)
{
    mutex_lock(&channel->mutex);
    status put = put_locked(channel, item);
    mutex_unlock(&channel->mutex);
    return put;
}

status task_channel_receive_try(struct task_channel *channel, void *out_item)
{
    mutex_lock(&channel->mutex);
    status taken = take_locked(channel, out_item);
    mutex_unlock(&channel->mutex);
    return taken;
}

void task_channel_close(struct task_channel *channel)
{
    mutex_lock(&channel->mutex);
    channel->is_closed = true;
    condition_broadcast(&channel->not_empty);
    condition_broadcast(&channel->not_full);
    mutex_unlock(&channel->mutex);
}
