#include "base/bytes.h"
#include "base/container.h"
#include "mm/direct_map.h"
#include "mm/frame_pool.h"
#include "mm/frame_pool_internal.h"
#include "mm/quota.h"
#include "support/test.h"
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

static constexpr uint64_t AREA_BYTES = 32ull << 20;
static constexpr uint32_t TAKEN_MAX = 8192;

/* 32 MiB, aligned to 4 MiB, from which tests cut their ranges. */
static uint64_t area(void)
{
    static uint64_t start;
    if (start) return start;
    uint64_t alignment = PAGE_BYTES << FRAME_ORDER_MAX;
    void *memory = mmap(nullptr, AREA_BYTES + alignment, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    start = round_up((uintptr_t)memory, alignment);
    return start;
}

static struct frame_range pages(uint64_t first, uint64_t count)
{
    return (struct frame_range){.start = physical_at(area() + first * PAGE_BYTES),
                                .length_bytes = count * PAGE_BYTES};
}

static void init_one(uint64_t first, uint64_t count)
{
    struct frame_range range = pages(first, count);
    frame_pool_reset();
    frame_pool_init(&range, 1);
}

/* Takes until nothing is left; the number of runs. */
static uint32_t take_all(uint32_t order, physical_address *taken)
{
    uint32_t count = 0;
    for (; count < TAKEN_MAX; count++) {
        frame_result run = frame_pool_take(nullptr, order);
        if (!is_ok(run.status)) break;
        taken[count] = run.value;
    }
    return count;
}

static physical_address taken[TAKEN_MAX];

TEST(every_frame_is_lent_once_and_the_counts_follow)
{
    init_one(0, 4096);
    struct frame_pool_counts before = frame_pool_count();
    CHECK_EQUAL(1, before.region_count);
    CHECK_EQUAL(4096, before.total_frames + before.bookkeeping_bytes / PAGE_BYTES);
    CHECK_EQUAL(before.total_frames, before.free_frames);

    uint32_t count = take_all(0, taken);
    CHECK_EQUAL(before.total_frames, count);
    CHECK_EQUAL(0, frame_pool_count().free_frames);
    for (uint32_t i = 0; i < count; i++) /* would overwrite a frame that two were given */
        *(uint32_t *)direct_map(taken[i]) = i;
    for (uint32_t i = 0; i < count; i++)
        CHECK_EQUAL(i, *(uint32_t *)direct_map(taken[i]));

    for (uint32_t i = 0; i < count; i++)
        frame_pool_give(nullptr, taken[i], 0);
    CHECK_EQUAL(before.total_frames, frame_pool_count().free_frames);
    frame_pool_check();
}

TEST(regions_apart_are_found_by_address_and_stay_whole)
{
    struct frame_range ranges[] = {pages(1, 7), pages(16, 7), pages(513, 3000), pages(3600, 1),
                                   pages(3700, 64)};
    frame_pool_reset();
    frame_pool_init(ranges, array_count(ranges));
    CHECK_EQUAL(5, frame_pool_count().region_count);
    /* The bookkeeping is in the largest: the small ones are usable to the last frame. */
    CHECK_EQUAL(7 + 7 + 3000 + 1 + 64, frame_pool_count().total_frames +
                                           frame_pool_count().bookkeeping_bytes / PAGE_BYTES);
    CHECK_EQUAL(0, frame_pool_index(ranges[0].start));
    CHECK_EQUAL(7 + 3, frame_pool_index(physical_add(ranges[1].start, 3 * PAGE_BYTES)));
    CHECK_EQUAL(7 + 7 + 3000, frame_pool_index(ranges[3].start));
    CHECK_STOPS("not the pool's", frame_pool_index(physical_at(area())));
    CHECK_STOPS("not the pool's", frame_pool_index(pages(8, 1).start));

    uint32_t count = take_all(0, taken);
    CHECK_EQUAL(frame_pool_count().total_frames, count);
    for (uint32_t i = 0; i < count; i++)
        frame_pool_give(nullptr, taken[(i * 7) % count], 0);
    CHECK_EQUAL(count, frame_pool_count().free_frames);
    frame_pool_check();
}

TEST(a_region_of_seven_frames_is_four_and_two_and_one)
{
    struct frame_range ranges[] = {pages(16, 7), pages(1024, 64)};
    frame_pool_reset();
    frame_pool_init(ranges, array_count(ranges));
    CHECK_EQUAL(ranges[0].start.value, frame_pool_take(nullptr, 2).value.value);
    CHECK_EQUAL(ranges[0].start.value + 4 * PAGE_BYTES, frame_pool_take(nullptr, 1).value.value);
    CHECK(frame_pool_take(nullptr, 1).value.value >= ranges[1].start.value);
    uint32_t count = take_all(0, taken);
    uint32_t from_first = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (taken[i].value >= ranges[1].start.value) continue;
        CHECK_EQUAL(ranges[0].start.value + 6 * PAGE_BYTES, taken[i].value);
        from_first++;
    }
    CHECK_EQUAL(1, from_first);
}

