/*
 * Services: what a client finds behind a handle that a program minted, what a server may answer,
 * and what becomes of either when the other goes.
 *
 * Most tests are client and server on one thread: what the client asks stays in flight in the ring
 * while the server receives and answers with calls of its own.
 */
#include "peal/bytes.h"
#include "peal/channel.h"
#include "peal/clock.h"
#include "peal/memory.h"
#include "peal/pool.h"
#include "peal/process.h"
#include "peal/service.h"
#include "peal/system.h"
#include "peal/thread.h"
#include "support/child.h"
#include "support/guest_test.h"
#include "support/raw.h"

#define PROGRAM       TEXT("boot/test/services")
#define SCRATCH_BYTES (1u << 20)
#define ASKED         4711u /* user data of what the client asks */
#define RIGHTS_MINTED (ABI_RIGHTS_ALL)

static struct raw_scratch scratch; /* the client's memory */

static uint32_t part_serves(void);
static uint32_t part_explores(void);
static uint32_t part_mints(void);
static uint32_t part_asks(void);
static uint32_t part_deputises(void);

GUEST_TEST_SETUP
{
    if (child_plays(TEXT("serves"))) peal_exit((int)part_serves());
    if (child_plays(TEXT("mints"))) peal_exit((int)part_mints());
    if (child_plays(TEXT("explores"))) peal_exit((int)part_explores());
    if (child_plays(TEXT("asks"))) peal_exit((int)part_asks());
    if (child_plays(TEXT("deputises"))) peal_exit((int)part_deputises());
    scratch = raw_scratch_make(SCRATCH_BYTES);
    guest_test_need_grants();
}

static void pause_ms(uint64_t milliseconds)
{
    EXPECT_STATUS(OK, peal_sleep_until(peal_deadline_in_ms(milliseconds)));
}

/* ---- the client's side ---- */

static void ask(struct abi_submission submission)
{
    struct abi_submission *slot = peal_ring_slot();
    submission.user_data = ASKED;
    *slot = submission;
    peal_ring_push();
    EXPECT_EQUAL(1, peal_submit(0, 0).value);
}

/* The completion, if it has come. */
static bool answered(struct abi_completion *out_completion)
{
    return peal_reap(out_completion) && out_completion->user_data == ASKED;
}

static struct abi_completion wait_for_answer(void)
{
    struct abi_completion completion = {0};
    ignore_status(peal_submit(1, peal_deadline_in_ms(20000)).status);
    EXPECT(answered(&completion));
    return completion;
}

static struct abi_submission reading(uint64_t handle, uint32_t length)
{
    return (struct abi_submission){.op = ABI_OP_READ,
                                   .capability = handle,
                                   .offset_bytes = 77,
                                   .buffer_index = scratch.index,
                                   .length_bytes = length};
}

static struct abi_submission writing(uint64_t handle, uint32_t length)
{
    struct abi_submission submission = reading(handle, length);
    submission.op = ABI_OP_WRITE;
    return submission;
}

static struct abi_submission statting(uint64_t handle)
{
    return (struct abi_submission){.op = ABI_OP_STAT,
                                   .capability = handle,
                                   .buffer_index = scratch.index,
                                   .length_bytes = sizeof(struct abi_stat)};
}

static struct abi_submission opening(uint64_t handle, uint64_t rights, uint32_t flags)
{
    scratch.bytes[0] = 'x';
    return (struct abi_submission){.op = ABI_OP_OPEN,
                                   .capability = handle,
                                   .buffer_index = scratch.index,
                                   .length_bytes = 1,
                                   .op_flags = flags,
                                   .args = {rights}};
}

/* ---- the server's side ---- */

static service_handle make_service(void)
{
    service_result made = peal_service_create();
    EXPECT_STATUS(OK, made.status);
    return made.value;
}

static file_handle mint_file(const service_handle *service, uint64_t rights, uint64_t badge)
{
    file_result minted = peal_service_mint_file(service_borrow(service), rights, badge);
    EXPECT_STATUS(OK, minted.status);
    return minted.value;
}

static struct question receive(const service_handle *service)
{
    struct question question;
    EXPECT_STATUS(OK, peal_service_receive(service_borrow(service), &question));
    return question;
}

/* The note that the handle with this badge is gone. */
static void expect_closed(const service_handle *service, uint64_t badge)
{
    struct question question = receive(service);
    EXPECT_EQUAL(ABI_REQUEST_CLOSED, question.asked.flags);
    EXPECT_EQUAL(badge, question.asked.badge);
    EXPECT(request_is_nil(request_borrow(&question.request)));
}

static status reply(struct question *question, answer with)
{
    return peal_reply(TAKE(question->request), &with);
}

/* ---- asking and answering ---- */

GUEST_TEST(a_read_through_a_minted_handle_is_what_the_server_answers)
{
    OWNED(service_handle) service = make_service();
    {
        OWNED(file_handle) file = mint_file(&service, RIGHTS_READ, 99);
        memset(scratch.bytes, 1, 64);
        ask(reading(file.raw, 64));
        struct question question = receive(&service);
        EXPECT_EQUAL(ABI_OP_READ, question.asked.op);
        EXPECT_EQUAL(ABI_KIND_FILE, question.asked.kind);
        EXPECT_EQUAL(99, question.asked.badge);
        EXPECT_EQUAL(RIGHTS_READ, question.asked.rights);
        EXPECT_EQUAL(77, question.asked.offset_bytes);
        EXPECT_EQUAL(64, question.asked.length_bytes);
        EXPECT_EQUAL(ABI_ACCESS_WRITE, question.asked.access);
        EXPECT_EQUAL(peal_startup()->process_id, question.asked.client);
        struct abi_completion completion;
        EXPECT(!answered(&completion));
        static char words[] = "from the server";
        EXPECT_STATUS(OK, reply(&question, answer_bytes((view){words, 15})));
        completion = wait_for_answer();
        EXPECT(raw_is_ok(completion) && completion.value == 15);
        EXPECT(memcmp(scratch.bytes, words, 15) == 0 && scratch.bytes[15] == 1);
    }
    expect_closed(&service, 99);
}

