/*
 * What the files of this module share about processes and threads.
 *
 * Locking: `lock` of a process (LOCK_RANK_PROCESS_STATE) guards its state, its list of threads and
 * its watches; that of a thread (same rank, never both at once) guards how it ended. The process
 * table has a lock of its own, taken before that of a process.
 *
 * References: a RUNNING or ENDING process holds one to itself, put when it reaches ENDED; a thread
 * that has started holds one to itself, put as the last thing it does. A thread needs no reference
 * to its process: it is among those whose end the process waits for.
 */
#pragma once
#include "arch/arch/context.h"
#include "sched/thread.h"
#include "task/process.h"

#define PROCESS_NAME_BYTES_MAX 63u
#define STACK_BYTES            (256ull << 10)
#define STACK_GUARD_BYTES      (64ull << 10)

enum process_state : uint8_t {
    PROCESS_NEW,
    PROCESS_RUNNING,
    PROCESS_ENDING,
    PROCESS_ENDED,
    PROCESS_STATE_COUNT,
};

/* Regions of which the start-up block tells: segments, the stack, the block itself. */
#define LAUNCH_REGIONS_MAX (ELF_SEGMENTS_MAX + 2)

/* What is known while a process is put together. */
struct launch {
    uint64_t image_address;
    uint32_t regions_count;
    struct abi_startup_region regions[LAUNCH_REGIONS_MAX];
};

struct process {
    struct object object;

    /* Fixed at creation. */
    uint64_t id;
    uint64_t parent_id;
    uint64_t started_ns;
    struct memory_quota *quota; /* counted */
    uint32_t threads_max;
    uint8_t priority; /* scheduler's */
    uint8_t name_bytes;
    char name[PROCESS_NAME_BYTES_MAX];

    /* Have locks of their own; given back on the way to ENDED. */
    struct handle_table handles;
    struct buffer_table buffers;
    struct address_space *addresses; /* owned; goes under `lock`, for those who list it */
    struct image *image;             /* counted; nullptr before process_load() */

    /* Of the creator, while NEW. */
    struct launch *launch; /* owned */

    _Atomic uint64_t served_ns; /* a statistic */
    struct list table_link;     /* guarded by the process table's lock */
    struct list recorders;      /* the ring hooks', with a lock of their own */

    spin_lock lock;                            /* LOCK_RANK_PROCESS_STATE */
    enum process_state state GUARDED_BY(lock); /* written by process_move_locked() only */
    uint32_t threads_count GUARDED_BY(lock);   /* those in the list and those being made */
    struct list threads GUARDED_BY(lock);
    struct list watches GUARDED_BY(lock);
    uint64_t ended_runtime_ns GUARDED_BY(lock); /* of threads that are gone */
    struct abi_exit record GUARDED_BY(lock);    /* from ENDING on */
};

struct user_thread {
    struct object object;

    /* Fixed before the first instruction. */
    struct process *process;
    struct thread *thread; /* counted until the end */
    struct user_entry entry;

    /* The thread's own, until its end. */
    struct user_state state;
    void *ring;                 /* the ring hooks' */
    struct buffer *ring_memory; /* borrowed from the ring */
    user_address ring_address;

    struct list link; /* in the process's threads, guarded by its lock */

    spin_lock lock; /* LOCK_RANK_PROCESS_STATE */
    bool has_ended GUARDED_BY(lock);
    uint32_t exit_code GUARDED_BY(lock);
    struct list watches GUARDED_BY(lock);
};

/* ---- process.c ---- */

/* Counts a thread that is going to be made. QUOTA_EXCEEDED, INTERRUPTED (the process is ending) */
status process_reserve_thread(struct process *process);
void process_cancel_thread(struct process *process);
/* Enters a reserved thread; a NEW process is RUNNING from then on. INTERRUPTED: it is ending. */
status process_enter_thread(struct process *process, struct user_thread *thread);
/*
 * The calling thread's last step with its process, which must not be touched afterwards. The last
 * thread ends the process, with its own code if nothing else has. Sleeps.
 */
void process_leave_thread(struct process *process, struct user_thread *thread, uint32_t code);

/* The code a thread that was told to end ends with. */
uint32_t process_exit_code(struct process *process);

/* ---- process_table.c ---- */

void process_table_init(void);
uint64_t process_table_next_id(void);
/*
 * process_enter_thread() for the first thread, and the process is in the table: as one step, so
 * that whoever ends everything finds it there only when it can be ended. INTERRUPTED: everything is
 * being ended.
 */
status process_table_enter(struct process *process, struct user_thread *first);
void process_table_leave(struct process *process);

/* ---- user_thread.c ---- */

/*
 * A thread with everything it needs, reserved in its process but not entered: nobody knows of it
 * and it does not run. user_thread_release() starts it; user_thread_abandon() takes it apart.
 *   OUT_OF_MEMORY, OUT_OF_RANGE (ring entries), QUOTA_EXCEEDED, INTERRUPTED
 */
user_thread_result user_thread_make(struct process *process, struct ring_options ring,
                                    uint8_t priority, uint64_t thread_pointer);
/* Enters and starts it. INTERRUPTED: the process is ending. */
status user_thread_release(struct user_thread *thread, bool is_first);
[[noreturn]] void user_thread_end_current(uint32_t code);
void user_thread_init(void);
/* The ring hooks, for what happens to a process as a whole. */
void user_thread_tell_gone(void);
void user_thread_tell_end(struct process *process);
void user_thread_forget_rings(struct process *process);

/* Takes the watches one by one and tells them. Task context, no lock held. */
void end_watches_tell(spin_lock *lock, struct list *watches);

/* ---- launch.c ---- */

status launch_init(void);

/* ---- user_fault.c ---- */

void user_fault_init(void);
