/*
 * A world for rings on the host: no scheduler, a clock that a test moves, workers that run when the
 * ring's thread would sleep. Included by one file of a test binary, since it defines what
 * sched/wait_queue.h, sched/worker.h and sched/scheduler.h declare, as far as rings need it.
 *
 * When the ring's thread would sleep, the world takes a turn: `world_turn_hook`, then queued work,
 * then timers. When nothing happens for many turns and there is a timer or a deadline ahead, the
 * clock moves to it; without one the test fails, for the sleep would never end.
 */
#pragma once
#include "arch/host/host.h"
#include "base/container.h"
#include "cap/capability.h"
#include "mm/direct_map.h"
#include "mm/heap.h"
#include "mm/quota.h"
#include "random/random.h"
#include "ring/ring.h"
#include "sched/scheduler.h"
#include "support/test.h"
#include "time/timer_queue.h"
#include <sched.h>

static void (*world_turn_hook)(void);
static _Atomic uint32_t world_wakes; /* calls of wait_queue_wake */
static bool world_thread_is_ended;   /* as if thread_request_end had been called */
static uint32_t world_idle_turns_max = 3;
[[maybe_unused]] static struct list *world_recorders; /* who keeps the flight recorders */

/* ---- sched, as far as rings see it ---- */

struct work_queue {
    int unused;
};
static struct work_queue world_work_queue;
static spin_lock world_work_lock = SPIN_LOCK_INIT(LOCK_RANK_WORK_QUEUE);
static struct list world_work = LIST_INIT(world_work);

status worker_init(void)
{
    return OK;
}

struct work_queue *work_queue_create(const char *name, uint32_t threads_max)
{
    (void)name, (void)threads_max;
    return &world_work_queue;
}

struct work_queue *work_queue_shared(void)
{
    return &world_work_queue;
}

void work_submit(struct work_queue *queue, struct work *work, work_function *function)
{
    (void)queue;
    work->function = function;
    spin_acquire(&world_work_lock);
    list_push_back(&world_work, &work->link);
    spin_release(&world_work_lock);
}

static uint8_t world_work_priority; /* of what was submitted last */
void work_submit_at(struct work_queue *queue, struct work *work, work_function *function,
                    uint8_t priority)
{
    world_work_priority = priority;
    work_submit(queue, work, function);
}

/* Runs what was submitted; answers how much. */
static uint32_t world_run_work(void)
{
    for (uint32_t count = 0;; count++) {
        spin_acquire(&world_work_lock);
        struct list *link = list_take_front(&world_work);
        spin_release(&world_work_lock);
        if (link == nullptr) return count;
        struct work *work = list_entry(link, struct work, link);
        work->function(work);
    }
}

static void world_run_timers(void)
{
    bool were_on = interrupts_disable();
    timer_queue_run();
    interrupts_restore(were_on);
}

static void world_set_clock(uint64_t ns)
{
    atomic_store(&host_stopped_ticks, 1000 + ns);
}

void scheduler_preempt_point(void)
{
}

/* There are no pollers, so what they need is not called. */
void scheduler_yield(void)
{
}

uint64_t scheduler_own_runtime_ns(void)
{
    return 0;
}

thread_result thread_create(const struct thread_options *options)
{
    (void)options;
    return (thread_result){.status = FAIL(OUT_OF_MEMORY)};
}

void thread_start(struct thread *thread)
{
    (void)thread;
}

void thread_put(struct thread *thread)
{
    (void)thread;
}

void wait_queue_init(struct wait_queue *queue)
{
    list_init(&queue->waiters);
}

uint32_t wait_queue_wake(struct wait_queue *queue, uint32_t count, bool prefer_here)
{
    (void)queue, (void)count, (void)prefer_here;
    atomic_fetch_add(&world_wakes, 1);
    return 1;
}

/* There is one thread that waits; it takes turns, so that it need not be woken. */
struct thread *wait_queue_take_first(struct wait_queue *queue)
{
    (void)queue;
    atomic_fetch_add(&world_wakes, 1);
    return nullptr;
}

bool thread_wake(struct thread *thread, bool prefer_here)
{
    (void)thread, (void)prefer_here;
    return false;
}

/* One turn of everybody else. True when something was woken since there were `before` wakes. */
static bool world_turn(uint32_t before)
{
    if (world_turn_hook != nullptr) world_turn_hook();
    world_run_work();
    world_run_timers();
    return atomic_load(&world_wakes) != before;
}

static uint64_t world_next_event(deadline limit)
{
    bool were_on = interrupts_disable();
    uint64_t next = timer_queue_next_ns();
    interrupts_restore(were_on);
    return next < limit.at_ns ? next : limit.at_ns;
}

