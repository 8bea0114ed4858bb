/*
 * The scheduler's contract on the host, where threads are the process's own: enough for wait
 * queues, mutexes and workers to be tested, and used by other modules' tests, with real
 * concurrency.
 *
 * A sleeping thread runs the timers of the processor that it plays. Not part of the kernel.
 */
#include "arch/arch/cpu.h"
#include "arch/host/host.h"
#include "base/bytes.h"
#include "debug/assert.h"
#include "mm/heap.h"
#include "sched/scheduler_internal.h"
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

struct host_thread {
    struct thread thread;
    void (*entry)(void *argument);
    void *argument;
    pthread_mutex_t mutex; /* guards the thread's state */
    pthread_cond_t woken;
};

static constexpr uint64_t LOOK_AGAIN_NS = 1000000;

static struct host_thread *host_of(struct thread *thread)
{
    return container_of(thread, struct host_thread, thread);
}

static void prepare(struct host_thread *host, const char *name)
{
    struct thread *thread = &host->thread;
    *host = (struct host_thread){.thread = {.wake_reason = WAKE_SIGNALLED, .references = 2}};
    for (size_t i = 0; name && name[i] != 0 && i < sizeof(thread->name) - 1; i++)
        thread->name[i] = name[i];
    list_init(&thread->run_link);
    list_init(&thread->wait_link);
    pthread_mutex_init(&host->mutex, nullptr);
    pthread_cond_init(&host->woken, nullptr);
}

static void set_state(struct thread *thread, enum thread_state state)
{
    atomic_store_explicit(&thread->state, state, memory_order_relaxed);
}

/* The thread that runs the tests. */
[[gnu::constructor]] static void attach_main_thread(void)
{
    static struct host_thread first;
    prepare(&first, "main");
    set_state(&first.thread, THREAD_RUNNING);
    cpu_set_current_thread(&first.thread);
}

static void *run(void *argument)
{
    struct host_thread *host = argument;
    cpu_set_current_thread(&host->thread);
    set_state(&host->thread, THREAD_RUNNING);
    host->entry(host->argument);
    panic("thread \"%s\" returned from its entry", host->thread.name);
}

thread_result thread_create(const struct thread_options *options)
{
    struct host_thread *host = heap_take(sizeof(*host));
    if (!host) return (thread_result){.status = FAIL(OUT_OF_MEMORY)};
    prepare(host, options->name);
    host->entry = options->entry;
    host->argument = options->argument;
    host->thread.owner = options->owner;
    host->thread.priority = options->priority;
    return (thread_result){.value = &host->thread};
}

void thread_start(struct thread *thread)
{
    pthread_t ignored;
    set_state(thread, THREAD_READY);
    if (pthread_create(&ignored, nullptr, run, host_of(thread)) != 0) panic("no more threads");
    pthread_detach(ignored);
}

void thread_get(struct thread *thread)
{
    atomic_fetch_add(&thread->references, 1);
}

void thread_put(struct thread *thread)
{
    if (atomic_fetch_sub(&thread->references, 1) == 1) heap_give(host_of(thread));
}

void thread_exit(void)
{
    struct thread *self = cpu_current_thread();
    cpu_set_current_thread(nullptr);
    set_state(self, THREAD_DEAD);
    thread_put(self);
    pthread_exit(nullptr);
}

void thread_prepare_to_sleep(void)
{
    set_state(cpu_current_thread(), THREAD_SLEEPING);
}

/* Until `woken`, or for a moment, so that timers get their turn. */
static void doze(struct host_thread *host)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    uint64_t ns = (uint64_t)until.tv_nsec + LOOK_AGAIN_NS;
    until.tv_sec += (time_t)(ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    pthread_cond_timedwait(&host->woken, &host->mutex, &until);
}

void thread_sleep(void)
{
    struct host_thread *host = host_of(cpu_current_thread());
    pthread_mutex_lock(&host->mutex);
    while (thread_state(&host->thread) == THREAD_SLEEPING) {
        doze(host);
        pthread_mutex_unlock(&host->mutex);
        if (host_timer.is_armed) {
            bool were_on = interrupts_disable();
            timer_queue_run();
            interrupts_restore(were_on);
        }
        pthread_mutex_lock(&host->mutex);
    }
    pthread_mutex_unlock(&host->mutex);
}

bool thread_wake(struct thread *thread, bool prefer_here)
{
    (void)prefer_here;
    struct host_thread *host = host_of(thread);
    pthread_mutex_lock(&host->mutex);
    bool was_sleeping = thread_state(thread) == THREAD_SLEEPING;
    if (was_sleeping) set_state(thread, THREAD_RUNNING);
    pthread_cond_signal(&host->woken);
    pthread_mutex_unlock(&host->mutex);
    return was_sleeping;
}

void scheduler_yield(void)
{
    sched_yield();
}

void scheduler_preempt_point(void)
{
}

void thread_set_priority(struct thread *thread, uint8_t priority)
{
    atomic_store(&thread->priority, priority);
}
