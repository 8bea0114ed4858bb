/* Cancelling: by user data, by handle, by taking capabilities back; and what races with it. */
#include "support/ring_ops.h"
#include <pthread.h>
#include <string.h>

#define LINK  ABI_SUBMISSION_LINK
#define HARD  ABI_SUBMISSION_HARD_LINK
#define DRAIN ABI_SUBMISSION_DRAIN

static void submit_flagged(uint8_t op, uint8_t flags, uint64_t user_data, uint64_t argument)
{
    world_submit((struct abi_submission){
        .op = op, .flags = flags, .user_data = user_data, .args = {argument}});
}

static void park(uint8_t flags, uint64_t user_data)
{
    submit_flagged(PARK, flags, user_data, ABI_DEADLINE_NEVER);
}

/* With user data 100. */
static void cancel(uint64_t victim)
{
    world_submit((struct abi_submission){.op = CANCEL, .user_data = 100, .args = {victim}});
}

static void cancel_every(uint64_t victim)
{
    world_submit((struct abi_submission){.op = CANCEL, .user_data = 100, .args = {victim, 1}});
}

/* Cancels as a CANCEL would, but without closing an open chain: for tests of those. */
static void interrupt_by_user_data(uint64_t user_data)
{
    for (struct op_chunk *chunk = world.ring->chunks; chunk != nullptr; chunk = chunk->next)
        for (uint32_t i = 0; i < RING_OPS_PER_CHUNK; i++) {
            struct op *op = &chunk->ops[i];
            struct op_claim claim = {0};
            spin_acquire(&world.ring->lock);
            if (op->number != 0 && op->submission.user_data == user_data)
                claim = op_claim_locked(world.ring, op, FAIL(INTERRUPTED));
            spin_release(&world.ring->lock);
            op_cancel_claimed(claim, FAIL(INTERRUPTED));
        }
}

/* ---- by user data ---- */

TEST(a_cancel_ends_its_victim_and_then_itself)
{
    begin(4);
    park(0, 1);
    park(0, 2);
    cancel(2);
    CHECK_EQUAL(3, enter(ABI_STATUS_OK, 0));
    expect_error(2, ABI_STATUS_INTERRUPTED);
    expect_value(100, 1);
    CHECK_EQUAL(0, world_unread());
    CHECK_STATUS(INTERRUPTED, last_cancel);
    CHECK(source_fire(1));
    expect_value(1, 1);
    world_end();
}

TEST(what_is_not_there_is_not_found)
{
    begin(4);
    cancel(1);
    park(0, 1);
    cancel(2);
    cancel(100); /* itself */
    CHECK_EQUAL(4, enter(ABI_STATUS_OK, 0));
    for (uint32_t i = 0; i < 3; i++)
        expect_error(100, ABI_STATUS_NOT_FOUND);
    CHECK_EQUAL(0, world_unread());
    CHECK(source_fire(1));
    cancel(1);
    enter(ABI_STATUS_OK, 0);
    expect_value(1, 1);
    expect_error(100, ABI_STATUS_NOT_FOUND);
    world_end();
}

TEST(one_cancel_ends_the_one_accepted_first_and_one_for_all_ends_all)
{
    begin(16);
    for (uint64_t i = 0; i < 12; i++)
        park(0, i % 2);
    enter(ABI_STATUS_OK, 0);
    CHECK(source_fire(0)); /* so that an op is used again, which comes first in its chunk */
    world_reap();
    park(0, 0);
    struct op *second = source_take();
    struct op *third = source_take();
    source_add(second);
    source_add(third);
    cancel(0);
    enter(ABI_STATUS_OK, 0);
    expect_error(0, ABI_STATUS_INTERRUPTED);
    expect_value(100, 1);
    CHECK_EQUAL(OP_FREE, atomic_load(&third->state)); /* number 2, the oldest with user data 0 */
    cancel_every(0);
    enter(ABI_STATUS_OK, 0);
    for (uint32_t i = 0; i < 5; i++)
        expect_error(0, ABI_STATUS_INTERRUPTED);
    expect_value(100, 5);
    cancel_every(1);
    enter(ABI_STATUS_OK, 0);
    CHECK_EQUAL(7, world_unread());
    world_end();
}

