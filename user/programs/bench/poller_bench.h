/*
 * A ring with a poller: operations without system calls. Means something on two processors only,
 * where the poller runs beside the program; measured when named.
 *
 * Context: the bench program's first thread, which waits while another thread, whose ring has the
 * poller, runs the rounds.
 */
#pragma once
#include "peal/status.h"

/* Operations in a round of poller_bench_stream. */
#define POLLER_BENCH_OPERATIONS 200'000u
/* Of these, under way at once. */
#define POLLER_BENCH_IN_FLIGHT 32u

/* On the thread with the poller: a request that does nothing, and the wait for its completion. */
status poller_bench_alone(void);
/* POLLER_BENCH_OPERATIONS of them; each that completes makes room for the next. */
status poller_bench_stream(void);

/* Runs work(context) on a thread whose ring has a poller, until its end. */
status poller_bench_run(status (*work)(void *context), void *context);
