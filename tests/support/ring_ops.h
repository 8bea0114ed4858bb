/*
 * Operations to test rings with, and the helpers that every test of a ring wants. Included by one
 * file of a test binary, as support/ring_world.h is.
 */
#pragma once
#include "ring/ring_internal.h"
#include "support/ring_world.h"

/* ---- operations to test with ---- */

enum {
    NOP,
    ECHO,      /* value: ARG0 */
    PARK,      /* until completed by the test, or deadline ARG0 */
    EARLY,     /* completed before the handler returns; fails when ARG0 is not zero */
    DEFER,     /* value: ARG0, from a worker */
    SPAN,      /* value: length of the span; needs a file with READ */
    PARK_SPAN, /* as PARK, pinning a file and a span */
    CONSUME,   /* consumes the handle; fails */
    LATE,      /* parks from a worker's point of view: never cancelled, ends after a turn */
    POST,      /* posts ARG0 events before its handler returns, then parks; multishot */
    SERVED,    /* as SPAN, which a server would do */
    CANCEL,    /* user data ARG0, of all if ARG1 is not zero */
    CANCEL_HANDLE,
    LINK_TIMEOUT, /* at ARG0 */
    KERNEL_ONLY,  /* as SPAN, which a server cannot do */
};

/* A source of events: ops that wait, in order. */
static spin_lock source_lock = SPIN_LOCK_INIT(LOCK_RANK_CONSOLE);
static struct list source = LIST_INIT(source);
struct source_wait {
    struct list link;
    bool is_waiting;
};
static _Atomic uint32_t cancels;
static status last_cancel;

static void source_add(struct op *op)
{
    struct source_wait *wait = op_use(op, struct source_wait);
    spin_acquire(&source_lock);
    list_push_back(&source, &wait->link);
    wait->is_waiting = true;
    spin_release(&source_lock);
}

static bool source_remove(struct op *op)
{
    struct source_wait *wait = op_use(op, struct source_wait);
    spin_acquire(&source_lock);
    bool was_waiting = wait->is_waiting;
    if (was_waiting) list_remove(&wait->link);
    wait->is_waiting = false;
    spin_release(&source_lock);
    return was_waiting;
}

/* The oldest waiter, whose completion is the caller's duty; nullptr when there is none. */
static struct op *source_take(void)
{
    spin_acquire(&source_lock);
    struct list *link = list_take_front(&source);
    struct source_wait *wait = link ? list_entry(link, struct source_wait, link) : nullptr;
    if (wait != nullptr) wait->is_waiting = false;
    spin_release(&source_lock);
    return wait != nullptr ? op_of_use(wait) : nullptr;
}

[[maybe_unused]] static bool source_fire(uint64_t value)
{
    struct op *op = source_take();
    if (op != nullptr) op_complete(op, op_done(value));
    return op != nullptr;
}

static void cancel_wait(struct op *op, status why)
{
    atomic_fetch_add(&cancels, 1);
    last_cancel = why;
    if (source_remove(op)) op_complete(op, op_failed(why));
}

static op_outcome run_nop(struct op *op)
{
    (void)op;
    return op_done(0);
}
static op_outcome run_echo(struct op *op)
{
    return op_done(op->submission.args[0]);
}
static op_outcome run_park(struct op *op)
{
    source_add(op);
    return op_park(op, cancel_wait, (deadline){op->submission.args[0]});
}
static op_outcome run_early(struct op *op)
{
    op_complete(op, op->submission.args[0] ? op_failed(FAIL(IO_ERROR)) : op_done(77));
    return op_park(op, cancel_wait, deadline_in_ms(1));
}
static uint32_t deferred_count;
static op_outcome run_deferred_echo(struct op *op)
{
    deferred_count++;
    return run_echo(op);
}
static op_outcome run_defer(struct op *op)
{
    return op_defer(op, run_deferred_echo);
}
static op_outcome run_span(struct op *op)
{
    return op_done(op->pin.length);
}
static op_outcome run_consume(struct op *op)
{
    (void)op;
    return op_failed(FAIL(BUSY));
}
static op_outcome run_late(struct op *op)
{
    source_add(op);
    return op_pending();
}

/* Completes at once when there is no slot for an event. */
static op_outcome run_post(struct op *op)
{
    for (uint64_t i = 0; i < op->submission.args[0]; i++)
        if (!op_post(op, op_done_with(i, ABI_COMPLETION_CHUNK, (uint32_t)i))) return op_done(i);
    source_add(op);
    return op_park(op, cancel_wait, deadline_never());
}
[[maybe_unused]] static bool source_post(uint64_t value)
{
    struct op *op = source_take();
    if (op == nullptr) return false;
    if (!op_post(op, op_done(value))) {
        op_complete(op, op_done(value));
        return true;
    }
    source_add(op);
    status cancelled = op_cancel_reason(op);
    if (!is_ok(cancelled) && source_remove(op)) op_complete(op, op_failed(cancelled));
    return true;
}

#define SPAN_ROW                                                                 \
    .shape = OP_CLAIMS, .buffer_use = OP_BUFFER_IN, .kinds = ABI_KIND_BIT(FILE), \
    .rights = ABI_RIGHT_READ,                                                    \
    .forbidden = {0xfff8ff00, 0, UINT64_MAX, 0, UINT64_MAX, 0, 0, UINT64_MAX}
#define PLAIN_ROW      \
    .shape = OP_PLAIN, \
    .forbidden = {     \
        OP_BARE_FORBIDDEN_WORD0, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, 0, 0, UINT64_MAX}
