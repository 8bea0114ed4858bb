#include "ring/recorder.h"
#include "support/ring_world.h"
#include <pthread.h>
#include <string.h>

/* ---- operations to test with ---- */

enum { NOP, ECHO, PARK, FAIL_WITH_DETAIL, TAKE_FILE };

static struct op *parked;

static op_outcome run_nop(struct op *op)
{
    (void)op;
    return op_done(0);
}
static op_outcome run_echo(struct op *op)
{
    return op_done(op->submission.args[0]);
}
static void cancel_park(struct op *op, status why)
{
    parked = nullptr;
    op_complete(op, op_failed(why));
}
static op_outcome run_park(struct op *op)
{
    parked = op;
    return op_park(op, cancel_park, deadline_never());
}
static op_outcome run_fail(struct op *op)
{
    (void)op;
    return op_refused(FAIL(INSUFFICIENT_RIGHTS), ABI_DETAIL_MAKE(1, 3));
}

static const struct op_descriptor nop_row = {.handler = run_nop, .shape = OP_BARE, .name = "nop"};
static const struct op_descriptor echo_row = {
    .handler = run_echo, .shape = OP_PLAIN, .forbidden = {[5] = 0}, .name = "echo"};
static const struct op_descriptor park_row = {
    .handler = run_park, .shape = OP_PLAIN, .name = "park"};
static const struct op_descriptor fail_row = {
    .handler = run_fail, .shape = OP_PLAIN, .name = "fail"};
static const struct op_descriptor file_row = {.handler = run_echo,
                                              .shape = OP_CLAIMS,
                                              .kinds = ABI_KIND_BIT(FILE),
                                              .rights = ABI_RIGHT_READ,
                                              .name = "take_file"};
static const struct op_descriptor *const rows[RING_OPERATIONS] = {
    [NOP] = &nop_row,        [ECHO] = &echo_row, [PARK] = &park_row, [FAIL_WITH_DETAIL] = &fail_row,
    [TAKE_FILE] = &file_row,
};

static struct list kept = LIST_INIT(kept);

static void begin(void)
{
    world_init(rows);
    world_begin();
    world_recorders = &kept;
    if (!is_ok(world_make_ring(64))) test_fail(__FILE__, __LINE__, "no ring");
}

static void end(void)
{
    world_end();
    recorder_forget(&kept);
}

static struct abi_completion call(struct abi_submission submission)
{
    world_submit(submission);
    ring_enter(world.ring, 1, UINT64_MAX);
    return world_reap();
}

static void echo(uint64_t value)
{
    call((struct abi_submission){.op = ECHO, .user_data = value ^ 5, .args = {value}});
}

static struct recorder *first_kept(void)
{
    struct recorder *found = recorder_find(&kept, 0);
    if (found == nullptr) test_fail(__FILE__, __LINE__, "nothing is kept");
    recorder_put(found); /* the list has it */
    return found;
}

static struct record nth(const struct recorder *recorder, uint32_t n)
{
    struct record record = {0};
    uint64_t stamp = 0;
    for (uint32_t i = 0; i <= n; i++)
        if (!recorder_next(recorder, &stamp, &record)) return (struct record){0};
    return record;
}

static uint32_t count(const struct recorder *recorder)
{
    struct record record;
    uint32_t found = 0;
    for (uint64_t stamp = 0; recorder_next(recorder, &stamp, &record);)
        found++;
    return found;
}

TEST(what_completes_in_place_is_recorded_with_its_outcome)
{
    begin();
    world_set_clock(5000);
    echo(7);
    call((struct abi_submission){.op = FAIL_WITH_DETAIL, .op_flags = 9, .user_data = 3});
    const struct recorder *recorder = first_kept();
    struct record first = nth(recorder, 0), second = nth(recorder, 1);
    CHECK_EQUAL(2, count(recorder));
    CHECK_EQUAL(1, record_sequence(&first));
    CHECK_EQUAL(ECHO, first.words[0]);
    CHECK_EQUAL(7 ^ 5, first.words[5]);
    CHECK_EQUAL(7, first.words[6]);
    CHECK_EQUAL(STATUS_OK, first.result);
    CHECK_EQUAL(7, first.value);
    CHECK(first.ended_ticks != 0);
    CHECK_EQUAL(2, record_sequence(&second));
    CHECK_EQUAL(9, (uint32_t)second.words[4]);
    CHECK_EQUAL(STATUS_INSUFFICIENT_RIGHTS, (uint32_t)second.result);
    CHECK_EQUAL(ABI_DETAIL_MAKE(1, 3), second.result >> 32);
    end();
}

