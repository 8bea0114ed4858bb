/*
 * Chains, drains, timeouts, cancelling, suppressed completions and priorities, on the real kernel:
 * sleeps are what waits here, on this processor and through workers.
 */
#include "peal/clock.h"
#include "peal/ring.h"
#include "peal/thread.h"
#include "support/guest_test.h"
#include "support/raw.h"

#define CENTURY_NS  3'155'760'000'000'000'000ull
#define MS          1'000'000ull
#define LINK        ABI_SUBMISSION_LINK
#define HARD        ABI_SUBMISSION_HARD_LINK
#define DRAIN       ABI_SUBMISSION_DRAIN
#define SKIP        ABI_SUBMISSION_SKIP_SUCCESS
#define COMPLETIONS (2 * ABI_RING_ENTRIES_DEFAULT)

static struct abi_completion done[COMPLETIONS];

static struct abi_submission plain(uint8_t op, uint8_t flags, uint64_t user_data, uint64_t argument)
{
    return (struct abi_submission){
        .op = op, .flags = flags, .user_data = user_data, .args = {argument}};
}

static struct abi_submission sleep_for(uint64_t ns, uint8_t flags, uint64_t user_data)
{
    return plain(ABI_OP_SLEEP, flags, user_data, peal_clock_now_ns() + ns);
}

static struct abi_submission sleep_on(uint8_t flags, uint64_t user_data)
{
    return plain(ABI_OP_SLEEP, flags, user_data, CENTURY_NS);
}

static struct abi_submission nop(uint8_t flags, uint64_t user_data)
{
    return (struct abi_submission){.op = ABI_OP_NOP, .flags = flags, .user_data = user_data};
}

static struct abi_submission cancel(uint64_t victim, uint32_t op_flags)
{
    return (struct abi_submission){
        .op = ABI_OP_CANCEL, .op_flags = op_flags, .user_data = 1000, .args = {victim}};
}

/* Submits them and waits until `expected` have completed. */
static void run(const struct abi_submission *submissions, uint32_t count, uint32_t expected)
{
    EXPECT_EQUAL(count, raw_publish(submissions, count));
    uint64_t answer = raw_enter(expected, ABI_DEADLINE_NEVER);
    EXPECT_EQUAL(count, ABI_ENTER_ACCEPTED(answer));
    EXPECT_EQUAL(expected, raw_reap(done, COMPLETIONS));
}
#define RUN(expected, ...)                                                                    \
    run((const struct abi_submission[]){__VA_ARGS__},                                         \
        sizeof((const struct abi_submission[]){__VA_ARGS__}) / sizeof(struct abi_submission), \
        expected)

static void expect(uint32_t index, uint64_t user_data, uint32_t status)
{
    EXPECT_EQUAL(user_data, done[index].user_data);
    EXPECT_EQUAL(status, raw_status(done[index]));
}

/* Where the completion with this user data is; fails if there is none. */
static uint32_t find(uint64_t user_data, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (done[i].user_data == user_data) return i;
    EXPECT(false);
    return 0;
}

/* ---- chains ---- */

GUEST_TEST(a_chain_runs_in_order_through_what_waits)
{
    RUN(4, sleep_for(2 * MS, LINK, 1), nop(LINK, 2), sleep_for(MS, LINK, 3), nop(0, 4));
    for (uint32_t i = 0; i < 4; i++)
        expect(i, i + 1, ABI_STATUS_OK);
}

GUEST_TEST(a_failure_interrupts_the_rest_of_a_chain)
{
    RUN(5, sleep_for(MS, LINK, 1), plain(250, LINK, 2, 0), nop(LINK, 3), nop(HARD, 4), nop(0, 5));
    expect(0, 1, ABI_STATUS_OK);
    expect(1, 2, ABI_STATUS_NOT_IMPLEMENTED);
    for (uint32_t i = 2; i < 5; i++)
        expect(i, i + 1, ABI_STATUS_INTERRUPTED);
    RUN(3, plain(250, HARD, 1, 0), sleep_for(MS, HARD, 2), nop(0, 3));
    expect(1, 2, ABI_STATUS_OK);
    expect(2, 3, ABI_STATUS_OK);
}