GUEST_TEST(a_write_gives_the_server_the_clients_bytes)
{
    OWNED(service_handle) service = make_service();
    OWNED(file_handle) file = mint_file(&service, RIGHTS_MINTED, 1);
    for (uint32_t i = 0; i < 10000; i++)
        scratch.bytes[i] = (uint8_t)(i * 7);
    ask(writing(file.raw, 10000));
    struct question question = receive(&service);
    EXPECT_EQUAL(ABI_ACCESS_READ, question.asked.access);
    static uint8_t taken[10000];
    size_result part = peal_question_read(&question, (span){taken, 5000}, 5000);
    EXPECT(is_ok(part.status) && part.value == 5000);
    EXPECT(memcmp(taken, scratch.bytes + 5000, 5000) == 0);
    EXPECT_STATUS(OUT_OF_RANGE, peal_question_read(&question, (span){taken, 5000}, 5001).status);
    EXPECT_STATUS(OUT_OF_RANGE, peal_question_read(&question, (span){taken, 10001}, 0).status);
    EXPECT_STATUS(OUT_OF_RANGE, peal_question_read(&question, (span){taken, 1}, UINT64_MAX).status);
    EXPECT_STATUS(INSUFFICIENT_RIGHTS, peal_question_write(&question, (view){taken, 1}, 0).status);
    EXPECT_STATUS(OK, reply(&question, answer_value(10000)));
    EXPECT_EQUAL(10000, wait_for_answer().value);
}

GUEST_TEST(rights_and_kinds_are_checked_before_the_server_hears_of_it)
{
    OWNED(service_handle) service = make_service();
    OWNED(file_handle) file = mint_file(&service, ABI_RIGHT_STAT | ABI_RIGHT_CLOSE, 1);
    EXPECT_EQUAL(ABI_STATUS_INSUFFICIENT_RIGHTS, raw_status(raw_call(reading(file.raw, 64))));
    EXPECT_EQUAL(ABI_STATUS_WRONG_CAPABILITY_TYPE,
                 raw_status(raw_call(opening(file.raw, ABI_RIGHTS_ALL, 0))));
    struct abi_submission stat = statting(file.raw);
    stat.length_bytes = 31;
    EXPECT_EQUAL(ABI_STATUS_OUT_OF_RANGE, raw_status(raw_call(stat)));
    /* What only the kernel's own objects can do. */
    OWNED(file_handle) program = mint_file(&service, RIGHTS_MINTED, 2);
    EXPECT_STATUS(
        WRONG_CAPABILITY_TYPE,
        peal_process_spawn(file_borrow(&program), &(struct peal_spawn){.name = TEXT("none")})
            .status);
    struct question question;
    EXPECT_STATUS(WOULD_BLOCK, peal_service_receive_try(service_borrow(&service), &question));
}

GUEST_TEST(every_kind_can_be_minted_and_asked_what_it_is)
{
    OWNED(service_handle) service = make_service();
    for (uint32_t kind = 1; kind < ABI_KIND_COUNT; kind++) {
        peal_raw_handle raw;
        EXPECT_EQUAL(ABI_STATUS_OK, peal_raw_service_mint(service_borrow(&service), kind,
                                                          ABI_RIGHTS_ALL, kind * 10, &raw));
        ask(statting(raw));
        struct question question = receive(&service);
        EXPECT_EQUAL(kind, question.asked.kind);
        EXPECT_EQUAL(kind * 10, question.asked.badge);
        static struct abi_stat lies;
        memset(&lies, 0xff, sizeof(lies));
        lies.size_bytes = 5;
        EXPECT_STATUS(OK, reply(&question, answer_bytes((view){&lies, sizeof(lies)})));
        EXPECT(raw_is_ok(wait_for_answer()));
        const struct abi_stat *stat = (const struct abi_stat *)scratch.bytes;
        EXPECT_EQUAL(kind, stat->kind);
        EXPECT_EQUAL(ABI_RIGHTS_ALL, stat->rights);
        EXPECT_EQUAL(5, stat->size_bytes);
        EXPECT(stat->object_id != UINT64_MAX);
        peal_raw_close(raw);
        expect_closed(&service, kind * 10);
    }
    peal_raw_handle raw;
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT,
                 peal_raw_service_mint(service_borrow(&service), 0, ABI_RIGHTS_ALL, 0, &raw));
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT,
                 peal_raw_service_mint(service_borrow(&service), 31, ABI_RIGHTS_ALL, 0, &raw));
}

/* ---- answers that are refused ---- */

/* Replies to `question`, which stays open, and answers with which status that was refused. */
static uint32_t refused(const struct question *question, struct abi_submission submission)
{
    submission.op = ABI_OP_REQUEST_REPLY;
    submission.capability = question->request.raw;
    return (uint32_t)peal_call(&submission).status.code;
}

