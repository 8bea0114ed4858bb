/*
 * Channels between tasks: bounded queues of items of one size.
 *
 *     TASK_CHANNEL(job_channel, struct job);               declares the type
 *     static struct job slots[16];
 *     job_channel jobs = {TASK_CHANNEL_OVER(slots)};
 *     TRY(job_channel_send(&jobs, (struct job){...}));     waits while it is full
 *     struct job job;
 *     while (is_ok(job_channel_receive(&jobs, &job))) ...  BROKEN_PIPE: closed, and empty
 *     job_channel_close(&jobs);
 *
 * Any number of tasks and threads of the process may send and receive. Between tasks of one thread
 * nothing enters the kernel. Items are copied in and out, in order.
 *
 * Context: any thread, in tasks and outside.
 */
#pragma once
#include "peal/mutex.h"

struct task_channel {
    void *slots;
    uint32_t item_bytes;
    uint32_t capacity; /* items */
    struct mutex mutex;
    struct condition not_empty;
    struct condition not_full;
    uint32_t first __attribute__((guarded_by(&mutex)));
    uint32_t count __attribute__((guarded_by(&mutex)));
    bool is_closed __attribute__((guarded_by(&mutex)));
};

/* Over an array that lives as long as the channel. */
#define TASK_CHANNEL_OVER(array)                        \
    {                                                   \
        .slots = (array),                               \
        .item_bytes = sizeof((array)[0]),               \
        .capacity = sizeof(array) / sizeof((array)[0]), \
    }

/*
 *   BROKEN_PIPE              it is closed
 *   INTERRUPTED, TIMED_OUT   the task was told to stop; nothing was sent
 */
status task_channel_send(struct task_channel *channel, const void *item);
/* BROKEN_PIPE when it is empty and closed; otherwise as above. */
status task_channel_receive(struct task_channel *channel, void *out_item);
/* WOULD_BLOCK in place of waiting. */
status task_channel_send_try(struct task_channel *channel, const void *item);
status task_channel_receive_try(struct task_channel *channel, void *out_item);
/* Nothing more is sent; what is in it can still be received. */
void task_channel_close(struct task_channel *channel);

#define TASK_CHANNEL(name, T)                                                        \
    typedef struct name {                                                            \
        struct task_channel base;                                                    \
    } name;                                                                          \
    [[maybe_unused]] static inline status name##_send(name *channel, T item)         \
    {                                                                                \
        return task_channel_send(&channel->base, &item);                             \
    }                                                                                \
    [[maybe_unused]] static inline status name##_receive(name *channel, T *out_item) \
    {                                                                                \
        return task_channel_receive(&channel->base, out_item);                       \
    }                                                                                \
    [[maybe_unused]] static inline void name##_close(name *channel)                  \
    {                                                                                \
        task_channel_close(&channel->base);                                          \
    }                                                                                \
    static_assert(sizeof(T) > 0)
