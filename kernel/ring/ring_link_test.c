/* Chains, drains, timeouts and suppressed completions. */
#include "support/ring_ops.h"

#define LINK  ABI_SUBMISSION_LINK
#define HARD  ABI_SUBMISSION_HARD_LINK
#define DRAIN ABI_SUBMISSION_DRAIN
#define SKIP  ABI_SUBMISSION_SKIP_SUCCESS

static void submit_flagged(uint8_t op, uint8_t flags, uint64_t user_data, uint64_t argument)
{
    world_submit((struct abi_submission){
        .op = op, .flags = flags, .user_data = user_data, .args = {argument}});
}

static void park(uint8_t flags, uint64_t user_data)
{
    submit_flagged(PARK, flags, user_data, ABI_DEADLINE_NEVER);
}

/* ECHO with a field it does not define. */
static void submit_wrong(uint8_t flags, uint64_t user_data)
{
    world_submit((struct abi_submission){
        .op = ECHO, .flags = flags, .user_data = user_data, .args = {0, 1}});
}

static void expect_order(uint32_t count, const uint64_t *user_data)
{
    for (uint32_t i = 0; i < count; i++)
        CHECK_EQUAL(user_data[i], world_reap().user_data);
    CHECK_EQUAL(0, world_unread());
}

/* ---- chains whose members end in place ---- */

TEST(a_chain_of_successes_runs_in_one_enter)
{
    begin(8);
    submit_flagged(ECHO, LINK, 1, 10);
    submit_flagged(NOP, LINK, 2, 0);
    submit_flagged(ECHO, 0, 3, 30);
    submit_flagged(NOP, 0, 4, 0);
    CHECK_EQUAL(4, enter(ABI_STATUS_OK, 0));
    expect_value(1, 10);
    expect_value(2, 0);
    expect_value(3, 30);
    expect_value(4, 0);
    world_end();
}

TEST(a_failure_interrupts_the_rest_of_its_chain_and_nothing_else)
{
    begin(8);
    submit_flagged(ECHO, LINK, 1, 10);
    submit_wrong(LINK, 2);
    submit_flagged(ECHO, LINK, 3, 30);
    submit_flagged(ECHO, HARD, 4, 40);
    submit_flagged(ECHO, 0, 5, 50);
    submit_flagged(ECHO, 0, 6, 60);
    CHECK_EQUAL(6, enter(ABI_STATUS_OK, 0));
    expect_value(1, 10);
    expect_error(2, ABI_STATUS_INVALID_ARGUMENT);
    for (uint64_t i = 3; i <= 5; i++)
        expect_error(i, ABI_STATUS_INTERRUPTED);
    expect_value(6, 60);
    world_end();
}

TEST(a_hard_link_goes_on_after_a_failure)
{
    begin(8);
    submit_wrong(HARD, 1);
    submit_flagged(ECHO, LINK, 2, 20);
    submit_flagged(255, HARD, 3, 0);
    submit_flagged(ECHO, 0, 4, 40);
    CHECK_EQUAL(4, enter(ABI_STATUS_OK, 0));
    expect_error(1, ABI_STATUS_INVALID_ARGUMENT);
    expect_value(2, 20);
    expect_error(3, ABI_STATUS_NOT_IMPLEMENTED);
    expect_value(4, 40);
    world_end();
}

TEST(a_chain_stays_open_from_enter_to_enter)
{
    begin(4);
    submit_flagged(ECHO, LINK, 1, 10);
    CHECK_EQUAL(1, enter(ABI_STATUS_OK, 1)); /* nothing is in flight: no wait */
    expect_value(1, 10);
    submit_wrong(LINK, 2);
    CHECK_EQUAL(1, enter(ABI_STATUS_OK, 5));
    expect_error(2, ABI_STATUS_INVALID_ARGUMENT);
    submit_flagged(ECHO, LINK, 3, 30);
    CHECK_EQUAL(1, enter(ABI_STATUS_OK, 5));
    expect_error(3, ABI_STATUS_INTERRUPTED);
    submit_flagged(NOP, 0, 4, 0);
    submit_flagged(NOP, 0, 5, 0);
    CHECK_EQUAL(2, enter(ABI_STATUS_OK, 5));
    expect_error(4, ABI_STATUS_INTERRUPTED);
    expect_value(5, 0);
    world_end();
}