TEST(a_cancel_waits_for_a_victim_that_cannot_end_at_once)
{
    begin(8);
    submit_flagged(LATE, 0, 1, 0);
    submit_flagged(DEFER, 0, 2, 0);
    cancel(1);
    cancel(2);
    submit_flagged(ECHO, 0, 3, 30);
    enter(ABI_STATUS_OK, 0);
    expect_value(3, 30);
    CHECK_EQUAL(0, world_unread());
    deferred_count = 0;
    world_run_work();
    CHECK_EQUAL(0, deferred_count);
    expect_error(2, ABI_STATUS_INTERRUPTED);
    expect_value(100, 1);
    struct op *late = source_take();
    CHECK_STATUS(INTERRUPTED, op_cancel_reason(late));
    op_complete(late, op_done(9)); /* faster: it need not give up */
    expect_value(1, 9);
    expect_value(100, 1);
    world_end();
}

TEST(a_second_cancel_of_the_same_ends_behind_the_first)
{
    begin(8);
    submit_flagged(LATE, 0, 1, 0);
    submit_flagged(LATE, 0, 1, 0);
    cancel_every(1);
    world_submit((struct abi_submission){.op = CANCEL, .user_data = 101, .args = {1}});
    world_submit((struct abi_submission){.op = CANCEL, .user_data = 102, .args = {100}});
    cancel_every(100);
    enter(ABI_STATUS_OK, 0);
    expect_error(102, ABI_STATUS_NOT_FOUND); /* what cancels cannot be cancelled */
    expect_error(100, ABI_STATUS_NOT_FOUND);
    op_complete(source_take(), op_done(0));
    expect_value(1, 0);
    CHECK_EQUAL(0, world_unread());
    op_complete(source_take(), op_done(0));
    expect_value(1, 0);
    expect_value(100, 2);
    expect_value(101, 1);
    world_end();
}

TEST(a_cancel_that_depends_on_nobody_overtakes)
{
    begin(8);
    submit_flagged(LATE, 0, 1, 0);
    submit_flagged(LATE, 0, 2, 0);
    cancel(1);
    world_submit((struct abi_submission){.op = CANCEL, .user_data = 101, .args = {2}});
    enter(ABI_STATUS_OK, 0);
    struct op *first = source_take();
    op_complete(source_take(), op_done(0));
    expect_value(2, 0);
    expect_value(101, 1);
    op_complete(first, op_done(0));
    expect_value(1, 0);
    expect_value(100, 1);
    world_end();
}

TEST(a_cancelled_op_may_be_completed_in_an_interrupt)
{
    begin(8);
    submit_flagged(LATE, 0, 1, 0);
    cancel(1);
    submit_flagged(ECHO, LINK, 2, 20);
    enter(ABI_STATUS_OK, 0);
    bool were_on = interrupts_disable();
    CHECK(source_fire(5));
    interrupts_restore(were_on);
    expect_value(2, 20);
    expect_value(1, 5);
    expect_value(100, 1);
    world_end();
}

/* ---- chains ---- */

TEST(cancelling_a_chains_head_interrupts_all_of_it)
{
    begin(8);
    park(LINK, 1);
    park(LINK, 2);
    park(0, 3);
    cancel(1);
    enter(ABI_STATUS_OK, 4);
    uint64_t seen = 0;
    uint32_t previous = 0;
    for (uint32_t i = 0; i < 4; i++) {
        struct abi_completion completion = world_reap();
        seen |= 1ull << completion.user_data % 64;
        if (completion.user_data == 100) continue;
        CHECK_EQUAL(ABI_STATUS_INTERRUPTED, completion.error);
        CHECK_EQUAL(++previous, completion.user_data);
    }
    CHECK_EQUAL(1ull << 1 | 1ull << 2 | 1ull << 3 | 1ull << 100 % 64, seen);
    CHECK_EQUAL(1, cancels);
    world_end();
}

