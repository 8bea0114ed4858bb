#include "arch/host/host.h"
#include "ipc/address_wait.h"
#include "mm/direct_map.h"
#include "support/test.h"
#include <pthread.h>
#include <sched.h>

static constexpr uint32_t WAITS = 8;

static struct buffer *buffer;
static uint32_t ended[WAITS];
static uint32_t ended_count;
static struct address_wait waits[WAITS];

static void note_end(struct address_wait *wait)
{
    ended[ended_count++] = (uint32_t)(wait - waits);
}

static _Atomic uint32_t *word_at(uint64_t offset)
{
    frame_result frame = buffer_touch(buffer, offset / PAGE_BYTES);
    CHECK_STATUS(OK, frame.status);
    return (void *)((uint8_t *)direct_map(frame.value) + offset % PAGE_BYTES);
}

static void prepare(void)
{
    static bool is_ready;
    host_memory_init();
    if (!is_ready) address_wait_init();
    is_ready = true;
    ended_count = 0;
    buffer_result made = buffer_create(&(struct buffer_options){.size_bytes = 2 * PAGE_BYTES});
    CHECK_STATUS(OK, made.status);
    buffer = made.value;
}

static status start(uint32_t index, uint64_t offset, uint32_t expected)
{
    waits[index] = (struct address_wait){.buffer = buffer, .offset = offset, .ended = note_end};
    return address_wait_start(&waits[index], expected);
}

TEST(a_wait_starts_only_while_the_word_holds_what_is_expected)
{
    prepare();
    atomic_store(word_at(4), 5);
    CHECK_STATUS(WOULD_BLOCK, start(0, 4, 6));
    CHECK(!address_wait_cancel(&waits[0]));
    CHECK_STATUS(OK, start(0, 4, 5));
    CHECK(address_wait_cancel(&waits[0]));
    CHECK(!address_wait_cancel(&waits[0]));
    CHECK_EQUAL(0, ended_count);
    buffer_put(buffer);
}

TEST(a_page_that_was_never_touched_reads_as_zero)
{
    prepare();
    CHECK_STATUS(WOULD_BLOCK, start(0, PAGE_BYTES, 1));
    CHECK_STATUS(OK, start(0, PAGE_BYTES, 0));
    CHECK_EQUAL(0, buffer_committed_bytes(buffer));
    CHECK_EQUAL(1, address_wake(buffer, PAGE_BYTES, 1));
    buffer_put(buffer);
}

TEST(a_wake_ends_the_oldest_waits_on_its_word_and_no_others)
{
    prepare();
    for (uint32_t i = 0; i < WAITS; i++)
        CHECK_STATUS(OK, start(i, i % 2 * 4, 0));
    CHECK_EQUAL(0, address_wake(buffer, 8, UINT32_MAX));
    CHECK_EQUAL(0, address_wake(buffer, 0, 0));
    CHECK_EQUAL(2, address_wake(buffer, 0, 2));
    CHECK(ended_count == 2 && ended[0] == 0 && ended[1] == 2);
    CHECK(address_wait_cancel(&waits[4]));
    CHECK_EQUAL(1, address_wake(buffer, 0, UINT32_MAX));
    CHECK_EQUAL(6, ended[2]);
    CHECK_EQUAL(4, address_wake(buffer, 4, UINT32_MAX));
    CHECK(!address_wait_cancel(&waits[1]));
    buffer_put(buffer);
}

/* ---- a wake after the change is never lost ---- */

static _Atomic uint32_t race_ended;
static _Atomic bool race_is_over;

static void note_race_end(struct address_wait *wait)
{
    (void)wait;
    atomic_fetch_add(&race_ended, 1);
}

static void *change_and_wake(void *word)
{
    while (!atomic_load(&race_is_over)) {
        atomic_fetch_add((_Atomic uint32_t *)word, 1);
        address_wake(buffer, 16, UINT32_MAX);
        sched_yield();
    }
    return nullptr;
}

static struct address_wait many[1000];

static void note_many(struct address_wait *wait)
{
    CHECK_EQUAL(ended_count, wait - many); /* oldest first */
    ended_count++;
}

TEST(a_bucket_full_of_waits_is_walked_to_its_end)
{
    prepare();
    for (uint32_t i = 0; i < array_count(many); i++) {
        many[i] = (struct address_wait){.buffer = buffer, .offset = 4, .ended = note_many};
        CHECK_STATUS(OK, address_wait_start(&many[i], 0));
    }
    CHECK_EQUAL(1, address_wake(buffer, 4, 1));
    CHECK_EQUAL(63, address_wake(buffer, 4, 63));
    CHECK_EQUAL(64, address_wake(buffer, 4, 64));
    CHECK_EQUAL(65, address_wake(buffer, 4, 65));
    CHECK_EQUAL(500, address_wake(buffer, 4, 500));
    CHECK(address_wait_cancel(&many[999]));
    CHECK_EQUAL(306, address_wake(buffer, 4, UINT32_MAX));
    CHECK_EQUAL(999, ended_count);
    CHECK_EQUAL(0, address_wake(buffer, 4, UINT32_MAX));
    buffer_put(buffer);
}

TEST(a_wait_that_races_with_change_and_wake_always_ends)
{
    prepare();
    atomic_store(&race_is_over, false);
    _Atomic uint32_t *word = word_at(16);
    pthread_t changer;
    CHECK_EQUAL(0, pthread_create(&changer, nullptr, change_and_wake, (void *)word));
    for (uint32_t round = 0; round < 3000; round++) {
        static struct address_wait wait;
        wait = (struct address_wait){.buffer = buffer, .offset = 16, .ended = note_race_end};
        atomic_store(&race_ended, 0);
        if (!is_ok(address_wait_start(&wait, atomic_load(word)))) continue;
        if (round % 3 == 0 && address_wait_cancel(&wait)) {
            CHECK_EQUAL(0, atomic_load(&race_ended));
            continue;
        }
        while (atomic_load(&race_ended) == 0)
            sched_yield();
        CHECK_EQUAL(1, atomic_load(&race_ended));
    }
    atomic_store(&race_is_over, true);
    CHECK_EQUAL(0, pthread_join(changer, nullptr));
    buffer_put(buffer);
}
