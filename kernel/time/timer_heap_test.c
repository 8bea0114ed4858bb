#include "support/test.h"
#include "time/timer_heap.h"
#include <stdlib.h>

static constexpr uint32_t TIMERS = 300;

/* Every child is later than its parent and linked both ways; the number of nodes. */
static uint32_t check_tree(const struct timer *root)
{
    uint32_t nodes = 1;
    const struct timer *previous = root;
    for (const struct timer *child = root->child; child; child = child->sibling) {
        CHECK(child->at_ns >= root->at_ns);
        CHECK(child->previous == previous);
        nodes += check_tree(child);
        previous = child;
    }
    return nodes;
}

TEST(timers_come_out_in_order)
{
    struct timer timers[TIMERS] = {0};
    struct timer_heap heap = {0};
    srand(1);
    for (uint32_t i = 0; i < TIMERS; i++) {
        timers[i].at_ns = (uint64_t)rand() % 1000;
        timer_heap_insert(&heap, &timers[i]);
    }
    uint64_t last = 0;
    for (uint32_t left = TIMERS; left > 0; left--) {
        CHECK_EQUAL(left, check_tree(heap.earliest));
        struct timer *earliest = heap.earliest;
        CHECK(earliest->at_ns >= last);
        last = earliest->at_ns;
        timer_heap_remove(&heap, earliest);
    }
    CHECK(heap.earliest == nullptr);
}

TEST(random_insertions_and_removals_agree_with_a_plain_array)
{
    struct timer timers[TIMERS] = {0};
    bool is_in[TIMERS] = {0};
    struct timer_heap heap = {0};
    uint32_t count = 0;
    srand(2);
    for (uint32_t step = 0; step < 8000; step++) {
        uint32_t which = (uint32_t)rand() % TIMERS;
        if (is_in[which]) {
            timer_heap_remove(&heap, &timers[which]);
            count--;
        } else {
            timers[which].at_ns = (uint64_t)rand() % 500;
            timer_heap_insert(&heap, &timers[which]);
            count++;
        }
        is_in[which] = !is_in[which];
        uint64_t earliest = UINT64_MAX;
        for (uint32_t i = 0; i < TIMERS; i++) {
            if (is_in[i] && timers[i].at_ns < earliest) earliest = timers[i].at_ns;
        }
        CHECK_EQUAL(earliest, heap.earliest ? heap.earliest->at_ns : UINT64_MAX);
        if (step % 16 == 0 && heap.earliest) CHECK_EQUAL(count, check_tree(heap.earliest));
    }
}