status wait_queue_sleep(struct wait_queue *queue, spin_lock *lock, deadline limit,
                        bool is_interruptible) NO_LOCK_CHECK
{
    (void)queue;
    if (is_interruptible && world_thread_is_ended) return FAIL(INTERRUPTED);
    if (deadline_passed(limit)) return FAIL(TIMED_OUT);
    uint32_t before = atomic_load(&world_wakes); /* under the lock: none is missed */
    spin_release(lock);
    for (uint32_t idle = 0; !world_turn(before) && !deadline_passed(limit); idle++) {
        if (idle < world_idle_turns_max) {
            sched_yield();
            continue;
        }
        uint64_t next = world_next_event(limit);
        if (next == UINT64_MAX) test_fail(__FILE__, __LINE__, "this sleep would never end");
        world_set_clock(next);
        world_run_timers();
        break;
    }
    spin_acquire(lock);
    return deadline_passed(limit) ? FAIL(TIMED_OUT) : OK;
}

/* ---- one process ---- */

static struct world {
    struct memory_quota quota;
    struct handle_table handles;
    struct buffer_table buffers;
    struct ring *ring;
    struct abi_ring_header *header; /* as the program sees it */
    uint32_t submission_tail;
    uint32_t completion_head;
} world;

static uint8_t *world_ring_byte(uint32_t offset)
{
    frame_result frame = buffer_touch(ring_memory(world.ring), offset / ABI_PAGE_BYTES);
    if (!is_ok(frame.status)) test_fail(__FILE__, __LINE__, "the ring's memory is not there");
    return (uint8_t *)direct_map(frame.value) + offset % ABI_PAGE_BYTES;
}

static struct abi_submission *world_submission_at(uint32_t index)
{
    uint32_t masked = index & (world.header->submission_entries - 1);
    return (struct abi_submission *)(void *)world_ring_byte(
        world.header->submissions_offset_bytes + masked * (uint32_t)sizeof(struct abi_submission));
}

static struct abi_completion *world_completion_at(uint32_t index)
{
    uint32_t masked = index & (world.header->completion_entries - 1);
    return (struct abi_completion *)(void *)world_ring_byte(
        world.header->completions_offset_bytes + masked * (uint32_t)sizeof(struct abi_completion));
}

/* Fills the next entry and publishes it. */
static void world_submit(struct abi_submission submission)
{
    *world_submission_at(world.submission_tail) = submission;
    __atomic_store_n(&world.header->submission_tail, ++world.submission_tail, __ATOMIC_RELEASE);
}

static uint32_t world_unread(void)
{
    return __atomic_load_n(&world.header->completion_tail, __ATOMIC_ACQUIRE) -
           world.completion_head;
}

static struct abi_completion world_reap(void)
{
    if (world_unread() == 0) test_fail(__FILE__, __LINE__, "no completion is there");
    struct abi_completion completion = *world_completion_at(world.completion_head++);
    __atomic_store_n(&world.header->completion_head, world.completion_head, __ATOMIC_RELEASE);
    return completion;
}

/* Once for a process: the machine. */
static void world_init(const struct op_descriptor *const *rows)
{
    static bool is_ready;
    if (is_ready) return;
    is_ready = true;
    host_memory_init();
    random_init((const uint8_t *)"the same for every run", 22);
    world_set_clock(0);
    clock_init(0);
    world_run_timers();
    if (!is_ok(capability_init()) || !is_ok(ring_init(rows)))
        test_fail(__FILE__, __LINE__, "no world");
}

/* A process with a ring that has not been made yet. */
static void world_begin(void)
{
    world = (struct world){.quota = {.references = 1, .max_bytes = 64ull << 20}};
    handle_table_init(&world.handles, &world.quota, 1000, 1);
    buffer_table_init(&world.buffers, &world.quota);
    world_turn_hook = nullptr;
    world_thread_is_ended = false;
    atomic_store(&world_wakes, 0);
}

static uint32_t world_ring_flags; /* of rings made from now on */

static status world_make_ring(uint32_t entries)
{
    struct ring_environment environment = {
        .handles = &world.handles,
        .buffers = &world.buffers,
        .process = &world,
        .recorders = world_recorders,
    };
    ring_result made = ring_create(&environment, &world.quota, entries, world_ring_flags);
    if (!is_ok(made.status)) return made.status;
    world.ring = made.value;
    world.header = (struct abi_ring_header *)(void *)world_ring_byte(0);
    return OK;
}

/* Ends everything; nothing must be left over. */
static void world_end(void)
{
    if (world.ring != nullptr) {
        ring_close(world.ring);
        ring_destroy(world.ring);
    }
    handle_table_empty(&world.handles);
    buffer_table_empty(&world.buffers);
    if (memory_quota_used(&world.quota) != 0)
        test_fail(__FILE__, __LINE__, "%llu bytes are still charged",
                  (unsigned long long)memory_quota_used(&world.quota));
    if (atomic_load(&world.quota.references) != 1)
        test_fail(__FILE__, __LINE__, "the quota is still referred to");
}