GUEST_TEST(an_answer_that_would_mislead_the_client_is_refused)
{
    OWNED(service_handle) service = make_service();
    OWNED(file_handle) file = mint_file(&service, RIGHTS_MINTED, 1);
    ask(reading(file.raw, 64));
    OWNED(question_owner) question = receive(&service);
    const uint32_t invalid = ABI_STATUS_INVALID_ARGUMENT;
    /* More bytes than there is room for. */
    EXPECT_EQUAL(invalid, refused(&question, (struct abi_submission){.args = {65}}));
    EXPECT_EQUAL(ABI_STATUS_OUT_OF_RANGE,
                 refused(&question, (struct abi_submission){.buffer_index = scratch.index,
                                                            .length_bytes = 65,
                                                            .args = {64}}));
    /* A status that does not exist, or that is the ring's own. */
    EXPECT_EQUAL(invalid, refused(&question, (struct abi_submission){.args = {0, 200}}));
    EXPECT_EQUAL(invalid, refused(&question, (struct abi_submission){.args = {0, 1ull << 32}}));
    EXPECT_EQUAL(invalid,
                 refused(&question, (struct abi_submission){.args = {0, ABI_STATUS_QUEUE_FULL}}));
    /* A failure with a value, with bytes, with a handle; a handle where a number is wanted. */
    EXPECT_EQUAL(invalid,
                 refused(&question, (struct abi_submission){.args = {1, ABI_STATUS_IO_ERROR}}));
    EXPECT_EQUAL(invalid,
                 refused(&question, (struct abi_submission){.buffer_index = scratch.index,
                                                            .length_bytes = 1,
                                                            .args = {0, ABI_STATUS_IO_ERROR}}));
    EXPECT_EQUAL(invalid, refused(&question, (struct abi_submission){.op_flags = ABI_REPLY_HANDLE,
                                                                     .args = {service.raw}}));
    EXPECT_EQUAL(invalid,
                 refused(&question, (struct abi_submission){
                                        .op_flags = ABI_REPLY_MINT | ABI_REPLY_KIND(ABI_KIND_FILE),
                                    }));
    EXPECT_EQUAL(invalid, refused(&question, (struct abi_submission){.offset_bytes = 1}));
    /* And after all that it is still there to be answered. */
    struct abi_completion completion;
    EXPECT(!answered(&completion));
    EXPECT_STATUS(OK, reply(&question, answer_status(FAIL(CONNECTION_RESET))));
    EXPECT_EQUAL(ABI_STATUS_CONNECTION_RESET, raw_status(wait_for_answer()));
}

GUEST_TEST(a_request_is_answered_once)
{
    OWNED(service_handle) service = make_service();
    OWNED(file_handle) file = mint_file(&service, RIGHTS_MINTED, 1);
    ask(reading(file.raw, 64));
    struct question question = receive(&service);
    peal_raw_handle raw = question.request.raw;
    EXPECT_STATUS(OK, reply(&question, answer_value(0)));
    EXPECT_STATUS(INVALID_CAPABILITY, peal_reply((request_handle){raw}, &(answer){.value = 0}));
    EXPECT(raw_is_ok(wait_for_answer()));
    /* Nor can it be kept by another handle. */
    ask(reading(file.raw, 64));
    question = receive(&service);
    EXPECT_EQUAL(0, raw_dup(question.request.raw, ABI_RIGHTS_ALL));
    request_result restricted = request_restrict(TAKE(question.request), ABI_RIGHT_CLOSE);
    EXPECT_STATUS(OK, restricted.status);
    EXPECT_STATUS(INSUFFICIENT_RIGHTS,
                  peal_reply(restricted.value, &(answer){.value = 0})); /* which closes it */
    EXPECT_EQUAL(ABI_STATUS_BROKEN_PIPE, raw_status(wait_for_answer()));
}

GUEST_TEST(a_request_that_is_closed_unanswered_breaks)
{
    OWNED(service_handle) service = make_service();
    OWNED(file_handle) file = mint_file(&service, RIGHTS_MINTED, 1);
    ask(reading(file.raw, 64));
    {
        OWNED(question_owner) question = receive(&service);
    }
    EXPECT_EQUAL(ABI_STATUS_BROKEN_PIPE, raw_status(wait_for_answer()));
}

/* ---- handles as answers ---- */

GUEST_TEST(opening_yields_what_the_server_minted_with_no_more_rights_than_the_client_has)
{
    OWNED(service_handle) service = make_service();
    {
        directory_result folder = peal_service_mint_directory(
            service_borrow(&service), ABI_RIGHTS_ALL & ~(uint64_t)ABI_RIGHT_WRITE, 1);
        OWNED(directory_handle) directory = TAKE(folder.value);
        ask(opening(directory.raw, RIGHTS_READ | ABI_RIGHT_WRITE, 0));
        struct question question = receive(&service);
        char path = 0;
        EXPECT_EQUAL(1, peal_question_read(&question, (span){&path, 1}, 0).value);
        EXPECT_EQUAL('x', path);
        EXPECT_STATUS(OK, reply(&question, answer_mint(ABI_KIND_FILE, ABI_RIGHTS_ALL, 2)));
        struct abi_completion completion = wait_for_answer();
        EXPECT(raw_is_ok(completion));
        OWNED(file_handle) file = {completion.value};
        ask(statting(file.raw));
        question = receive(&service);
        EXPECT_EQUAL(2, question.asked.badge);
        EXPECT_EQUAL(RIGHTS_READ, question.asked.rights);
        EXPECT_STATUS(OK, reply(&question, answer_status(FAIL(IO_ERROR))));
        EXPECT_EQUAL(ABI_STATUS_IO_ERROR, raw_status(wait_for_answer()));
    }
    expect_closed(&service, 2);
    expect_closed(&service, 1);
}

