/*
 * Threads: their memory and their beginning and end. Who runs when is scheduler.c's.
 *
 * A thread has two references at first: its creator's and its own. Its own is dropped when it is
 * buried, by the thread that runs after it, because nobody can free the stack he stands on.
 */
#include "sched/thread.h"
#include "arch/arch/cpu.h"
#include "base/bytes.h"
#include "debug/assert.h"
#include "mm/heap.h"
#include "sched/scheduler_internal.h"

static struct slab_cache *thread_cache;
static _Atomic uint64_t next_id = 1;
static _Atomic uint32_t thread_count; /* relaxed: a statistic */

/* What a created thread calls first; lies at the top of its stack until it has been read. */
struct beginning {
    void (*entry)(void *argument);
    void *argument;
};

void thread_init(void)
{
    thread_cache = slab_cache_create("thread", sizeof(struct thread), CACHE_LINE_BYTES);
    if (!thread_cache) panic("no memory for threads");
}

static void set_name(struct thread *thread, const char *name)
{
    size_t length = 0;
    while (name && name[length] != 0 && length < sizeof(thread->name) - 1)
        length++;
    bytes_copy(thread->name, name, length);
    thread->name[length] = 0;
}

static struct thread *allocate(const struct thread_options *options)
{
    struct thread *thread = slab_take(thread_cache);
    if (!thread) return nullptr;
    *thread = (struct thread){
        .id = atomic_fetch_add_explicit(&next_id, 1, memory_order_relaxed),
        .owner = options->owner,
        .user = options->user,
        .is_pinned = options->is_pinned,
        .state = THREAD_NEW,
        .cpu = options->is_pinned ? options->cpu : cpu_index(),
        .priority = options->priority,
        .references = 2,
        .wake_reason = WAKE_SIGNALLED,
    };
    set_name(thread, options->name);
    list_init(&thread->run_link);
    list_init(&thread->wait_link);
    atomic_fetch_add_explicit(&thread_count, 1, memory_order_relaxed);
    return thread;
}

static void release(struct thread *thread)
{
    slab_give(thread_cache, thread);
    atomic_fetch_sub_explicit(&thread_count, 1, memory_order_relaxed);
}

static void begin(void *argument)
{
    struct beginning beginning = *(struct beginning *)argument;
    scheduler_begin();
    beginning.entry(beginning.argument);
    panic("thread \"%s\" returned from its entry", cpu_current_thread()->name);
}

thread_result thread_create(const struct thread_options *options)
{
    ASSERT(options->priority < THREAD_PRIORITY_COUNT);
    struct thread *thread = allocate(options);
    if (!thread) return (thread_result){.status = FAIL(OUT_OF_MEMORY)};
    thread->kernel_stack_top = kernel_stack_take();
    if (!thread->kernel_stack_top) {
        release(thread);
        return (thread_result){.status = FAIL(OUT_OF_MEMORY)};
    }
    struct beginning *beginning = (struct beginning *)thread->kernel_stack_top - 1;
    *beginning = (struct beginning){options->entry, options->argument};
    context_init(&thread->context, beginning, begin, beginning);
    return (thread_result){.value = thread};
}

struct thread *thread_adopt(const char *name, uint8_t priority, bool is_pinned, uint32_t cpu)
{
    struct thread_options options = {
        .name = name, .priority = priority, .is_pinned = is_pinned, .cpu = cpu};
    struct thread *thread = allocate(&options);
    if (!thread) panic("no memory for thread \"%s\"", name);
    atomic_store_explicit(&thread->references, 1, memory_order_relaxed); /* its own only */
    return thread;
}

void thread_start(struct thread *thread)
{
    scheduler_admit(thread);
}

void thread_get(struct thread *thread)
{
    /* Relaxed: whoever calls has a reference already, so nothing is published here. */
    uint32_t before = atomic_fetch_add_explicit(&thread->references, 1, memory_order_relaxed);
    ASSERT(before > 0);
}

void thread_put(struct thread *thread)
{
    /* What others did with the thread happens before its end: each put releases, the last acquires.
     */
    uint32_t before = atomic_fetch_sub_explicit(&thread->references, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before > 1) return;
    if (thread_state(thread) == THREAD_NEW) kernel_stack_give(thread->kernel_stack_top);
    release(thread);
}

void thread_exit(void)
{
    DEBUG_ASSERT(cpu_current_thread()->held_mutex_count == 0);
    scheduler_leave();
}

void thread_bury(struct thread *thread)
{
    if (thread->kernel_stack_top) kernel_stack_give(thread->kernel_stack_top);
    thread_put(thread);
}

uint32_t scheduler_thread_count(void)
{
    return atomic_load_explicit(&thread_count, memory_order_relaxed);
}
