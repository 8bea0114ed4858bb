/*
 * Taking back: what REVOKE promises to whoever asks, and what becomes of those it is taken from;
 * and how a handle's history is told.
 */
#include "peal/bytes.h"
#include "peal/clock.h"
#include "peal/file.h"
#include "peal/process.h"
#include "peal/thread.h"
#include "support/child.h"
#include "support/guest_test.h"
#include "support/raw.h"

#define PROGRAM       TEXT("boot/test/revoke")
#define SCRATCH_BYTES (1u << 20)
#define ROUNDS        2000u /* of what must never fail; bench/ runs more */

static directory_ref root;
static uint64_t machine;
static struct raw_scratch scratch;

/* ---- submissions ---- */

static struct abi_completion revoke(uint64_t handle)
{
    return raw_call((struct abi_submission){.op = ABI_OP_REVOKE, .capability = handle});
}

/* Handles taken back, or UINT64_MAX. */
static uint64_t revoked(uint64_t handle)
{
    struct abi_completion done = revoke(handle);
    return raw_is_ok(done) ? done.value : UINT64_MAX;
}

static struct abi_completion stat_of(uint64_t handle)
{
    return raw_call((struct abi_submission){.op = ABI_OP_STAT,
                                            .capability = handle,
                                            .buffer_index = scratch.index,
                                            .length_bytes = sizeof(struct abi_stat)});
}

static bool works(uint64_t handle)
{
    return raw_is_ok(stat_of(handle));
}

static bool is_revoked(uint64_t handle)
{
    return raw_status(stat_of(handle)) == ABI_STATUS_CAPABILITY_REVOKED;
}

static uint64_t open_through(uint64_t directory, text path)
{
    memcpy(scratch.bytes, path.bytes, path.length);
    struct abi_completion done = raw_call((struct abi_submission){
        .op = ABI_OP_OPEN,
        .capability = directory,
        .buffer_index = scratch.index,
        .length_bytes = (uint32_t)path.length,
        .args = {ABI_RIGHTS_ALL},
    });
    return raw_is_ok(done) ? done.value : 0;
}

static uint64_t copy_of(uint64_t handle)
{
    return raw_dup(handle, ABI_RIGHTS_ALL);
}

/* ---- what is taken back ---- */

GUEST_TEST(duplicates_and_restrictions_are_taken_back_and_the_original_stays)
{
    uint64_t own = copy_of(scratch.handle);
    uint64_t copy = copy_of(own), second = copy_of(copy);
    uint64_t narrow = raw_restrict(copy_of(own), ABI_RIGHT_STAT); /* not even to be closed */
    REQUIRE(works(copy) && works(second) && works(narrow));
    EXPECT_EQUAL(3, revoked(own));
    EXPECT(is_revoked(copy) && is_revoked(second) && is_revoked(narrow));
    EXPECT(works(own) && works(scratch.handle));
    EXPECT_EQUAL(0, revoked(own));
    uint64_t later = copy_of(own);
    EXPECT(works(later));
    EXPECT(raw_close(copy) && raw_close(second) && raw_close(narrow) && raw_close(later));
    EXPECT(!raw_close(copy)); /* once */
    EXPECT(raw_close(own));
}

GUEST_TEST(what_was_taken_back_refuses_everything_but_to_be_closed)
{
    uint64_t own = copy_of(scratch.handle), copy = copy_of(own);
    EXPECT_EQUAL(1, revoked(own));
    static const uint8_t operations[] = {ABI_OP_DUP,        ABI_OP_RESTRICT,        ABI_OP_REVOKE,
                                         ABI_OP_BUFFER_MAP, ABI_OP_BUFFER_REGISTER, ABI_OP_READ};
    for (size_t i = 0; i < sizeof(operations); i++) {
        struct abi_submission request = {.op = operations[i], .capability = copy};
        if (operations[i] == ABI_OP_READ) request.length_bytes = 1;
        if (operations[i] == ABI_OP_BUFFER_MAP) request.args[1] = ABI_PAGE_BYTES;
        struct abi_completion done = raw_call(request);
        EXPECT_EQUAL(ABI_STATUS_CAPABILITY_REVOKED, raw_status(done));
        EXPECT_EQUAL(ABI_DETAIL_REVOKED, ABI_DETAIL_RIGHT(done.detail));
        EXPECT_EQUAL(1, ABI_DETAIL_STEP(done.detail)); /* `own`: a copy of the first */
    }
    EXPECT(raw_close(copy) && raw_close(own));
}

