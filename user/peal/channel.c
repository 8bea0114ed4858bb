#include "peal/channel.h"
#include "peal/call.h"
#include "peal/memory.h"

status peal_channel_create(channel_pair *out_pair, uint32_t messages_max)
{
    struct abi_channel_pair pair = {0};
    struct location where;
    *out_pair = (channel_pair){0};
    TRY(peal_locate_whole(&pair, sizeof(pair), ABI_ACCESS_WRITE, &where));
    size_result made = peal_call(&(struct abi_submission){.op = ABI_OP_CHANNEL_CREATE,
                                                          .buffer_index = where.buffer_index,
                                                          .buffer_offset_bytes = where.offset_bytes,
                                                          .length_bytes = where.length_bytes,
                                                          .args = {messages_max}});
    TRY(made.status);
    out_pair->ends[0].raw = pair.handles[0];
    out_pair->ends[1].raw = pair.handles[1];
    return OK;
}

/* ---- sending ---- */

static struct abi_submission send_of(channel_ref channel, struct location bytes,
                                     struct location entries, uint32_t entries_count,
                                     uint32_t flags)
{
    return (struct abi_submission){.op = ABI_OP_CHANNEL_SEND,
                                   .capability = channel.raw,
                                   .buffer_index = bytes.buffer_index,
                                   .buffer_offset_bytes = bytes.offset_bytes,
                                   .length_bytes = bytes.length_bytes,
                                   .op_flags = flags,
                                   .second_buffer_index = entries.buffer_index,
                                   .args = {entries.offset_bytes, entries_count}};
}

static status send_located(channel_ref channel, struct location bytes, struct location entries,
                           uint32_t entries_count, uint32_t flags)
{
    struct abi_submission request = send_of(channel, bytes, entries, entries_count, flags);
    return peal_call(&request).status;
}

/* The kernel has taken what was to be moved. */
static void forget_moved(const struct peal_parcel *parcels, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (parcels[i].moved != nullptr) *parcels[i].moved = ABI_HANDLE_NONE;
}

[[gnu::noinline]] static status send_parcels(channel_ref channel, struct location bytes,
                                             const struct peal_parcel *parcels, uint32_t count,
                                             uint32_t flags)
{
    struct abi_message_handle entries[ABI_MESSAGE_HANDLES_MAX];
    struct location where;
    if (count > ABI_MESSAGE_HANDLES_MAX) return FAIL(OUT_OF_RANGE);
    for (uint32_t i = 0; i < count; i++) {
        bool is_copy = parcels[i].moved == nullptr;
        entries[i] = (struct abi_message_handle){
            .handle = is_copy ? parcels[i].copied : *parcels[i].moved,
            .rights = parcels[i].rights,
            .flags = is_copy ? ABI_MESSAGE_HANDLE_COPY : 0,
        };
    }
    TRY(peal_locate_whole(entries, count * sizeof(entries[0]), ABI_ACCESS_READ, &where));
    TRY(send_located(channel, bytes, where, count, flags));
    forget_moved(parcels, count);
    return OK;
}

static status send(channel_ref channel, view bytes, const struct peal_parcel *parcels,
                   uint32_t count, uint32_t flags)
{
    struct location where;
    if (bytes.length > ABI_MESSAGE_BYTES_MAX) return FAIL(OUT_OF_RANGE);
    TRY(peal_locate_whole(bytes.bytes, bytes.length, ABI_ACCESS_READ, &where));
    if (count != 0) return send_parcels(channel, where, parcels, count, flags);
    return send_located(channel, where, (struct location){0}, 0, flags);
}

status peal_channel_send_with(channel_ref channel, view bytes, const struct peal_parcel *parcels,
                              uint32_t parcels_count)
{
    return send(channel, bytes, parcels, parcels_count, 0);
}

status peal_channel_send_try(channel_ref channel, view bytes, const struct peal_parcel *parcels,
                             uint32_t parcels_count)
{
    return send(channel, bytes, parcels, parcels_count, ABI_SEND_DO_NOT_WAIT);
}

/* ---- receiving ---- */

void channel_message_drop(channel_message *message)
{
    struct abi_message_handle *handles = channel_message_handles(message);
    for (uint32_t i = 0; i < message->handles_count; i++)
        if (handles[i].handle != ABI_HANDLE_NONE) peal_raw_close(handles[i].handle);
    message->handles_count = 0;
    message->length = 0;
}

static status prepare_receive(channel_ref channel, channel_message *message,
                              struct abi_submission *out_request)
{
    struct location bytes, entries;
    uint32_t count =
        message->more_handles != nullptr ? message->more_handles_max : PEAL_MESSAGE_HANDLES;
    size_t length = message->bytes.length;
    if (length > ABI_MESSAGE_BYTES_MAX) length = ABI_MESSAGE_BYTES_MAX;
    if (count > ABI_MESSAGE_HANDLES_MAX) count = ABI_MESSAGE_HANDLES_MAX;
    if (message->handles_count != 0) channel_message_drop(message);
    TRY(peal_locate_whole(message->bytes.bytes, length, ABI_ACCESS_WRITE, &bytes));
    TRY(peal_locate_whole(channel_message_handles(message),
                          count * sizeof(struct abi_message_handle), ABI_ACCESS_WRITE, &entries));
    *out_request = (struct abi_submission){.op = ABI_OP_CHANNEL_RECEIVE,
                                           .capability = channel.raw,
                                           .buffer_index = bytes.buffer_index,
                                           .buffer_offset_bytes = bytes.offset_bytes,
                                           .length_bytes = bytes.length_bytes,
                                           .second_buffer_index = entries.buffer_index,
                                           .args = {entries.offset_bytes, count}};
    return OK;
}

