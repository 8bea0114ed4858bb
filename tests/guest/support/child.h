/*
 * The running test program, started once more to play a part: what ends a program, or fills it, is
 * done in a child.
 *
 *     GUEST_TEST_SETUP
 *     {
 *         if (child_plays(TEXT("filler"))) peal_exit(fill());
 *     }
 *     ...
 *     EXPECT_EQUAL(0, child_run(PROGRAM, TEXT("filler"), &(struct peal_spawn){.handles_max = 9}));
 *
 * Parts answer 0 when all went well, otherwise the number of the line that did not: CHILD_CHECK.
 */
#pragma once
#include "peal/process.h"

#define CHILD_CHECK(condition)             \
    do {                                   \
        if (!(condition)) return __LINE__; \
    } while (0)

/* True in a child that was started for this part. */
bool child_plays(text part);

/*
 * Starts the program at `path`, below the granted "root", in this part; `limits` gives its quotas
 * and its grants. The caller owns the process.
 */
process_result child_start(text path, text part, const struct peal_spawn *limits);

/* The same, and waits for its end. A child that did not end by itself has reason, not code. */
struct abi_exit child_end(text path, text part, const struct peal_spawn *limits);

/* The exit code of a child that ended by itself; 1000 + reason otherwise; 2000 + status when it did
 * not start. */
uint32_t child_run(text path, text part, const struct peal_spawn *limits);