GUEST_TEST(what_was_opened_through_a_directory_ends_with_it)
{
    uint64_t folder = copy_of(root.raw);
    uint64_t boot = open_through(folder, TEXT("boot"));
    uint64_t file = open_through(boot, TEXT("bin/true"));
    uint64_t other = open_through(root.raw, TEXT("boot/bin/true"));
    REQUIRE(works(file) && works(other));
    EXPECT_EQUAL(1, revoked(boot));
    EXPECT(is_revoked(file) && works(boot) && works(folder) && works(other));
    EXPECT_EQUAL(1, revoked(folder)); /* the file is not counted again */
    EXPECT(is_revoked(boot) && works(other));
    EXPECT(raw_close(file) && raw_close(boot) && raw_close(other) && raw_close(folder));
}

GUEST_TEST(a_closed_handle_passes_on_what_it_owes)
{
    uint64_t own = copy_of(scratch.handle), middle = copy_of(own), leaf = copy_of(middle);
    EXPECT(raw_close(middle));
    EXPECT_EQUAL(1, revoked(own));
    EXPECT(is_revoked(leaf));
    EXPECT(raw_close(leaf) && raw_close(own));
}

GUEST_TEST(thousands_are_taken_back_by_one_call)
{
    static uint64_t handles[2000];
    uint64_t own = copy_of(scratch.handle);
    uint32_t count = 0;
    for (; count < sizeof(handles) / sizeof(handles[0]); count++) {
        /* A bush: each is a copy of one about half as old. */
        handles[count] = copy_of(count < 3 ? own : handles[count / 2]);
        if (handles[count] == 0) break;
    }
    EXPECT_EQUAL(sizeof(handles) / sizeof(handles[0]), count);
    EXPECT_EQUAL(count, revoked(own));
    for (uint32_t i = 0; i < count; i++)
        EXPECT(is_revoked(handles[i]) && raw_close(handles[i]));
    EXPECT(works(own) && raw_close(own));
}

GUEST_TEST(a_survivor_works_after_any_number_of_revocations)
{
    uint64_t own = copy_of(scratch.handle), beside = copy_of(scratch.handle);
    for (uint32_t i = 0; i < ROUNDS && !guest_test_has_failed(); i++) {
        uint64_t copy = copy_of(own), second = copy_of(copy);
        EXPECT_EQUAL(2, revoked(own));
        EXPECT(works(own) && works(beside));
        EXPECT(raw_close(copy) && raw_close(second));
    }
    EXPECT(raw_close(own) && raw_close(beside));
}

/* ---- other processes ---- */

/* Uses what it was given until that is taken back. */
static int play_borrower(void)
{
    file_ref gift = peal_granted_file(TEXT("gift"));
    struct abi_stat stat;
    status outcome;
    do
        outcome = file_stat(gift, &stat);
    while (is_ok(outcome));
    CHILD_CHECK(outcome.code == STATUS_CAPABILITY_REVOKED);
    return 0;
}

/* Has itself taken back what derives from its gift: it may, for the gift is its own. */
static int play_lender(void)
{
    file_result copied = file_dup(peal_granted_file(TEXT("gift")), ABI_RIGHTS_ALL);
    CHILD_CHECK(is_ok(copied.status));
    OWNED(file_handle) copy = TAKE(copied.value);
    size_result taken = file_revoke(peal_granted_file(TEXT("gift")));
    CHILD_CHECK(is_ok(taken.status) && taken.value == 1);
    struct abi_stat stat;
    CHILD_CHECK(file_stat(file_borrow(&copy), &stat).code == STATUS_CAPABILITY_REVOKED);
    return 0;
}

