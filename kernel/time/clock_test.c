#include "arch/host/host.h"
#include "mm/direct_map.h"
#include "support/test.h"
#include "time/clock.h"
#include <abi/clock.h>
#include <stdatomic.h>

static constexpr uint64_t START_TICKS = 5000000;

static void start_clock(void)
{
    host_memory_init();
    atomic_store(&host_stopped_ticks, START_TICKS);
    clock_init(1000);
}

TEST(time_counts_from_the_start_of_the_kernel)
{
    start_clock();
    CHECK_EQUAL(0, clock_now_ns());
    CHECK_EQUAL(1000000000000, clock_real_ns());
    atomic_store(&host_stopped_ticks, START_TICKS + 123456);
    CHECK_EQUAL(123456, clock_now_ns());
    CHECK_EQUAL(1000000123456, clock_real_ns());
}

TEST(a_counter_that_is_a_little_behind_is_at_the_start)
{
    start_clock();
    atomic_store(&host_stopped_ticks, START_TICKS - 5);
    CHECK_EQUAL(0, clock_now_ns());
}

TEST(the_clock_page_tells_programs_the_same)
{
    start_clock();
    atomic_store(&host_stopped_ticks, START_TICKS + 777);
    const struct abi_clock_page *page = direct_map(clock_page_frame());
    CHECK_EQUAL(0, page->sequence);
    uint64_t ns =
        (uint64_t)(((unsigned __int128)(START_TICKS + 777 - page->base_ticks) * page->multiplier) >>
                   page->shift) +
        page->base_ns;
    CHECK_EQUAL(clock_now_ns(), ns);
    CHECK_EQUAL(clock_real_ns(), ns + page->real_offset_ns);
    CHECK_EQUAL(1000000000, page->ticks_per_second);
}

TEST(ticks_are_rounded_up_and_saturate)
{
    start_clock();
    CHECK_EQUAL(0, clock_ns_to_ticks(0));
    CHECK_EQUAL(1, clock_ns_to_ticks(1));
    CHECK_EQUAL(3000000007, clock_ns_to_ticks(3000000007));
    CHECK_EQUAL(UINT64_MAX, clock_ns_to_ticks(UINT64_MAX));
}

TEST(a_deadline_too_far_away_never_comes)
{
    start_clock();
    deadline soon = deadline_in_ns(10);
    CHECK(!deadline_passed(soon));
    CHECK_EQUAL(UINT64_MAX, deadline_in_ns(UINT64_MAX).at_ns);
    CHECK_EQUAL(UINT64_MAX, deadline_in_ms(UINT64_MAX / 2).at_ns);
    atomic_store(&host_stopped_ticks, START_TICKS + 10);
    CHECK(deadline_passed(soon));
    CHECK(!deadline_passed(deadline_never()));
    CHECK_EQUAL(UINT64_MAX, deadline_in_ns(UINT64_MAX - 9).at_ns);
}
