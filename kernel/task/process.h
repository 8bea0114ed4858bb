/*
 * Processes: an address space, handles, registered buffers, quotas and threads that live and end
 * together.
 *
 *      process_create       process_start            exit, kill, fault, last thread
 *   o ---------------> NEW --------------> RUNNING ---------------------------------> ENDING
 *                                                                                       |
 *                                                                      last thread gone |
 *                                                                                       v
 *                                                          freed <------ last put --- ENDED
 *
 *   NEW      being put together by its creator, no thread has run
 *   ENDING   every thread has been told to end; each closes its ring, on its own, on its way out
 *   ENDED    handles, buffers and address space are gone; the exit record stays as long as handles
 *            to it do
 *
 * When a process reaches ENDED everything it held has been given back: whoever waits for it may
 * count on that.
 *
 * Context:  task, unless a function says otherwise. Never sleeps, except where a process or thread
 *           ends, and for the mutex of an address space.
 * Locking:  LOCK_RANK_PROCESS_TABLE and LOCK_RANK_PROCESS_STATE inside.
 */
#pragma once
#include "base/text.h"
#include "cap/handle_table.h"
#include "task/image.h"
#include "vm/address_space.h"
#include "vm/buffer_table.h"
#include <abi/startup.h>

/* Priorities that programs may ask for: 0 is the scheduler's THREAD_PRIORITY_USER, and so on. */
#define PROCESS_PRIORITY_COUNT 8u

struct process;
struct user_thread;
RESULT_TYPE(process_result, struct process *);
RESULT_TYPE(user_thread_result, struct user_thread *);

struct process_options {
    text name;
    struct process *parent; /* nullptr for the first */
    uint64_t memory_max_bytes;
    uint32_t handles_max;
    uint32_t threads_max;
    uint8_t priority; /* scheduler's */
};
/* Boot. The kernel's own quota limits and the process table. */
status process_init(void);

/* NEW, one reference for the caller. OUT_OF_MEMORY */
process_result process_create(const struct process_options *options);
/* Maps the image's segments and registers them. NEW only. Errors of address_space_map. */
status process_load(struct process *process, struct image *image);
/* Destroys a NEW process that will not be started: ends it with nothing left. Then put it. */
void process_abandon(struct process *process);

/* What a thread's ring is made with. */
struct ring_options {
    uint32_t entries; /* 0: the default */
    uint32_t flags;   /* ABI_RING_... */
};

/* Arguments for the start-up block; texts are borrowed for the call. Handles have been inserted by
 * the caller. */
struct startup_contents {
    const text *arguments;
    uint32_t arguments_count;
    const text *environment;
    uint32_t environment_count;
    const struct abi_startup_handle *handles;
    uint32_t handles_count;
    struct ring_options ring;
};
/*
 * Builds stack, start-up block, first ring and first thread, and lets it run. On failure the
 * process is still NEW. OUT_OF_MEMORY, QUOTA_EXCEEDED, OUT_OF_RANGE
 */
status process_start(struct process *process, const struct startup_contents *contents);

struct object *process_object(struct process *process);
struct process *process_of(struct object *object);
uint64_t process_id(const struct process *process);
struct handle_table *process_handles(struct process *process);
struct buffer_table *process_buffers(struct process *process);
struct address_space *process_addresses(struct process *process);
struct memory_quota *process_quota(struct process *process);
uint8_t process_priority(const struct process *process);
text process_name(const struct process *process);
/* Processor time others have spent on what it asked for: whoever does adds it here, relaxed. */
_Atomic uint64_t *process_served_ns(struct process *process);
/* The flight recorders of its rings, also of those that have ended: the ring layer's. */
struct list *process_recorders(struct process *process);
void process_limits(const struct process *process, struct process_options *out_limits);

/* Ends it with the record given, unless it is ending already: then nothing. Any context that may
 * take spin locks. */
void process_end(struct process *process, const struct abi_exit *record);
/* Of the calling thread: process_end, then this thread's own end. */
[[noreturn]] void process_exit_current(uint32_t code, bool whole_process);

