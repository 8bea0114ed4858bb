#include "arch/arch/cpu.h"
#include "arch/host/host.h"
#include "base/container.h"
#include "support/test.h"
#include "time/timer_queue.h"
#include <pthread.h>
#include <sched.h>

static uint32_t fired[3];
static uint32_t fired_count;
static struct timer timers[3];

static void note(struct timer *timer)
{
    fired[fired_count++] = (uint32_t)(timer - timers);
}

static void set_clock(uint64_t ns)
{
    atomic_store(&host_stopped_ticks, 1000 + ns);
}

static void prepare(void)
{
    host_memory_init();
    set_clock(0);
    clock_init(0);
    timer_queue_set_slice_end(UINT64_MAX);
    timer_queue_run();
    fired_count = 0;
    for (size_t i = 0; i < array_count(timers); i++)
        timer_init(&timers[i], note);
    CHECK_EQUAL(UINT64_MAX, timer_queue_next_ns());
    CHECK(!host_timer.is_armed);
}

TEST(timers_fire_once_in_order_at_or_after_their_time)
{
    prepare();
    timer_arm(&timers[0], (deadline){300});
    timer_arm(&timers[1], (deadline){100});
    timer_arm(&timers[2], (deadline){200});
    CHECK_EQUAL(100, host_timer.armed_ns);
    set_clock(99);
    timer_queue_run();
    CHECK_EQUAL(0, fired_count);
    CHECK_EQUAL(1, host_timer.armed_ns);
    set_clock(200);
    timer_queue_run();
    CHECK_EQUAL(2, fired_count);
    CHECK(fired[0] == 1 && fired[1] == 2);
    CHECK_EQUAL(100, host_timer.armed_ns);
    set_clock(1000);
    timer_queue_run();
    timer_queue_run();
    CHECK_EQUAL(3, fired_count);
    CHECK(!host_timer.is_armed); /* nothing to wait for: no tick */
}

TEST(a_cancelled_timer_does_not_fire_and_a_fired_one_says_so)
{
    prepare();
    CHECK(timer_cancel(&timers[0])); /* idle */
    timer_arm(&timers[0], (deadline){10});
    timer_arm(&timers[1], (deadline){10});
    CHECK(timer_cancel(&timers[0]));
    CHECK(timer_cancel(&timers[0]));
    set_clock(10);
    timer_queue_run();
    CHECK_EQUAL(1, fired_count);
    CHECK(!timer_cancel(&timers[1]));
    timer_wait_idle(&timers[1]);
}

static void count(struct timer *timer)
{
    (void)timer;
    fired_count++;
}

TEST(however_many_are_due_other_interrupts_come_in_between)
{
    static struct timer many[1000];
    prepare();
    for (size_t i = 0; i < array_count(many); i++) {
        timer_init(&many[i], count);
        timer_arm(&many[i], (deadline){10});
    }
    set_clock(10);
    uint32_t runs = 0;
    for (uint32_t before = UINT32_MAX; before != fired_count && runs < 1000; runs++) {
        before = fired_count;
        timer_queue_run();
        CHECK(fired_count - before <= 100);
        CHECK(fired_count == array_count(many) ||
              (host_timer.is_armed && host_timer.armed_ns == 0));
    }
    CHECK_EQUAL(array_count(many), fired_count);
    CHECK(!host_timer.is_armed);
}

TEST(a_deadline_in_the_past_fires_at_once_and_one_that_never_comes_does_not)
{
    prepare();
    set_clock(500);
    timer_arm(&timers[0], (deadline){100});
    timer_arm(&timers[1], deadline_never());
    CHECK_EQUAL(0, host_timer.armed_ns);
    CHECK(host_timer.is_armed);
    timer_queue_run();
    CHECK_EQUAL(1, fired_count);
    CHECK(timer_cancel(&timers[1]));
}

static void arm_again(struct timer *timer)
{
    note(timer);
    if (fired_count < 3) timer_arm(timer, deadline_in_ns(10));
}

TEST(a_function_may_arm_its_timer_again)
{
    prepare();
    timer_init(&timers[0], arm_again);
    timer_arm(&timers[0], (deadline){10});
    for (uint64_t ns = 0; ns < 100; ns += 10) {
        set_clock(ns);
        timer_queue_run();
    }
    CHECK_EQUAL(3, fired_count);
}

TEST(the_processors_timer_serves_the_earlier_of_slice_and_deadline)
{
    prepare();
    timer_arm(&timers[0], (deadline){500});
    timer_queue_set_slice_end(200);
    CHECK_EQUAL(200, host_timer.armed_ns);
    timer_queue_set_slice_end(300); /* left as it is: an early interrupt costs less */
    CHECK_EQUAL(200, host_timer.armed_ns);
    set_clock(200);
    timer_queue_run();
    CHECK_EQUAL(100, host_timer.armed_ns);
    set_clock(300);
    timer_queue_run();
    CHECK_EQUAL(200, host_timer.armed_ns); /* the deadline: the slice's end was delivered */
    timer_queue_set_slice_end(400);
    timer_queue_set_slice_end(UINT64_MAX); /* idle: exactly the deadline */
    CHECK_EQUAL(200, host_timer.armed_ns);
    CHECK(timer_cancel(&timers[0]));
    timer_queue_set_slice_end(400);
    timer_queue_set_slice_end(UINT64_MAX);
    CHECK(!host_timer.is_armed);
}

static _Atomic int stage;

static void wait_for_release(struct timer *timer)
{
    (void)timer;
    atomic_store(&stage, 1);
    while (atomic_load(&stage) == 1)
        sched_yield();
    atomic_store(&stage, 3);
}

static void *run_slow_timer(void *unused)
{
    struct timer *timer = unused;
    interrupts_disable();
    timer_arm(timer, (deadline){1});
    timer_queue_run();
    return unused;
}

TEST(a_cancel_during_the_function_is_told_and_can_wait_for_its_end)
{
    prepare();
    set_clock(50);
    struct timer slow;
    timer_init(&slow, wait_for_release);
    pthread_t processor;
    atomic_store(&stage, 0);
    pthread_create(&processor, nullptr, run_slow_timer, &slow);
    while (atomic_load(&stage) != 1)
        sched_yield();
    CHECK(!timer_cancel(&slow));
    atomic_store(&stage, 2);
    timer_wait_idle(&slow);
    CHECK_EQUAL(3, atomic_load(&stage));
    pthread_join(processor, nullptr);
}
