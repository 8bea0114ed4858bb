/*
 * The threads that are ready on one processor: a list for each priority, and a bit for each list
 * that is not empty. Pure logic; the caller locks. Cost: constant.
 */
#pragma once
#include "sched/thread.h"

struct run_queue {
    uint32_t ready_bits;    /* bit p: ready[p] is not empty */
    _Atomic uint32_t count; /* relaxed: others peek at it without the lock */
    struct list ready[THREAD_PRIORITY_COUNT];
};

static inline void run_queue_init(struct run_queue *queue)
{
    queue->ready_bits = 0;
    atomic_init(&queue->count, 0);
    for (uint32_t priority = 0; priority < THREAD_PRIORITY_COUNT; priority++)
        list_init(&queue->ready[priority]);
}

static inline uint32_t run_queue_count(const struct run_queue *queue)
{
    return atomic_load_explicit(&queue->count, memory_order_relaxed);
}

static inline void run_queue_change_count(struct run_queue *queue, uint32_t difference)
{
    uint32_t count = run_queue_count(queue) + difference;
    atomic_store_explicit(&queue->count, count, memory_order_relaxed);
}

/* The highest priority of anyone ready, or -1. */
static inline int run_queue_highest(const struct run_queue *queue)
{
    return queue->ready_bits == 0 ? -1 : 31 - __builtin_clz(queue->ready_bits);
}

/* Behind all of its priority, or, for one that was only interrupted, before them. */
static inline void run_queue_insert(struct run_queue *queue, struct thread *thread, bool at_front)
{
    uint8_t priority = atomic_load_explicit(&thread->priority, memory_order_relaxed);
    struct list *list = &queue->ready[priority];
    if (at_front) {
        list_push_front(list, &thread->run_link);
    } else {
        list_push_back(list, &thread->run_link);
    }
    queue->ready_bits |= 1u << priority;
    run_queue_change_count(queue, 1);
}

/* The first of the highest priority, removed, or nullptr. */
static inline struct thread *run_queue_take(struct run_queue *queue)
{
    int priority = run_queue_highest(queue);
    if (priority < 0) return nullptr;
    struct list *list = &queue->ready[priority];
    struct list *first = list_take_front(list);
    if (list_is_empty(list)) queue->ready_bits &= ~(1u << priority);
    run_queue_change_count(queue, UINT32_MAX);
    return list_entry(first, struct thread, run_link);
}

/* The first of the highest priority that may run elsewhere, removed, or nullptr. Cost: the pinned
 * before it. */
struct thread *run_queue_steal(struct run_queue *queue);