TEST(flags_that_do_not_go_together_are_refused)
{
    begin(8);
    submit_flagged(ECHO, LINK | HARD, 1, 0);
    submit_flagged(ECHO, 0, 2, 0); /* the chain was opened all the same */
    submit_flagged(ECHO, 32, 3, 0);
    submit_flagged(ECHO, 128, 4, 0);
    submit_flagged(ECHO, LINK, 5, 0);
    submit_flagged(ECHO, DRAIN, 6, 0); /* not the first of its chain */
    world_submit((struct abi_submission){
        .op = POST, .op_flags = ABI_OP_FLAG_MULTISHOT, .flags = SKIP, .user_data = 7});
    CHECK_EQUAL(7, enter(ABI_STATUS_OK, 0));
    expect_error(1, ABI_STATUS_INVALID_ARGUMENT);
    expect_error(2, ABI_STATUS_INTERRUPTED);
    expect_error(3, ABI_STATUS_INVALID_ARGUMENT);
    expect_error(4, ABI_STATUS_INVALID_ARGUMENT);
    expect_value(5, 0);
    expect_error(6, ABI_STATUS_INVALID_ARGUMENT);
    expect_error(7, ABI_STATUS_INVALID_ARGUMENT);
    world_end();
}

/* ---- chains that wait ---- */

TEST(what_follows_an_op_that_pends_starts_when_that_has_ended)
{
    begin(8);
    park(LINK, 1);
    submit_flagged(ECHO, LINK, 2, 20);
    submit_flagged(DEFER, LINK, 3, 30);
    submit_flagged(ECHO, 0, 4, 40);
    submit_flagged(ECHO, 0, 5, 50);
    CHECK_EQUAL(5, enter(ABI_STATUS_OK, 0));
    expect_value(5, 50);
    CHECK_EQUAL(0, world_unread());
    CHECK(source_fire(10));
    expect_value(1, 10);
    CHECK_EQUAL(0, world_unread());
    CHECK_EQUAL(0, enter(ABI_STATUS_OK, 3));
    expect_value(2, 20);
    expect_value(3, 30);
    expect_value(4, 40);
    world_end();
}

TEST(what_is_accepted_later_hangs_on_the_end_of_an_open_chain)
{
    begin(8);
    park(LINK, 1);
    enter(ABI_STATUS_OK, 0);
    park(LINK, 2);
    enter(ABI_STATUS_OK, 0);
    CHECK(source_fire(10));
    world_run_work(); /* the second one starts, and pends */
    submit_flagged(ECHO, LINK, 3, 30);
    enter(ABI_STATUS_OK, 0);
    expect_value(1, 10);
    CHECK_EQUAL(0, world_unread());
    CHECK(source_fire(20));
    world_run_work();
    submit_flagged(ECHO, 0, 4, 40); /* all before it has ended */
    enter(ABI_STATUS_OK, 0);
    expect_value(2, 20);
    expect_value(3, 30);
    expect_value(4, 40);
    world_end();
}

TEST(a_failure_of_one_that_pended_interrupts_the_rest_in_order)
{
    begin(8);
    submit_flagged(PARK, LINK, 1, clock_now_ns() + 1000);
    for (uint64_t i = 2; i < 6; i++)
        park(LINK, i);
    enter(ABI_STATUS_OK, 5);
    submit_flagged(ECHO, 0, 6, 0); /* still of the chain */
    enter(ABI_STATUS_OK, 6);
    expect_error(1, ABI_STATUS_TIMED_OUT);
    for (uint64_t i = 2; i <= 6; i++)
        expect_error(i, ABI_STATUS_INTERRUPTED);
    CHECK_EQUAL(1, cancels);
    world_end();
}

TEST(an_invalid_member_of_a_chain_waits_its_turn)
{
    begin(8);
    park(LINK, 1);
    submit_wrong(HARD, 2);
    submit_flagged(ECHO, 0, 3, 30);
    enter(ABI_STATUS_OK, 0);
    CHECK_EQUAL(0, world_unread());
    CHECK(source_fire(10));
    enter(ABI_STATUS_OK, 3);
    expect_value(1, 10);
    expect_error(2, ABI_STATUS_INVALID_ARGUMENT);
    expect_value(3, 30);
    world_end();
}