TEST(runs_are_aligned_in_physical_memory_wherever_the_region_starts)
{
    for (uint64_t first = 1; first < 700; first += 97) {
        init_one(first, 3000);
        for (uint32_t order = 0; order <= 9; order++) {
            frame_result run = frame_pool_take(nullptr, order);
            CHECK_STATUS(OK, run.status);
            CHECK_EQUAL(0, run.value.value % (PAGE_BYTES << order));
            frame_pool_give(nullptr, run.value, order);
        }
    }
}

TEST(a_double_give_stops_at_once_wherever_the_frame_is)
{
    init_one(0, 1024);
    physical_address single = frame_pool_take(nullptr, 0).value;
    physical_address other = frame_pool_take(nullptr, 0).value;
    physical_address run = frame_pool_take(nullptr, 3).value;
    frame_pool_give(nullptr, single, 0); /* it waits in this processor's cache */
    CHECK_STOPS("not taken", frame_pool_give(nullptr, single, 0));
    frame_pool_give(nullptr, run, 3); /* it is back in its buddy */
    CHECK_STOPS("not taken", frame_pool_give(nullptr, run, 3));
    CHECK_STOPS("not taken", frame_pool_give(nullptr, run, 0));
    CHECK_STOPS("not taken", frame_pool_give(nullptr, other, 1));
    frame_pool_give(nullptr, other, 0);
}

TEST(a_foreign_give_stops_at_once)
{
    init_one(16, 1024);
    physical_address run = frame_pool_take(nullptr, 2).value;
    CHECK_STOPS("not the pool's", frame_pool_give(nullptr, physical_at(area()), 0));
    CHECK_STOPS("not the pool's", frame_pool_give(nullptr, physical_at(0), 0));
    CHECK_STOPS("not the pool's", frame_pool_give(nullptr, physical_add(run, 8), 2));
    CHECK_STOPS("not the pool's", frame_pool_give(nullptr, run, 40));
    CHECK_STOPS("not taken", frame_pool_give(nullptr, physical_add(run, PAGE_BYTES), 0));
    CHECK_STOPS("not taken", frame_pool_give(nullptr, pages(16, 1).start, 0));   /* bookkeeping */
    CHECK_STOPS("not taken", frame_pool_give(nullptr, pages(1039, 1).start, 0)); /* never lent */
    frame_pool_give(nullptr, run, 2);
}

TEST(a_tagged_run_is_not_given_by_others)
{
    init_one(0, 1024);
    physical_address run = frame_pool_take(nullptr, 1).value;
    CHECK_EQUAL(-1, frame_pool_untag(run));
    frame_pool_tag(run, 1);
    CHECK_STOPS("not taken", frame_pool_give(nullptr, run, 1));
    CHECK_EQUAL(1, frame_pool_untag(run));
    CHECK_EQUAL(-1, frame_pool_untag(run));
    CHECK_EQUAL(-1, frame_pool_untag(physical_add(run, 8)));
    CHECK_EQUAL(-1, frame_pool_untag(physical_at(8)));
    frame_pool_give(nullptr, run, 1);
}

TEST(a_take_is_charged_and_a_refused_one_is_not)
{
    init_one(0, 256);
    struct memory_quota *quota = memory_quota_create(3 * PAGE_BYTES);
    frame_result two = frame_pool_take(quota, 1);
    CHECK_STATUS(OK, two.status);
    CHECK_STATUS(OUT_OF_MEMORY, frame_pool_take(quota, 1).status);
    frame_result one = frame_pool_take_zeroed(quota);
    CHECK_STATUS(OK, one.status);
    CHECK_EQUAL(3 * PAGE_BYTES, memory_quota_used(quota));
    CHECK_STATUS(OUT_OF_RANGE, frame_pool_take(quota, FRAME_ORDER_MAX + 1).status);
    frame_pool_give(quota, two.value, 1);
    frame_pool_give(quota, one.value, 0);
    CHECK_STATUS(OUT_OF_MEMORY, frame_pool_take(quota, 10).status); /* the pool has none */
    CHECK_EQUAL(0, memory_quota_used(quota));
    memory_quota_put(quota);
}

