/*
 * Kernel worker threads.
 *
 * There is always one worker more than items being worked on, up to the maximum: a worker that
 * takes an item and leaves nobody idle behind makes another first. It does so because it may wait,
 * which work_submit() may not. Without memory for another the items wait their turn. One that is
 * idle beside another for a while ends.
 *
 * Locking: `queue->lock` guards everything in a queue.
 */
#include "sched/worker.h"
#include "debug/assert.h"
#include "mm/heap.h"

static constexpr uint32_t SHARED_THREADS_MAX = 16;
static constexpr uint32_t FAIR_EVERY = 8;
static constexpr uint64_t LINGER_MS = 20; /* longer than the pauses within one piece of work */

struct work_queue {
    const char *name;     /* fixed at creation */
    uint32_t threads_max; /* fixed at creation */

    spin_lock lock;                                            /* LOCK_RANK_WORK_QUEUE */
    struct list items[WORK_PRIORITY_MAX + 1] GUARDED_BY(lock); /* by priority */
    uint32_t item_count GUARDED_BY(lock);
    uint32_t taken_count GUARDED_BY(lock); /* ever */
    struct wait_queue idle GUARDED_BY(lock);
    uint32_t idle_count GUARDED_BY(lock);
    uint32_t thread_count GUARDED_BY(lock);
};

static struct work_queue *shared; /* fixed after boot */

static void work_loop(void *argument);

/* Starts the thread that the caller has counted already. */
static bool start_worker(struct work_queue *queue)
{
    struct thread_options options = {
        .entry = work_loop,
        .argument = queue,
        .name = queue->name,
        .priority = THREAD_PRIORITY_WORKER,
    };
    thread_result made = thread_create(&options);
    if (!is_ok(made.status)) return false;
    thread_start(made.value);
    thread_put(made.value); /* it lives on its own reference */
    return true;
}

/* How long to be idle: for ever, unless somebody else is idle already. */
static deadline patience_locked(const struct work_queue *queue) REQUIRES(queue->lock)
{
    return queue->idle_count == 0 ? deadline_never() : deadline_in_ms(LINGER_MS);
}

/* The next item of those there are. */
static struct work *take_next_locked(struct work_queue *queue) REQUIRES(queue->lock)
{
    bool lowest_first = ++queue->taken_count % FAIR_EVERY == 0;
    queue->item_count--;
    for (uint32_t i = 0; i <= WORK_PRIORITY_MAX; i++) {
        struct list *items = &queue->items[lowest_first ? i : WORK_PRIORITY_MAX - i];
        if (!list_is_empty(items)) return list_entry(list_take_front(items), struct work, link);
    }
    panic("a work queue has lost an item");
}

/*
 * The next item, waited for, and whether taking it leaves nobody idle where one more is allowed.
 * nullptr: there is none for a while, and the caller, who is counted no longer, is not needed.
 */
static struct work *take_item(struct work_queue *queue, bool *out_wants_worker)
{
    spin_acquire(&queue->lock);
    while (queue->item_count == 0) {
        deadline patience = patience_locked(queue);
        queue->idle_count++;
        status woken = wait_queue_sleep(&queue->idle, &queue->lock, patience, false);
        queue->idle_count--;
        if (is_ok(woken) || queue->item_count != 0 || queue->idle_count == 0) continue;
        queue->thread_count--;
        spin_release(&queue->lock);
        return nullptr;
    }
    struct work *work = take_next_locked(queue);
    *out_wants_worker = queue->idle_count == 0 && queue->thread_count < queue->threads_max;
    if (*out_wants_worker) queue->thread_count++;
    spin_release(&queue->lock);
    return work;
}

static void uncount_worker(struct work_queue *queue)
{
    spin_acquire(&queue->lock);
    queue->thread_count--;
    spin_release(&queue->lock);
}

static void work_loop(void *argument)
{
    struct work_queue *queue = argument;
    for (;;) {
        bool wants_worker;
        struct work *work = take_item(queue, &wants_worker);
        if (!work) thread_exit();
        if (wants_worker && !start_worker(queue)) uncount_worker(queue);
        work->function(work);
    }
}

struct work_queue *work_queue_create(const char *name, uint32_t threads_max)
{
    ASSERT(threads_max > 0);
    struct work_queue *queue = heap_take(sizeof(*queue));
    if (!queue) return nullptr;
    *queue = (struct work_queue){
        .name = name,
        .threads_max = threads_max,
        .lock = SPIN_LOCK_INIT(LOCK_RANK_WORK_QUEUE),
        .thread_count = 1,
    };
    for (uint32_t i = 0; i <= WORK_PRIORITY_MAX; i++)
        list_init(&queue->items[i]);
    wait_queue_init(&queue->idle);
    if (start_worker(queue)) return queue;
    heap_give(queue);
    return nullptr;
}

void work_submit(struct work_queue *queue, struct work *work, work_function *function)
{
    work_submit_at(queue, work, function, 0);
}

void work_submit_at(struct work_queue *queue, struct work *work, work_function *function,
                    uint8_t priority)
{
    ASSERT(priority <= WORK_PRIORITY_MAX);
    work->function = function;
    spin_acquire(&queue->lock);
    list_push_back(&queue->items[priority], &work->link);
    queue->item_count++;
    wait_queue_wake(&queue->idle, 1, false);
    spin_release(&queue->lock);
}

struct work_queue *work_queue_shared(void)
{
    return shared;
}

status worker_init(void)
{
    shared = work_queue_create("worker", SHARED_THREADS_MAX);
    return shared ? OK : FAIL(OUT_OF_MEMORY);
}