TEST(a_chain_that_never_ends_runs_round_the_ring)
{
    begin(4);
    for (uint64_t i = 0; i < 40; i++) {
        if (i % 5 == 3)
            park(LINK, i);
        else
            submit_flagged(ECHO, LINK, i, i);
        CHECK_EQUAL(1, enter(ABI_STATUS_OK, 0));
        if (i % 5 == 4) {
            CHECK(source_fire(i - 1));
            enter(ABI_STATUS_OK, 2);
        }
        while (world_unread() > 0)
            world_reap();
    }
    world_end();
}

TEST(links_that_pend_count_against_the_slots)
{
    begin(4);
    for (uint64_t i = 0; i < 8; i += 4) {
        for (uint64_t j = 0; j < 4; j++)
            park(LINK, i + j);
        CHECK_EQUAL(4, enter(ABI_STATUS_OK, 0));
    }
    submit_flagged(NOP, 0, 9, 0);
    CHECK_EQUAL(0, enter(ABI_STATUS_QUEUE_FULL, 0));
    world_end();
    CHECK_EQUAL(1, cancels); /* only the first had been started */
}

/* ---- drains ---- */

TEST(a_drain_waits_for_all_before_it_and_all_behind_it_wait_for_the_drain)
{
    begin(16);
    park(0, 1);
    submit_flagged(ECHO, 0, 2, 20);
    park(0, 3);
    park(DRAIN, 4);
    submit_flagged(ECHO, 0, 5, 50);
    submit_flagged(NOP, 0, 6, 0);
    enter(ABI_STATUS_OK, 0);
    expect_value(2, 20);
    CHECK_EQUAL(0, world_unread());
    CHECK(source_fire(10));
    world_run_work();
    CHECK_EQUAL(1, world_unread());
    CHECK(source_fire(30));
    world_run_work();
    CHECK_EQUAL(2, world_unread()); /* the drain has started */
    submit_flagged(ECHO, 0, 7, 70);
    enter(ABI_STATUS_OK, 0);
    CHECK_EQUAL(2, world_unread());
    CHECK(source_fire(40));
    enter(ABI_STATUS_OK, 6);
    expect_order(6, (uint64_t[]){1, 3, 4, 5, 6, 7});
    submit_flagged(ECHO, 0, 8, 80);
    enter(ABI_STATUS_OK, 0);
    expect_value(8, 80); /* in place again */
    world_end();
}

TEST(a_drain_with_nothing_before_it_runs_at_once)
{
    begin(4);
    submit_flagged(ECHO, DRAIN, 1, 10);
    submit_flagged(ECHO, 0, 2, 20);
    enter(ABI_STATUS_OK, 0);
    expect_value(1, 10);
    expect_value(2, 20);
    park(DRAIN, 3);
    submit_flagged(ECHO, 0, 4, 40);
    enter(ABI_STATUS_OK, 0);
    CHECK_EQUAL(0, world_unread());
    CHECK(source_fire(30));
    enter(ABI_STATUS_OK, 2);
    expect_value(3, 30);
    expect_value(4, 40);
    world_end();
}

TEST(drains_follow_each_other)
{
    begin(8);
    park(0, 1);
    park(DRAIN, 2);
    park(DRAIN, 3);
    park(0, 4);
    park(0, 5);
    park(DRAIN, 6);
    enter(ABI_STATUS_OK, 0);
    for (uint64_t i = 1; i <= 3; i++) {
        CHECK(source_fire(i));
        CHECK(!source_fire(0)); /* one at a time */
        world_run_work();
    }
    CHECK(source_fire(4));
    world_run_work();
    CHECK_EQUAL(4, world_unread());
    CHECK(source_fire(5));
    CHECK(!source_fire(0));
    world_run_work();
    CHECK(source_fire(6));
    expect_order(6, (uint64_t[]){1, 2, 3, 4, 5, 6});
    world_end();
}

