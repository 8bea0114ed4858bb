#include "arch/host/host.h"
#include "mm/direct_map.h"
#include "mm/heap.h"
#include "support/test.h"
#include "vm/buffer.h"
#include <abi/ops.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

static struct memory_quota *quota_of(uint64_t bytes)
{
    host_memory_init();
    struct memory_quota *quota = memory_quota_create(bytes);
    CHECK(quota != nullptr);
    return quota;
}

static struct buffer *buffer_of_pages(struct memory_quota *quota, uint64_t pages)
{
    buffer_result made =
        buffer_create(&(struct buffer_options){.quota = quota, .size_bytes = pages * PAGE_BYTES});
    CHECK_STATUS(OK, made.status);
    return made.value;
}

static char *page_of(struct buffer *buffer, uint64_t page_index)
{
    frame_result frame = buffer_touch(buffer, page_index);
    CHECK_STATUS(OK, frame.status);
    return direct_map(frame.value);
}

TEST(a_page_appears_zeroed_when_touched_and_stays)
{
    struct memory_quota *quota = quota_of(1 << 20);
    struct buffer *buffer = buffer_of_pages(quota, 3);
    physical_address frame;
    CHECK_EQUAL(0, buffer_committed_bytes(buffer));
    CHECK(!buffer_peek(buffer, 1, &frame));
    char *page = page_of(buffer, 1);
    static const char zeros[PAGE_BYTES];
    CHECK_BYTES(zeros, page, PAGE_BYTES);
    page[7] = 'x';
    CHECK(page_of(buffer, 1) == page);
    CHECK(buffer_peek(buffer, 1, &frame) && direct_map(frame) == page);
    CHECK_EQUAL(PAGE_BYTES, buffer_committed_bytes(buffer));
    buffer_put(buffer);
    CHECK_EQUAL(0, memory_quota_used(quota));
    memory_quota_put(quota);
}

TEST(the_largest_buffer_costs_little_until_it_is_touched)
{
    struct memory_quota *quota = quota_of(1 << 20);
    uint64_t pages = ABI_BUFFER_BYTES_MAX / PAGE_BYTES;
    struct buffer *buffer = buffer_of_pages(quota, pages);
    CHECK(memory_quota_used(quota) < 512 << 10);
    page_of(buffer, pages - 1)[0] = 'e';
    page_of(buffer, 0)[0] = 'a';
    CHECK_EQUAL(2 * PAGE_BYTES, buffer_committed_bytes(buffer));
    char last;
    buffer_read(buffer, ABI_BUFFER_BYTES_MAX - PAGE_BYTES, &last, 1);
    CHECK_EQUAL('e', last);
    buffer_put(buffer);
    CHECK_EQUAL(0, memory_quota_used(quota));
    memory_quota_put(quota);
}

TEST(sizes_that_are_no_sizes_are_refused)
{
    static const struct buffer_options refused[] = {
        {.size_bytes = 0},
        {.size_bytes = PAGE_BYTES + 1},
        {.size_bytes = ABI_BUFFER_BYTES_MAX + PAGE_BYTES},
        {.size_bytes = PAGE_BYTES, .flags = ABI_BUFFER_LARGE_PAGES},
        {.size_bytes = PAGE_BYTES, .template_offset = 1},
    };
    host_memory_init();
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        CHECK_STATUS(OUT_OF_RANGE, buffer_create(&refused[i]).status);
}

TEST(a_quota_ends_the_making_of_pages_and_nothing_is_lost)
{
    struct memory_quota *quota = quota_of(4 * PAGE_BYTES + 1024);
    struct buffer *buffer = buffer_of_pages(quota, 64);
    uint64_t made = 0;
    while (is_ok(buffer_touch(buffer, made).status))
        made++;
    CHECK(made == 3 || made == 4);
    CHECK_STATUS(OUT_OF_MEMORY, buffer_touch(buffer, made).status);
    CHECK_STATUS(OK, buffer_touch(buffer, 0).status); /* what exists needs no more */
    buffer_put(buffer);
    CHECK_EQUAL(0, memory_quota_used(quota));
    memory_quota_put(quota);
}

