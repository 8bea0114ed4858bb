/*
 * Messages between two processes: there and back, one call of the kernel on each side, which sends
 * the answer to the last message and waits for the next.
 */
#pragma once
#include "peal/status.h"

/* A handle moved in a message, sent and received by this process. */
status round_transfer(void);

/* Starts the other process. */
status message_bench_begin(void);
status message_bench_round(void);
void message_bench_end(void);

/* What the other process is told as its only argument, and what it then does: answers. */
#define MESSAGE_BENCH_ECHO TEXT("--echo-messages")
int message_bench_echo(void);
