#include "peal/deadline_queue.h"
#include "support/test.h"
#include <stdlib.h>

enum { NODES = 500 };

TEST(deadlines_come_in_their_order)
{
    static struct deadline_node nodes[NODES];
    struct deadline_queue queue = {0};
    for (uint32_t i = 0; i < NODES; i++) {
        nodes[i].deadline_ns = (uint64_t)i * 7919 % NODES;
        deadline_queue_add(&queue, &nodes[i]);
    }
    for (uint32_t i = 0; i < NODES; i++) {
        CHECK(queue.first != nullptr);
        CHECK_EQUAL(i, queue.first->deadline_ns);
        deadline_queue_remove(&queue, queue.first);
    }
    CHECK(queue.first == nullptr);
}

/* The earliest of those that are in, found the slow way. */
static uint64_t earliest(const struct deadline_node *nodes, const bool *is_in)
{
    uint64_t found = UINT64_MAX;
    for (uint32_t i = 0; i < NODES; i++)
        if (is_in[i] && nodes[i].deadline_ns < found) found = nodes[i].deadline_ns;
    return found;
}

TEST(any_deadline_can_be_taken_out_at_any_time)
{
    static struct deadline_node nodes[NODES];
    bool is_in[NODES] = {0};
    struct deadline_queue queue = {0};
    srand(7);
    for (uint32_t step = 0; step < 20000; step++) {
        uint32_t which = (uint32_t)rand() % NODES;
        if (is_in[which]) {
            deadline_queue_remove(&queue, &nodes[which]);
        } else {
            nodes[which].deadline_ns = (uint64_t)rand() % 1000;
            deadline_queue_add(&queue, &nodes[which]);
        }
        is_in[which] = !is_in[which];
        uint64_t first = queue.first == nullptr ? UINT64_MAX : queue.first->deadline_ns;
        CHECK_EQUAL(earliest(nodes, is_in), first);
    }
}
