/* Timers: expirations are exact, waits end in order, and nothing is left of a timer that is gone.
 */
#include "peal/clock.h"
#include "peal/ring.h"
#include "peal/thread.h"
#include "peal/timer.h"
#include "support/child.h"
#include "support/guest_test.h"
#include "support/raw.h"

#define PROGRAM    TEXT("boot/test/timers")
#define MS         1'000'000ull
#define CENTURY_NS 3'155'760'000'000'000'000ull
#define NEVER      ABI_DEADLINE_NEVER
#define PERIOD_MIN ABI_TIMER_PERIOD_NS_MIN
#define OFTEN      MS /* but not so often that a slow kernel does nothing else */

static struct abi_completion completions[2 * ABI_RING_ENTRIES_DEFAULT];

static struct abi_submission wait_for(timer_ref timer)
{
    return (struct abi_submission){.op = ABI_OP_TIMER_WAIT, .capability = timer.raw};
}

static timer_handle make(uint64_t deadline_ns, uint64_t period_ns)
{
    timer_result made = peal_timer_create((struct timer_setting){deadline_ns, period_ns});
    EXPECT(is_ok(made.status));
    return made.value;
}

static void submit(struct abi_submission submission, uint64_t user_data)
{
    submission.user_data = user_data;
    EXPECT_EQUAL(1, raw_publish(&submission, 1));
    EXPECT_EQUAL(1, ABI_ENTER_ACCEPTED(raw_enter(0, 0)));
}

/* Takes so many completions, however many enters that needs: what calls have left in the ring ends
 * the wait of one. */
static void take(uint32_t count)
{
    uint32_t taken = 0;
    while ((taken += raw_reap(completions + taken, count - taken)) < count)
        raw_enter(1, NEVER);
}

/* ---- once ---- */

GUEST_TEST(a_timer_expires_at_its_time_and_once)
{
    uint64_t deadline_ns = peal_deadline_in_ms(3);
    OWNED(timer_handle) timer = make(deadline_ns, 0);
    size_result expired = peal_timer_wait(timer_borrow(&timer));
    EXPECT(is_ok(expired.status) && expired.value == 1);
    EXPECT(peal_clock_now_ns() >= deadline_ns);
    submit(wait_for(timer_borrow(&timer)), 1);
    EXPECT_STATUS(OK, peal_sleep_until(peal_deadline_in_ms(5)));
    EXPECT_EQUAL(0, raw_reap(completions, 1));
    EXPECT_STATUS(OK, peal_timer_set(timer_borrow(&timer), (struct timer_setting){0}));
    take(1);
    EXPECT(raw_is_ok(completions[0]) && completions[0].value == 1);
}

GUEST_TEST(settings_at_the_ends_of_time_are_answered)
{
    static const uint64_t wrong[] = {1, PERIOD_MIN - 1};
    OWNED(timer_handle) timer = make(CENTURY_NS, CENTURY_NS);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct timer_setting setting = {0, wrong[i]};
        EXPECT_STATUS(INVALID_ARGUMENT, peal_timer_set(timer_borrow(&timer), setting));
        EXPECT_STATUS(INVALID_ARGUMENT, peal_timer_create(setting).status);
    }
    static const uint64_t periods[] = {CENTURY_NS, NEVER - 1, NEVER};
    for (size_t i = 0; i < sizeof(periods) / sizeof(periods[0]); i++) {
        struct timer_setting setting = {0, periods[i]};
        EXPECT_STATUS(OK, peal_timer_set(timer_borrow(&timer), setting));
        size_result expired = peal_timer_wait(timer_borrow(&timer));
        EXPECT(is_ok(expired.status) && expired.value == 1);
    }
    /* Every hundred microseconds since the machine was started. */
    struct timer_setting since_start = {0, PERIOD_MIN};
    uint64_t before_ns = peal_clock_now_ns();
    EXPECT_STATUS(OK, peal_timer_set(timer_borrow(&timer), since_start));
    size_result expired = peal_timer_wait(timer_borrow(&timer));
    EXPECT(expired.value >= before_ns / PERIOD_MIN &&
           expired.value <= peal_clock_now_ns() / PERIOD_MIN + 1);
}

/* ---- in series ---- */