static status take_result(channel_message *message, size_result received)
{
    message->length = ABI_RECEIVED_BYTES(received.value);
    message->handles_count = ABI_RECEIVED_HANDLES(received.value);
    return received.status;
}

static status receive(channel_ref channel, channel_message *message, uint32_t flags)
{
    struct abi_submission request;
    TRY(prepare_receive(channel, message, &request));
    request.op_flags = flags;
    return take_result(message, peal_call(&request));
}

status peal_channel_receive(channel_ref channel, channel_message *message)
{
    return receive(channel, message, 0);
}

status peal_channel_receive_try(channel_ref channel, channel_message *message)
{
    return receive(channel, message, ABI_RECEIVE_DO_NOT_WAIT);
}

status peal_channel_call(channel_ref channel, view bytes, channel_message *message)
{
    struct location from;
    struct abi_submission request;
    if (bytes.length > ABI_MESSAGE_BYTES_MAX) return FAIL(OUT_OF_RANGE);
    TRY(peal_locate_whole(bytes.bytes, bytes.length, ABI_ACCESS_READ, &from));
    TRY(prepare_receive(channel, message, &request));
    struct abi_submission sending = send_of(channel, from, (struct location){0}, 0, 0);
    return take_result(message, peal_call_after(&sending, &request));
}

peal_raw_handle channel_message_take_raw(channel_message *message, uint32_t index,
                                         enum abi_kind kind)
{
    if (index >= message->handles_count) return ABI_HANDLE_NONE;
    struct abi_message_handle *entry = &channel_message_handles(message)[index];
    if (entry->kind != kind) return ABI_HANDLE_NONE;
    peal_raw_handle taken = entry->handle;
    entry->handle = ABI_HANDLE_NONE;
    return taken;
}

/* ---- pages ---- */

void channel_pages_drop(channel_pages *pages)
{
    if (pages->bytes.bytes != nullptr)
        ignore_status(peal_buffer_unmap(pages->bytes.bytes, pages->bytes.length));
    pages->bytes = (span){0};
    buffer_handle_drop(&pages->buffer);
}

/* Takes over the buffer, also on failure. */
static status pages_map(channel_pages *out_pages, buffer_handle buffer, uint64_t bytes,
                        uint32_t access)
{
    channel_pages pages = {.buffer = TAKE(buffer)};
    pointer_result mapped =
        peal_buffer_map(buffer_borrow(&pages.buffer),
                        (struct mapping_request){.length_bytes = bytes, .access = access});
    if (is_ok(mapped.status))
        pages.bytes = (span){mapped.value, bytes};
    else
        channel_pages_drop(&pages);
    *out_pages = pages;
    return mapped.status;
}

status peal_channel_pages_make(channel_pages *out_pages, size_t bytes)
{
    *out_pages = (channel_pages){0};
    if (bytes > ABI_BUFFER_BYTES_MAX) return FAIL(OUT_OF_RANGE);
    uint64_t rounded = (bytes + ABI_PAGE_BYTES - 1) & ~(uint64_t)(ABI_PAGE_BYTES - 1);
    buffer_result made = peal_buffer_create(rounded, 0);
    TRY(made.status);
    return pages_map(out_pages, made.value, rounded, ABI_ACCESS_READ | ABI_ACCESS_WRITE);
}

status peal_channel_send_pages(channel_ref channel, view bytes, channel_pages *pages)
{
    struct peal_parcel parcel = PEAL_MOVE(&pages->buffer, ABI_RIGHTS_ALL);
    TRY(peal_channel_send_with(channel, bytes, &parcel, 1));
    channel_pages_drop(pages); /* the mapping: the handle is nil */
    return OK;
}

status channel_message_take_pages(channel_message *message, uint32_t index,
                                  channel_pages *out_pages)
{
    struct abi_stat stat;
    *out_pages = (channel_pages){0};
    buffer_handle buffer = channel_message_take_buffer(message, index);
    if (buffer.raw == ABI_HANDLE_NONE) return FAIL(NOT_FOUND);
    uint64_t rights = channel_message_handles(message)[index].rights;
    status described = buffer_stat(buffer_borrow(&buffer), &stat);
    if (!is_ok(described)) {
        buffer_handle_drop(&buffer);
        return described;
    }
    uint32_t access = ABI_ACCESS_READ;
    if ((rights & ABI_RIGHT_WRITE) != 0) access |= ABI_ACCESS_WRITE;
    return pages_map(out_pages, TAKE(buffer), stat.size_bytes, access);
}
