#include "support/ring_ops.h"
#include <pthread.h>

/* ---- accepting and completing ---- */

TEST(a_new_ring_describes_itself)
{
    begin(64);
    struct abi_ring_header *header = world.header;
    CHECK_EQUAL(ABI_RING_MAGIC, header->magic);
    CHECK_EQUAL(ABI_VERSION, header->version);
    CHECK_EQUAL(64, header->submission_entries);
    CHECK_EQUAL(128, header->completion_entries);
    CHECK_EQUAL(4096, header->doorbell_offset_bytes);
    CHECK_EQUAL(8192, header->submissions_offset_bytes);
    CHECK_EQUAL(12288, header->completions_offset_bytes);
    CHECK_EQUAL(16384, header->total_bytes);
    CHECK_EQUAL(16384, buffer_size(ring_memory(world.ring)));
    CHECK_EQUAL(3 * 4096, buffer_committed_bytes(ring_memory(world.ring)));
    world_end();
}

TEST(sizes_a_ring_cannot_have_are_refused)
{
    world_init(rows);
    static const uint32_t sizes[] = {0, 1, 2, 3, 5, 63, 4095, 4097, 8192, 1u << 31, UINT32_MAX};
    for (size_t i = 0; i < array_count(sizes); i++) {
        world_begin();
        CHECK_STATUS(OUT_OF_RANGE, world_make_ring(sizes[i]));
    }
}

TEST(rings_of_every_size_go_round_several_times)
{
    for (uint32_t entries = ABI_RING_ENTRIES_MIN; entries <= ABI_RING_ENTRIES_MAX; entries *= 2) {
        begin(entries);
        uint64_t sent = 0, received = 0;
        for (uint32_t round = 0; round < 7; round++) {
            uint32_t batch = 1 + entries * (round + 1) / 8; /* never a divisor for long */
            for (uint32_t i = 0; i < batch; i++, sent++)
                submit(sent % 3 == 0 ? NOP : ECHO, sent, sent % 3 == 0 ? 0 : sent * 5);
            CHECK_EQUAL(batch, enter(ABI_STATUS_OK, batch));
            CHECK_EQUAL((uint32_t)sent, world.header->submission_head);
            for (; received < sent; received++)
                expect_value(received, received % 3 == 0 ? 0 : received * 5);
        }
        CHECK_EQUAL(sent, world.header->accepted_total);
        CHECK_EQUAL(sent, world.header->completed_total);
        CHECK_EQUAL(7, world.header->entered_total);
        world_end();
    }
}

TEST(a_field_the_operation_does_not_define_must_be_zero)
{
    begin(4);
    for (uint8_t op = NOP; op <= ECHO; op++) {
        for (uint32_t bit = 0; bit < 512; bit++) {
            uint32_t word = bit / 64;
            bool is_allowed = (bit >= 16 && bit < 19) || word == 5 || (op == ECHO && word == 6);
            if (bit < 13) continue; /* another operation; flags: ring_link_test.c */
            union {
                struct abi_submission submission;
                uint64_t words[8];
            } entry = {.submission.op = op};
            entry.words[word] |= 1ull << bit % 64;
            world_submit(entry.submission);
            CHECK_EQUAL(1, enter(ABI_STATUS_OK, 1));
            if (is_allowed)
                expect_value(entry.submission.user_data, entry.submission.args[0]);
            else
                expect_error(0, ABI_STATUS_INVALID_ARGUMENT);
        }
    }
    world_end();
}

TEST(an_unknown_operation_is_not_implemented)
{
    begin(4);
    for (uint32_t op = KERNEL_ONLY + 1; op < RING_OPERATIONS; op++) {
        submit((uint8_t)op, op, UINT64_MAX);
        CHECK_EQUAL(1, enter(ABI_STATUS_OK, 0));
        expect_error(op, ABI_STATUS_NOT_IMPLEMENTED);
    }
    world_end();
}

