#include "sched/run_queue.h"
#include "support/test.h"
#include <stdlib.h>

static struct thread threads[64];
static struct run_queue queue;

static struct thread *ready(uint32_t which, uint8_t priority)
{
    threads[which] = (struct thread){.priority = priority};
    list_init(&threads[which].run_link);
    return &threads[which];
}

TEST(the_most_urgent_comes_first_and_equals_take_turns)
{
    run_queue_init(&queue);
    CHECK(run_queue_take(&queue) == nullptr);
    CHECK_EQUAL(-1, run_queue_highest(&queue));
    run_queue_insert(&queue, ready(0, 8), false);
    run_queue_insert(&queue, ready(1, 31), false);
    run_queue_insert(&queue, ready(2, 8), false);
    run_queue_insert(&queue, ready(3, 0), false);
    CHECK_EQUAL(31, run_queue_highest(&queue));
    CHECK(run_queue_take(&queue) == &threads[1]);
    CHECK(run_queue_take(&queue) == &threads[0]);
    CHECK(run_queue_take(&queue) == &threads[2]);
    CHECK_EQUAL(1, run_queue_count(&queue));
    CHECK(run_queue_take(&queue) == &threads[3]);
    CHECK_EQUAL(0, run_queue_count(&queue));
    CHECK_EQUAL(0, queue.ready_bits);
}

TEST(one_that_was_only_interrupted_goes_before_its_equals)
{
    run_queue_init(&queue);
    run_queue_insert(&queue, ready(0, 8), false);
    run_queue_insert(&queue, ready(1, 8), true);
    CHECK(run_queue_take(&queue) == &threads[1]);
    CHECK(run_queue_take(&queue) == &threads[0]);
}

TEST(the_pinned_are_not_stolen)
{
    run_queue_init(&queue);
    run_queue_insert(&queue, ready(0, 20), false);
    run_queue_insert(&queue, ready(1, 20), false);
    run_queue_insert(&queue, ready(2, 8), false);
    threads[0].is_pinned = true;
    CHECK(run_queue_steal(&queue) == &threads[1]);
    CHECK(run_queue_steal(&queue) == &threads[2]);
    CHECK(run_queue_steal(&queue) == nullptr);
    CHECK_EQUAL(1, run_queue_count(&queue));
    CHECK_EQUAL(1u << 20, queue.ready_bits);
    CHECK(run_queue_take(&queue) == &threads[0]);
}

TEST(random_insertions_come_out_by_priority_and_then_by_order)
{
    srand(3);
    for (uint32_t round = 0; round < 200; round++) {
        run_queue_init(&queue);
        for (uint32_t i = 0; i < 64; i++)
            run_queue_insert(&queue, ready(i, (uint8_t)(rand() % 32)), false);
        struct thread *last = nullptr;
        for (uint32_t left = 64; left > 0; left--) {
            CHECK_EQUAL(left, run_queue_count(&queue));
            struct thread *next = run_queue_take(&queue);
            if (last)
                CHECK(next->priority < last->priority ||
                      (next->priority == last->priority && next > last));
            last = next;
        }
    }
}

TEST(a_priority_changed_while_queued_counts_from_the_next_time)
{
    run_queue_init(&queue);
    run_queue_insert(&queue, ready(0, 8), false);
    run_queue_insert(&queue, ready(1, 9), false);
    threads[0].priority = 31;
    CHECK(run_queue_take(&queue) == &threads[1]);
    CHECK(run_queue_take(&queue) == &threads[0]);
    CHECK_EQUAL(0, queue.ready_bits);
}
