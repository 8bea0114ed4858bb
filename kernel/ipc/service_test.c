#include "arch/host/host.h"
#include "base/container.h"
#include "ipc/service.h"
#include "mm/quota.h"
#include "support/test.h"

/* Tokens need not be random here, only different. */
uint64_t random_number(void);
uint64_t random_number(void)
{
    static uint64_t last;
    return last += 1ull << ABI_HANDLE_SLOT_BITS;
}

/* ---- workers, run when a test says so ---- */

struct work_queue {
    int unused;
};
static struct work_queue world_queue;
static struct list world_work = LIST_INIT(world_work);

struct work_queue *work_queue_create(const char *name, uint32_t threads_max)
{
    (void)name, (void)threads_max;
    return &world_queue;
}

void work_submit(struct work_queue *queue, struct work *work, work_function *function)
{
    (void)queue;
    work->function = function;
    list_push_back(&world_work, &work->link);
}

void scheduler_preempt_point(void)
{
}

static void run_work(void)
{
    struct list *link;
    while ((link = list_take_front(&world_work)) != nullptr) {
        struct work *work = list_entry(link, struct work, link);
        work->function(work);
    }
}

/* ---- a client ---- */

struct client {
    struct service_call call;
    struct capability *used;
    status cancelled;
    uint32_t answered_count;
    struct service_answer answer;
    uint64_t number;
};

static struct client *client_of(const struct service_call *call)
{
    return container_of((struct service_call *)(uintptr_t)call, struct client, call);
}

static void describe(const struct service_call *call, struct abi_request *request)
{
    struct client *client = client_of(call);
    request->badge = served_badge(client->used->object);
    request->client = client->number;
}

static void lend_nothing(const struct service_call *call, struct buffer_window *window)
{
    (void)call;
    *window = (struct buffer_window){.offset = 7, .length = 9, .access = ABI_ACCESS_READ};
}

static struct capability *used_by(const struct service_call *call)
{
    return client_of(call)->used;
}

static status is_cancelled(const struct service_call *call)
{
    return client_of(call)->cancelled;
}

static void answered(struct service_call *call, struct service_answer answer)
{
    struct client *client = client_of(call);
    client->answered_count++;
    client->answer = answer;
    capability_unuse(TAKE(client->used));
}

static const struct service_call_type client_type = {
    .describe = describe,
    .lend = lend_nothing,
    .capability = used_by,
    .cancelled = is_cancelled,
    .answered = answered,
};

/* ---- a server ---- */

static struct handle_table table, clients_table;

struct server_end {
    struct service_receiver receiver;
    status failure; /* what `take` is to answer */
    void (*during_take)(uint64_t handle);
    status cancelled;
    uint32_t more; /* goes on waiting so often */
    uint32_t received_count;
    handle_result outcome; /* the last */
    struct abi_request what;
};

static struct server_end *server_of(const struct service_receiver *receiver)
{
    return container_of((struct service_receiver *)(uintptr_t)receiver, struct server_end,
                        receiver);
}

static handle_result take(struct service_receiver *receiver, const struct abi_request *request,
                          CONSUMED struct capability *capability)
{
    struct server_end *server = server_of(receiver);
    server->what = *request;
    if (!is_ok(server->failure)) {
        if (capability != nullptr) capability_release(capability);
        return (handle_result){.status = server->failure};
    }
    if (capability == nullptr) return (handle_result){.value = 0};
    handle_result inserted = handle_table_insert(&table, capability);
    if (server->during_take != nullptr) server->during_take(inserted.value);
    return inserted;
}

static bool received(struct service_receiver *receiver, handle_result outcome)
{
    struct server_end *server = server_of(receiver);
    server->received_count++;
    server->outcome = outcome;
    if (!is_ok(outcome.status) || server->more == 0) return false;
    server->more--;
    return true;
}

static status server_cancelled(const struct service_receiver *receiver)
{
    return server_of(receiver)->cancelled;
}

