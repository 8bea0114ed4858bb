/*
 * The log is a list of sectors with their contents, cut into windows at the flushes. A state is
 * made from the window's start by choosing, for each sector that was written in the window, one of
 * its writes or none.
 */
#include "support/disk_log.h"
#include "base/checked.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct disk_write {
    uint64_t sector;
    uint8_t *bytes; /* owned */
};

struct disk_window {
    uint32_t first_write, write_count;
    uint64_t position; /* of the flush that ends it; of the log's end for the last */
};

/* One sector of a window: its writes, oldest first, are indices into the log. */
struct disk_choice {
    uint32_t *writes; /* owned */
    uint32_t write_count;
};

struct disk_choices {
    struct disk_choice *sectors; /* owned */
    uint32_t count;
    uint64_t subset_count; /* UINT64_MAX: too many to count */
};

static void *taken(void *memory)
{
    if (memory == nullptr) abort();
    return memory;
}

static size_t disk_bytes(const struct disk_log *log)
{
    return log->sector_count * log->sector_bytes;
}

/* ---- recording ---- */

static void window_begin(struct disk_log *log)
{
    if (log->window_count == log->window_capacity) {
        log->window_capacity = 2 * log->window_capacity + 16;
        log->windows =
            taken(realloc(log->windows, log->window_capacity * sizeof(struct disk_window)));
    }
    log->windows[log->window_count++] =
        (struct disk_window){.first_write = log->write_count, .position = log->position};
}

void disk_log_init(struct disk_log *log, uint64_t sector_count, uint32_t sector_bytes)
{
    *log = (struct disk_log){.sector_bytes = sector_bytes,
                             .sector_count = sector_count,
                             .is_recording = true,
                             .failing_request = UINT64_MAX};
    log->bytes = taken(calloc(sector_count, sector_bytes));
    log->first = taken(calloc(sector_count, sector_bytes));
    window_begin(log);
}

static void writes_drop(struct disk_log *log)
{
    for (uint32_t i = 0; i < log->write_count; i++)
        free(log->writes[i].bytes);
    log->write_count = log->window_count = 0;
}

void disk_log_restart(struct disk_log *log)
{
    writes_drop(log);
    log->position = 0;
    memcpy(log->first, log->bytes, disk_bytes(log));
    window_begin(log);
}

void disk_log_deinit(struct disk_log *log)
{
    writes_drop(log);
    free(log->writes);
    free(log->windows);
    free(log->bytes);
    free(log->first);
    *log = (struct disk_log){0};
}

static status request_count(struct disk_log *log)
{
    uint64_t number = log->request_count++;
    bool fails = log->fails_on ? number >= log->failing_request : number == log->failing_request;
    return fails ? FAIL(IO_ERROR) : OK;
}

status disk_log_read(struct disk_log *log, uint64_t first_sector, uint32_t sector_count, void *to)
{
    TRY(request_count(log));
    if (!span_fits(first_sector, sector_count, log->sector_count)) return FAIL(IO_ERROR);
    memcpy(to, log->bytes + first_sector * log->sector_bytes,
           (size_t)sector_count * log->sector_bytes);
    return OK;
}

static void sector_remember(struct disk_log *log, uint64_t sector, const uint8_t *bytes)
{
    if (log->write_count == log->write_capacity) {
        log->write_capacity = 2 * log->write_capacity + 256;
        log->writes = taken(realloc(log->writes, log->write_capacity * sizeof(struct disk_write)));
    }
    struct disk_write *write = &log->writes[log->write_count++];
    *write = (struct disk_write){sector, taken(malloc(log->sector_bytes))};
    memcpy(write->bytes, bytes, log->sector_bytes);
    log->windows[log->window_count - 1].write_count++;
}

status disk_log_write(struct disk_log *log, uint64_t first_sector, uint32_t sector_count,
                      const void *from)
{
    TRY(request_count(log));
    if (!span_fits(first_sector, sector_count, log->sector_count)) return FAIL(IO_ERROR);
    const uint8_t *bytes = from;
    memcpy(log->bytes + first_sector * log->sector_bytes, bytes,
           (size_t)sector_count * log->sector_bytes);
    log->position++;
    for (uint32_t i = 0; i < sector_count && log->is_recording; i++)
        sector_remember(log, first_sector + i, bytes + (size_t)i * log->sector_bytes);
    log->windows[log->window_count - 1].position = log->position;
    return OK;
}