TEST(without_a_completion_slot_a_submission_stays_in_the_queue)
{
    begin(4);
    for (uint64_t i = 0; i < 8; i += 4) {
        for (uint64_t j = 0; j < 4; j++)
            submit(ECHO, i + j, 0);
        CHECK_EQUAL(4, enter(ABI_STATUS_OK, 0));
    }
    submit(ECHO, 8, 0);
    submit(ECHO, 9, 0);
    CHECK_EQUAL(0, enter(ABI_STATUS_QUEUE_FULL, 0));
    CHECK_EQUAL(0, enter(ABI_STATUS_QUEUE_FULL, 1)); /* something is unread: no wait */
    CHECK_EQUAL(2, world.header->refused_full_total);
    CHECK_EQUAL(8, world.header->submission_head);
    expect_value(0, 0);
    CHECK_EQUAL(1, enter(ABI_STATUS_QUEUE_FULL, 0));
    expect_value(1, 0);
    CHECK_EQUAL(1, enter(ABI_STATUS_OK, 0));
    for (uint64_t i = 2; i < 10; i++)
        expect_value(i, 0);
    CHECK_EQUAL(0, world_unread());
    world_end();
}

TEST(a_head_that_makes_no_sense_gains_nothing)
{
    begin(4);
    for (uint32_t i = 0; i < 4; i++)
        submit(ECHO, i, 0);
    enter(ABI_STATUS_OK, 0);
    for (uint32_t i = 0; i < 4; i++)
        submit(ECHO, i, 0);
    enter(ABI_STATUS_OK, 0);
    submit(ECHO, 8, 0);
    static const uint32_t lies[] = {9, 100, UINT32_MAX, 1u << 31};
    for (size_t i = 0; i < array_count(lies); i++) {
        world.header->completion_head = lies[i];
        CHECK_EQUAL(0, enter(ABI_STATUS_QUEUE_FULL, 0));
    }
    world.header->completion_head = 3;
    CHECK_EQUAL(1, enter(ABI_STATUS_OK, 0));
    world.header->completion_head = 2; /* back again: room for two stays as it was */
    for (uint32_t i = 0; i < 3; i++)
        submit(ECHO, i, 0);
    CHECK_EQUAL(2, enter(ABI_STATUS_QUEUE_FULL, 0));
    world_end();
}

TEST(a_tail_that_makes_no_sense_is_bounded_by_the_ring)
{
    begin(4);
    static const uint32_t lies[] = {5, 1000, UINT32_MAX, 1u << 31};
    uint32_t accepted = 0;
    for (size_t i = 0; i < array_count(lies); i++) {
        world.header->submission_tail = accepted + lies[i];
        CHECK_EQUAL(4, enter(ABI_STATUS_OK, 0));
        accepted += 4;
        world.header->completion_head = accepted;
        CHECK_EQUAL(accepted, world.header->completion_tail);
    }
    world.header->submission_tail = accepted - 1; /* back: as far ahead as it can be */
    CHECK_EQUAL(4, enter(ABI_STATUS_OK, 0));
    world_end();
}

TEST(what_a_program_writes_over_the_kernels_indices_does_not_matter)
{
    begin(4);
    world.header->submission_head = 0xdeadbeef;
    world.header->completion_tail = 0xdeadbeef;
    world.header->submission_entries = 1u << 30;
    world.header->completion_entries = 1u << 30;
    world.header->completions_offset_bytes = UINT32_MAX;
    world.header->submission_tail = 1;
    CHECK_EQUAL(1, enter(ABI_STATUS_OK, 1));
    CHECK_EQUAL(1, world.header->submission_head);
    CHECK_EQUAL(1, world.header->completion_tail);
    world_end();
}

/* ---- capabilities and buffers ---- */

static void destroy_nothing(struct object *object)
{
    (void)object;
}
static const struct object_type file_type = {
    .kind = ABI_KIND_FILE, .rights_all = ABI_RIGHTS_ALL, .destroy = destroy_nothing};
