#include "arch/host/host.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "ipc/channel.h"
#include "ipc/channel_transit.h"
#include "mm/direct_map.h"
#include "mm/heap.h"
#include "mm/quota.h"
#include "random/random.h"
#include "support/test.h"
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- processes, without the rest of them ---- */

static constexpr uint64_t MEMORY_BYTES = 4ull << 20;
static constexpr uint32_t PARTIES = 3;
static constexpr uint64_t ENTRIES_AT = 2ull << 20; /* where in its memory a party has entries */
static constexpr uint64_t PLENTY_BYTES = 64ull << 20;

struct party {
    uint64_t number;
    struct handle_table handles;
    struct buffer_table buffers;
    struct memory_quota *quota;
    struct buffer *memory; /* registered as index 0 */
};
static struct party parties[PARTIES];

static uint64_t files_destroyed;
static void file_destroy(struct object *object)
{
    files_destroyed++;
    free(object);
}
static const struct object_type file_type = {
    .kind = ABI_KIND_FILE, .rights_all = ABI_RIGHTS_ALL, .destroy = file_destroy};

static void party_begin(struct party *party, uint64_t number)
{
    *party = (struct party){.number = number, .quota = memory_quota_create(PLENTY_BYTES)};
    CHECK(party->quota != nullptr);
    handle_table_init(&party->handles, party->quota, 4096, number);
    buffer_table_init(&party->buffers, party->quota);
    buffer_result made = buffer_create(&(struct buffer_options){.size_bytes = MEMORY_BYTES});
    CHECK_STATUS(OK, made.status);
    party->memory = made.value;
    index_result index =
        buffer_table_register(&party->buffers, party->memory, ABI_ACCESS_READ | ABI_ACCESS_WRITE);
    CHECK_STATUS(OK, index.status);
    CHECK_EQUAL(0, index.value);
}

/* The death of a process, as far as channels see it. */
static void party_end(struct party *party)
{
    handle_table_empty(&party->handles);
    buffer_table_empty(&party->buffers);
    buffer_put(party->memory);
    memory_quota_put(party->quota);
    party->quota = nullptr;
}

static uint64_t objects_before, memory_before, capabilities_before;

static struct object_grave *own_grave(void)
{
    static thread_local struct object_grave grave;
    return &grave;
}

/* The worker's thread comes with the first work, and stays. */
static _Atomic bool worker_has_run;
static void note_worker(struct work *work)
{
    (void)work;
    atomic_store(&worker_has_run, true);
}
static void start_worker(void)
{
    static struct work work;
    work_submit(work_queue_shared(), &work, note_worker);
    while (!atomic_load(&worker_has_run))
        sched_yield();
}

static void begin(void)
{
    static bool is_ready;
    host_memory_init();
    if (!is_ready) {
        random_init((const uint8_t *)"channels", 8);
        CHECK_STATUS(OK, capability_init());
        CHECK_STATUS(OK, worker_init());
        CHECK_STATUS(OK, channel_init());
        is_ready = true;
        object_set_grave(own_grave);
        start_worker();
    }
    objects_before = object_count();
    capabilities_before = capability_count();
    memory_before = heap_count().objects_taken;
    files_destroyed = 0;
    for (uint32_t i = 0; i < PARTIES; i++)
        party_begin(&parties[i], i + 1);
}

/* Everything must have come back; a worker may be about to give it. */
static void finish(void)
{
    for (uint32_t i = 0; i < PARTIES; i++)
        if (parties[i].quota != nullptr) party_end(&parties[i]);
    channel_collect();
    for (uint32_t i = 0; i < 5000 && (object_count() != objects_before ||
                                      heap_count().objects_taken != memory_before);
         i++)
        usleep(1000);
    CHECK_EQUAL(objects_before, object_count());
    CHECK_EQUAL(capabilities_before, capability_count());
    CHECK_EQUAL(memory_before, heap_count().objects_taken);
}

static uint8_t *memory_at(struct party *party, uint64_t offset)
{
    frame_result frame = buffer_touch(party->memory, offset / PAGE_BYTES);
    CHECK_STATUS(OK, frame.status);
    return (uint8_t *)direct_map(frame.value) + offset % PAGE_BYTES;
}

/* A byte of the pattern that is sent: another for each seed and place. */
static uint8_t pattern(uint64_t seed, uint64_t place)
{
    return (uint8_t)(seed * 31 + place + place / 251);
}

static void fill(struct party *party, uint64_t offset, uint64_t length, uint64_t seed)
{
    for (uint64_t i = 0; i < length; i++)
        *memory_at(party, offset + i) = pattern(seed, i);
}

static void check_filled(struct party *party, uint64_t offset, uint64_t length, uint64_t seed)
{
    for (uint64_t i = 0; i < length; i++)
        CHECK_EQUAL(pattern(seed, i), *memory_at(party, offset + i));
}

static uint64_t give(struct party *party, struct object *object, uint64_t rights)
{
    capability_result made = capability_create(object, rights);
    CHECK_STATUS(OK, made.status);
    handle_result handle = handle_table_insert(&party->handles, made.value);
    CHECK_STATUS(OK, handle.status);
    return handle.value;
}

static uint64_t give_file(struct party *party, uint64_t rights)
{
    struct object *file = malloc(sizeof(*file));
    object_init(file, &file_type);
    uint64_t handle = give(party, file, rights);
    object_put(file);
    return handle;
}

static void close_handle(struct party *party, uint64_t handle)
{
    uint32_t detail;
    capability_result closed = handle_table_close(&party->handles, handle, 0, &detail);
    CHECK_STATUS(OK, closed.status);
    if (closed.value != nullptr) capability_unuse(closed.value);
}

static status found(struct party *party, uint64_t handle)
{
    uint32_t detail;
    capability_result result =
        handle_table_find(&party->handles, handle, ABI_KINDS_ANY, 0, &detail);
    if (is_ok(result.status)) capability_unuse(result.value);
    return result.status;
}

/* ---- sends and receives ---- */

struct test_send {
    struct channel_send send;
    struct party *party;
    struct capability *through;
    buffer_pin pin;
    status cancelled;
    channel_outcome outcome;
    uint32_t ended;
};
struct test_receive {
    struct channel_receive receive;
    struct party *party;
    struct capability *through;
    buffer_pin pin;
    status cancelled;
    channel_outcome outcome;
    uint32_t ended;
    uint32_t told;
    uint32_t told_max;
    bool uses_pool;
    uint32_t pool_left;
};

static void send_ended(struct channel_send *send, channel_outcome outcome)
{
    struct test_send *test = container_of(send, struct test_send, send);
    capability_unuse(TAKE(test->through));
    test->outcome = outcome;
    __atomic_add_fetch(&test->ended, 1, __ATOMIC_RELEASE);
}
static status send_cancel_reason(const struct channel_send *send)
{
    return container_of((struct channel_send *)(uintptr_t)send, struct test_send, send)->cancelled;
}
static struct channel_party party_of(const struct party *party)
{
    return (struct channel_party){(struct handle_table *)(uintptr_t)&party->handles,
                                  (struct buffer_table *)(uintptr_t)&party->buffers, party->quota,
                                  party->number};
}
static struct channel_party send_party(const struct channel_send *send)
{
    return party_of(
        container_of((struct channel_send *)(uintptr_t)send, struct test_send, send)->party);
}
static const struct channel_send_type send_type = {send_ended, send_cancel_reason, send_party};

