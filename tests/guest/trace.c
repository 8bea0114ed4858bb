/* The flight recorder, as programs can read it. */
#include "peal/clock.h"
#include "peal/file.h"
#include "peal/process.h"
#include "peal/system.h"
#include "support/child.h"
#include "support/guest_test.h"
#include "support/raw.h"

#define PROGRAM TEXT("boot/test/trace")

#define RIGHTS_TRACED (ABI_RIGHT_ENUMERATE | ABI_RIGHT_CLOSE)

static struct raw_scratch scratch;

static process_result open_self(void)
{
    return peal_process_open(peal_granted_system(TEXT("system")), peal_startup()->process_id,
                             RIGHTS_TRACED);
}

/* The youngest ended record of this operation with this first argument; false: there is none. */
static bool find(process_ref process, uint8_t op, uint64_t argument,
                 struct abi_trace_record *out_record)
{
    struct listing listing = {.raw = process.raw};
    const struct abi_trace_record *record;
    bool is_there = false;
    /* Whoever reads its own records makes more of them by that. */
    for (uint32_t i = 0; i < 200 && (record = peal_list_trace(&listing)) != nullptr; i++) {
        if (record->submission.op != op || record->submission.args[0] != argument) continue;
        *out_record = *record;
        is_there = true;
    }
    EXPECT(is_ok(listing.status));
    return is_there;
}

GUEST_TEST(a_record_has_what_was_asked_for_and_what_came_of_it)
{
    process_result opened = open_self();
    REQUIRE(is_ok(opened.status));
    OWNED(process_handle) self = TAKE(opened.value);
    peal_raw_handle handle = process_borrow(&self).raw;
    uint64_t before_ns = peal_clock_now_ns();
    struct abi_completion refused = raw_call(
        (struct abi_submission){.op = ABI_OP_PROCESS_KILL, .capability = handle, .args = {0x77}});
    uint64_t after_ns = peal_clock_now_ns();
    EXPECT_EQUAL(ABI_STATUS_INSUFFICIENT_RIGHTS, raw_status(refused));

    struct abi_trace_record record = {0};
    REQUIRE(find(process_borrow(&self), ABI_OP_PROCESS_KILL, 0x77, &record));
    EXPECT_EQUAL(ABI_STATUS_INSUFFICIENT_RIGHTS, record.status);
    EXPECT_EQUAL(refused.detail, record.detail);
    EXPECT_EQUAL(handle, record.submission.capability);
    EXPECT_EQUAL(refused.user_data, record.submission.user_data);
    /* Ticks become time by a division. */
    EXPECT(record.time_ns + 1000 >= before_ns && record.time_ns <= after_ns + 1000);
    EXPECT(record.sequence > 0 && record.thread > 0 && record.ring > 0);
}

GUEST_TEST(the_object_and_its_derivation_are_named)
{
    process_result opened = open_self();
    REQUIRE(is_ok(opened.status));
    OWNED(process_handle) self = TAKE(opened.value);
    struct abi_completion done = raw_call(
        (struct abi_submission){.op = ABI_OP_DUP, .capability = scratch.handle, .args = {0x4f}});
    struct abi_stat stat = {0};
    EXPECT(is_ok(peal_raw_stat(scratch.handle, &stat)));
    struct abi_trace_record record = {0};
    REQUIRE(find(process_borrow(&self), ABI_OP_DUP, 0x4f, &record));
    EXPECT_EQUAL(stat.object_id, record.object_id);
    EXPECT_EQUAL(done.value, record.value);
    EXPECT(raw_close(done.value));
}

GUEST_TEST(what_waits_is_under_way_and_then_recorded)
{
    process_result opened = open_self();
    REQUIRE(is_ok(opened.status));
    OWNED(process_handle) self = TAKE(opened.value);
    uint64_t until_ns = peal_deadline_in_ms(20);
    struct abi_submission sleep = {.op = ABI_OP_SLEEP, .user_data = 4711, .args = {until_ns}};
    EXPECT_EQUAL(1, raw_publish(&sleep, 1));
    raw_enter(0, 0);
    struct abi_trace_record record = {0};
    REQUIRE(find(process_borrow(&self), ABI_OP_SLEEP, until_ns, &record));
    EXPECT_EQUAL(0, record.time_ns);
    EXPECT_EQUAL(4711, record.submission.user_data);
    struct abi_completion done;
    raw_enter(1, ABI_DEADLINE_NEVER);
    EXPECT_EQUAL(1, raw_reap(&done, 1));
    REQUIRE(find(process_borrow(&self), ABI_OP_SLEEP, until_ns, &record));
    EXPECT(record.time_ns >= until_ns);
    EXPECT_EQUAL(ABI_STATUS_OK, record.status);
}

