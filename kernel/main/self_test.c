#include "main/self_test.h"
#include "arch/arch/cpu.h"
#include "arch/arch/machine.h"
#include "arch/arch/page_table.h"
#include "arch/arch/tlb.h"
#include "debug/assert.h"
#include "debug/log.h"
#include "mm/direct_map.h"
#include "mm/frame_pool.h"
#include "mm/heap.h"
#include "sched/wait_queue.h"

#define ROUND_TRIPS     2000u
#define GENERATIONS     3000u
#define PLACE           0x4000'0000ull /* in a table of our own */
#define FLUSHING_MS_MAX 2000u
#define SLEEP_MS        20u
#define SLEEP_LATE_MS   2000u /* a hang detector: emulated machines are slow */

/* A thread on every processor; self_test waits until all are through. */
static struct {
    spin_lock lock;
    struct wait_queue waiters;
    uint32_t left GUARDED_BY(lock);
} crowd = {.lock = SPIN_LOCK_INIT(LOCK_RANK_DEVICE)};

[[noreturn]] static void leave_crowd(void)
{
    spin_acquire(&crowd.lock);
    if (--crowd.left == 0) wait_queue_wake_all(&crowd.waiters);
    spin_release(&crowd.lock);
    thread_exit();
}

static void start_on(uint32_t cpu, void (*entry)(void *), void *argument)
{
    thread_result made = thread_create(&(struct thread_options){
        .entry = entry,
        .argument = argument,
        .name = "selftest",
        .priority = THREAD_PRIORITY_WORKER,
        .is_pinned = true,
        .cpu = cpu,
    });
    ASSERT(is_ok(made.status));
    spin_acquire(&crowd.lock);
    crowd.left++;
    spin_release(&crowd.lock);
    thread_start(made.value);
    thread_put(made.value);
}

static void wait_for_crowd(void)
{
    spin_acquire(&crowd.lock);
    while (crowd.left > 0) {
        status woken = wait_queue_sleep(&crowd.waiters, &crowd.lock, deadline_never(), false);
        ASSERT(is_ok(woken));
    }
    spin_release(&crowd.lock);
}

/* --- Two threads, on one or on two processors, hand a turn to and fro ------------------------- */

static struct {
    spin_lock lock;
    struct wait_queue waiters;
    uint32_t turn GUARDED_BY(lock);
} game = {.lock = SPIN_LOCK_INIT(LOCK_RANK_DEVICE)};

static void play(void *argument)
{
    uint32_t me = (uint32_t)(uintptr_t)argument;
    for (uint32_t round = 0; round < ROUND_TRIPS; round++) {
        spin_acquire(&game.lock);
        while (game.turn % 2 != me) {
            status woken = wait_queue_sleep(&game.waiters, &game.lock, deadline_never(), false);
            ASSERT(is_ok(woken));
        }
        game.turn++;
        wait_queue_wake(&game.waiters, 1, true);
        spin_release(&game.lock);
    }
    leave_crowd();
}

static void test_turns(void)
{
    uint32_t others[] = {0, cpu_count() - 1};
    for (uint32_t i = 0; i < 2; i++) {
        uint64_t began = clock_now_ns();
        start_on(0, play, (void *)0);
        start_on(others[i], play, (void *)1);
        wait_for_crowd();
        log_line("selftest", "turns between processors 0 and %u: %llu ns each", others[i],
                 (unsigned long long)((clock_now_ns() - began) / (2 * ROUND_TRIPS)));
    }
}

/* --- Sleeping ends when it should, on every processor ----------------------------------------- */

static void nap(void)
{
    static spin_lock lock = SPIN_LOCK_INIT(LOCK_RANK_DEVICE);
    struct wait_queue nobody;
    wait_queue_init(&nobody);
    uint64_t began = clock_now_ns();
    spin_acquire(&lock);
    status woken = wait_queue_sleep(&nobody, &lock, deadline_in_ms(SLEEP_MS), false);
    spin_release(&lock);
    uint64_t passed_ms = (clock_now_ns() - began) / 1'000'000;
    ASSERT(woken.code == STATUS_TIMED_OUT);
    ASSERT(passed_ms >= SLEEP_MS && passed_ms < SLEEP_LATE_MS);
}

static void sleep_a_while(void *argument)
{
    (void)argument;
    for (uint32_t i = 0; i < 3; i++)
        nap();
    leave_crowd();
}

static void test_sleep(void)
{
    for (uint32_t cpu = 0; cpu < cpu_count(); cpu++)
        start_on(cpu, sleep_a_while, nullptr);
    wait_for_crowd();
}

