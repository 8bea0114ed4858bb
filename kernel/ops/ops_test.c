#include "support/ops_world.h"

/* One submission, alone: its completion. */
static struct abi_completion ask(struct abi_submission submission)
{
    world_submit(submission);
    uint64_t answer = ring_enter(world.ring, 1, ABI_DEADLINE_NEVER);
    CHECK_EQUAL(ABI_STATUS_OK, ABI_ENTER_STATUS(answer));
    CHECK_EQUAL(1, ABI_ENTER_ACCEPTED(answer));
    return world_reap();
}

static uint64_t value_of(struct abi_submission submission)
{
    struct abi_completion completion = ask(submission);
    CHECK_EQUAL(ABI_RESULT_OK, completion.tag);
    return completion.value;
}

static uint32_t error_of(struct abi_submission submission)
{
    struct abi_completion completion = ask(submission);
    CHECK_EQUAL(ABI_RESULT_ERROR, completion.tag);
    return completion.error;
}

static struct abi_submission on(uint8_t op, uint64_t handle, uint64_t argument)
{
    return (struct abi_submission){.op = op, .capability = handle, .args = {argument}};
}

TEST(every_operation_of_the_table_has_a_row_that_says_the_same)
{
#define K(NAME)       ABI_KIND_BIT(NAME)
#define ANY_KIND      ABI_KINDS_ANY
#define NO_CAPABILITY 0u
#define R(NAME)       ABI_RIGHT_##NAME
#define NO_RIGHTS     0ull
#define OP(number, NAME, opname, KINDS, RIGHTS, BUFFER, FIELDS, FLAGS, ...) \
    CHECK(dispatch_rows[number] != nullptr);                                \
    CHECK(dispatch_rows[number]->handler == op_##opname);                   \
    CHECK_EQUAL(KINDS, dispatch_rows[number]->kinds);                       \
    CHECK_EQUAL(RIGHTS, dispatch_rows[number]->rights);                     \
    CHECK_EQUAL(FLAGS, dispatch_rows[number]->flags_known);                 \
    CHECK_EQUAL(OP_BUFFER_##BUFFER, dispatch_rows[number]->buffer_use);
#include <abi/ops.def>
#undef OP
    CHECK_EQUAL(OP_BARE, dispatch_rows[ABI_OP_NOP]->shape);
    CHECK_EQUAL(OP_PLAIN, dispatch_rows[ABI_OP_SERVICE_CREATE]->shape); /* yields a handle */
    CHECK_EQUAL(OP_PLAIN, dispatch_rows[ABI_OP_SLEEP]->shape);
    CHECK_EQUAL(OP_CLAIMS, dispatch_rows[ABI_OP_READ]->shape);
    CHECK(dispatch_rows[ABI_OP_CLOSE]->consumes_capability);
    CHECK(!dispatch_rows[ABI_OP_DUP]->consumes_capability);
}

TEST(fields_that_an_operation_does_not_define_are_refused)
{
    ops_world_begin(4);
    uint64_t file = world_give(&world_file, ABI_RIGHTS_ALL);
    struct abi_submission dup = on(ABI_OP_DUP, file, ABI_RIGHTS_ALL);
    dup.args[1] = 1;
    CHECK_EQUAL(ABI_STATUS_INVALID_ARGUMENT, error_of(dup));
    dup = on(ABI_OP_DUP, file, ABI_RIGHTS_ALL);
    dup.buffer_index = 1;
    CHECK_EQUAL(ABI_STATUS_INVALID_ARGUMENT, error_of(dup));
    dup = on(ABI_OP_DUP, file, ABI_RIGHTS_ALL);
    dup.flags = ABI_SUBMISSION_FLAGS_KNOWN + 1;
    CHECK_EQUAL(ABI_STATUS_INVALID_ARGUMENT, error_of(dup));
    struct abi_submission open = on(ABI_OP_OPEN, world_give(&world_directory, ABI_RIGHTS_ALL), 0);
    open.op_flags = ABI_OPEN_FLAGS_KNOWN + 1;
    CHECK_EQUAL(ABI_STATUS_INVALID_ARGUMENT, error_of(open));
    open.op_flags = ABI_OPEN_FLAGS_KNOWN;
    open.length_bytes = 1;
    CHECK_EQUAL(0, value_of(open));
    struct abi_submission nop = {.op = ABI_OP_NOP, .capability = file};
    CHECK_EQUAL(ABI_STATUS_INVALID_ARGUMENT, error_of(nop));
    ops_world_end();
}

TEST(query_describes_every_operation_and_no_other)
{
    ops_world_begin(4);
    for (uint32_t number = 0; number < 300; number++) {
        struct abi_submission query = on(ABI_OP_QUERY, 0, number);
        query.length_bytes = sizeof(struct abi_op_info);
        if (number >= RING_OPERATIONS || dispatch_rows[number] == nullptr) {
            CHECK_EQUAL(ABI_STATUS_NOT_IMPLEMENTED, error_of(query));
            continue;
        }
        CHECK_EQUAL(ABI_VERSION, value_of(query));
        const struct abi_op_info *info = (const void *)world_page_bytes();
        CHECK_EQUAL(number, info->number);
        CHECK_EQUAL(dispatch_rows[number]->rights, info->rights);
        CHECK_EQUAL(1, info->version);
        query.length_bytes--;
        CHECK_EQUAL(ABI_STATUS_OUT_OF_RANGE, error_of(query));
        query.length_bytes = 0;
        CHECK_EQUAL(ABI_VERSION, value_of(query));
    }
    ops_world_end();
}

TEST(dup_and_restrict_only_shrink)
{
    ops_world_begin(4);
    uint64_t first = world_give(&world_file, ABI_RIGHT_READ | ABI_RIGHT_DUP | ABI_RIGHT_STAT);
    uint64_t second = value_of(on(ABI_OP_DUP, first, ABI_RIGHT_READ | ABI_RIGHT_WRITE));
    CHECK(second != first);
    CHECK_EQUAL(2, handle_table_count(&world.handles));
    CHECK_EQUAL(ABI_STATUS_INSUFFICIENT_RIGHTS, error_of(on(ABI_OP_DUP, second, ABI_RIGHTS_ALL)));

    struct abi_submission stat = on(ABI_OP_STAT, first, 0);
    stat.length_bytes = 32;
    CHECK_EQUAL(32, value_of(stat));
    const struct abi_stat *found = (const void *)world_page_bytes();
    CHECK_EQUAL(ABI_RIGHT_READ | ABI_RIGHT_DUP | ABI_RIGHT_STAT, found->rights);
    CHECK_EQUAL(ABI_KIND_FILE, found->kind);
    CHECK_EQUAL(world_file.id, found->object_id);
    CHECK_EQUAL(4711, found->size_bytes);
    stat.length_bytes = 31;
    CHECK_EQUAL(ABI_STATUS_OUT_OF_RANGE, error_of(stat));

    uint64_t third = value_of(on(ABI_OP_RESTRICT, first, ABI_RIGHT_STAT | ABI_RIGHT_KILL));
    CHECK_EQUAL(ABI_STATUS_INVALID_CAPABILITY, error_of(on(ABI_OP_RESTRICT, first, 0)));
    stat.capability = third;
    stat.length_bytes = 256;
    CHECK_EQUAL(256, value_of(stat));
    CHECK_EQUAL(ABI_RIGHT_STAT, found->rights);
    ops_world_end();
}

TEST(a_refusal_explains_at_which_step_the_right_was_lost)
{
    ops_world_begin(4);
    uint64_t handle = world_give(&world_file, ABI_RIGHTS_ALL);
    handle = value_of(on(ABI_OP_RESTRICT, handle, ~(uint64_t)ABI_RIGHT_READ));
    handle = value_of(on(ABI_OP_RESTRICT, handle, ~(uint64_t)ABI_RIGHT_CLOSE));
    struct abi_completion refused = ask(on(ABI_OP_CLOSE, handle, 0));
    CHECK_EQUAL(ABI_STATUS_INSUFFICIENT_RIGHTS, refused.error);
    CHECK_EQUAL(6, ABI_DETAIL_RIGHT(refused.detail));
    CHECK_EQUAL(2, ABI_DETAIL_STEP(refused.detail));
    CHECK_EQUAL(1, handle_table_count(&world.handles));
    ops_world_end();
}

TEST(close_ends_the_handle_and_then_the_object)
{
    ops_world_begin(4);
    uint64_t handle = world_give(&world_file, ABI_RIGHTS_ALL);
    CHECK_EQUAL(2, world_file.references);
    CHECK_EQUAL(0, value_of(on(ABI_OP_CLOSE, handle, 0)));
    CHECK_EQUAL(1, world_file.references);
    CHECK_EQUAL(ABI_STATUS_INVALID_CAPABILITY, error_of(on(ABI_OP_CLOSE, handle, 0)));
    ops_world_end();
}

TEST(read_goes_by_kind)
{
    ops_world_begin(4);
    uint64_t directory = world_give(&world_directory, ABI_RIGHTS_ALL);
    CHECK_EQUAL(ABI_STATUS_WRONG_CAPABILITY_TYPE, error_of(on(ABI_OP_READ, directory, 0)));
    struct abi_submission read = {.op = ABI_OP_READ,
                                  .capability = world_give(&world_file, ABI_RIGHTS_ALL),
                                  .length_bytes = 5};
    CHECK_EQUAL(0, value_of(read));
    ops_world_end();
}

static struct abi_submission wait_on(uint64_t offset, uint64_t expected, uint64_t limit)
{
    return (struct abi_submission){.op = ABI_OP_ADDRESS_WAIT,
                                   .user_data = offset,
                                   .buffer_offset_bytes = (uint32_t)offset,
                                   .length_bytes = 4,
                                   .args = {expected, limit}};
}

static struct abi_submission wake_on(uint32_t offset, uint64_t count)
{
    return (struct abi_submission){.op = ABI_OP_ADDRESS_WAKE,
                                   .user_data = 1,
                                   .buffer_offset_bytes = offset,
                                   .length_bytes = 4,
                                   .args = {count}};
}

TEST(an_address_wait_ends_with_the_wake_of_its_word)
{
    ops_world_begin(8);
    uint32_t *words = (uint32_t *)(void *)world_page_bytes();
    words[2] = 7;
    CHECK_EQUAL(ABI_STATUS_WOULD_BLOCK, error_of(wait_on(8, 6, UINT64_MAX)));
    world_submit(wait_on(8, 7, UINT64_MAX));
    world_submit(wait_on(8, 7, UINT64_MAX));
    world_submit(wait_on(12, 0, UINT64_MAX));
    ring_enter(world.ring, 0, 0);
    CHECK_EQUAL(0, world_unread());
    CHECK_EQUAL(0, value_of(wake_on(16, 5)));
    world_submit(wake_on(8, 1));
    ring_enter(world.ring, 2, ABI_DEADLINE_NEVER);
    struct abi_completion woken = world_reap(); /* before the wake itself completes */
    CHECK_EQUAL(8, woken.user_data);
    CHECK_EQUAL(ABI_RESULT_OK, woken.tag);
    CHECK_EQUAL(1, world_reap().value);
    CHECK_EQUAL(0, world_unread());
    ops_world_end();
}

TEST(an_address_wait_ends_at_its_deadline)
{
    ops_world_begin(4);
    uint64_t limit = clock_now_ns() + 3000;
    CHECK_EQUAL(ABI_STATUS_TIMED_OUT, error_of(wait_on(0, 0, limit)));
    CHECK_EQUAL(limit, clock_now_ns());
    CHECK_EQUAL(ABI_STATUS_TIMED_OUT, error_of(wait_on(0, 0, 0)));
    CHECK_EQUAL(0, value_of(wake_on(0, UINT64_MAX)));
    ops_world_end();
}

TEST(a_word_is_four_aligned_bytes)
{
    ops_world_begin(4);
    CHECK_EQUAL(ABI_STATUS_INVALID_ARGUMENT, error_of(wait_on(2, 0, UINT64_MAX)));
    struct abi_submission wake = wake_on(0, 1);
    wake.length_bytes = 8;
    CHECK_EQUAL(ABI_STATUS_INVALID_ARGUMENT, error_of(wake));
    CHECK_EQUAL(ABI_STATUS_OUT_OF_RANGE, error_of(wake_on(4096, 1)));
    CHECK_EQUAL(ABI_STATUS_INVALID_ARGUMENT, error_of(wait_on(0, 1ull << 32, UINT64_MAX)));
    ops_world_end();
}

TEST(sleep_completes_at_its_time)
{
    ops_world_begin(4);
    uint64_t until = clock_now_ns() + 5000;
    CHECK_EQUAL(0, value_of(on(ABI_OP_SLEEP, 0, until)));
    CHECK_EQUAL(until, clock_now_ns());
    CHECK_EQUAL(0, value_of(on(ABI_OP_SLEEP, 0, 0)));
    world_submit(on(ABI_OP_SLEEP, 0, UINT64_MAX));
    ring_enter(world.ring, 0, 0);
    ops_world_end(); /* does not wait for it */
}

TEST(clocks_and_chance)
{
    ops_world_begin(4);
    CHECK_EQUAL(clock_now_ns(), value_of(on(ABI_OP_CLOCK_READ, 0, ABI_CLOCK_MONOTONIC)));
    CHECK_EQUAL(clock_real_ns(), value_of(on(ABI_OP_CLOCK_READ, 0, ABI_CLOCK_REAL)));
    CHECK_EQUAL(ABI_STATUS_INVALID_ARGUMENT, error_of(on(ABI_OP_CLOCK_READ, 0, 2)));
    struct abi_submission random = {
        .op = ABI_OP_RANDOM, .buffer_offset_bytes = 1, .length_bytes = 4094};
    CHECK_EQUAL(4094, value_of(random));
    const uint8_t *bytes = world_page_bytes();
    CHECK(bytes[0] == 0 && bytes[4095] == 0); /* the span, and nothing beside it */
    uint32_t zeros = 0;
    for (uint32_t i = 1; i < 4095; i++)
        zeros += bytes[i] == 0;
    CHECK(zeros < 100);
    ops_world_end();
}
