/* The test harness, tested: what it lets through, and that it notices what it should. */
#include "support/test.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned allocate_up_to(unsigned wanted)
{
    unsigned made = 0;
    while (made < wanted && test_allocation_may_proceed())
        made++;
    return made;
}

TEST(every_allocation_fails_once_and_the_last_round_has_none)
{
    unsigned rounds = 0;
    FOR_EACH_FAILING_ALLOCATION {
        unsigned made = allocate_up_to(3);
        CHECK_EQUAL(rounds < 3 ? rounds : 3, made);
        rounds++;
    }
    CHECK_EQUAL(4, rounds);
}

TEST(a_body_that_allocates_nothing_runs_once)
{
    unsigned rounds = 0;
    FOR_EACH_FAILING_ALLOCATION {
        rounds++;
    }
    CHECK_EQUAL(1, rounds);
}

TEST(outside_the_loop_no_allocation_fails)
{
    CHECK_EQUAL(1000, allocate_up_to(1000));
}

TEST(a_second_loop_starts_again_with_the_first_allocation)
{
    for (int repeat = 0; repeat < 2; repeat++) {
        unsigned rounds = 0;
        FOR_EACH_FAILING_ALLOCATION {
            allocate_up_to(2);
            rounds++;
        }
        CHECK_EQUAL(3, rounds);
    }
}

static void stop(void)
{
    fprintf(stderr, "stopped on purpose\n");
    abort();
}

TEST(a_stop_is_seen_with_its_message)
{
    CHECK_STOPS("on purpose", stop());
}

TEST(what_a_stopping_statement_changes_is_not_seen)
{
    int value = 1;
    CHECK_STOPS("on purpose", {
        value = 2;
        stop();
    });
    CHECK_EQUAL(1, value);
}

TEST(a_failing_check_fails_its_test)
{
    CHECK_STOPS("value is 2 (0x2), not 1 (0x1)", {
        int value = 2;
        CHECK_EQUAL(1, value);
    });
}
