/*
 * A disk in memory that remembers each write and flush, and then shows every state in which a power
 * cut could have left it.
 *
 * A sector is written whole or not at all. Between two flushes the sectors written may have reached
 * the medium in any order: each is as it was at the last flush, or as one of the writes since left
 * it, whatever the others are.
 *
 * Positions count commands: writes (of any length) and flushes, not reads. A test notes the
 * position when something was promised to somebody, and compares it with where the cut was.
 *
 * Context: tests; one thread. Memory comes from the host; there is always enough.
 */
#pragma once
#include "base/status.h"

struct disk_write;
struct disk_window;

struct disk_log {
    /* Fixed at creation. */
    uint32_t sector_bytes;
    uint64_t sector_count;

    uint8_t *bytes; /* what is read: everything that was written */
    uint8_t *first; /* when the log began */
    uint64_t position;
    bool is_recording; /* without it nothing is remembered, and commands are only counted */

    /* Commands and reads counted together; this one fails with IO_ERROR, and all behind it if
     * `fails_on`. UINT64_MAX: none. */
    uint64_t request_count;
    uint64_t failing_request;
    bool fails_on;

    /* One for each sector written, in order, and one for each time between two flushes. */
    struct disk_write *writes;
    uint32_t write_count, write_capacity;
    struct disk_window *windows;
    uint32_t window_count, window_capacity;
};

void disk_log_init(struct disk_log *log, uint64_t sector_count, uint32_t sector_bytes);
void disk_log_deinit(struct disk_log *log);
/* Forgets what was remembered; the disk as it is now is where the log begins. */
void disk_log_restart(struct disk_log *log);

/* IO_ERROR: past the end, or asked for by failing_request; then nothing was written. */
status disk_log_read(struct disk_log *log, uint64_t first_sector, uint32_t sector_count, void *to);
status disk_log_write(struct disk_log *log, uint64_t first_sector, uint32_t sector_count,
                      const void *from);
status disk_log_flush(struct disk_log *log);

/*
 * Every power cut of a log, window by window: a window is the time between two flushes, and its
 * states are all subsets of what was written in it when there are at most `subsets_max`; else none,
 * all, all up to each write, all from each write on, each one alone, each one missing, and
 * `random_count` random ones; of each such kind at most `kind_max`, evenly spread.
 */
struct disk_cuts {
    const struct disk_log *log;
    uint32_t subsets_max, kind_max, random_count;
    uint64_t seed;

    /* The cut: the state may be changed at will. What was promised at position <= `position` was
     * promised before the cut; what began behind it had not begun. */
    uint8_t *state;
    uint64_t position;
    uint64_t count; /* of states shown so far */

    uint8_t *durable; /* at the window's start */
    uint32_t window;
    uint64_t step; /* in the window */
    struct disk_choices *choices;
};
void disk_cuts_begin(struct disk_cuts *cuts, const struct disk_log *log);
bool disk_cuts_next(struct disk_cuts *cuts);
void disk_cuts_end(struct disk_cuts *cuts);
/* Writes the state to a file of the host; false when that fails. */
bool disk_state_save(const uint8_t *state, const struct disk_log *log, const char *path);
