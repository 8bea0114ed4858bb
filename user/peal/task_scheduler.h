/*
 * What the library keeps of tasks, for each thread. Programs use task.h, await.h, scope.h and
 * group.h; this is here because the thread's block contains it.
 *
 * Locking: none. A scheduler, its tasks and its operations belong to one thread.
 */
#pragma once
#include "peal/scope_tree.h"
#include <stdatomic.h>

struct task;
struct task_group;
struct parked;

/*
 * An operation between its submission and the time somebody takes its result. Its address and
 * PEAL_USER_DATA_LIBRARY are its user data; its lowest bit says that it is about the cancellation.
 */
struct peal_operation {
    struct list link;    /* in `stops` while stop is WANTED, or idle */
    struct task *waiter; /* made ready when it is done; nullptr: nobody waits */
    uint64_t value;
    status status;
    uint32_t detail;
    uint8_t outstanding; /* completions to come: its own, its cancellation's; 0: done */
    enum operation_stop : uint8_t { STOP_NO, STOP_WANTED, STOP_SENT } stop;
    bool may_stop; /* otherwise telling the task to stop does not concern it */
    bool yields;   /* its value is a handle */
};

/* A flow of control with a stack of its own, or the thread's own flow. */
struct task {
    struct list queue_link;             /* in `ready` or `room`; otherwise in no list */
    void *stack_pointer;                /* while it does not run; see task_switch() */
    struct peal_operation *waits_for;   /* nullptr: nothing that could be stopped */
    struct parked *parked;              /* by peal_park(), where it may be stopped */
    bool waits_for_room;                /* in `room` */
    bool waits_for_any;                 /* in peal_await_any() */
    uint32_t refusal_detail;            /* while it does not run */
    struct task_scope *scope;           /* the innermost */
    struct list scope_link;             /* in scope->tasks */
    struct task_group *group;           /* nullptr: the thread's own flow */
    status (*function)(void *argument); /* what it does */
    void *argument;
    uint32_t stack_class; /* see task_stack.h */
};

#define TASK_STACK_CLASSES 8u

/* Zero until first used; see task_scheduler_self(). */
struct task_scheduler {
    struct task *current; /* nullptr: not used yet */
    uint32_t turns_left;  /* until the kernel is entered though somebody could run */
    uint32_t active;      /* tasks and scopes there are: while it is not 0, calls suspend */
    uint32_t task_count;
    uint32_t in_flight; /* operations begun and not settled */
    uint32_t in_flight_max;
    uint32_t stops_in_flight;
    struct list ready; /* tasks that can run */
    struct list room;  /* tasks that wait until fewer operations are in flight */
    struct list stops; /* operations that somebody wants cancelled */
    struct deadline_queue deadlines;
    struct list idle_operations;
    struct list idle_stacks[TASK_STACK_CLASSES];
    struct task_scope root;
    struct task own; /* the thread's own flow */

    /* What other threads wake, see park.c. */
    uint32_t parked_count;          /* tasks of this thread */
    struct peal_operation watch;    /* the wait on inbox_sequence */
    _Atomic(struct parked *) inbox; /* the newest first */
    _Atomic uint32_t inbox_sequence;
    _Atomic bool inbox_is_waited;
    _Atomic uint32_t inbox_senders; /* between taking one of this thread's and having told it */
};
