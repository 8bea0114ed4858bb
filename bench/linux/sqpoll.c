/*
 * The Linux side of bench/run_poller: io_uring with a kernel thread that takes what is published
 * (IORING_SETUP_SQPOLL), by the same loops as user/programs/bench/poller_bench.c. The only program
 * of its machine: started by the kernel, prints its figures and powers off.
 *
 * The program keeps to processor 0 and the kernel's thread to processor 1. No system calls are made
 * while that thread is awake.
 */
#define _GNU_SOURCE
#include <linux/io_uring.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define OPERATIONS 200000u
#define IN_FLIGHT  32u
#define ENTRIES    64u
#define SAMPLES    7u
#define IDLE_MS    2000u /* the thread stays awake for so long */

typedef _Atomic uint32_t word;

static int ring;
static word *sq_head, *sq_tail, *sq_flags, *cq_head, *cq_tail;
static uint32_t sq_mask, cq_mask, *sq_array;
static struct io_uring_sqe *sqes;
static struct io_uring_cqe *cqes;
static uint64_t wake_ups;

_Noreturn static void stop(const char *why)
{
    if (why != NULL) printf("sqpoll: failed: %s\n", why);
    fflush(stdout);
    reboot(RB_POWER_OFF);
    _exit(1);
}

static void *map(size_t bytes, off_t what)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, what);
    if (at == MAP_FAILED) stop("mmap");
    return at;
}

static void make_ring(void)
{
    struct io_uring_params p = {.flags = IORING_SETUP_SQPOLL | IORING_SETUP_SQ_AFF,
                                .sq_thread_cpu = 1,
                                .sq_thread_idle = IDLE_MS};
    ring = (int)syscall(SYS_io_uring_setup, ENTRIES, &p);
    if (ring < 0) stop("io_uring_setup");
    uint8_t *sq = map(p.sq_off.array + p.sq_entries * sizeof(uint32_t), IORING_OFF_SQ_RING);
    uint8_t *cq =
        map(p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe), IORING_OFF_CQ_RING);
    sqes = map(p.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
    sq_head = (word *)(sq + p.sq_off.head);
    sq_tail = (word *)(sq + p.sq_off.tail);
    sq_flags = (word *)(sq + p.sq_off.flags);
    sq_mask = *(uint32_t *)(sq + p.sq_off.ring_mask);
    sq_array = (uint32_t *)(sq + p.sq_off.array);
    cq_head = (word *)(cq + p.cq_off.head);
    cq_tail = (word *)(cq + p.cq_off.tail);
    cq_mask = *(uint32_t *)(cq + p.cq_off.ring_mask);
    cqes = (struct io_uring_cqe *)(cq + p.cq_off.cqes);
    for (uint32_t i = 0; i < p.sq_entries; i++)
        sq_array[i] = i;
}

static uint32_t tail; /* entries filled; published by publish() */

static void push_nop(void)
{
    struct io_uring_sqe *slot = &sqes[tail & sq_mask];
    memset(slot, 0, sizeof(*slot));
    slot->opcode = IORING_OP_NOP;
    tail++;
}

static void publish(void)
{
    atomic_store_explicit(sq_tail, tail, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst);
    if ((atomic_load_explicit(sq_flags, memory_order_relaxed) & IORING_SQ_NEED_WAKEUP) == 0) return;
    wake_ups++;
    if (syscall(SYS_io_uring_enter, ring, 0, 0, IORING_ENTER_SQ_WAKEUP, NULL, 0) < 0)
        stop("io_uring_enter");
}

/* One completion; 0: there is none. Each is read, and its place given back, on its own. */
static int reap(void)
{
    uint32_t head = atomic_load_explicit(cq_head, memory_order_relaxed);
    if (atomic_load_explicit(cq_tail, memory_order_acquire) == head) return 0;
    if (cqes[head & cq_mask].res != 0) stop("a nop failed");
    atomic_store_explicit(cq_head, head + 1, memory_order_release);
    return 1;
}

static void alone(void)
{
    for (uint32_t i = 0; i < OPERATIONS; i++) {
        push_nop();
        publish();
        while (!reap()) {
        }
    }
}

static void stream(void)
{
    for (uint32_t pushed = 0, done = 0; done < OPERATIONS;) {
        uint32_t before = pushed;
        while (pushed < OPERATIONS && pushed - done < IN_FLIGHT) {
            push_nop();
            pushed++;
        }
        if (pushed != before) publish();
        while (reap())
            done++;
    }
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void measure(const char *name, void (*work)(void))
{
    work(); /* not counted */
    for (uint32_t i = 0; i < SAMPLES; i++) {
        uint64_t start_ns = now_ns();
        work();
        printf("bench: %s %llu ns\n", name,
               (unsigned long long)((now_ns() - start_ns) / OPERATIONS));
    }
}

int main(void)
{
    cpu_set_t first;
    CPU_ZERO(&first);
    CPU_SET(0, &first);
    if (sched_setaffinity(0, sizeof(first), &first) != 0) stop("sched_setaffinity");
    make_ring();
    measure("poller_nop", alone);
    measure("poller_nop_32", stream);
    printf("sqpoll: woken %llu times\n", (unsigned long long)wake_ups);
    stop(NULL);
}