status disk_log_flush(struct disk_log *log)
{
    TRY(request_count(log));
    /* The window ends before the flush has done anything: it may be cut short. */
    log->windows[log->window_count - 1].position = log->position;
    log->position++;
    if (log->is_recording) window_begin(log);
    return OK;
}

/* ---- choosing ---- */

static struct disk_choice *choice_of(struct disk_choices *choices, const struct disk_log *log,
                                     uint64_t sector)
{
    for (uint32_t i = 0; i < choices->count; i++) {
        if (log->writes[choices->sectors[i].writes[0]].sector == sector)
            return &choices->sectors[i];
    }
    choices->sectors =
        taken(realloc(choices->sectors, (choices->count + 1) * sizeof(choices->sectors[0])));
    choices->sectors[choices->count] = (struct disk_choice){0};
    return &choices->sectors[choices->count++];
}

static void choices_drop(struct disk_choices *choices)
{
    for (uint32_t i = 0; i < choices->count; i++)
        free(choices->sectors[i].writes);
    free(choices->sectors);
    *choices = (struct disk_choices){0};
}

static void choices_collect(struct disk_cuts *cuts)
{
    const struct disk_window *window = &cuts->log->windows[cuts->window];
    struct disk_choices *choices = cuts->choices;
    choices_drop(choices);
    for (uint32_t i = 0; i < window->write_count; i++) {
        uint32_t index = window->first_write + i;
        struct disk_choice *choice = choice_of(choices, cuts->log, cuts->log->writes[index].sector);
        choice->writes =
            taken(realloc(choice->writes, (choice->write_count + 1) * sizeof(choice->writes[0])));
        choice->writes[choice->write_count++] = index;
    }
    choices->subset_count = 1;
    for (uint32_t i = 0; i < choices->count; i++) {
        if (!checked_multiply(choices->subset_count, choices->sectors[i].write_count + 1,
                              &choices->subset_count))
            choices->subset_count = UINT64_MAX;
    }
}

/* The write number `version` of the sector has reached the medium; 0: none. */
static void sector_choose(struct disk_cuts *cuts, uint32_t which, uint32_t version)
{
    const struct disk_choice *choice = &cuts->choices->sectors[which];
    if (version == 0) return;
    const struct disk_write *write = &cuts->log->writes[choice->writes[version - 1]];
    memcpy(cuts->state + write->sector * cuts->log->sector_bytes, write->bytes,
           cuts->log->sector_bytes);
}

static void newest_choose(struct disk_cuts *cuts, uint32_t which)
{
    sector_choose(cuts, which, cuts->choices->sectors[which].write_count);
}

static uint64_t random_next(struct disk_cuts *cuts)
{
    /* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators" */
    cuts->seed ^= cuts->seed >> 12;
    cuts->seed ^= cuts->seed << 25;
    cuts->seed ^= cuts->seed >> 27;
    return cuts->seed * 0x2545f4914f6cdd1d;
}

/* ---- the states of one window ---- */

static void subset_show(struct disk_cuts *cuts, uint64_t number)
{
    for (uint32_t i = 0; i < cuts->choices->count; i++) {
        uint32_t versions = cuts->choices->sectors[i].write_count + 1;
        sector_choose(cuts, i, (uint32_t)(number % versions));
        number /= versions;
    }
}

static void prefix_show(struct disk_cuts *cuts, uint32_t write_count)
{
    const struct disk_log *log = cuts->log;
    uint32_t first = log->windows[cuts->window].first_write;
    for (uint32_t i = first; i < first + write_count; i++)
        memcpy(cuts->state + log->writes[i].sector * log->sector_bytes, log->writes[i].bytes,
               log->sector_bytes);
}

static void suffix_show(struct disk_cuts *cuts, uint32_t skipped)
{
    for (uint32_t i = skipped; i < cuts->choices->count; i++)
        newest_choose(cuts, i);
}

