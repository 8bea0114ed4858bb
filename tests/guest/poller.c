/*
 * Rings with a poller: what is published is accepted without a system call, nobody sleeps for ever,
 * an idle poller sleeps, and a ring ends cleanly while the poller is inside.
 */
#include "peal/call.h"
#include "peal/clock.h"
#include "peal/file.h"
#include "peal/memory.h"
#include "peal/process.h"
#include "peal/ring.h"
#include "peal/system.h"
#include "peal/thread.h"
#include "support/child.h"
#include "support/guest_test.h"
#include "support/raw.h"

#define PROGRAM        TEXT("boot/test/poller")
#define MS             1'000'000ull
#define ATTEMPTS_MAX   8u
#define WARM_UP        200'000u
#define NOPS           1'000'000u
#define READS          100'000u
#define READ_BYTES     4096u
#define IN_FLIGHT      2048u /* what goes back and forth at once: changes of turn are dear */
#define WAKE_UPS       100u
#define KILLS          20u
#define FLOODERS       3u
#define SCRIBBLE_CALLS 100u

static const struct peal_thread_options with_poller = {.ring_flags = ABI_RING_POLLER};
static const struct peal_thread_options long_with_poller = {.ring_flags = ABI_RING_POLLER,
                                                            .ring_entries = 2 * IN_FLIGHT};

static struct abi_ring_header *own_header(void)
{
    return peal_thread_self()->ring.header;
}

static struct abi_ring_doorbell *own_doorbell(void)
{
    return peal_thread_self()->ring.doorbell;
}

/* Runs a part on a thread of its own; answers its code: 0, or the line that failed. */
static uint64_t run_with(const struct peal_thread_options *options, int (*part)(uint64_t argument),
                         uint64_t argument)
{
    running_thread_result made = peal_thread_create_with(part, argument, options);
    if (!is_ok(made.status)) return 1000 + (uint64_t)made.status.code;
    running_thread thread = made.value;
    size_result joined = peal_thread_join(&thread);
    return is_ok(joined.status) ? joined.value : 2000 + (uint64_t)joined.status.code;
}

static uint64_t run_polled(int (*part)(uint64_t argument), uint64_t argument)
{
    return run_with(&with_poller, part, argument);
}

static bool is_alone(void)
{
    struct abi_stat stat;
    status asked = peal_raw_stat(peal_granted_raw(TEXT("system")), &stat);
    return !is_ok(asked) || stat.system.cpu_count < 2;
}

static struct abi_stat_system machine(void)
{
    struct abi_stat stat = {0};
    ignore_status(peal_raw_stat(peal_granted_raw(TEXT("system")), &stat));
    return stat.system;
}

/* ---- calls ---- */

static int make_calls(uint64_t count)
{
    CHILD_CHECK((own_header()->flags & ABI_RING_POLLER) != 0);
    for (uint64_t i = 0; i < count; i++)
        CHILD_CHECK(is_ok(peal_nop().status));
    CHILD_CHECK(own_header()->polled_total >= count);
    CHILD_CHECK(own_header()->accepted_total == own_header()->polled_total);
    /* What the kernel refuses, and what waits for something. */
    CHILD_CHECK(peal_raw_stat(1, &(struct abi_stat){0}).code == STATUS_INVALID_CAPABILITY);
    uint64_t until = peal_deadline_in_ms(3);
    CHILD_CHECK(is_ok(peal_sleep_until(until)));
    CHILD_CHECK(peal_clock_now_ns() >= until);
    return 0;
}

GUEST_TEST(synchronous_calls_go_through_a_poller)
{
    EXPECT_EQUAL(0, run_polled(make_calls, 500));
}

GUEST_TEST(a_program_is_started_with_a_poller)
{
    struct peal_spawn polled = {.ring_flags = ABI_RING_POLLER};
    EXPECT_EQUAL(0, child_run(PROGRAM, TEXT("calls"), &polled));
}

GUEST_TEST(an_unknown_flag_is_refused)
{
    struct peal_thread_options odd = {.ring_flags = 1u << 30};
    EXPECT_STATUS(INVALID_ARGUMENT, peal_thread_create_with(make_calls, 1, &odd).status);
}

/* ---- no system calls ---- */

static struct abi_submission steady; /* what is submitted over and over */

