/*
 * The thread's ring, without a layer in between: fill, submit, reap.
 *
 *     struct abi_submission *slot = peal_ring_slot();
 *     peal_prepare_nop(slot, (struct abi_submission){.user_data = 7});
 *     peal_ring_push();
 *     size_result entered = peal_submit(1, ABI_DEADLINE_NEVER);
 *     struct abi_completion done;
 *     while (peal_reap(&done)) ...
 *
 * Synchronous calls (every other header), pendings (await.h) and tasks (task.h) use the same ring
 * and may be in flight beside submissions of these functions: completions that are not theirs stay
 * for peal_reap. User data with the top bit set belongs to them; programs use the rest.
 *
 * Context: the calling thread's own ring; no locking, since nobody else touches it.
 */
#pragma once
#include "peal/atomic.h"
#include "peal/status.h"
#include "peal/task_scheduler.h"
#include <abi/ops.h>
#include <abi/ring.h>

/*
 * User data of the library's own has this bit. Besides the three below it is the address of a
 * record (await.c); programs use values without the bit.
 */
#define PEAL_USER_DATA_LIBRARY (1ull << 63)
#define PEAL_USER_DATA_CALL    UINT64_MAX       /* the synchronous call under way */
#define PEAL_USER_DATA_CLAIMED (UINT64_MAX - 1) /* a completion taken out of order */
#define PEAL_USER_DATA_LEADING                                        \
    (UINT64_MAX - 2) /* what the call is linked to: peal_call_after() \
                      */

/* The program's side of one ring. Indices run freely through 32 bits. */
struct peal_ring {
    struct abi_ring_header *header;
    struct abi_submission *submissions;
    struct abi_completion *completions;
    uint32_t submission_mask;
    uint32_t completion_mask;
    uint32_t submission_tail; /* entries filled; published when entering */
    uint32_t submission_end;  /* up to here entries are known to be free */
    uint32_t completion_head; /* entries read */
    uint32_t claimed_count;   /* completions at or behind the head that are taken already */
    uint32_t settle_count;    /* those, and what await.c has in flight, and one for a poller: settle
                               * before reaping */
    uint32_t settled_end;     /* completions before this one have been settled */
    uint32_t refusal_detail;  /* of the last call that failed */
    uint32_t spin_max;        /* looks at the completions before entering to wait for them */
    struct abi_ring_doorbell *doorbell; /* nullptr: the ring has no poller */
    /* What ends peal_call(): waits in the kernel, or suspends the task (task.h). */
    size_result (*finish)(void);
};

/* What the library keeps for a thread; %fs points to it. */
struct peal_thread {
    struct peal_thread *self;
    struct peal_ring ring;
    struct task_scheduler scheduler;
    uint64_t id;
    uint64_t argument;
    int (*entry)(uint64_t argument);
};

static inline struct peal_thread *peal_thread_self(void)
{
    struct peal_thread *self;
    __asm__("movq %%fs:0, %0" : "=r"(self));
    return self;
}

/* Reads the geometry of a ring that the kernel made. */
void peal_ring_init(struct peal_ring *ring, struct abi_ring_header *header);

/*
 * Fills a slot: peal_prepare_NAME(slot, (struct abi_submission){...}) for every operation of
 * ops.def. What is not named is zero, as the contract wants it.
 */
#define OP(number, NAME, name, ...)                                      \
    static inline void peal_prepare_##name(struct abi_submission *slot,  \
                                           struct abi_submission fields) \
    {                                                                    \
        fields.op = ABI_OP_##NAME;                                       \
        *slot = fields;                                                  \
    }
#include <abi/ops.def>
#undef OP

/* Looks at what the kernel has accepted since; false when the submission queue is full. */
bool peal_ring_find_room(struct peal_ring *ring);

/* The next free slot of the submission queue, or nullptr when it is full: submit first. */
static inline struct abi_submission *peal_ring_slot(void)
{
    struct peal_ring *ring = &peal_thread_self()->ring;
    bool may_be_full = ring->submission_tail == ring->submission_end;
    if (__builtin_expect(may_be_full, false) && !peal_ring_find_room(ring)) return nullptr;
    return &ring->submissions[ring->submission_tail & ring->submission_mask];
}

/* Makes the slot part of the next submit. */
static inline void peal_ring_push(void)
{
    peal_thread_self()->ring.submission_tail++;
}

/*
 * Hands everything pushed to the kernel, then waits until `completions_min` completions can be
 * reaped, nothing in flight could complete, or the deadline. The value is the number accepted.
 *
 * The whole thread waits, its tasks included.
 *
 * On a ring with a poller this makes a system call only when the poller sleeps, or when what is
 * waited for does not come soon; the value is then the number handed to the poller.
 *
 *   QUEUE_FULL   not everything was accepted: reap, then submit again
 *   TIMED_OUT    the deadline came first
 */
size_result peal_submit(uint32_t completions_min, uint64_t deadline_ns);

/* Gives the library's completions to those who wait for them, moves the head over taken ones, and
 * tells a sleeping poller that there is room. */
void peal_ring_settle(struct peal_ring *ring);

/* Takes the oldest completion; false when there is none. */
static inline bool peal_reap(struct abi_completion *out_completion)
{
    struct peal_ring *ring = &peal_thread_self()->ring;
    if (__builtin_expect(ring->settle_count != 0, false)) peal_ring_settle(ring);
    uint32_t head = ring->completion_head;
    if (load_acquire(&ring->header->completion_tail) == head)
        return false; /* pairs with the kernel */
    *out_completion = ring->completions[head & ring->completion_mask];
    ring->completion_head = head + 1;
    store_release(&ring->header->completion_head, head + 1);
    return true;
}

/* Lets another thread of the same or a higher priority run. */
void peal_yield(void);

static inline uint64_t peal_system_call(uint64_t number, uint64_t first, uint64_t second)
{
    uint64_t answer;
    __asm__ volatile("syscall"
                     : "=a"(answer)
                     : "a"(number), "D"(first), "S"(second)
                     : "rcx", "r11", "memory");
    return answer;
}