TEST(cancelling_a_chains_tail_leaves_the_rest)
{
    begin(8);
    park(LINK, 1);
    park(LINK, 2);
    submit_flagged(ECHO, LINK, 3, 0);
    submit_flagged(ECHO, 0, 4, 0);
    cancel(3);
    enter(ABI_STATUS_OK, 3);
    expect_error(3, ABI_STATUS_INTERRUPTED);
    CHECK_EQUAL(2, world_unread());
    world_run_work();
    for (uint32_t i = 0; i < 2; i++) {
        struct abi_completion completion = world_reap();
        CHECK(completion.user_data == 4 || completion.user_data == 100);
    }
    CHECK(source_fire(10));
    world_run_work();
    CHECK(source_fire(20));
    world_run_work();
    expect_value(1, 10);
    expect_value(2, 20);
    CHECK_EQUAL(0, world_unread());
    world_end();
}

TEST(a_hard_link_cancelled_in_the_middle_closes_the_gap)
{
    begin(8);
    park(LINK, 1);
    park(HARD, 2);
    submit_flagged(ECHO, LINK, 3, 30);
    submit_flagged(ECHO, 0, 4, 40);
    cancel(2);
    enter(ABI_STATUS_OK, 0);
    world_run_work();
    expect_error(2, ABI_STATUS_INTERRUPTED);
    expect_value(100, 1);
    CHECK_EQUAL(0, world_unread());
    CHECK(source_fire(10));
    world_run_work();
    expect_value(1, 10);
    expect_value(3, 30);
    expect_value(4, 40);
    world_end();
}

TEST(a_cancel_may_be_linked_itself)
{
    begin(8);
    park(0, 1);
    submit_flagged(ECHO, LINK, 2, 20);
    world_submit(
        (struct abi_submission){.op = CANCEL, .flags = LINK, .user_data = 100, .args = {1}});
    submit_flagged(ECHO, 0, 3, 30);
    enter(ABI_STATUS_OK, 0);
    expect_value(2, 20);
    expect_error(1, ABI_STATUS_INTERRUPTED);
    expect_value(100, 1);
    expect_value(3, 30);
    world_end();
}

TEST(the_open_end_of_a_chain_may_be_cancelled_and_the_chain_goes_on_before_it)
{
    begin(8);
    park(0, 7);
    park(LINK, 1);
    park(HARD, 2);
    enter(ABI_STATUS_OK, 0);
    interrupt_by_user_data(2);
    world_run_work();
    expect_error(2, ABI_STATUS_INTERRUPTED);
    submit_flagged(ECHO, 0, 3, 30);
    enter(ABI_STATUS_OK, 0);
    CHECK_EQUAL(0, world_unread()); /* it hangs on the first */
    CHECK(source_fire(70));
    CHECK(source_fire(10));
    enter(ABI_STATUS_OK, 3);
    expect_value(7, 70);
    expect_value(1, 10);
    expect_value(3, 30);
    world_end();
}

TEST(a_soft_open_end_that_was_cancelled_interrupts_what_comes)
{
    begin(8);
    park(LINK, 1);
    park(LINK, 2);
    enter(ABI_STATUS_OK, 0);
    interrupt_by_user_data(2);
    world_run_work();
    expect_error(2, ABI_STATUS_INTERRUPTED);
    submit_flagged(ECHO, 0, 3, 30);
    enter(ABI_STATUS_OK, 0);
    expect_error(3, ABI_STATUS_INTERRUPTED);
    CHECK(source_fire(10));
    expect_value(1, 10);
    world_end();
}

TEST(a_cancelled_link_timeout_does_not_strike)
{
    begin(8);
    uint64_t limit = clock_now_ns() + 1000;
    park(HARD, 1);
    submit_flagged(LINK_TIMEOUT, HARD, 2, limit);
    submit_flagged(ECHO, 0, 3, 30);
    cancel(2);
    enter(ABI_STATUS_OK, 0);
    world_run_work();
    expect_error(2, ABI_STATUS_INTERRUPTED);
    expect_value(100, 1);
    world_set_clock(limit + 1000);
    world_run_timers();
    CHECK_EQUAL(0, cancels);
    CHECK(source_fire(10));
    world_run_work();
    expect_value(1, 10);
    expect_value(3, 30);
    world_end();
}