static const struct service_receiver_type server_type = {
    .take = take,
    .received = received,
    .cancelled = server_cancelled,
};

/* ---- the world ---- */

static struct memory_quota *quota;
static struct capability *service_capability; /* held: the handle to the service */
static struct service *service;
static uint64_t objects_before, capabilities_before;

static void world_begin(void)
{
    static bool is_ready;
    if (!is_ready) {
        host_memory_init();
        CHECK_STATUS(OK, capability_init());
        CHECK_STATUS(OK, service_init());
    }
    is_ready = true;
    objects_before = object_count();
    capabilities_before = capability_count();
    quota = memory_quota_create(1 << 20);
    handle_table_init(&table, nullptr, 1000, 1);
    handle_table_init(&clients_table, nullptr, 1000, 2);
    object_result made = service_create(quota);
    CHECK_STATUS(OK, made.status);
    service = service_of(made.value);
    capability_result capability = capability_create(made.value, ABI_RIGHTS_ALL);
    CHECK_STATUS(OK, capability.status);
    service_capability = capability.value;
    object_put(made.value);
}

static void close_service(void)
{
    capability_release(TAKE(service_capability));
}

static void world_end(void)
{
    handle_table_empty(&table);
    handle_table_empty(&clients_table);
    if (service_capability != nullptr) close_service();
    run_work();
    CHECK_EQUAL(objects_before, object_count());
    CHECK_EQUAL(capabilities_before, capability_count());
    CHECK_EQUAL(0, memory_quota_used(quota));
    memory_quota_put(quota);
}

/* A handle in the clients' table. */
static uint64_t mint(uint64_t badge)
{
    object_result made = service_mint(service, ABI_KIND_FILE, badge);
    CHECK_STATUS(OK, made.status);
    capability_result minted = capability_derive_object(
        service_capability, made.value, ABI_RIGHTS_ALL, (derivation){.origin = ABI_ORIGIN_MINTED});
    CHECK_STATUS(OK, minted.status);
    served_publish(made.value);
    object_put(made.value);
    handle_result inserted = handle_table_insert(&clients_table, minted.value);
    CHECK_STATUS(OK, inserted.status);
    return inserted.value;
}

static void close_handle(struct handle_table *where, uint64_t handle)
{
    uint32_t detail;
    capability_result closed = handle_table_close(where, handle, 0, &detail);
    CHECK_STATUS(OK, closed.status);
    if (closed.value != nullptr) capability_unuse(closed.value);
}

static struct capability *find(struct handle_table *where, uint64_t handle)
{
    uint32_t detail;
    capability_result found = handle_table_find(where, handle, ABI_KINDS_ANY, 0, &detail);
    CHECK_STATUS(OK, found.status);
    return found.value;
}

static status ask_at(struct client *client, uint64_t handle, uint8_t priority)
{
    *client = (struct client){.call = {.type = &client_type}, .used = find(&clients_table, handle)};
    static uint64_t numbers;
    client->number = ++numbers;
    status started = service_call_start(&client->call, client->used->object, priority);
    if (!is_ok(started)) capability_unuse(TAKE(client->used));
    return started;
}

static void ask(struct client *client, uint64_t handle)
{
    CHECK_STATUS(OK, ask_at(client, handle, 0));
}

static handle_result receive(struct server_end *server)
{
    server->receiver.type = &server_type;
    return service_receive(service, &server->receiver);
}

static void wait_for(struct server_end *server)
{
    server->receiver.type = &server_type;
    service_wait(service, &server->receiver);
}

/* As an operation through the handle would: the use of it ends with the answer. */
static bool answer(uint64_t handle, uint64_t value)
{
    struct capability *used = find(&table, handle);
    struct request *request = request_of(used->object);
    bool is_claimed = request_claim(request);
    if (is_claimed) close_handle(&table, handle);
    capability_unuse(used);
    if (is_claimed) request_end(request, (struct service_answer){.value = value});
    return is_claimed;
}