static process_result start_with_gift(text part, uint64_t gift)
{
    struct peal_grant grants[] = {
        {.name = TEXT("root"), .raw = root.raw, .rights = ABI_RIGHTS_ALL},
        {.name = TEXT("gift"), .raw = gift, .rights = ABI_RIGHTS_ALL},
    };
    return child_start(PROGRAM, part, &(struct peal_spawn){.grants = grants, .grants_count = 2});
}

GUEST_TEST(a_gift_to_another_process_is_taken_back)
{
    uint64_t file = open_through(root.raw, PROGRAM);
    for (uint32_t round = 0; round < 5; round++) {
        process_result started = start_with_gift(TEXT("borrower"), file);
        REQUIRE(is_ok(started.status));
        OWNED(process_handle) process = TAKE(started.value);
        EXPECT_STATUS(OK, peal_sleep_until(peal_deadline_in_ms(round * 2)));
        EXPECT_EQUAL(1, revoked(file));
        struct abi_exit how = {0};
        EXPECT_STATUS(
            OK, peal_process_wait(process_borrow(&process), peal_deadline_in_ms(20000), &how));
        EXPECT_EQUAL(0, how.code);
        EXPECT(works(file));
    }
    EXPECT(raw_close(file));
}

GUEST_TEST(whoever_was_given_a_handle_takes_back_only_what_it_gave_on)
{
    uint64_t file = open_through(root.raw, PROGRAM), beside = copy_of(file);
    process_result started = start_with_gift(TEXT("lender"), file);
    REQUIRE(is_ok(started.status));
    OWNED(process_handle) process = TAKE(started.value);
    struct abi_exit how = {0};
    EXPECT_STATUS(OK,
                  peal_process_wait(process_borrow(&process), peal_deadline_in_ms(20000), &how));
    EXPECT_EQUAL(0, how.code);
    EXPECT(works(file) && works(beside));
    EXPECT(raw_close(file) && raw_close(beside));
}

GUEST_TEST(what_a_dead_process_gave_on_can_still_be_taken_back)
{
    uint64_t file = open_through(root.raw, PROGRAM);
    uint64_t copy = copy_of(file);
    process_result started = start_with_gift(TEXT("lender"), file);
    REQUIRE(is_ok(started.status));
    OWNED(process_handle) process = TAKE(started.value);
    struct abi_exit how = {0};
    EXPECT_STATUS(OK,
                  peal_process_wait(process_borrow(&process), peal_deadline_in_ms(20000), &how));
    EXPECT_EQUAL(1, revoked(file)); /* the child's own are gone: only ours is counted */
    EXPECT(is_revoked(copy));
    EXPECT(raw_close(copy) && raw_close(file));
}

/* ---- several threads ---- */

static int return_at_once(uint64_t ignored)
{
    (void)ignored;
    return 0;
}

#define THREADS 3u

static void run_threads(int (*entry)(uint64_t argument), void (*meanwhile)(void))
{
    running_thread threads[THREADS];
    uint32_t count = 0;
    for (; count < THREADS; count++) {
        running_thread_result started = peal_thread_create(entry, count);
        if (!is_ok(started.status)) break;
        threads[count] = TAKE(started.value);
    }
    EXPECT_EQUAL(THREADS, count);
    meanwhile();
    for (uint32_t i = 0; i < count; i++) {
        size_result ended = peal_thread_join(&threads[i]);
        EXPECT(is_ok(ended.status));
        EXPECT_EQUAL(0, ended.value);
    }
}

/* ---- what is under way ---- */

#define WAITS   40u
#define REVOKED 99u /* user data */

static uint64_t endless_timer(void)
{
    struct abi_completion made = raw_call(
        (struct abi_submission){.op = ABI_OP_TIMER_CREATE, .args = {ABI_DEADLINE_NEVER, 0}});
    return raw_is_ok(made) ? made.value : 0;
}