/* Keeps IN_FLIGHT submissions under way until `count` have completed, and looks for them itself. */
static int keep_going(uint32_t count)
{
    for (uint32_t made = 0, done = 0; done < count;) {
        while (made < count && made - done < IN_FLIGHT) {
            struct abi_submission *slot = peal_ring_slot();
            if (slot == nullptr) break;
            *slot = steady;
            slot->user_data = made++;
            peal_ring_push();
        }
        CHILD_CHECK(is_ok(peal_submit(0, ABI_DEADLINE_NEVER).status));
        for (struct abi_completion completion; peal_reap(&completion); done++) {
            CHILD_CHECK(completion.tag == ABI_RESULT_OK && completion.user_data == done);
            CHILD_CHECK(completion.value == steady.length_bytes);
        }
    }
    return 0;
}

struct calls {
    uint64_t of_ring;
    uint64_t of_system;
};

/* Asked for without a call, too. */
static int count_calls(struct calls *out_calls)
{
    static struct abi_stat stat;
    struct location where;
    CHILD_CHECK(is_ok(peal_locate_whole(&stat, sizeof(stat), ABI_ACCESS_WRITE, &where)));
    struct abi_submission *slot = peal_ring_slot();
    CHILD_CHECK(slot != nullptr);
    peal_prepare_stat(slot, (struct abi_submission){
                                .capability = peal_granted_raw(TEXT("system")),
                                .buffer_index = where.buffer_index,
                                .buffer_offset_bytes = where.offset_bytes,
                                .length_bytes = sizeof(stat),
                            });
    peal_ring_push();
    CHILD_CHECK(is_ok(peal_submit(0, ABI_DEADLINE_NEVER).status));
    struct abi_completion completion;
    while (!peal_reap(&completion)) {
    }
    CHILD_CHECK(completion.tag == ABI_RESULT_OK);
    *out_calls = (struct calls){own_header()->entered_total, stat.system.syscalls_total};
    return 0;
}

/* `steady`, and how many system calls that took by each of the kernel's counters. */
static int count_steady(uint32_t count, struct calls *out_calls)
{
    struct calls before, after;
    int line = count_calls(&before);
    if (line == 0) line = keep_going(count);
    if (line == 0) line = count_calls(&after);
    if (line == 0)
        *out_calls =
            (struct calls){after.of_ring - before.of_ring, after.of_system - before.of_system};
    return line;
}

/*
 * Goes on until `count` operations in a row took no system call. A virtual processor may stand
 * still for so long that the poller rightly falls asleep: then it is tried again.
 */
static int work_in_silence(uint64_t count)
{
    for (uint32_t attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        struct calls calls;
        int line = keep_going(WARM_UP);
        if (line == 0) line = count_steady((uint32_t)count, &calls);
        if (line != 0) return line;
        if (calls.of_ring == 0 && calls.of_system == 0) return 0;
    }
    return __LINE__;
}

GUEST_TEST(a_million_nops_and_many_reads_make_no_system_call)
{
    if (is_alone()) {
        guest_test_skip("on one processor somebody has to let the other run");
        return;
    }
    steady = (struct abi_submission){.op = ABI_OP_NOP};
    EXPECT_EQUAL(0, run_with(&long_with_poller, work_in_silence, NOPS));

    static uint8_t page[READ_BYTES];
    struct location where;
    REQUIRE(is_ok(peal_locate_whole(page, sizeof(page), ABI_ACCESS_WRITE, &where)));
    file_result opened = peal_file_open(peal_granted_directory(TEXT("root")), PROGRAM, RIGHTS_READ);
    REQUIRE(is_ok(opened.status));
    OWNED(file_handle) file = TAKE(opened.value);
    steady = (struct abi_submission){
        .op = ABI_OP_READ,
        .capability = file_borrow(&file).raw,
        .buffer_index = where.buffer_index,
        .buffer_offset_bytes = where.offset_bytes,
        .length_bytes = READ_BYTES,
    };
    EXPECT_EQUAL(0, run_with(&long_with_poller, work_in_silence, READS));
}

/* ---- sleeping and waking ---- */

static void wait_until_it_sleeps(void)
{
    while (load_acquire(&own_doorbell()->needs_wakeup) == 0)
        peal_yield();
}

