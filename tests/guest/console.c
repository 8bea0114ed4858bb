/*
 * The console: what can be tried without anybody who types.
 */
#include "peal/bytes.h"
#include "peal/clock.h"
#include "peal/file.h"
#include "support/child.h"
#include "support/guest_test.h"
#include "support/raw.h"

#define PROGRAM TEXT("boot/test/console")
#define PAGE    ABI_PAGE_BYTES

static uint64_t console;
static struct raw_scratch scratch;

static struct abi_submission read_of(uint64_t handle, uint32_t length, uint32_t flags)
{
    return (struct abi_submission){
        .op = ABI_OP_READ,
        .capability = handle,
        .buffer_index = scratch.index,
        .length_bytes = length,
        .op_flags = flags,
    };
}

static struct abi_submission write_of(uint32_t offset, uint32_t length)
{
    return (struct abi_submission){
        .op = ABI_OP_WRITE,
        .capability = console,
        .buffer_index = scratch.index,
        .buffer_offset_bytes = offset,
        .length_bytes = length,
    };
}

static struct abi_submission watch_of(uint64_t handle)
{
    return (struct abi_submission){.op = ABI_OP_CONSOLE_WATCH, .capability = handle};
}

/* Publishes one and enters without waiting; true when it was accepted. */
static bool submit(struct abi_submission submission, uint64_t user_data)
{
    submission.user_data = user_data;
    return raw_publish(&submission, 1) == 1 && ABI_ENTER_ACCEPTED(raw_enter(0, 0)) == 1;
}

/* What somebody left in the line is not for us. */
static void drain(void)
{
    while (raw_call(read_of(console, PAGE, ABI_READ_DO_NOT_WAIT)).tag == ABI_RESULT_OK)
        ;
}

GUEST_TEST(a_read_that_may_not_wait_does_not)
{
    drain();
    memset(scratch.bytes, 0xa5, PAGE);
    EXPECT_EQUAL(ABI_STATUS_WOULD_BLOCK,
                 raw_status(raw_call(read_of(console, PAGE, ABI_READ_DO_NOT_WAIT))));
    EXPECT_EQUAL(0xa5, scratch.bytes[0]);
    struct abi_completion nothing = raw_call(read_of(console, 0, 0));
    EXPECT(raw_is_ok(nothing) && nothing.value == 0);
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT, raw_status(raw_call(read_of(console, 1, 2))));
}

/* Ours goes on until this program ends, so it is a child that holds the first watch. */
static int play_watcher(void)
{
    struct abi_completion done;
    CHILD_CHECK(submit(watch_of(console), 1) && raw_reap(&done, 1) == 0);
    for (uint64_t i = 2; i < 5; i++) {
        CHILD_CHECK(submit(watch_of(console), i) && raw_reap(&done, 1) == 1);
        CHILD_CHECK(done.user_data == i && raw_status(done) == ABI_STATUS_BUSY);
    }
    /* Nor does anybody else get it. */
    struct peal_grant grants[] = {
        {.name = TEXT("console"), .raw = console, .rights = ABI_RIGHTS_ALL}};
    CHILD_CHECK(child_run(PROGRAM, TEXT("second"),
                          &(struct peal_spawn){.grants = grants, .grants_count = 1}) == 0);
    return 0;
}

static int play_second(void)
{
    struct abi_completion done;
    CHILD_CHECK(submit(watch_of(console), 1) && raw_reap(&done, 1) == 1);
    CHILD_CHECK(raw_status(done) == ABI_STATUS_BUSY);
    return 0;
}

/* Started from a shell: that has the watch. Says so. */
static bool is_watched(void)
{
    if (child_run(PROGRAM, TEXT("second"),
                  &(struct peal_spawn){.grants =
                                           &(struct peal_grant){
                                               .name = TEXT("console"),
                                               .raw = console,
                                               .rights = ABI_RIGHTS_ALL,
                                           },
                                       .grants_count = 1}) != 0)
        return false;
    guest_test_skip("somebody watches the console");
    return true;
}

GUEST_TEST(there_is_one_watch_at_a_time)
{
    if (is_watched()) return;
    struct peal_grant grants[] = {
        {.name = TEXT("console"), .raw = console, .rights = ABI_RIGHTS_ALL},
        {.name = TEXT("root"), .raw = peal_granted_raw(TEXT("root")), .rights = ABI_RIGHTS_ALL},
    };
    for (uint32_t i = 0; i < 2; i++)
        EXPECT_EQUAL(0, child_run(PROGRAM, TEXT("watcher"),
                                  &(struct peal_spawn){.grants = grants, .grants_count = 2}));
}