TEST(what_continues_a_chain_that_was_struck_behind_a_drain_stays_behind_it)
{
    begin(8);
    park(0, 1);
    submit_flagged(ECHO, DRAIN, 2, 20);
    park(HARD, 3);
    submit_flagged(LINK_TIMEOUT, HARD, 4, clock_now_ns() + 1000);
    enter(ABI_STATUS_OK, 2); /* until the time is over */
    expect_error(3, ABI_STATUS_TIMED_OUT);
    expect_error(4, ABI_STATUS_TIMED_OUT);
    submit_flagged(ECHO, 0, 5, 50);
    enter(ABI_STATUS_OK, 0);
    CHECK_EQUAL(0, world_unread());
    CHECK(source_fire(10));
    enter(ABI_STATUS_OK, 3);
    expect_value(1, 10);
    expect_value(2, 20);
    expect_value(5, 50);
    world_end();
}

TEST(a_chain_behind_a_drain_stays_together)
{
    begin(16);
    park(0, 1);
    park(DRAIN | LINK, 2);
    park(LINK, 3);
    submit_flagged(ECHO, 0, 4, 40);
    park(LINK, 5);
    submit_flagged(ECHO, 0, 6, 60);
    submit_flagged(ECHO, DRAIN, 7, 70);
    enter(ABI_STATUS_OK, 0);
    CHECK(source_fire(1));
    world_run_work();
    CHECK(source_fire(2)); /* the drain itself; what hangs on it and what is behind it start */
    world_run_work();
    CHECK(source_fire(3));
    CHECK(source_fire(5));
    enter(ABI_STATUS_OK, 7);
    uint32_t place[8];
    for (uint32_t i = 0; i < 7; i++)
        place[world_reap().user_data] = i;
    CHECK(place[1] < place[2] && place[2] < place[3] && place[3] < place[4]);
    CHECK(place[2] < place[5] && place[5] < place[6]);
    CHECK_EQUAL(6, place[7]);
    world_end();
}

/* ---- nothing to tell ---- */

TEST(suppressed_success_leaves_no_completion_and_no_slot)
{
    begin(4);
    for (uint32_t round = 0; round < 10; round++) {
        for (uint32_t i = 0; i < 4; i++)
            submit_flagged(i % 2 == 0 ? ECHO : NOP, SKIP, i, 0);
        CHECK_EQUAL(4, enter(ABI_STATUS_OK, 1)); /* nothing is in flight: no wait */
    }
    CHECK_EQUAL(0, world_unread());
    CHECK_EQUAL(40, world.header->suppressed_total);
    CHECK_EQUAL(0, world.header->completed_total);
    CHECK_EQUAL(40, world.header->accepted_total);
    submit_wrong(SKIP, 1);
    submit_flagged(EARLY, SKIP, 2, 1);
    submit_flagged(EARLY, SKIP, 3, 0);
    submit_flagged(PARK, SKIP, 4, ABI_DEADLINE_NEVER);
    CHECK_EQUAL(4, enter(ABI_STATUS_OK, 0));
    expect_error(1, ABI_STATUS_INVALID_ARGUMENT);
    expect_error(2, ABI_STATUS_IO_ERROR);
    CHECK(source_fire(0));
    CHECK_EQUAL(0, world_unread());
    CHECK_EQUAL(42, world.header->suppressed_total);
    world_end();
}

static void fire(void)
{
    source_fire(0);
}

TEST(a_wait_for_what_is_suppressed_ends_when_nothing_is_in_flight)
{
    begin(4);
    park(SKIP, 1);
    park(SKIP, 2);
    world_turn_hook = fire;
    CHECK_EQUAL(2, enter(ABI_STATUS_OK, 1));
    CHECK_EQUAL(0, world_unread());
    CHECK_EQUAL(2, world.header->suppressed_total);
    world_end();
}

TEST(a_success_that_names_a_chunk_is_told_all_the_same)
{
    begin(4);
    for (uint32_t i = 0; i < 4; i++)
        park(0, i);
    enter(ABI_STATUS_OK, 0);
    struct op *op = source_take();
    op_complete(op, op_done_with(5, ABI_COMPLETION_CHUNK, 77));
    CHECK_EQUAL(1, world_unread());
    struct abi_completion completion = world_reap();
    CHECK_EQUAL(ABI_COMPLETION_CHUNK, completion.flags);
    CHECK_EQUAL(77, completion.detail);
    world_end();
}

/* ---- timeouts ---- */

