/*
 * Messages: made from what a sender names, carried to where a receiver wants them.
 *
 * What can be refused on the sender's side is found before anything changes; the same on the
 * receiver's side; only then the sender's handles leave its table, in one step; from there on
 * nothing can fail. channel_carry() shows the order.
 */
#include "base/checked.h"
#include "ipc/channel_internal.h"
#include "mm/heap.h"
#include "mm/quota.h"

static constexpr uint64_t ENTRY_BYTES = sizeof(struct abi_message_handle);

/* Between two looks whether somebody else wants the processor. */
static constexpr uint64_t PIECE_BYTES = 64 * 1024;

static channel_outcome failed(status why)
{
    return channel_ended(why.code);
}

/* ---- memory ---- */

/* Charged to the quota, with the capabilities that it will hold. nullptr: there is none. */
static struct channel_message *message_take(struct memory_quota *quota, uint32_t parcels_count,
                                            uint64_t length)
{
    uint64_t parcels_end =
        sizeof(struct channel_message) + parcels_count * sizeof(struct channel_parcel);
    uint64_t total = parcels_end + length;
    uint64_t charged = total + parcels_count * CAPABILITY_BYTES;
    if (!is_ok(memory_quota_charge(quota, charged))) return nullptr;
    struct channel_message *message = heap_take(total);
    if (message == nullptr) {
        memory_quota_uncharge(quota, charged);
        return nullptr;
    }
    memory_quota_get(quota);
    *message = (struct channel_message){
        .quota = quota,
        .charged_bytes = (uint32_t)charged,
        .length = (uint32_t)length,
        .parcels_count = parcels_count,
        .bytes = (uint8_t *)message + parcels_end,
    };
    list_init(&message->link);
    return message;
}

static void message_give(struct channel_message *message)
{
    struct memory_quota *quota = message->quota;
    memory_quota_uncharge(quota, message->charged_bytes);
    heap_give(message);
    memory_quota_put(quota);
}

struct channel_message *channel_message_of_bytes(const struct channel_send *send)
{
    const buffer_pin *bytes = send->bytes;
    struct channel_message *message = message_take(send->type->party(send).quota, 0, bytes->length);
    if (message != nullptr && bytes->length != 0)
        buffer_read(bytes->buffer, bytes->offset, message->bytes, bytes->length);
    return message;
}

void channel_message_destroy(CONSUMED struct channel_message *message)
{
    for (uint32_t i = 0; i < message->parcels_count; i++) {
        struct capability *capability = message->parcels[i].capability;
        if (capability != nullptr) capability_release(capability);
    }
    message_give(message);
}

/* ---- the sender's side ---- */

static status entries_pin(const struct channel_party *party, const struct channel_entries *entries,
                          uint32_t count, uint32_t access, buffer_pin *out_pin)
{
    return buffer_table_pin(party->buffers, entries->buffer_index, entries->offset,
                            count * ENTRY_BYTES, access, out_pin);
}

/* What is being made of a sender's entries. */
struct packing {
    struct channel_party party;
    const struct channel *channel;
    struct channel_message *message;
    struct channel_departure *departure;
};

/* A parcel for a handle whose capability is used by the caller, who goes on using it if it is
 * entered as a move. */
static status pack(struct packing *packing, const struct abi_message_handle *entry,
                   struct capability *found)
{
    struct channel_message *message = packing->message;
    struct channel_parcel *parcel = &message->parcels[message->parcels_count];
    bool is_copy = (entry->flags & ABI_MESSAGE_HANDLE_COPY) != 0;
    bool has_child = is_copy || (found->rights & ~entry->rights) != 0;
    *parcel = (struct channel_parcel){.capability = found};
    list_init(&parcel->of_link);
    list_init(&parcel->here_link);
    if (channel_is_end(found->object)) {
        parcel->end = channel_end_of(found->object);
        if (parcel->end->channel == packing->channel) return FAIL(INVALID_ARGUMENT);
    }
    if (has_child) {
        derivation how = {is_copy ? ABI_ORIGIN_COPIED : ABI_ORIGIN_RESTRICT,
                          packing->party.process};
        capability_result child = capability_derive(found, entry->rights, how);
        TRY(child.status);
        parcel->capability = child.value;
    }
    struct channel_departure *departure = packing->departure;
    departure->moves[departure->count].handle = entry->handle;
    departure->moves[departure->count].capability = is_copy ? nullptr : found;
    departure->moves[departure->count].has_child = has_child;
    departure->count++;
    message->parcels_count++;
    message->ends_count += parcel->end != nullptr;
    if (is_copy) capability_unuse(found);
    return OK;
}

