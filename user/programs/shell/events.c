#include "events.h"
#include "peal/memory.h"
#include "peal/ring.h"

/* User data: from USER_DATA_ENDED on they are the ends of programs. */
#define USER_DATA_TYPED     1u
#define USER_DATA_INTERRUPT 2u
#define USER_DATA_LEASH     3u
#define USER_DATA_ENDED     16u

static console_ref console;
static channel_ref leash;
static bool is_watching, is_reading, is_leash_watched;
static char typed_bytes[256];
static struct event late[EVENTS_PROCESSES_MAX];
static uint32_t late_count;

/* Never more in flight than the ring holds, so that there always is a slot. */
static void push(struct abi_submission submission)
{
    struct abi_submission *slot = peal_ring_slot();
    if (slot == nullptr) return;
    *slot = submission;
    peal_ring_push();
}

static void watch(void)
{
    if (is_watching || console_is_nil(console) || !channel_is_nil(leash)) return;
    is_watching = true;
    push((struct abi_submission){
        .op = ABI_OP_CONSOLE_WATCH, .capability = console.raw, .user_data = USER_DATA_INTERRUPT});
}

/* Nothing is ever sent: what completes it is that the other end is gone. */
static void watch_leash(void)
{
    if (is_leash_watched || channel_is_nil(leash)) return;
    is_leash_watched = true;
    push((struct abi_submission){
        .op = ABI_OP_CHANNEL_RECEIVE, .capability = leash.raw, .user_data = USER_DATA_LEASH});
}

static void read_typed(void)
{
    struct location where;
    if (is_reading ||
        !is_ok(peal_locate_whole(typed_bytes, sizeof(typed_bytes), ABI_ACCESS_WRITE, &where)))
        return;
    is_reading = true;
    push((struct abi_submission){.op = ABI_OP_READ,
                                 .capability = console.raw,
                                 .offset_bytes = ABI_OFFSET_CURRENT,
                                 .buffer_index = where.buffer_index,
                                 .buffer_offset_bytes = where.offset_bytes,
                                 .length_bytes = where.length_bytes,
                                 .user_data = USER_DATA_TYPED});
}

void events_init(console_ref the_console, channel_ref the_leash)
{
    console = the_console;
    leash = the_leash;
    watch();
    watch_leash();
}

bool events_is_leashed(void)
{
    return !channel_is_nil(leash);
}

static bool take_typed(const struct abi_completion *done, struct event *out_event)
{
    is_reading = false;
    bool is_good = done->tag == ABI_RESULT_OK;
    *out_event = (struct event){.kind = EVENT_TYPED,
                                .typed = {typed_bytes, is_good ? done->value : 0},
                                .status = is_good ? OK : status_of_raw(done->error)};
    return true;
}

static bool take_interrupt(const struct abi_completion *done, struct event *out_event)
{
    is_watching = false;
    if (done->tag != ABI_RESULT_OK) return false; /* another program watches: that is no event */
    *out_event = (struct event){.kind = EVENT_INTERRUPT, .status = OK};
    return true;
}

/* False: it was nothing to tell. */
static bool take(const struct abi_completion *done, struct event *out_event)
{
    switch (done->user_data) {
    case USER_DATA_TYPED:
        return take_typed(done, out_event);
    case USER_DATA_INTERRUPT:
        return take_interrupt(done, out_event);
    case USER_DATA_LEASH:
        *out_event = (struct event){.kind = EVENT_INTERRUPT, .status = OK};
        return true;
    default:
        *out_event =
            (struct event){.kind = EVENT_ENDED,
                           .status = done->tag == ABI_RESULT_OK ? OK : status_of_raw(done->error),
                           .number = done->user_data - USER_DATA_ENDED};
        return true;
    }
}

/* What was typed before Ctrl-C, but is told after it, belongs to the line that Ctrl-C ends. Ends of
 * programs that come before it are told later. */
static void forget_typed(void)
{
    struct abi_completion done;
    struct event event;
    while (is_reading && peal_reap(&done))
        if (take(&done, &event) && event.kind == EVENT_ENDED && late_count < EVENTS_PROCESSES_MAX)
            late[late_count++] = event;
}

bool events_poll(struct event *out_event)
{
    struct abi_completion done;
    if (late_count > 0) {
        *out_event = late[--late_count];
        return true;
    }
    while (peal_reap(&done)) {
        if (!take(&done, out_event)) continue;
        if (out_event->kind == EVENT_INTERRUPT) forget_typed();
        return true;
    }
    return false;
}

struct event events_wait(bool wants_typed)
{
    struct event event;
    watch();
    if (wants_typed) read_typed();
    while (!events_poll(&event)) {
        ignore_status(peal_submit(1, ABI_DEADLINE_NEVER).status); /* we look again anyway */
    }
    return event;
}

status events_await_end(process_ref process, uint64_t number, struct abi_exit *out_exit)
{
    struct location where;
    TRY(peal_locate_whole(out_exit, sizeof(*out_exit), ABI_ACCESS_WRITE, &where));
    push((struct abi_submission){.op = ABI_OP_PROCESS_WAIT,
                                 .capability = process.raw,
                                 .buffer_index = where.buffer_index,
                                 .buffer_offset_bytes = where.offset_bytes,
                                 .length_bytes = where.length_bytes,
                                 .user_data = USER_DATA_ENDED + number,
                                 .args = {ABI_DEADLINE_NEVER}});
    return OK;
}