GUEST_TEST(no_expiration_is_lost_however_late_one_asks)
{
    uint64_t start_ns = peal_clock_now_ns() + MS;
    OWNED(timer_handle) timer = make(start_ns, PERIOD_MIN);
    uint64_t told = 0, now_ns = 0;
    for (uint32_t i = 0; i < 40; i++) {
        size_result expired = peal_timer_wait(timer_borrow(&timer));
        EXPECT(is_ok(expired.status) && expired.value >= 1);
        told += expired.value;
        now_ns = peal_clock_now_ns();
        EXPECT(told <= (now_ns - start_ns) / PERIOD_MIN + 1);
        if (i % 8 == 7) EXPECT_STATUS(OK, peal_sleep_until(now_ns + i * PERIOD_MIN));
    }
    uint64_t stop_ns = peal_clock_now_ns();
    EXPECT_STATUS(OK, peal_timer_set(timer_borrow(&timer), (struct timer_setting){NEVER, 0}));
    uint64_t stopped_ns = peal_clock_now_ns();
    submit(wait_for(timer_borrow(&timer)), 1); /* told at once, or never */
    if (raw_reap(completions, 1) == 1) {
        told += completions[0].value;
    } else {
        EXPECT_STATUS(OK, peal_timer_set(timer_borrow(&timer), (struct timer_setting){0}));
        take(1);
    }
    EXPECT_MESSAGE(told >= (stop_ns - start_ns) / PERIOD_MIN + 1 &&
                       told <= (stopped_ns - start_ns) / PERIOD_MIN + 1,
                   "%lu told in %lu ns", told, stop_ns - start_ns);
}

GUEST_TEST(of_several_waits_the_oldest_is_told)
{
    uint64_t start_ns = peal_deadline_in_ms(2);
    OWNED(timer_handle) timer = make(start_ns, 2 * MS);
    for (uint64_t i = 0; i < 8; i++)
        submit(wait_for(timer_borrow(&timer)), i);
    take(8);
    uint64_t now_ns = peal_clock_now_ns(), told = 0;
    for (uint64_t i = 0; i < 8; i++) {
        EXPECT_EQUAL(i, completions[i].user_data);
        EXPECT(raw_is_ok(completions[i]) && completions[i].value >= 1);
        told += completions[i].value;
    }
    EXPECT(told >= 8 && told <= (now_ns - start_ns) / (2 * MS) + 1);
}

/* ---- going on ---- */

static struct abi_submission wait_always(timer_ref timer)
{
    struct abi_submission wait = wait_for(timer);
    wait.op_flags = ABI_OP_FLAG_MULTISHOT;
    return wait;
}

/* Takes completions of a wait that goes on until `limit` expirations have been told, or the final
 * one has come; answers how many were told. */
static uint64_t reap_told(uint64_t limit, bool *out_is_final)
{
    uint64_t told = 0;
    *out_is_final = false;
    while (told < limit && !*out_is_final) {
        uint32_t count = raw_reap(completions, 1);
        if (count == 0) raw_enter(1, NEVER);
        if (count == 0) continue;
        EXPECT(raw_is_ok(completions[0]) && completions[0].user_data == 9);
        if (raw_is_ok(completions[0])) told += completions[0].value;
        *out_is_final = (completions[0].flags & ABI_COMPLETION_MORE) == 0;
    }
    return told;
}

GUEST_TEST(a_wait_that_goes_on_tells_of_every_expiration)
{
    bool is_final;
    uint64_t start_ns = peal_clock_now_ns();
    OWNED(timer_handle) timer = make(start_ns, OFTEN);
    submit(wait_always(timer_borrow(&timer)), 9);
    uint64_t told = reap_told(100, &is_final);
    EXPECT(!is_final);
    EXPECT_STATUS(OK, peal_timer_set(timer_borrow(&timer), (struct timer_setting){NEVER, 0}));
    uint64_t most = (peal_clock_now_ns() - start_ns) / OFTEN + 1;
    while (raw_reap(completions, 1) == 1)
        told += completions[0].value;
    EXPECT_MESSAGE(told >= 100 && told <= most, "%lu told of %lu", told, most);
    /* Closing the handle does not end it; one more event, and it goes on. */
    EXPECT_STATUS(OK, peal_timer_set(timer_borrow(&timer), (struct timer_setting){0}));
    EXPECT_EQUAL(1, reap_told(1, &is_final));
    EXPECT(!is_final);
}

/* Nobody reads the completions: the last slot has the rest, and then it is over. */
static int play_reader_of_nothing(void)
{
    bool is_final = false;
    uint64_t start_ns = peal_clock_now_ns(), told = 0;
    timer_handle timer = make(start_ns, PERIOD_MIN);
    submit(wait_always(timer_borrow(&timer)), 9);
    uint32_t slots = 2 * ABI_RING_ENTRIES_DEFAULT, count = 0;
    while (__atomic_load_n(&raw_ring()->completion_tail, __ATOMIC_ACQUIRE) -
               raw_ring()->completion_head <
           slots)
        peal_yield(); /* a hang otherwise */
    while (!is_final) {
        told += reap_told(1, &is_final);
        CHILD_CHECK(++count <= slots);
    }
    size_result rest = peal_timer_wait(timer_borrow(&timer));
    uint64_t most = (peal_clock_now_ns() - start_ns) / PERIOD_MIN + 1;
    CHILD_CHECK(is_ok(rest.status) && told + rest.value <= most);
    CHILD_CHECK(told + rest.value > slots);
    return 0;
}

