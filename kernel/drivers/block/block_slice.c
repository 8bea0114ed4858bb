/* Slices of a block request. */
#include "drivers/block/block_slice.h"

/* Takes back what is not a whole sector. */
static void trim(struct block_slice *slice, uint32_t sector_bytes)
{
    uint32_t excess = slice->bytes % sector_bytes;
    slice->bytes -= excess;
    while (excess > 0) {
        struct virtqueue_segment *last = &slice->segments[slice->segment_count - 1];
        uint32_t cut = min_of(excess, last->length_bytes);
        last->length_bytes -= cut;
        excess -= cut;
        if (last->length_bytes == 0) slice->segment_count--;
    }
}

void block_slice_cut(const struct block_request *request, const struct block_cursor *cursor,
                     const struct block_limits *limits, struct block_slice *out_slice)
{
    struct block_cursor at = *cursor;
    out_slice->bytes = 0;
    out_slice->segment_count = 0;
    while (at.piece < request->piece_count && out_slice->segment_count < limits->segments_max) {
        const struct block_piece *piece = &request->pieces[at.piece];
        uint32_t length = min_of(piece->length_bytes - at.offset_bytes, limits->segment_bytes_max);
        out_slice->segments[out_slice->segment_count++] = (struct virtqueue_segment){
            .start = physical_add(piece->start, at.offset_bytes), .length_bytes = length};
        out_slice->bytes += length;
        block_cursor_advance(request, &at, length);
    }
    trim(out_slice, limits->sector_bytes);
}