GUEST_TEST(a_chain_without_an_end_goes_round_the_ring_and_ends_when_it_is_ended)
{
    for (uint32_t i = 0; i < 3 * ABI_RING_ENTRIES_DEFAULT; i++) {
        RUN(1, i % 50 == 7 ? sleep_for(MS, LINK, i) : nop(LINK, i));
        expect(0, i, ABI_STATUS_OK);
    }
    RUN(1, plain(250, LINK, 1, 0));
    RUN(1, nop(LINK, 2));
    expect(0, 2, ABI_STATUS_INTERRUPTED);
    RUN(2, nop(0, 3), nop(0, 4));
    expect(0, 3, ABI_STATUS_INTERRUPTED);
    expect(1, 4, ABI_STATUS_OK);
}

/* ---- cancelling ---- */

GUEST_TEST(a_cancel_ends_after_its_victim)
{
    RUN(2, sleep_on(0, 1), cancel(1, 0));
    expect(0, 1, ABI_STATUS_INTERRUPTED);
    expect(1, 1000, ABI_STATUS_OK);
    EXPECT_EQUAL(1, done[1].value);
    RUN(1, cancel(1, 0)); /* what is not there */
    expect(0, 1000, ABI_STATUS_NOT_FOUND);
    RUN(1, cancel(1000, ABI_CANCEL_ALL)); /* itself */
    expect(0, 1000, ABI_STATUS_NOT_FOUND);
    RUN(5, sleep_on(0, 1), sleep_on(0, 1), sleep_on(0, 1), cancel(1, 0), cancel(1, ABI_CANCEL_ALL));
    EXPECT_EQUAL(1, done[find(1000, 5)].value);
}

GUEST_TEST(cancelling_the_head_of_a_chain_ends_it_and_its_tail_only_the_tail)
{
    RUN(4, sleep_on(LINK, 1), sleep_on(LINK, 2), sleep_on(0, 3), cancel(1, 0));
    uint32_t first = find(1, 4), second = find(2, 4), third = find(3, 4);
    EXPECT(first < second && second < third && first < find(1000, 4));
    for (uint32_t i = 1; i <= 3; i++)
        expect(find(i, 4), i, ABI_STATUS_INTERRUPTED);

    RUN(3, sleep_for(30 * MS, LINK, 1), nop(LINK, 2), nop(0, 3), cancel(2, 0));
    expect(find(2, 3), 2, ABI_STATUS_INTERRUPTED);
    expect(find(3, 3), 3, ABI_STATUS_INTERRUPTED);
    expect(find(1000, 3), 1000, ABI_STATUS_OK);
    EXPECT_EQUAL(ABI_STATUS_OK, ABI_ENTER_STATUS(raw_enter(1, ABI_DEADLINE_NEVER)));
    EXPECT_EQUAL(1, raw_reap(done, COMPLETIONS));
    expect(0, 1, ABI_STATUS_OK); /* it slept on */
}

/* ---- timeouts ---- */

static struct abi_submission wait_through(uint64_t timer, uint64_t user_data)
{
    return (struct abi_submission){
        .op = ABI_OP_TIMER_WAIT, .capability = timer, .user_data = user_data};
}

static struct abi_submission cancel_through(uint64_t handle, uint64_t user_data)
{
    return (struct abi_submission){
        .op = ABI_OP_CANCEL_HANDLE, .capability = handle, .user_data = user_data};
}