GUEST_TEST(reading_piece_by_piece_gives_everything_once)
{
    process_result opened = open_self();
    REQUIRE(is_ok(opened.status));
    OWNED(process_handle) self = TAKE(opened.value);
    for (uint32_t i = 0; i < 100; i++)
        ignore_status(peal_sleep_until(0)); /* for the record only */
    uint64_t last = 0, cookie = 0;
    uint32_t count = 0;
    for (; count < 1000; count++) {
        /* Each of these is recorded itself, in front of where this one reads. */
        struct abi_completion done =
            raw_call((struct abi_submission){.op = ABI_OP_PROCESS_TRACE,
                                             .capability = process_borrow(&self).raw,
                                             .buffer_index = scratch.index,
                                             .length_bytes = sizeof(struct abi_trace_record),
                                             .args = {cookie}});
        const struct abi_trace_record *record = (const struct abi_trace_record *)scratch.bytes;
        EXPECT_EQUAL(ABI_STATUS_OK, raw_status(done));
        if (!raw_is_ok(done) || done.value == 0) break;
        EXPECT_EQUAL(sizeof(*record), done.value);
        EXPECT_MESSAGE(record->sequence > last, "%lu behind %lu", record->sequence, last);
        last = record->sequence;
        cookie = record->next_cookie;
        if (count > 60) break; /* they never end: each round adds one */
    }
    EXPECT(count > 30);
    struct abi_completion done =
        raw_call((struct abi_submission){.op = ABI_OP_PROCESS_TRACE,
                                         .capability = process_borrow(&self).raw,
                                         .buffer_index = scratch.index,
                                         .length_bytes = sizeof(struct abi_trace_record) - 1});
    EXPECT_EQUAL(ABI_STATUS_OUT_OF_RANGE, raw_status(done));
}

GUEST_TEST(any_cookie_is_answered)
{
    process_result opened = open_self();
    REQUIRE(is_ok(opened.status));
    OWNED(process_handle) self = TAKE(opened.value);
    for (uint32_t bit = 0; bit < 64; bit++)
        for (uint64_t below = 0; below < 2; below++) {
            struct abi_completion done =
                raw_call((struct abi_submission){.op = ABI_OP_PROCESS_TRACE,
                                                 .capability = process_borrow(&self).raw,
                                                 .buffer_index = scratch.index,
                                                 .length_bytes = 4096,
                                                 .args = {(1ull << bit) - below}});
            EXPECT_EQUAL(ABI_STATUS_OK, raw_status(done));
            EXPECT_EQUAL(0, done.value % sizeof(struct abi_trace_record));
        }
}

/* ---- a process that is gone ---- */

#define LAST_WORDS 0x1a57

static void play_one_that_dies(void)
{
    raw_call((struct abi_submission){.op = ABI_OP_CLOCK_READ, .args = {LAST_WORDS}});
    __asm__ volatile("ud2");
}

GUEST_TEST(a_process_that_died_left_its_records)
{
    process_result started = child_start(PROGRAM, TEXT("one that dies"), &(struct peal_spawn){0});
    REQUIRE(is_ok(started.status));
    OWNED(process_handle) child = TAKE(started.value);
    struct abi_exit how = {0};
    EXPECT(is_ok(peal_process_wait(process_borrow(&child), ABI_DEADLINE_NEVER, &how)));
    EXPECT_EQUAL(ABI_EXIT_REASON_FAULT, how.reason);
    struct abi_trace_record record = {0};
    REQUIRE(find(process_borrow(&child), ABI_OP_CLOCK_READ, LAST_WORDS, &record));
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT, record.status);
}

GUEST_TEST_SETUP
{
    if (child_plays(TEXT("one that dies"))) play_one_that_dies();
    scratch = raw_scratch_make(4096);
    guest_test_need_grants();
}