TEST(a_hard_linked_op_takes_its_link_timeout_along)
{
    begin(8);
    park(LINK, 1);
    park(HARD, 2);
    submit_flagged(LINK_TIMEOUT, HARD, 3, clock_now_ns() + 1000);
    submit_flagged(ECHO, 0, 4, 40);
    cancel(2);
    enter(ABI_STATUS_OK, 0);
    world_run_work();
    expect_error(2, ABI_STATUS_INTERRUPTED);
    expect_value(100, 1);
    expect_value(3, 0);
    world_set_clock(clock_now_ns() + 5000);
    world_run_timers();
    CHECK_EQUAL(0, cancels);
    CHECK(source_fire(10));
    world_run_work();
    expect_value(1, 10);
    expect_value(4, 40);
    world_end();
}

/* ---- drains ---- */

TEST(a_cancelled_drain_lets_go_what_is_behind_it)
{
    begin(8);
    park(0, 1);
    park(DRAIN, 2);
    submit_flagged(ECHO, 0, 3, 30);
    park(DRAIN, 4);
    enter(ABI_STATUS_OK, 0);
    interrupt_by_user_data(2);
    world_run_work();
    CHECK_EQUAL(2, world_unread());
    CHECK(source_fire(10));
    world_run_work();
    CHECK(source_fire(40));
    CHECK_EQUAL(4, world_unread());
    CHECK_EQUAL(2, world_reap().user_data);
    CHECK_EQUAL(3, world_reap().user_data);
    expect_value(1, 10);
    expect_value(4, 40);
    world_end();
}

TEST(a_drain_waits_for_one_that_was_cancelled_and_has_not_ended)
{
    begin(8);
    park(0, 1);
    park(DRAIN, 2);
    park(DRAIN, 3);
    enter(ABI_STATUS_OK, 0);
    CHECK(source_fire(0));
    world_run_work(); /* the first drain runs */
    world_reap();
    interrupt_by_user_data(2);
    CHECK_EQUAL(1, world_unread());
    world_run_work();
    CHECK(source_fire(3));
    expect_error(2, ABI_STATUS_INTERRUPTED);
    expect_value(3, 3);
    world_end();
}

TEST(the_rest_of_a_hard_linked_chain_takes_its_place_in_the_queue)
{
    begin(8);
    park(DRAIN, 1);
    park(HARD, 2);
    submit_flagged(ECHO, 0, 3, 30);
    submit_flagged(ECHO, DRAIN, 4, 40);
    enter(ABI_STATUS_OK, 0);
    interrupt_by_user_data(2);
    world_run_work();
    expect_error(2, ABI_STATUS_INTERRUPTED);
    CHECK_EQUAL(0, world_unread());
    CHECK(source_fire(10));
    world_run_work();
    expect_value(1, 10);
    expect_value(3, 30);
    expect_value(4, 40);
    world_end();
}

/* ---- by handle, and by taking it back ---- */

static void destroy_nothing(struct object *object)
{
    (void)object;
}
static const struct object_type file_type = {
    .kind = ABI_KIND_FILE, .rights_all = ABI_RIGHTS_ALL, .destroy = destroy_nothing};
static struct object file;
static struct buffer *page;
static struct capability *first;

/* A handle derived from `first`. */
static uint64_t give_file(void)
{
    derivation how = {.origin = ABI_ORIGIN_DUP};
    capability_result made = capability_derive(first, ABI_RIGHTS_ALL, how);
    CHECK_STATUS(OK, made.status);
    handle_result handle = handle_table_insert(&world.handles, made.value);
    CHECK_STATUS(OK, handle.status);
    return handle.value;
}

