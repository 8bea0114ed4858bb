/*
 * What is kept of messages: a `struct rest` for each message that was read in pieces, until all of
 * it has been. One mutex guards the list and what is in it; it is not held while waiting for a
 * message, so that two threads that read one stream may each have one there.
 */
#include "peal/stream.h"
#include "peal/bytes.h"
#include "peal/call.h"
#include "peal/channel.h"
#include "peal/heap.h"
#include "peal/memory.h"
#include "peal/mutex.h"
#include "peal/program.h"

struct rest {
    struct rest *next;
    peal_raw_handle raw;
    size_t at;
    size_t length; /* at < length, once it is in the list */
    uint8_t bytes[STREAM_MESSAGE_BYTES];
};

static struct mutex rests_mutex;
static struct rest *rests __attribute__((guarded_by(&rests_mutex)));

stream_ref peal_granted_stream(text name)
{
    const struct abi_startup_handle *granted = peal_granted(name);
    if (granted == nullptr) return (stream_ref){0};
    switch (granted->kind) {
    case ABI_KIND_FILE:
    case ABI_KIND_CONSOLE:
    case ABI_KIND_CHANNEL:
        return (stream_ref){granted->handle, (enum abi_kind)granted->kind};
    default:
        return (stream_ref){0};
    }
}

static size_result move_bytes(uint8_t op, peal_raw_handle raw, const void *bytes, size_t length,
                              uint32_t flags)
{
    struct location where;
    uint32_t access = op == ABI_OP_READ ? ABI_ACCESS_WRITE : ABI_ACCESS_READ;
    TRY_AS(size_result, peal_locate(bytes, length, access, &where));
    return peal_call(&(struct abi_submission){.op = op,
                                              .capability = raw,
                                              .offset_bytes = ABI_OFFSET_CURRENT,
                                              .buffer_index = where.buffer_index,
                                              .buffer_offset_bytes = where.offset_bytes,
                                              .length_bytes = where.length_bytes,
                                              .op_flags = flags});
}

/* ---- reading a channel ---- */

/* Of what is left of an earlier message; 0 when there is nothing. */
static size_t rest_take(peal_raw_handle raw, span into)
{
    size_t taken = 0;
    mutex_lock(&rests_mutex);
    struct rest **link = &rests;
    while (*link != nullptr && (*link)->raw != raw)
        link = &(*link)->next;
    struct rest *rest = *link;
    if (rest != nullptr) {
        size_t left = rest->length - rest->at;
        taken = left < into.length ? left : into.length;
        memcpy(into.bytes, rest->bytes + rest->at, taken);
        rest->at += taken;
        if (rest->at == rest->length) {
            *link = rest->next;
            peal_release(rest);
        }
    }
    mutex_unlock(&rests_mutex);
    return taken;
}

/* Behind what other threads kept meanwhile. */
static void rest_keep(struct rest *rest)
{
    mutex_lock(&rests_mutex);
    struct rest **link = &rests;
    while (*link != nullptr)
        link = &(*link)->next;
    *link = rest;
    mutex_unlock(&rests_mutex);
}

/* A message of no bytes says nothing: the next one. */
static size_result receive(peal_raw_handle raw, span into, uint32_t flags)
{
    channel_ref channel = {raw};
    channel_message message = {.bytes = into};
    for (;;) {
        status received = (flags & ABI_READ_DO_NOT_WAIT)
                              ? peal_channel_receive_try(channel, &message)
                              : peal_channel_receive(channel, &message);
        size_t length = message.length;
        channel_message_drop(&message); /* handles: a stream has none */
        if (received.code == STATUS_BROKEN_PIPE) return (size_result){.status = OK};
        if (!is_ok(received)) return (size_result){.status = received};
        if (length > 0) return (size_result){OK, length};
    }
}

static size_result read_channel(peal_raw_handle raw, span into, uint32_t flags)
{
    size_t left = into.length == 0 ? 0 : rest_take(raw, into);
    if (left > 0 || into.length == 0) return (size_result){OK, left};
    if (into.length >= STREAM_MESSAGE_BYTES) return receive(raw, into, flags);

    OWNED(heap_block) block = {peal_allocate(sizeof(struct rest))};
    struct rest *rest = block.bytes;
    if (rest == nullptr) return (size_result){.status = FAIL(OUT_OF_MEMORY)};
    size_result received = receive(raw, SPAN_OF(rest->bytes), flags);
    if (!is_ok(received.status) || received.value == 0) return received;
    rest->next = nullptr;
    rest->raw = raw;
    rest->at = 0;
    rest->length = received.value;
    rest_keep(TAKE(block).bytes);
    return (size_result){OK, rest_take(raw, into)};
}

static size_result read_flagged(stream_ref stream, span into, uint32_t flags)
{
    if (stream.kind == ABI_KIND_CHANNEL) return read_channel(stream.raw, into, flags);
    return move_bytes(ABI_OP_READ, stream.raw, into.bytes, into.length, flags);
}

size_result peal_stream_read(stream_ref stream, span into)
{
    return read_flagged(stream, into, 0);
}

size_result peal_stream_read_try(stream_ref stream, span into)
{
    return read_flagged(stream, into, ABI_READ_DO_NOT_WAIT);
}

/* ---- writing ---- */

static size_result write_channel(peal_raw_handle raw, view from)
{
    size_t length = from.length < STREAM_MESSAGE_BYTES ? from.length : STREAM_MESSAGE_BYTES;
    if (length == 0) return (size_result){.status = OK};
    status sent = peal_channel_send((channel_ref){raw}, (view){from.bytes, length});
    return (size_result){sent, is_ok(sent) ? length : 0};
}

size_result peal_stream_write(stream_ref stream, view from)
{
    if (stream.kind != ABI_KIND_CHANNEL)
        return move_bytes(ABI_OP_WRITE, stream.raw, from.bytes, from.length, 0);
    size_result written = write_channel(stream.raw, from);
    if (written.status.code == STATUS_BROKEN_PIPE && stream.raw == peal_granted_raw(TEXT("stdout")))
        peal_exit_at_once(EXIT_CODE_BROKEN_PIPE);
    return written;
}

status peal_stream_write_all(stream_ref stream, view from)
{
    while (from.length > 0) {
        size_result written = peal_stream_write(stream, from);
        TRY(written.status);
        if (written.value == 0 || written.value > from.length) return FAIL(IO_ERROR);
        from = (view){(const uint8_t *)from.bytes + written.value, from.length - written.value};
    }
    return OK;
}