static bool cancel(struct client *client, status why)
{
    client->cancelled = why;
    bool was_taken_back = service_call_cancel(&client->call, why);
    if (was_taken_back) answered(&client->call, (struct service_answer){.outcome = why});
    return was_taken_back;
}

/* ---- tests ---- */

TEST(a_call_waits_until_it_is_received_and_answered)
{
    world_begin();
    struct client client;
    struct server_end server = {0};
    CHECK_STATUS(WOULD_BLOCK, receive(&server).status);
    uint64_t handle = mint(4711);
    ask(&client, handle);
    handle_result got = receive(&server);
    CHECK_STATUS(OK, got.status);
    CHECK_EQUAL(4711, server.what.badge);
    CHECK_EQUAL(client.number, server.what.client);
    CHECK_EQUAL(ABI_ACCESS_READ, server.what.access);
    CHECK_STATUS(WOULD_BLOCK, receive(&server).status);
    struct capability *used = find(&table, got.value);
    struct buffer_window window;
    CHECK(request_window(used->object, &window));
    CHECK(window.offset == 7 && window.length == 9);
    CHECK(used->rights & ABI_RIGHT_READ && used->rights & ABI_RIGHT_CONTROL);
    CHECK(!(used->rights & (ABI_RIGHT_WRITE | ABI_RIGHT_DUP)));
    capability_unuse(used);
    CHECK_EQUAL(0, client.answered_count);
    CHECK(answer(got.value, 5));
    CHECK_EQUAL(1, client.answered_count);
    CHECK_EQUAL(5, client.answer.value);
    CHECK_EQUAL(0, handle_table_count(&table));
    world_end();
}

TEST(a_receiver_that_waits_gets_the_next_call)
{
    world_begin();
    struct client clients[3];
    struct server_end one = {0}, many = {.more = 1};
    uint64_t handle = mint(1);
    wait_for(&one);
    wait_for(&many);
    CHECK_EQUAL(0, one.received_count);
    for (uint32_t i = 0; i < 3; i++)
        ask(&clients[i], handle);
    CHECK_EQUAL(1, one.received_count);
    CHECK_EQUAL(clients[0].number, one.what.client);
    CHECK_EQUAL(2, many.received_count); /* it went on after the first */
    CHECK_EQUAL(clients[2].number, many.what.client);
    CHECK(!service_wait_cancel(service, &many.receiver));
    wait_for(&one);
    CHECK(service_wait_cancel(service, &one.receiver));
    CHECK(!service_wait_cancel(service, &one.receiver));
    CHECK_EQUAL(1, one.received_count);
    handle_table_empty(&table);
    for (uint32_t i = 0; i < 3; i++)
        CHECK_STATUS(BROKEN_PIPE, clients[i].answer.outcome);
    world_end();
}

TEST(the_most_urgent_come_first_and_equals_in_their_order)
{
    world_begin();
    static const uint8_t priorities[] = {0, 7, 3, 7, 0, 3};
    static const uint8_t order[] = {1, 3, 2, 5, 0, 4};
    struct client clients[6];
    struct server_end server = {0};
    uint64_t handle = mint(1);
    for (uint32_t i = 0; i < 6; i++)
        CHECK_STATUS(OK, ask_at(&clients[i], handle, priorities[i]));
    for (uint32_t i = 0; i < 6; i++) {
        handle_result got = receive(&server);
        CHECK_STATUS(OK, got.status);
        CHECK_EQUAL(clients[order[i]].number, server.what.client);
        CHECK(answer(got.value, i));
    }
    world_end();
}