TEST(pages_are_copied_from_the_template_and_then_private)
{
    struct memory_quota *quota = quota_of(1 << 20);
    struct buffer *template = buffer_of_pages(nullptr, 3);
    memset(page_of(template, 1), 'A', PAGE_BYTES);
    memset(page_of(template, 2), 'B', PAGE_BYTES);
    buffer_result made = buffer_create(&(struct buffer_options){
        .quota = quota,
        .size_bytes = 4 * PAGE_BYTES,
        .template = template,
        .template_offset = PAGE_BYTES,
    });
    CHECK_STATUS(OK, made.status);
    struct buffer *copy = made.value;

    char bytes[2];
    buffer_read(copy, PAGE_BYTES - 1, bytes, 2); /* without making pages */
    CHECK_BYTES("AB", bytes, 2);
    CHECK_EQUAL(0, buffer_committed_bytes(copy));
    CHECK_EQUAL('A', page_of(copy, 0)[0]);
    CHECK_EQUAL(0, page_of(copy, 2)[0]); /* past the template's end */
    page_of(copy, 0)[0] = 'x';
    CHECK_EQUAL('A', page_of(template, 1)[0]);

    buffer_put(template); /* the copy keeps it */
    CHECK_EQUAL('B', page_of(copy, 1)[9]);
    buffer_put(copy);
    CHECK_EQUAL(0, memory_quota_used(quota));
    memory_quota_put(quota);
}

TEST(large_pages_exist_at_once_and_are_contiguous)
{
    struct memory_quota *quota = quota_of(16 << 20);
    buffer_result made = buffer_create(&(struct buffer_options){
        .quota = quota, .size_bytes = 2 * LARGE_PAGE_BYTES, .flags = ABI_BUFFER_LARGE_PAGES});
    CHECK_STATUS(OK, made.status);
    struct buffer *buffer = made.value;
    CHECK_EQUAL(2 * LARGE_PAGE_BYTES, buffer_committed_bytes(buffer));
    char *first = page_of(buffer, 512);
    CHECK(is_aligned((uintptr_t)first, LARGE_PAGE_BYTES));
    CHECK(page_of(buffer, 513) == first + PAGE_BYTES);
    CHECK(page_of(buffer, 1023) == first + 511 * PAGE_BYTES);
    buffer_put(buffer);
    CHECK_EQUAL(0, memory_quota_used(quota));
    memory_quota_put(quota);
}

TEST(copies_cross_pages_and_holes_read_as_zeros)
{
    struct buffer *buffer = (host_memory_init(), buffer_of_pages(nullptr, 4));
    static char out[3 * PAGE_BYTES], in[3 * PAGE_BYTES];
    memset(out, 'q', sizeof(out));
    CHECK_STATUS(OK, buffer_write(buffer, 100, out, PAGE_BYTES));
    buffer_read(buffer, 0, in, sizeof(in));
    CHECK_EQUAL(0, in[99]);
    CHECK_BYTES(out, in + 100, PAGE_BYTES);
    CHECK_EQUAL(0, in[100 + PAGE_BYTES]);
    CHECK_EQUAL(0, in[sizeof(in) - 1]);
    CHECK_EQUAL(2 * PAGE_BYTES, buffer_committed_bytes(buffer));
    buffer_put(buffer);
}

TEST(borrowed_frames_are_shown_and_never_given_back)
{
    host_memory_init();
    frame_result frame = frame_pool_take_zeroed(nullptr);
    CHECK_STATUS(OK, frame.status);
    buffer_result made = buffer_create_borrowed(frame.value, PAGE_BYTES);
    CHECK_STATUS(OK, made.status);
    CHECK(page_of(made.value, 0) == direct_map(frame.value));
    buffer_put(made.value);
    frame_pool_give(nullptr, frame.value, 0); /* stops the process when it was given already */
}

TEST(every_allocation_that_fails_leaves_nothing_behind)
{
    struct memory_quota *quota = quota_of(64 << 20);
    struct buffer *template = buffer_of_pages(nullptr, 1);
    page_of(template, 0)[0] = 't';
    FOR_EACH_FAILING_ALLOCATION {
        buffer_result made = buffer_create(&(struct buffer_options){
            .quota = quota, .size_bytes = 1024 * PAGE_BYTES, .template = template});
        if (is_ok(made.status)) {
            frame_result first = buffer_touch(made.value, 0);
            if (!is_ok(first.status)) CHECK_STATUS(OUT_OF_MEMORY, first.status);
            if (is_ok(first.status)) CHECK_EQUAL('t', *(char *)direct_map(first.value));
            ignore_status(buffer_write(made.value, 700 * PAGE_BYTES - 1, "ab", 2));
            buffer_put(made.value);
        }
        made = buffer_create(&(struct buffer_options){
            .quota = quota, .size_bytes = 2 * LARGE_PAGE_BYTES, .flags = ABI_BUFFER_LARGE_PAGES});
        if (is_ok(made.status)) buffer_put(made.value);
        CHECK_EQUAL(0, memory_quota_used(quota));
    }
    buffer_put(template);
    memory_quota_put(quota);
}

enum { TOUCHERS = 2, TOUCHED_PAGES = 2000 };