GUEST_TEST(cancelling_by_handle_ends_what_goes_through_that_very_handle)
{
    struct abi_completion made = raw_call(
        (struct abi_submission){.op = ABI_OP_TIMER_CREATE, .args = {ABI_DEADLINE_NEVER, 0}});
    EXPECT(raw_is_ok(made));
    uint64_t timer = made.value, copy = raw_dup(timer, ABI_RIGHTS_ALL);
    RUN(3, wait_through(timer, 1), wait_through(copy, 2), wait_through(timer, 3),
        cancel_through(timer, 4));
    EXPECT_EQUAL(2, find(4, 3)); /* behind its victims */
    EXPECT_EQUAL(2, done[2].value);
    EXPECT_EQUAL(ABI_STATUS_INTERRUPTED, raw_status(done[find(1, 3)]));
    EXPECT_EQUAL(ABI_STATUS_INTERRUPTED, raw_status(done[find(3, 3)]));

    RUN(1, cancel_through(timer, 5));
    expect(0, 5, ABI_STATUS_NOT_FOUND);
    RUN(2, cancel_through(copy, 6));
    expect(0, 2, ABI_STATUS_INTERRUPTED);
    expect(1, 6, ABI_STATUS_OK);
    raw_close(copy);
    raw_close(timer);
}

static struct abi_submission sleep_within(uint32_t timeout_ms, uint64_t user_data)
{
    struct abi_submission submission = sleep_on(ABI_SUBMISSION_TIMEOUT, user_data);
    submission.timeout_ms = timeout_ms;
    return submission;
}

GUEST_TEST(a_timeout_ends_what_takes_longer_and_nothing_else)
{
    uint64_t before = peal_clock_now_ns();
    RUN(2, sleep_within(3, 1), sleep_within(0, 2));
    EXPECT(peal_clock_now_ns() >= before + 3 * MS);
    expect(0, 2, ABI_STATUS_TIMED_OUT);
    expect(1, 1, ABI_STATUS_TIMED_OUT);
    struct abi_submission slept = sleep_for(MS, ABI_SUBMISSION_TIMEOUT, 3);
    slept.timeout_ms = UINT32_MAX; /* seven weeks */
    RUN(1, slept);
    expect(0, 3, ABI_STATUS_OK);
}

GUEST_TEST(a_link_timeout_strikes_when_the_clock_gets_there)
{
    uint64_t limit_ns = peal_clock_now_ns() + 2 * MS;
    RUN(3, sleep_on(LINK, 1), plain(ABI_OP_LINK_TIMEOUT, LINK, 2, limit_ns), nop(0, 3));
    EXPECT(peal_clock_now_ns() >= limit_ns);
    expect(0, 1, ABI_STATUS_TIMED_OUT);
    expect(1, 2, ABI_STATUS_TIMED_OUT);
    expect(2, 3, ABI_STATUS_INTERRUPTED);
    RUN(3, sleep_for(MS, LINK, 1), plain(ABI_OP_LINK_TIMEOUT, LINK, 2, CENTURY_NS), nop(0, 3));
    for (uint32_t i = 0; i < 3; i++)
        expect(i, i + 1, ABI_STATUS_OK);
    RUN(2, sleep_on(LINK, 1), plain(ABI_OP_LINK_TIMEOUT, 0, 2, 0)); /* long ago */
    expect(0, 1, ABI_STATUS_TIMED_OUT);
    RUN(1, plain(ABI_OP_LINK_TIMEOUT, 0, 1, 0)); /* behind nothing */
    expect(0, 1, ABI_STATUS_INVALID_ARGUMENT);
}

/* ---- drains, nothing to tell, a full queue ---- */

GUEST_TEST(a_drain_keeps_what_is_before_it_before_and_what_is_behind_behind)
{
    RUN(5, sleep_for(3 * MS, 0, 1), sleep_for(MS, 0, 2), sleep_for(MS, DRAIN, 3), nop(0, 4),
        nop(DRAIN, 5));
    expect(0, 2, ABI_STATUS_OK);
    for (uint32_t i = 1; i < 5; i++)
        expect(i, (uint64_t[]){2, 1, 3, 4, 5}[i], ABI_STATUS_OK);
}