static struct abi_submission wait_through(uint64_t timer, uint64_t user_data)
{
    return (struct abi_submission){
        .op = ABI_OP_TIMER_WAIT, .capability = timer, .user_data = user_data};
}

/* So many completions, in their order. */
static uint32_t reap_all(struct abi_completion *completions, uint32_t count)
{
    uint32_t done = 0;
    while (done < count && !guest_test_has_failed()) {
        done += raw_reap(completions + done, count - done);
        if (done < count) raw_enter(1, peal_deadline_in_ms(20000));
    }
    return done;
}

GUEST_TEST(what_waits_through_a_handle_ends_before_its_revocation_does)
{
    uint64_t timer = endless_timer();
    uint64_t copy = copy_of(timer), below = copy_of(copy);
    REQUIRE(timer != 0 && below != 0);
    struct abi_submission requests[WAITS + 1];
    for (uint32_t i = 0; i < WAITS; i++)
        requests[i] = wait_through(i % 2 == 0 ? copy : below, i);
    requests[WAITS] =
        (struct abi_submission){.op = ABI_OP_REVOKE, .capability = timer, .user_data = REVOKED};
    EXPECT_EQUAL(WAITS + 1, raw_publish(requests, WAITS + 1));
    EXPECT_EQUAL(WAITS + 1, ABI_ENTER_ACCEPTED(raw_enter(0, 0)));

    struct abi_completion completions[WAITS + 1];
    REQUIRE(reap_all(completions, WAITS + 1) == WAITS + 1);
    uint64_t seen = 0;
    for (uint32_t i = 0; i < WAITS; i++) { /* the barrier: all of them, then it */
        EXPECT_EQUAL(ABI_STATUS_CAPABILITY_REVOKED, raw_status(completions[i]));
        EXPECT(completions[i].user_data < WAITS);
        seen |= 1ull << completions[i].user_data;
    }
    EXPECT_EQUAL((1ull << WAITS) - 1, seen);
    EXPECT_EQUAL(REVOKED, completions[WAITS].user_data);
    EXPECT(raw_is_ok(completions[WAITS]));
    EXPECT_EQUAL(2, completions[WAITS].value);
    EXPECT(works(timer));
    EXPECT(raw_close(below) && raw_close(copy) && raw_close(timer));
}

GUEST_TEST(a_wait_through_the_handle_that_stays_goes_on)
{
    uint64_t timer = endless_timer();
    uint64_t copy = copy_of(timer);
    struct abi_submission requests[] = {
        wait_through(timer, 1),
        wait_through(copy, 2),
        {.op = ABI_OP_REVOKE, .capability = timer, .user_data = REVOKED},
    };
    EXPECT_EQUAL(3, raw_publish(requests, 3));
    EXPECT_EQUAL(3, ABI_ENTER_ACCEPTED(raw_enter(0, 0)));
    struct abi_completion completions[2];
    REQUIRE(reap_all(completions, 2) == 2);
    EXPECT_EQUAL(2, completions[0].user_data);
    EXPECT_EQUAL(REVOKED, completions[1].user_data);
    EXPECT_EQUAL(0, raw_reap(completions, 1));
    struct abi_submission set = {
        .op = ABI_OP_TIMER_SET, .capability = timer, .args = {1, 0}, .user_data = 3};
    EXPECT_EQUAL(1, raw_publish(&set, 1));
    EXPECT_EQUAL(1, ABI_ENTER_ACCEPTED(raw_enter(0, 0)));
    REQUIRE(reap_all(completions, 2) == 2);
    EXPECT(raw_is_ok(completions[0]) && raw_is_ok(completions[1]));
    EXPECT(raw_close(copy) && raw_close(timer));
}

static uint64_t waited_for;
static int wait_for_ever(uint64_t ignored)
{
    (void)ignored;
    struct abi_completion done = raw_call(wait_through(waited_for, 0));
    if (raw_status(done) != ABI_STATUS_CAPABILITY_REVOKED) return __LINE__;
    return ABI_DETAIL_RIGHT(done.detail) == ABI_DETAIL_REVOKED ? 0 : __LINE__;
}