static struct test_receive *test_of(const struct channel_receive *receive)
{
    return container_of((struct channel_receive *)(uintptr_t)receive, struct test_receive, receive);
}
static void receive_ended(struct channel_receive *receive, channel_outcome outcome)
{
    struct test_receive *test = test_of(receive);
    capability_unuse(TAKE(test->through));
    test->outcome = outcome;
    __atomic_add_fetch(&test->ended, 1, __ATOMIC_RELEASE);
}
static status receive_cancel_reason(const struct channel_receive *receive)
{
    return test_of(receive)->cancelled;
}
static struct channel_party receive_party(const struct channel_receive *receive)
{
    return party_of(test_of(receive)->party);
}
static bool receive_tell(struct channel_receive *receive, channel_outcome outcome)
{
    struct test_receive *test = test_of(receive);
    if (test->told == test->told_max) return false;
    test->told++;
    test->outcome = outcome;
    return true;
}
static const struct channel_receive_type receive_type = {
    .ended = receive_ended,
    .cancel_reason = receive_cancel_reason,
    .party = receive_party,
    .tell = receive_tell,
};

/* Uses the handle, which must name an end. */
static struct capability *use(struct party *party, uint64_t handle)
{
    uint32_t detail;
    capability_result result =
        handle_table_find(&party->handles, handle, ABI_KIND_BIT(CHANNEL), 0, &detail);
    CHECK_STATUS(OK, result.status);
    return result.value;
}

static status start_send(struct test_send *test, uint64_t handle)
{
    test->send.type = &send_type;
    test->send.bytes = &test->pin;
    test->cancelled = OK;
    test->ended = 0;
    test->through = use(test->party, handle);
    struct channel_end *end = channel_end_of(test->through->object);
    channel_outcome outcome = channel_send(end, &test->send);
    if (outcome.code == CHANNEL_WAITS) return FAIL(BUSY);
    send_ended(&test->send, outcome);
    return (status){(enum status_code)outcome.code};
}

/* BUSY: it waits. */
static status send(struct test_send *test, struct party *party, uint64_t handle, uint64_t seed,
                   uint64_t length)
{
    fill(party, seed % 4 * 1024, length, seed);
    *test = (struct test_send){
        .party = party,
        .pin = {.buffer = party->memory, .offset = seed % 4 * 1024, .length = length},
        .send = {.may_wait = true},
    };
    return start_send(test, handle);
}

static status send_handles(struct test_send *test, struct party *party, uint64_t handle,
                           const struct abi_message_handle *entries, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        CHECK_STATUS(OK, buffer_write(party->memory, ENTRIES_AT + i * sizeof(*entries), &entries[i],
                                      sizeof(*entries)));
    *test = (struct test_send){
        .party = party,
        .pin = {.buffer = party->memory, .length = 8},
        .send = {.may_wait = true, .entries = {.offset = ENTRIES_AT, .count = count}},
    };
    return start_send(test, handle);
}

static status start_receive(struct test_receive *test, uint64_t handle)
{
    test->receive.type = &receive_type;
    test->receive.bytes = &test->pin;
    test->through = use(test->party, handle);
    channel_outcome outcome =
        channel_receive(channel_end_of(test->through->object), &test->receive);
    if (outcome.code == CHANNEL_WAITS)
        return test->ended == 0 ? FAIL(BUSY) : (status){(enum status_code)test->outcome.code};
    receive_ended(&test->receive, outcome);
    return (status){(enum status_code)outcome.code};
}

static constexpr uint64_t INTO = 1ull << 20; /* where in its memory a party receives */

static struct test_receive receive_of(struct party *party, uint64_t length, uint32_t handles)
{
    return (struct test_receive){
        .party = party,
        .pin = {.buffer = party->memory, .offset = INTO, .length = length},
        .receive = {.may_wait = true, .entries = {.offset = ENTRIES_AT, .count = handles}},
    };
}

static status receive(struct test_receive *test, struct party *party, uint64_t handle,
                      uint64_t length)
{
    *test = receive_of(party, length, ABI_MESSAGE_HANDLES_MAX);
    return start_receive(test, handle);
}

static struct abi_message_handle received_entry(struct party *party, uint32_t index)
{
    struct abi_message_handle entry;
    buffer_read(party->memory, ENTRIES_AT + index * sizeof(entry), &entry, sizeof(entry));
    return entry;
}

/* Takes back a send or receive that waits. */
static void take_back_send(struct test_send *test)
{
    CHECK(channel_send_cancel(channel_end_of(test->through->object), &test->send));
    send_ended(&test->send, (channel_outcome){.code = STATUS_INTERRUPTED});
}
static void take_back_receive(struct test_receive *test)
{
    CHECK(channel_receive_cancel(channel_end_of(test->through->object), &test->receive));
    receive_ended(&test->receive, (channel_outcome){.code = STATUS_INTERRUPTED});
}

static uint64_t waiting_at(struct party *party, uint64_t handle)
{
    OWNED(capability_use_owner) through = use(party, handle);
    return channel_waiting_count(channel_end_of(through->object));
}

struct pair {
    uint64_t ends[2];
};
/* A channel with end 0 in one process and end 1 in another. */
static struct pair connect(struct party *first, struct party *second, uint64_t messages_max)
{
    struct object *ends[2];
    CHECK_STATUS(OK, channel_create(first->quota, messages_max, ends));
    struct pair made = {
        {give(first, ends[0], ABI_RIGHTS_ALL), give(second, ends[1], ABI_RIGHTS_ALL)}};
    object_put(ends[0]);
    object_put(ends[1]);
    return made;
}

static struct party *const alice = &parties[0], *const bob = &parties[1],
                           *const carol = &parties[2];
static struct test_send sends[40];
static struct test_receive receives[40];

/* ---- bytes ---- */

