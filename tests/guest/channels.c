/*
 * Channels between processes: what arrives and what is refused, handles in messages, and the death
 * of either side at every point, after which everything must have come back.
 */
#include "peal/bytes.h"
#include "peal/channel.h"
#include "peal/clock.h"
#include "peal/memory.h"
#include "peal/pool.h"
#include "peal/ring.h"
#include "peal/thread.h"
#include "support/child.h"
#include "support/guest_test.h"
#include "support/raw.h"

#define PROGRAM       TEXT("boot/test/channels")
#define SCRATCH_BYTES (4u << 20)
#define ENTRIES_AT    (3u << 20) /* where in the scratch entries for handles are */
#define SECOND_NS     1'000'000'000ull

/* Memory that the library knows; the handle is to another, small buffer. */
static struct raw_scratch scratch;

static void make_scratch(void)
{
    struct location where;
    scratch = raw_scratch_make(ABI_PAGE_BYTES);
    pointer_result mapped = peal_memory_map(SCRATCH_BYTES);
    if (!is_ok(mapped.status)) peal_exit(95);
    if (!is_ok(peal_locate_whole(mapped.value, SCRATCH_BYTES, ABI_ACCESS_WRITE, &where)))
        peal_exit(94);
    scratch.bytes = mapped.value;
    scratch.size_bytes = SCRATCH_BYTES;
    scratch.index = where.buffer_index;
}

static uint8_t pattern(uint64_t seed, uint64_t place)
{
    return (uint8_t)(seed * 31 + place + place / 251);
}

static void fill(uint8_t *bytes, uint64_t length, uint64_t seed)
{
    for (uint64_t i = 0; i < length; i++)
        bytes[i] = pattern(seed, i);
}

static bool is_filled(const uint8_t *bytes, uint64_t length, uint64_t seed)
{
    for (uint64_t i = 0; i < length; i++)
        if (bytes[i] != pattern(seed, i)) return false;
    return true;
}

/* ---- submissions as bytes ---- */

static struct abi_submission send_of(uint64_t handle, uint32_t length)
{
    return (struct abi_submission){.op = ABI_OP_CHANNEL_SEND,
                                   .capability = handle,
                                   .buffer_index = scratch.index,
                                   .length_bytes = length};
}

static struct abi_submission receive_of(uint64_t handle, uint32_t length)
{
    return (struct abi_submission){.op = ABI_OP_CHANNEL_RECEIVE,
                                   .capability = handle,
                                   .buffer_index = scratch.index,
                                   .length_bytes = length};
}

static uint32_t status_of(struct abi_submission submission)
{
    return raw_status(raw_call(submission));
}

/* Enters without waiting. */
static void submit(struct abi_submission submission, uint64_t user_data)
{
    submission.user_data = user_data;
    EXPECT_EQUAL(1, raw_publish(&submission, 1));
    EXPECT_EQUAL(1, ABI_ENTER_ACCEPTED(raw_enter(0, 0)));
}

/* The completion of what has been submitted, which must come. */
static struct abi_completion completion(void)
{
    struct abi_completion done = {.tag = ABI_RESULT_ERROR, .error = ABI_STATUS_NOT_FOUND};
    raw_enter(1, peal_deadline_in_ms(60'000));
    EXPECT_EQUAL(1, raw_reap(&done, 1));
    return done;
}

static bool is_idle(void)
{
    struct abi_completion done;
    return raw_reap(&done, 1) == 0;
}

static channel_pair pair_of(uint32_t messages_max)
{
    channel_pair pair;
    EXPECT_STATUS(OK, peal_channel_create(&pair, messages_max));
    return pair;
}

/* ---- what is refused ---- */

GUEST_TEST(a_channel_has_at_least_one_place_for_messages_and_at_most_so_many)
{
    struct abi_submission create = {.op = ABI_OP_CHANNEL_CREATE,
                                    .buffer_index = scratch.index,
                                    .length_bytes = sizeof(struct abi_channel_pair)};
    create.args[0] = ABI_CHANNEL_MESSAGES_MAX + 1;
    EXPECT_EQUAL(ABI_STATUS_OUT_OF_RANGE, status_of(create));
    create.args[0] = UINT64_MAX;
    EXPECT_EQUAL(ABI_STATUS_OUT_OF_RANGE, status_of(create));
    create.args[0] = ABI_CHANNEL_MESSAGES_MAX;
    create.length_bytes = sizeof(struct abi_channel_pair) - 1;
    EXPECT_EQUAL(ABI_STATUS_OUT_OF_RANGE, status_of(create));
    OWNED(channel_pair) pair = pair_of(ABI_CHANNEL_MESSAGES_MAX);
    for (uint32_t i = 0; i < 2; i++) {
        struct abi_stat stat;
        EXPECT_STATUS(OK, channel_stat(channel_borrow(&pair.ends[i]), &stat));
        EXPECT(stat.kind == ABI_KIND_CHANNEL && stat.size_bytes == 0);
    }
}

GUEST_TEST(a_send_or_receive_that_makes_no_sense_is_refused)
{
    OWNED(channel_pair) pair = pair_of(2);
    uint64_t end = pair.ends[0].raw;
    struct abi_submission wrong;

    EXPECT_EQUAL(ABI_STATUS_OUT_OF_RANGE, status_of(send_of(end, ABI_MESSAGE_BYTES_MAX + 1)));
    for (uint32_t is_receive = 0; is_receive < 2; is_receive++) {
        struct abi_submission right = is_receive ? receive_of(end, 8) : send_of(end, 8);
        wrong = right, wrong.args[0] = 8; /* entries without a count */
        EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT, status_of(wrong));
        wrong = right, wrong.second_buffer_index = 1;
        EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT, status_of(wrong));
        wrong = right, wrong.args[1] = ABI_MESSAGE_HANDLES_MAX + 1;
        EXPECT_EQUAL(ABI_STATUS_OUT_OF_RANGE, status_of(wrong));
        wrong = right, wrong.args[1] = UINT64_MAX;
        EXPECT_EQUAL(ABI_STATUS_OUT_OF_RANGE, status_of(wrong));
    }
    wrong = send_of(end, 8), wrong.args[1] = 1, wrong.second_buffer_index = 4000;
    EXPECT_EQUAL(ABI_STATUS_BUFFER_NOT_REGISTERED, status_of(wrong));
    wrong.second_buffer_index = scratch.index, wrong.args[0] = UINT64_MAX;
    EXPECT_EQUAL(ABI_STATUS_OUT_OF_RANGE, status_of(wrong));
    wrong.args[0] = SCRATCH_BYTES - sizeof(struct abi_message_handle) + 1;
    EXPECT_EQUAL(ABI_STATUS_OUT_OF_RANGE, status_of(wrong));
    wrong = receive_of(end, 8);
    wrong.op_flags = ABI_RECEIVE_DO_NOT_WAIT | ABI_OP_FLAG_MULTISHOT;
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT, status_of(wrong));
    wrong.op_flags = ABI_RECEIVE_DO_NOT_WAIT | ABI_OP_FLAG_POOL; /* a pool, and a span */
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT, status_of(wrong));
    wrong.op_flags = ABI_RECEIVE_DO_NOT_WAIT;
    EXPECT_EQUAL(ABI_STATUS_WOULD_BLOCK, status_of(wrong));
}