TEST(closing_the_service_breaks_what_waits_and_what_comes_but_not_what_was_received)
{
    world_begin();
    struct client taken, waiting, late;
    struct server_end server = {0};
    uint64_t handle = mint(1);
    ask(&taken, handle);
    handle_result got = receive(&server);
    ask(&waiting, handle);
    close_service();
    CHECK_EQUAL(1, waiting.answered_count);
    CHECK_STATUS(BROKEN_PIPE, waiting.answer.outcome);
    CHECK_STATUS(BROKEN_PIPE, ask_at(&late, handle, 0));
    CHECK_EQUAL(0, taken.answered_count);
    CHECK(answer(got.value, 3));
    CHECK_STATUS(OK, taken.answer.outcome);
    world_end();
}

TEST(a_request_whose_handle_is_closed_breaks)
{
    world_begin();
    struct client client;
    struct server_end server = {0};
    ask(&client, mint(1));
    handle_result got = receive(&server);
    close_handle(&table, got.value);
    CHECK_EQUAL(1, client.answered_count);
    CHECK_STATUS(BROKEN_PIPE, client.answer.outcome);
    world_end();
}

TEST(a_cancelled_call_is_never_received)
{
    world_begin();
    struct client clients[2];
    struct server_end server = {0};
    uint64_t handle = mint(1);
    ask(&clients[0], handle);
    ask(&clients[1], handle);
    CHECK(cancel(&clients[0], FAIL(TIMED_OUT)));
    handle_result got = receive(&server);
    CHECK_EQUAL(clients[1].number, server.what.client);
    CHECK(answer(got.value, 0));
    CHECK_STATUS(WOULD_BLOCK, receive(&server).status);
    world_end();
}

TEST(a_call_cancelled_after_it_was_received_is_answered_when_nothing_lent_is_in_use)
{
    world_begin();
    struct client client;
    struct server_end server = {0};
    ask(&client, mint(1));
    handle_result got = receive(&server);
    struct capability *used = find(&table, got.value);
    CHECK(!cancel(&client, FAIL(INTERRUPTED)));
    CHECK(!request_claim(request_of(used->object)));
    run_work();
    CHECK_EQUAL(0, client.answered_count); /* somebody reads the window */
    CHECK(capability_is_revoked(used));
    capability_unuse(used);
    run_work();
    CHECK_EQUAL(1, client.answered_count);
    CHECK_STATUS(INTERRUPTED, client.answer.outcome);
    uint32_t detail;
    CHECK_STATUS(CAPABILITY_REVOKED,
                 handle_table_find(&table, got.value, ABI_KINDS_ANY, 0, &detail).status);
    world_end();
}

TEST(an_answer_waits_for_what_was_derived_from_the_request)
{
    world_begin();
    struct client client;
    struct server_end server = {0};
    ask(&client, mint(1));
    handle_result got = receive(&server);
    struct capability *given = find(&table, got.value);
    capability_result child =
        capability_derive(given, ABI_RIGHT_READ, (derivation){.origin = ABI_ORIGIN_RESTRICT});
    CHECK_STATUS(OK, child.status);
    CHECK(capability_use_try(child.value));
    capability_unuse(given);
    CHECK(answer(got.value, 1));
    run_work();
    CHECK_EQUAL(0, client.answered_count);
    CHECK(capability_is_revoked(child.value));
    capability_unuse(child.value);
    run_work();
    CHECK_EQUAL(1, client.answered_count);
    capability_release(child.value);
    CHECK_EQUAL(1, client.answered_count);
    world_end();
}

TEST(a_claim_that_is_given_back_leaves_the_request_open)
{
    world_begin();
    struct client client;
    struct server_end server = {0};
    ask(&client, mint(1));
    handle_result got = receive(&server);
    struct capability *used = find(&table, got.value);
    struct request *request = request_of(used->object);
    CHECK(request_claim(request));
    request_unclaim(request);
    CHECK(request_claim(request));
    CHECK(!cancel(&client, FAIL(TIMED_OUT))); /* while it is claimed: whoever has the claim tells */
    request_unclaim(request);
    CHECK(!request_claim(request));
    capability_unuse(used);
    run_work();
    CHECK_STATUS(TIMED_OUT, client.answer.outcome);
    world_end();
}

