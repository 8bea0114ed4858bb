/*
 * The last bytes of a stream, in memory of fixed size. Pure.
 * Context: any; the caller locks.
 */
#pragma once
#include "base/text.h"

#define LOG_TAIL_BYTES 65536u /* a power of two */

struct log_ring {
    uint64_t written_total; /* wraps never */
    char bytes[LOG_TAIL_BYTES];
};

void log_ring_write(struct log_ring *ring, text piece);
/* What is kept, in order, in at most two pieces; the second may be empty. */
void log_ring_view(const struct log_ring *ring, text out_pieces[2]);
/* Copies the last bytes there are, at most `capacity`; how many. */
size_t log_ring_read(const struct log_ring *ring, char *to, size_t capacity);
