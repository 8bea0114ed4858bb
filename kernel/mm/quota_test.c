#include "mm/heap.h"
#include "mm/quota.h"
#include "support/test.h"
#include <pthread.h>

TEST(a_charge_fits_or_changes_nothing)
{
    struct memory_quota *quota = memory_quota_create(100);
    CHECK_STATUS(OK, memory_quota_charge(quota, 60));
    CHECK_STATUS(OUT_OF_MEMORY, memory_quota_charge(quota, 41));
    CHECK_STATUS(OUT_OF_MEMORY, memory_quota_charge(quota, UINT64_MAX));
    CHECK_EQUAL(60, memory_quota_used(quota));
    CHECK_STATUS(OK, memory_quota_charge(quota, 40));
    memory_quota_uncharge(quota, 100);
    CHECK_EQUAL(0, memory_quota_used(quota));
    memory_quota_put(quota);
}

TEST(no_quota_is_no_limit)
{
    CHECK_STATUS(OK, memory_quota_charge(nullptr, UINT64_MAX));
    memory_quota_uncharge(nullptr, UINT64_MAX);
    memory_quota_get(nullptr);
    memory_quota_put(nullptr);
}

TEST(the_last_reference_frees_it_and_what_is_still_charged_stops_the_kernel)
{
    uint64_t before = heap_count().objects_taken;
    struct memory_quota *quota = memory_quota_create(100);
    memory_quota_get(quota);
    memory_quota_put(quota);
    CHECK_EQUAL(before + 1, heap_count().objects_taken);
    CHECK_STOPS("assertion failed", memory_quota_uncharge(quota, 1));
    CHECK_STOPS("assertion failed", {
        ignore_status(memory_quota_charge(quota, 1)); /* the put below is what counts */
        memory_quota_put(quota);
    });
    memory_quota_put(quota);
    CHECK_EQUAL(before, heap_count().objects_taken);
}

TEST(without_memory_there_is_no_quota)
{
    FOR_EACH_FAILING_ALLOCATION {
        struct memory_quota *quota = memory_quota_create(1);
        memory_quota_put(quota);
    }
}

static void *charge_and_uncharge(void *quota)
{
    for (uint32_t i = 0; i < 20000; i++) {
        if (is_ok(memory_quota_charge(quota, 3))) memory_quota_uncharge(quota, 3);
    }
    return nullptr;
}

TEST(charges_from_several_processors_add_up)
{
    struct memory_quota *quota = memory_quota_create(4);
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++)
        pthread_create(&threads[i], nullptr, charge_and_uncharge, quota);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], nullptr);
    CHECK_EQUAL(0, memory_quota_used(quota));
    memory_quota_put(quota);
}