static struct object file;
static struct buffer *page;

static uint64_t give_file(uint64_t rights)
{
    object_init(&file, &file_type);
    capability_result made = capability_create(&file, rights);
    CHECK_STATUS(OK, made.status);
    handle_result handle = handle_table_insert(&world.handles, made.value);
    CHECK_STATUS(OK, handle.status);
    return handle.value;
}

static uint32_t give_page(void)
{
    buffer_result made =
        buffer_create(&(struct buffer_options){.quota = &world.quota, .size_bytes = PAGE_BYTES});
    CHECK_STATUS(OK, made.status);
    page = made.value;
    index_result index = buffer_table_register(&world.buffers, page, ABI_ACCESS_READ);
    CHECK_STATUS(OK, index.status);
    return index.value;
}

static void end_with_file_and_page(void)
{
    handle_table_empty(&world.handles);
    buffer_table_empty(&world.buffers);
    CHECK_EQUAL(1, file.references);
    CHECK_EQUAL(1, buffer_object(page)->references);
    buffer_put(page);
    object_put(&file);
    world_end();
}

TEST(claims_are_checked_and_their_pins_dropped)
{
    begin(4);
    uint64_t handle = give_file(ABI_RIGHT_READ);
    struct abi_submission span = {
        .op = SPAN, .capability = handle, .buffer_index = give_page(), .length_bytes = 100};
    world_submit(span);
    enter(ABI_STATUS_OK, 1);
    expect_value(0, 100);

    span.length_bytes = 4097;
    world_submit(span);
    enter(ABI_STATUS_OK, 1);
    expect_error(0, ABI_STATUS_OUT_OF_RANGE);

    span.length_bytes = 1;
    span.buffer_index += 1;
    world_submit(span);
    enter(ABI_STATUS_OK, 1);
    expect_error(0, ABI_STATUS_BUFFER_NOT_REGISTERED);

    span.buffer_index -= 1;
    span.capability ^= 1ull << 40;
    world_submit(span);
    enter(ABI_STATUS_OK, 1);
    expect_error(0, ABI_STATUS_INVALID_CAPABILITY);
    CHECK_EQUAL(2, file.references);
    end_with_file_and_page();
}

TEST(a_denial_names_the_missing_right)
{
    begin(4);
    uint64_t handle = give_file(ABI_RIGHT_WRITE | ABI_RIGHT_CLOSE);
    world_submit((struct abi_submission){
        .op = SPAN, .capability = handle, .buffer_index = give_page(), .length_bytes = 1});
    enter(ABI_STATUS_OK, 1);
    CHECK_EQUAL(ABI_DETAIL_MAKE(0, 0), expect_error(0, ABI_STATUS_INSUFFICIENT_RIGHTS));
    end_with_file_and_page();
}

TEST(a_consumed_handle_is_gone_whatever_the_operation_answers)
{
    begin(4);
    give_page();
    uint64_t handle = give_file(ABI_RIGHT_CLOSE);
    struct abi_submission consume = {.op = CONSUME, .capability = handle};
    world_submit(consume);
    enter(ABI_STATUS_OK, 1);
    expect_error(0, ABI_STATUS_BUSY);
    CHECK_EQUAL(1, file.references);
    world_submit(consume);
    enter(ABI_STATUS_OK, 1);
    expect_error(0, ABI_STATUS_INVALID_CAPABILITY);
    end_with_file_and_page();
}

TEST(a_refusal_consumes_nothing)
{
    begin(4);
    give_page();
    uint64_t handle = give_file(ABI_RIGHT_READ);
    world_submit((struct abi_submission){.op = CONSUME, .capability = handle});
    enter(ABI_STATUS_OK, 1);
    expect_error(0, ABI_STATUS_INSUFFICIENT_RIGHTS);
    CHECK_EQUAL(1, handle_table_count(&world.handles));
    end_with_file_and_page();
}

/* ---- ops that pend ---- */