/* Sends handles[3] through `end`; what is refused must leave them all where they are. */
static void expect_handles_refused(uint64_t end, const struct abi_message_handle *entries,
                                   uint32_t expected, const char *what)
{
    struct abi_submission submission = send_of(end, 8);
    for (uint32_t i = 0; i < 3; i++)
        ((struct abi_message_handle *)(void *)(scratch.bytes + ENTRIES_AT))[i] = entries[i];
    submission.second_buffer_index = scratch.index;
    submission.args[0] = ENTRIES_AT;
    submission.args[1] = 3;
    submission.op_flags = ABI_SEND_DO_NOT_WAIT;
    uint32_t got = status_of(submission);
    EXPECT_MESSAGE(got == expected, "%s: status %u, not %u", what, got, expected);
    struct abi_stat stat;
    for (uint32_t i = 0; i < 2; i++)
        EXPECT_STATUS(OK, peal_raw_stat(entries[i].handle, &stat));
}

GUEST_TEST(a_message_with_a_bad_handle_is_refused_whole)
{
    OWNED(channel_pair) pair = pair_of(1);
    OWNED(channel_pair) other = pair_of(1);
    uint64_t end = pair.ends[0].raw, rights = ABI_RIGHTS_ALL;
    struct abi_message_handle good[3] = {
        {.handle = raw_dup(scratch.handle, rights), .rights = rights},
        {.handle = other.ends[0].raw, .rights = rights, .flags = ABI_MESSAGE_HANDLE_COPY}};
    uint64_t closed = raw_dup(scratch.handle, rights);
    raw_close(closed);
    uint64_t stuck = raw_dup(scratch.handle, rights & ~(uint64_t)ABI_RIGHT_TRANSFER);
    uint64_t single = raw_dup(scratch.handle, rights & ~(uint64_t)ABI_RIGHT_DUP);
    const struct {
        struct abi_message_handle third;
        uint32_t expected;
        const char *what;
    } cases[] = {
        {{.handle = 0}, ABI_STATUS_INVALID_CAPABILITY, "no handle"},
        {{.handle = closed}, ABI_STATUS_INVALID_CAPABILITY, "a closed handle"},
        {{.handle = good[0].handle ^ 1ull << 40}, ABI_STATUS_INVALID_CAPABILITY, "a guess"},
        {{.handle = stuck}, ABI_STATUS_INSUFFICIENT_RIGHTS, "a move without TRANSFER"},
        {{.handle = stuck, .flags = 1}, ABI_STATUS_INSUFFICIENT_RIGHTS, "a copy without TRANSFER"},
        {{.handle = single, .flags = 1}, ABI_STATUS_INSUFFICIENT_RIGHTS, "a copy without DUP"},
        {good[0], ABI_STATUS_INVALID_ARGUMENT, "a handle moved twice"},
        {good[1], ABI_STATUS_INVALID_ARGUMENT, "a handle copied twice"},
        {{.handle = good[0].handle, .flags = 1}, ABI_STATUS_INVALID_ARGUMENT, "both"},
        {{.handle = end}, ABI_STATUS_INVALID_ARGUMENT, "the end it is sent through"},
        {{.handle = pair.ends[1].raw}, ABI_STATUS_INVALID_ARGUMENT, "the end it is sent to"},
        {{.handle = single, .flags = 2}, ABI_STATUS_INVALID_ARGUMENT, "an unknown flag"},
        {{.handle = single, .flags = UINT32_MAX}, ABI_STATUS_INVALID_ARGUMENT, "all flags"},
        {{.handle = single, .kind = 4}, ABI_STATUS_INVALID_ARGUMENT, "a kind"},
    };
    for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        good[2] = cases[i].third;
        expect_handles_refused(end, good, cases[i].expected, cases[i].what);
    }
    good[2] = (struct abi_message_handle){.handle = single, .rights = rights};
    EXPECT_EQUAL(ABI_STATUS_OK, status_of(send_of(end, 1)));
    expect_handles_refused(end, good, ABI_STATUS_WOULD_BLOCK, "a full queue");
    channel_handle_drop(&pair.ends[1]);
    expect_handles_refused(end, good, ABI_STATUS_BROKEN_PIPE, "a closed end");
    raw_close(good[0].handle);
    raw_close(stuck);
    raw_close(single);
}

/* ---- sizes and order ---- */

/* Sends back what it receives, until the other end is gone. */
static int play_echo(void)
{
    channel_ref channel = peal_granted_channel(TEXT("channel"));
    channel_message message = {.bytes = {scratch.bytes, ABI_MESSAGE_BYTES_MAX}};
    for (;;) {
        status received = peal_channel_receive(channel, &message);
        if (received.code == STATUS_BROKEN_PIPE) return 0;
        CHILD_CHECK(is_ok(received));
        struct peal_parcel parcels[PEAL_MESSAGE_HANDLES];
        for (uint32_t i = 0; i < message.handles_count; i++)
            parcels[i] = (struct peal_parcel){.moved = &message.own_handles[i].handle,
                                              .rights = ABI_RIGHTS_ALL};
        status sent = peal_channel_send_with(channel, (view){scratch.bytes, message.length},
                                             parcels, message.handles_count);
        if (sent.code == STATUS_BROKEN_PIPE) {
            channel_message_drop(&message);
            return 0;
        }
        CHILD_CHECK(is_ok(sent));
    }
}