void process_fill_stat(struct process *process, struct abi_stat_process *out_stat);
/* For listings, with a reference: nullptr once they are gone. address_space_put() */
struct address_space *process_get_addresses(struct process *process);

/* A thread as people are told of it. */
struct thread_description {
    uint64_t id;
    uint64_t runtime_ns;
    uint32_t cpu;     /* where it runs, or ran last */
    uint8_t state;    /* enum thread_state */
    uint8_t priority; /* as programs count */
};
/* Fills up to `capacity` and answers how many: the first ones, in the order in which they started.
 */
uint32_t process_describe_threads(struct process *process, struct thread_description *out_threads,
                                  uint32_t capacity);
/* The process with the smallest id that is at least `id`, counted; nullptr when there is none. */
struct process *process_find_from(uint64_t id);
uint32_t process_count(void);
/* Ends all but `except`, waits until they are gone or the deadline. For power off. TIMED_OUT */
status process_end_all(struct process *except, deadline limit);

/* What the running thread belongs to; nullptr for kernel threads. */
struct process *process_current(void);
struct user_thread *user_thread_current(void);

/* ---- threads ---- */

/*
 * A thread of a RUNNING process, with a ring, that will run as `start` says. It does not run yet:
 * the caller goes on with exactly one of user_thread_start and user_thread_abandon.
 *   INVALID_ARGUMENT   the stack is not aligned, or the priority not defined
 *   OUT_OF_RANGE       an address no program can have, or ring entries no ring can have
 *   OUT_OF_MEMORY, QUOTA_EXCEEDED, INTERRUPTED (the process is ending)
 * One reference for the caller, which abandoning consumes.
 */
user_thread_result user_thread_create(struct process *process,
                                      const struct abi_thread_start *start);
/* INTERRUPTED: the process is ending, and the thread is still not running. */
status user_thread_start(struct user_thread *thread);
void user_thread_abandon(CONSUMED struct user_thread *thread);
struct object *user_thread_object(struct user_thread *thread);
struct user_thread *user_thread_of(struct object *object);
/* Borrowed; nullptr once the thread has left it. */
struct process *user_thread_process(const struct user_thread *thread);
void *user_thread_ring(const struct user_thread *thread); /* as made by the ring hooks */

/* ---- the end of things, told once ---- */

/* Somebody who wants to know. `ended` is called once, in task context, holding no lock. */
struct end_watch {
    struct list link;
    void (*ended)(struct end_watch *watch);
};
/* False: it has ended already and nothing was registered; read the record below. */
bool process_watch_end(struct process *process, struct end_watch *watch);
bool user_thread_watch_end(struct user_thread *thread, struct end_watch *watch);
/* True: taken back before it was called. */
bool process_unwatch(struct process *process, struct end_watch *watch);
bool user_thread_unwatch(struct user_thread *thread, struct end_watch *watch);
/* Valid once ended. */
struct abi_exit process_exit_record(struct process *process);
uint32_t user_thread_exit_code(struct user_thread *thread);

/* ---- what ops/ installs, because rings are above this layer ---- */
struct ring_hooks {
    /* Makes a ring for a thread of the process; fills its memory object, to be mapped. */
    status (*create)(struct process *process, struct ring_options options, void **out_ring,
                     struct buffer **out_memory);
    void (*start)(void *ring);   /* its thread is about to run */
    void (*close)(void *ring);   /* on the ring's own thread, or before any thread ran */
    void (*destroy)(void *ring); /* after close */
    /* The thread it is for has a number now. */
    void (*name)(void *ring, uint64_t thread);
    /* The calling thread's process is about to end of what it did: says so in the log. */
    void (*tell)(struct process *process);
    /* A process is ending, and its handles are gone. */
    void (*gone)(void);
    /* All rings have been destroyed: drops what is kept of them. */
    void (*forget)(struct list *recorders);
};
void process_set_ring_hooks(const struct ring_hooks *hooks);