GUEST_TEST(opening_may_yield_a_handle_of_the_servers_own)
{
    OWNED(service_handle) service = make_service();
    directory_result folder =
        peal_service_mint_directory(service_borrow(&service), ABI_RIGHTS_ALL, 1);
    OWNED(directory_handle) directory = TAKE(folder.value);
    file_result real =
        peal_file_open(peal_granted_directory(TEXT("root")), TEXT("boot/bin/true"), ABI_RIGHTS_ALL);
    EXPECT_STATUS(OK, real.status);
    OWNED(file_handle) own = TAKE(real.value);
    ask(opening(directory.raw, ABI_RIGHTS_ALL, ABI_OPEN_MUST_BE_FILE));
    OWNED(question_owner) question = receive(&service);
    /* Not a file; a kind that was not wanted; no handle at all; the request itself. */
    EXPECT_EQUAL(ABI_STATUS_WRONG_CAPABILITY_TYPE,
                 refused(&question, (struct abi_submission){.op_flags = ABI_REPLY_HANDLE,
                                                            .args = {service.raw}}));
    EXPECT_EQUAL(ABI_STATUS_WRONG_CAPABILITY_TYPE,
                 refused(&question, (struct abi_submission){.op_flags = ABI_REPLY_HANDLE,
                                                            .args = {directory.raw}}));
    EXPECT_EQUAL(ABI_STATUS_WRONG_CAPABILITY_TYPE,
                 refused(&question, (struct abi_submission){.op_flags = ABI_REPLY_HANDLE,
                                                            .args = {question.request.raw}}));
    EXPECT_EQUAL(ABI_STATUS_INVALID_CAPABILITY,
                 refused(&question, (struct abi_submission){.op_flags = ABI_REPLY_HANDLE}));
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT, refused(&question, (struct abi_submission){}));
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT,
                 refused(&question, (struct abi_submission){.op_flags = 3, .args = {own.raw}}));
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT,
                 refused(&question,
                         (struct abi_submission){.op_flags = ABI_REPLY_MINT |
                                                             ABI_REPLY_KIND(ABI_KIND_DIRECTORY)}));
    EXPECT_STATUS(OK, reply(&question, answer_handle(TAKE(own).raw)));
    struct abi_completion completion = wait_for_answer();
    EXPECT(raw_is_ok(completion));
    OWNED(file_handle) given = {completion.value};
    struct abi_stat stat;
    EXPECT_STATUS(OK, file_stat(file_borrow(&given), &stat)); /* the kernel's file: it answers */
    EXPECT(stat.size_bytes > 1000);
}

/* ---- the window ---- */

GUEST_TEST(what_is_read_into_a_registered_window_lands_in_the_clients_memory)
{
    OWNED(service_handle) service = make_service();
    OWNED(file_handle) file = mint_file(&service, RIGHTS_MINTED, 1);
    file_result real =
        peal_file_open(peal_granted_directory(TEXT("root")), TEXT("boot/bin/true"), RIGHTS_READ);
    OWNED(file_handle) own = TAKE(real.value);
    memset(scratch.bytes, 0, 64);
    ask(reading(file.raw, 64));
    struct question question = receive(&service);
    struct abi_submission registering = {.op = ABI_OP_BUFFER_REGISTER,
                                         .capability = question.request.raw,
                                         .op_flags = ABI_ACCESS_WRITE};
    size_result registered = peal_call(&registering);
    EXPECT_STATUS(OK, registered.status);
    struct abi_submission filling = {.op = ABI_OP_READ,
                                     .capability = own.raw,
                                     .buffer_index = (uint32_t)registered.value,
                                     .length_bytes = 64};
    EXPECT_EQUAL(64, peal_call(&filling).value);
    EXPECT(memcmp(scratch.bytes, "\177ELF", 4) == 0);
    filling.length_bytes = 65; /* not a byte beyond what was lent */
    EXPECT_STATUS(OUT_OF_RANGE, peal_call(&filling).status);
    registering.op_flags = ABI_ACCESS_READ;
    EXPECT_STATUS(INSUFFICIENT_RIGHTS, peal_call(&registering).status);
    EXPECT_STATUS(OK, reply(&question, answer_value(64)));
    EXPECT_EQUAL(64, wait_for_answer().value);
    /* It ended before the client learned of it. */
    filling.length_bytes = 1;
    EXPECT(!is_ok(peal_call(&filling).status));
    EXPECT_STATUS(OK, peal_buffer_unregister((uint32_t)registered.value));
}

/* ---- the end of either side ---- */

/* In a child: serves one handle that its parent minted and gave it. */
static uint32_t part_serves(void)
{
    service_ref service = peal_granted_service(TEXT("service"));
    uint64_t answers = peal_environment_number(TEXT("answers"), 1);
    for (uint64_t i = 0; i < answers; i++) {
        struct question question;
        CHILD_CHECK(is_ok(peal_service_receive(service, &question)));
        CHILD_CHECK(is_ok(reply(&question, answer_value(i))));
    }
    struct question kept; /* and one that it takes along */
    CHILD_CHECK(is_ok(peal_service_receive(service, &kept)));
    return 0;
}

/* In a child: asks until it is ended. */
static uint32_t part_asks(void)
{
    scratch = raw_scratch_make(65536);
    uint64_t file = peal_granted_raw(TEXT("file"));
    while (raw_is_ok(raw_call(reading(file, 4096))))
        ;
    return 0;
}

