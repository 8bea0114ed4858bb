/* The part of run queues that is not on every switch's way. */
#include "sched/run_queue.h"

struct thread *run_queue_steal(struct run_queue *queue)
{
    for (uint32_t bits = queue->ready_bits; bits != 0;) {
        uint32_t priority = 31u - (uint32_t)__builtin_clz(bits);
        struct list *list = &queue->ready[priority];
        struct thread *thread;
        list_for_each (thread, list, run_link) {
            if (thread->is_pinned) continue;
            list_remove(&thread->run_link);
            if (list_is_empty(list)) queue->ready_bits &= ~(1u << priority);
            run_queue_change_count(queue, UINT32_MAX);
            return thread;
        }
        bits &= ~(1u << priority);
    }
    return nullptr;
}
