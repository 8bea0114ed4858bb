/*
 * A thread as the scheduler sees it: a kernel stack, saved registers, a priority and a place in a
 * queue.
 *
 *                      thread_start            chosen by a processor
 *   o --create--> NEW ------------> READY <------------------------> RUNNING
 *                                     ^        slice ended, yield       |
 *                                     | thread_wake                     | thread_sleep
 *                                     +---------- SLEEPING <------------+
 *                                                                       | thread_exit
 *                                                                       v
 *                                                                      DEAD (last put frees it)
 *
 * User threads hang what belongs to them on `owner`; the hooks below tell upper layers what they
 * need to know without the scheduler knowing them.
 *
 * Context: task, unless a function says otherwise.
 */
#pragma once
#include "arch/arch/context.h"
#include "base/list.h"
#include "base/status.h"
#include "cap/object.h"
#include "sync/spin_lock.h"
#include "time/timer_queue.h"

#define THREAD_PRIORITY_COUNT  32u
#define THREAD_PRIORITY_IDLE   0u
#define THREAD_PRIORITY_USER   8u  /* programs that asked for nothing; 8..15 are for programs */
#define THREAD_PRIORITY_WORKER 20u /* kernel worker threads */
#define THREAD_SLICE_NS        10000000u

enum thread_state : uint8_t {
    THREAD_NEW,
    THREAD_READY,
    THREAD_RUNNING,
    THREAD_SLEEPING,
    THREAD_DEAD,
};

/* Why a wait ended, or that none has yet. See wait_queue.c. */
enum wake_reason : uint32_t {
    WAKE_WAITING,      /* in a wait that may end with the thread */
    WAKE_WAITING_DEEP, /* in a wait that may not */
    WAKE_SIGNALLED,
    WAKE_TIMED_OUT,
    WAKE_ENDED, /* the thread was asked to end */
};

#define THREAD_HELD_MUTEXES_MAX 8u

struct thread {
    /* Fixed at creation. */
    void *kernel_stack_top; /* nullptr for a flow that arch began: boot, idle */
    uint64_t id;
    char name[32];
    void *owner;             /* task layer's; nullptr for kernel threads */
    struct user_state *user; /* borrowed; nullptr for kernel threads */
    bool is_pinned;

    /* Owned by the processor that runs it, or else guarded as below. */
    struct thread_context context;
    uint64_t slice_end_ns;
    uint64_t slice_left_ns; /* of a slice that was interrupted; 0: the next one is whole */
    uint64_t running_since_ns;
    bool slice_is_over;

    /* Guarded by processor `cpu`'s run queue lock; only a sleeper sets SLEEPING without it. */
    struct list run_link;
    _Atomic(enum thread_state) state;
    _Atomic uint32_t cpu; /* whose queue it is in, or where it last ran */

    _Atomic uint8_t priority; /* relaxed: takes effect when it is queued next */
    _Atomic uint32_t references;
    _Atomic uint64_t runtime_ns; /* written by the processor that runs it */

    /* Waiting: see wait_queue.c. */
    struct list wait_link; /* guarded by the lock of the wait */
    struct timer wait_timer;
    _Atomic uint32_t
        wake_reason; /* enum wake_reason; who changes it from waiting wakes the thread */
    _Atomic bool end_requested;

    struct object_grave grave; /* owned by the thread itself */

    /* Owned by the thread itself: ranks of mutexes held, checked in debug kernels. */
    uint8_t held_mutexes[THREAD_HELD_MUTEXES_MAX];
    uint8_t held_mutex_count;
};

static inline enum thread_state thread_state(const struct thread *thread)
{
    return atomic_load_explicit(&thread->state, memory_order_relaxed);
}

/*
 * A thread that will run entry(argument) in kernel mode; entry ends with thread_exit(). It holds
 * one reference for the caller and one for itself. OUT_OF_MEMORY
 */
RESULT_TYPE(thread_result, struct thread *);
struct thread_options {
    void (*entry)(void *argument);
    void *argument;
    const char *name; /* cut at 31 bytes */
    uint8_t priority;
    void *owner;
    struct user_state *user;
    bool is_pinned; /* stays on `cpu` */
    uint32_t cpu;
};
thread_result thread_create(const struct thread_options *options);
/* NEW -> READY. Once. */
void thread_start(struct thread *thread);
void thread_get(struct thread *thread);
void thread_put(struct thread *thread);
/* Ends the calling thread. Everything it owned must have been given back; its stack is freed behind
 * it. */
[[noreturn]] void thread_exit(void);
/*
 * Asks a thread to end: an interruptible wait it is in (or enters) returns INTERRUPTED, and the
 * return-to-user hook sees end_requested. Any context.
 */
void thread_request_end(struct thread *thread);