TEST(every_take_can_fail_and_changes_nothing)
{
    init_one(0, 256);
    struct memory_quota *quota = memory_quota_create(UINT64_MAX);
    FOR_EACH_FAILING_ALLOCATION {
        for (uint32_t order = 0; order < 4; order++) {
            frame_result run = frame_pool_take(quota, order);
            if (is_ok(run.status)) frame_pool_give(quota, run.value, order);
        }
        CHECK_EQUAL(0, memory_quota_used(quota));
        CHECK_EQUAL(frame_pool_count().total_frames, frame_pool_count().free_frames);
    }
    memory_quota_put(quota);
}

TEST(a_zeroed_frame_is_zero_whatever_it_held)
{
    init_one(0, 64);
    frame_result dirty = frame_pool_take(nullptr, 0);
    __builtin_memset(direct_map(dirty.value), 0xff, PAGE_BYTES);
    frame_pool_give(nullptr, dirty.value, 0);
    frame_result clean = frame_pool_take_zeroed(nullptr);
    CHECK_EQUAL(dirty.value.value, clean.value.value); /* the cache is last in, first out */
    static const uint8_t zeros[PAGE_BYTES];
    CHECK_BYTES(zeros, direct_map(clean.value), PAGE_BYTES);
}

static physical_address hoard;
static uint32_t reclaims;

static uint64_t reclaim_hoard(uint64_t frames_wanted)
{
    reclaims++;
    CHECK(frames_wanted > 0);
    if (hoard.value == 0) return 0;
    frame_pool_give(nullptr, hoard, 0);
    hoard = physical_at(0);
    return 1;
}

TEST(a_take_about_to_fail_asks_the_reclaimers_once)
{
    init_one(0, 64);
    frame_pool_add_reclaimer(reclaim_hoard);
    uint32_t count = take_all(0, taken);
    reclaims = 0;
    hoard = taken[--count];
    frame_result saved = frame_pool_take(nullptr, 0);
    CHECK_STATUS(OK, saved.status);
    CHECK_EQUAL(1, reclaims);
    CHECK_STATUS(OUT_OF_MEMORY, frame_pool_take(nullptr, 0).status);
    CHECK_EQUAL(2, reclaims);
    bool were_on = interrupts_disable(); /* as under a spin lock, which a reclaimer may want */
    CHECK_STATUS(OUT_OF_MEMORY, frame_pool_take(nullptr, 0).status);
    interrupts_restore(were_on);
    CHECK_EQUAL(2, reclaims);
}

TEST(the_reserve_is_for_the_kernel_and_for_those_who_have_little)
{
    init_one(0, 4096);
    const uint64_t reserve = frame_pool_count().total_frames / 32;
    struct memory_quota *large = memory_quota_create(UINT64_MAX);
    struct memory_quota *small = memory_quota_create(UINT64_MAX);
    uint32_t count = 0, in_all;
    for (frame_result one; is_ok((one = frame_pool_take(large, 0)).status);)
        taken[count++] = one.value;
    CHECK_EQUAL(reserve - 1, frame_pool_count().free_frames);
    CHECK_STATUS(OUT_OF_MEMORY, frame_pool_take(large, 3).status);
    CHECK_EQUAL(count * PAGE_BYTES, memory_quota_used(large));

    for (in_all = count; in_all < count + 10; in_all++) {
        frame_result one = frame_pool_take(small, 0);
        CHECK_STATUS(OK, one.status);
        taken[in_all] = one.value;
    }
    CHECK_STATUS(OK, memory_quota_charge(small, FRAME_RESERVE_USER_BYTES));
    CHECK_STATUS(OUT_OF_MEMORY, frame_pool_take(small, 0).status); /* little no more */
    memory_quota_uncharge(small, FRAME_RESERVE_USER_BYTES);
    CHECK_EQUAL(reserve - 11, take_all(0, taken + in_all));
    CHECK_STATUS(OUT_OF_MEMORY, frame_pool_take(small, 0).status); /* nothing is nothing */

    for (uint32_t i = 0; i < in_all + reserve - 11; i++)
        frame_pool_give(i < count ? large : i < in_all ? small : nullptr, taken[i], 0);
    frame_result again = frame_pool_take(large, 0);
    CHECK_STATUS(OK, again.status);
    frame_pool_give(large, again.value, 0);
    memory_quota_put(large);
    memory_quota_put(small);
    frame_pool_check();
}

/* A cache of many pages, as the page cache is one. */
static uint32_t hoarded;

static uint64_t reclaim_many(uint64_t frames_wanted)
{
    uint64_t freed = 0;
    for (; freed < frames_wanted && hoarded > 0; freed++)
        frame_pool_give(nullptr, taken[--hoarded], 0);
    return freed;
}

