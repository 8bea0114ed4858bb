/*
 * The kernel's own heap over real frames. It is compiled into this test: everywhere else on the
 * host heap_take is malloc.
 */
#include "arch/host/host.h"
#include "mm/heap.c"
#include "support/test.h"
#include <pthread.h>
#include <string.h>

[[gnu::constructor]] static void prepare(void)
{
    host_memory_init();
    heap_init();
    memory_fault_hook = test_allocation_may_proceed;
}

TEST(objects_of_every_size_are_apart_and_aligned)
{
    uint64_t before = heap_count().objects_taken;
    static uint8_t *objects[400];
    for (size_t i = 0; i < array_count(objects); i++) {
        size_t bytes = i * 13;
        objects[i] = heap_take(bytes);
        CHECK(objects[i] != nullptr);
        CHECK_EQUAL(0, (uintptr_t)objects[i] % (bytes >= PAGE_BYTES ? PAGE_BYTES : 16));
        memset(objects[i], (int)i, bytes);
    }
    CHECK_EQUAL(before + array_count(objects), heap_count().objects_taken);
    for (size_t i = 0; i < array_count(objects); i++) {
        for (size_t byte = 0; byte < i * 13; byte++)
            CHECK_EQUAL((uint8_t)i, objects[i][byte]);
        heap_give(objects[i]);
    }
    CHECK_EQUAL(before, heap_count().objects_taken);
}

TEST(the_largest_size_is_served_and_a_larger_one_is_not)
{
    uint64_t free_before = frame_pool_count().free_frames;
    void *largest = heap_take(HEAP_BYTES_MAX);
    CHECK(largest != nullptr);
    CHECK(heap_take(HEAP_BYTES_MAX + 1) == nullptr);
    CHECK(heap_take(SIZE_MAX) == nullptr);
    heap_give(largest);
    heap_give(nullptr);
    CHECK_EQUAL(free_before, frame_pool_count().free_frames);
}

TEST(zeroed_memory_is_zero_whatever_it_held)
{
    uint8_t *dirty = heap_take(700);
    memset(dirty, 0xff, 700);
    heap_give(dirty);
    uint8_t *clean = heap_take_zeroed(700);
    for (size_t i = 0; i < 700; i++)
        CHECK_EQUAL(0, clean[i]);
    heap_give(clean);
}

TEST(giving_what_was_not_taken_stops_the_kernel)
{
    uint8_t *small = heap_take(100);
    uint8_t *large = heap_take(9000);
    frame_result frame = frame_pool_take(nullptr, 0);
    CHECK_STOPS("inside an object", heap_give(small + 16));
    CHECK_STOPS("given, but not taken", heap_give(large + PAGE_BYTES));
    CHECK_STOPS("given, but not taken", heap_give(direct_map(frame.value)));
    CHECK_STOPS("given, but not taken", heap_give((uint8_t *)direct_map(frame.value) + 16));
    CHECK_STOPS("given, but not taken",
                heap_give((void *)round_down((uintptr_t)small, PAGE_BYTES)));
    heap_give(small);
    CHECK_STOPS("given, but not taken", heap_give(small));
    heap_give(large);
    CHECK_STOPS("given, but not taken", heap_give(large));
    frame_pool_give(nullptr, frame.value, 0);
}

TEST(an_object_of_another_cache_is_refused)
{
    static struct slab_cache *one, *other;
    one = slab_cache_create("one", 64, 16);
    other = slab_cache_create("other", 64, 16);
    void *object = slab_take(one);
    CHECK_STOPS("cache other given, but not its object", slab_give(other, object));
    slab_give(one, object);
}

TEST(a_write_after_the_give_is_noticed_at_the_next_take)
{
    struct slab_cache *cache = slab_cache_create("poisoned", 64, 16);
    uint8_t *object = slab_take(cache);
    slab_give(cache, object);
    CHECK_STOPS("written at byte 17", {
        object[17] = 1;
        slab_take(cache);
    });
}

/* Ends a cache that one test made for itself: one empty slab is kept, no more. */
static void end_scratch_cache(struct slab_cache *cache)
{
    spin_acquire(&cache->lock);
    CHECK_EQUAL(1, cache->slab_count);
    struct slab *slab = list_entry(cache->partial.next, struct slab, link);
    spin_release(&cache->lock);
    slab_destroy(cache, slab);
}

TEST(caches_keep_the_alignment_they_were_made_with)
{
    static const size_t sizes[] = {1, 24, 64, 500, 1000, 2500, 5000, 7000};
    static const size_t alignments[] = {1, 16, 64, 256};
    for (size_t s = 0; s < array_count(sizes); s++) {
        for (size_t a = 0; a < array_count(alignments); a++) {
            struct slab_cache scratch;
            cache_init(&scratch, "scratch", sizes[s], alignments[a], false);
            CHECK(scratch.per_slab > 0 && scratch.order <= SLAB_ORDER_MAX);
            CHECK(scratch.first_offset + scratch.per_slab * scratch.object_bytes <=
                  slab_bytes(&scratch));
            CHECK_EQUAL(0, scratch.first_offset % alignments[a]);
            CHECK_EQUAL(0, scratch.object_bytes % alignments[a]);
            /* The multiplication that stands for a division. */
            for (uint64_t offset = 0; offset < slab_bytes(&scratch); offset++)
                CHECK_EQUAL(offset / scratch.object_bytes, (offset * scratch.reciprocal) >> 32);
            void *objects[40];
            for (size_t i = 0; i < array_count(objects); i++) {
                objects[i] = slab_take(&scratch);
                CHECK(objects[i] && (uintptr_t)objects[i] % alignments[a] == 0);
            }
            for (size_t i = 0; i < array_count(objects); i++)
                slab_give(&scratch, objects[(i * 7) % array_count(objects)]);
            end_scratch_cache(&scratch);
        }
    }
}