TEST(bare_operations_are_gaps_between_the_numbers)
{
    begin();
    echo(1);
    for (uint32_t i = 0; i < 10; i++)
        call((struct abi_submission){.op = NOP});
    echo(2);
    struct record second = nth(first_kept(), 1);
    CHECK_EQUAL(2, count(first_kept()));
    CHECK_EQUAL(12, record_sequence(&second));
    end();
}

TEST(what_pends_is_under_way_and_recorded_when_it_ends)
{
    begin();
    struct recorder *recorder = first_kept();
    struct record record;
    CHECK(!recorder_pending(recorder, 0, &record));
    world_submit((struct abi_submission){.op = PARK, .user_data = 77});
    ring_enter(world.ring, 0, 0);
    CHECK_EQUAL(0, count(recorder));
    CHECK(recorder_pending(recorder, 0, &record));
    CHECK_EQUAL(77, record.words[5]);
    CHECK_EQUAL(0, record.ended_ticks);
    CHECK(!recorder_pending(recorder, 1, &record));

    for (uint64_t i = 0; i < 2 * RECORDS_IN_PLACE; i++) /* quick ones do not push it out */
        echo(i);
    op_complete(parked, op_done(5));
    CHECK(!recorder_pending(recorder, 0, &record));
    for (uint64_t i = 0; i < 2 * RECORDS_IN_PLACE; i++)
        echo(i);
    CHECK_EQUAL(RECORDS_IN_PLACE + 1, count(recorder));
    record = nth(recorder, 0);
    CHECK_EQUAL(77, record.words[5]);
    CHECK_EQUAL(5, record.value);
    CHECK_EQUAL(2 * RECORDS_IN_PLACE + 1, record_sequence(&record));
    end();
}

TEST(a_ring_is_described_while_it_is_there)
{
    begin();
    struct recorder *recorder = first_kept();
    struct ring_description ring;
    for (uint64_t i = 0; i < 5; i++)
        echo(i);
    world_submit((struct abi_submission){.op = PARK, .user_data = 77});
    ring_enter(world.ring, 0, 0);
    CHECK(recorder_describe_ring(recorder, &ring));
    CHECK_EQUAL(6, ring.accepted);
    CHECK_EQUAL(5, ring.completed);
    CHECK_EQUAL(1, ring.in_flight);
    CHECK(ring.completion_entries >= ring.submission_entries && ring.entered > 0);
    op_complete(parked, op_done(5));
    CHECK(recorder_describe_ring(recorder, &ring));
    CHECK_EQUAL(6, ring.completed);
    CHECK_EQUAL(0, ring.in_flight);
    CHECK(ring.unread > 0);
    recorder_get(recorder);
    end();
    CHECK(!recorder_describe_ring(recorder, &ring));
    recorder_put(recorder);
}

TEST(the_last_ones_stay_in_order)
{
    begin();
    for (uint64_t i = 1; i <= 100; i++)
        echo(i);
    CHECK_EQUAL(RECORDS_IN_PLACE, count(first_kept()));
    for (uint32_t i = 0; i < RECORDS_IN_PLACE; i++) {
        struct record record = nth(first_kept(), i);
        CHECK_EQUAL(100 - RECORDS_IN_PLACE + 1 + i, record.value);
        CHECK_EQUAL(record.value, record_sequence(&record));
    }
    end();
}

TEST(the_object_used_is_remembered_and_none_where_there_was_none)
{
    begin();
    static const struct object_type type = {.kind = ABI_KIND_FILE, .rights_all = ABI_RIGHTS_ALL};
    struct object file;
    object_init(&file, &type);
    capability_result made = capability_create(&file, ABI_RIGHTS_ALL);
    handle_result handle = handle_table_insert(&world.handles, made.value);
    call((struct abi_submission){.op = TAKE_FILE, .capability = handle.value});
    call((struct abi_submission){.op = TAKE_FILE, .capability = handle.value ^ 1});
    struct record used = nth(first_kept(), 0), refused = nth(first_kept(), 1);
    CHECK_EQUAL(file.id, used.object_id);
    CHECK(used.derivation_id != 0 && refused.derivation_id == 0);
    CHECK_EQUAL(handle.value, used.words[1]);
    CHECK_EQUAL(0, refused.object_id);
    CHECK_EQUAL(STATUS_INVALID_CAPABILITY, (uint32_t)refused.result);
    end();
}