static bool is_twice(const struct channel_departure *departure, uint64_t handle)
{
    for (uint32_t i = 0; i < departure->count; i++)
        if (departure->moves[i].handle == handle) return true;
    return false;
}

static channel_outcome pack_entry(struct packing *packing, const struct abi_message_handle *entry)
{
    if ((entry->flags & ~ABI_MESSAGE_HANDLE_FLAGS_KNOWN) != 0 || entry->kind != 0 ||
        is_twice(packing->departure, entry->handle))
        return channel_ended(STATUS_INVALID_ARGUMENT);
    uint64_t needed = ABI_RIGHT_TRANSFER;
    if ((entry->flags & ABI_MESSAGE_HANDLE_COPY) != 0) needed |= ABI_RIGHT_DUP;
    uint32_t detail = 0;
    capability_result found =
        handle_table_find(packing->party.handles, entry->handle, ABI_KINDS_ANY, needed, &detail);
    if (!is_ok(found.status)) return (channel_outcome){.code = found.status.code, .detail = detail};
    status packed = pack(packing, entry, found.value);
    if (!is_ok(packed)) capability_unuse(found.value);
    return failed(packed);
}

channel_outcome channel_message_of_handles(const struct channel_send *send,
                                           const struct channel *channel, uint64_t bytes,
                                           struct channel_departure *departure,
                                           struct channel_message **out_message)
{
    struct packing packing = {
        .party = send->type->party(send), .channel = channel, .departure = departure};
    uint32_t count = send->entries.count;
    buffer_pin entries;
    status pinned = entries_pin(&packing.party, &send->entries, count, ABI_ACCESS_READ, &entries);
    if (!is_ok(pinned)) return failed(pinned);
    packing.message = message_take(packing.party.quota, count, bytes);
    departure->count = 0;
    departure->is_committed = false;
    channel_outcome outcome =
        channel_ended(packing.message != nullptr ? STATUS_OK : STATUS_OUT_OF_MEMORY);
    if (packing.message != nullptr) packing.message->parcels_count = 0;
    for (uint32_t i = 0; i < count && outcome.code == STATUS_OK; i++) {
        struct abi_message_handle entry; /* read once: the program may change it at any time */
        buffer_read(entries.buffer, entries.offset + i * ENTRY_BYTES, &entry, sizeof(entry));
        outcome = pack_entry(&packing, &entry);
    }
    buffer_pin_drop(&entries);
    if (outcome.code == STATUS_OK)
        *out_message = packing.message;
    else if (packing.message != nullptr)
        channel_message_settle(departure, packing.message);
    return outcome;
}

bool channel_message_commit(const struct channel_send *send, struct channel_departure *departure)
{
    uint64_t handles[ABI_MESSAGE_HANDLES_MAX];
    struct capability *capabilities[ABI_MESSAGE_HANDLES_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < departure->count; i++) {
        if (departure->moves[i].capability == nullptr) continue;
        handles[count] = departure->moves[i].handle;
        capabilities[count++] = departure->moves[i].capability;
    }
    departure->is_committed =
        handle_table_take_all(send->type->party(send).handles, count, handles, capabilities);
    return departure->is_committed;
}

void channel_message_settle(struct channel_departure *departure,
                            CONSUMED struct channel_message *message)
{
    for (uint32_t i = 0; i < departure->count; i++) {
        struct capability *capability = departure->moves[i].capability;
        if (capability == nullptr) continue;
        bool has_child = departure->moves[i].has_child;
        /* The hold is still the table's, or it is the message's, or ours: the parent of a child. */
        if (!departure->is_committed && !has_child) message->parcels[i].capability = nullptr;
        if (departure->is_committed && has_child) capability_release(capability);
        capability_unuse(capability);
    }
    if (message != nullptr) channel_message_destroy(message);
}

/* ---- the receiver's side ---- */

/* Where a message goes. */
struct place {
    buffer_pin entries; /* ours to drop */
    struct buffer *bytes;
    uint64_t bytes_offset;
};

static channel_outcome does_not_fit(uint64_t length, uint32_t count)
{
    return (channel_outcome){.code = STATUS_OUT_OF_RANGE, .detail = ABI_NEEDED_MAKE(length, count)};
}

static channel_outcome place_find(struct channel_receive *receive, uint64_t length, uint32_t count,
                                  struct place *place)
{
    *place = (struct place){0};
    if (receive->type->take_place != nullptr) {
        uint64_t entries_bytes = count * ENTRY_BYTES;
        status taken = receive->type->take_place(receive, entries_bytes + length, &place->entries);
        place->bytes = place->entries.buffer;
        place->bytes_offset = place->entries.offset + entries_bytes;
        if (taken.code == STATUS_OUT_OF_RANGE) return does_not_fit(length, count);
        return failed(taken);
    }
    if (length > receive->bytes->length || count > receive->entries.count)
        return does_not_fit(length, count);
    place->bytes = receive->bytes->buffer;
    place->bytes_offset = receive->bytes->offset;
    if (count == 0) return channel_ended(STATUS_OK);
    struct channel_party party = receive->type->party(receive);
    return failed(entries_pin(&party, &receive->entries, count, ABI_ACCESS_WRITE, &place->entries));
}