static const struct op_descriptor nop_row = {
    .handler = run_nop,
    .shape = OP_BARE,
    .forbidden = {OP_BARE_FORBIDDEN_WORD0, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, 0,
                  UINT64_MAX, UINT64_MAX},
};
static const struct op_descriptor echo_row = {.handler = run_echo, PLAIN_ROW};
static const struct op_descriptor park_row = {.handler = run_park, PLAIN_ROW};
static const struct op_descriptor early_row = {.handler = run_early, PLAIN_ROW};
static const struct op_descriptor defer_row = {.handler = run_defer, PLAIN_ROW};
static const struct op_descriptor late_row = {.handler = run_late, PLAIN_ROW};
static const struct op_descriptor span_row = {.handler = run_span, SPAN_ROW};
static const struct op_descriptor park_span_row = {.handler = run_park, SPAN_ROW};
static const struct op_descriptor post_row = {
    .handler = run_post,
    .shape = OP_PLAIN,
    .forbidden = {OP_BARE_FORBIDDEN_WORD0, UINT64_MAX, UINT64_MAX, UINT64_MAX,
                  ~(uint64_t)ABI_OP_FLAG_MULTISHOT, 0, 0, UINT64_MAX}};
static const struct op_descriptor served_row = {
    .handler = run_span, .served = OP_SERVED_FORWARDED, SPAN_ROW};
static const struct op_descriptor kernel_only_row = {
    .handler = run_span, .served = OP_SERVED_KERNEL, SPAN_ROW};
static op_outcome run_cancel(struct op *op)
{
    return op_cancel_others(op, OP_MATCH_USER_DATA, op->submission.args[0],
                            op->submission.args[1] != 0);
}
static op_outcome run_cancel_handle(struct op *op)
{
    return op_cancel_others(op, OP_MATCH_HANDLE, op->submission.capability, true);
}
static op_outcome run_link_timeout(struct op *op)
{
    (void)op;
    return op_failed(FAIL(INVALID_ARGUMENT));
}
static const struct op_descriptor cancel_row = {
    .handler = run_cancel,
    .shape = OP_PLAIN,
    .forbidden = {OP_BARE_FORBIDDEN_WORD0, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}};
static const struct op_descriptor cancel_handle_row = {
    .handler = run_cancel_handle,
    .shape = OP_CLAIMS,
    .kinds = ABI_KINDS_ANY,
    .forbidden = {OP_BARE_FORBIDDEN_WORD0, 0, UINT64_MAX, UINT64_MAX, UINT64_MAX, 0, UINT64_MAX,
                  UINT64_MAX}};
static const struct op_descriptor link_timeout_row = {
    .handler = run_link_timeout, .is_link_timeout = true, PLAIN_ROW};
static const struct op_descriptor consume_row = {
    .handler = run_consume,
    .shape = OP_CLAIMS,
    .kinds = ABI_KINDS_ANY,
    .rights = ABI_RIGHT_CLOSE,
    .forbidden = {OP_BARE_FORBIDDEN_WORD0, 0, UINT64_MAX, UINT64_MAX, UINT64_MAX, 0, UINT64_MAX,
                  UINT64_MAX},
    .consumes_capability = true,
};
static const struct op_descriptor *const rows[RING_OPERATIONS] = {
    [NOP] = &nop_row,
    [ECHO] = &echo_row,
    [PARK] = &park_row,
    [EARLY] = &early_row,
    [DEFER] = &defer_row,
    [SPAN] = &span_row,
    [PARK_SPAN] = &park_span_row,
    [CONSUME] = &consume_row,
    [LATE] = &late_row,
    [POST] = &post_row,
    [SERVED] = &served_row,
    [CANCEL] = &cancel_row,
    [CANCEL_HANDLE] = &cancel_handle_row,
    [LINK_TIMEOUT] = &link_timeout_row,
    [KERNEL_ONLY] = &kernel_only_row,
};

/* ---- helpers ---- */

static void begin(uint32_t entries)
{
    world_init(rows);
    world_begin();
    atomic_store(&cancels, 0);
    CHECK_STATUS(OK, world_make_ring(entries));
}

[[maybe_unused]] static uint32_t enter(uint32_t expected_status, uint64_t wait_count)
{
    uint64_t answer = ring_enter(world.ring, wait_count, ABI_DEADLINE_NEVER);
    CHECK_EQUAL(expected_status, ABI_ENTER_STATUS(answer));
    return ABI_ENTER_ACCEPTED(answer);
}

[[maybe_unused]] static void submit(uint8_t op, uint64_t user_data, uint64_t argument)
{
    world_submit((struct abi_submission){.op = op, .user_data = user_data, .args = {argument}});
}

[[maybe_unused]] static void expect_value(uint64_t user_data, uint64_t value)
{
    struct abi_completion completion = world_reap();
    CHECK_EQUAL(user_data, completion.user_data);
    CHECK_EQUAL(ABI_RESULT_OK, completion.tag);
    CHECK_EQUAL(value, completion.value);
    CHECK_EQUAL(0, completion.flags);
    CHECK_EQUAL(0, completion.detail);
}

[[maybe_unused]] static uint32_t expect_error(uint64_t user_data, enum abi_status error)
{
    struct abi_completion completion = world_reap();
    CHECK_EQUAL(user_data, completion.user_data);
    CHECK_EQUAL(ABI_RESULT_ERROR, completion.tag);
    CHECK_EQUAL(error, completion.error);
    return completion.detail;
}
