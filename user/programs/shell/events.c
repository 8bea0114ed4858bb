#include "events.h"
#include "peal/memory.h"
#include "peal/output.h"
#include "peal/ring.h"

/* User data of the three. */
#define EVENT_TYPED     1u
#define EVENT_INTERRUPT 2u
#define EVENT_ENDED     3u

static console_ref console;
static bool is_watching, is_reading;
static char typed_bytes[256];
static struct abi_exit ended;

void events_init(console_ref the_console)
{
    console = the_console;
}

/* Never more than three in flight, so that there always is a slot. */
static void push(struct abi_submission submission)
{
    struct abi_submission *slot = peal_ring_slot();
    if (slot == nullptr) return;
    *slot = submission;
    peal_ring_push();
}

static void watch(void)
{
    if (is_watching) return;
    is_watching = true;
    push((struct abi_submission){
        .op = ABI_OP_CONSOLE_WATCH, .capability = console.raw, .user_data = EVENT_INTERRUPT});
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
                                 .user_data = EVENT_TYPED});
}

/* The next thing that happened. A watch that another program holds already is no event. */
static struct abi_completion next_event(void)
{
    struct abi_completion done;
    for (;;) {
        if (!peal_reap(&done)) {
            ignore_status(peal_submit(1, ABI_DEADLINE_NEVER).status); /* we look again anyway */
            continue;
        }
        if (done.user_data == EVENT_INTERRUPT) {
            is_watching = false;
            if (done.tag != ABI_RESULT_OK) continue;
        }
        return done;
    }
}

/* What was typed before Ctrl-C, but is told after it, belongs to the line that Ctrl-C ends. */
static void forget_typed(void)
{
    struct abi_completion done;
    while (is_reading && peal_reap(&done))
        if (done.user_data == EVENT_TYPED) is_reading = false;
}

bool events_read(text *out_typed, status *out_status)
{
    watch();
    read_typed();
    struct abi_completion done = next_event();
    *out_status = OK;
    if (done.user_data != EVENT_TYPED) {
        forget_typed();
        return false;
    }
    is_reading = false;
    if (done.tag != ABI_RESULT_OK) *out_status = status_of_raw(done.error);
    *out_typed = (text){typed_bytes, done.tag == ABI_RESULT_OK ? done.value : 0};
    return true;
}

static status push_wait(process_ref process)
{
    struct location where;
    TRY(peal_locate_whole(&ended, sizeof(ended), ABI_ACCESS_WRITE, &where));
    push((struct abi_submission){.op = ABI_OP_PROCESS_WAIT,
                                 .capability = process.raw,
                                 .buffer_index = where.buffer_index,
                                 .buffer_offset_bytes = where.offset_bytes,
                                 .length_bytes = where.length_bytes,
                                 .user_data = EVENT_ENDED,
                                 .args = {ABI_DEADLINE_NEVER}});
    return OK;
}

status events_wait(process_ref process, struct abi_exit *out_exit)
{
    TRY(push_wait(process));
    for (;;) {
        watch();
        struct abi_completion done = next_event();
        if (done.user_data == EVENT_INTERRUPT) {
            peal_print("^C\n");
            peal_flush();
            ignore_status(
                peal_process_kill(process, EVENTS_CODE_INTERRUPTED)); /* it may be gone already */
        }
        if (done.user_data != EVENT_ENDED) continue;
        *out_exit = ended;
        return done.tag == ABI_RESULT_OK ? OK : status_of_raw(done.error);
    }
}
