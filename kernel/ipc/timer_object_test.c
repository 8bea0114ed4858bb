#include "arch/arch/cpu.h"
#include "arch/host/host.h"
#include "base/container.h"
#include "ipc/timer_object.h"
#include "support/test.h"
#include "time/timer_queue.h"
#include <abi/ops.h>
#include <abi/ring.h>
#include <pthread.h>
#include <sched.h>

static constexpr uint64_t PERIOD = ABI_TIMER_PERIOD_NS_MIN;
static constexpr uint64_t NEVER = ABI_DEADLINE_NEVER;

static struct timer_wait waits[4];
static uint64_t told[4];
static bool are_cancelled;

static void set_clock(uint64_t ns)
{
    atomic_store(&host_stopped_ticks, 1000 + ns);
}

static void run_timers(void)
{
    bool were_on = interrupts_disable();
    timer_queue_run();
    interrupts_restore(were_on);
}

/* Moves the clock and lets the processor's timer fire. */
static void pass_to(uint64_t ns)
{
    set_clock(ns);
    run_timers();
}

static bool has_deadline(void)
{
    bool were_on = interrupts_disable();
    uint64_t next = timer_queue_next_ns();
    interrupts_restore(were_on);
    return next != UINT64_MAX;
}

static void note_expired(struct timer_wait *wait, uint64_t count)
{
    told[wait - waits] += count;
}

static bool note_cancelled(const struct timer_wait *wait)
{
    (void)wait;
    return are_cancelled;
}

static struct timer_object *make(uint64_t deadline_ns, uint64_t period_ns)
{
    host_memory_init();
    set_clock(0);
    clock_init(0);
    pass_to(0);
    are_cancelled = false;
    for (size_t i = 0; i < array_count(waits); i++) {
        waits[i] = (struct timer_wait){.expired = note_expired, .is_cancelled = note_cancelled};
        told[i] = 0;
    }
    timer_object_result made =
        timer_object_create(nullptr, (struct timer_setting){deadline_ns, period_ns});
    CHECK_STATUS(OK, made.status);
    return made.value;
}

static void end(struct timer_object *timer)
{
    object_put(timer_object_base(timer));
    CHECK(!has_deadline());
}

/* The expirations that are told at once; 0: it waits. */
static uint64_t wait_for(struct timer_object *timer, uint32_t index)
{
    expirations_result answer = timer_object_wait(timer, &waits[index]);
    if (is_ok(answer.status)) return answer.value;
    CHECK_STATUS(WOULD_BLOCK, answer.status);
    return 0;
}

TEST(a_timer_expires_once_at_its_time)
{
    struct timer_object *timer = make(500, 0);
    CHECK(!has_deadline()); /* nobody waits */
    CHECK_EQUAL(0, wait_for(timer, 0));
    CHECK(has_deadline());
    pass_to(499);
    CHECK_EQUAL(0, told[0]);
    pass_to(500);
    CHECK_EQUAL(1, told[0]);
    CHECK(!has_deadline());
    CHECK_EQUAL(0, wait_for(timer, 1)); /* and never again */
    pass_to(NEVER / 2);
    CHECK_EQUAL(0, told[1]);
    CHECK(timer_object_cancel(timer, &waits[1]));
    end(timer);
}

TEST(expirations_that_nobody_waited_for_are_counted_and_told_together)
{
    struct timer_object *timer = make(PERIOD, PERIOD);
    set_clock(PERIOD * 7 + 3);
    CHECK_EQUAL(7, wait_for(timer, 0));
    CHECK_EQUAL(0, wait_for(timer, 0));
    pass_to(PERIOD * 8 - 1);
    CHECK_EQUAL(0, told[0]);
    pass_to(PERIOD * 11 + 1); /* the interrupt came late */
    CHECK_EQUAL(4, told[0]);
    CHECK_EQUAL(0, wait_for(timer, 0));
    pass_to(PERIOD * 12);
    CHECK_EQUAL(5, told[0]);
    end(timer);
}

