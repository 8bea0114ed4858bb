/*
 * Every lock in the kernel, in the only order it may be taken: top to bottom.
 * A debug kernel stops at the first lock taken out of order and names both.
 * Mutexes come first because nobody may sleep while holding a spin lock.
 */
#pragma once
#include <stdint.h>

enum lock_rank : uint8_t {
    /* Mutexes: task context, may sleep. */
    LOCK_RANK_IMAGE_CACHE = 15,    /* loaded programs */
    LOCK_RANK_WRITE_PASS = 17,     /* whoever hands over all dirty files there are */
    LOCK_RANK_FILE_SIZE = 18,      /* one file's size, while it changes */
    LOCK_RANK_VNODE = 20,          /* one file's pages being filled, for which it asks its volume */
    LOCK_RANK_VOLUME = 25,         /* one mounted file system */
    LOCK_RANK_ADDRESS_SPACE = 30,  /* one process's mappings */
    LOCK_RANK_CONSOLE_OUTPUT = 35, /* one output of the console */
    LOCK_RANK_CHANNEL_TRANSIT = 38, /* the books on channel ends in messages */

    /* Spin locks: interrupts off, a few microseconds. */
    LOCK_RANK_PROCESS_TABLE = 40,    /* the list of all processes */
    LOCK_RANK_PROCESS_STATE = 44,    /* one process's counters and waiters */
    LOCK_RANK_CHANNEL = 46,          /* both ends of one channel */
    LOCK_RANK_HANDLE_TABLE = 48,     /* one process's handles */
    LOCK_RANK_CAPABILITY_TREE = 49,  /* all derivations */
    LOCK_RANK_BUFFER_TABLE = 50,     /* one process's registered buffers */
    LOCK_RANK_CONSOLE = 52,          /* typed bytes and who waits for them */
    LOCK_RANK_SERVICE = 53,          /* one service's queues, and who ends its requests */
    LOCK_RANK_ADDRESS_WAIT = 54,     /* one bucket of waits on addresses */
    LOCK_RANK_TIMER_OBJECT = 55,     /* one timer that handles name, and who waits for it */
    LOCK_RANK_FILE = 56,             /* a file's position */
    LOCK_RANK_PAGE_CACHE = 58,       /* one file's cached pages */
    LOCK_RANK_DIRTY_FILES = 59,      /* which files have pages to be written */
    LOCK_RANK_DEVICE = 60,           /* one device's queues */
    LOCK_RANK_BUFFER_POOL = 64,      /* one process's pools: after whatever fills their chunks */
    LOCK_RANK_RECORDERS = 66,        /* whose flight recorders there are */
    LOCK_RANK_POLLER = 67,           /* who comes to a poller and leaves it, and its sleep */
    LOCK_RANK_RING = 68,             /* one ring's completion side */
    LOCK_RANK_CAPABILITY_USERS = 69, /* who uses one capability for long */
    LOCK_RANK_WORK_QUEUE = 70,
    LOCK_RANK_WAIT_QUEUE = 72,
    LOCK_RANK_TIMER_QUEUE = 74, /* one processor's deadlines */
    LOCK_RANK_RUN_QUEUE = 76,   /* of two, the lower CPU number first */
    LOCK_RANK_INTERRUPTS = 78,  /* vector tables */
    LOCK_RANK_KERNEL_HALF = 82, /* the kernel's own page tables and stacks */
    LOCK_RANK_HEAP = 84,        /* slab depots */
    LOCK_RANK_FRAME_POOL = 86,
    LOCK_RANK_RANDOM = 88,
    LOCK_RANK_LOG = 90, /* last, so that anyone may log */
};