static process_handle start_server(service_handle *service)
{
    struct peal_grant grants[] = {PEAL_GRANT("service", service_borrow(service), ABI_RIGHTS_ALL)};
    process_result started = child_start(PROGRAM, TEXT("serves"),
                                         &(struct peal_spawn){.grants = grants, .grants_count = 1});
    EXPECT_STATUS(OK, started.status);
    service_handle_drop(service); /* the child's is the only one */
    return started.value;
}

static void wait_for_end(const process_handle *process)
{
    struct abi_exit how;
    EXPECT_STATUS(OK, peal_process_wait(process_borrow(process), ABI_DEADLINE_NEVER, &how));
}

GUEST_TEST(a_server_that_ends_breaks_what_waits_what_it_has_and_what_comes)
{
    service_handle service = make_service();
    OWNED(file_handle) file = mint_file(&service, RIGHTS_MINTED, 1);
    OWNED(process_handle) server = start_server(&service);
    for (uint32_t i = 0; i < 5; i++)
        ask(reading(file.raw, 64));
    struct abi_completion completion = wait_for_answer();
    EXPECT(raw_is_ok(completion) && completion.value == 0);
    for (uint32_t i = 0; i < 4; i++)
        EXPECT_EQUAL(ABI_STATUS_BROKEN_PIPE, raw_status(wait_for_answer()));
    struct abi_exit how;
    EXPECT_STATUS(OK, peal_process_wait(process_borrow(&server), ABI_DEADLINE_NEVER, &how));
    EXPECT_EQUAL(0, how.code);
    EXPECT_EQUAL(ABI_STATUS_BROKEN_PIPE, raw_status(raw_call(reading(file.raw, 64))));
}

static process_handle start_client(const file_handle *file)
{
    struct peal_grant grants[] = {PEAL_GRANT("file", file_borrow(file), ABI_RIGHTS_ALL)};
    process_result started = child_start(PROGRAM, TEXT("asks"),
                                         &(struct peal_spawn){.grants = grants, .grants_count = 1});
    EXPECT_STATUS(OK, started.status);
    return started.value;
}

/* In a child: answers a request that is passed on to it. */
static uint32_t part_deputises(void)
{
    OWNED(channel_message) message = {0};
    CHILD_CHECK(is_ok(peal_channel_receive(peal_granted_channel(TEXT("channel")), &message)));
    request_handle request = channel_message_take_request(&message, 0);
    CHILD_CHECK(!request_is_nil(request_borrow(&request)));
    static char words[] = "from afar";
    answer reply = answer_bytes((view){words, 9});
    return is_ok(peal_reply(TAKE(request), &reply)) ? 0 : __LINE__;
}

GUEST_TEST(a_request_may_be_answered_by_whom_it_was_passed_on_to)
{
    OWNED(service_handle) service = make_service();
    {
        OWNED(file_handle) file = mint_file(&service, RIGHTS_READ, 8);
        OWNED(channel_pair) pair = {0};
        EXPECT_STATUS(OK, peal_channel_create(&pair, 0));
        struct peal_grant grants[] = {
            PEAL_GRANT("channel", channel_borrow(&pair.ends[1]), ABI_RIGHTS_ALL)};
        process_result started = child_start(
            PROGRAM, TEXT("deputises"), &(struct peal_spawn){.grants = grants, .grants_count = 1});
        EXPECT_STATUS(OK, started.status);
        OWNED(process_handle) deputy = TAKE(started.value);
        ask(reading(file.raw, 64));
        struct question question = receive(&service);
        struct peal_parcel passed_on = PEAL_MOVE(&question.request, ABI_RIGHTS_ALL);
        EXPECT_STATUS(
            OK, peal_channel_send_with(channel_borrow(&pair.ends[0]), (view){0}, &passed_on, 1));
        struct abi_completion completion = wait_for_answer();
        EXPECT(raw_is_ok(completion) && completion.value == 9);
        EXPECT(memcmp(scratch.bytes, "from afar", 9) == 0);
        struct abi_exit how;
        EXPECT_STATUS(OK, peal_process_wait(process_borrow(&deputy), ABI_DEADLINE_NEVER, &how));
        EXPECT_EQUAL(0, how.code);
    }
    expect_closed(&service, 8);
}

GUEST_TEST(a_client_that_ends_takes_back_what_it_lent)
{
    OWNED(service_handle) service = make_service();
    {
        OWNED(file_handle) file = mint_file(&service, RIGHTS_MINTED, 3);
        OWNED(process_handle) client = start_client(&file);
        struct question question = receive(&service);
        EXPECT_STATUS(OK, reply(&question, answer_value(1)));
        question = receive(&service);
        EXPECT_STATUS(OK, peal_process_kill(process_borrow(&client), 1));
        wait_for_end(&client);
        char byte = 0;
        EXPECT_STATUS(CAPABILITY_REVOKED,
                      peal_question_write(&question, (view){&byte, 1}, 0).status);
        EXPECT_STATUS(CAPABILITY_REVOKED, reply(&question, answer_value(1)));
    }
    expect_closed(&service, 3);
}

GUEST_TEST(a_client_that_ends_before_it_was_heard_is_never_heard)
{
    OWNED(service_handle) service = make_service();
    {
        OWNED(file_handle) file = mint_file(&service, RIGHTS_MINTED, 3);
        OWNED(process_handle) client = start_client(&file);
        ignore_status(peal_process_kill(process_borrow(&client), 1));
        wait_for_end(&client);
    }
    expect_closed(&service, 3);
    struct question question;
    EXPECT_STATUS(WOULD_BLOCK, peal_service_receive_try(service_borrow(&service), &question));
}