static uint64_t revoked_timer;
static void revoke_the_timer(void)
{
    ignore_status(peal_sleep_until(peal_deadline_in_ms(5)));
    EXPECT_EQUAL(1, revoked(revoked_timer));
}

GUEST_TEST(threads_that_wait_are_told_with_the_step)
{
    revoked_timer = endless_timer();
    waited_for = copy_of(revoked_timer);
    run_threads(wait_for_ever, revoke_the_timer);
    EXPECT(raw_close(waited_for) && raw_close(revoked_timer));
}

static uint64_t contested;
static uint32_t is_over;

/* Derives from and uses what another thread revokes, as fast as it can. */
static int derive_and_use(uint64_t seed)
{
    (void)seed;
    while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
        buffer_ref shared = {contested};
        buffer_result made = buffer_dup(shared, ABI_RIGHTS_ALL);
        if (!is_ok(made.status)) return __LINE__;
        OWNED(buffer_handle) copy = TAKE(made.value);
        buffer_result below = buffer_dup(buffer_borrow(&copy), ABI_RIGHTS_ALL);
        if (!is_ok(below.status) && below.status.code != STATUS_CAPABILITY_REVOKED) return __LINE__;
        OWNED(buffer_handle) second = TAKE(below.value);
        struct abi_stat stat;
        status used = buffer_stat(buffer_borrow(&copy), &stat);
        if (!is_ok(used) && used.code != STATUS_CAPABILITY_REVOKED) return __LINE__;
        size_result taken = buffer_revoke(buffer_borrow(&copy));
        if (!is_ok(taken.status) && taken.status.code != STATUS_CAPABILITY_REVOKED) return __LINE__;
    }
    return 0;
}

static void do_nothing(void)
{
}

static void revoke_for_a_while(void)
{
    uint64_t limit = peal_deadline_in_ms(300);
    for (uint32_t i = 0; (i < ROUNDS / 4 && peal_clock_now_ns() < limit) || i < 10; i++)
        EXPECT(revoked(contested) != UINT64_MAX);
    __atomic_store_n(&is_over, 1, __ATOMIC_RELAXED);
}

GUEST_TEST(threads_that_derive_and_revoke_at_once_leave_nothing_behind)
{
    contested = copy_of(scratch.handle);
    is_over = 0;
    run_threads(derive_and_use, revoke_for_a_while);
    EXPECT(works(contested) && raw_close(contested));
}

/* ---- history ---- */

static const struct abi_derivation *record_at(uint64_t index)
{
    return (const void *)(scratch.bytes + index * sizeof(struct abi_derivation));
}

/* Records of one EXPLAIN, in the scratch buffer. */
static uint64_t explained(uint64_t handle, uint64_t length)
{
    struct abi_completion done =
        raw_call((struct abi_submission){.op = ABI_OP_EXPLAIN,
                                         .capability = handle,
                                         .buffer_index = scratch.index,
                                         .length_bytes = (uint32_t)length});
    return raw_is_ok(done) ? done.value / sizeof(struct abi_derivation) : UINT64_MAX;
}