/* Each time the poller is asleep, or just about to be. */
static int wake_it_again_and_again(uint64_t rounds)
{
    for (uint64_t i = 0; i < rounds; i++) {
        wait_until_it_sleeps();
        CHILD_CHECK(is_ok(peal_nop().status));
    }
    CHILD_CHECK(own_header()->poller_sleeps_total >= rounds);
    return 0;
}

GUEST_TEST(a_sleeping_poller_is_woken_each_time)
{
    EXPECT_EQUAL(0, run_polled(wake_it_again_and_again, WAKE_UPS));
}

/* Pauses of all lengths around the one after which the poller sleeps. */
static int ask_after_pauses(uint64_t rounds)
{
    for (uint64_t i = 0; i < rounds; i++) {
        for (uint64_t until = peal_clock_now_ns() + i * 4000; peal_clock_now_ns() < until;)
            __builtin_ia32_pause();
        CHILD_CHECK(is_ok(peal_nop().status));
    }
    return 0;
}

GUEST_TEST(several_programs_share_a_poller_and_none_is_forgotten)
{
    running_thread threads[4] = {0};
    for (uint32_t i = 0; i < 4; i++) {
        running_thread_result made = peal_thread_create_with(ask_after_pauses, 100, &with_poller);
        REQUIRE(is_ok(made.status));
        threads[i] = made.value;
    }
    for (uint32_t i = 0; i < 4; i++)
        EXPECT_EQUAL(0, peal_thread_join(&threads[i]).value);
}

static uint64_t own_processor_ns(void)
{
    process_result opened =
        peal_process_open(peal_granted_system(TEXT("system")), peal_startup()->process_id,
                          ABI_RIGHT_STAT | ABI_RIGHT_CLOSE);
    if (!is_ok(opened.status)) return 0;
    OWNED(process_handle) self = TAKE(opened.value);
    struct abi_stat stat = {0};
    ignore_status(peal_raw_stat(process_borrow(&self).raw, &stat)); /* 0 then */
    return stat.process.processor_ns;
}

static struct {
    uint64_t idle_ns, own_ns, passed_ns;
} quiet;

static int do_nothing_for_a_second(uint64_t unused)
{
    (void)unused;
    CHILD_CHECK(is_ok(peal_nop().status));
    wait_until_it_sleeps();
    uint64_t sleeps = own_header()->poller_sleeps_total;
    uint64_t began = peal_clock_now_ns(), idle = machine().idle_ns, own = own_processor_ns();
    CHILD_CHECK(is_ok(peal_sleep_until(began + 1000 * MS)));
    quiet.idle_ns = machine().idle_ns - idle;
    quiet.own_ns = own_processor_ns() - own;
    quiet.passed_ns = peal_clock_now_ns() - began;
    CHILD_CHECK(own_header()->poller_sleeps_total - sleeps < 100);
    return 0;
}

/* What is seldom above 1 % is compared with 10 %, and again if the machine below was busy. */
GUEST_TEST(an_idle_poller_costs_nothing)
{
    for (uint32_t attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        EXPECT_EQUAL(0, run_polled(do_nothing_for_a_second, 0));
        if (quiet.own_ns < quiet.passed_ns / 10) break;
    }
    EXPECT(quiet.own_ns < quiet.passed_ns / 10);
    guest_test_note("idle %lu of %lu us on all processors, own time %lu us", quiet.idle_ns / 1000,
                    quiet.passed_ns / 1000, quiet.own_ns / 1000);
}

static int burn(uint64_t count)
{
    steady = (struct abi_submission){.op = ABI_OP_NOP};
    return keep_going((uint32_t)count);
}

GUEST_TEST(the_time_of_the_poller_is_the_programs)
{
    uint64_t thread_before = own_processor_ns(), began = peal_clock_now_ns();
    EXPECT_EQUAL(0, run_with(&long_with_poller, burn, WARM_UP));
    uint64_t own = own_processor_ns() - thread_before, passed = peal_clock_now_ns() - began;
    guest_test_note("%lu us of processors in %lu us", own / 1000, passed / 1000);
    /* Two busy processors, or one in turns: more than a thread alone could have used. */
    if (!is_alone()) EXPECT(own > passed / 2);
}

/* ---- waiting for completions ---- */