/* What the machine holds, to be the same before and after. */
struct holdings {
    uint64_t objects;
    uint64_t handles;
    uint64_t processes;
};
static struct holdings take_stock(void)
{
    struct abi_stat stat = {0};
    EXPECT_STATUS(OK, system_stat(peal_granted_system(TEXT("system")), &stat));
    return (struct holdings){.objects = stat.system.object_count,
                             .handles = stat.system.handle_count,
                             .processes = stat.system.process_count};
}

/* Objects that only history refers to go a moment later. */
static void expect_same(struct holdings before)
{
    struct holdings now = {0};
    for (uint32_t i = 0; i < 200; i++) {
        now = take_stock();
        if (memcmp(&now, &before, sizeof(now)) == 0) return;
        pause_ms(5);
    }
    EXPECT_EQUAL(before.objects, now.objects);
    EXPECT_EQUAL(before.handles, now.handles);
    EXPECT_EQUAL(before.processes, now.processes);
}

GUEST_TEST(servers_and_clients_that_die_at_any_point_leave_nothing_behind)
{
    uint64_t rounds = peal_environment_number(TEXT("SERVICE_ROUNDS"), 40);
    struct holdings before = {0};
    for (uint64_t round = 0; round < rounds && !guest_test_has_failed(); round++) {
        if (round == 3) before = take_stock(); /* caches are warm */
        service_handle service = make_service();
        OWNED(file_handle) file = mint_file(&service, RIGHTS_MINTED, 1);
        OWNED(process_handle) server = start_server(&service);
        OWNED(process_handle) client = start_client(&file);
        for (uint64_t i = 0; i < round % 4; i++)
            ask(reading(file.raw, 4096));
        if (round % 3 != 0) pause_ms(round % 3);
        process_handle *first = round % 2 ? &server : &client;
        process_handle *second = round % 2 ? &client : &server;
        ignore_status(peal_process_kill(process_borrow(first), 1));
        if (round % 5 == 0) pause_ms(1);
        ignore_status(peal_process_kill(process_borrow(second), 1));
        for (uint64_t i = 0; i < round % 4; i++)
            (void)wait_for_answer(); /* each of them, whatever it says */
        wait_for_end(&server);
        wait_for_end(&client);
    }
    expect_same(before);
}

/* ---- the file server ---- */

/*
 * In a child whose "root" is /boot/test, the kernel's or a served one: it must not be able to tell,
 * except by writing.
 */
static uint32_t part_explores(void)
{
    static uint8_t first[256], again[256];
    directory_ref root = peal_granted_directory(TEXT("root"));
    bool is_served = peal_environment_get(TEXT("served"), &(text){});
    struct abi_stat stat;
    CHILD_CHECK(is_ok(directory_stat(root, &stat)));
    CHILD_CHECK(stat.kind == ABI_KIND_DIRECTORY);
    CHILD_CHECK(peal_file_open(root, TEXT("none"), RIGHTS_READ).status.code == STATUS_NOT_FOUND);
    CHILD_CHECK(peal_file_open(root, TEXT("../bin"), RIGHTS_READ).status.code ==
                STATUS_PERMISSION_DENIED);
    CHILD_CHECK(peal_file_open(root, TEXT("/x"), RIGHTS_READ).status.code ==
                STATUS_PERMISSION_DENIED);
    CHILD_CHECK(peal_file_open(root, TEXT("a//b"), RIGHTS_READ).status.code ==
                STATUS_INVALID_ARGUMENT);
    CHILD_CHECK(peal_directory_open(root, TEXT("services"), RIGHTS_READ).status.code ==
                STATUS_NOT_FOUND);
    uint32_t count = 0;
    bool has_found = false;
    struct listing listing = {.raw = root.raw};
    const struct abi_directory_entry *entry;
    while ((entry = peal_list_directory(&listing)) != nullptr) {
        count++;
        has_found |= peal_text_equal(directory_entry_name(entry), TEXT("services"));
    }
    CHILD_CHECK(is_ok(listing.status) && has_found && count > 5);

    file_result opened = peal_file_open(root, TEXT("services"), RIGHTS_READ | ABI_RIGHT_WRITE);
    CHILD_CHECK(is_ok(opened.status));
    OWNED(file_handle) file = TAKE(opened.value);
    CHILD_CHECK(is_ok(file_stat(file_borrow(&file), &stat)));
    uint64_t size = stat.size_bytes;
    CHILD_CHECK(size > 10000 && stat.file.position_bytes == 0);
    CHILD_CHECK(peal_file_read(file_borrow(&file), SPAN_OF(first)).value == sizeof(first));
    CHILD_CHECK(memcmp(first, "\177ELF", 4) == 0);
    CHILD_CHECK(peal_file_read_at(file_borrow(&file), SPAN_OF(again), 0).value == sizeof(again));
    CHILD_CHECK(memcmp(first, again, sizeof(first)) == 0);
    CHILD_CHECK(peal_file_seek(file_borrow(&file), 0, ABI_SEEK_CURRENT).value == sizeof(first));
    CHILD_CHECK(peal_file_seek(file_borrow(&file), -10, ABI_SEEK_END).value == size - 10);
    CHILD_CHECK(peal_file_read(file_borrow(&file), SPAN_OF(again)).value == 10);
    CHILD_CHECK(peal_file_read(file_borrow(&file), SPAN_OF(again)).value == 0);
    CHILD_CHECK(peal_file_seek(file_borrow(&file), INT64_MIN, ABI_SEEK_CURRENT).value == 0);
    CHILD_CHECK(peal_file_seek(file_borrow(&file), INT64_MAX, ABI_SEEK_CURRENT).value == size);
    if (!is_served) return 0;

    /* Behind the end, so that what is between becomes zeros; seen through another handle. */
    CHILD_CHECK(peal_file_write_at(file_borrow(&file), (view){"new", 3}, size + 100).value == 3);
    file_result second = peal_file_open(root, TEXT("services"), RIGHTS_READ);
    CHILD_CHECK(is_ok(second.status));
    OWNED(file_handle) other = TAKE(second.value);
    CHILD_CHECK(peal_file_size(file_borrow(&other)).value == size + 103);
    CHILD_CHECK(peal_file_read_at(file_borrow(&other), SPAN_OF(again), size).value == 103);
    CHILD_CHECK(again[0] == 0 && again[99] == 0 && memcmp(again + 100, "new", 3) == 0);
    CHILD_CHECK(peal_file_write(file_borrow(&other), (view){"x", 1}).status.code ==
                STATUS_INSUFFICIENT_RIGHTS);
    return 0;
}

