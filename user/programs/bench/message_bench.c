#include "message_bench.h"
#include "peal/channel.h"
#include "peal/clock.h"
#include "peal/file.h"
#include "peal/memory.h"
#include "peal/process.h"
#include "peal/program.h"
#include "peal/ring.h"
#include "peal/timer.h"

#define MESSAGE_BYTES 64u

static channel_handle own_end;
static process_handle other;
static alignas(64) uint8_t outgoing[MESSAGE_BYTES], incoming[MESSAGE_BYTES];

/*
 * Sends and then receives, entering once: the receive is linked to the send, whose success needs no
 * completion.
 */
static status exchange(channel_ref channel)
{
    struct location out, in;
    TRY(peal_locate_whole(outgoing, sizeof(outgoing), ABI_ACCESS_READ, &out));
    TRY(peal_locate_whole(incoming, sizeof(incoming), ABI_ACCESS_WRITE, &in));
    struct abi_submission *slot = peal_ring_slot();
    if (slot == nullptr) return FAIL(QUEUE_FULL);
    peal_prepare_channel_send(
        slot, (struct abi_submission){.flags = ABI_SUBMISSION_LINK | ABI_SUBMISSION_SKIP_SUCCESS,
                                      .capability = channel.raw,
                                      .buffer_index = out.buffer_index,
                                      .buffer_offset_bytes = out.offset_bytes,
                                      .length_bytes = out.length_bytes});
    peal_ring_push();
    slot = peal_ring_slot();
    if (slot == nullptr) return FAIL(QUEUE_FULL);
    peal_prepare_channel_receive(slot,
                                 (struct abi_submission){.capability = channel.raw,
                                                         .buffer_index = in.buffer_index,
                                                         .buffer_offset_bytes = in.offset_bytes,
                                                         .length_bytes = in.length_bytes});
    peal_ring_push();
    struct abi_completion done;
    do {
        TRY(peal_submit(1, ABI_DEADLINE_NEVER).status);
    } while (!peal_reap(&done));
    return done.tag == ABI_RESULT_OK ? OK : status_of_raw(done.error);
}

status message_bench_round(void)
{
    return exchange(channel_borrow(&own_end));
}

int message_bench_echo(void)
{
    channel_ref channel = peal_granted_channel(TEXT("channel"));
    channel_message first = {.bytes = SPAN_OF(incoming)};
    status outcome = peal_channel_receive(channel, &first);
    while (is_ok(outcome))
        outcome = exchange(channel);
    return 0;
}

status message_bench_begin(void)
{
    OWNED(channel_pair) pair = {0};
    TRY(peal_channel_create(&pair, 0));
    file_result opened = peal_path_open_file(TEXT("/boot/bin/bench"), RIGHTS_EXECUTE);
    TRY(opened.status);
    OWNED(file_handle) program = TAKE(opened.value);
    const text arguments[] = {TEXT("bench"), MESSAGE_BENCH_ECHO};
    struct peal_grant grants[] = {
        PEAL_GRANT("channel", channel_borrow(&pair.ends[1]), RIGHTS_CHANNEL)};
    process_result started =
        peal_process_spawn(file_borrow(&program), &(struct peal_spawn){.name = arguments[0],
                                                                       .arguments = arguments,
                                                                       .arguments_count = 2,
                                                                       .grants = grants,
                                                                       .grants_count = 1});
    TRY(started.status);
    other = TAKE(started.value);
    own_end = TAKE(pair.ends[0]);
    return OK;
}

void message_bench_end(void)
{
    struct abi_exit how;
    channel_handle_drop(&own_end); /* which the other end is told */
    ignore_status(peal_process_wait(process_borrow(&other), ABI_DEADLINE_NEVER, &how));
    process_handle_drop(&other);
}

/* ---- a handle that moves ---- */

static channel_pair transfer_ends;
static timer_handle travelling;

static status transfer_set_up(void)
{
    if (!timer_is_nil(timer_borrow(&travelling))) return OK;
    TRY(peal_channel_create(&transfer_ends, 0));
    timer_result made =
        peal_timer_create((struct timer_setting){.deadline_ns = ABI_DEADLINE_NEVER});
    TRY(made.status);
    travelling = TAKE(made.value);
    return OK;
}

status round_transfer(void)
{
    TRY(transfer_set_up());
    struct peal_parcel parcel = PEAL_MOVE(&travelling, ABI_RIGHTS_ALL);
    TRY(peal_channel_send_with(channel_borrow(&transfer_ends.ends[0]), VIEW_OF(outgoing), &parcel,
                               1));
    OWNED(channel_message) message = {.bytes = SPAN_OF(incoming)};
    TRY(peal_channel_receive(channel_borrow(&transfer_ends.ends[1]), &message));
    travelling = channel_message_take_timer(&message, 0);
    return timer_is_nil(timer_borrow(&travelling)) ? FAIL(IO_ERROR) : OK;
}