static bool push_sleep(uint64_t deadline_ns)
{
    struct abi_submission *slot = peal_ring_slot();
    if (slot == nullptr) return false;
    peal_prepare_sleep(slot, (struct abi_submission){.args = {deadline_ns}, .user_data = 5});
    peal_ring_push();
    return true;
}

static int wait_for_several(uint64_t unused)
{
    (void)unused;
    for (uint64_t i = 1; i <= 6; i++)
        CHILD_CHECK(push_sleep(peal_deadline_in_ms(3 * i)));
    CHILD_CHECK(push_sleep(ABI_DEADLINE_NEVER));
    size_result first = peal_submit(6, ABI_DEADLINE_NEVER);
    CHILD_CHECK(is_ok(first.status) && first.value == 7);
    struct abi_completion done;
    for (uint64_t i = 1; i <= 6; i++)
        CHILD_CHECK(peal_reap(&done) && done.tag == ABI_RESULT_OK);
    CHILD_CHECK(!peal_reap(&done));
    /* One never ends. */
    CHILD_CHECK(peal_submit(1, peal_deadline_in_ms(5)).status.code == STATUS_TIMED_OUT);
    /* A call beside it; and the thread ends with it in flight. */
    CHILD_CHECK(is_ok(peal_nop().status));
    return 0;
}

GUEST_TEST(a_thread_waits_for_several_completions_or_its_deadline)
{
    EXPECT_EQUAL(0, run_polled(wait_for_several, 0));
}

static int fill_it(uint64_t unused)
{
    (void)unused;
    struct peal_ring *ring = &peal_thread_self()->ring;
    uint32_t slots = ring->completion_mask + 1;
    for (uint32_t i = 0; i < slots; i++) {
        struct abi_submission *slot;
        while ((slot = peal_ring_slot()) == nullptr)
            CHILD_CHECK(is_ok(peal_submit(0, 0).status));
        peal_prepare_nop(slot, (struct abi_submission){.user_data = i});
        peal_ring_push();
    }
    CHILD_CHECK(is_ok(peal_submit(slots, ABI_DEADLINE_NEVER).status));
    /* Nothing fits any more: a call is refused, and leaves nothing behind. */
    for (uint32_t i = 0; i < 3; i++)
        CHILD_CHECK(peal_nop().status.code == STATUS_QUEUE_FULL);
    CHILD_CHECK(ring->header->refused_full_total >= 3);
    /* Something published waits, and goes on when there is room, the poller asleep or not. */
    for (uint32_t i = 0; i < 2; i++) {
        struct abi_submission *slot = peal_ring_slot();
        CHILD_CHECK(slot != nullptr);
        peal_prepare_nop(slot, (struct abi_submission){.user_data = slots + i});
        peal_ring_push();
        CHILD_CHECK(is_ok(peal_submit(0, 0).status));
        wait_until_it_sleeps();
    }
    struct abi_completion done;
    for (uint32_t i = 0; i < slots + 2; i++) {
        while (!peal_reap(&done))
            peal_yield();
        CHILD_CHECK(done.user_data == i);
    }
    CHILD_CHECK(is_ok(peal_nop().status));
    return 0;
}

GUEST_TEST(a_full_completion_queue_holds_the_poller_up_until_somebody_reaps)
{
    EXPECT_EQUAL(0, run_polled(fill_it, 0));
}