/* A child that has one end of a channel, and nothing else keeps that. */
struct peer {
    channel_handle channel;
    process_handle process;
};

static bool peer_start(struct peer *peer, text part, uint32_t messages_max)
{
    OWNED(channel_pair) pair = pair_of(messages_max);
    struct peal_grant grants[] = {
        PEAL_GRANT("channel", channel_borrow(&pair.ends[1]), ABI_RIGHTS_ALL),
        PEAL_GRANT("root", peal_granted_directory(TEXT("root")), ABI_RIGHTS_ALL)};
    process_result started =
        child_start(PROGRAM, part, &(struct peal_spawn){.grants = grants, .grants_count = 2});
    EXPECT_STATUS(OK, started.status);
    peer->process = TAKE(started.value);
    peer->channel = TAKE(pair.ends[0]);
    return !process_is_nil(process_borrow(&peer->process));
}

/* Closes our end, and expects the child to end by itself. */
static void peer_end(struct peer *peer)
{
    struct abi_exit how = {0};
    channel_handle_drop(&peer->channel);
    EXPECT_STATUS(
        OK, peal_process_wait(process_borrow(&peer->process), peal_deadline_in_ms(60'000), &how));
    EXPECT_MESSAGE(how.reason == ABI_EXIT_REASON_CODE && how.code == 0, "child: line %u", how.code);
    process_handle_drop(&peer->process);
}

static void peer_kill(struct peer *peer)
{
    struct abi_exit how;
    EXPECT_STATUS(OK, peal_process_kill(process_borrow(&peer->process), 9));
    EXPECT_STATUS(OK, peal_process_wait(process_borrow(&peer->process), ABI_DEADLINE_NEVER, &how));
    process_handle_drop(&peer->process);
}

GUEST_TEST(messages_of_every_size_come_back_as_they_were_sent)
{
    static const uint32_t lengths[] = {0,    1,    63,      64,      4095,   4096,
                                       4097, 8192, 100'001, 1048575, 1048576};
    struct peer echo;
    REQUIRE(peer_start(&echo, TEXT("echo"), 4));
    channel_ref channel = channel_borrow(&echo.channel);
    uint8_t *into = scratch.bytes + ABI_MESSAGE_BYTES_MAX;
    for (uint32_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        fill(scratch.bytes, lengths[i], i);
        channel_message answer = {.bytes = {into, lengths[i]}};
        EXPECT_STATUS(OK, peal_channel_call(channel, (view){scratch.bytes, lengths[i]}, &answer));
        EXPECT_EQUAL(lengths[i], answer.length);
        EXPECT(is_filled(into, lengths[i], i));
    }
    EXPECT_STATUS(OUT_OF_RANGE,
                  peal_channel_send(channel, (view){scratch.bytes, ABI_MESSAGE_BYTES_MAX + 1}));
    peer_end(&echo);
}

GUEST_TEST(a_message_that_does_not_fit_says_what_it_needs_and_stays)
{
    OWNED(channel_pair) pair = pair_of(2);
    channel_ref from = channel_borrow(&pair.ends[0]), to = channel_borrow(&pair.ends[1]);
    uint64_t extra[2] = {raw_dup(scratch.handle, ABI_RIGHTS_ALL),
                         raw_dup(scratch.handle, ABI_RIGHTS_ALL)};
    struct peal_parcel parcels[2] = {{.moved = &extra[0], .rights = ABI_RIGHTS_ALL},
                                     {.moved = &extra[1], .rights = ABI_RIGHT_CLOSE}};
    uint8_t bytes[64];
    fill(bytes, 64, 5);
    EXPECT_STATUS(OK, peal_channel_send_with(from, VIEW_OF(bytes), parcels, 2));
    EXPECT(extra[0] == 0 && extra[1] == 0);
    EXPECT_EQUAL(ABI_STATUS_OUT_OF_RANGE, status_of(receive_of(to.raw, 64)));
    uint8_t into[64];
    OWNED(channel_message) message = {.bytes = {into, 63}};
    EXPECT_STATUS(OUT_OF_RANGE, peal_channel_receive(to, &message));
    EXPECT_EQUAL(64, ABI_NEEDED_BYTES(peal_refusal_detail()));
    EXPECT_EQUAL(2, ABI_NEEDED_HANDLES(peal_refusal_detail()));
    message.bytes.length = 64;
    EXPECT_STATUS(OK, peal_channel_receive(to, &message));
    EXPECT(message.length == 64 && message.handles_count == 2 && is_filled(into, 64, 5));
    EXPECT_EQUAL(ABI_RIGHT_CLOSE, message.own_handles[1].rights);
    OWNED(file_handle) wrong = channel_message_take_file(&message, 0);
    EXPECT(file_is_nil(file_borrow(&wrong)));
    OWNED(buffer_handle) buffer = channel_message_take_buffer(&message, 0);
    EXPECT(!buffer_is_nil(buffer_borrow(&buffer)));
}

GUEST_TEST(a_full_queue_makes_sends_wait_and_one_receive_lets_one_in)
{
    OWNED(channel_pair) pair = pair_of(2);
    uint64_t from = pair.ends[0].raw, to = pair.ends[1].raw;
    EXPECT_EQUAL(ABI_STATUS_OK, status_of(send_of(from, 1)));
    EXPECT_EQUAL(ABI_STATUS_OK, status_of(send_of(from, 2)));
    struct abi_submission third = send_of(from, 3);
    third.op_flags = ABI_SEND_DO_NOT_WAIT;
    EXPECT_EQUAL(ABI_STATUS_WOULD_BLOCK, status_of(third));
    submit(send_of(from, 3), 3);
    submit(send_of(from, 5000), 4);
    submit(send_of(from, 5), 5);
    EXPECT(is_idle());
    struct abi_stat stat;
    EXPECT_STATUS(OK, channel_stat(channel_borrow(&pair.ends[1]), &stat));
    EXPECT_EQUAL(5, stat.size_bytes);
    static const uint64_t lengths[] = {1, 2, 3, 5000, 5};
    uint32_t ended = 0;
    for (uint32_t i = 0; i < 5; i++) {
        submit(receive_of(to, 8192), 100);
        for (;;) {
            struct abi_completion done = completion();
            EXPECT(raw_is_ok(done));
            if (guest_test_has_failed()) return;
            if (done.user_data == 100) {
                EXPECT_EQUAL(lengths[i], done.value);
                break;
            }
            EXPECT_EQUAL(3 + ended, done.user_data);
            ended++;
        }
    }
    while (ended < 3) {
        EXPECT_EQUAL(3 + ended, completion().user_data);
        ended++;
    }
    EXPECT(is_idle());
}

GUEST_TEST(one_receive_can_take_many_messages)
{
    OWNED(channel_pair) pair = pair_of(8);
    struct abi_submission many = receive_of(pair.ends[1].raw, 64);
    many.op_flags = ABI_OP_FLAG_MULTISHOT;
    submit(many, 1);
    for (uint32_t i = 0; i < 20; i++) {
        EXPECT_STATUS(OK, peal_channel_send(channel_borrow(&pair.ends[0]), (view){"abc", 0}));
        struct abi_completion told = completion();
        EXPECT(raw_is_ok(told) && told.flags == ABI_COMPLETION_MORE);
    }
    channel_handle_drop(&pair.ends[0]);
    struct abi_completion last = completion();
    EXPECT(last.error == ABI_STATUS_BROKEN_PIPE && last.flags == 0);
}

GUEST_TEST(messages_are_received_into_chunks_of_a_pool)
{
    pool_result made = peal_pool_create((span){scratch.bytes + (1u << 20), 8192}, 4096);
    REQUIRE(is_ok(made.status));
    OWNED(pool) pool = TAKE(made.value);
    OWNED(channel_pair) pair = pair_of(8);
    struct abi_submission many = {.op = ABI_OP_CHANNEL_RECEIVE,
                                  .capability = pair.ends[1].raw,
                                  .buffer_index = pool.index,
                                  .op_flags = ABI_OP_FLAG_MULTISHOT | ABI_OP_FLAG_POOL};
    submit(many, 1);
    channel_ref from = channel_borrow(&pair.ends[0]);
    uint8_t bytes[100];
    fill(bytes, 100, 6);
    uint64_t extra = raw_dup(scratch.handle, ABI_RIGHTS_ALL);
    struct peal_parcel parcel = {.moved = &extra, .rights = ABI_RIGHTS_ALL};
    EXPECT_STATUS(OK, peal_channel_send_with(from, VIEW_OF(bytes), &parcel, 1));
    struct abi_completion told = completion();
    EXPECT_EQUAL(ABI_COMPLETION_MORE | ABI_COMPLETION_CHUNK, told.flags);
    EXPECT_EQUAL(100 | 1ull << 32, told.value);
    const uint8_t *chunk = peal_pool_chunk(&pool, told.detail);
    struct abi_message_handle entry = *(const struct abi_message_handle *)(const void *)chunk;
    EXPECT(entry.kind == ABI_KIND_BUFFER && is_filled(chunk + sizeof(entry), 100, 6));
    EXPECT(raw_close(entry.handle));

    EXPECT_STATUS(OK, peal_channel_send(from, VIEW_OF(bytes)));
    told = completion();
    EXPECT(raw_is_ok(told) && (told.flags & ABI_COMPLETION_CHUNK) != 0);
    EXPECT_STATUS(OK, peal_channel_send(from, VIEW_OF(bytes))); /* both chunks are ours now */
    struct abi_completion last = completion();
    EXPECT(last.error == ABI_STATUS_WOULD_BLOCK && last.flags == 0);
    EXPECT_STATUS(OK, peal_pool_give(&pool, told.detail).status);
    submit(many, 2); /* nothing is lost */
    told = completion();
    EXPECT(raw_is_ok(told) && told.value == 100 && told.user_data == 2);
    channel_handle_drop(&pair.ends[0]);
    EXPECT_EQUAL(ABI_STATUS_BROKEN_PIPE, completion().error);
}

/* ---- handles between processes ---- */

static struct abi_completion revoke(uint64_t handle)
{
    return raw_call((struct abi_submission){.op = ABI_OP_REVOKE, .capability = handle});
}

GUEST_TEST(a_handle_goes_to_another_process_and_comes_back)
{
    struct peer echo;
    REQUIRE(peer_start(&echo, TEXT("echo"), 4));
    channel_ref channel = channel_borrow(&echo.channel);
    for (uint32_t round = 0; round < 10; round++) {
        uint64_t first = raw_dup(scratch.handle, ABI_RIGHTS_ALL), sent = first;
        uint64_t kept = raw_dup(scratch.handle, ABI_RIGHTS_ALL);
        struct peal_parcel parcels[] = {
            {.moved = &sent, .rights = ABI_RIGHTS_ALL & ~(uint64_t)ABI_RIGHT_MAP},
            {.copied = kept, .rights = ABI_RIGHTS_ALL}};
        EXPECT_STATUS(OK, peal_channel_send_with(channel, (view){scratch.bytes, 9}, parcels, 2));
        struct abi_stat stat;
        EXPECT_STATUS(INVALID_CAPABILITY, peal_raw_stat(first, &stat));
        EXPECT_STATUS(OK, peal_raw_stat(kept, &stat));
        OWNED(channel_message) back = {.bytes = {scratch.bytes, 9}};
        EXPECT_STATUS(OK, peal_channel_receive(channel, &back));
        EXPECT_EQUAL(2, back.handles_count);
        EXPECT((back.own_handles[0].rights & ABI_RIGHT_MAP) == 0);
        EXPECT_STATUS(OK, peal_raw_stat(back.own_handles[1].handle, &stat));
        /* What was copied can be taken back, wherever it has been. */
        EXPECT(raw_is_ok(revoke(kept)));
        EXPECT_STATUS(CAPABILITY_REVOKED, peal_raw_stat(back.own_handles[1].handle, &stat));
        EXPECT_STATUS(OK, peal_raw_stat(back.own_handles[0].handle, &stat));
        raw_close(kept);
    }
    peer_end(&echo);
}

GUEST_TEST(a_handle_that_is_revoked_on_its_way_arrives_dead)
{
    OWNED(channel_pair) pair = pair_of(2);
    uint64_t kept = raw_dup(scratch.handle, ABI_RIGHTS_ALL);
    struct peal_parcel parcel = {.copied = kept, .rights = ABI_RIGHTS_ALL};
    EXPECT_STATUS(OK, peal_channel_send_with(channel_borrow(&pair.ends[0]),
                                             (view){scratch.bytes, 1}, &parcel, 1));
    EXPECT(raw_is_ok(revoke(kept)));
    OWNED(channel_message) message = {.bytes = {scratch.bytes, 1}};
    EXPECT_STATUS(OK, peal_channel_receive(channel_borrow(&pair.ends[1]), &message));
    struct abi_stat stat;
    EXPECT_STATUS(CAPABILITY_REVOKED, peal_raw_stat(message.own_handles[0].handle, &stat));
    raw_close(kept);
}

GUEST_TEST(revoking_an_end_stops_what_waits_through_it)
{
    OWNED(channel_pair) pair = pair_of(1);
    uint64_t receiver = raw_dup(pair.ends[1].raw, ABI_RIGHTS_ALL);
    uint64_t sender = raw_dup(pair.ends[0].raw, ABI_RIGHTS_ALL);
    submit(receive_of(receiver, 8), 1);
    struct abi_submission take_back = {.op = ABI_OP_REVOKE, .capability = pair.ends[1].raw};
    submit(take_back, 2);
    for (uint32_t i = 0; i < 2; i++) { /* the barrier comes last */
        struct abi_completion done = completion();
        EXPECT_EQUAL(i + 1, done.user_data);
        EXPECT_EQUAL(i == 0 ? ABI_STATUS_CAPABILITY_REVOKED : ABI_STATUS_OK, raw_status(done));
    }
    submit(send_of(sender, 5000), 3); /* nobody receives it */
    take_back.capability = pair.ends[0].raw;
    submit(take_back, 4);
    EXPECT_EQUAL(ABI_STATUS_CAPABILITY_REVOKED, raw_status(completion()));
    EXPECT_EQUAL(ABI_STATUS_OK, raw_status(completion()));
    EXPECT_EQUAL(ABI_STATUS_CAPABILITY_REVOKED, status_of(send_of(sender, 1)));
    /* The ends themselves go on. */
    EXPECT_STATUS(OK, peal_channel_send(channel_borrow(&pair.ends[0]), (view){scratch.bytes, 1}));
    EXPECT_EQUAL(ABI_STATUS_OK, status_of(receive_of(pair.ends[1].raw, 8)));
    raw_close(receiver);
    raw_close(sender);
}

/* A table that is nearly full, and messages with more handles than it has room for. */
static int play_crowded(void)
{
    channel_ref channel = peal_granted_channel(TEXT("channel"));
    channel_message message = {.bytes = {scratch.bytes, 64}};
    uint64_t spare[64];
    uint32_t count = 0;
    while (count < 64 && (spare[count] = raw_dup(scratch.handle, ABI_RIGHTS_ALL)) != 0)
        count++;
    CHILD_CHECK(count > 4 && count < 64);
    for (uint32_t room = 0; room < 3; room++) {
        CHILD_CHECK(peal_channel_receive(channel, &message).code == STATUS_QUOTA_EXCEEDED);
        CHILD_CHECK(raw_close(spare[--count]));
    }
    CHILD_CHECK(is_ok(peal_channel_receive(channel, &message)));
    CHILD_CHECK(message.handles_count == 3);
    channel_message_drop(&message);
    return 0;
}

GUEST_TEST(a_receiver_without_room_for_all_handles_gets_none)
{
    OWNED(channel_pair) pair = pair_of(2);
    uint64_t extra[3];
    struct peal_parcel parcels[3];
    for (uint32_t i = 0; i < 3; i++) {
        extra[i] = raw_dup(scratch.handle, ABI_RIGHTS_ALL);
        parcels[i] = (struct peal_parcel){.moved = &extra[i], .rights = ABI_RIGHTS_ALL};
    }
    EXPECT_STATUS(OK, peal_channel_send_with(channel_borrow(&pair.ends[0]),
                                             (view){scratch.bytes, 3}, parcels, 3));
    struct peal_grant grants[] = {
        PEAL_GRANT("channel", channel_borrow(&pair.ends[1]), ABI_RIGHTS_ALL)};
    EXPECT_EQUAL(
        0, child_run(PROGRAM, TEXT("crowded"),
                     &(struct peal_spawn){.grants = grants, .grants_count = 1, .handles_max = 16}));
}

/* ---- death ---- */

static struct abi_stat_system system_now(void)
{
    struct abi_stat stat = {0};
    EXPECT_STATUS(OK, peal_raw_stat(peal_granted_raw(TEXT("system")), &stat));
    return stat.system;
}

static uint64_t own_memory(void)
{
    struct abi_stat stat = {0};
    OWNED(process_handle)
    self = {raw_call((struct abi_submission){.op = ABI_OP_PROCESS_OPEN,
                                             .capability = peal_granted_raw(TEXT("system")),
                                             .args = {peal_startup()->process_id, ABI_RIGHTS_ALL}})
                .value};
    EXPECT_STATUS(OK, process_stat(process_borrow(&self), &stat));
    return stat.process.memory_bytes;
}

/* After a moment, so that somebody waits for it. */
static int send_a_byte(uint64_t end)
{
    ignore_status(peal_sleep_until(peal_deadline_in_ms(20)));
    static const uint8_t byte = 7;
    return is_ok(peal_channel_send((channel_ref){end}, (view){&byte, 1})) ? 0 : 1;
}

GUEST_TEST(a_call_enters_once_and_what_fails_of_it_leaves_nothing_behind)
{
    OWNED(channel_pair) pair = pair_of(2);
    channel_ref near = channel_borrow(&pair.ends[0]), far = channel_borrow(&pair.ends[1]);
    channel_message answer = {.bytes = {scratch.bytes + 100, 8}};
    view request = {scratch.bytes, 8};
    fill(scratch.bytes, 8, 3);

    /* More often than the ring has places: three entries in each round. */
    uint64_t before = system_now().syscalls_total;
    for (uint32_t i = 0; i < 300; i++) {
        fill(scratch.bytes, 8, i);
        EXPECT_STATUS(OK, peal_channel_send(far, request));
        EXPECT_STATUS(OK, peal_channel_call(near, request, &answer));
        EXPECT(answer.length == 8 && is_filled(scratch.bytes + 100, 8, i));
        EXPECT_STATUS(OK, peal_channel_receive_try(far, &answer));
    }
    uint64_t entries = system_now().syscalls_total - before;
    EXPECT_MESSAGE(entries < 1100, "%u entries", (uint32_t)entries); /* some are not ours */

    uint64_t deaf = raw_dup(near.raw, ABI_RIGHT_READ | ABI_RIGHT_CLOSE);
    uint64_t mute = raw_dup(near.raw, ABI_RIGHT_WRITE | ABI_RIGHT_CLOSE);

    /* With a completion of the program's in front, from here on. */
    submit((struct abi_submission){.op = ABI_OP_NOP}, 5);
    EXPECT_STATUS(OK, peal_channel_send(far, request));
    EXPECT_STATUS(OK, peal_channel_call(near, request, &answer));
    EXPECT_STATUS(OK, peal_channel_receive_try(far, &answer));

    /* Waiting for the answer. */
    running_thread_result started = peal_thread_create(send_a_byte, far.raw);
    REQUIRE(is_ok(started.status));
    EXPECT_STATUS(OK, peal_channel_call(near, request, &answer));
    EXPECT_EQUAL(1, answer.length);
    EXPECT_EQUAL(0, peal_thread_join(&started.value).value);
    EXPECT_STATUS(OK, peal_channel_receive_try(far, &answer));

    /* The send fails: its error, not that of the receive that never began. */
    EXPECT_STATUS(OK, peal_channel_send(far, request));
    EXPECT_STATUS(INVALID_CAPABILITY, peal_channel_call((channel_ref){0}, request, &answer));
    EXPECT_STATUS(INSUFFICIENT_RIGHTS, peal_channel_call((channel_ref){deaf}, request, &answer));
    EXPECT_EQUAL(1, ABI_DETAIL_STEP(peal_refusal_detail()));
    EXPECT_STATUS(OK, peal_channel_receive_try(near, &answer)); /* it is still there */
    EXPECT_STATUS(INSUFFICIENT_RIGHTS, peal_channel_call((channel_ref){mute}, request, &answer));
    EXPECT_STATUS(OK, peal_channel_receive_try(far, &answer)); /* sent, then not received */
    channel_handle_drop(&pair.ends[1]);
    EXPECT_STATUS(BROKEN_PIPE, peal_channel_call(near, request, &answer));

    struct abi_completion done;
    EXPECT_EQUAL(1, raw_reap(&done, 1)); /* the nop's, and nothing else */
    EXPECT_EQUAL(5, done.user_data);
    EXPECT(is_idle());
    raw_close(deaf);
    raw_close(mute);
}

GUEST_TEST(pages_move_to_another_process_and_back_without_a_copy)
{
    enum { BYTES = 3 << 20 };
    struct peer echo;
    REQUIRE(peer_start(&echo, TEXT("echo"), 4));
    channel_ref channel = channel_borrow(&echo.channel);
    OWNED(channel_pages) pages = {0};
    EXPECT_STATUS(OUT_OF_RANGE, peal_channel_pages_make(&pages, ABI_BUFFER_BYTES_MAX + 1));
    EXPECT_STATUS(OK, peal_channel_pages_make(&pages, BYTES - 1));
    EXPECT_EQUAL(BYTES, pages.bytes.length);
    fill(pages.bytes.bytes, BYTES, 17);
    EXPECT_STATUS(INVALID_CAPABILITY,
                  peal_channel_send_pages((channel_ref){0}, (view){scratch.bytes, 1}, &pages));
    EXPECT(is_filled(pages.bytes.bytes, BYTES, 17)); /* they stay */
    EXPECT_STATUS(OK, peal_channel_send_pages(channel, (view){scratch.bytes, 1}, &pages));
    EXPECT(pages.bytes.bytes == nullptr && pages.buffer.raw == ABI_HANDLE_NONE);
    OWNED(channel_message) message = {.bytes = {scratch.bytes, 1}};
    EXPECT_STATUS(OK, peal_channel_receive(channel, &message));
    EXPECT_STATUS(NOT_FOUND, channel_message_take_pages(&message, 1, &pages));
    EXPECT_STATUS(OK, channel_message_take_pages(&message, 0, &pages));
    channel_pages none;
    EXPECT_STATUS(NOT_FOUND, channel_message_take_pages(&message, 0, &none));
    EXPECT(none.bytes.bytes == nullptr && none.buffer.raw == ABI_HANDLE_NONE);
    EXPECT_EQUAL(BYTES, pages.bytes.length);
    EXPECT(is_filled(pages.bytes.bytes, BYTES, 17));
    fill(pages.bytes.bytes, BYTES, 18); /* what was moved may still be written */
    peer_end(&echo);
}

/* In two rounds: what the table and the channel keep is there in the second. */
GUEST_TEST(handles_are_paid_for_until_they_are_closed_and_nothing_is_left_then)
{
    enum { COUNT = 400, EACH_MIN = 100 };
    static uint64_t handles[COUNT];
    OWNED(channel_pair) pair = pair_of(4);
    for (uint32_t round = 0; round < 2; round++) {
        uint64_t before = own_memory();
        for (uint32_t i = 0; i < COUNT; i++)
            handles[i] = raw_dup(scratch.handle, ABI_RIGHTS_ALL);
        uint64_t held = own_memory();
        EXPECT(held >= before + COUNT * EACH_MIN);
        struct peal_parcel parcels[] = {{.moved = &handles[0], .rights = ABI_RIGHTS_ALL},
                                        {.moved = &handles[1], .rights = ABI_RIGHTS_ALL}};
        EXPECT_STATUS(OK, peal_channel_send_with(channel_borrow(&pair.ends[0]),
                                                 (view){scratch.bytes, 1}, parcels, 2));
        EXPECT(own_memory() > held); /* it is the sender of both, and of the message */
        channel_message message = {.bytes = {scratch.bytes, 1}};
        EXPECT_STATUS(OK, peal_channel_receive(channel_borrow(&pair.ends[1]), &message));
        EXPECT_EQUAL(held, own_memory());
        channel_message_drop(&message);
        for (uint32_t i = 2; i < COUNT; i++)
            EXPECT(raw_close(handles[i]));
        if (round == 1) EXPECT_EQUAL(before, own_memory());
    }
}

static bool is_same(const struct abi_stat_system *one, const struct abi_stat_system *other)
{
    return one->object_count == other->object_count && one->handle_count == other->handle_count &&
           one->process_count == other->process_count;
}

/* When what ended a moment ago is over: the same for a while. */
static struct abi_stat_system settled(void)
{
    struct abi_stat_system now = system_now(), before;
    do {
        before = now;
        ignore_status(peal_sleep_until(peal_deadline_in_ms(10)));
        now = system_now();
    } while (!is_same(&now, &before));
    return now;
}

/* Counts come back exactly, though perhaps a little later: what nobody can reach is found by a
 * worker. */
static void expect_all_back(const struct abi_stat_system *before)
{
    struct abi_stat_system now = system_now();
    uint64_t deadline_ns = peal_clock_now_ns() + 10 * SECOND_NS;
    while (!is_same(&now, before) && peal_clock_now_ns() < deadline_ns) {
        ignore_status(peal_sleep_until(peal_deadline_in_ms(1)));
        now = system_now();
    }
    EXPECT_EQUAL(before->object_count, now.object_count);
    EXPECT_EQUAL(before->handle_count, now.handle_count);
    EXPECT_EQUAL(before->process_count, now.process_count);
}

/* Fills both directions with messages that carry handles, and waits in every way there is. */
static int play_mess(void)
{
    channel_ref channel = peal_granted_channel(TEXT("channel"));
    for (;;) {
        uint64_t extra = raw_dup(scratch.handle, ABI_RIGHTS_ALL);
        struct peal_parcel parcel = {.moved = &extra, .rights = ABI_RIGHTS_ALL};
        if (!is_ok(peal_channel_send_try(channel, (view){scratch.bytes, 100}, &parcel, 1))) {
            raw_close(extra);
            break;
        }
    }
    struct abi_submission all[] = {send_of(channel.raw, 64), send_of(channel.raw, 10'000),
                                   receive_of(channel.raw, 8), receive_of(channel.raw, 200)};
    all[3].args[0] = ENTRIES_AT, all[3].args[1] = 4, all[3].second_buffer_index = scratch.index;
    CHILD_CHECK(raw_publish(all, 4) == 4);
    for (;;)
        raw_enter(1, ABI_DEADLINE_NEVER);
}

/* Sends and receives as fast as it can until it dies. */
static int play_busy(void)
{
    channel_ref channel = peal_granted_channel(TEXT("channel"));
    for (;;) {
        uint64_t extra = raw_dup(scratch.handle, ABI_RIGHTS_ALL);
        struct peal_parcel parcel = {.moved = &extra, .rights = ABI_RIGHTS_ALL};
        status sent = peal_channel_send_try(channel, (view){scratch.bytes, 300}, &parcel, 1);
        if (!is_ok(sent)) raw_close(extra);
        if (sent.code == STATUS_BROKEN_PIPE) return 0;
        OWNED(channel_message) message = {.bytes = {scratch.bytes, 8192}};
        if (peal_channel_receive_try(channel, &message).code == STATUS_BROKEN_PIPE) return 0;
    }
}

/* Plays against a busy child for a while; the last thing this does differs from round to round. */
static void play_against(struct peer *peer, uint32_t round)
{
    channel_ref channel = channel_borrow(&peer->channel);
    for (uint32_t i = 0; i < round % 37; i++) {
        uint64_t extra = raw_dup(scratch.handle, ABI_RIGHTS_ALL);
        struct peal_parcel parcel = {.moved = &extra, .rights = ABI_RIGHTS_ALL};
        uint32_t length = i % 5 == 4 ? 5000 : 200;
        if (!is_ok(peal_channel_send_try(channel, (view){scratch.bytes, length}, &parcel, 1)))
            raw_close(extra);
        OWNED(channel_message) message = {.bytes = {scratch.bytes, 8192}};
        if (round % 3 != 0) ignore_status(peal_channel_receive_try(channel, &message));
    }
}

static uint64_t deaths_wanted(void)
{
    return peal_environment_number(TEXT("CHANNEL_DEATHS"), 300);
}

GUEST_TEST(whenever_a_process_dies_everything_in_its_channels_comes_back)
{
    static const text parts[] = {TEXT("mess"), TEXT("busy"), TEXT("echo")};
    struct peer peer;
    REQUIRE(peer_start(&peer, parts[0], 8)); /* what is kept for the next is made once */
    peer_kill(&peer);
    channel_handle_drop(&peer.channel);
    struct abi_stat_system before = settled();
    uint64_t memory_before = own_memory();
    for (uint32_t round = 0; round < deaths_wanted() && !guest_test_has_failed(); round++) {
        REQUIRE(peer_start(&peer, parts[round % 3], 1 + round % 8));
        play_against(&peer, round);
        if (round % 4 == 3)
            channel_handle_drop(&peer.channel); /* the child sees it, or is killed */
        peer_kill(&peer);
        channel_handle_drop(&peer.channel);
        if (round % 16 == 15) expect_all_back(&before);
    }
    expect_all_back(&before);
    EXPECT_EQUAL(memory_before, own_memory());
}

GUEST_TEST(the_death_of_a_peer_is_told_to_whoever_waits)
{
    struct peer peer;
    REQUIRE(peer_start(&peer, TEXT("mess"), 2));
    uint64_t end = peer.channel.raw;
    channel_message first = {.bytes = {scratch.bytes + 4096, 4096}};
    EXPECT_STATUS(OK, peal_channel_receive(channel_borrow(&peer.channel), &first));
    channel_message_drop(&first);
    uint32_t sent = 0;
    while (is_ok(peal_channel_send_try(channel_borrow(&peer.channel), (view){scratch.bytes, 1000},
                                       nullptr, 0)))
        sent++;
    EXPECT(sent >= 2); /* what does not fit stays in the queue */
    submit(send_of(end, 1000), 1);
    submit(send_of(end, 100'000), 2);
    peer_kill(&peer);
    for (uint32_t i = 1; i <= 2; i++) {
        struct abi_completion done = completion();
        EXPECT(done.user_data == i && raw_status(done) == ABI_STATUS_BROKEN_PIPE);
    }
    uint32_t left = 0; /* what it had sent is there still */
    status received;
    do {
        OWNED(channel_message) message = {.bytes = {scratch.bytes + 4096, 4096}};
        received = peal_channel_receive(channel_borrow(&peer.channel), &message);
        left += is_ok(received);
    } while (is_ok(received));
    EXPECT_EQUAL(STATUS_BROKEN_PIPE, received.code);
    EXPECT(left >= 1);
    channel_handle_drop(&peer.channel);
}

/* ---- channels in channels ---- */

/* Makes channels that only messages refer to, in rings of two and three, and a long chain. */
static int play_knots(void)
{
    for (uint32_t length = 2; length <= 3; length++) {
        channel_pair pairs[3];
        for (uint32_t i = 0; i < length; i++)
            CHILD_CHECK(is_ok(peal_channel_create(&pairs[i], 2)));
        for (uint32_t i = 0; i < length; i++) {
            struct peal_parcel parcel = PEAL_MOVE(&pairs[(i + 1) % length].ends[1], ABI_RIGHTS_ALL);
            CHILD_CHECK(is_ok(peal_channel_send_with(channel_borrow(&pairs[i].ends[0]),
                                                     (view){scratch.bytes, 1}, &parcel, 1)));
        }
    }
    channel_handle tail = {0};
    for (uint32_t i = 0; i < 1000; i++) {
        channel_pair next;
        CHILD_CHECK(is_ok(peal_channel_create(&next, 1)));
        struct peal_parcel parcel = PEAL_MOVE(&tail, ABI_RIGHTS_ALL);
        if (i != 0)
            CHILD_CHECK(is_ok(peal_channel_send_with(channel_borrow(&next.ends[0]),
                                                     (view){scratch.bytes, 1}, &parcel, 1)));
        channel_handle_drop(&next.ends[0]);
        tail = next.ends[1];
    }
    return 0; /* with all of it open */
}

GUEST_TEST(channels_that_hold_each_others_last_handle_go_with_their_processes)
{
    EXPECT_EQUAL(0, child_run(PROGRAM, TEXT("knots"), &(struct peal_spawn){0}));
    struct abi_stat_system before = settled();
    for (uint32_t i = 0; i < 5; i++)
        EXPECT_EQUAL(0, child_run(PROGRAM, TEXT("knots"), &(struct peal_spawn){0}));
    expect_all_back(&before);
}

/* ---- two processors ---- */

#define STREAM_MESSAGES 20'000u

/* Sends numbered messages of changing sizes while the peer sends its own. */
static int stream_out(uint64_t handle)
{
    uint32_t numbers[32];
    for (uint32_t i = 0; i < STREAM_MESSAGES; i++) {
        numbers[i % 32] = i;
        view message = {&numbers[i % 32], sizeof(uint32_t)};
        if (i % 1024 == 1023) message = (view){scratch.bytes + 8192, 5000};
        if (i % 1024 == 1023) ((uint32_t *)(void *)(scratch.bytes + 8192))[0] = i;
        if (!is_ok(peal_channel_send((channel_ref){handle}, message))) return 1;
    }
    return 0;
}

static int stream_in(channel_ref channel)
{
    for (uint32_t i = 0; i < STREAM_MESSAGES; i++) {
        channel_message message = {.bytes = {scratch.bytes, 8192}};
        if (!is_ok(peal_channel_receive(channel, &message))) return 1;
        if (((uint32_t *)(void *)scratch.bytes)[0] != i) return 2;
        if (message.length != (i % 1024 == 1023 ? 5000 : 4)) return 3;
    }
    return 0;
}

static int stream(channel_ref channel)
{
    running_thread_result started = peal_thread_create(stream_out, channel.raw);
    CHILD_CHECK(is_ok(started.status));
    running_thread sender = TAKE(started.value);
    int received = stream_in(channel);
    CHILD_CHECK(received == 0);
    size_result sent = peal_thread_join(&sender);
    CHILD_CHECK(is_ok(sent.status) && sent.value == 0);
    return 0;
}

static int play_stream(void)
{
    return stream(peal_granted_channel(TEXT("channel")));
}

GUEST_TEST(messages_both_ways_at_once_arrive_in_order)
{
    struct peer peer;
    REQUIRE(peer_start(&peer, TEXT("stream"), 16));
    EXPECT_EQUAL(0, stream(channel_borrow(&peer.channel)));
    peer_end(&peer);
}

static int do_nothing(uint64_t)
{
    return 0;
}

GUEST_TEST_SETUP
{
    make_scratch();
    running_thread thread = peal_thread_create(do_nothing, 0).value; /* its stack is kept */
    ignore_status(peal_thread_join(&thread).status);
    static const struct {
        text name;
        int (*play)(void);
    } parts[] = {
        {TEXT("echo"), play_echo}, {TEXT("crowded"), play_crowded}, {TEXT("mess"), play_mess},
        {TEXT("busy"), play_busy}, {TEXT("knots"), play_knots},     {TEXT("stream"), play_stream},
    };
    for (uint32_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (child_plays(parts[i].name)) peal_exit(parts[i].play());
    guest_test_need_grants();
}
