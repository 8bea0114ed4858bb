#include "debug/log_ring.h"
#include "support/test.h"
#include <string.h>

static struct log_ring ring;
static char copy[LOG_TAIL_BYTES + 1];

TEST(a_short_log_is_kept_whole_and_read_from_its_end)
{
    ring.written_total = 0;
    log_ring_write(&ring, TEXT("one "));
    log_ring_write(&ring, TEXT("two"));
    CHECK_EQUAL(7, log_ring_read(&ring, copy, sizeof(copy)));
    CHECK_BYTES("one two", copy, 7);
    CHECK_EQUAL(3, log_ring_read(&ring, copy, 3));
    CHECK_BYTES("two", copy, 3);
    CHECK_EQUAL(0, log_ring_read(&ring, copy, 0));
}

TEST(a_long_log_keeps_its_last_bytes)
{
    ring.written_total = 0;
    for (uint32_t i = 0; i < LOG_TAIL_BYTES; i++)
        log_ring_write(&ring, TEXT("ab"));
    log_ring_write(&ring, TEXT("z"));
    CHECK_EQUAL(LOG_TAIL_BYTES, log_ring_read(&ring, copy, sizeof(copy)));
    CHECK_EQUAL('b', copy[0]);
    CHECK_EQUAL('a', copy[1]);
    CHECK_EQUAL('z', copy[LOG_TAIL_BYTES - 1]);
}

TEST(a_view_shows_what_a_copy_would)
{
    static const uint32_t lengths[] = {0,
                                       1,
                                       5,
                                       LOG_TAIL_BYTES - 1,
                                       LOG_TAIL_BYTES,
                                       LOG_TAIL_BYTES + 1,
                                       2 * LOG_TAIL_BYTES,
                                       3 * LOG_TAIL_BYTES + 7};
    for (uint32_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        ring.written_total = 0;
        for (uint32_t byte = 0; byte < lengths[i]; byte++) {
            char letter = (char)('a' + byte % 23);
            log_ring_write(&ring, (text){&letter, 1});
        }
        text pieces[2];
        log_ring_view(&ring, pieces);
        size_t count = log_ring_read(&ring, copy, sizeof(copy));
        CHECK_EQUAL(count, pieces[0].length + pieces[1].length);
        CHECK_BYTES(copy, pieces[0].bytes, pieces[0].length);
        CHECK_BYTES(copy + pieces[0].length, pieces[1].bytes, pieces[1].length);
    }
}