static void park_for(uint32_t timeout_ms, uint8_t flags, uint64_t user_data, uint64_t limit_ns)
{
    world_submit((struct abi_submission){.op = PARK,
                                         .flags = flags | ABI_SUBMISSION_TIMEOUT,
                                         .timeout_ms = timeout_ms,
                                         .user_data = user_data,
                                         .args = {limit_ns}});
}

TEST(a_timeout_cancels_what_pends_for_so_long)
{
    begin(8);
    uint64_t now = clock_now_ns();
    park_for(2, 0, 1, ABI_DEADLINE_NEVER);
    park_for(UINT32_MAX, 0, 2, now + 1000); /* its own limit is nearer */
    park_for(3, 0, 3, now + 1000'000'000);
    park_for(0, 0, 4, ABI_DEADLINE_NEVER);
    CHECK_EQUAL(4, enter(ABI_STATUS_OK, 4));
    CHECK_EQUAL(now + 3'000'000, clock_now_ns());
    static const uint64_t order[] = {4, 2, 1, 3};
    for (uint32_t i = 0; i < 4; i++)
        expect_error(order[i], ABI_STATUS_TIMED_OUT);
    world_end();
}

TEST(what_ends_in_place_has_no_time_to_run_out)
{
    begin(4);
    world_submit((struct abi_submission){
        .op = ECHO, .flags = ABI_SUBMISSION_TIMEOUT, .user_data = 1, .args = {7}});
    world_submit((struct abi_submission){.op = NOP, .timeout_ms = 1, .user_data = 2});
    enter(ABI_STATUS_OK, 0);
    expect_value(1, 7);
    expect_error(2, ABI_STATUS_INVALID_ARGUMENT); /* without the flag */
    world_end();
}

TEST(a_deferred_op_whose_time_is_over_before_it_begins_does_not_run)
{
    begin(4);
    world_submit((struct abi_submission){
        .op = DEFER, .flags = ABI_SUBMISSION_TIMEOUT, .timeout_ms = 1, .user_data = 1});
    enter(ABI_STATUS_OK, 0);
    deferred_count = 0;
    world_set_clock(clock_now_ns() + 5'000'000);
    world_run_timers();
    world_run_work();
    expect_error(1, ABI_STATUS_TIMED_OUT);
    CHECK_EQUAL(0, deferred_count);
    world_end();
}

TEST(a_held_ops_time_begins_with_its_start)
{
    begin(4);
    park(LINK, 1);
    park_for(1, 0, 2, ABI_DEADLINE_NEVER);
    enter(ABI_STATUS_OK, 0);
    world_set_clock(clock_now_ns() + 50'000'000);
    world_run_timers();
    CHECK_EQUAL(0, world_unread());
    CHECK(source_fire(1));
    uint64_t now = clock_now_ns();
    enter(ABI_STATUS_OK, 2);
    CHECK_EQUAL(now + 1'000'000, clock_now_ns());
    expect_value(1, 1);
    expect_error(2, ABI_STATUS_TIMED_OUT);
    world_end();
}

/* ---- link timeouts ---- */

static void guard(uint8_t flags, uint64_t user_data, uint64_t deadline_ns)
{
    submit_flagged(LINK_TIMEOUT, flags, user_data, deadline_ns);
}

TEST(a_link_timeout_cancels_what_it_guards)
{
    begin(8);
    uint64_t limit = clock_now_ns() + 5000;
    park(LINK, 1);
    guard(LINK, 2, limit);
    submit_flagged(ECHO, 0, 3, 0);
    CHECK_EQUAL(3, enter(ABI_STATUS_OK, 3));
    CHECK_EQUAL(limit, clock_now_ns());
    expect_error(1, ABI_STATUS_TIMED_OUT);
    expect_error(2, ABI_STATUS_TIMED_OUT);
    expect_error(3, ABI_STATUS_INTERRUPTED);
    CHECK_STATUS(TIMED_OUT, last_cancel);
    world_end();
}

TEST(a_link_timeout_that_is_not_needed_succeeds_and_the_chain_goes_on)
{
    begin(8);
    park(LINK, 1);
    guard(LINK, 2, clock_now_ns() + 5000);
    submit_flagged(ECHO, 0, 3, 30);
    enter(ABI_STATUS_OK, 0);
    CHECK(source_fire(10));
    enter(ABI_STATUS_OK, 3);
    expect_value(1, 10);
    expect_value(2, 0);
    expect_value(3, 30);
    world_set_clock(clock_now_ns() + 50000);
    world_run_timers();
    CHECK_EQUAL(0, cancels);
    world_end();
}

