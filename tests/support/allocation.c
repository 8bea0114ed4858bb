/*
 * Which allocation fails. Kept apart from the test runner because fuzz targets have a main() of
 * their own but use the same allocators.
 */
#include "support/test.h"
#include <stdatomic.h>

/* More allocations than any body makes: a loop that has not ended by then never will. */
static constexpr uint64_t ALLOCATIONS_MAX = 100000;

static _Atomic bool armed;
static _Atomic uint64_t calls; /* since the body began */
static uint64_t failing_index; /* this call fails; written between bodies only */
static bool first_round;

void test_allocations_begin(void)
{
    atomic_store(&armed, false);
    first_round = true;
}

bool test_allocations_next(void)
{
    bool one_failed = atomic_load(&calls) > failing_index;
    if (!first_round && !one_failed) {
        atomic_store(&armed, false);
        return false;
    }
    failing_index = first_round ? 0 : failing_index + 1;
    first_round = false;
    if (failing_index == ALLOCATIONS_MAX)
        test_fail(__FILE__, __LINE__, "the body still allocates after %llu rounds",
                  (unsigned long long)ALLOCATIONS_MAX);
    atomic_store(&calls, 0);
    atomic_store(&armed, true);
    return true;
}

bool test_allocation_may_proceed(void)
{
    return !atomic_load(&armed) || atomic_fetch_add(&calls, 1) != failing_index;
}