TEST(an_op_completed_before_its_handler_returned_completes_once)
{
    begin(4);
    submit(EARLY, 1, 0);
    submit(EARLY, 2, 1);
    submit(NOP, 3, 0);
    CHECK_EQUAL(3, enter(ABI_STATUS_OK, 3));
    expect_value(1, 77);
    expect_error(2, ABI_STATUS_IO_ERROR);
    expect_value(3, 0);
    world_set_clock(clock_now_ns() + 10000000);
    world_run_timers();
    CHECK_EQUAL(0, cancels); /* the deadline died with the op */
    world_end();
}

TEST(completions_beside_pending_ops_are_seen_at_once)
{
    begin(4);
    submit(NOP, 1, 0);
    submit(PARK, 2, ABI_DEADLINE_NEVER);
    submit(NOP, 3, 0);
    CHECK_EQUAL(3, enter(ABI_STATUS_OK, 2));
    CHECK_EQUAL(2, world_unread());
    expect_value(1, 0);
    expect_value(3, 0);
    CHECK(source_fire(9)); /* while the thread is out: no system call needed */
    expect_value(2, 9);
    world_end();
}

static void fire_once(void)
{
    source_fire(0);
}

TEST(a_wait_ends_when_enough_is_unread)
{
    begin(8);
    for (uint32_t i = 0; i < 5; i++)
        submit(PARK, i, ABI_DEADLINE_NEVER);
    world_turn_hook = fire_once;
    CHECK_EQUAL(5, enter(ABI_STATUS_OK, 3));
    CHECK_EQUAL(3, world_unread());
    CHECK_EQUAL(1, world_wakes); /* not for the first two */
    CHECK_EQUAL(0,
                enter(ABI_STATUS_OK, 100)); /* more than there can be: until nothing is in flight */
    CHECK_EQUAL(5, world_unread());
    CHECK_EQUAL(0, enter(ABI_STATUS_OK, 6)); /* nothing in flight: no wait */
    world_end();
}

TEST(a_wait_ends_at_its_deadline)
{
    begin(4);
    submit(PARK, 1, ABI_DEADLINE_NEVER);
    uint64_t limit = clock_now_ns() + 5000;
    uint64_t answer = ring_enter(world.ring, 1, limit);
    CHECK_EQUAL(ABI_STATUS_TIMED_OUT, ABI_ENTER_STATUS(answer));
    CHECK_EQUAL(1, ABI_ENTER_ACCEPTED(answer));
    CHECK_EQUAL(limit, clock_now_ns());
    CHECK_EQUAL(ABI_STATUS_TIMED_OUT, ABI_ENTER_STATUS(ring_enter(world.ring, 1, 0)));
    CHECK(source_fire(3));
    CHECK_EQUAL(ABI_STATUS_OK, ABI_ENTER_STATUS(ring_enter(world.ring, 1, 0)));
    expect_value(1, 3);
    world_end();
}

TEST(a_thread_that_is_to_end_does_not_wait)
{
    begin(4);
    submit(PARK, 1, ABI_DEADLINE_NEVER);
    world_thread_is_ended = true;
    CHECK_EQUAL(ABI_STATUS_INTERRUPTED, ABI_ENTER_STATUS(ring_enter(world.ring, 1, UINT64_MAX)));
    world_end();
    CHECK_EQUAL(1, cancels);
}

TEST(a_deadline_cancels_a_parked_op)
{
    begin(4);
    uint64_t limit = clock_now_ns() + 1000;
    submit(PARK, 1, limit);
    submit(PARK, 2, limit + 1000);
    enter(ABI_STATUS_OK, 1);
    CHECK_EQUAL(limit, clock_now_ns());
    expect_error(1, ABI_STATUS_TIMED_OUT);
    CHECK_EQUAL(STATUS_TIMED_OUT, last_cancel.code);
    CHECK(source_fire(4)); /* the other one, in time */
    expect_value(2, 4);
    world_set_clock(limit + 5000);
    world_run_timers();
    CHECK_EQUAL(1, cancels);
    submit(PARK, 3, clock_now_ns() - 1); /* in the past, and the timer is used again */
    enter(ABI_STATUS_OK, 1);
    expect_error(3, ABI_STATUS_TIMED_OUT);
    world_end();
}

