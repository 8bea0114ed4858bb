#include "arch/host/host.h"
#include "sched/scheduler_internal.h"
#include "sched/wait_queue.h"
#include "support/test.h"
#include <sched.h>

struct meeting {
    spin_lock lock; /* LOCK_RANK_CONSOLE */
    struct wait_queue queue;
    uint32_t tokens GUARDED_BY(lock);
    uint32_t waiting GUARDED_BY(lock);
    _Atomic uint32_t taken, timed_out, interrupted, finished;
    deadline limit;
    uint32_t rounds;
};

[[gnu::constructor]] static void prepare(void)
{
    host_memory_init();
    clock_init(0);
}

static void meeting_init(struct meeting *meeting) NO_LOCK_CHECK
{
    *meeting = (struct meeting){.lock = SPIN_LOCK_INIT(LOCK_RANK_CONSOLE)};
    meeting->limit = deadline_never();
    meeting->rounds = 1;
    wait_queue_init(&meeting->queue);
}

/* Takes a token, waiting for it. */
static void take_token(struct meeting *meeting, bool is_interruptible)
{
    spin_acquire(&meeting->lock);
    status woken = OK;
    while (meeting->tokens == 0 && is_ok(woken)) {
        meeting->waiting++;
        woken = wait_queue_sleep(&meeting->queue, &meeting->lock, meeting->limit, is_interruptible);
        meeting->waiting--;
    }
    if (meeting->tokens > 0) {
        meeting->tokens--;
        atomic_fetch_add(&meeting->taken, 1);
    } else if (woken.code == STATUS_TIMED_OUT) {
        atomic_fetch_add(&meeting->timed_out, 1);
    } else {
        atomic_fetch_add(&meeting->interrupted, 1);
    }
    spin_release(&meeting->lock);
}

static void take_tokens(void *argument)
{
    struct meeting *meeting = argument;
    for (uint32_t i = 0; i < meeting->rounds; i++)
        take_token(meeting, true);
    atomic_fetch_add(&meeting->finished, 1);
    thread_exit();
}

static void take_tokens_deeply(void *argument)
{
    struct meeting *meeting = argument;
    take_token(meeting, false);
    atomic_fetch_add(&meeting->finished, 1);
    thread_exit();
}

static struct thread *start(struct meeting *meeting, void (*entry)(void *))
{
    struct thread_options options = {.entry = entry, .argument = meeting, .name = "waiter"};
    thread_result made = thread_create(&options);
    CHECK_STATUS(OK, made.status);
    thread_start(made.value);
    return made.value;
}

static void wait_until_waiting(struct meeting *meeting, uint32_t count)
{
    for (;;) {
        spin_acquire(&meeting->lock);
        uint32_t waiting = meeting->waiting;
        spin_release(&meeting->lock);
        if (waiting == count) return;
        sched_yield();
    }
}

static void wait_until_finished(struct meeting *meeting, uint32_t count)
{
    while (atomic_load(&meeting->finished) != count)
        sched_yield();
}

static uint32_t give_tokens(struct meeting *meeting, uint32_t count)
{
    spin_acquire(&meeting->lock);
    meeting->tokens += count;
    uint32_t woken = wait_queue_wake(&meeting->queue, count, false);
    spin_release(&meeting->lock);
    return woken;
}

TEST(a_wake_up_wakes_as_many_as_asked_and_no_more)
{
    static struct meeting meeting;
    meeting_init(&meeting);
    for (uint32_t i = 0; i < 3; i++)
        thread_put(start(&meeting, take_tokens));
    wait_until_waiting(&meeting, 3);
    CHECK_EQUAL(2, give_tokens(&meeting, 2));
    wait_until_finished(&meeting, 2);
    wait_until_waiting(&meeting, 1);
    CHECK_EQUAL(1, give_tokens(&meeting, 5));
    wait_until_finished(&meeting, 3);
    CHECK_EQUAL(0, give_tokens(&meeting, 1)); /* nobody is left */
}

