#include "debug/log_ring.h"

void log_ring_write(struct log_ring *ring, text piece)
{
    for (size_t i = 0; i < piece.length; i++)
        ring->bytes[ring->written_total++ % LOG_TAIL_BYTES] = piece.bytes[i];
}

size_t log_ring_read(const struct log_ring *ring, char *to, size_t capacity)
{
    uint64_t kept = ring->written_total < LOG_TAIL_BYTES ? ring->written_total : LOG_TAIL_BYTES;
    size_t count = kept < capacity ? (size_t)kept : capacity;
    uint64_t first = ring->written_total - count;
    for (size_t i = 0; i < count; i++)
        to[i] = ring->bytes[(first + i) % LOG_TAIL_BYTES];
    return count;
}

void log_ring_view(const struct log_ring *ring, text out_pieces[2])
{
    size_t end = (size_t)(ring->written_total % LOG_TAIL_BYTES);
    bool has_wrapped = ring->written_total > LOG_TAIL_BYTES;
    out_pieces[0] = (text){ring->bytes + end, has_wrapped ? LOG_TAIL_BYTES - end : 0};
    if (ring->written_total == LOG_TAIL_BYTES) end = LOG_TAIL_BYTES;
    out_pieces[1] = (text){ring->bytes, end};
}