TEST(a_cancel_that_comes_while_the_source_completes_does_nothing)
{
    begin(4);
    uint64_t limit = clock_now_ns() + 1000;
    submit(PARK, 1, limit);
    enter(ABI_STATUS_OK, 0);
    struct op *op = source_take();
    world_set_clock(limit);
    world_run_timers();
    CHECK_EQUAL(1, cancels);
    CHECK_STATUS(TIMED_OUT, op_cancel_reason(op)); /* for sources that would put it back */
    CHECK_EQUAL(0, world_unread());
    op_complete(op, op_done(5));
    expect_value(1, 5);
    world_end();
}

TEST(pins_are_dropped_before_the_completion_can_be_seen)
{
    begin(4);
    uint64_t handle = give_file(ABI_RIGHT_READ);
    struct abi_submission span = {.op = PARK_SPAN,
                                  .capability = handle,
                                  .buffer_index = give_page(),
                                  .length_bytes = 1,
                                  .args = {ABI_DEADLINE_NEVER}};
    world_submit(span);
    world_submit(span);
    enter(ABI_STATUS_OK, 0);
    CHECK_EQUAL(4, buffer_object(page)->references);
    CHECK(source_fire(1));
    CHECK_EQUAL(1, world_unread());
    CHECK_EQUAL(3, buffer_object(page)->references);

    bool were_on = interrupts_disable(); /* from an interrupt: a worker does the rest */
    CHECK(source_fire(2));
    interrupts_restore(were_on);
    CHECK_EQUAL(1, world_unread());
    CHECK_EQUAL(3, buffer_object(page)->references);
    CHECK_EQUAL(1, world_run_work());
    CHECK_EQUAL(2, buffer_object(page)->references);
    expect_value(0, 1);
    expect_value(0, 2);
    end_with_file_and_page();
}

TEST(an_op_without_pins_completes_in_an_interrupt)
{
    begin(4);
    submit(PARK, 1, ABI_DEADLINE_NEVER);
    enter(ABI_STATUS_OK, 0);
    bool were_on = interrupts_disable();
    CHECK(source_fire(2));
    interrupts_restore(were_on);
    CHECK_EQUAL(0, world_run_work());
    expect_value(1, 2);
    world_end();
}

TEST(a_deferred_op_completes_with_what_the_worker_answers)
{
    begin(4);
    submit(DEFER, 1, 11);
    submit(DEFER, 2, 22);
    enter(ABI_STATUS_OK, 2);
    expect_value(1, 11);
    expect_value(2, 22);
    world_end();
}

TEST(what_waits_for_a_worker_when_its_ring_closes_does_not_run)
{
    begin(4);
    submit(DEFER, 1, 11);
    enter(ABI_STATUS_OK, 0);
    deferred_count = 0;
    world_end();
    CHECK_EQUAL(0, deferred_count);
}

TEST(completing_twice_stops_the_kernel)
{
    begin(4);
    submit(PARK, 1, ABI_DEADLINE_NEVER);
    enter(ABI_STATUS_OK, 0);
    struct op *op = source_take();
    op_complete(op, op_done(1));
    CHECK_STOPS("assertion failed", op_complete(op, op_done(2)));
    world_end();
}