static uint32_t slabs_of(struct slab_cache *cache)
{
    spin_acquire(&cache->lock);
    uint32_t count = cache->slab_count;
    spin_release(&cache->lock);
    return count;
}

TEST(an_object_given_back_to_a_full_slab_is_the_next_to_be_taken)
{
    struct slab_cache scratch;
    cache_init(&scratch, "scratch", 500, 16, false);
    void *objects[2 * 8];
    CHECK(scratch.per_slab <= 8);
    for (uint32_t i = 0; i < 2 * scratch.per_slab; i++)
        objects[i] = slab_take(&scratch);
    CHECK_EQUAL(2, slabs_of(&scratch));
    slab_give(&scratch, objects[0]);
    CHECK(slab_take(&scratch) == objects[0]);
    CHECK_EQUAL(2, slabs_of(&scratch));
    for (uint32_t i = 0; i < 2 * scratch.per_slab; i++)
        slab_give(&scratch, objects[i]);
    end_scratch_cache(&scratch);
}

TEST(objects_served_by_size_never_start_on_a_page)
{
    for (uint32_t i = 0; i < CLASS_COUNT; i++) {
        CHECK_EQUAL(0, class_caches[i]->order);
        CHECK(class_caches[i]->first_offset > 0);
    }
    CHECK_EQUAL(CLASS_BYTES_MAX, class_bytes[CLASS_COUNT - 1]);
    for (size_t bytes = 0; bytes <= CLASS_BYTES_MAX; bytes++) {
        uint32_t class = class_of_step[(bytes + 15) / 16];
        CHECK(class_bytes[class] >= bytes && (class == 0 || class_bytes[class - 1] < bytes));
    }
}

TEST(every_allocation_can_fail_and_nothing_is_lost)
{
    struct slab_cache *cache = slab_cache_create("failing", 1000, 16);
    uint64_t before = heap_count().objects_taken;
    FOR_EACH_FAILING_ALLOCATION {
        void *objects[12] = {0};
        for (size_t i = 0; i < array_count(objects); i++)
            objects[i] = i % 3 == 2 ? heap_take(i * 900) : slab_take(cache);
        for (size_t i = 0; i < array_count(objects); i++) {
            if (i % 3 == 2) heap_give(objects[i]);
            if (i % 3 != 2 && objects[i]) slab_give(cache, objects[i]);
        }
        CHECK_EQUAL(before, heap_count().objects_taken);
    }
}

TEST(memory_used_up_is_refused_and_comes_back)
{
    struct node {
        struct node *next;
        uint8_t rest[1000];
    };
    struct node *nodes = nullptr;
    uint64_t before = heap_count().objects_taken;
    for (struct node *node; (node = heap_take(sizeof(*node)));) {
        node->next = nodes;
        nodes = node;
    }
    CHECK(frame_pool_count().free_frames < 64);
    while (nodes) {
        struct node *node = nodes;
        nodes = node->next;
        heap_give(node);
    }
    CHECK_EQUAL(before, heap_count().objects_taken);
    CHECK(heap_count().bytes_reserved < 1u << 20);
    frame_pool_check();
}

static void *take_and_give(void *unused)
{
    void *mine[50];
    for (uint32_t round = 0; round < 300; round++) {
        for (size_t i = 0; i < array_count(mine); i++) {
            mine[i] = heap_take(64);
            *(void **)mine[i] = &mine[i];
        }
        for (size_t i = 0; i < array_count(mine); i++) {
            CHECK(*(void **)mine[i] == &mine[i]);
            heap_give(mine[i]);
        }
    }
    return unused;
}

/* Takes on one processor what was given on another. */
static void *give_all(void *objects)
{
    void **all = objects;
    for (size_t i = 0; i < 100; i++)
        heap_give(all[i]);
    return nullptr;
}

TEST(processors_share_caches_and_give_each_others_objects)
{
    uint64_t before = heap_count().objects_taken;
    pthread_t threads[3];
    for (size_t i = 0; i < array_count(threads); i++)
        pthread_create(&threads[i], nullptr, take_and_give, nullptr);
    for (size_t i = 0; i < array_count(threads); i++)
        pthread_join(threads[i], nullptr);
    void *objects[100];
    for (size_t i = 0; i < array_count(objects); i++)
        objects[i] = heap_take(64);
    pthread_create(&threads[0], nullptr, give_all, objects);
    pthread_join(threads[0], nullptr);
    CHECK_EQUAL(before, heap_count().objects_taken);
}