TEST(a_receiver_that_cannot_take_a_call_leaves_it_first_in_its_queue)
{
    world_begin();
    struct client clients[2];
    struct server_end full = {.failure = FAIL(QUOTA_EXCEEDED)}, fine = {0};
    uint64_t handle = mint(1);
    wait_for(&full);
    ask(&clients[0], handle);
    ask(&clients[1], handle);
    CHECK_EQUAL(1, full.received_count);
    CHECK_STATUS(QUOTA_EXCEEDED, full.outcome.status);
    CHECK_STATUS(QUOTA_EXCEEDED, receive(&full).status);
    for (uint32_t i = 0; i < 2; i++) {
        handle_result got = receive(&fine);
        CHECK_EQUAL(clients[i].number, fine.what.client);
        CHECK(answer(got.value, 0));
    }
    world_end();
}

static struct client *cancelled_during_take;
static void cancel_now(uint64_t handle)
{
    (void)handle;
    CHECK(!cancel(cancelled_during_take, FAIL(INTERRUPTED)));
}
static void close_now(uint64_t handle)
{
    close_handle(&table, handle);
}

TEST(what_happens_while_a_call_is_handed_over_is_not_lost)
{
    world_begin();
    struct client client;
    struct server_end server = {.during_take = cancel_now};
    cancelled_during_take = &client;
    uint64_t handle = mint(1);
    ask(&client, handle);
    CHECK_STATUS(OK, receive(&server).status);
    run_work();
    CHECK_EQUAL(1, client.answered_count);
    CHECK_STATUS(INTERRUPTED, client.answer.outcome);

    server.during_take = close_now; /* another thread of the server found it in the table */
    ask(&client, handle);
    CHECK_STATUS(OK, receive(&server).status);
    CHECK_EQUAL(1, client.answered_count);
    CHECK_STATUS(BROKEN_PIPE, client.answer.outcome);

    ask(&client, handle); /* cancelled before it is handed over, and not yet taken back */
    client.cancelled = FAIL(TIMED_OUT);
    server.during_take = nullptr;
    CHECK_STATUS(WOULD_BLOCK, receive(&server).status);
    run_work();
    CHECK_EQUAL(1, client.answered_count);
    CHECK_STATUS(TIMED_OUT, client.answer.outcome);
    world_end();
}

TEST(a_receiver_cancelled_between_two_calls_does_not_wait_again)
{
    world_begin();
    struct client client;
    struct server_end server = {.more = 5, .cancelled = FAIL(INTERRUPTED)};
    uint64_t handle = mint(1);
    wait_for(&server);
    ask(&client, handle);
    CHECK_EQUAL(2, server.received_count);
    CHECK_STATUS(INTERRUPTED, server.outcome.status);
    CHECK(!service_wait_cancel(service, &server.receiver));
    world_end();
}

TEST(the_end_of_the_last_handle_with_a_badge_is_told_once)
{
    world_begin();
    struct server_end server = {.failure = FAIL(OUT_OF_MEMORY)};
    uint64_t handle = mint(12);
    struct capability *used = find(&clients_table, handle);
    close_handle(&clients_table, handle);
    CHECK_STATUS(WOULD_BLOCK, receive(&server).status); /* an operation still uses it */
    capability_unuse(used);
    CHECK_STATUS(OUT_OF_MEMORY, receive(&server).status);
    server.failure = OK;
    handle_result got = receive(&server);
    CHECK_STATUS(OK, got.status);
    CHECK_EQUAL(0, got.value);
    CHECK_EQUAL(ABI_REQUEST_CLOSED, server.what.flags);
    CHECK_EQUAL(12, server.what.badge);
    CHECK_EQUAL(0, server.what.client);
    CHECK_STATUS(WOULD_BLOCK, receive(&server).status);

    wait_for(&server);
    close_handle(&clients_table, mint(13));
    CHECK_EQUAL(1, server.received_count);
    CHECK_EQUAL(13, server.what.badge);
    close_handle(&clients_table, mint(14)); /* nobody will ever receive it */
    world_end();
}

