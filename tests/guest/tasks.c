/*
 * Tasks, pendings, groups and deadlines: that they wait for the right things, are told to stop
 * wherever they are, and leave nothing behind.
 */
#include "peal/await.h"
#include "peal/call.h"
#include "peal/clock.h"
#include "peal/group.h"
#include "peal/heap.h"
#include "peal/memory.h"
#include "peal/mutex.h"
#include "peal/process.h"
#include "peal/sync.h"
#include "support/child.h"
#include "support/guest_test.h"
#include "support/raw.h"

#define PROGRAM TEXT("boot/test/tasks")
#define MS      1'000'000ul

enum { MANY = 2000 };

/* The calls give what was only pushed, a cancellation perhaps, the time to end. */
static void expect_nothing_in_flight(void)
{
    for (uint32_t i = 0; i < 3; i++)
        EXPECT_STATUS(OK, peal_nop().status);
    EXPECT_EQUAL(raw_ring()->accepted_total, raw_ring()->completed_total);
}

/* ---- waiting in tasks ---- */

static uint32_t turns[MANY + 300];
static struct semaphore gate;

/* All of a group are there before one goes on, so that as many stacks are needed as there are. */
static status take_turns(void *argument)
{
    TRY(semaphore_take(&gate));
    for (uint32_t i = 0; i < 5; i++) {
        TRY(peal_nop().status);
        (*(uint32_t *)argument)++;
    }
    return OK;
}

/* So many tasks at once; the first failure. */
static status run_many(uint32_t count)
{
    OWNED(task_group) group = {0};
    group_begin(&group);
    for (uint32_t i = 0; i < count; i++)
        TRY(group_spawn(&group, take_turns, &turns[i]));
    semaphore_give(&gate, count);
    return group_wait(&group);
}

GUEST_TEST(thousands_of_tasks_make_calls_at_once)
{
    __builtin_memset(turns, 0, sizeof(turns));
    EXPECT_STATUS(OK, run_many(MANY));
    for (uint32_t i = 0; i < MANY; i++)
        EXPECT_EQUAL(5, turns[i]);
}

GUEST_TEST(what_many_tasks_ask_goes_to_the_kernel_together)
{
    uint64_t entered = raw_ring()->entered_total, accepted = raw_ring()->accepted_total;
    EXPECT_STATUS(OK, run_many(32));
    uint64_t asked = raw_ring()->accepted_total - accepted;
    entered = raw_ring()->entered_total - entered;
    EXPECT(asked >= 5 * 32);
    EXPECT_MESSAGE(entered <= asked / 16, "%lu entries for %lu requests", entered, asked);
}

static status sleep_until(void *argument)
{
    return peal_sleep_until(*(uint64_t *)argument);
}

GUEST_TEST(tasks_sleep_beside_each_other)
{
    uint64_t until_ns = peal_deadline_in_ms(30), start_ns = peal_clock_now_ns();
    OWNED(task_group) group = {0};
    group_begin(&group);
    for (uint32_t i = 0; i < 20; i++)
        EXPECT_STATUS(OK, group_spawn(&group, sleep_until, &until_ns));
    EXPECT_STATUS(OK, group_wait(&group));
    uint64_t now_ns = peal_clock_now_ns();
    EXPECT(now_ns >= until_ns);
    EXPECT_MESSAGE(now_ns - start_ns < 300 * MS, "%lu ms", (now_ns - start_ns) / MS);
}

/* More operations that do not end by themselves than a ring has slots. */
GUEST_TEST(more_tasks_than_slots_wait_for_room)
{
    static uint64_t until_ns[1000];
    const uint32_t count = 1000;
    OWNED(task_group) group = {0};
    group_begin(&group);
    for (uint32_t i = 0; i < count; i++) {
        until_ns[i] = peal_deadline_in_ms(1 + i % 7);
        EXPECT_STATUS(OK, group_spawn(&group, sleep_until, &until_ns[i]));
    }
    EXPECT_STATUS(OK, group_wait(&group));
    expect_nothing_in_flight();
}

static status count_to_ten(void *argument)
{
    uint32_t *shared = argument;
    for (uint32_t i = 0; i < 10; i++) {
        uint32_t seen = *shared;
        task_yield();
        if (*shared == seen) return FAIL(WOULD_BLOCK); /* nobody else had a turn */
        *shared = seen + 1;
    }
    return OK;
}

static status add_one_forever(void *argument)
{
    while (is_ok(task_check())) {
        ++*(uint32_t *)argument;
        task_yield();
    }
    return OK;
}

GUEST_TEST(a_yield_lets_the_others_run)
{
    uint32_t shared = 0;
    OWNED(task_group) adders = {0};
    OWNED(task_group) counters = {0};
    group_begin(&adders);
    group_begin(&counters);
    EXPECT_STATUS(OK, group_spawn(&adders, add_one_forever, &shared));
    EXPECT_STATUS(OK, group_spawn(&counters, count_to_ten, &shared));
    EXPECT_STATUS(OK, group_wait(&counters));
    group_cancel(&adders);
    EXPECT_EQUAL(0, adders.running);
}

