/*
 * How far something long has got, as a bar in one line of the console that is drawn over and over:
 *
 *     [##############--------------]  50 %  8.1M/s
 *
 * Nothing is drawn where standard output is no console, nor more often than PROGRESS_INTERVAL_MS.
 *
 * Context: one thread at a time.
 */
#pragma once
#include "peal/text.h"

#define PROGRESS_INTERVAL_MS 200u

struct progress {
    uint64_t total; /* of what is to be done */
    uint64_t shown_ns;
    bool is_drawn;
};

/* So much is done; `words` stand behind the bar. */
void progress_show(struct progress *progress, uint64_t done, text words);
/* Takes the bar away, so that other text can follow. */
void progress_end(struct progress *progress);