TEST(a_message_goes_straight_to_a_receive_that_waits)
{
    begin();
    struct pair channel = connect(alice, bob, 4);
    static const uint64_t lengths[] = {0, 1, 64, 4096, 4097, 100'000, ABI_MESSAGE_BYTES_MAX};
    for (uint32_t i = 0; i < array_count(lengths); i++) {
        CHECK_STATUS(BUSY, receive(&receives[0], bob, channel.ends[1], lengths[i]));
        uint64_t charged = memory_quota_used(alice->quota);
        CHECK_STATUS(OK, send(&sends[0], alice, channel.ends[0], i, lengths[i]));
        CHECK_EQUAL(charged, memory_quota_used(alice->quota));
        CHECK_EQUAL(1, receives[0].ended);
        CHECK_EQUAL(STATUS_OK, receives[0].outcome.code);
        CHECK_EQUAL(lengths[i], receives[0].outcome.value);
        check_filled(bob, INTO, lengths[i], i);
    }
    finish();
}

TEST(messages_wait_in_order_and_their_sender_pays_until_they_are_received)
{
    begin();
    struct pair channel = connect(alice, bob, 4);
    uint64_t charged = memory_quota_used(alice->quota);
    for (uint32_t i = 0; i < 4; i++)
        CHECK_STATUS(OK, send(&sends[i], alice, channel.ends[0], i, 100 + i));
    CHECK(memory_quota_used(alice->quota) > charged + 400);
    for (uint32_t i = 0; i < 4; i++) {
        CHECK_STATUS(OK, receive(&receives[i], bob, channel.ends[1], 200));
        CHECK_EQUAL(100 + i, receives[i].outcome.value);
        check_filled(bob, INTO, 100 + i, i);
    }
    CHECK_EQUAL(charged, memory_quota_used(alice->quota));
    finish();
}

TEST(both_directions_are_apart)
{
    begin();
    struct pair channel = connect(alice, bob, 4);
    CHECK_STATUS(OK, send(&sends[0], alice, channel.ends[0], 1, 10));
    CHECK_STATUS(OK, send(&sends[1], bob, channel.ends[1], 2, 20));
    CHECK_STATUS(OK, receive(&receives[0], alice, channel.ends[0], 64));
    CHECK_EQUAL(20, receives[0].outcome.value);
    CHECK_STATUS(BUSY, receive(&receives[0], alice, channel.ends[0], 64));
    CHECK_STATUS(OK, receive(&receives[1], bob, channel.ends[1], 64));
    CHECK_EQUAL(10, receives[1].outcome.value);
    take_back_receive(&receives[0]);
    finish();
}

TEST(a_full_queue_makes_sends_wait_and_each_receive_lets_one_in)
{
    begin();
    struct pair channel = connect(alice, bob, 2);
    CHECK_STATUS(OK, send(&sends[0], alice, channel.ends[0], 0, 10));
    CHECK_STATUS(OK, send(&sends[1], alice, channel.ends[0], 1, 11));
    CHECK_STATUS(BUSY, send(&sends[2], alice, channel.ends[0], 2, 12));
    CHECK_STATUS(BUSY, send(&sends[3], alice, channel.ends[0], 3, 13));
    sends[4] = sends[3];
    sends[4].send.may_wait = false;
    CHECK_STATUS(WOULD_BLOCK, start_send(&sends[4], channel.ends[0]));
    CHECK_STATUS(OK, receive(&receives[0], bob, channel.ends[1], 64));
    CHECK_EQUAL(1, sends[2].ended);
    CHECK_EQUAL(0, sends[3].ended);
    fill(alice, 2048, 12, 77); /* its bytes are the kernel's by now */
    CHECK_STATUS(OK, receive(&receives[1], bob, channel.ends[1], 64));
    CHECK_EQUAL(1, sends[3].ended);
    for (uint32_t i = 2; i < 4; i++) {
        CHECK_STATUS(OK, receive(&receives[i], bob, channel.ends[1], 64));
        CHECK_EQUAL(10 + i, receives[i].outcome.value);
        check_filled(bob, INTO, 10 + i, i);
    }
    finish();
}

TEST(a_large_message_stays_with_its_sender_and_others_wait_behind_it)
{
    begin();
    struct pair channel = connect(alice, bob, 8);
    CHECK_STATUS(BUSY, send(&sends[0], alice, channel.ends[0], 0, 4097));
    CHECK_STATUS(BUSY, send(&sends[1], alice, channel.ends[0], 1, 10));
    CHECK_STATUS(BUSY, send(&sends[2], alice, channel.ends[0], 2, 11));
    CHECK_EQUAL(3, waiting_at(bob, channel.ends[1]));
    fill(alice, 0, 4097, 9); /* what is received is what is there then */
    CHECK_STATUS(OK, receive(&receives[0], bob, channel.ends[1], 5000));
    CHECK_EQUAL(4097, receives[0].outcome.value);
    check_filled(bob, INTO, 1024, 9); /* the small ones lie behind that in alice's memory */
    CHECK_EQUAL(1, sends[0].ended);
    CHECK_EQUAL(1, sends[1].ended); /* now messages of the kernel's */
    CHECK_EQUAL(1, sends[2].ended);
    CHECK_STATUS(OK, receive(&receives[1], bob, channel.ends[1], 5000));
    CHECK_EQUAL(10, receives[1].outcome.value);
    CHECK_STATUS(OK, receive(&receives[2], bob, channel.ends[1], 5000));
    CHECK_EQUAL(11, receives[2].outcome.value);
    finish();
}

TEST(a_large_message_that_must_not_wait_goes_only_to_a_receive_that_does)
{
    begin();
    struct pair channel = connect(alice, bob, 8);
    sends[0] = (struct test_send){.party = alice,
                                  .pin = {.buffer = alice->memory, .length = 5000},
                                  .send = {.may_wait = false}};
    CHECK_STATUS(WOULD_BLOCK, start_send(&sends[0], channel.ends[0]));
    CHECK_STATUS(BUSY, receive(&receives[0], bob, channel.ends[1], 5000));
    CHECK_STATUS(OK, start_send(&sends[0], channel.ends[0]));
    CHECK_EQUAL(5000, receives[0].outcome.value);
    sends[0].pin.length = ABI_MESSAGE_BYTES_MAX + 1;
    CHECK_STATUS(OUT_OF_RANGE, start_send(&sends[0], channel.ends[0]));
    finish();
}

TEST(a_message_that_does_not_fit_stays_and_says_what_it_needs)
{
    begin();
    struct pair channel = connect(alice, bob, 8);
    struct abi_message_handle entries[3] = {{give_file(alice, ABI_RIGHTS_ALL), UINT64_MAX, 0, 0},
                                            {give_file(alice, ABI_RIGHTS_ALL), UINT64_MAX, 0, 0},
                                            {give_file(alice, ABI_RIGHTS_ALL), UINT64_MAX, 0, 0}};
    CHECK_STATUS(OK, send_handles(&sends[0], alice, channel.ends[0], entries, 3));
    receives[0] = receive_of(bob, 7, 64);
    CHECK_STATUS(OUT_OF_RANGE, start_receive(&receives[0], channel.ends[1]));
    CHECK_EQUAL(8, ABI_NEEDED_BYTES(receives[0].outcome.detail));
    CHECK_EQUAL(3, ABI_NEEDED_HANDLES(receives[0].outcome.detail));
    receives[0] = receive_of(bob, 8, 2);
    CHECK_STATUS(OUT_OF_RANGE, start_receive(&receives[0], channel.ends[1]));
    receives[0] = receive_of(bob, 8, 3);
    CHECK_STATUS(OK, start_receive(&receives[0], channel.ends[1]));
    CHECK_EQUAL(8 | 3ull << 32, receives[0].outcome.value);

    /* The same for one that waits: it ends, and the message goes to the next. */
    CHECK_STATUS(BUSY, receive(&receives[0], bob, channel.ends[1], 3));
    CHECK_STATUS(BUSY, receive(&receives[1], bob, channel.ends[1], 4));
    CHECK_STATUS(BUSY, receive(&receives[2], bob, channel.ends[1], 5));
    CHECK_STATUS(OK, send(&sends[0], alice, channel.ends[0], 0, 5));
    CHECK_EQUAL(STATUS_OUT_OF_RANGE, receives[0].outcome.code);
    CHECK_EQUAL(STATUS_OUT_OF_RANGE, receives[1].outcome.code);
    CHECK_EQUAL(5, receives[2].outcome.value);
    finish();
}

TEST(a_receive_without_a_message_waits_or_says_so)
{
    begin();
    struct pair channel = connect(alice, bob, 8);
    receives[0] = receive_of(bob, 8, 0);
    receives[0].receive.may_wait = false;
    CHECK_STATUS(WOULD_BLOCK, start_receive(&receives[0], channel.ends[1]));
    CHECK_STATUS(BUSY, receive(&receives[0], bob, channel.ends[1], 8));
    take_back_receive(&receives[0]);
    CHECK_STATUS(OK, send(&sends[0], alice, channel.ends[0], 0, 5));
    CHECK_STATUS(OK, receive(&receives[0], bob, channel.ends[1], 8));
    finish();
}

TEST(sends_and_receives_wait_by_priority_then_by_age)
{
    begin();
    struct pair channel = connect(alice, bob, 1);
    static const uint8_t priorities[6] = {0, 3, 0, 7, 3, 7};
    static const uint32_t order[6] = {3, 5, 1, 4, 0, 2};
    for (uint32_t i = 0; i < 6; i++) {
        receives[i] = receive_of(bob, 64, 0);
        receives[i].receive.priority = priorities[i];
        CHECK_STATUS(BUSY, start_receive(&receives[i], channel.ends[1]));
    }
    for (uint32_t i = 0; i < 6; i++) {
        CHECK_STATUS(OK, send(&sends[i], alice, channel.ends[0], i, 10 + i));
        CHECK_EQUAL(10 + i, receives[order[i]].outcome.value);
    }

    CHECK_STATUS(OK, send(&sends[6], alice, channel.ends[0], 0, 9));
    for (uint32_t i = 0; i < 6; i++) {
        sends[i] = (struct test_send){.party = alice,
                                      .pin = {.buffer = alice->memory, .length = 20 + i},
                                      .send = {.may_wait = true, .priority = priorities[i]}};
        CHECK_STATUS(BUSY, start_send(&sends[i], channel.ends[0]));
    }
    CHECK_STATUS(OK, receive(&receives[0], bob, channel.ends[1], 64));
    for (uint32_t i = 0; i < 6; i++) {
        CHECK_STATUS(OK, receive(&receives[0], bob, channel.ends[1], 64));
        CHECK_EQUAL(20 + order[i], receives[0].outcome.value);
    }
    finish();
}

/* ---- taking back ---- */

TEST(what_is_taken_back_leaves_no_trace)
{
    begin();
    struct pair channel = connect(alice, bob, 1);
    CHECK_STATUS(OK, send(&sends[0], alice, channel.ends[0], 0, 9));
    for (uint32_t i = 1; i < 4; i++)
        CHECK_STATUS(BUSY, send(&sends[i], alice, channel.ends[0], i, 10 + i));
    take_back_send(&sends[2]);
    CHECK(!channel_send_cancel(channel_end_of(sends[1].through->object), &sends[2].send));
    CHECK_STATUS(OK, receive(&receives[0], bob, channel.ends[1], 64));
    CHECK_STATUS(OK, receive(&receives[0], bob, channel.ends[1], 64));
    CHECK_EQUAL(11, receives[0].outcome.value);
    CHECK_STATUS(OK, receive(&receives[0], bob, channel.ends[1], 64));
    CHECK_EQUAL(13, receives[0].outcome.value);
    CHECK_STATUS(BUSY, receive(&receives[0], bob, channel.ends[1], 64));
    CHECK_STATUS(BUSY, receive(&receives[1], bob, channel.ends[1], 64));
    take_back_receive(&receives[0]);
    CHECK_STATUS(OK, send(&sends[0], alice, channel.ends[0], 0, 9));
    CHECK_EQUAL(9, receives[1].outcome.value);
    finish();
}

TEST(taking_back_the_large_one_lets_those_behind_it_become_messages)
{
    begin();
    struct pair channel = connect(alice, bob, 8);
    CHECK_STATUS(BUSY, send(&sends[0], alice, channel.ends[0], 0, 5000));
    CHECK_STATUS(BUSY, send(&sends[1], alice, channel.ends[0], 1, 10));
    take_back_send(&sends[0]);
    while (__atomic_load_n(&sends[1].ended, __ATOMIC_ACQUIRE) == 0)
        sched_yield(); /* by a worker */
    CHECK_EQUAL(STATUS_OK, sends[1].outcome.code);
    CHECK_STATUS(OK, receive(&receives[0], bob, channel.ends[1], 64));
    finish();
}

TEST(a_send_that_was_cancelled_while_it_was_refused_ends)
{
    begin();
    struct pair channel = connect(alice, bob, 8);
    CHECK_STATUS(BUSY, send(&sends[0], alice, channel.ends[0], 0, 5000));
    CHECK_STATUS(OUT_OF_RANGE, receive(&receives[0], bob, channel.ends[1], 4999));
    CHECK_EQUAL(0, sends[0].ended);
    sends[0].cancelled = FAIL(TIMED_OUT); /* as if while it was out of the queue */
    CHECK_STATUS(OUT_OF_RANGE, receive(&receives[0], bob, channel.ends[1], 4999));
    CHECK_EQUAL(1, sends[0].ended);
    CHECK_EQUAL(STATUS_TIMED_OUT, sends[0].outcome.code);
    finish();
}

/* ---- many messages for one receive ---- */

TEST(a_multishot_receive_is_told_of_each_message_until_there_is_no_room)
{
    begin();
    struct pair channel = connect(alice, bob, 8);
    CHECK_STATUS(OK, send(&sends[0], alice, channel.ends[0], 0, 10));
    CHECK_STATUS(OK, send(&sends[0], alice, channel.ends[0], 0, 11));
    receives[0] = receive_of(bob, 64, 0);
    receives[0].receive.is_multishot = true;
    receives[0].told_max = 5;
    CHECK_STATUS(BUSY, start_receive(&receives[0], channel.ends[1]));
    CHECK_EQUAL(2, receives[0].told);
    CHECK_EQUAL(11, receives[0].outcome.value);
    for (uint32_t i = 0; i < 3; i++)
        CHECK_STATUS(OK, send(&sends[0], alice, channel.ends[0], 0, 12 + i));
    CHECK_EQUAL(5, receives[0].told);
    CHECK_EQUAL(0, receives[0].ended);
    CHECK_STATUS(OK, send(&sends[0], alice, channel.ends[0], 0, 15));
    CHECK_EQUAL(5, receives[0].told);
    CHECK_EQUAL(1, receives[0].ended); /* the last is told by its end: nothing is lost */
    CHECK_EQUAL(15, receives[0].outcome.value);
    CHECK_STATUS(OK, send(&sends[0], alice, channel.ends[0], 0, 16));
    CHECK_STATUS(OK, receive(&receives[0], bob, channel.ends[1], 64));

    receives[0] = receive_of(bob, 64, 0);
    receives[0].receive.is_multishot = true;
    receives[0].told_max = UINT32_MAX;
    CHECK_STATUS(BUSY, start_receive(&receives[0], channel.ends[1]));
    for (uint32_t i = 0; i < 1000; i++)
        CHECK_STATUS(OK, send(&sends[0], alice, channel.ends[0], 0, i % 60));
    CHECK_EQUAL(1000, receives[0].told);
    CHECK_STATUS(OK, send(&sends[0], alice, channel.ends[0], 0, 65)); /* does not fit */
    CHECK_EQUAL(STATUS_OUT_OF_RANGE, receives[0].outcome.code);
    CHECK_EQUAL(1, receives[0].ended);
    CHECK_STATUS(OK, receive(&receives[0], bob, channel.ends[1], 65));
    finish();
}

TEST(two_multishot_receives_take_turns)
{
    begin();
    struct pair channel = connect(alice, bob, 8);
    for (uint32_t i = 0; i < 2; i++) {
        receives[i] = receive_of(bob, 64, 0);
        receives[i].receive.is_multishot = true;
        receives[i].told_max = UINT32_MAX;
        CHECK_STATUS(BUSY, start_receive(&receives[i], channel.ends[1]));
    }
    for (uint32_t i = 0; i < 10; i++)
        CHECK_STATUS(OK, send(&sends[0], alice, channel.ends[0], 0, i));
    CHECK_EQUAL(5, receives[0].told);
    CHECK_EQUAL(5, receives[1].told);
    close_handle(alice, channel.ends[0]);
    CHECK_EQUAL(STATUS_BROKEN_PIPE, receives[0].outcome.code);
    CHECK_EQUAL(STATUS_BROKEN_PIPE, receives[1].outcome.code);
    finish();
}

TEST(a_cancelled_multishot_receive_does_not_go_back_into_line)
{
    begin();
    struct pair channel = connect(alice, bob, 8);
    receives[0] = receive_of(bob, 64, 0);
    receives[0].receive.is_multishot = true;
    receives[0].told_max = 5;
    CHECK_STATUS(BUSY, start_receive(&receives[0], channel.ends[1]));
    receives[0].cancelled = FAIL(INTERRUPTED);
    CHECK_STATUS(OK, send(&sends[0], alice, channel.ends[0], 0, 1));
    CHECK_EQUAL(1, receives[0].told);
    CHECK_EQUAL(1, receives[0].ended);
    CHECK_EQUAL(STATUS_INTERRUPTED, receives[0].outcome.code);
    finish();
}

/* ---- the end of an end ---- */

TEST(when_one_end_is_gone_the_other_receives_what_is_left_and_is_told)
{
    begin();
    struct pair channel = connect(alice, bob, 2);
    CHECK_STATUS(OK, send(&sends[0], alice, channel.ends[0], 0, 10));
    CHECK_STATUS(OK, send(&sends[0], bob, channel.ends[1], 0, 10));
    CHECK_STATUS(OK, send(&sends[0], bob, channel.ends[1], 0, 11));
    CHECK_STATUS(BUSY, send(&sends[1], bob, channel.ends[1], 0, 12));
    CHECK_STATUS(BUSY, send(&sends[2], bob, channel.ends[1], 0, 5000));
    close_handle(alice, channel.ends[0]);
    CHECK_EQUAL(STATUS_BROKEN_PIPE, sends[1].outcome.code);
    CHECK_EQUAL(STATUS_BROKEN_PIPE, sends[2].outcome.code);
    CHECK_STATUS(BROKEN_PIPE, send(&sends[0], bob, channel.ends[1], 0, 10));
    CHECK_STATUS(OK, receive(&receives[0], bob, channel.ends[1], 64));
    CHECK_STATUS(BROKEN_PIPE, receive(&receives[0], bob, channel.ends[1], 64));
    finish();
}

TEST(receives_that_wait_are_told_at_once)
{
    begin();
    struct pair channel = connect(alice, bob, 2);
    for (uint32_t i = 0; i < 40; i++)
        CHECK_STATUS(BUSY, receive(&receives[i], bob, channel.ends[1], 64));
    close_handle(alice, channel.ends[0]);
    for (uint32_t i = 0; i < 40; i++)
        CHECK_EQUAL(STATUS_BROKEN_PIPE, receives[i].outcome.code);
    finish();
}

TEST(an_end_lives_as_long_as_one_of_its_handles_or_operations)
{
    begin();
    struct pair channel = connect(alice, bob, 2);
    uint32_t detail;
    capability_result own =
        handle_table_find(&alice->handles, channel.ends[0], ABI_KINDS_ANY, 0, &detail);
    CHECK_STATUS(OK, own.status);
    capability_result second =
        capability_derive(own.value, ABI_RIGHT_WRITE, (derivation){ABI_ORIGIN_DUP, alice->number});
    CHECK_STATUS(OK, second.status);
    capability_unuse(own.value);
    handle_result inserted = handle_table_insert(&carol->handles, second.value);
    close_handle(alice, channel.ends[0]);
    CHECK_STATUS(OK, send(&sends[0], carol, inserted.value, 0, 10));
    CHECK_STATUS(OK, receive(&receives[0], bob, channel.ends[1], 64));
    CHECK_STATUS(BUSY, receive(&receives[0], bob, channel.ends[1], 64));
    close_handle(bob, channel.ends[1]); /* its receive goes on */
    CHECK_STATUS(OK, send(&sends[0], carol, inserted.value, 0, 10));
    CHECK_EQUAL(STATUS_OK, receives[0].outcome.code);
    CHECK_STATUS(BROKEN_PIPE, send(&sends[0], carol, inserted.value, 0, 10));
    finish();
}

/* ---- handles in messages ---- */

static struct abi_message_handle moved(uint64_t handle)
{
    return (struct abi_message_handle){.handle = handle, .rights = UINT64_MAX};
}
static struct abi_message_handle copied(uint64_t handle, uint64_t rights)
{
    return (struct abi_message_handle){
        .handle = handle, .rights = rights, .flags = ABI_MESSAGE_HANDLE_COPY};
}

/* Sends the entries and receives them in both ways: to a receive that waits, and from the queue. */
TEST(handles_move_or_are_copied_with_the_rights_that_are_left)
{
    begin();
    struct pair channel = connect(alice, bob, 4);
    for (uint32_t is_direct = 0; is_direct < 2; is_direct++) {
        uint64_t file = give_file(alice, ABI_RIGHTS_ALL), other = give_file(alice, ABI_RIGHTS_ALL);
        uint64_t third = give_file(alice, ABI_RIGHT_TRANSFER | ABI_RIGHT_READ);
        struct abi_message_handle entries[] = {moved(file), copied(other, ABI_RIGHT_READ),
                                               moved(third)};
        entries[0].rights = ABI_RIGHT_READ | ABI_RIGHT_WRITE;
        if (is_direct) CHECK_STATUS(BUSY, receive(&receives[0], bob, channel.ends[1], 8));
        CHECK_STATUS(OK, send_handles(&sends[0], alice, channel.ends[0], entries, 3));
        CHECK_STATUS(INVALID_CAPABILITY, found(alice, file));
        CHECK_STATUS(OK, found(alice, other));
        CHECK_STATUS(INVALID_CAPABILITY, found(alice, third));
        if (!is_direct) CHECK_STATUS(OK, receive(&receives[0], bob, channel.ends[1], 8));
        CHECK_EQUAL(8 | 3ull << 32, receives[0].outcome.value);
        static const uint64_t rights[] = {ABI_RIGHT_READ | ABI_RIGHT_WRITE, ABI_RIGHT_READ,
                                          ABI_RIGHT_TRANSFER | ABI_RIGHT_READ};
        for (uint32_t i = 0; i < 3; i++) {
            struct abi_message_handle entry = received_entry(bob, i);
            CHECK_EQUAL(rights[i], entry.rights);
            CHECK_EQUAL(ABI_KIND_FILE, entry.kind);
            CHECK_STATUS(OK, found(bob, entry.handle));
        }
    }
    CHECK_EQUAL(0, files_destroyed);
    party_end(bob);
    CHECK_EQUAL(4, files_destroyed); /* two are alice's still */
    finish();
}

TEST(whoever_has_a_handle_pays_for_it_and_the_sender_while_it_is_on_its_way)
{
    begin();
    struct pair channel = connect(alice, bob, 4);
    uint64_t before = memory_quota_used(alice->quota);
    struct abi_message_handle entries[] = {moved(give_file(alice, ABI_RIGHTS_ALL)),
                                           moved(give_file(alice, ABI_RIGHTS_ALL))};
    uint64_t receiver_before = memory_quota_used(bob->quota);
    CHECK_EQUAL(before + 2 * CAPABILITY_BYTES, memory_quota_used(alice->quota));
    uint64_t max_bytes = alice->quota->max_bytes;
    alice->quota->max_bytes = before + 4 * CAPABILITY_BYTES; /* not for the message itself, too */
    CHECK_STATUS(OUT_OF_MEMORY, send_handles(&sends[0], alice, channel.ends[0], entries, 2));
    alice->quota->max_bytes = max_bytes;
    CHECK_STATUS(OK, send_handles(&sends[0], alice, channel.ends[0], entries, 2));
    CHECK(memory_quota_used(alice->quota) > before + 2 * CAPABILITY_BYTES);
    max_bytes = bob->quota->max_bytes;
    bob->quota->max_bytes = receiver_before + 2 * CAPABILITY_BYTES - 1;
    CHECK_STATUS(OUT_OF_MEMORY, receive(&receives[0], bob, channel.ends[1], 8));
    CHECK_EQUAL(receiver_before, memory_quota_used(bob->quota));
    bob->quota->max_bytes = max_bytes;
    CHECK_STATUS(OK, receive(&receives[0], bob, channel.ends[1], 8));
    CHECK_EQUAL(before, memory_quota_used(alice->quota));
    CHECK_EQUAL(receiver_before + 2 * CAPABILITY_BYTES, memory_quota_used(bob->quota));
    finish();
}

TEST(an_empty_message_needs_no_buffer_on_either_side)
{
    begin();
    struct pair channel = connect(alice, bob, 4);
    for (uint32_t i = 0; i < 4; i++) {
        bool is_direct = i % 2 != 0;
        uint32_t handles = i / 2;
        struct abi_message_handle entry = moved(give_file(alice, ABI_RIGHTS_ALL));
        CHECK_STATUS(OK, buffer_write(alice->memory, ENTRIES_AT, &entry, sizeof(entry)));
        sends[0] = (struct test_send){
            .party = alice,
            .send = {.may_wait = true, .entries = {.offset = ENTRIES_AT, .count = handles}},
        };
        receives[0] = receive_of(bob, 0, 1);
        receives[0].pin = (buffer_pin){0};
        if (is_direct) CHECK_STATUS(BUSY, start_receive(&receives[0], channel.ends[1]));
        CHECK_STATUS(OK, start_send(&sends[0], channel.ends[0]));
        if (!is_direct) CHECK_STATUS(OK, start_receive(&receives[0], channel.ends[1]));
        CHECK_EQUAL((uint64_t)handles << 32, receives[0].outcome.value);
    }
    finish();
}

/* What is refused leaves the sender's table and the queue as they were. */
static void check_refused(struct pair channel, const struct abi_message_handle *entries,
                          uint32_t count, status expected)
{
    uint32_t handles = handle_table_count(&alice->handles);
    uint64_t capabilities = capability_count(), charged = memory_quota_used(alice->quota);
    CHECK_EQUAL(expected.code,
                send_handles(&sends[0], alice, channel.ends[0], entries, count).code);
    CHECK_EQUAL(handles, handle_table_count(&alice->handles));
    CHECK_EQUAL(capabilities, capability_count());
    CHECK_EQUAL(charged, memory_quota_used(alice->quota));
    for (uint32_t i = 0; i < 2; i++)
        CHECK_STATUS(OK, found(alice, entries[i].handle));
}

TEST(a_refused_message_leaves_every_handle_where_it_was)
{
    begin();
    struct pair channel = connect(alice, bob, 1);
    struct pair own = connect(alice, alice, 1);
    uint64_t closed = give_file(alice, ABI_RIGHTS_ALL);
    close_handle(alice, closed);
    const struct abi_message_handle good[2] = {moved(give_file(alice, ABI_RIGHTS_ALL)),
                                               copied(give_file(alice, ABI_RIGHTS_ALL), 1)};
    struct {
        struct abi_message_handle third;
        status expected;
    } cases[] = {
        {moved(0), FAIL(INVALID_CAPABILITY)},
        {moved(closed), FAIL(INVALID_CAPABILITY)},
        {moved(give_file(alice, ~(uint64_t)ABI_RIGHT_TRANSFER)), FAIL(INSUFFICIENT_RIGHTS)},
        {copied(give_file(alice, ~(uint64_t)ABI_RIGHT_TRANSFER), 1), FAIL(INSUFFICIENT_RIGHTS)},
        {copied(give_file(alice, ~(uint64_t)ABI_RIGHT_DUP), 1), FAIL(INSUFFICIENT_RIGHTS)},
        {good[0], FAIL(INVALID_ARGUMENT)},
        {good[1], FAIL(INVALID_ARGUMENT)},
        {copied(good[0].handle, 1), FAIL(INVALID_ARGUMENT)},
        {moved(channel.ends[0]), FAIL(INVALID_ARGUMENT)},
        {copied(channel.ends[0], UINT64_MAX), FAIL(INVALID_ARGUMENT)},
        {{.handle = own.ends[0], .rights = 1, .flags = 2}, FAIL(INVALID_ARGUMENT)},
        {{.handle = own.ends[0], .rights = 1, .kind = ABI_KIND_CHANNEL}, FAIL(INVALID_ARGUMENT)},
    };
    for (uint32_t i = 0; i < array_count(cases); i++) {
        struct abi_message_handle entries[3] = {good[0], good[1], cases[i].third};
        check_refused(channel, entries, 3, cases[i].expected);
    }
    /* The other end of the very channel, which is in the same table. */
    struct pair swapped = {{own.ends[0]}};
    struct abi_message_handle other[3] = {good[0], good[1], moved(own.ends[1])};
    check_refused(swapped, other, 3, FAIL(INVALID_ARGUMENT));

    /* A full queue: once asked not to wait, once cancelled. */
    CHECK_STATUS(OK, send(&sends[1], alice, channel.ends[0], 0, 1));
    struct abi_message_handle two[2] = {good[0], good[1]};
    CHECK_STATUS(BUSY, send_handles(&sends[0], alice, channel.ends[0], two, 2));
    CHECK_STATUS(OK, found(alice, good[0].handle));
    take_back_send(&sends[0]);
    sends[0].send.may_wait = false;
    CHECK_STATUS(WOULD_BLOCK, start_send(&sends[0], channel.ends[0]));
    CHECK_STATUS(OK, found(alice, good[0].handle));
    CHECK_STATUS(OK, found(alice, good[1].handle));

    /* The other end gone. */
    close_handle(bob, channel.ends[1]);
    check_refused(channel, two, 2, FAIL(BROKEN_PIPE));
    finish();
}

TEST(a_send_that_waits_takes_its_handles_when_it_is_received)
{
    begin();
    struct pair channel = connect(alice, bob, 1);
    uint64_t file = give_file(alice, ABI_RIGHTS_ALL);
    CHECK_STATUS(OK, send(&sends[1], alice, channel.ends[0], 0, 1));
    CHECK_STATUS(
        BUSY, send_handles(&sends[0], alice, channel.ends[0],
                           &(struct abi_message_handle){.handle = file, .rights = UINT64_MAX}, 1));
    CHECK_STATUS(OK, receive(&receives[0], bob, channel.ends[1], 8));
    CHECK_EQUAL(0, sends[0].ended); /* room or not */
    CHECK_STATUS(OK, found(alice, file));
    CHECK_STATUS(OUT_OF_RANGE, receive(&receives[0], bob, channel.ends[1], 7));
    CHECK_STATUS(OK, receive(&receives[0], bob, channel.ends[1], 8));
    CHECK_EQUAL(STATUS_OK, sends[0].outcome.code);
    CHECK_STATUS(INVALID_CAPABILITY, found(alice, file));
    CHECK_STATUS(OK, found(bob, received_entry(bob, 0).handle));

    /* Closed meanwhile: the send is refused, and the receive waits on. */
    file = give_file(alice, ABI_RIGHTS_ALL);
    CHECK_STATUS(OK, send(&sends[1], alice, channel.ends[0], 0, 1));
    CHECK_STATUS(
        BUSY, send_handles(&sends[0], alice, channel.ends[0],
                           &(struct abi_message_handle){.handle = file, .rights = UINT64_MAX}, 1));
    close_handle(alice, file);
    CHECK_STATUS(OK, receive(&receives[0], bob, channel.ends[1], 8));
    CHECK_STATUS(BUSY, receive(&receives[0], bob, channel.ends[1], 8));
    CHECK_EQUAL(STATUS_INVALID_CAPABILITY, sends[0].outcome.code);
    CHECK_STATUS(OK, send(&sends[1], alice, channel.ends[0], 0, 1));
    CHECK_EQUAL(STATUS_OK, receives[0].outcome.code);
    finish();
}

TEST(a_receiver_without_room_for_handles_gets_none_and_the_message_stays)
{
    begin();
    struct pair channel = connect(alice, bob, 4);
    struct abi_message_handle entries[3];
    for (uint32_t i = 0; i < 3; i++)
        entries[i] = moved(give_file(alice, ABI_RIGHTS_ALL));
    CHECK_STATUS(OK, send_handles(&sends[0], alice, channel.ends[0], entries, 3));
    bob->handles.live_max = handle_table_count(&bob->handles) + 2;
    CHECK_STATUS(QUOTA_EXCEEDED, receive(&receives[0], bob, channel.ends[1], 8));
    CHECK_EQUAL(bob->handles.live_max - 2, handle_table_count(&bob->handles));
    receives[0] = receive_of(bob, 8, 3);
    receives[0].receive.entries.buffer_index = 1;
    CHECK_STATUS(BUFFER_NOT_REGISTERED, start_receive(&receives[0], channel.ends[1]));
    receives[0] = receive_of(bob, 8, 3);
    receives[0].receive.entries.offset = MEMORY_BYTES - 71;
    CHECK_STATUS(OUT_OF_RANGE, start_receive(&receives[0], channel.ends[1]));
    bob->handles.live_max++;
    CHECK_STATUS(OK, receive(&receives[0], bob, channel.ends[1], 8));
    for (uint32_t i = 0; i < 3; i++)
        CHECK_STATUS(OK, found(bob, received_entry(bob, i).handle));

    /* One that waits is refused the same way, and the message is there for the next. */
    CHECK_STATUS(BUSY, receive(&receives[0], bob, channel.ends[1], 8));
    entries[0] = moved(give_file(alice, ABI_RIGHTS_ALL));
    CHECK_STATUS(OK, send_handles(&sends[0], alice, channel.ends[0], entries, 1));
    CHECK_EQUAL(STATUS_QUOTA_EXCEEDED, receives[0].outcome.code);
    CHECK_STATUS(INVALID_CAPABILITY, found(alice, entries[0].handle));
    CHECK_EQUAL(1, waiting_at(bob, channel.ends[1]));
    close_handle(bob, received_entry(bob, 0).handle);
    CHECK_STATUS(OK, receive(&receives[0], bob, channel.ends[1], 8));
    finish();
}

TEST(sixty_four_handles_go_and_the_entries_of_a_sender_must_be_its_own)
{
    begin();
    struct pair channel = connect(alice, bob, 4);
    struct abi_message_handle entries[ABI_MESSAGE_HANDLES_MAX + 1];
    for (uint32_t i = 0; i < array_count(entries); i++)
        entries[i] = moved(give_file(alice, ABI_RIGHTS_ALL));
    CHECK_STATUS(OUT_OF_RANGE, send_handles(&sends[0], alice, channel.ends[0], entries, 65));
    CHECK_STATUS(OK, send_handles(&sends[0], alice, channel.ends[0], entries, 64));
    CHECK_STATUS(OK, receive(&receives[0], bob, channel.ends[1], 8));
    CHECK_EQUAL(8 | 64ull << 32, receives[0].outcome.value);
    sends[0].send.entries = (struct channel_entries){.offset = MEMORY_BYTES - 24, .count = 2};
    CHECK_STATUS(OUT_OF_RANGE, start_send(&sends[0], channel.ends[0]));
    sends[0].send.entries = (struct channel_entries){.buffer_index = 7, .count = 2};
    CHECK_STATUS(BUFFER_NOT_REGISTERED, start_send(&sends[0], channel.ends[0]));
    CHECK_STATUS(OK, found(alice, entries[64].handle));
    finish();
}

/* Takes back what derives from a handle. */
static void no_progress(struct revocation *revocation)
{
    (void)revocation;
}
static void take_back_derived(struct party *party, uint64_t handle)
{
    uint32_t detail;
    capability_result own = handle_table_find(&party->handles, handle, ABI_KINDS_ANY, 0, &detail);
    CHECK_STATUS(OK, own.status);
    struct revocation revocation;
    revocation_init(&revocation, own.value, false, no_progress);
    enum revocation_progress progress;
    while ((progress = revocation_advance(&revocation)) == REVOCATION_AGAIN) {
    }
    CHECK_EQUAL(REVOCATION_DONE, progress);
    capability_unuse(own.value);
}

TEST(a_handle_that_is_revoked_on_its_way_arrives_dead)
{
    begin();
    struct pair channel = connect(alice, bob, 4);
    struct pair other = connect(alice, alice, 4);
    uint64_t file = give_file(alice, ABI_RIGHTS_ALL);
    struct abi_message_handle entries[] = {copied(file, UINT64_MAX),
                                           copied(other.ends[1], UINT64_MAX)};
    CHECK_STATUS(OK, send_handles(&sends[0], alice, channel.ends[0], entries, 2));
    take_back_derived(alice, file);
    take_back_derived(alice, other.ends[1]);
    close_handle(alice, other.ends[1]);
    close_handle(alice, other.ends[0]); /* both ends are gone, one is still named in a message */
    CHECK_STATUS(OK, receive(&receives[0], bob, channel.ends[1], 8));
    for (uint32_t i = 0; i < 2; i++)
        CHECK_STATUS(CAPABILITY_REVOKED, found(bob, received_entry(bob, i).handle));
    CHECK_EQUAL(ABI_KIND_CHANNEL, received_entry(bob, 1).kind);
    finish();
}

/* ---- ends in messages ---- */

/* Sends end `what` of alice's through her end of another channel. */
static void send_end(struct pair channel, uint64_t what, bool is_copy)
{
    struct abi_message_handle entry = is_copy ? copied(what, UINT64_MAX) : moved(what);
    CHECK_STATUS(OK, send_handles(&sends[0], alice, channel.ends[0], &entry, 1));
}

TEST(an_end_works_wherever_it_has_been_sent)
{
    begin();
    struct pair channel = connect(alice, bob, 4), other = connect(alice, alice, 4);
    CHECK_STATUS(OK, send(&sends[0], alice, other.ends[0], 3, 30));
    send_end(channel, other.ends[1], false);
    channel_collect(); /* finds nothing to do */
    CHECK_STATUS(OK, receive(&receives[0], bob, channel.ends[1], 8));
    uint64_t arrived = received_entry(bob, 0).handle;
    CHECK_STATUS(OK, receive(&receives[0], bob, arrived, 64));
    CHECK_EQUAL(30, receives[0].outcome.value);
    CHECK_STATUS(OK, send(&sends[0], bob, arrived, 3, 31));
    CHECK_STATUS(OK, receive(&receives[0], alice, other.ends[0], 64));
    finish();
}

/* `length` channels, each with the receiving end of the next in its queue, the last with that of
 * the first: nobody can reach any of them. */
static void make_cycle(uint32_t length, bool is_copy)
{
    struct pair made[3];
    for (uint32_t i = 0; i < length; i++)
        made[i] = connect(alice, alice, 4);
    for (uint32_t i = 0; i < length; i++)
        send_end(made[i], made[(i + 1) % length].ends[1], is_copy);
}

static bool objects_become(uint64_t count)
{
    for (uint32_t i = 0; i < 5000 && object_count() != count; i++)
        usleep(1000);
    return object_count() == count;
}

TEST(a_cycle_of_channels_that_hold_each_other_is_collected)
{
    begin();
    for (uint32_t length = 2; length <= 3; length++) {
        make_cycle(length, false);
        make_cycle(length, true); /* the first handles are history by then */
    }
    party_end(alice);
    channel_collect();
    CHECK(objects_become(objects_before + 2)); /* the memory of the others */
    finish();
}

TEST(a_collection_spares_what_somebody_can_reach)
{
    begin();
    struct pair a = connect(alice, alice, 4), b = connect(alice, alice, 4);
    struct pair way_in = connect(alice, bob, 4);
    send_end(b, a.ends[1], true);
    send_end(a, b.ends[1], true);
    send_end(way_in, a.ends[1], false); /* bob can get at the cycle */
    party_end(alice);
    uint64_t alive = object_count();
    for (uint32_t i = 0; i < 20; i++) {
        channel_collect();
        usleep(1000);
    }
    CHECK_EQUAL(alive, object_count());
    CHECK_STATUS(OK, receive(&receives[0], bob, way_in.ends[1], 8));
    uint64_t first = received_entry(bob, 0).handle;
    CHECK_STATUS(OK, receive(&receives[0], bob, first, 8));
    uint64_t second = received_entry(bob, 0).handle;
    CHECK_STATUS(OK, receive(&receives[0], bob, second, 8));
    CHECK_STATUS(BROKEN_PIPE, receive(&receives[0], bob, second, 8));
    finish();
}

TEST(cycles_are_collected_while_programs_go_on_when_enough_ends_have_gone)
{
    begin();
    uint64_t alive = object_count();
    make_cycle(3, false);
    for (uint32_t i = 0; i < 8; i++) { /* ends that go */
        struct pair passing = connect(alice, alice, 1);
        close_handle(alice, passing.ends[0]);
        close_handle(alice, passing.ends[1]);
    }
    CHECK(objects_become(alive + 3)); /* the sending ends are alice's still */
    finish();
}

TEST(a_chain_of_ten_thousand_ends_goes_without_a_deep_stack)
{
    begin();
    static constexpr uint32_t CHAIN = 10'000;
    struct pair last = connect(alice, alice, 1);
    close_handle(alice, last.ends[0]);
    uint64_t tail = last.ends[1];
    for (uint32_t i = 0; i < CHAIN; i++) {
        struct pair next = connect(alice, alice, 1);
        send_end(next, tail, false);
        close_handle(alice, next.ends[0]);
        tail = next.ends[1];
    }
    close_handle(alice, tail);
    finish();
}

/* ---- memory that runs out ---- */

TEST(a_channel_that_cannot_be_made_leaves_nothing)
{
    begin();
    struct object *ends[2];
    CHECK_STATUS(OUT_OF_RANGE, channel_create(alice->quota, 0, ends));
    CHECK_STATUS(OUT_OF_RANGE, channel_create(alice->quota, ABI_CHANNEL_MESSAGES_MAX + 1, ends));
    uint64_t charged = memory_quota_used(alice->quota);
    FOR_EACH_FAILING_ALLOCATION {
        status made = channel_create(alice->quota, 4, ends);
        if (is_ok(made)) {
            object_put(ends[0]);
            object_put(ends[1]);
        }
        CHECK_EQUAL(charged, memory_quota_used(alice->quota));
    }
    finish();
}

TEST(each_allocation_of_a_message_may_fail_and_nothing_is_lost)
{
    begin();
    struct pair channel = connect(alice, bob, 4), other = connect(alice, alice, 4);
    uint64_t file = give_file(alice, ABI_RIGHTS_ALL);
    uint64_t movers[64];
    for (uint32_t i = 0; i < array_count(movers); i++)
        movers[i] = give_file(alice, ABI_RIGHTS_ALL);
    struct abi_message_handle entries[] = {copied(file, 1), moved(0),
                                           copied(other.ends[1], UINT64_MAX)};
    entries[1].rights = ~(uint64_t)ABI_RIGHT_WRITE;
    memory_at(alice, ENTRIES_AT);
    uint32_t next = 0;
    FOR_EACH_FAILING_ALLOCATION {
        entries[1].handle = movers[next];
        uint64_t handles = handle_count_all();
        status sent = send_handles(&sends[0], alice, channel.ends[0], entries, 3);
        if (!is_ok(sent)) {
            CHECK_STATUS(OUT_OF_MEMORY, sent);
            CHECK_EQUAL(handles, handle_count_all());
            CHECK_STATUS(OK, found(alice, entries[1].handle));
        } else {
            CHECK_EQUAL(handles - 1, handle_count_all());
            status got = receive(&receives[0], bob, channel.ends[1], 8);
            if (is_ok(got)) {
                CHECK_EQUAL(handles + 2, handle_count_all());
            } else {
                CHECK_STATUS(OUT_OF_MEMORY, got);
                CHECK_EQUAL(handles - 1, handle_count_all());
                CHECK_EQUAL(1, waiting_at(bob, channel.ends[1]));
                got = receive(&receives[0], bob, channel.ends[1], 8);
                CHECK_STATUS(OK, got);
            }
            for (uint32_t i = 0; i < 3; i++)
                close_handle(bob, received_entry(bob, i).handle);
            next++;
        }
    }
    finish();
}

TEST(a_send_that_cannot_become_a_message_is_received_from_where_it_is)
{
    begin();
    struct pair channel = connect(alice, bob, 1);
    for (uint32_t i = 0; i < 3; i++)
        (void)!is_ok(send(&sends[i], alice, channel.ends[0], i, 50 + i));
    uint64_t max = alice->quota->max_bytes;
    alice->quota->max_bytes = memory_quota_used(alice->quota);
    for (uint32_t i = 0; i < 3; i++) {
        if (i == 0) alice->quota->max_bytes = 1; /* nothing can be promoted */
        CHECK_STATUS(OK, receive(&receives[0], bob, channel.ends[1], 64));
        CHECK_EQUAL(50 + i, receives[0].outcome.value);
        check_filled(bob, INTO, 50 + i, i);
    }
    CHECK_STATUS(OUT_OF_MEMORY, send(&sends[0], alice, channel.ends[0], 0, 50));
    alice->quota->max_bytes = max;
    finish();
}