TEST(centuries_of_missed_periods_take_no_longer_than_one)
{
    constexpr uint64_t centuries_ns = 9'000'000'000'000'000'000ull;
    struct timer_object *timer = make(0, PERIOD);
    CHECK_EQUAL(1, wait_for(timer, 0)); /* at 0 */
    set_clock(centuries_ns);
    CHECK_EQUAL(centuries_ns / PERIOD, wait_for(timer, 0));
    end(timer);
}

TEST(the_last_period_before_the_end_of_time_is_the_last)
{
    struct timer_object *timer = make(100, NEVER - 100);
    set_clock(100);
    CHECK_EQUAL(1, wait_for(timer, 0)); /* the next would be at NEVER, which does not come */
    CHECK_EQUAL(0, wait_for(timer, 0));
    CHECK(!has_deadline());
    CHECK(timer_object_cancel(timer, &waits[0]));
    CHECK_STATUS(OK, timer_object_set(timer, (struct timer_setting){100, NEVER - 101}));
    CHECK_EQUAL(1, wait_for(timer, 0));
    CHECK_EQUAL(0, wait_for(timer, 0));
    CHECK(has_deadline());
    CHECK(timer_object_cancel(timer, &waits[0]));
    CHECK_STATUS(OK, timer_object_set(timer, (struct timer_setting){100, NEVER}));
    CHECK_EQUAL(1, wait_for(timer, 0));
    end(timer);
}

TEST(a_period_is_nought_or_not_too_short)
{
    struct timer_object *timer = make(NEVER, 0);
    static const uint64_t wrong[] = {1, PERIOD - 1};
    for (size_t i = 0; i < array_count(wrong); i++) {
        struct timer_setting setting = {0, wrong[i]};
        CHECK_STATUS(INVALID_ARGUMENT, timer_object_set(timer, setting));
        CHECK_STATUS(INVALID_ARGUMENT, timer_object_create(nullptr, setting).status);
    }
    CHECK_EQUAL(0, wait_for(timer, 0)); /* it was left as it is */
    CHECK(timer_object_cancel(timer, &waits[0]));
    end(timer);
}

TEST(each_expiration_is_told_once_to_the_oldest_wait)
{
    struct timer_object *timer = make(PERIOD, PERIOD);
    for (uint32_t i = 0; i < 4; i++)
        CHECK_EQUAL(0, wait_for(timer, i));
    CHECK(timer_object_cancel(timer, &waits[1]));
    CHECK(!timer_object_cancel(timer, &waits[1]));
    pass_to(PERIOD);
    CHECK(told[0] == 1 && told[2] == 0);
    CHECK(!timer_object_cancel(timer, &waits[0]));
    pass_to(PERIOD * 3);
    CHECK(told[2] == 2 && told[3] == 0);
    pass_to(PERIOD * 4);
    CHECK(told[1] == 0 && told[3] == 1);
    CHECK(!has_deadline());
    end(timer);
}

TEST(a_wait_that_was_cancelled_meanwhile_is_not_entered)
{
    struct timer_object *timer = make(PERIOD, 0);
    are_cancelled = true;
    CHECK_STATUS(INTERRUPTED, timer_object_wait(timer, &waits[0]).status);
    CHECK(!timer_object_cancel(timer, &waits[0]));
    pass_to(PERIOD);
    CHECK_EQUAL(0, told[0]);
    CHECK_EQUAL(1, wait_for(timer, 0)); /* what has expired is told all the same */
    end(timer);
}

TEST(a_new_setting_counts_for_who_waits_already)
{
    struct timer_object *timer = make(NEVER, 0);
    CHECK_EQUAL(0, wait_for(timer, 0));
    CHECK(!has_deadline());
    CHECK_STATUS(OK, timer_object_set(timer, (struct timer_setting){500, 0}));
    pass_to(500);
    CHECK_EQUAL(1, told[0]);
    CHECK_EQUAL(0, wait_for(timer, 0));
    CHECK_STATUS(OK, timer_object_set(timer, (struct timer_setting){0, 0})); /* in the past */
    CHECK_EQUAL(2, told[0]);
    CHECK_EQUAL(0, wait_for(timer, 0));
    CHECK_STATUS(OK, timer_object_set(timer, (struct timer_setting){900, 0}));
    CHECK_STATUS(OK, timer_object_set(timer, (struct timer_setting){NEVER, 0})); /* stopped */
    CHECK(!has_deadline());
    CHECK(timer_object_cancel(timer, &waits[0]));
    end(timer);
}