GUEST_TEST(programs_cannot_tell_a_served_tree_from_the_kernels)
{
    directory_ref root = peal_granted_directory(TEXT("root"));
    directory_result opened = peal_directory_open(root, TEXT("boot/test"), ABI_RIGHTS_ALL);
    EXPECT_STATUS(OK, opened.status);
    OWNED(directory_handle) folder = TAKE(opened.value);
    struct peal_grant own[] = {PEAL_GRANT("root", directory_borrow(&folder), ABI_RIGHTS_ALL)};
    EXPECT_EQUAL(0, child_run(PROGRAM, TEXT("explores"),
                              &(struct peal_spawn){.grants = own, .grants_count = 1}));

    file_result found = peal_file_open(root, TEXT("boot/bin/serve"), RIGHTS_EXECUTE);
    EXPECT_STATUS(OK, found.status);
    OWNED(file_handle) program = TAKE(found.value);
    const text arguments[] = {TEXT("serve"), TEXT("boot/test"), PROGRAM};
    const text environment[] = {TEXT("part=explores"), TEXT("served=yes")};
    struct peal_grant grants[] = {PEAL_GRANT("root", root, ABI_RIGHTS_ALL),
                                  PEAL_GRANT("cwd", root, ABI_RIGHTS_ALL)};
    process_result started =
        peal_process_spawn(file_borrow(&program), &(struct peal_spawn){.name = TEXT("serve"),
                                                                       .arguments = arguments,
                                                                       .arguments_count = 3,
                                                                       .environment = environment,
                                                                       .environment_count = 2,
                                                                       .grants = grants,
                                                                       .grants_count = 2});
    EXPECT_STATUS(OK, started.status);
    OWNED(process_handle) server = TAKE(started.value);
    struct abi_exit how = {0};
    EXPECT_STATUS(OK, peal_process_wait(process_borrow(&server), ABI_DEADLINE_NEVER, &how));
    EXPECT_EQUAL(ABI_EXIT_REASON_CODE, how.reason);
    EXPECT_EQUAL(0, how.code);
}

/* ---- order, taking back, running out ---- */

GUEST_TEST(what_is_more_urgent_is_received_first)
{
    static const uint16_t priorities[] = {0, 5, 7, 5};
    static const uint32_t order[] = {7, 5, 5, 0};
    OWNED(service_handle) service = make_service();
    OWNED(file_handle) file = mint_file(&service, RIGHTS_MINTED, 1);
    for (uint32_t i = 0; i < 4; i++) {
        struct abi_submission submission = reading(file.raw, 1);
        submission.priority = priorities[i];
        submission.offset_bytes = priorities[i];
        ask(submission);
    }
    for (uint32_t i = 0; i < 4; i++) {
        struct question question = receive(&service);
        EXPECT_EQUAL(order[i], question.asked.offset_bytes);
        EXPECT_STATUS(OK, reply(&question, answer_value(0)));
        (void)wait_for_answer();
    }
}

GUEST_TEST(taking_back_a_handle_waits_for_what_the_server_does_through_it)
{
    OWNED(service_handle) service = make_service();
    OWNED(file_handle) file = mint_file(&service, RIGHTS_MINTED, 1);
    file_result doubled = file_dup(file_borrow(&file), ABI_RIGHTS_ALL);
    OWNED(file_handle) given = TAKE(doubled.value);
    ask(reading(given.raw, 64));
    OWNED(question_owner) question = receive(&service);
    struct abi_submission revoke = {.op = ABI_OP_REVOKE, .capability = file.raw};
    size_result taken_back = peal_call(&revoke);
    EXPECT_STATUS(OK, taken_back.status);
    EXPECT_EQUAL(2, taken_back.value); /* the child's, and the request */
    EXPECT_EQUAL(ABI_STATUS_CAPABILITY_REVOKED, raw_status(wait_for_answer()));
    char byte = 0;
    EXPECT_STATUS(CAPABILITY_REVOKED, peal_question_write(&question, (view){&byte, 1}, 0).status);
    EXPECT_EQUAL(ABI_STATUS_CAPABILITY_REVOKED, raw_status(raw_call(reading(given.raw, 64))));
    /* The handle it was taken back with is as good as before. */
    ask(reading(file.raw, 64));
    struct question next = receive(&service);
    EXPECT_STATUS(OK, reply(&next, answer_value(0)));
    EXPECT(raw_is_ok(wait_for_answer()));
}