TEST(many_ops_pend_at_once_and_their_slots_are_used_again)
{
    begin(16);
    for (uint32_t round = 0; round < 20; round++) {
        for (uint32_t i = 0; i < 32; i += 16) {
            for (uint32_t j = 0; j < 16; j++)
                submit(PARK, i + j, ABI_DEADLINE_NEVER);
            CHECK_EQUAL(16, enter(ABI_STATUS_OK, 0));
        }
        submit(PARK, 99, ABI_DEADLINE_NEVER);
        CHECK_EQUAL(0, enter(ABI_STATUS_QUEUE_FULL, 0)); /* in flight counts like unread */
        for (uint64_t i = 0; i < 32; i++)
            CHECK(source_fire(i));
        for (uint64_t i = 0; i < 32; i++)
            expect_value(i, i);
        CHECK_EQUAL(1, enter(ABI_STATUS_OK, 0));
        CHECK(source_fire(round));
        expect_value(99, round);
    }
    world_end();
}

/* ---- more than one completion ---- */

static void submit_multishot(uint64_t user_data, uint64_t events)
{
    world_submit((struct abi_submission){
        .op = POST, .op_flags = ABI_OP_FLAG_MULTISHOT, .user_data = user_data, .args = {events}});
}

static void expect_more(uint64_t user_data, uint64_t value, uint32_t flags, uint32_t detail)
{
    struct abi_completion completion = world_reap();
    CHECK_EQUAL(user_data, completion.user_data);
    CHECK_EQUAL(ABI_RESULT_OK, completion.tag);
    CHECK_EQUAL(value, completion.value);
    CHECK_EQUAL(flags, completion.flags);
    CHECK_EQUAL(detail, completion.detail);
}

TEST(a_multishot_op_posts_as_long_as_there_are_slots_and_then_ends_with_the_event)
{
    begin(4);
    submit_multishot(1, 0);
    enter(ABI_STATUS_OK, 0);
    for (uint64_t i = 0; i < 7; i++)
        CHECK(source_post(i)); /* the eighth slot is its own */
    CHECK_EQUAL(7, world_unread());
    CHECK_EQUAL(7, world.header->more_total);
    CHECK_EQUAL(0, world.header->completed_total);
    expect_more(1, 0, ABI_COMPLETION_MORE, 0);
    CHECK(source_post(7)); /* room again, found without entering */
    CHECK(source_post(8)); /* none: the event is in the final completion */
    CHECK(!source_post(9));
    for (uint64_t i = 1; i < 8; i++)
        expect_more(1, i, ABI_COMPLETION_MORE, 0);
    expect_value(1, 8);
    CHECK_EQUAL(1, world.header->completed_total);
    CHECK_EQUAL(8, world.header->more_total);
    world_end();
}

TEST(what_was_posted_counts_as_unread_when_submissions_want_slots)
{
    begin(4);
    submit_multishot(1, 3);
    submit(PARK, 2, ABI_DEADLINE_NEVER);
    submit(NOP, 3, 0);
    CHECK_EQUAL(3, enter(ABI_STATUS_OK, 4)); /* three posted in the handler, and the nop */
    for (uint32_t i = 0; i < 4; i++)
        submit(NOP, i, 0);
    CHECK_EQUAL(2, enter(ABI_STATUS_QUEUE_FULL, 0)); /* 8 = 4 unread, 2 in flight, 2 more */
    CHECK(source_post(0));                           /* no slot is left for an event: it ends */
    for (uint32_t i = 0; i < 3; i++)
        expect_more(1, i, ABI_COMPLETION_MORE | ABI_COMPLETION_CHUNK, i);
    expect_value(3, 0);
    expect_value(0, 0);
    expect_value(1, 0);
    expect_value(1, 0);
    CHECK_EQUAL(2, enter(ABI_STATUS_OK, 0));
    world_end();
}

TEST(slots_a_batch_has_reserved_are_not_given_to_events_of_its_first)
{
    begin(4);
    for (uint32_t i = 0; i < 4; i++)
        submit(PARK, i, ABI_DEADLINE_NEVER);
    enter(ABI_STATUS_OK, 0);
    submit_multishot(9, 100);
    for (uint32_t i = 0; i < 3; i++)
        submit(NOP, i, 0);
    CHECK_EQUAL(4, enter(ABI_STATUS_OK, 0));
    expect_value(9, 0);
    for (uint32_t i = 0; i < 3; i++)
        expect_value(i, 0);
    world_end();
    CHECK_EQUAL(4, cancels);
}