static status read_control_words(void *argument)
{
    uint32_t mxcsr;
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    *(uint32_t *)argument = mxcsr;
    mxcsr |= 0x6000; /* rounds toward zero */
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    task_yield();
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    return mxcsr == (*(uint32_t *)argument | 0x6000) ? OK : FAIL(IO_ERROR);
}

GUEST_TEST(each_task_rounds_as_it_likes)
{
    uint32_t first = 0, second = 0, mine, mine_after;
    __asm__ volatile("stmxcsr %0" : "=m"(mine));
    OWNED(task_group) group = {0};
    group_begin(&group);
    EXPECT_STATUS(OK, group_spawn(&group, read_control_words, &first));
    EXPECT_STATUS(OK, group_spawn(&group, read_control_words, &second));
    EXPECT_STATUS(OK, group_wait(&group));
    __asm__ volatile("stmxcsr %0" : "=m"(mine_after));
    EXPECT_EQUAL(0x1f80, first & ~0x3fu);
    EXPECT_EQUAL(0x1f80, second & ~0x3fu);
    EXPECT_EQUAL(mine & ~0x3fu, mine_after & ~0x3fu);
}

static status be_refused(void *argument)
{
    /* The detail stays this task's, whatever others are refused meanwhile. */
    directory_ref root = peal_granted_directory(TEXT("root"));
    directory_result narrowed = directory_dup(root, *(uint64_t *)argument);
    TRY(narrowed.status);
    OWNED(directory_handle) folder = TAKE(narrowed.value);
    struct listing listing = {.raw = folder.raw};
    if (peal_list_directory(&listing) != nullptr) return FAIL(IO_ERROR);
    uint32_t detail = peal_refusal_detail();
    for (uint32_t i = 0; i < 4; i++)
        TRY(peal_nop().status);
    return peal_refusal_detail() == detail && detail != 0 ? OK : FAIL(IO_ERROR);
}

GUEST_TEST(why_a_call_was_refused_is_told_to_the_task_that_made_it)
{
    static uint64_t rights[] = {ABI_RIGHT_CLOSE, ABI_RIGHT_CLOSE | ABI_RIGHT_STAT};
    OWNED(task_group) group = {0};
    group_begin(&group);
    for (uint32_t i = 0; i < 20; i++)
        EXPECT_STATUS(OK, group_spawn(&group, be_refused, &rights[i % 2]));
    EXPECT_STATUS(OK, group_wait(&group));
}

/* ---- begin and await ---- */

GUEST_TEST(operations_that_were_begun_overlap)
{
    uint64_t start_ns = peal_clock_now_ns();
    peal_pending sleeps[40];
    for (uint32_t i = 0; i < 40; i++)
        sleeps[i] = peal_sleep_until_begin(start_ns + (20 + i % 3) * MS);
    for (uint32_t i = 0; i < 40; i++)
        EXPECT_STATUS(OK, peal_await(&sleeps[i]).status);
    uint64_t ns = peal_clock_now_ns() - start_ns;
    EXPECT_MESSAGE(ns >= 22 * MS && ns < 400 * MS, "%lu ms", ns / MS);
}

GUEST_TEST(a_pending_gives_its_result_once)
{
    peal_pending pending = peal_begin(&(struct abi_submission){.op = ABI_OP_NOP});
    EXPECT_STATUS(OK, peal_await(&pending).status);
    EXPECT_STATUS(INVALID_ARGUMENT, peal_await(&pending).status);
    peal_pending refused = peal_begin(&(struct abi_submission){.op = ABI_OP_CLOSE});
    EXPECT_STATUS(INVALID_CAPABILITY, peal_await(&refused).status);
    peal_pending nil = {0};
    peal_pending_drop(&nil);
}

GUEST_TEST(what_belongs_to_the_raw_ring_is_not_begun)
{
    static const uint8_t flags[] = {ABI_SUBMISSION_LINK, ABI_SUBMISSION_HARD_LINK,
                                    ABI_SUBMISSION_SKIP_SUCCESS, 128};
    uint64_t accepted = raw_ring()->accepted_total;
    for (uint32_t i = 0; i < sizeof(flags); i++) {
        peal_pending pending =
            peal_begin(&(struct abi_submission){.op = ABI_OP_NOP, .flags = flags[i]});
        EXPECT_STATUS(INVALID_ARGUMENT, peal_await(&pending).status);
    }
    peal_pending many =
        peal_begin(&(struct abi_submission){.op = ABI_OP_SLEEP, .op_flags = ABI_OP_FLAG_MULTISHOT});
    EXPECT_STATUS(INVALID_ARGUMENT, peal_await(&many).status);
    EXPECT_EQUAL(accepted, raw_ring()->accepted_total);
}

GUEST_TEST(await_of_what_has_completed_enters_nothing)
{
    peal_pending first = peal_begin(&(struct abi_submission){.op = ABI_OP_NOP});
    peal_pending second = peal_begin(&(struct abi_submission){.op = ABI_OP_NOP});
    EXPECT_STATUS(OK, peal_submit(0, 0).status);
    uint64_t entered = raw_ring()->entered_total;
    EXPECT(peal_is_done(&second));
    EXPECT_STATUS(OK, peal_await(&second).status);
    EXPECT_STATUS(OK, peal_await(&first).status);
    EXPECT_EQUAL(entered, raw_ring()->entered_total);
}