static _Atomic uint64_t arrived; /* all touch the same page at the same moment */

static void wait_for_all(uint64_t round)
{
    atomic_fetch_add(&arrived, 1);
    while (atomic_load(&arrived) < (round + 1) * TOUCHERS)
        sched_yield();
}

static void *touch_all(void *buffer)
{
    for (uint64_t i = 0; i < TOUCHED_PAGES; i++) {
        wait_for_all(i);
        frame_result frame = buffer_touch(buffer, i);
        if (!is_ok(frame.status)) return "failed";
        atomic_fetch_add((_Atomic uint64_t *)direct_map(frame.value), 1);
    }
    return nullptr;
}

TEST(pages_touched_by_several_at_once_are_made_once)
{
    struct memory_quota *quota = quota_of(16 << 20);
    struct buffer *buffer = buffer_of_pages(quota, TOUCHED_PAGES);
    pthread_t threads[TOUCHERS];
    atomic_store(&arrived, 0);
    for (int i = 0; i < TOUCHERS; i++)
        CHECK_EQUAL(0, pthread_create(&threads[i], nullptr, touch_all, buffer));
    for (int i = 0; i < TOUCHERS; i++) {
        void *failure;
        pthread_join(threads[i], &failure);
        CHECK(failure == nullptr);
    }
    for (uint64_t i = 0; i < TOUCHED_PAGES; i++)
        CHECK_EQUAL(TOUCHERS, *(uint64_t *)page_of(buffer, i));
    CHECK_EQUAL(TOUCHED_PAGES * PAGE_BYTES, buffer_committed_bytes(buffer));
    buffer_put(buffer);
    CHECK_EQUAL(0, memory_quota_used(quota));
    memory_quota_put(quota);
}

/* Somebody else touches the page between the moment when it is found missing and its making. */
static struct buffer *contended;
static bool (*usual_hook)(void);

static bool touch_first(void)
{
    memory_fault_hook = usual_hook;
    CHECK_STATUS(OK, buffer_touch(contended, 0).status);
    return true;
}

TEST(whoever_makes_a_page_second_gives_the_frame_back_and_uses_the_first)
{
    for (uint64_t pages = 1; pages <= 1024; pages *= 32) { /* with and without a leaf to make */
        struct memory_quota *quota = quota_of(1 << 20);
        contended = buffer_of_pages(quota, pages);
        usual_hook = memory_fault_hook;
        memory_fault_hook = touch_first;
        char *page = page_of(contended, 0);
        CHECK(memory_fault_hook == usual_hook);
        CHECK(page_of(contended, 0) == page);
        CHECK_EQUAL(PAGE_BYTES, buffer_committed_bytes(contended));
        buffer_put(contended);
        CHECK_EQUAL(0, memory_quota_used(quota));
        memory_quota_put(quota);
    }
}

TEST(copies_between_buffers_cross_pages_wherever_they_begin)
{
    host_memory_init();
    static uint8_t bytes[3 * PAGE_BYTES], expected[3 * PAGE_BYTES], seen[4 * PAGE_BYTES];
    struct buffer_options options = {.size_bytes = 4 * PAGE_BYTES};
    buffer_result source = buffer_create(&options), target = buffer_create(&options);
    CHECK_STATUS(OK, source.status);
    CHECK_STATUS(OK, target.status);
    OWNED(buffer_owner) from = TAKE(source.value);
    OWNED(buffer_owner) to = TAKE(target.value);
    for (uint32_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(1 + i % 251);
    CHECK_STATUS(OK, buffer_write(from, 0, bytes, sizeof(bytes))); /* the last page is a hole */
    static const uint64_t starts[] = {0, 1, PAGE_BYTES - 1, PAGE_BYTES, 5000};
    for (uint32_t i = 0; i < array_count(starts); i++) {
        for (uint32_t k = 0; k < array_count(starts); k++) {
            uint64_t length = 2 * PAGE_BYTES + 17;
            buffer_read(from, starts[i], expected, length);
            CHECK_STATUS(OK, buffer_copy(to, starts[k], from, starts[i], length));
            buffer_read(to, 0, seen, sizeof(seen));
            CHECK_BYTES(expected, seen + starts[k], length);
        }
    }
    buffer_read(to, 0, seen, sizeof(seen));
    uint8_t before = seen[99], behind = seen[101];
    CHECK_STATUS(OK, buffer_copy(to, 100, from, 3 * PAGE_BYTES + 5, 1));
    buffer_read(to, 0, seen, sizeof(seen));
    CHECK(seen[99] == before && seen[100] == 0 && seen[101] == behind);
    CHECK_STATUS(OK, buffer_copy(to, 0, from, 0, 0));
}