static uint32_t begin_with_file_and_page(uint32_t entries)
{
    begin(entries);
    object_init(&file, &file_type);
    capability_result made = capability_create(&file, ABI_RIGHTS_ALL);
    CHECK_STATUS(OK, made.status);
    first = made.value;
    buffer_result buffer =
        buffer_create(&(struct buffer_options){.quota = &world.quota, .size_bytes = PAGE_BYTES});
    CHECK_STATUS(OK, buffer.status);
    page = buffer.value;
    index_result index = buffer_table_register(&world.buffers, page, ABI_ACCESS_READ);
    CHECK_STATUS(OK, index.status);
    return index.value;
}

static void end_with_file_and_page(void)
{
    ring_close(world.ring);
    handle_table_empty(&world.handles);
    buffer_table_empty(&world.buffers);
    capability_release(first);
    CHECK_EQUAL(1, file.references);
    buffer_put(page);
    object_put(&file);
    world_end();
}

static void park_span(uint64_t handle, uint32_t index, uint8_t flags, uint64_t user_data)
{
    world_submit((struct abi_submission){.op = PARK_SPAN,
                                         .flags = flags,
                                         .capability = handle,
                                         .buffer_index = index,
                                         .length_bytes = 1,
                                         .user_data = user_data,
                                         .args = {ABI_DEADLINE_NEVER}});
}

TEST(a_drain_starts_when_what_went_through_a_handle_has_ended)
{
    uint32_t index = begin_with_file_and_page(8);
    park_span(give_file(), index, 0, 1);
    submit_flagged(ECHO, DRAIN, 2, 20);
    submit_flagged(ECHO, 0, 3, 30);
    enter(ABI_STATUS_OK, 0);
    CHECK_EQUAL(0, world_unread());
    CHECK(source_fire(10));
    world_run_work();
    expect_value(1, 10);
    expect_value(2, 20);
    expect_value(3, 30);
    end_with_file_and_page();
}

TEST(all_that_goes_through_a_handle_can_be_cancelled)
{
    uint32_t index = begin_with_file_and_page(8);
    uint64_t one = give_file(), other = give_file();
    park_span(one, index, 0, 1);
    park_span(other, index, 0, 2);
    park_span(one, index, LINK, 3);
    park_span(one, index, 0, 4); /* held */
    world_submit((struct abi_submission){.op = CANCEL_HANDLE, .capability = one, .user_data = 5});
    enter(ABI_STATUS_OK, 4);
    expect_error(1, ABI_STATUS_INTERRUPTED);
    expect_error(3, ABI_STATUS_INTERRUPTED);
    expect_error(4, ABI_STATUS_INTERRUPTED);
    expect_value(5, 3);
    CHECK(source_fire(2));
    expect_value(2, 2);
    world_submit((struct abi_submission){.op = CANCEL_HANDLE, .capability = one, .user_data = 6});
    enter(ABI_STATUS_OK, 0);
    expect_error(6, ABI_STATUS_NOT_FOUND);
    end_with_file_and_page();
}

static _Atomic bool has_progressed;

static void on_progress(struct revocation *revocation)
{
    (void)revocation;
    atomic_store(&has_progressed, true);
}

static void revoke_first(void)
{
    CHECK(capability_use_try(first));
    struct revocation revocation;
    revocation_init(&revocation, first, false, on_progress);
    for (;;) {
        atomic_store(&has_progressed, false);
        enum revocation_progress progress = revocation_advance(&revocation);
        if (progress == REVOCATION_DONE) break;
        if (progress == REVOCATION_WAITING)
            while (!atomic_load(&has_progressed))
                world_run_work();
    }
    capability_unuse(first);
}