/* --- A processor never sees a mapping that tlb_flush() has ended ------------------------------ */

/*
 * One thread puts frame after frame in one place, each holding its generation, and publishes the
 * generation when the flush is done. All others look: what they read must not be older than what
 * they had seen published. They flush as well, so that flushes meet.
 */
static struct page_table place;
static _Atomic uint64_t published;
static _Atomic bool is_over;

static uint64_t look(void)
{
    return *(const volatile uint64_t *)PLACE;
}

static cpu_set all_processors(void)
{
    uint32_t count = cpu_count();
    return (cpu_set){count == 64 ? UINT64_MAX : (1ull << count) - 1};
}

static void watch(void *argument)
{
    (void)argument;
    bool were_on = interrupts_disable();
    page_table_use(&place);
    interrupts_restore(were_on);
    for (uint32_t looks = 0; !atomic_load(&is_over); looks++) {
        uint64_t least = atomic_load(&published);
        ASSERT(look() >= least);
        if (looks % 64 == 0) tlb_flush(all_processors(), PLACE + PAGE_BYTES, PAGE_BYTES);
        if (looks % 16 == 0) { /* deaf for a while */
            were_on = interrupts_disable();
            for (uint32_t i = 0; i < 100; i++)
                cpu_relax();
            interrupts_restore(were_on);
        }
    }
    were_on = interrupts_disable();
    page_table_use(nullptr);
    interrupts_restore(were_on);
    leave_crowd();
}

static void show(physical_address frame, uint64_t generation)
{
    *(uint64_t *)direct_map(frame) = generation;
    status replaced = page_table_replace(&place, PLACE, frame);
    ASSERT(is_ok(replaced));
    tlb_flush(all_processors(), PLACE, PAGE_BYTES);
    atomic_store(&published, generation);
}

static void test_flush(void)
{
    frame_result frames[2] = {frame_pool_take(nullptr, 0), frame_pool_take(nullptr, 0)};
    ASSERT(is_ok(frames[0].status) && is_ok(frames[1].status));
    status made = page_table_create(&place, nullptr);
    if (is_ok(made))
        made = page_table_map(&place, PLACE, frames[0].value, PAGE_BYTES, PAGE_READ | PAGE_KERNEL);
    ASSERT(is_ok(made));
    show(frames[0].value, 1);
    for (uint32_t cpu = 1; cpu < cpu_count(); cpu++)
        start_on(cpu, watch, nullptr);
    /* Where many processors share few real ones, a flush takes long. */
    deadline limit = deadline_in_ms(FLUSHING_MS_MAX);
    uint64_t generation = 2;
    for (; generation <= GENERATIONS && !deadline_passed(limit); generation++)
        show(frames[generation % 2].value, generation);
    atomic_store(&is_over, true);
    wait_for_crowd();
    tlb_flush(all_processors(), PLACE, PAGE_BYTES);
    page_table_destroy(&place);
    log_line("selftest", "%llu flushes seen by all", (unsigned long long)(generation - 1));
    for (uint32_t i = 0; i < 2; i++)
        frame_pool_give(nullptr, frames[i].value, 0);
}

/* --- Threads that come and go leave nothing behind -------------------------------------------- */

static void come_and_go(void *argument)
{
    (void)argument;
    leave_crowd();
}

static void test_threads(void)
{
    uint64_t objects = 0;
    for (uint32_t round = 0; round < 4; round++) {
        for (uint32_t i = 0; i < 64; i++)
            start_on(i % cpu_count(), come_and_go, nullptr);
        wait_for_crowd();
        /* The last to leave may not be buried yet. */
        deadline limit = deadline_in_ms(SLEEP_LATE_MS);
        while (round > 0 && heap_count().objects_taken > objects && !deadline_passed(limit))
            scheduler_yield();
        if (round > 0) ASSERT(heap_count().objects_taken <= objects);
        if (round == 0) objects = heap_count().objects_taken;
    }
}

void self_test(void)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } tests[] = {
        {"mappings", machine_check_mappings},
        {"turns", test_turns},
        {"sleep", test_sleep},
        {"flush", test_flush},
        {"threads", test_threads},
        {"frames", frame_pool_check},
    };
    wait_queue_init(&crowd.waiters);
    wait_queue_init(&game.waiters);
    nap(); /* until every processor has found its queue */
    for (uint32_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        tests[i].run();
        log_line("selftest", "%s: ok", tests[i].name);
    }
    log_line("selftest", "all passed");
}