TEST(no_wake_up_is_lost_between_many_threads)
{
    static struct meeting meeting;
    meeting_init(&meeting);
    meeting.rounds = 500;
    for (uint32_t i = 0; i < 3; i++)
        thread_put(start(&meeting, take_tokens));
    for (uint32_t i = 0; i < 3 * 500; i++) {
        give_tokens(&meeting, 1);
        if (i % 7 == 0) sched_yield();
    }
    wait_until_finished(&meeting, 3);
    CHECK_EQUAL(1500, meeting.taken);
}

TEST(a_wait_ends_with_its_deadline)
{
    static struct meeting meeting;
    meeting_init(&meeting);
    meeting.limit = deadline_in_ms(3);
    take_token(&meeting, true);
    CHECK_EQUAL(1, meeting.timed_out);
    CHECK(deadline_passed(meeting.limit));
    meeting.limit = (deadline){1}; /* long ago */
    take_token(&meeting, false);
    CHECK_EQUAL(2, meeting.timed_out);
    CHECK(list_is_empty(&meeting.queue.waiters));
}

TEST(deadlines_and_wake_ups_that_race_lose_no_token)
{
    static struct meeting meeting;
    meeting_init(&meeting);
    meeting.rounds = 300;
    meeting.limit = (deadline){1}; /* every wait times out at once, unless a token is quicker */
    for (uint32_t i = 0; i < 2; i++)
        thread_put(start(&meeting, take_tokens));
    uint32_t given = 0;
    while (atomic_load(&meeting.finished) < 2 && given < 400) {
        give_tokens(&meeting, 1);
        given++;
        sched_yield();
    }
    wait_until_finished(&meeting, 2);
    spin_acquire(&meeting.lock);
    uint32_t left = meeting.tokens;
    spin_release(&meeting.lock);
    CHECK_EQUAL(600, meeting.taken + meeting.timed_out);
    CHECK_EQUAL(given, meeting.taken + left);
}

TEST(a_thread_asked_to_end_leaves_a_wait_that_may_be_interrupted)
{
    static struct meeting meeting;
    meeting_init(&meeting);
    struct thread *waiter = start(&meeting, take_tokens);
    wait_until_waiting(&meeting, 1);
    thread_request_end(waiter);
    wait_until_finished(&meeting, 1);
    CHECK_EQUAL(1, meeting.interrupted);
    thread_put(waiter);
}

TEST(a_thread_asked_to_end_before_it_waits_does_not_wait)
{
    static struct meeting meeting;
    meeting_init(&meeting);
    struct thread_options options = {.entry = take_tokens, .argument = &meeting, .name = "ended"};
    thread_result made = thread_create(&options);
    thread_request_end(made.value);
    thread_start(made.value);
    wait_until_finished(&meeting, 1);
    CHECK_EQUAL(1, meeting.interrupted);
    thread_put(made.value);
}

TEST(a_deep_wait_is_not_interrupted)
{
    static struct meeting meeting;
    meeting_init(&meeting);
    struct thread *waiter = start(&meeting, take_tokens_deeply);
    wait_until_waiting(&meeting, 1);
    thread_request_end(waiter);
    CHECK(!thread_claim_wake(waiter, WAKE_ENDED));
    CHECK_EQUAL(1, give_tokens(&meeting, 1));
    wait_until_finished(&meeting, 1);
    CHECK_EQUAL(1, meeting.taken);
    CHECK_EQUAL(0, meeting.interrupted);
    thread_put(waiter);
}

TEST(a_wait_is_claimed_once)
{
    struct thread thread = {.wake_reason = WAKE_WAITING};
    CHECK(thread_claim_wake(&thread, WAKE_TIMED_OUT));
    CHECK(!thread_claim_wake(&thread, WAKE_SIGNALLED));
    CHECK_EQUAL(WAKE_TIMED_OUT, thread.wake_reason);
}