static void place_give(struct channel_receive *receive, struct place *place)
{
    buffer_pin_drop(&place->entries);
    if (receive->type->give_place != nullptr) receive->type->give_place(receive);
}

static status copy_bytes(const struct channel_load *load, const struct place *place)
{
    if (load->send == nullptr && load->message->length == 0) return OK; /* perhaps into no buffer */
    if (load->send == nullptr)
        return buffer_write(place->bytes, place->bytes_offset, load->message->bytes,
                            load->message->length);
    const buffer_pin *from = load->send->bytes;
    for (uint64_t done = 0; done < from->length; done += PIECE_BYTES) {
        if (done != 0) scheduler_preempt_point();
        TRY(buffer_copy(place->bytes, place->bytes_offset + done, from->buffer, from->offset + done,
                        min_of(PIECE_BYTES, from->length - done)));
    }
    return OK;
}

/* Makes the pages for the entries, so that writing them cannot fail. */
static status touch_entries(const buffer_pin *entries, uint32_t count)
{
    uint64_t last = entries->offset + count * ENTRY_BYTES - 1;
    for (uint64_t page = entries->offset / PAGE_BYTES; page <= last / PAGE_BYTES; page++)
        TRY(buffer_touch(entries->buffer, page).status);
    return OK;
}

/* Gives the receiver its handles; the slots are reserved, the pages there. */
static void unpack(struct channel_message *message, struct handle_table *table,
                   const uint64_t *handles, const buffer_pin *entries)
{
    for (uint32_t i = 0; i < message->parcels_count; i++) {
        struct channel_parcel *parcel = &message->parcels[i];
        struct abi_message_handle entry = {.handle = handles[i],
                                           .rights = parcel->capability->rights,
                                           .kind = parcel->capability->kind};
        handle_table_fill(table, handles[i], TAKE(parcel->capability));
        ignore_status(buffer_write(entries->buffer, entries->offset + i * ENTRY_BYTES, &entry,
                                   sizeof(entry))); /* touch_entries() has made the page */
    }
}

/* The handles, when the bytes are there: all of them, or none. */
[[gnu::noinline]] static enum channel_carried carry_handles(const struct channel_load *load,
                                                            struct channel_receive *receive,
                                                            const struct place *place,
                                                            channel_outcome *out_outcome)
{
    struct channel_message *message = load->message;
    uint32_t count = message->parcels_count;
    uint64_t handles[ABI_MESSAGE_HANDLES_MAX];
    struct handle_table *table = receive->type->party(receive).handles;
    status ready = touch_entries(&place->entries, count);
    if (is_ok(ready)) ready = handle_table_reserve(table, count, handles);
    if (!is_ok(ready)) {
        *out_outcome = failed(ready);
        return CHANNEL_RECEIVER_REFUSED;
    }
    if (load->send != nullptr && !channel_message_commit(load->send, load->departure)) {
        handle_table_unreserve(table, count, handles);
        *out_outcome = channel_ended(STATUS_INVALID_CAPABILITY);
        return CHANNEL_SENDER_REFUSED;
    }
    if (load->send == nullptr) channel_transit_leave(message);
    unpack(message, table, handles, &place->entries);
    return CHANNEL_CARRIED;
}

enum channel_carried channel_carry(const struct channel_load *load, struct channel_receive *receive,
                                   channel_outcome *out_outcome)
{
    uint64_t length = channel_load_length(load);
    uint32_t count = load->message != nullptr ? load->message->parcels_count : 0;
    struct place place;
    *out_outcome = place_find(receive, length, count, &place);
    if (unlikely(out_outcome->code != STATUS_OK)) return CHANNEL_RECEIVER_REFUSED;

    enum channel_carried carried = CHANNEL_CARRIED;
    status copied = length != 0 ? copy_bytes(load, &place) : OK;
    *out_outcome = failed(copied);
    if (unlikely(!is_ok(copied)))
        carried = CHANNEL_RECEIVER_REFUSED;
    else if (count != 0)
        carried = carry_handles(load, receive, &place, out_outcome);
    if (likely(carried == CHANNEL_CARRIED)) {
        *out_outcome = (channel_outcome){.value = length | (uint64_t)count << 32};
        buffer_pin_drop(&place.entries);
    } else {
        place_give(receive, &place);
    }
    return carried;
}