GUEST_TEST(taking_back_a_served_directory_takes_back_what_was_opened_through_it)
{
    OWNED(service_handle) service = make_service();
    directory_result folder =
        peal_service_mint_directory(service_borrow(&service), ABI_RIGHTS_ALL, 1);
    OWNED(directory_handle) directory = TAKE(folder.value);
    ask(opening(directory.raw, RIGHTS_READ, 0));
    struct question question = receive(&service);
    EXPECT_STATUS(OK, reply(&question, answer_mint(ABI_KIND_FILE, ABI_RIGHTS_ALL, 2)));
    OWNED(file_handle) file = {wait_for_answer().value};
    struct abi_submission revoke = {.op = ABI_OP_REVOKE, .capability = directory.raw};
    EXPECT_EQUAL(1, peal_call(&revoke).value);
    EXPECT_EQUAL(ABI_STATUS_CAPABILITY_REVOKED, raw_status(raw_call(reading(file.raw, 64))));
    expect_closed(&service, 2); /* nothing names it any more, though the number is still held */
}

GUEST_TEST(a_request_that_is_cancelled_or_out_of_time_comes_back_from_the_server)
{
    OWNED(service_handle) service = make_service();
    OWNED(file_handle) file = mint_file(&service, RIGHTS_MINTED, 1);
    struct abi_submission slow = reading(file.raw, 64);
    slow.flags = ABI_SUBMISSION_TIMEOUT;
    slow.timeout_ms = 3;
    for (uint32_t round = 0; round < 4; round++) {
        ask(round < 2 ? slow : reading(file.raw, 64));
        struct question question = {0};
        if (round % 2 == 1) question = receive(&service); /* in time, or it never comes */
        if (round >= 2) {
            struct abi_submission cancel = {.op = ABI_OP_CANCEL, .args = {ASKED}};
            EXPECT_EQUAL(1, peal_call(&cancel).value);
        }
        EXPECT_EQUAL(round < 2 ? ABI_STATUS_TIMED_OUT : ABI_STATUS_INTERRUPTED,
                     raw_status(wait_for_answer()));
        if (round % 2 == 1) EXPECT_STATUS(CAPABILITY_REVOKED, reply(&question, answer_value(0)));
        EXPECT_STATUS(WOULD_BLOCK, peal_service_receive_try(service_borrow(&service), &question));
    }
}

GUEST_TEST(one_receive_may_bring_many_requests_each_in_a_chunk_of_a_pool)
{
    static alignas(64) uint8_t chunks[2 * sizeof(struct abi_request)];
    OWNED(service_handle) service = make_service();
    OWNED(file_handle) file = mint_file(&service, RIGHTS_MINTED, 8);
    pool_result made = peal_pool_create(SPAN_OF(chunks), sizeof(struct abi_request));
    EXPECT_STATUS(OK, made.status);
    OWNED(pool) pool = TAKE(made.value);
    struct abi_submission receiving = {.op = ABI_OP_SERVICE_RECEIVE,
                                       .capability = service.raw,
                                       .buffer_index = pool.index,
                                       .op_flags = ABI_OP_FLAG_POOL | ABI_OP_FLAG_MULTISHOT};
    ask(receiving);
    uint64_t requests[2] = {0};
    for (uint32_t i = 0; i < 3; i++) {
        struct abi_submission submission = reading(file.raw, 8);
        submission.offset_bytes = i;
        ask(submission);
        struct abi_completion received = {0};
        EXPECT(answered(&received));
        if (i == 2) { /* no chunk: the request waits for the next receive */
            EXPECT_EQUAL(ABI_STATUS_WOULD_BLOCK, raw_status(received));
            EXPECT_EQUAL(0, received.flags);
            break;
        }
        EXPECT_EQUAL(ABI_COMPLETION_MORE | ABI_COMPLETION_CHUNK, received.flags);
        const struct abi_request *asked =
            (const struct abi_request *)peal_pool_chunk(&pool, received.detail);
        EXPECT(asked->offset_bytes == i && asked->badge == 8);
        requests[i] = received.value;
    }
    for (uint32_t i = 0; i < 2; i++) {
        EXPECT_STATUS(OK, peal_reply((request_handle){requests[i]}, &(answer){.value = i}));
        EXPECT_EQUAL(i, wait_for_answer().value);
    }
    struct question last = receive(&service);
    EXPECT_EQUAL(2, last.asked.offset_bytes);
    EXPECT_STATUS(OK, reply(&last, answer_value(2)));
    EXPECT_EQUAL(2, wait_for_answer().value);
    receiving.op_flags = ABI_OP_FLAG_MULTISHOT;
    receiving.buffer_index = scratch.index;
    receiving.length_bytes = 64;
    EXPECT_EQUAL(ABI_STATUS_INVALID_ARGUMENT, raw_status(raw_call(receiving)));
}

/* In a child with room for few handles: mints until it is told to stop, and serves afterwards. */
static uint32_t part_mints(void)
{
    OWNED(service_handle) service = make_service();
    peal_raw_handle raw = 0;
    uint32_t minted = 0;
    while (peal_raw_service_mint(service_borrow(&service), ABI_KIND_FILE, ABI_RIGHTS_ALL, minted,
                                 &raw) == ABI_STATUS_OK)
        CHILD_CHECK(minted++ < 100);
    CHILD_CHECK(minted > 10);
    struct question question; /* what failed was never told */
    CHILD_CHECK(peal_service_receive_try(service_borrow(&service), &question).code ==
                STATUS_WOULD_BLOCK);
    CHILD_CHECK(raw_dup(service.raw, ABI_RIGHTS_ALL) == 0);
    return 0;
}

GUEST_TEST(a_server_that_mints_without_end_meets_its_own_quota)
{
    EXPECT_EQUAL(0, child_run(PROGRAM, TEXT("mints"), &(struct peal_spawn){.handles_max = 40}));
}
