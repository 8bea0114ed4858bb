/*
 * Reading a process's flight recorders round by round, and printing what is new.
 *
 * Context: one thread.
 */
#pragma once
#include "peal/handle.h"
#include <abi/ops.h>

#define FOLLOW_RINGS_MAX     64u
#define FOLLOW_UNDER_WAY_MAX 64u

/* How far one ring has been told. */
struct followed_ring {
    uint32_t number; /* 0: not in use */
    uint64_t told;   /* the last sequence number */
};

/* Zero, with the options, to begin. */
struct follower {
    bool is_summary;
    bool has_colours;

    bool has_begun; /* a round is over: from then on, gaps are told */
    uint32_t rings_count;
    struct followed_ring rings[FOLLOW_RINGS_MAX];
    uint64_t not_seen;
    uint64_t counts[256], failures[256];
    /* Told as under way in the last round, and in this. */
    uint32_t waiting_count, waiting_now_count;
    struct abi_submission waiting[FOLLOW_UNDER_WAY_MAX], waiting_now[FOLLOW_UNDER_WAY_MAX];
};

/* Errors of PROCESS_TRACE. */
status follower_round(struct follower *follower, process_ref process);
/* No further rounds: prints the summary, if that is wanted. */
void follower_end(struct follower *follower);