GUEST_TEST(a_wait_that_goes_on_ends_when_nobody_reads_and_nothing_is_lost)
{
    EXPECT_EQUAL(0, child_run(PROGRAM, TEXT("reader"), &(struct peal_spawn){0}));
}

/* ---- shared ---- */

static _Atomic uint64_t told_to_threads;
static timer_handle shared;

static int wait_often(uint64_t rounds)
{
    for (uint64_t i = 0; i < rounds; i++) {
        size_result expired = peal_timer_wait(timer_borrow(&shared));
        if (!is_ok(expired.status)) return 1;
        told_to_threads += expired.value;
    }
    return 0;
}

GUEST_TEST(expirations_are_told_once_to_threads_that_wait_together)
{
    uint64_t start_ns = peal_clock_now_ns();
    shared = make(start_ns, PERIOD_MIN);
    told_to_threads = 0;
    running_thread_result first = peal_thread_create(wait_often, 100);
    running_thread_result second = peal_thread_create(wait_often, 100);
    REQUIRE(is_ok(first.status) && is_ok(second.status));
    EXPECT_EQUAL(0, peal_thread_join(&first.value).value);
    EXPECT_EQUAL(0, peal_thread_join(&second.value).value);
    size_result rest = peal_timer_wait(timer_borrow(&shared));
    uint64_t told = told_to_threads + rest.value;
    uint64_t most = (peal_clock_now_ns() - start_ns) / PERIOD_MIN + 1;
    EXPECT_MESSAGE(told >= 201 && told <= most, "%lu told of %lu", told, most);
    timer_handle_drop(&shared);
}

GUEST_TEST(a_timer_needs_rights_to_be_waited_for_and_set)
{
    OWNED(timer_handle) timer = make(0, 0);
    timer_result other = timer_dup(timer_borrow(&timer), ABI_RIGHT_CLOSE | ABI_RIGHT_CONTROL);
    REQUIRE(is_ok(other.status));
    EXPECT_STATUS(INSUFFICIENT_RIGHTS, peal_timer_wait(timer_borrow(&other.value)).status);
    EXPECT_STATUS(OK, peal_timer_set(timer_borrow(&other.value), (struct timer_setting){0}));
    timer_handle_drop(&other.value);
    other = timer_dup(timer_borrow(&timer), ABI_RIGHT_CLOSE | ABI_RIGHT_WAIT);
    REQUIRE(is_ok(other.status));
    EXPECT_STATUS(INSUFFICIENT_RIGHTS,
                  peal_timer_set(timer_borrow(&other.value), (struct timer_setting){0}));
    EXPECT(is_ok(peal_timer_wait(timer_borrow(&other.value)).status));
    timer_handle_drop(&other.value);
}

/* ---- ends ---- */

/* Leaves many timers and waits behind, some about to expire. */
static int play_leaver(void)
{
    uint64_t now_ns = peal_clock_now_ns();
    for (uint64_t i = 0; i < 40; i++) {
        timer_result made = peal_timer_create((struct timer_setting){now_ns + i * 50'000, 5 * MS});
        CHILD_CHECK(is_ok(made.status));
        struct abi_submission wait = i % 2 == 0 ? wait_for(timer_borrow(&made.value))
                                                : wait_always(timer_borrow(&made.value));
        CHILD_CHECK(raw_publish(&wait, 1) == 1);
        raw_enter(0, 0); /* accepts it, unless what nobody reads fills the ring already */
    }
    return 0;
}

GUEST_TEST(the_end_of_a_program_ends_its_timers)
{
    for (uint32_t i = 0; i < 5; i++)
        EXPECT_EQUAL(0, child_run(PROGRAM, TEXT("leaver"), &(struct peal_spawn){0}));
}

GUEST_TEST(a_closed_timer_still_ends_the_wait_that_is_under_way)
{
    timer_handle timer = make(peal_deadline_in_ms(2), 0);
    submit(wait_for(timer_borrow(&timer)), 3);
    timer_handle_drop(&timer);
    take(1);
    EXPECT(raw_is_ok(completions[0]) && completions[0].value == 1);
}

GUEST_TEST_SETUP
{
    if (child_plays(TEXT("reader"))) peal_exit(play_reader_of_nothing());
    if (child_plays(TEXT("leaver"))) peal_exit(play_leaver());
    running_thread_result started = peal_thread_create(wait_often, 0);
    if (!is_ok(started.status)) return;
    running_thread thread = TAKE(started.value); /* its stack is kept for those that follow */
    running_thread_drop(&thread);
    guest_test_need_grants();
}