TEST(what_ended_in_place_makes_its_link_timeout_succeed_at_once)
{
    begin(8);
    submit_flagged(ECHO, LINK, 1, 10);
    guard(LINK, 2, 0);
    submit_flagged(ECHO, 0, 3, 30);
    submit_wrong(LINK, 4);
    guard(LINK, 5, 0); /* it guarded what failed by itself */
    submit_flagged(ECHO, LINK, 6, 60);
    guard(0, 7, 0); /* what it would guard never ran */
    enter(ABI_STATUS_OK, 0);
    expect_value(1, 10);
    expect_value(2, 0);
    expect_value(3, 30);
    expect_error(4, ABI_STATUS_INVALID_ARGUMENT);
    expect_value(5, 0);
    expect_error(6, ABI_STATUS_INTERRUPTED);
    expect_error(7, ABI_STATUS_INTERRUPTED);
    world_end();
}

TEST(a_hard_linked_chain_goes_on_after_a_timeout)
{
    begin(8);
    park(HARD, 1);
    guard(HARD, 2, clock_now_ns() + 1000);
    submit_flagged(ECHO, 0, 3, 30);
    enter(ABI_STATUS_OK, 3);
    expect_error(1, ABI_STATUS_TIMED_OUT);
    expect_error(2, ABI_STATUS_TIMED_OUT);
    expect_value(3, 30);
    world_end();
}

TEST(a_link_timeout_strikes_what_has_not_started_yet)
{
    begin(8);
    park(LINK, 1);
    park(LINK, 2);
    guard(LINK, 3, clock_now_ns() + 1000);
    submit_flagged(ECHO, 0, 4, 0);
    enter(ABI_STATUS_OK, 3);
    expect_error(2, ABI_STATUS_TIMED_OUT);
    expect_error(3, ABI_STATUS_TIMED_OUT);
    expect_error(4, ABI_STATUS_INTERRUPTED);
    CHECK(source_fire(10));
    expect_value(1, 10);
    CHECK_EQUAL(0, world_run_work());
    world_end();
}

TEST(a_link_timeout_stands_behind_a_link_and_nowhere_else)
{
    begin(8);
    guard(0, 1, 0);
    guard(LINK, 2, 0);
    submit_flagged(NOP, 0, 3, 0);
    park(LINK, 4);
    guard(LINK, 5, ABI_DEADLINE_NEVER);
    guard(0, 6, 0); /* behind another */
    submit_flagged(NOP, 0, 7, 0);
    enter(ABI_STATUS_OK, 0);
    expect_error(1, ABI_STATUS_INVALID_ARGUMENT);
    expect_error(2, ABI_STATUS_INVALID_ARGUMENT);
    expect_error(3, ABI_STATUS_INTERRUPTED);
    expect_value(7, 0);
    CHECK(source_fire(40));
    enter(ABI_STATUS_OK, 3);
    expect_value(4, 40);
    expect_value(5, 0);
    expect_error(6, ABI_STATUS_INVALID_ARGUMENT);
    world_end();
}

TEST(deadlines_of_centuries_do_no_harm)
{
    begin(8);
    park_for(UINT32_MAX, LINK, 1, ABI_DEADLINE_NEVER);
    guard(0, 2, ABI_DEADLINE_NEVER - 1);
    park(LINK, 3);
    guard(0, 4, ABI_DEADLINE_NEVER);
    enter(ABI_STATUS_OK, 0);
    CHECK(source_fire(1));
    CHECK(source_fire(2));
    enter(ABI_STATUS_OK, 4);
    CHECK_EQUAL(4, world_unread());
    world_end();
}

/* ---- the end ---- */