TEST(what_can_be_reclaimed_is_no_shortage)
{
    init_one(0, 4096);
    frame_pool_add_reclaimer(reclaim_many);
    struct memory_quota *large = memory_quota_create(UINT64_MAX);
    CHECK_STATUS(OK, memory_quota_charge(large, FRAME_RESERVE_USER_BYTES));
    hoarded = take_all(0, taken); /* the reserve, too */
    const uint32_t all = hoarded;
    static physical_address mine[TAKEN_MAX];
    uint32_t count = 0;
    for (frame_result one; is_ok((one = frame_pool_take(large, 0)).status);)
        mine[count++] = one.value;
    CHECK_EQUAL(0, hoarded);
    CHECK_EQUAL(all - (all / 32 - 1), count);
    while (count > 0)
        frame_pool_give(large, mine[--count], 0);
    memory_quota_uncharge(large, FRAME_RESERVE_USER_BYTES);
    memory_quota_put(large);
}

TEST(cached_frames_are_given_back_when_a_run_needs_them)
{
    init_one(0, 32); /* one frame of bookkeeping, so the largest run is of order 4 */
    frame_result single = frame_pool_take(nullptr, 0); /* fills the cache with 16 */
    frame_pool_give(nullptr, single.value, 0);
    frame_result run = frame_pool_take(nullptr, 4);
    CHECK_STATUS(OK, run.status);
}

static pthread_barrier_t phases;

/* Another processor, whose cache holds frames while a range is opened. */
static void *take_around_an_opening(void *unused)
{
    frame_pool_give(nullptr, frame_pool_take(nullptr, 0).value, 0);
    pthread_barrier_wait(&phases); /* the cache is full: open */
    pthread_barrier_wait(&phases); /* opened */
    physical_address mine[32];
    for (uint32_t i = 0; i < 32; i++)
        mine[i] = frame_pool_take(nullptr, 0).value;
    for (uint32_t i = 0; i < 32; i++)
        frame_pool_give(nullptr, mine[i], 0);
    return unused;
}

TEST(a_held_range_is_lent_once_it_is_open_whatever_others_have_cached)
{
    struct frame_range ranges[] = {pages(0, 64), pages(512, 256)};
    ranges[0].is_held = true;
    frame_pool_reset();
    frame_pool_init(ranges, array_count(ranges));
    uint64_t before = frame_pool_count().total_frames;
    CHECK_EQUAL(256, before + frame_pool_count().bookkeeping_bytes / PAGE_BYTES);

    pthread_t other;
    pthread_barrier_init(&phases, nullptr, 2);
    CHECK_EQUAL(0, pthread_create(&other, nullptr, take_around_an_opening, nullptr));
    pthread_barrier_wait(&phases);
    frame_pool_open(ranges[0].start);
    pthread_barrier_wait(&phases);
    pthread_join(other, nullptr);
    pthread_barrier_destroy(&phases);

    CHECK_EQUAL(before + 64, frame_pool_count().total_frames);
    CHECK_EQUAL(before + 64, frame_pool_count().free_frames);
    CHECK_STOPS("assertion failed", frame_pool_open(ranges[0].start));
    frame_pool_check();
}

TEST(page_zero_is_never_lent)
{
    static const struct frame_range only_zero = {.length_bytes = PAGE_BYTES};
    frame_pool_reset();
    CHECK_STOPS("assertion failed", frame_pool_init(&only_zero, 1));
}

static void *take_and_give(void *unused)
{
    physical_address mine[64];
    for (uint32_t round = 0; round < 200; round++) {
        uint32_t count = 0;
        while (count < 64) {
            frame_result frame = frame_pool_take(nullptr, 0);
            if (!is_ok(frame.status)) break;
            *(uint64_t *)direct_map(frame.value) = (uintptr_t)mine + count;
            mine[count++] = frame.value;
        }
        for (uint32_t i = 0; i < count; i++) {
            CHECK_EQUAL((uintptr_t)mine + i, *(uint64_t *)direct_map(mine[i]));
            frame_pool_give(nullptr, mine[i], 0);
        }
    }
    return unused;
}

TEST(processors_share_the_pool)
{
    init_one(0, 160);
    pthread_t threads[3];
    for (size_t i = 0; i < array_count(threads); i++)
        pthread_create(&threads[i], nullptr, take_and_give, nullptr);
    for (size_t i = 0; i < array_count(threads); i++)
        pthread_join(threads[i], nullptr);
    CHECK_EQUAL(frame_pool_count().total_frames, frame_pool_count().free_frames);
    frame_pool_check();
}