/* Waits for the word instead of the tail, as a program with many rings would. */
static int wait_for_ready(uint64_t rounds)
{
    for (uint64_t i = 0; i < rounds; i++) {
        CHILD_CHECK(push_sleep(i % 2 == 0 ? 0 : peal_clock_now_ns() + 100'000));
        CHILD_CHECK(is_ok(peal_submit(0, 0).status));
        struct abi_completion done;
        while (!peal_reap(&done)) {
            while (load_acquire(&own_doorbell()->cq_ready) == 0)
                peal_yield();
            store_relaxed(&own_doorbell()->cq_ready, 0);
            atomic_thread_fence(memory_order_seq_cst);
        }
    }
    return 0;
}

GUEST_TEST(cq_ready_tells_of_every_completion)
{
    EXPECT_EQUAL(0, run_polled(wait_for_ready, 500));
}

/* ---- the end of rings in use ---- */

static int flood(uint64_t unused)
{
    (void)unused;
    steady = (struct abi_submission){.op = ABI_OP_NOP};
    for (;;)
        if (keep_going(100'000) != 0) return 1;
}

static int play_flooder(void)
{
    for (uint32_t i = 0; i < FLOODERS; i++) {
        running_thread_result made = peal_thread_create_with(flood, 0, &with_poller);
        CHILD_CHECK(is_ok(made.status));
        running_thread_borrow(&made.value);
    }
    flood(0);
    return 1;
}

GUEST_TEST(a_process_is_killed_while_pollers_are_inside_its_rings)
{
    struct peal_spawn polled = {.ring_flags = ABI_RING_POLLER};
    for (uint32_t i = 0; i < KILLS; i++) {
        process_result started = child_start(PROGRAM, TEXT("flooder"), &polled);
        REQUIRE(is_ok(started.status));
        OWNED(process_handle) child = TAKE(started.value);
        EXPECT_STATUS(OK, peal_sleep_until(peal_clock_now_ns() + i * MS / 4));
        EXPECT_STATUS(OK, peal_process_kill(process_borrow(&child), 7));
        struct abi_exit how = {0};
        EXPECT_STATUS(OK, peal_process_wait(process_borrow(&child), ABI_DEADLINE_NEVER, &how));
        EXPECT_EQUAL(ABI_EXIT_REASON_KILLED, how.reason);
    }
}

static int leave_everything(uint64_t unused)
{
    (void)unused;
    for (uint32_t i = 0; i < 20; i++)
        CHILD_CHECK(push_sleep(i % 2 == 0 ? ABI_DEADLINE_NEVER : 0));
    store_release(&own_header()->submission_tail, peal_thread_self()->ring.submission_tail);
    return 0; /* without a doorbell, and with whatever is accepted in flight */
}

GUEST_TEST(a_thread_ends_with_submissions_that_nobody_has_accepted)
{
    for (uint32_t i = 0; i < 100; i++)
        EXPECT_EQUAL(0, run_polled(leave_everything, 0));
}

/* ---- nonsense ---- */

static _Atomic(struct abi_ring_header *) scribbled;

/* Its own ring lies in memory that another thread writes to all the time. */
static int be_scribbled_on(uint64_t unused)
{
    (void)unused;
    atomic_store_explicit(&scribbled, own_header(), memory_order_release);
    for (;;)
        peal_system_call(ABI_SYSCALL_ENTER, 1, 0);
}

static int play_scribbler(void)
{
    running_thread_result made = peal_thread_create_with(be_scribbled_on, 0, &with_poller);
    CHILD_CHECK(is_ok(made.status));
    running_thread_borrow(&made.value);
    struct abi_ring_header *header;
    while ((header = atomic_load_explicit(&scribbled, memory_order_acquire)) == nullptr)
        peal_yield();
    uint64_t state = 88172645463325252ull;
    uint32_t *words = (uint32_t *)header;
    for (;;) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        uint32_t word = (uint32_t)(state >> 40) % (header->total_bytes / sizeof(uint32_t));
        if ((state & 1) != 0) word = (uint32_t)(state >> 8) % (2 * ABI_PAGE_BYTES / 4);
        if (word < 16) continue; /* the geometry, which this loop needs itself */
        store_relaxed(&words[word], (uint32_t)(state >> 3));
    }
}

GUEST_TEST(who_scribbles_on_its_doorbell_hurts_only_itself)
{
    process_result started = child_start(PROGRAM, TEXT("scribbler"), &(struct peal_spawn){0});
    REQUIRE(is_ok(started.status));
    OWNED(process_handle) child = TAKE(started.value);
    EXPECT_EQUAL(0, run_polled(make_calls, SCRIBBLE_CALLS));
    EXPECT_STATUS(OK, peal_process_kill(process_borrow(&child), 7));
    struct abi_exit how = {0};
    EXPECT_STATUS(OK, peal_process_wait(process_borrow(&child), ABI_DEADLINE_NEVER, &how));
}

static int end_at_once(uint64_t unused)
{
    return (int)unused;
}

GUEST_TEST_SETUP
{
    run_polled(end_at_once, 0); /* the memory that stacks come from stays */
    if (child_plays(TEXT("calls"))) peal_exit(make_calls(300));
    if (child_plays(TEXT("flooder"))) peal_exit(play_flooder());
    if (child_plays(TEXT("scribbler"))) peal_exit(play_scribbler());
    guest_test_need_grants();
}