TEST(closing_ends_everything_that_is_held)
{
    begin(16);
    park(LINK, 1);
    park(HARD, 2);
    guard(HARD, 3, clock_now_ns() + 1000'000);
    park(LINK, 4);
    park(0, 5);
    park(DRAIN | HARD, 6);
    park(HARD, 7);
    park(0, 8);
    park(DRAIN, 9);
    park(LINK, 10);
    enter(ABI_STATUS_OK, 0);
    ring_close(world.ring);
    CHECK_EQUAL(10, world.header->completed_total);
    for (uint32_t i = 0; i < 10; i++)
        CHECK_EQUAL(ABI_STATUS_INTERRUPTED, world_reap().error);
    world_end();
}

TEST(held_ops_find_no_memory_for_more_and_wait_in_the_queue)
{
    begin(16);
    world.quota.max_bytes = 0;
    park(LINK, 0);
    for (uint32_t i = 1; i < 12; i++)
        park(LINK, i);
    CHECK_EQUAL(8, enter(ABI_STATUS_QUEUE_FULL, 0));
    CHECK(source_fire(0));
    CHECK_EQUAL(1, enter(ABI_STATUS_QUEUE_FULL, 0));
    world.quota.max_bytes = 64u << 20;
    CHECK_EQUAL(3, enter(ABI_STATUS_OK, 0));
    world_end();
}

/* ---- priorities ---- */

static void prioritized(uint16_t priority, uint8_t flags, uint64_t user_data)
{
    world_submit((struct abi_submission){
        .op = ECHO, .flags = flags, .priority = priority, .user_data = user_data});
}

static void begin_prioritized(uint32_t entries)
{
    world_ring_flags = ABI_RING_PRIORITIES;
    begin(entries);
    world_ring_flags = 0;
}

TEST(of_what_one_look_finds_the_higher_priority_is_accepted_first)
{
    begin_prioritized(8);
    CHECK_EQUAL(ABI_RING_PRIORITIES, world.header->flags);
    for (uint32_t round = 0; round < 5; round++) { /* round the ring */
        prioritized(0, 0, 1);
        prioritized(3, 0, 2);
        prioritized(7, 0, 3);
        prioritized(3, 0, 4);
        prioritized(8, 0, 5); /* too high */
        prioritized(1, LINK, 6);
        prioritized(7, 0, 7); /* of the chain before */
        CHECK_EQUAL(7, enter(ABI_STATUS_OK, 0));
        expect_order(7, (uint64_t[]){3, 2, 4, 6, 7, 1, 5});
    }
    world_end();
}

TEST(priorities_move_nothing_across_a_drain_or_into_an_open_chain)
{
    begin_prioritized(16);
    prioritized(0, LINK, 1);
    enter(ABI_STATUS_OK, 0);
    prioritized(7, 0, 9);
    prioritized(0, 0, 2); /* not of the chain any more */
    prioritized(5, 0, 3);
    prioritized(0, DRAIN | LINK, 4);
    prioritized(7, 0, 5);
    prioritized(1, 0, 6);
    prioritized(2, 0, 7);
    enter(ABI_STATUS_OK, 0);
    expect_order(8, (uint64_t[]){1, 9, 3, 2, 4, 5, 7, 6});
    world_end();
}

TEST(without_memory_for_ops_a_ring_with_priorities_takes_the_first_of_the_queue)
{
    begin_prioritized(16);
    world.quota.max_bytes = 0;
    for (uint32_t i = 0; i < 12; i++)
        world_submit((struct abi_submission){.op = PARK,
                                             .priority = (uint16_t)(i % 8),
                                             .user_data = i,
                                             .args = {ABI_DEADLINE_NEVER}});
    CHECK_EQUAL(8, enter(ABI_STATUS_QUEUE_FULL, 0));
    for (uint32_t i = 0; i < 8; i++)
        CHECK(source_fire(i));
    expect_order(8, (uint64_t[]){7, 6, 5, 4, 3, 2, 1, 0});
    world.quota.max_bytes = 64u << 20;
    CHECK_EQUAL(4, enter(ABI_STATUS_OK, 0));
    world_end();
}

TEST(a_ring_without_priorities_accepts_in_order_and_defers_by_priority)
{
    begin(8);
    prioritized(0, 0, 1);
    prioritized(7, 0, 2);
    world_submit((struct abi_submission){.op = DEFER, .priority = 5, .user_data = 3});
    prioritized(8, 0, 4);
    enter(ABI_STATUS_OK, 0);
    CHECK_EQUAL(5, world_work_priority);
    expect_value(1, 0);
    expect_value(2, 0);
    expect_error(4, ABI_STATUS_INVALID_ARGUMENT);
    world_end();
}