GUEST_TEST(a_dropped_pending_cancels_what_it_began)
{
    uint64_t start_ns = peal_clock_now_ns();
    {
        OWNED(peal_pending) dropped = peal_sleep_until_begin(ABI_DEADLINE_NEVER);
        OWNED(peal_pending) other = peal_sleep_until_begin(peal_deadline_in_ms(60'000));
        EXPECT_STATUS(OK, peal_submit(0, 0).status);
    }
    EXPECT(peal_clock_now_ns() - start_ns < 10'000 * MS);
    expect_nothing_in_flight();
}

GUEST_TEST(a_dropped_pending_closes_the_handle_it_yielded)
{
    static const char name[] = "boot"; /* registered memory */
    for (uint32_t i = 0; i < 3; i++) {
        OWNED(peal_pending)
        opened = peal_file_open_begin(peal_granted_directory(TEXT("root")),
                                      (text){name, sizeof(name) - 1}, RIGHTS_FOLDER);
        OWNED(peal_pending)
        made = peal_begin(
            &(struct abi_submission){.op = ABI_OP_BUFFER_CREATE, .args = {ABI_PAGE_BYTES}});
        if (i == 1) EXPECT_STATUS(OK, peal_submit(0, 0).status);
        if (i == 2) EXPECT_STATUS(NOT_FOUND, peal_await_file(&opened).status); /* a folder */
    }
}

GUEST_TEST(a_cancelled_pending_says_so)
{
    peal_pending sleep = peal_sleep_until_begin(ABI_DEADLINE_NEVER);
    peal_cancel(&sleep);
    peal_cancel(&sleep);
    EXPECT_STATUS(INTERRUPTED, peal_await(&sleep).status);
    peal_pending nop = peal_begin(&(struct abi_submission){.op = ABI_OP_NOP});
    peal_cancel(&nop);
    EXPECT_STATUS(OK, peal_await(&nop).status);
}

GUEST_TEST(whichever_is_done_first_is_found)
{
    peal_pending pendings[] = {peal_sleep_until_begin(ABI_DEADLINE_NEVER), (peal_pending){0},
                               peal_sleep_until_begin(peal_deadline_in_ms(5)),
                               peal_sleep_until_begin(peal_deadline_in_ms(15))};
    EXPECT_EQUAL(2, peal_await_any(pendings, 4));
    EXPECT_STATUS(OK, peal_await(&pendings[2]).status);
    EXPECT_EQUAL(3, peal_await_any(pendings, 4));
    EXPECT_STATUS(OK, peal_await(&pendings[3]).status);
    peal_pending_drop(&pendings[0]);
    EXPECT_EQUAL(4, peal_await_any(pendings, 4));
}

/* ---- beside raw use of the ring ---- */

static status make_calls(void *argument)
{
    for (uint32_t i = 0; i < *(uint32_t *)argument; i++)
        TRY(peal_nop().status);
    return OK;
}

GUEST_TEST(tasks_and_raw_submissions_share_a_ring)
{
    uint32_t calls = 50, reaped = 0;
    uint64_t sum = 0;
    OWNED(task_group) group = {0};
    group_begin(&group);
    for (uint32_t i = 0; i < 8; i++)
        EXPECT_STATUS(OK, group_spawn(&group, make_calls, &calls));
    for (uint64_t i = 1; i <= 30; i++) {
        struct abi_submission *slot = peal_ring_slot();
        REQUIRE(slot != nullptr);
        peal_prepare_nop(slot, (struct abi_submission){.user_data = i});
        peal_ring_push();
        EXPECT_STATUS(OK, peal_nop().status);
    }
    EXPECT_STATUS(OK, group_wait(&group));
    EXPECT_STATUS(OK, peal_submit(30, 0).status);
    struct abi_completion done;
    for (; peal_reap(&done); reaped++)
        sum += done.user_data;
    EXPECT_EQUAL(30, reaped);
    EXPECT_EQUAL(30 * 31 / 2, sum);
    EXPECT_EQUAL(raw_ring()->completion_head, raw_ring()->completion_tail);
}

GUEST_TEST(a_raw_wait_is_not_satisfied_by_what_others_began)
{
    peal_pending nop = peal_begin(&(struct abi_submission){.op = ABI_OP_NOP});
    struct abi_submission *slot = peal_ring_slot();
    peal_prepare_sleep(slot,
                       (struct abi_submission){.user_data = 9, .args = {peal_deadline_in_ms(5)}});
    peal_ring_push();
    EXPECT_STATUS(OK, peal_submit(1, ABI_DEADLINE_NEVER).status);
    struct abi_completion done;
    EXPECT(peal_reap(&done) && done.user_data == 9);
    EXPECT(!peal_reap(&done));
    EXPECT_STATUS(OK, peal_await(&nop).status);
}

/* ---- groups ---- */

struct family {
    uint32_t depth;
    uint32_t *alive;
    bool forever;
};

/* Each has two children, which have two. */
static status found_family(void *argument)
{
    const struct family *mine = argument;
    struct family children = {mine->depth - 1, mine->alive, mine->forever};
    ++*mine->alive;
    status ended = OK;
    if (mine->depth > 0) {
        OWNED(task_group) group = {0};
        group_begin(&group);
        for (uint32_t i = 0; i < 2 && is_ok(ended); i++)
            ended = group_spawn(&group, found_family, &children);
        if (is_ok(ended)) ended = group_wait(&group);
    } else if (mine->forever) {
        ended = peal_sleep_until(ABI_DEADLINE_NEVER);
    }
    --*mine->alive;
    return ended;
}

GUEST_TEST(groups_nest_and_nobody_outlives_theirs)
{
    uint32_t alive = 0;
    struct family family = {5, &alive, false};
    OWNED(task_group) group = {0};
    group_begin(&group);
    EXPECT_STATUS(OK, group_spawn(&group, found_family, &family));
    EXPECT_STATUS(OK, group_wait(&group));
    EXPECT_EQUAL(0, alive);
}

GUEST_TEST(cancelling_a_group_reaches_the_members_of_its_members_groups)
{
    uint32_t alive = 0;
    struct family family = {4, &alive, true};
    OWNED(task_group) group = {0};
    group_begin(&group);
    EXPECT_STATUS(OK, group_spawn(&group, found_family, &family));
    for (uint32_t i = 0; i < 10; i++)
        task_yield();
    EXPECT_EQUAL(31, alive);
    group_stop(&group);
    EXPECT_STATUS(INTERRUPTED, group_wait(&group));
    EXPECT_EQUAL(0, alive);
    EXPECT_STATUS(INTERRUPTED, group_spawn(&group, found_family, &family));
}

static status fail_with(void *argument)
{
    task_yield();
    return *(status *)argument;
}

static status sleep_forever(void *)
{
    return peal_sleep_until(ABI_DEADLINE_NEVER);
}

GUEST_TEST(a_group_tells_the_first_failure)
{
    status outcomes[] = {OK, FAIL(NOT_FOUND), FAIL(IO_ERROR)};
    OWNED(task_group) group = {0};
    group_begin(&group);
    for (uint32_t i = 0; i < 3; i++)
        EXPECT_STATUS(OK, group_spawn(&group, fail_with, &outcomes[i]));
    EXPECT_STATUS(NOT_FOUND, group_wait(&group));
    EXPECT_STATUS(OK, group_wait(&group));
    EXPECT_STATUS(OK, group_spawn(&group, fail_with, &outcomes[2])); /* it can go on */
    EXPECT_STATUS(IO_ERROR, group_wait(&group));
}

GUEST_TEST(a_group_that_fails_together_stops_at_the_first_failure)
{
    status outcome = FAIL(NOT_FOUND);
    OWNED(task_group) group = {.fails_together = true};
    group_begin(&group);
    for (uint32_t i = 0; i < 5; i++)
        EXPECT_STATUS(OK, group_spawn(&group, sleep_forever, nullptr));
    EXPECT_STATUS(OK, group_spawn(&group, fail_with, &outcome));
    EXPECT_STATUS(NOT_FOUND, group_wait(&group));
}

/* As a TRY in the middle would. */
static void leave_group_early(uint32_t *alive)
{
    struct family family = {2, alive, true};
    OWNED(task_group) group = {0};
    group_begin(&group);
    EXPECT_STATUS(OK, group_spawn(&group, found_family, &family));
    for (uint32_t i = 0; i < 5; i++)
        task_yield();
    EXPECT_EQUAL(7, *alive);
}

GUEST_TEST(leaving_a_groups_scope_cancels_it)
{
    uint32_t alive = 0;
    leave_group_early(&alive);
    EXPECT_EQUAL(0, alive);
}

/* ---- being told to stop at every point ---- */

static uint32_t never_woken;
static process_ref waited_process;
static uint8_t typed[16];

static status wait_in_sleep(void *)
{
    return peal_sleep_until(ABI_DEADLINE_NEVER);
}

static status wait_in_await(void *)
{
    OWNED(peal_pending) other = peal_sleep_until_begin(ABI_DEADLINE_NEVER);
    OWNED(peal_pending) sleep = peal_sleep_until_begin(ABI_DEADLINE_NEVER);
    return peal_await(&sleep).status;
}

static status wait_in_await_any(void *)
{
    peal_pending sleeps[] = {peal_sleep_until_begin(ABI_DEADLINE_NEVER),
                             peal_sleep_until_begin(ABI_DEADLINE_NEVER)};
    uint32_t done = peal_await_any(sleeps, 2);
    peal_pending_drop(&sleeps[0]);
    peal_pending_drop(&sleeps[1]);
    return done == 2 ? task_check() : FAIL(IO_ERROR);
}

static status wait_on_word(void *)
{
    return peal_address_wait(&never_woken, 0, ABI_DEADLINE_NEVER);
}

static status wait_for_process(void *)
{
    struct abi_exit how;
    return peal_process_wait(waited_process, ABI_DEADLINE_NEVER, &how);
}

static status wait_for_typing(void *)
{
    stream_ref console = stream_of_console(peal_granted_console(TEXT("console")));
    return peal_stream_read(console, SPAN_OF(typed)).status;
}

static status wait_for_group(void *)
{
    OWNED(task_group) group = {0};
    group_begin(&group);
    TRY(group_spawn(&group, wait_in_sleep, nullptr));
    return group_wait(&group);
}

static status wait_for_semaphore(void *)
{
    static struct semaphore none;
    return semaphore_take(&none);
}

static status wait_for_condition(void *)
{
    static struct mutex mutex;
    static struct condition never;
    status waited = OK;
    mutex_lock(&mutex);
    while (is_ok(waited))
        waited = condition_wait(&never, &mutex);
    mutex_unlock(&mutex);
    return waited;
}

static status wait_by_yielding(void *)
{
    while (is_ok(task_check()))
        task_yield();
    return task_check();
}

static status wait_for_room(void *)
{
    static peal_pending sleeps[ABI_RING_ENTRIES_DEFAULT * 2];
    status ended = OK;
    for (uint32_t i = 0; i < ABI_RING_ENTRIES_DEFAULT * 2; i++)
        sleeps[i] = peal_sleep_until_begin(ABI_DEADLINE_NEVER);
    for (uint32_t i = 0; i < ABI_RING_ENTRIES_DEFAULT * 2; i++) {
        status one = peal_await(&sleeps[i]).status;
        if (!is_ok(one)) ended = one;
    }
    return ended;
}

struct wait_point {
    const char *name;
    task_function *function;
};
static const struct wait_point wait_points[] = {
    {"sleep", wait_in_sleep},          {"semaphore", wait_for_semaphore},
    {"condition", wait_for_condition}, {"await", wait_in_await},
    {"await any", wait_in_await_any},  {"word", wait_on_word},
    {"process", wait_for_process},     {"console", wait_for_typing},
    {"group", wait_for_group},         {"yield", wait_by_yielding},
    {"room", wait_for_room},
};
enum { WAIT_POINTS = sizeof(wait_points) / sizeof(wait_points[0]) };

/* Stops one waiting task after so many turns of its, so that it is caught at different moments. */
static void stop_at(const struct wait_point *point, uint32_t after_turns)
{
    OWNED(task_group) group = {0};
    group_begin(&group);
    EXPECT_STATUS(OK, group_spawn(&group, point->function, nullptr));
    for (uint32_t i = 0; i < after_turns; i++)
        task_yield();
    group_stop(&group);
    status ended = group_wait(&group);
    EXPECT_MESSAGE(ended.code == STATUS_INTERRUPTED, "%s after %u: %.*s", point->name, after_turns,
                   TEXT_ARGUMENTS(peal_status_name(ended)));
    expect_nothing_in_flight();
}

GUEST_TEST(a_task_is_stopped_wherever_it_waits)
{
    process_result started = child_start(PROGRAM, TEXT("sleeper"), &(struct peal_spawn){0});
    REQUIRE(is_ok(started.status));
    OWNED(process_handle) child = TAKE(started.value);
    waited_process = process_borrow(&child);
    static const uint32_t moments[] = {0, 1, 2, 3, 70, 200};
    for (uint32_t i = 0; i < WAIT_POINTS; i++)
        for (uint32_t j = 0; j < sizeof(moments) / sizeof(moments[0]); j++)
            stop_at(&wait_points[i], moments[j]);
    EXPECT_STATUS(OK, peal_process_kill(waited_process, 0));
    struct abi_exit how;
    EXPECT_STATUS(OK, peal_process_wait(waited_process, ABI_DEADLINE_NEVER, &how));
}

GUEST_TEST(many_tasks_in_different_places_are_stopped_together)
{
    OWNED(task_group) group = {0};
    group_begin(&group);
    for (uint32_t i = 0; i < 300; i++) {
        const struct wait_point *point = &wait_points[i % 6];
        EXPECT_STATUS(OK, group_spawn(&group, point->function, nullptr));
    }
    for (uint32_t i = 0; i < 5; i++)
        task_yield();
    group_stop(&group);
    EXPECT_STATUS(INTERRUPTED, group_wait(&group));
    expect_nothing_in_flight();
}

static status clean_up_when_stopped(void *argument)
{
    buffer_result made = peal_buffer_create(ABI_PAGE_BYTES, 0);
    TRY(made.status);
    OWNED(buffer_handle) buffer = TAKE(made.value); /* closed although the task is stopped */
    status ended = peal_sleep_until(ABI_DEADLINE_NEVER);
    if (ended.code != STATUS_INTERRUPTED) return FAIL(IO_ERROR);
    if (peal_sleep_until(0).code != STATUS_INTERRUPTED) return FAIL(IO_ERROR); /* at once */
    {
        OWNED(task_scope) shield = {0};
        peal_with_shield(&shield);
        TRY(peal_sleep_until(peal_deadline_in_ms(2))); /* goes through */
        OWNED(task_scope) limit = {0};
        peal_with_deadline(&limit, peal_deadline_in_ms(2));
        if (peal_sleep_until(ABI_DEADLINE_NEVER).code != STATUS_TIMED_OUT) return FAIL(IO_ERROR);
    }
    *(bool *)argument = peal_sleep_until(0).code == STATUS_INTERRUPTED;
    return OK;
}

GUEST_TEST(a_stopped_task_cleans_up_behind_a_shield)
{
    bool came_to_its_end = false;
    OWNED(task_group) group = {0};
    group_begin(&group);
    EXPECT_STATUS(OK, group_spawn(&group, clean_up_when_stopped, &came_to_its_end));
    task_yield();
    group_stop(&group);
    EXPECT_STATUS(OK, group_wait(&group));
    EXPECT(came_to_its_end);
}

/* ---- deadlines ---- */

GUEST_TEST(a_deadline_cancels_outside_tasks_too)
{
    uint64_t deadline_ns = peal_deadline_in_ms(5);
    OWNED(task_scope) limit = {0};
    peal_with_deadline(&limit, deadline_ns);
    EXPECT_STATUS(OK, peal_sleep_until(peal_deadline_in_ms(1)));
    EXPECT_STATUS(TIMED_OUT, peal_sleep_until(ABI_DEADLINE_NEVER));
    EXPECT(peal_clock_now_ns() >= deadline_ns);
    EXPECT_STATUS(TIMED_OUT, peal_sleep_until(0));
    EXPECT_STATUS(TIMED_OUT, peal_scope_reason(&limit));
}

GUEST_TEST(a_deadline_of_zero_is_past_and_one_of_never_does_not_come)
{
    {
        OWNED(task_scope) limit = {0};
        peal_with_deadline(&limit, 0);
        EXPECT_STATUS(TIMED_OUT, peal_sleep_until(0));
        OWNED(peal_pending) sleep = peal_sleep_until_begin(0);
        EXPECT_STATUS(TIMED_OUT, peal_await(&sleep).status);
    }
    {
        OWNED(task_scope) limit = {0};
        peal_with_deadline(&limit, ABI_DEADLINE_NEVER);
        EXPECT_STATUS(OK, peal_sleep_until(peal_deadline_in_ms(2)));
    }
    {
        OWNED(task_scope) limit = {0};
        peal_with_deadline(&limit, ABI_DEADLINE_NEVER - 1);
        EXPECT_STATUS(OK, peal_sleep_until(peal_deadline_in_ms(2)));
    }
    EXPECT_STATUS(OK, peal_sleep_until(0));
}

GUEST_TEST(of_nested_deadlines_the_earlier_one_wins)
{
    uint64_t start_ns = peal_clock_now_ns();
    OWNED(task_scope) outer = {0};
    peal_with_deadline(&outer, start_ns + 30 * MS);
    {
        OWNED(task_scope) inner = {0};
        peal_with_deadline(&inner, start_ns + 5 * MS);
        EXPECT_STATUS(TIMED_OUT, peal_sleep_until(ABI_DEADLINE_NEVER));
    }
    EXPECT_STATUS(OK, peal_sleep_until(0)); /* the outer one goes on */
    {
        OWNED(task_scope) inner = {0};
        peal_with_deadline(&inner, start_ns + 60'000 * MS);
        EXPECT_STATUS(TIMED_OUT, peal_sleep_until(ABI_DEADLINE_NEVER));
    }
    EXPECT_STATUS(TIMED_OUT, peal_sleep_until(0));
    EXPECT(peal_clock_now_ns() - start_ns < 20'000 * MS);
}

GUEST_TEST(a_deadline_around_a_group_stops_its_members)
{
    OWNED(task_scope) limit = {0};
    peal_with_deadline(&limit, peal_deadline_in_ms(10));
    OWNED(task_group) group = {0};
    group_begin(&group);
    for (uint32_t i = 0; i < 10; i++)
        EXPECT_STATUS(OK, group_spawn(&group, wait_points[i % 5].function, nullptr));
    EXPECT_STATUS(TIMED_OUT, group_wait(&group));
}

static status finish_in_time(void *argument)
{
    OWNED(task_scope) limit = {0};
    peal_with_deadline(&limit, peal_deadline_in_ms(*(uint64_t *)argument));
    return peal_sleep_until(peal_deadline_in_ms(40));
}

GUEST_TEST(each_task_has_its_own_deadline)
{
    static uint64_t short_ms = 5, long_ms = 60'000;
    OWNED(task_group) late = {0};
    OWNED(task_group) timely = {0};
    group_begin(&late);
    group_begin(&timely);
    for (uint32_t i = 0; i < 50; i++) {
        EXPECT_STATUS(OK, group_spawn(&late, finish_in_time, &short_ms));
        EXPECT_STATUS(OK, group_spawn(&timely, finish_in_time, &long_ms));
    }
    EXPECT_STATUS(TIMED_OUT, group_wait(&late));
    EXPECT_STATUS(OK, group_wait(&timely));
}

static status yield_until_stopped(void *argument)
{
    while (is_ok(task_check())) {
        ++*(uint64_t *)argument;
        task_yield();
    }
    return task_check();
}

GUEST_TEST(a_deadline_comes_among_tasks_that_only_yield)
{
    uint64_t yields = 0;
    OWNED(task_scope) limit = {0};
    peal_with_deadline(&limit, peal_deadline_in_ms(5));
    OWNED(task_group) group = {0};
    group_begin(&group);
    for (uint32_t i = 0; i < 3; i++)
        EXPECT_STATUS(OK, group_spawn(&group, yield_until_stopped, &yields));
    EXPECT_STATUS(TIMED_OUT, group_wait(&group));
    EXPECT(yields > 0);
}

/* ---- stacks and memory ---- */

__attribute__((noinline)) static uint64_t go_deeper(uint64_t depth, uint64_t *above)
{
    uint64_t here[16] = {depth, (uint64_t)above};
    __asm__ volatile("" : : "r"(here) : "memory");
    return depth == 0 ? here[0] : go_deeper(depth - 1, here) + here[0];
}

static status recurse(void *argument)
{
    return go_deeper(*(uint64_t *)argument, nullptr) == 0 ? FAIL(IO_ERROR) : OK;
}

/* A frame larger than the guard page, of which only the far end is used. */
__attribute__((noinline)) static status leap_over_guard(void *)
{
    uint8_t far[64 << 10];
    __asm__ volatile("movb $1, %0" : "=m"(far[0]));
    return OK;
}

static int play_overflow(task_function *function)
{
    static uint64_t depth = 100'000;
    OWNED(task_group) group = {0};
    group_begin(&group);
    CHILD_CHECK(is_ok(group_spawn(&group, function, &depth)));
    CHILD_CHECK(is_ok(group_wait(&group)));
    return 0;
}

GUEST_TEST(running_over_the_end_of_a_tasks_stack_ends_the_program)
{
    static const text parts[] = {TEXT("recurse"), TEXT("leap")};
    for (uint32_t i = 0; i < 2; i++) {
        struct abi_exit how = child_end(PROGRAM, parts[i], &(struct peal_spawn){0});
        EXPECT_EQUAL(ABI_EXIT_REASON_FAULT, how.reason);
        EXPECT_EQUAL(14, how.fault_vector);
    }
}

GUEST_TEST(a_task_can_have_a_larger_stack)
{
    static uint64_t deep = 3000; /* some 450 KiB */
    OWNED(task_group) group = {.stack_bytes = 1u << 20};
    group_begin(&group);
    EXPECT_STATUS(OK, group_spawn(&group, recurse, &deep));
    EXPECT_STATUS(OK, group_wait(&group));
    OWNED(task_group) larger = {.stack_bytes = (1u << 20) + 1};
    group_begin(&larger);
    EXPECT_STATUS(OUT_OF_RANGE, group_spawn(&larger, recurse, &deep));
    OWNED(task_group) smaller = {.stack_bytes = 100};
    group_begin(&smaller);
    EXPECT_STATUS(OUT_OF_RANGE, group_spawn(&smaller, recurse, &deep));
}

static status wait_for_gate(void *)
{
    return semaphore_take(&gate);
}

#define EMERGENCY_BYTES (64u << 10)

/* Spawns up to `count` tasks that wait, then lets them go. How many there were, and how it ended.
 */
static uint32_t spawn_waiting(uint32_t count, void *emergency, status *out_spawned)
{
    uint32_t spawned = 0;
    OWNED(task_group) group = {0};
    group_begin(&group);
    *out_spawned = OK;
    while (spawned < count && is_ok(*out_spawned)) {
        *out_spawned = group_spawn(&group, wait_for_gate, nullptr);
        if (is_ok(*out_spawned)) spawned++;
    }
    if (emergency != nullptr && !is_ok(peal_memory_unmap(emergency))) return 0;
    task_yield();
    semaphore_give(&gate, spawned);
    return is_ok(group_wait(&group)) ? spawned : 0;
}

/*
 * Spawns until it is refused. Those that are there still work, and as many can be there again. What
 * the program itself touches for the first time without memory would end it: some is kept for that.
 */
static int play_exhaustion(void)
{
    status spawned;
    pointer_result emergency = peal_memory_map(EMERGENCY_BYTES);
    CHILD_CHECK(is_ok(emergency.status));
    __builtin_memset(emergency.value, 1, EMERGENCY_BYTES);
    uint32_t count = spawn_waiting(10'000, emergency.value, &spawned);
    CHILD_CHECK(spawned.code == STATUS_OUT_OF_MEMORY || spawned.code == STATUS_QUOTA_EXCEEDED);
    CHILD_CHECK(count > 50);
    for (uint32_t i = 0; i < 3; i++) {
        CHILD_CHECK(spawn_waiting(count, nullptr, &spawned) == count);
        CHILD_CHECK(is_ok(spawned));
    }
    return 0;
}

GUEST_TEST(spawning_without_memory_is_refused_and_loses_nothing)
{
    EXPECT_EQUAL(0, child_run(PROGRAM, TEXT("exhaustion"),
                              &(struct peal_spawn){.memory_max_bytes = 4u << 20}));
    EXPECT_EQUAL(0, child_run(PROGRAM, TEXT("exhaustion"), &(struct peal_spawn){0}));
}

/* ---- several threads ---- */

static int run_tasks_on_thread(uint64_t argument)
{
    static uint32_t calls = 40;
    for (uint64_t round = 0; round < argument; round++) {
        OWNED(task_group) group = {0};
        group_begin(&group);
        for (uint32_t i = 0; i < 50; i++)
            if (!is_ok(group_spawn(&group, make_calls, &calls))) return 1;
        OWNED(peal_pending) nop = peal_begin(&(struct abi_submission){.op = ABI_OP_NOP});
        if (!is_ok(peal_await(&nop).status)) return 2;
        if (!is_ok(group_wait(&group))) return 3;
    }
    return 0;
}

/* So many threads with tasks of their own; how many ended well. */
static uint32_t run_threads(uint32_t count)
{
    running_thread threads[8];
    uint32_t made = 0, well = 0;
    for (; made < count; made++) {
        running_thread_result started = peal_thread_create(run_tasks_on_thread, 5);
        if (!is_ok(started.status)) break;
        threads[made] = TAKE(started.value);
    }
    for (uint32_t i = 0; i < made; i++) {
        size_result code = peal_thread_join(&threads[i]);
        well += is_ok(code.status) && code.value == 0;
    }
    return well;
}

GUEST_TEST(every_thread_has_tasks_of_its_own)
{
    EXPECT_EQUAL(6, run_threads(6));
}

static status join_thread(void *argument)
{
    size_result code = peal_thread_join(argument);
    return is_ok(code.status) && code.value != 0 ? FAIL(IO_ERROR) : code.status;
}

GUEST_TEST(tasks_wait_for_threads)
{
    running_thread threads[4];
    OWNED(task_group) group = {0};
    group_begin(&group);
    for (uint32_t i = 0; i < 4; i++) {
        running_thread_result started = peal_thread_create(run_tasks_on_thread, 2);
        REQUIRE(is_ok(started.status));
        threads[i] = TAKE(started.value);
        EXPECT_STATUS(OK, group_spawn(&group, join_thread, &threads[i]));
    }
    EXPECT_STATUS(OK, group_wait(&group));
}

/* ---- a program made of tasks ---- */

/* A whole tree into one that a server keeps in memory, read back and compared. */
GUEST_TEST(a_tree_is_copied_with_many_operations_in_flight)
{
    static const text arguments[] = {TEXT("serve"), TEXT("/boot"), TEXT("/boot/bin/treecopy"),
                                     TEXT("-v"),    TEXT("bin"),   TEXT("copy")};
    file_result opened = peal_file_open(peal_granted_directory(TEXT("root")),
                                        TEXT("boot/bin/serve"), RIGHTS_EXECUTE);
    REQUIRE(is_ok(opened.status));
    OWNED(file_handle) program = TAKE(opened.value);
    stream_ref out = peal_granted_stream(TEXT("stdout"));
    struct peal_grant grants[] = {
        PEAL_GRANT("root", peal_granted_directory(TEXT("root")), ABI_RIGHTS_ALL),
        PEAL_GRANT("stdin", out, ABI_RIGHTS_ALL),
        PEAL_GRANT("stdout", out, ABI_RIGHTS_ALL),
        PEAL_GRANT("stderr", out, ABI_RIGHTS_ALL),
    };
    process_result started =
        peal_process_spawn(file_borrow(&program), &(struct peal_spawn){.name = arguments[0],
                                                                       .arguments = arguments,
                                                                       .arguments_count = 6,
                                                                       .grants = grants,
                                                                       .grants_count = 4});
    REQUIRE(is_ok(started.status));
    OWNED(process_handle) process = TAKE(started.value);
    struct abi_exit how = {.code = 99};
    EXPECT_STATUS(OK, peal_process_wait(process_borrow(&process), ABI_DEADLINE_NEVER, &how));
    EXPECT_EQUAL(0, how.code);
}

/* The library keeps stacks, of tasks and threads: they are made before anything is counted. */
GUEST_TEST_SETUP
{
    if (child_plays(TEXT("recurse"))) peal_exit(play_overflow(recurse));
    if (child_plays(TEXT("leap"))) peal_exit(play_overflow(leap_over_guard));
    if (child_plays(TEXT("exhaustion"))) peal_exit(play_exhaustion());
    if (child_plays(TEXT("sleeper"))) peal_exit(!is_ok(peal_sleep_until(ABI_DEADLINE_NEVER)));
    ignore_status(run_many(MANY + 300));
    run_threads(6);
    static uint64_t shallow = 1;
    OWNED(task_group) large = {.stack_bytes = 1u << 20};
    group_begin(&large);
    ignore_status(group_spawn(&large, recurse, &shallow));
    ignore_status(group_wait(&large));
    guest_test_need_grants();
}
