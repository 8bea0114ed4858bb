/*
 * Streams through channels: what `a | b` stands on.
 */
#include "peal/bytes.h"
#include "peal/channel.h"
#include "peal/heap.h"
#include "peal/output.h"
#include "support/child.h"
#include "support/guest_test.h"

#define PROGRAM TEXT("boot/test/streams")

static uint8_t sent[20000], received[20000];

static stream_ref writing(const channel_pair *pair)
{
    return stream_of_channel(channel_borrow(&pair->ends[0]));
}

static stream_ref reading(const channel_pair *pair)
{
    return stream_of_channel(channel_borrow(&pair->ends[1]));
}

static void expect_read(const channel_pair *pair, size_t room, text expected)
{
    char bytes[64];
    size_result read = peal_stream_read(reading(pair), (span){bytes, room});
    EXPECT_STATUS(OK, read.status);
    EXPECT(peal_text_equal(expected, (text){bytes, read.value}));
}

GUEST_TEST(a_message_is_read_in_pieces_and_never_two_at_once)
{
    OWNED(channel_pair) pair = {0};
    REQUIRE(is_ok(peal_channel_create(&pair, 0)));
    EXPECT_STATUS(OK, peal_stream_write_all(writing(&pair), view_of(TEXT("0123456789"))));
    EXPECT_STATUS(OK, peal_stream_write_all(writing(&pair), view_of(TEXT("ab"))));
    expect_read(&pair, 4, TEXT("0123"));
    expect_read(&pair, 4, TEXT("4567"));
    expect_read(&pair, 0, TEXT(""));
    expect_read(&pair, 4, TEXT("89"));
    expect_read(&pair, 4, TEXT("ab"));
}

GUEST_TEST(more_than_a_message_goes_out_in_several)
{
    OWNED(channel_pair) pair = {0};
    REQUIRE(is_ok(peal_channel_create(&pair, 0)));
    for (size_t i = 0; i < sizeof(sent); i++)
        sent[i] = (uint8_t)(i * 7 + i / 256);
    EXPECT_STATUS(OK, peal_stream_write_all(writing(&pair), VIEW_OF(sent)));
    size_t length = 0;
    for (uint32_t round = 0; length < sizeof(sent) && round < 100; round++) {
        size_t room = round % 2 == 0 ? 1000 : sizeof(sent) - length;
        if (room > sizeof(sent) - length) room = sizeof(sent) - length;
        size_result read = peal_stream_read(reading(&pair), (span){received + length, room});
        REQUIRE(is_ok(read.status) && read.value > 0 && read.value <= STREAM_MESSAGE_BYTES);
        length += read.value;
    }
    EXPECT_EQUAL(sizeof(sent), length);
    EXPECT_EQUAL(0, memcmp(sent, received, sizeof(sent)));
}

GUEST_TEST(the_end_of_all_writers_reads_as_nothing)
{
    OWNED(channel_pair) pair = {0};
    REQUIRE(is_ok(peal_channel_create(&pair, 0)));
    EXPECT_STATUS(OK, peal_stream_write_all(writing(&pair), view_of(TEXT("last"))));
    char byte;
    expect_read(&pair, 2, TEXT("la"));
    channel_handle_drop(&pair.ends[0]);
    expect_read(&pair, 2, TEXT("st"));
    expect_read(&pair, 2, TEXT(""));
    expect_read(&pair, 2, TEXT(""));
    EXPECT_EQUAL(0, peal_stream_read_try(reading(&pair), SPAN_OF(byte)).value);
}

GUEST_TEST(messages_of_nothing_are_passed_over)
{
    OWNED(channel_pair) pair = {0};
    REQUIRE(is_ok(peal_channel_create(&pair, 0)));
    EXPECT_STATUS(OK, peal_channel_send(channel_borrow(&pair.ends[0]), view_of(TEXT(""))));
    EXPECT_STATUS(OK, peal_stream_write_all(writing(&pair), view_of(TEXT("x"))));
    expect_read(&pair, 2, TEXT("x"));
}

GUEST_TEST(what_may_not_wait_does_not_and_what_is_gone_is_told)
{
    char byte = 'x';
    OWNED(channel_pair) pair = {0};
    REQUIRE(is_ok(peal_channel_create(&pair, 0)));
    EXPECT_STATUS(WOULD_BLOCK, peal_stream_read_try(reading(&pair), SPAN_OF(byte)).status);
    channel_handle_drop(&pair.ends[1]);
    EXPECT_STATUS(BROKEN_PIPE, peal_stream_write_all(writing(&pair), VIEW_OF(byte)));
    EXPECT_STATUS(INVALID_CAPABILITY, peal_stream_read((stream_ref){0}, SPAN_OF(byte)).status);
}

/* Prints for ever: only its output's end can end it. */
static int play_yes(void)
{
    for (;;)
        peal_print("y\n");
}

GUEST_TEST(a_program_whose_output_nobody_reads_ends)
{
    OWNED(channel_pair) pair = {0};
    REQUIRE(is_ok(peal_channel_create(&pair, 0)));
    struct peal_grant grants[] = {PEAL_GRANT("stdout", writing(&pair), ABI_RIGHTS_ALL)};
    process_result started = child_start(PROGRAM, TEXT("yes"),
                                         &(struct peal_spawn){.grants = grants, .grants_count = 1});
    REQUIRE(is_ok(started.status));
    OWNED(process_handle) process = TAKE(started.value);
    channel_handle_drop(&pair.ends[0]);
    expect_read(&pair, 4, TEXT("y\ny\n"));
    channel_handle_drop(&pair.ends[1]);
    struct abi_exit how = {0};
    EXPECT_STATUS(OK, peal_process_wait(process_borrow(&process), ABI_DEADLINE_NEVER, &how));
    EXPECT_EQUAL(ABI_EXIT_REASON_CODE, how.reason);
    EXPECT_EQUAL(EXIT_CODE_BROKEN_PIPE, how.code);
}

static int play_talker(void)
{
    peal_print("said\n");
    return 0;
}

/* An end without the right to write: the program says so by its code. */
GUEST_TEST(output_that_cannot_be_written_makes_the_program_fail)
{
    OWNED(channel_pair) pair = {0};
    REQUIRE(is_ok(peal_channel_create(&pair, 0)));
    struct peal_grant grants[] = {PEAL_GRANT("stdout", writing(&pair), ABI_RIGHT_READ)};
    EXPECT_EQUAL(1, child_run(PROGRAM, TEXT("talker"),
                              &(struct peal_spawn){.grants = grants, .grants_count = 1}));
    grants[0].rights = ABI_RIGHT_WRITE;
    EXPECT_EQUAL(0, child_run(PROGRAM, TEXT("talker"),
                              &(struct peal_spawn){.grants = grants, .grants_count = 1}));
    expect_read(&pair, 64, TEXT("said\n"));
}

GUEST_TEST_SETUP
{
    if (child_plays(TEXT("yes"))) peal_exit(play_yes());
    if (child_plays(TEXT("talker"))) peal_exit(play_talker());
    peal_release(peal_allocate(1)); /* the heap's own handle is there before anything is counted */
}