GUEST_TEST(a_handle_tells_how_it_came_to_be)
{
    uint64_t folder = copy_of(root.raw);
    uint64_t file = open_through(folder, PROGRAM);
    uint64_t narrow = raw_restrict(copy_of(file), ABI_RIGHT_STAT | ABI_RIGHT_CLOSE);
    REQUIRE(works(narrow));
    struct abi_stat stat;
    memcpy(&stat, scratch.bytes, sizeof(stat));
    uint64_t count = explained(narrow, SCRATCH_BYTES);
    REQUIRE(count != UINT64_MAX && count >= 4);
    static const uint32_t origins[] = {ABI_ORIGIN_RESTRICT, ABI_ORIGIN_OPENED, ABI_ORIGIN_DUP};
    for (uint64_t i = 0; i < count; i++) {
        const struct abi_derivation *record = record_at(i);
        EXPECT_EQUAL(sizeof(*record), record->record_bytes);
        if (i < 3) EXPECT_EQUAL(origins[i], record->origin);
        EXPECT(i > 0 || record->handle == narrow);
        EXPECT(i > 0 || record->object_id == stat.object_id);
        EXPECT_EQUAL(i + 1 < count ? record_at(i + 1)->id : 0, record->parent_id);
        if (i + 1 < count) EXPECT(record->step > record_at(i + 1)->step);
        if (i + 1 < count) EXPECT((record->rights & ~record_at(i + 1)->rights) == 0);
    }
    EXPECT_EQUAL(file, record_at(1)->handle);
    EXPECT_EQUAL(folder, record_at(2)->handle);
    EXPECT_EQUAL(record_at(0)->holder_process, record_at(0)->origin_process);
    EXPECT_EQUAL(ABI_ORIGIN_CREATED, record_at(count - 1)->origin);
    EXPECT_EQUAL(0, record_at(count - 1)->step);
    /* A span for less holds the beginning. */
    EXPECT_EQUAL(2, explained(narrow, 2 * sizeof(struct abi_derivation) + 1));
    EXPECT_EQUAL(file, record_at(1)->handle);
    EXPECT_EQUAL(UINT64_MAX, explained(narrow, sizeof(struct abi_derivation) - 1));
    EXPECT(raw_close(narrow) && raw_close(file) && raw_close(folder));
}

/* Those who reach the object with a handle, counted by holder: ours, and others'. */
static uint64_t reachers(uint64_t object_id, uint64_t length)
{
    uint64_t count = 0, cookie = 0, last = 0;
    for (;;) {
        struct abi_completion done =
            raw_call((struct abi_submission){.op = ABI_OP_REACH,
                                             .capability = machine,
                                             .buffer_index = scratch.index,
                                             .length_bytes = (uint32_t)length,
                                             .args = {object_id, cookie}});
        if (!raw_is_ok(done)) return UINT64_MAX;
        if (done.value == 0) return count;
        for (uint64_t i = 0; i < done.value / sizeof(struct abi_derivation); i++) {
            EXPECT_EQUAL(object_id, record_at(i)->object_id);
            EXPECT(record_at(i)->id > last);
            last = record_at(i)->id;
            cookie = record_at(i)->next_cookie;
            count++;
        }
    }
}

GUEST_TEST(whoever_can_reach_an_object_is_listed)
{
    uint64_t file = open_through(root.raw, PROGRAM);
    REQUIRE(works(file));
    struct abi_stat stat;
    memcpy(&stat, scratch.bytes, sizeof(stat));
    uint64_t before = reachers(stat.object_id, SCRATCH_BYTES);
    EXPECT(before != UINT64_MAX && before >= 1);
    uint64_t copies[10];
    for (uint32_t i = 0; i < 10; i++)
        copies[i] = copy_of(i < 5 ? file : copies[0]);
    EXPECT_EQUAL(before + 10, reachers(stat.object_id, SCRATCH_BYTES));
    EXPECT_EQUAL(before + 10, reachers(stat.object_id, sizeof(struct abi_derivation)));
    EXPECT_EQUAL(UINT64_MAX, reachers(stat.object_id, sizeof(struct abi_derivation) - 1));
    EXPECT_EQUAL(5, revoked(copies[0]));
    EXPECT_EQUAL(before + 5, reachers(stat.object_id, SCRATCH_BYTES));
    EXPECT_EQUAL(0, reachers(UINT64_MAX, SCRATCH_BYTES));
    for (uint32_t i = 0; i < 10; i++)
        EXPECT(raw_close(copies[i]));
    EXPECT(raw_close(file));
}

GUEST_TEST_SETUP
{
    if (child_plays(TEXT("borrower"))) peal_exit(play_borrower());
    if (child_plays(TEXT("lender"))) peal_exit(play_lender());
    root = peal_granted_directory(TEXT("root"));
    machine = peal_granted_system(TEXT("system")).raw;
    scratch = raw_scratch_make(SCRATCH_BYTES);
    run_threads(return_at_once, do_nothing); /* the library keeps their stacks */
    guest_test_need_grants();
}