GUEST_TEST(suppressed_success_is_counted_and_takes_no_slot)
{
    uint64_t before = raw_ring()->suppressed_total;
    for (uint32_t round = 0; round < 5; round++) {
        struct abi_submission submissions[ABI_RING_ENTRIES_DEFAULT];
        for (uint32_t i = 0; i < ABI_RING_ENTRIES_DEFAULT; i++)
            submissions[i] = i == 9 ? sleep_for(MS, SKIP, i) : nop(SKIP, i);
        run(submissions, ABI_RING_ENTRIES_DEFAULT, 0);
        EXPECT_EQUAL(ABI_STATUS_OK, ABI_ENTER_STATUS(raw_enter(1, ABI_DEADLINE_NEVER)));
        EXPECT_EQUAL(0, raw_reap(done, COMPLETIONS));
    }
    EXPECT_EQUAL(before + 5 * ABI_RING_ENTRIES_DEFAULT, raw_ring()->suppressed_total);
    EXPECT_EQUAL(raw_ring()->accepted_total,
                 raw_ring()->completed_total + raw_ring()->suppressed_total);
    RUN(1, plain(250, SKIP, 7, 0));
    expect(0, 7, ABI_STATUS_NOT_IMPLEMENTED);
}

GUEST_TEST(who_never_reads_completions_is_refused)
{
    struct abi_submission submissions[ABI_RING_ENTRIES_DEFAULT];
    for (uint32_t i = 0; i < ABI_RING_ENTRIES_DEFAULT; i++)
        submissions[i] = nop(i % 2 == 0 ? LINK : 0, i);
    for (uint32_t round = 0; round < 2; round++) {
        EXPECT_EQUAL(ABI_RING_ENTRIES_DEFAULT, raw_publish(submissions, ABI_RING_ENTRIES_DEFAULT));
        EXPECT_EQUAL(ABI_STATUS_OK, ABI_ENTER_STATUS(raw_enter(0, 0)));
    }
    EXPECT_EQUAL(1, raw_publish(&submissions[1], 1));
    EXPECT_EQUAL(ABI_STATUS_QUEUE_FULL, ABI_ENTER_STATUS(raw_enter(0, 0)));
    EXPECT_EQUAL(COMPLETIONS, raw_reap(done, COMPLETIONS));
    EXPECT_EQUAL(1, ABI_ENTER_ACCEPTED(raw_enter(1, ABI_DEADLINE_NEVER)));
    EXPECT_EQUAL(1, raw_reap(done, COMPLETIONS));
    expect(0, 1, ABI_STATUS_OK);
}

/* ---- priorities ---- */

static int submit_by_priority(uint64_t is_honoured)
{
    static const uint16_t priorities[] = {0, 3, ABI_PRIORITY_MAX, 3, 0};
    static const uint64_t most_urgent_first[] = {2, 1, 3, 0, 4};
    enum { COUNT = sizeof(priorities) / sizeof(priorities[0]) };
    struct abi_submission submissions[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        submissions[i] = nop(0, i);
        submissions[i].priority = priorities[i];
    }
    if (raw_publish(submissions, COUNT) != COUNT) return __LINE__;
    raw_enter(COUNT, ABI_DEADLINE_NEVER);
    struct abi_completion ended[COUNT];
    if (raw_reap(ended, COUNT) != COUNT) return __LINE__;
    for (uint32_t i = 0; i < COUNT; i++)
        if (ended[i].user_data != (is_honoured ? most_urgent_first[i] : i)) return __LINE__;
    return 0;
}

static size_result submit_on_ring(uint32_t ring_flags)
{
    running_thread_result started =
        peal_thread_create_with(submit_by_priority, (ring_flags & ABI_RING_PRIORITIES) != 0,
                                &(struct peal_thread_options){.ring_flags = ring_flags});
    TRY_AS(size_result, started.status);
    running_thread thread = TAKE(started.value);
    return peal_thread_join(&thread);
}

GUEST_TEST_SETUP
{
    ignore_status(submit_on_ring(0).status); /* the library keeps the stack */
}

GUEST_TEST(a_ring_made_for_it_accepts_the_most_urgent_first)
{
    EXPECT_EQUAL(0, submit_on_ring(0).value);
    size_result ended = submit_on_ring(ABI_RING_PRIORITIES);
    EXPECT_STATUS(OK, ended.status);
    EXPECT_EQUAL(0, ended.value);

    struct abi_submission beyond = nop(0, 9);
    beyond.priority = ABI_PRIORITY_MAX + 1;
    RUN(1, beyond);
    expect(0, 9, ABI_STATUS_INVALID_ARGUMENT);
}
