#include "arch/host/host.h"
#include "base/container.h"
#include "mm/heap.h"
#include "sched/worker.h"
#include "support/test.h"
#include <sched.h>

static _Atomic uint32_t done;
static _Atomic uint32_t inside;
static _Atomic bool may_leave;

[[gnu::constructor]] static void prepare(void)
{
    host_memory_init();
    clock_init(0);
}

static void count(struct work *work)
{
    (void)work;
    atomic_fetch_add(&done, 1);
}

static void stay(struct work *work)
{
    (void)work;
    atomic_fetch_add(&inside, 1);
    while (!atomic_load(&may_leave))
        sched_yield();
    atomic_fetch_add(&done, 1);
}

static void wait_until(_Atomic uint32_t *number, uint32_t wanted)
{
    while (atomic_load(number) != wanted)
        sched_yield();
}

static struct work_queue *queue_with(uint32_t threads)
{
    atomic_store(&done, 0);
    atomic_store(&inside, 0);
    atomic_store(&may_leave, false);
    struct work_queue *queue = work_queue_create("test", threads);
    CHECK(queue != nullptr);
    return queue;
}

TEST(every_item_is_worked_on_once)
{
    static struct work items[1000];
    struct work_queue *queue = queue_with(3);
    for (size_t i = 0; i < array_count(items); i++)
        work_submit(queue, &items[i], count);
    wait_until(&done, array_count(items));
}

TEST(items_that_wait_do_not_hold_up_others_below_the_maximum)
{
    static struct work items[4];
    struct work_queue *queue = queue_with(3);
    for (size_t i = 0; i < 3; i++)
        work_submit(queue, &items[i], stay);
    wait_until(&inside, 3);
    work_submit(queue, &items[3], stay); /* one more than may work at once */
    for (int i = 0; i < 1000; i++)
        sched_yield();
    CHECK_EQUAL(3, atomic_load(&inside));
    atomic_store(&may_leave, true);
    wait_until(&done, 4);
}

TEST(workers_nobody_needs_end_and_one_stays)
{
    static struct work items[3];
    uint64_t before = heap_count().objects_taken;
    struct work_queue *queue = queue_with(8);
    for (size_t i = 0; i < array_count(items); i++)
        work_submit(queue, &items[i], stay);
    wait_until(&inside, 3);
    atomic_store(&may_leave, true);
    wait_until(&done, 3);
    while (heap_count().objects_taken > before + 2) /* the queue and one thread */
        sched_yield();
    work_submit(queue, &items[0], count);
    wait_until(&done, 4);
}

static struct work_queue *again_queue;

static void submit_again(struct work *work)
{
    if (atomic_fetch_add(&done, 1) < 9) work_submit(again_queue, work, submit_again);
}

TEST(an_item_may_submit_itself_again)
{
    static struct work item;
    again_queue = queue_with(2);
    work_submit(again_queue, &item, submit_again);
    wait_until(&done, 10);
}

TEST(without_memory_there_is_no_queue_and_nothing_is_lost)
{
    static struct work item;
    FOR_EACH_FAILING_ALLOCATION {
        uint64_t before = heap_count().objects_taken;
        atomic_store(&done, 0);
        struct work_queue *queue = work_queue_create("scarce", 1);
        if (queue) {
            work_submit(queue, &item, count);
            wait_until(&done, 1);
        } else {
            CHECK_EQUAL(before, heap_count().objects_taken);
        }
    }
}