TEST(taking_a_capability_back_cancels_what_is_parked_through_it)
{
    uint32_t index = begin_with_file_and_page(8);
    uint64_t handle = give_file();
    park_span(handle, index, 0, 1);
    park_span(handle, index, LINK, 2);
    park_span(handle, index, 0, 3); /* held: finds the handle revoked when it starts */
    enter(ABI_STATUS_OK, 0);
    revoke_first();
    CHECK_STATUS(CAPABILITY_REVOKED, last_cancel);
    world_run_work();
    expect_error(1, ABI_STATUS_CAPABILITY_REVOKED);
    expect_error(2, ABI_STATUS_CAPABILITY_REVOKED);
    expect_error(3, ABI_STATUS_INTERRUPTED); /* its chain is broken */
    submit_flagged(NOP, 0, 4, 0);
    enter(ABI_STATUS_OK, 0);
    expect_value(4, 0);
    park_span(handle, index, 0, 5);
    enter(ABI_STATUS_OK, 0);
    expect_error(5, ABI_STATUS_CAPABILITY_REVOKED);
    end_with_file_and_page();
}

/* ---- races ---- */

static _Atomic bool racers_must_stop;

static void *fire_all(void *unused)
{
    (void)unused;
    while (!atomic_load(&racers_must_stop))
        if (!source_fire(1)) sched_yield();
    return nullptr;
}

static void *work_all(void *unused)
{
    (void)unused;
    while (!atomic_load(&racers_must_stop))
        if (world_run_work() == 0) sched_yield();
    return nullptr;
}

static uint32_t random_state = 1;
static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 8) % limit;
}

static void submit_random(uint64_t user_data)
{
    static const uint8_t flags[] = {0, 0, LINK, HARD, LINK, DRAIN, ABI_SUBMISSION_SKIP_SUCCESS};
    struct abi_submission submission = {.user_data = user_data,
                                        .flags = flags[random_below(array_count(flags))]};
    switch (random_below(6)) {
    case 0:
    case 1:
        submission.op = PARK;
        submission.args[0] = clock_now_ns() + random_below(3000);
        break;
    case 2:
        submission.op = random_below(2) ? DEFER : NOP;
        break;
    case 3:
        submission.op = CANCEL;
        submission.args[0] = user_data - random_below(20);
        submission.args[1] = random_below(2);
        break;
    case 4:
        submission.op = LINK_TIMEOUT;
        submission.args[0] = clock_now_ns() + random_below(2000);
        break;
    default:
        submission.op = PARK;
        submission.flags |= ABI_SUBMISSION_TIMEOUT;
        submission.args[0] = ABI_DEADLINE_NEVER - random_below(2);
        submission.timeout_ms = random_below(2);
    }
    world_submit(submission);
}

TEST(whatever_ends_cancels_and_closes_at_the_same_time_each_op_completes_once)
{
    for (uint32_t round = 0; round < 4; round++) {
        begin(64);
        random_state = round + 1;
        atomic_store(&host_stopped_ticks, 0); /* the real clock */
        world_idle_turns_max = UINT32_MAX;
        atomic_store(&racers_must_stop, false);
        pthread_t threads[3];
        CHECK_EQUAL(0, pthread_create(&threads[0], nullptr, fire_all, nullptr));
        CHECK_EQUAL(0, pthread_create(&threads[1], nullptr, work_all, nullptr));
        CHECK_EQUAL(0, pthread_create(&threads[2], nullptr, work_all, nullptr));

        static uint8_t seen[20000];
        memset(seen, 0, sizeof(seen));
        uint64_t sent = 0;
        while (sent < array_count(seen)) {
            uint32_t free_entries = 64 - (world.submission_tail - world.header->submission_head);
            for (uint32_t i = 0; i < free_entries && sent < array_count(seen); i++)
                submit_random(sent++);
            ring_enter(world.ring, 1, clock_now_ns() + 100000);
            while (world_unread() > 0)
                CHECK_EQUAL(0, seen[world_reap().user_data]++);
        }
        ring_close(world.ring); /* while the racers are at it */
        while (world_unread() > 0)
            CHECK_EQUAL(0, seen[world_reap().user_data]++);
        atomic_store(&racers_must_stop, true);
        for (size_t i = 0; i < array_count(threads); i++)
            CHECK_EQUAL(0, pthread_join(threads[i], nullptr));
        CHECK_EQUAL(world.header->accepted_total,
                    world.header->completed_total + world.header->suppressed_total);
        world_end();
    }
    world_idle_turns_max = 3;
    world_set_clock(0);
}