TEST(records_outlive_their_ring_until_they_are_forgotten)
{
    begin();
    echo(42);
    world_submit((struct abi_submission){.op = PARK});
    ring_enter(world.ring, 0, 0);
    struct recorder *recorder = first_kept();
    recorder_name(recorder, 99);
    recorder_get(recorder);
    world_end(); /* nothing is charged any more */
    world.ring = nullptr;
    CHECK_EQUAL(2, count(recorder));
    struct record first = nth(recorder, 0), second = nth(recorder, 1), record;
    CHECK_EQUAL(42, first.value);
    CHECK_EQUAL(STATUS_INTERRUPTED, second.result);
    CHECK_EQUAL(99, recorder_thread(recorder));
    CHECK(!recorder_pending(recorder, 0, &record));
    recorder_forget(&kept);
    CHECK(recorder_find(&kept, 0) == nullptr);
    first = nth(recorder, 0);
    CHECK_EQUAL(42, first.value);
    recorder_put(recorder);
}

TEST(of_those_that_ended_only_the_last_are_kept)
{
    uint64_t before = heap_count().objects_taken;
    uint32_t number_first = 0, kept_count = 0;
    for (uint32_t i = 0; i < RECORDERS_ENDED_MAX + 10; i++) {
        begin();
        if (i == 10) number_first = recorder_number(ring_recorder(world.ring));
        world_end();
        world.ring = nullptr;
    }
    CHECK_EQUAL(number_first, recorder_number(first_kept()));
    for (uint32_t number = 0;; kept_count++) {
        struct recorder *found = recorder_find(&kept, number);
        if (found == nullptr) break;
        number = recorder_number(found) + 1;
        recorder_put(found);
    }
    CHECK_EQUAL(RECORDERS_ENDED_MAX, kept_count);
    recorder_forget(&kept);
    CHECK(heap_count().objects_taken <= before);
}

static _Atomic bool stop_reading;
static _Atomic uint64_t torn, whole;

static void *read_all_the_time(void *argument)
{
    while (!atomic_load(&stop_reading)) {
        struct record record;
        for (uint64_t stamp = 0; recorder_next(argument, &stamp, &record);) {
            atomic_fetch_add(&whole, 1);
            if (record.words[5] != (record.value ^ 5) || record.words[6] != record.value)
                atomic_fetch_add(&torn, 1);
        }
    }
    return nullptr;
}

TEST(a_reader_beside_the_writer_finds_whole_records)
{
    begin();
    pthread_t reader;
    atomic_store(&stop_reading, false);
    pthread_create(&reader, nullptr, read_all_the_time, first_kept());
    for (uint64_t i = 0; i < 20000 || (atomic_load(&whole) < 10000 && i < 10'000'000); i++)
        echo(i);
    atomic_store(&stop_reading, true);
    pthread_join(reader, nullptr);
    CHECK_EQUAL(0, atomic_load(&torn));
    CHECK(atomic_load(&whole) > 0);
    end();
}

static bool says(const struct record *record, const char *wanted)
{
    char bytes[300];
    struct text_writer writer = TEXT_WRITER(bytes);
    recorder_describe(&writer, record, ring_operation((uint8_t)record->words[0]));
    text said = text_written(&writer);
    if (said.length == strlen(wanted) && memcmp(said.bytes, wanted, said.length) == 0) return true;
    test_fail(__FILE__, __LINE__, "it says: %.*s", TEXT_ARGUMENTS(said));
    return false;
}

TEST(a_record_in_words)
{
    begin();
    call((struct abi_submission){.op = ECHO,
                                 .length_bytes = 12,
                                 .buffer_index = 3,
                                 .offset_bytes = 8,
                                 .op_flags = 2,
                                 .args = {1, 2}});
    struct record record = nth(first_kept(), 0);
    CHECK(says(&record, "#1 echo, 12 bytes of buffer 3 at 8, arguments 0x1 0x2, flags 0x2: 1"));
    call((struct abi_submission){.op = FAIL_WITH_DETAIL, .offset_bytes = ABI_OFFSET_CURRENT});
    record = nth(first_kept(), 1);
    CHECK(says(&record, "#2 fail at its position: INSUFFICIENT_RIGHTS, lacks write since step 3"));
    call((struct abi_submission){.op = TAKE_FILE, .capability = 17});
    record = nth(first_kept(), 2);
    CHECK(says(&record, "#3 take_file file in slot 17: INVALID_CAPABILITY"));
    call((struct abi_submission){.op = 250});
    record = nth(first_kept(), 3);
    CHECK(says(&record, "#4 operation 250: NOT_IMPLEMENTED"));
    world_submit((struct abi_submission){.op = PARK});
    ring_enter(world.ring, 0, 0);
    CHECK(recorder_pending(first_kept(), 0, &record));
    CHECK(says(&record, "park: under way"));
    end();
}