TEST(a_wait_counts_what_was_posted)
{
    begin(4);
    submit_multishot(1, 2);
    CHECK_EQUAL(1, enter(ABI_STATUS_OK, 2));
    CHECK_EQUAL(2, world_unread());
    world_end();
}

TEST(closing_ends_a_multishot_op_that_is_being_put_back)
{
    begin(4);
    submit_multishot(1, 0);
    enter(ABI_STATUS_OK, 0);
    struct op *op = source_take();
    CHECK(op_post(op, op_done(1)));
    ring_interrupt_all(world.ring); /* finds it nowhere */
    source_add(op);
    CHECK_STATUS(INTERRUPTED, op_cancel_reason(op));
    CHECK(source_remove(op));
    op_complete(op, op_failed(op_cancel_reason(op)));
    expect_more(1, 1, ABI_COMPLETION_MORE, 0);
    expect_error(1, ABI_STATUS_INTERRUPTED);
    world_end();
}

/* ---- handles that a server minted ---- */

static op_outcome forward(struct op *op)
{
    return op_done(op->pin.length + 1000);
}

TEST(an_operation_through_a_served_handle_goes_to_the_forwarder_if_it_may)
{
    begin(4);
    uint64_t handle = give_file(ABI_RIGHT_READ);
    struct abi_submission span = {
        .op = SERVED, .capability = handle, .buffer_index = give_page(), .length_bytes = 5};
    world_submit(span);
    enter(ABI_STATUS_OK, 1);
    expect_value(0, 5); /* the kernel's own */

    static const struct object_type served_type = {.kind = ABI_KIND_FILE,
                                                   .rights_all = ABI_RIGHTS_ALL,
                                                   .is_served = true,
                                                   .destroy = destroy_nothing};
    file.type = &served_type;
    world_submit(span);
    enter(ABI_STATUS_OK, 1);
    expect_error(0, ABI_STATUS_NOT_IMPLEMENTED); /* nobody forwards yet */
    ring_set_forwarder(forward);
    world_submit(span);
    enter(ABI_STATUS_OK, 1);
    expect_value(0, 1005);
    span.op = SPAN; /* LOCAL */
    world_submit(span);
    enter(ABI_STATUS_OK, 1);
    expect_value(0, 5);
    span.op = KERNEL_ONLY;
    world_submit(span);
    enter(ABI_STATUS_OK, 1);
    expect_error(0, ABI_STATUS_WRONG_CAPABILITY_TYPE);
    span.length_bytes = 4097; /* the claims come first */
    world_submit(span);
    enter(ABI_STATUS_OK, 1);
    expect_error(0, ABI_STATUS_OUT_OF_RANGE);
    file.type = &file_type;
    end_with_file_and_page();
}

/* ---- the end of rings ---- */

static void end_late_op(void)
{
    struct op *op = source_take();
    if (op == nullptr) return;
    CHECK_STATUS(INTERRUPTED, op_cancel_reason(op)); /* what a long operation may look at */
    op_complete(op, op_done(0));
}

TEST(closing_cancels_what_is_parked_and_waits_for_the_rest)
{
    begin(8);
    submit(PARK, 1, ABI_DEADLINE_NEVER);
    submit(LATE, 2, 0);
    submit(PARK, 3, clock_now_ns() + 1000000);
    submit(DEFER, 4, 0);
    CHECK_EQUAL(4, enter(ABI_STATUS_OK, 0));
    world_turn_hook = end_late_op;
    ring_close(world.ring);
    CHECK_EQUAL(2, cancels);
    CHECK_EQUAL(STATUS_INTERRUPTED, last_cancel.code);
    CHECK_EQUAL(4, world.header->completed_total);
    world_turn_hook = nullptr;
    world_end();
}