TEST(what_was_never_given_out_ends_in_silence)
{
    world_begin();
    struct server_end server = {0};
    object_result made = service_mint(service, ABI_KIND_SYSTEM, 1);
    CHECK_STATUS(OK, made.status);
    CHECK_EQUAL(ABI_KIND_SYSTEM, object_kind(made.value));
    CHECK(made.value->type->is_served);
    object_put(made.value);
    CHECK_STATUS(WOULD_BLOCK, receive(&server).status);
    CHECK_STATUS(INVALID_ARGUMENT, service_mint(service, 0, 1).status);
    CHECK_STATUS(INVALID_ARGUMENT, service_mint(service, ABI_KIND_COUNT, 1).status);
    CHECK_STATUS(INVALID_ARGUMENT, service_mint(service, UINT32_MAX, 1).status);
    world_end();
}

static bool has_progressed;
static void note_progress(struct revocation *revocation)
{
    (void)revocation;
    has_progressed = true;
}

static enum revocation_progress advance(struct revocation *revocation)
{
    enum revocation_progress progress;
    do
        progress = revocation_advance(revocation);
    while (progress == REVOCATION_AGAIN);
    return progress;
}

TEST(taking_back_the_clients_handle_takes_back_what_was_lent_through_it)
{
    world_begin();
    struct client client;
    struct server_end server = {0};
    ask(&client, mint(1));
    handle_result got = receive(&server);
    struct capability *reading = find(&table, got.value);
    struct revocation revocation;
    CHECK(capability_use_try(service_capability));
    revocation_init(&revocation, service_capability, false, note_progress);
    CHECK_EQUAL(REVOCATION_WAITING, advance(&revocation));
    uint32_t detail;
    CHECK_STATUS(CAPABILITY_REVOKED,
                 handle_table_find(&table, got.value, ABI_KINDS_ANY, 0, &detail).status);
    CHECK(!cancel(&client, FAIL(CAPABILITY_REVOKED))); /* as the call's operation is told to */
    run_work();
    CHECK_EQUAL(0, client.answered_count);
    has_progressed = false;
    capability_unuse(reading);
    run_work();
    CHECK_EQUAL(1, client.answered_count);
    CHECK(has_progressed);
    CHECK_EQUAL(REVOCATION_DONE, advance(&revocation));
    capability_unuse(service_capability);
    world_end();
}

TEST(a_request_that_ends_by_revocation_says_so)
{
    world_begin();
    struct client client;
    struct server_end server = {0};
    ask(&client, mint(1));
    CHECK_STATUS(OK, receive(&server).status);
    struct revocation revocation;
    CHECK(capability_use_try(service_capability));
    revocation_init(&revocation, service_capability, false, note_progress);
    CHECK_EQUAL(REVOCATION_DONE, advance(&revocation)); /* nobody was using it */
    CHECK_EQUAL(1, client.answered_count);
    CHECK_STATUS(CAPABILITY_REVOKED, client.answer.outcome);
    capability_unuse(service_capability);
    world_end();
}

TEST(memory_that_fails_loses_neither_calls_nor_notes)
{
    world_begin();
    uint64_t handle = mint(1);
    FOR_EACH_FAILING_ALLOCATION {
        struct client client;
        struct server_end server = {0};
        ask(&client, handle);
        handle_result got = {0};
        do {
            got = receive(&server);
            if (!is_ok(got.status)) CHECK_STATUS(OUT_OF_MEMORY, got.status);
            CHECK_EQUAL(0, client.answered_count);
        } while (!is_ok(got.status));
        CHECK(answer(got.value, 1));
        handle_table_empty(&table);
        handle_table_init(&table, nullptr, 1000, 1);
        object_result made = service_mint(service, ABI_KIND_FILE, 1);
        if (is_ok(made.status)) object_put(made.value);
    }
    world_end();
}