/* Ends, or is ended, with a read and a watch in flight. */
static int play_reader(void)
{
    for (uint64_t i = 0; i < 8; i++)
        CHILD_CHECK(submit(read_of(console, 16, 0), i));
    CHILD_CHECK(submit(watch_of(console), 9));
    struct abi_completion done;
    CHILD_CHECK(raw_reap(&done, 1) == 0);
    if (peal_granted_raw(TEXT("stay")) != ABI_HANDLE_NONE) raw_enter(1, ABI_DEADLINE_NEVER);
    return 0;
}

GUEST_TEST(reads_and_watches_end_with_their_program)
{
    if (is_watched()) return;
    struct peal_grant grants[] = {
        {.name = TEXT("console"), .raw = console, .rights = ABI_RIGHTS_ALL},
        {.name = TEXT("stay"), .raw = console, .rights = 0},
    };
    for (uint32_t i = 0; i < 3; i++) /* the watch is free again each time */
        EXPECT_EQUAL(0, child_run(PROGRAM, TEXT("reader"),
                                  &(struct peal_spawn){.grants = grants, .grants_count = 1}));
    for (uint64_t i = 0; i < 3; i++) {
        process_result started = child_start(
            PROGRAM, TEXT("reader"), &(struct peal_spawn){.grants = grants, .grants_count = 2});
        REQUIRE(is_ok(started.status));
        OWNED(process_handle) process = TAKE(started.value);
        EXPECT_STATUS(OK, peal_sleep_until(peal_deadline_in_ms(5 * i)));
        EXPECT_STATUS(OK, peal_process_kill(process_borrow(&process), 7));
        struct abi_exit how = {0};
        EXPECT_STATUS(OK, peal_process_wait(process_borrow(&process), ABI_DEADLINE_NEVER, &how));
        EXPECT_EQUAL(ABI_EXIT_REASON_KILLED, how.reason);
    }
}

GUEST_TEST(any_bytes_may_be_written_and_are_counted)
{
    /* Nothing that moves the line: a colour and back, a sequence cut short, bytes that are no text.
     */
    static const char odd[] = "\x1b[31m\x1b[0m\x1b[\x18\0\x7f\xff\xc0\xed\xa0\x80\r";
    memcpy(scratch.bytes, odd, sizeof(odd) - 1);
    struct abi_completion done = raw_call(write_of(0, sizeof(odd) - 1));
    EXPECT(raw_is_ok(done) && done.value == sizeof(odd) - 1);
    done = raw_call(write_of(0, 0));
    EXPECT(raw_is_ok(done) && done.value == 0);
    done = raw_call(write_of((uint32_t)scratch.size_bytes, 0)); /* the very end */
    EXPECT(raw_is_ok(done) && done.value == 0);
    /* Over page borders; zeros are not seen. */
    memset(scratch.bytes, 0, scratch.size_bytes);
    done = raw_call(write_of(PAGE - 5, PAGE + 10));
    EXPECT(raw_is_ok(done) && done.value == PAGE + 10);
}

static void expect_refusal(struct abi_submission submission, uint32_t right)
{
    struct abi_completion done = raw_call(submission);
    EXPECT_EQUAL(ABI_STATUS_INSUFFICIENT_RIGHTS, raw_status(done));
    EXPECT_EQUAL(right, ABI_DETAIL_RIGHT(done.detail));
    EXPECT(ABI_DETAIL_STEP(done.detail) >= 1); /* our own; more when we were given less than all */
}

GUEST_TEST(each_use_of_the_console_needs_its_right)
{
    uint64_t deaf = raw_dup(console, ABI_RIGHTS_ALL & ~(uint64_t)ABI_RIGHT_READ);
    uint64_t mute = raw_dup(console, ABI_RIGHTS_ALL & ~(uint64_t)ABI_RIGHT_WRITE);
    uint64_t plain = raw_dup(console, ABI_RIGHTS_ALL & ~(uint64_t)ABI_RIGHT_CONTROL);
    expect_refusal(read_of(deaf, 1, ABI_READ_DO_NOT_WAIT), 0);
    struct abi_submission write = write_of(0, 1);
    write.capability = mute;
    expect_refusal(write, 1);
    expect_refusal(watch_of(plain), 15);
    EXPECT(raw_close(deaf) && raw_close(mute) && raw_close(plain));
}

GUEST_TEST_SETUP
{
    console = peal_granted_raw(TEXT("console"));
    scratch = raw_scratch_make(4 * PAGE);
    if (child_plays(TEXT("watcher"))) peal_exit(play_watcher());
    if (child_plays(TEXT("second"))) peal_exit(play_second());
    if (child_plays(TEXT("reader"))) peal_exit(play_reader());
    guest_test_need_grants();
}