TEST(counts_of_all_rings_outlive_them)
{
    struct ring_counts before = ring_count_all();
    begin(4);
    submit(NOP, 1, 0);
    submit(NOP, 2, 0);
    enter(ABI_STATUS_OK, 0);
    enter(ABI_STATUS_OK, 0);
    struct ring_counts during = ring_count_all();
    world_end();
    struct ring_counts after = ring_count_all();
    CHECK_EQUAL(before.accepted + 2, during.accepted);
    CHECK_EQUAL(before.completed + 2, after.completed);
    CHECK_EQUAL(before.entered + 2, after.entered);
}

/* ---- memory ---- */

TEST(a_ring_that_cannot_be_made_leaves_nothing)
{
    world_init(rows);
    uint64_t memory = heap_count().objects_taken;
    uint64_t objects = object_count();
    FOR_EACH_FAILING_ALLOCATION {
        world_begin();
        status made = world_make_ring(64);
        if (!is_ok(made)) CHECK_STATUS(OUT_OF_MEMORY, made);
        world_end();
        CHECK_EQUAL(memory, heap_count().objects_taken);
        CHECK_EQUAL(objects, object_count());
    }
}

TEST(without_memory_for_more_ops_a_submission_waits_its_turn)
{
    begin(16);
    for (uint32_t i = 0; i < 10; i++)
        submit(PARK, i, ABI_DEADLINE_NEVER);
    uint64_t max_bytes = world.quota.max_bytes;
    world.quota.max_bytes = 0;
    CHECK_EQUAL(8, enter(ABI_STATUS_QUEUE_FULL, 0)); /* as many as every ring has */
    CHECK(source_fire(0));
    CHECK_EQUAL(1, enter(ABI_STATUS_QUEUE_FULL, 0));
    world.quota.max_bytes = max_bytes;
    CHECK_EQUAL(1, enter(ABI_STATUS_OK, 0));
    world_end();
    CHECK_EQUAL(9, cancels);
}

/* ---- races ---- */

static _Atomic bool racers_must_stop;

static void *race(void *unused)
{
    (void)unused;
    while (!atomic_load(&racers_must_stop))
        if (!source_fire(1)) sched_yield();
    return nullptr;
}

TEST(ops_completed_by_others_expired_and_cancelled_at_once_complete_exactly_once)
{
    begin(64);
    atomic_store(&host_stopped_ticks, 0); /* the real clock */
    world_idle_turns_max = UINT32_MAX;
    atomic_store(&racers_must_stop, false);
    pthread_t threads[2];
    for (size_t i = 0; i < array_count(threads); i++)
        CHECK_EQUAL(0, pthread_create(&threads[i], nullptr, race, nullptr));

    static uint8_t seen[20000];
    uint32_t sent = 0, received = 0;
    while (received < array_count(seen)) {
        for (; sent < array_count(seen) && sent - received < 50; sent++) {
            uint64_t limit = clock_now_ns() + sent % 7 * 500;
            submit(sent % 5 == 0 ? NOP : PARK, sent, sent % 5 == 0 ? 0 : limit);
        }
        enter(ABI_STATUS_OK, 1);
        while (world_unread() > 0) {
            struct abi_completion completion = world_reap();
            CHECK(completion.tag == ABI_RESULT_OK || completion.error == ABI_STATUS_TIMED_OUT);
            CHECK_EQUAL(0, seen[completion.user_data]++);
            received++;
        }
    }
    for (uint32_t i = 0; i < 40; i++)
        submit(PARK, 0, clock_now_ns() + i * 1000);
    enter(ABI_STATUS_OK, 0);
    world_end(); /* closes while the racers are at it */
    atomic_store(&racers_must_stop, true);
    for (size_t i = 0; i < array_count(threads); i++)
        CHECK_EQUAL(0, pthread_join(threads[i], nullptr));
    world_idle_turns_max = 3;
    world_set_clock(0);
}
