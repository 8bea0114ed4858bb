/*
 * One worker of fsstress: a folder of its own, files in it that live random lives, and a copy in
 * memory of what each must hold. Whatever is read is compared with that, byte by byte.
 *
 * With `logs` it tells standard output what it may be held to, each line before or after what it is
 * about, as said, its words apart by tabs:
 *
 *     synced PATH SIZE CRC     after a sync: this is durable, until one of the next two
 *     changes PATH             before it is written to, cut, replaced or removed
 *     moves PATH NEW           before a rename: from then on it is durable as one or the other
 *
 * PATH is below the folder fsstress works in, SIZE in bytes, CRC the CRC-32 of zlib in hexadecimal.
 */
#pragma once
#include "peal/file.h"
#include <stdatomic.h>

struct stress_plan {
    directory_ref folder; /* where each worker makes its own */
    uint64_t seed;
    uint64_t operations; /* of each worker */
    uint64_t file_bytes_max;
    uint32_t files; /* of each worker */
    bool logs;
    bool keeps;              /* what there is in the end stays */
    _Atomic bool is_stopped; /* somebody found a fault, or the person wants an end */
    _Atomic uint64_t done;   /* operations, all workers; relaxed, as the counts below */
    _Atomic uint64_t verified_bytes;
    _Atomic uint64_t written_bytes;
    _Atomic uint64_t syncs;
    _Atomic uint64_t refused; /* for want of room on the volume */
    _Atomic uint64_t faults;
};

struct worker {
    struct stress_plan *plan;
    uint32_t number;
    char message[200]; /* of the first fault */
    uint32_t message_bytes;
};

/* As a thread: the argument is the worker. 0: no fault. */
int worker_run(uint64_t worker);