static void all_but_one_show(struct disk_cuts *cuts, uint32_t missing)
{
    for (uint32_t i = 0; i < cuts->choices->count; i++) {
        if (i != missing) newest_choose(cuts, i);
    }
}

/* Each random state has its own share of sectors, so that nearly none and nearly all come too. */
static void random_show(struct disk_cuts *cuts)
{
    uint64_t share = random_next(cuts) % 101;
    for (uint32_t i = 0; i < cuts->choices->count; i++) {
        bool is_written = random_next(cuts) % 100 < share;
        uint32_t versions = cuts->choices->sectors[i].write_count;
        if (is_written) sector_choose(cuts, i, 1 + (uint32_t)(random_next(cuts) % versions));
    }
}

/* Number `step` of `shown` ones out of `all`, evenly spread, the last one among them. */
static uint32_t spread(uint64_t step, uint32_t shown, uint32_t all)
{
    return (uint32_t)((step + 1) * all / shown - 1);
}

/* Shows the state with this number of the window; false when there is none. */
static bool step_show(struct disk_cuts *cuts, uint64_t step)
{
    uint32_t writes = cuts->log->windows[cuts->window].write_count;
    uint32_t sectors = cuts->choices->count;
    if (cuts->choices->subset_count <= cuts->subsets_max) {
        if (step >= cuts->choices->subset_count) return false;
        subset_show(cuts, step);
        return true;
    }
    if (step == 0) return true;
    step--;
    uint32_t prefixes = min_of(writes, cuts->kind_max), shown = min_of(sectors, cuts->kind_max);
    if (step < prefixes) {
        prefix_show(cuts, spread(step, prefixes, writes) + 1);
        return true;
    }
    step -= prefixes;
    uint32_t which = spread(step % shown, shown, sectors);
    switch (step / shown) {
    case 0:
        suffix_show(cuts, which);
        return true;
    case 1:
        newest_choose(cuts, which);
        return true;
    case 2:
        all_but_one_show(cuts, which);
        return true;
    default:
        if (step - 3ull * shown >= cuts->random_count) return false;
        random_show(cuts);
        return true;
    }
}

/* ---- all windows ---- */

void disk_cuts_begin(struct disk_cuts *cuts, const struct disk_log *log)
{
    cuts->log = log;
    cuts->seed |= 1;
    cuts->state = taken(malloc(disk_bytes(log)));
    cuts->durable = taken(malloc(disk_bytes(log)));
    cuts->choices = taken(calloc(1, sizeof(*cuts->choices)));
    memcpy(cuts->durable, log->first, disk_bytes(log));
    cuts->window = 0;
    cuts->step = cuts->count = 0;
    choices_collect(cuts);
}

/* Everything of the window has reached the medium: the next one begins. */
static void window_pass(struct disk_cuts *cuts)
{
    memcpy(cuts->state, cuts->durable, disk_bytes(cuts->log));
    prefix_show(cuts, cuts->log->windows[cuts->window].write_count);
    memcpy(cuts->durable, cuts->state, disk_bytes(cuts->log));
    cuts->window++;
    cuts->step = 0;
    if (cuts->window < cuts->log->window_count) choices_collect(cuts);
}

bool disk_cuts_next(struct disk_cuts *cuts)
{
    while (cuts->window < cuts->log->window_count) {
        memcpy(cuts->state, cuts->durable, disk_bytes(cuts->log));
        if (step_show(cuts, cuts->step)) {
            cuts->step++;
            cuts->count++;
            cuts->position = cuts->log->windows[cuts->window].position;
            return true;
        }
        window_pass(cuts);
    }
    return false;
}

void disk_cuts_end(struct disk_cuts *cuts)
{
    choices_drop(cuts->choices);
    free(cuts->choices);
    free(cuts->state);
    free(cuts->durable);
}

bool disk_state_save(const uint8_t *state, const struct disk_log *log, const char *path)
{
    FILE *file = fopen(path, "wb");
    if (file == nullptr) return false;
    bool is_written = fwrite(state, disk_bytes(log), 1, file) == 1;
    return fclose(file) == 0 && is_written;
}
