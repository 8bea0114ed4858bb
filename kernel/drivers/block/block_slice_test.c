#include "drivers/block/block_slice.h"
#include "support/test.h"
#include <stdlib.h>

static struct block_request request_of(uint32_t count, const uint32_t *lengths)
{
    struct block_request request = {.piece_count = count};
    for (uint32_t i = 0; i < count; i++)
        request.pieces[i] = (struct block_piece){physical_at(0x100000ull * (i + 1)), lengths[i]};
    return request;
}

TEST(a_request_within_the_limits_is_one_slice)
{
    struct block_request request = request_of(2, (uint32_t[]){4096, 512});
    struct block_limits limits = {32, UINT32_MAX, 512};
    struct block_cursor cursor = {0};
    struct block_slice slice;
    block_slice_cut(&request, &cursor, &limits, &slice);
    CHECK_EQUAL(4608, slice.bytes);
    CHECK_EQUAL(2, slice.segment_count);
    CHECK_EQUAL(0x200000, slice.segments[1].start.value);
    block_cursor_advance(&request, &cursor, slice.bytes);
    CHECK_EQUAL(2, cursor.piece);
    CHECK_EQUAL(4608, cursor.done_bytes);
}

TEST(a_slice_ends_at_a_sector)
{
    struct block_request request = request_of(3, (uint32_t[]){300, 300, 424});
    struct block_limits limits = {2, UINT32_MAX, 512};
    struct block_cursor cursor = {0};
    struct block_slice slice;
    block_slice_cut(&request, &cursor, &limits, &slice);
    CHECK_EQUAL(512, slice.bytes);
    CHECK_EQUAL(2, slice.segment_count);
    CHECK_EQUAL(212, slice.segments[1].length_bytes);
    block_cursor_advance(&request, &cursor, slice.bytes);
    block_slice_cut(&request, &cursor, &limits, &slice);
    CHECK_EQUAL(512, slice.bytes);
    CHECK_EQUAL(0x200000 + 212, slice.segments[0].start.value);
    CHECK_EQUAL(88, slice.segments[0].length_bytes);
}

TEST(limits_that_let_no_sector_pass_are_told)
{
    struct block_request request = request_of(2, (uint32_t[]){256, 256});
    struct block_limits limits = {1, UINT32_MAX, 512};
    struct block_cursor cursor = {0};
    struct block_slice slice;
    block_slice_cut(&request, &cursor, &limits, &slice);
    CHECK_EQUAL(0, slice.bytes);
    CHECK_EQUAL(0, slice.segment_count);
}

TEST(slices_of_any_request_cover_it_exactly)
{
    srand(3);
    for (int run = 0; run < 20000; run++) {
        uint32_t lengths[BLOCK_PIECES_MAX], count = 1 + (uint32_t)rand() % BLOCK_PIECES_MAX;
        uint32_t total = 0;
        for (uint32_t i = 0; i < count; i++)
            total += lengths[i] = 4 * (1 + (uint32_t)rand() % 1024);
        lengths[count - 1] += (512 - total % 512) % 512;
        total += (512 - total % 512) % 512;
        struct block_request request = request_of(count, lengths);
        struct block_limits limits = {1 + (uint32_t)rand() % BLOCK_SLICE_SEGMENTS_MAX,
                                      4 * (1 + (uint32_t)rand() % 2048), 512};
        struct block_cursor cursor = {0}, expected = {0};
        while (cursor.done_bytes < total) {
            struct block_slice slice;
            block_slice_cut(&request, &cursor, &limits, &slice);
            if (slice.bytes == 0) break; /* limits too tight for these pieces */
            CHECK_EQUAL(0, slice.bytes % 512);
            CHECK(slice.segment_count <= limits.segments_max);
            for (uint32_t i = 0; i < slice.segment_count; i++) {
                CHECK(slice.segments[i].length_bytes > 0);
                CHECK(slice.segments[i].length_bytes <= limits.segment_bytes_max);
                CHECK_EQUAL(request.pieces[expected.piece].start.value + expected.offset_bytes,
                            slice.segments[i].start.value);
                block_cursor_advance(&request, &expected, slice.segments[i].length_bytes);
            }
            block_cursor_advance(&request, &cursor, slice.bytes);
            CHECK_EQUAL(cursor.done_bytes, expected.done_bytes);
        }
    }
}