TEST(what_expired_before_a_new_setting_is_still_told)
{
    struct timer_object *timer = make(PERIOD, PERIOD);
    set_clock(PERIOD * 3);
    CHECK_STATUS(OK, timer_object_set(timer, (struct timer_setting){NEVER, 0}));
    CHECK_EQUAL(3, wait_for(timer, 0));
    CHECK_EQUAL(0, wait_for(timer, 0));
    set_clock(PERIOD * 4);
    CHECK_STATUS(OK, timer_object_set(timer, (struct timer_setting){PERIOD * 4, 0}));
    CHECK_EQUAL(1, told[0]);
    end(timer);
}

TEST(timers_are_charged_and_creation_fails_cleanly)
{
    struct memory_quota quota = {.references = 1, .max_bytes = 1 << 20};
    struct timer_setting setting = {NEVER, 0};
    host_memory_init();
    FOR_EACH_FAILING_ALLOCATION {
        timer_object_result made = timer_object_create(&quota, setting);
        if (!is_ok(made.status)) {
            CHECK_STATUS(OUT_OF_MEMORY, made.status);
            CHECK_EQUAL(0, memory_quota_used(&quota));
            continue;
        }
        CHECK(memory_quota_used(&quota) > 0);
        object_put(timer_object_base(made.value));
        CHECK_EQUAL(0, memory_quota_used(&quota));
        CHECK_EQUAL(1, atomic_load(&quota.references));
    }
    quota.max_bytes = 8;
    CHECK_STATUS(OUT_OF_MEMORY, timer_object_create(&quota, setting).status);
}

/* ---- on two processors ---- */

static constexpr uint64_t ROUNDS = 20'000;
static struct timer_object *shared;
static _Atomic uint64_t told_to_racers;

struct racer {
    struct timer_wait wait;
    _Atomic bool is_told;
};

static void racer_expired(struct timer_wait *wait, uint64_t count)
{
    atomic_fetch_add(&told_to_racers, count);
    atomic_store(&container_of(wait, struct racer, wait)->is_told, true);
}

/* Waits, for a moment or until told, and takes the wait back. */
static void race_once(struct racer *racer)
{
    atomic_store(&racer->is_told, false);
    expirations_result answer = timer_object_wait(shared, &racer->wait);
    run_timers();
    if (is_ok(answer.status))
        atomic_fetch_add(&told_to_racers, answer.value);
    else if (!timer_object_cancel(shared, &racer->wait))
        while (!atomic_load(&racer->is_told))
            sched_yield();
}

static void *race(void *is_clock)
{
    struct racer racer = {.wait = {.expired = racer_expired, .is_cancelled = note_cancelled}};
    for (uint64_t round = 0; round < ROUNDS; round++) {
        if (is_clock != nullptr) set_clock(PERIOD * round / 3);
        race_once(&racer);
    }
    return nullptr;
}

TEST(no_expiration_is_lost_or_told_twice_while_waits_and_cancels_race)
{
    shared = make(PERIOD, PERIOD);
    atomic_store(&told_to_racers, 0);
    pthread_t other;
    CHECK_EQUAL(0, pthread_create(&other, nullptr, race, nullptr));
    race(&shared);
    CHECK_EQUAL(0, pthread_join(other, nullptr));
    uint64_t rest = wait_for(shared, 0);
    if (rest == 0) CHECK(timer_object_cancel(shared, &waits[0]));
    CHECK_EQUAL((ROUNDS - 1) / 3, rest + atomic_load(&told_to_racers));
    end(shared);
}
