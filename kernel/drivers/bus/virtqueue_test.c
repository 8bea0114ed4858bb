#include "base/bytes.h"
#include "base/container.h"
#include "drivers/bus/virtqueue.h"
#include "support/test.h"
#include <stdlib.h>

static constexpr uint16_t SIZE = 8;

/* A queue and, beside it, the memory as the device sees it. */
struct fixture {
    struct virtqueue queue;
    _Alignas(4096) uint8_t memory[4096];
    uint16_t device_index;
};

static struct fixture *fixture_make(void)
{
    static struct fixture fixture;
    fixture.device_index = 0;
    virtqueue_init(&fixture.queue, SIZE, fixture.memory);
    return &fixture;
}

static uint8_t *used_ring(struct fixture *f)
{
    return f->memory + virtqueue_used_offset(SIZE);
}

static uint16_t published(const struct fixture *f)
{
    return load_le16(f->memory + virtqueue_available_offset(SIZE) + 2);
}

static uint16_t available_at(const struct fixture *f, uint16_t index)
{
    return load_le16(f->memory + virtqueue_available_offset(SIZE) + 4 + 2 * (index % SIZE));
}

/* What a device does when it has finished with a chain, or claims to. */
static void device_hands_back(struct fixture *f, uint32_t id, uint32_t written)
{
    uint8_t *element = used_ring(f) + 4 + 8 * (f->device_index % SIZE);
    store_le32(element, id);
    store_le32(element + 4, written);
    store_le16(used_ring(f) + 2, ++f->device_index);
}

static bool add(struct fixture *f, uint16_t count, uint16_t readable, void *token)
{
    struct virtqueue_segment segments[SIZE + 1];
    for (uint16_t i = 0; i < count; i++)
        segments[i] = (struct virtqueue_segment){physical_at(0x1000u * (i + 1u)), 100};
    return virtqueue_add(&f->queue, segments, count, readable, token);
}

static enum virtqueue_answer reap(struct fixture *f, void **token)
{
    uint32_t written;
    *token = nullptr;
    return virtqueue_reap(&f->queue, token, &written);
}

static int tokens[SIZE];

TEST(the_parts_of_the_memory_follow_each_other)
{
    for (uint16_t size = 1; size <= VIRTQUEUE_SIZE_MAX; size = (uint16_t)(size * 2)) {
        CHECK_EQUAL(16u * size, virtqueue_available_offset(size));
        CHECK(virtqueue_used_offset(size) >= virtqueue_available_offset(size) + 6 + 2u * size);
        CHECK_EQUAL(0, virtqueue_used_offset(size) % 4);
        CHECK_EQUAL(virtqueue_used_offset(size) + 6 + 8u * size, virtqueue_memory_bytes(size));
    }
}

TEST(a_chain_is_laid_out_as_the_device_expects)
{
    struct fixture *f = fixture_make();
    CHECK(add(f, 3, 1, &tokens[0]));
    CHECK_EQUAL(0, published(f));
    CHECK(virtqueue_publish(&f->queue));
    CHECK_EQUAL(1, published(f));

    uint16_t at = available_at(f, 0);
    static const uint16_t flags[] = {1, 1 | 2, 2};
    for (uint32_t i = 0; i < array_count(flags); i++) {
        const uint8_t *descriptor = f->memory + 16u * at;
        CHECK_EQUAL(0x1000u * (i + 1), load_le64(descriptor));
        CHECK_EQUAL(100, load_le32(descriptor + 8));
        CHECK_EQUAL(flags[i], load_le16(descriptor + 12));
        at = load_le16(descriptor + 14);
    }
}

TEST(a_device_that_asks_for_silence_is_not_notified)
{
    struct fixture *f = fixture_make();
    store_le16(used_ring(f), 1);
    CHECK(add(f, 1, 1, &tokens[0]));
    CHECK(!virtqueue_publish(&f->queue));
}

TEST(a_full_queue_refuses_and_stays_as_it_was)
{
    struct fixture *f = fixture_make();
    CHECK(add(f, 5, 2, &tokens[0]));
    CHECK(!add(f, 4, 2, &tokens[1]));
    CHECK(add(f, 3, 2, &tokens[1]));
    CHECK(!add(f, 1, 0, &tokens[2]));
    CHECK_EQUAL(0, f->queue.free_count);
}

TEST(chains_come_back_in_any_order_and_are_used_again)
{
    struct fixture *f = fixture_make();
    uint16_t taken = 0;
    for (uint32_t round = 0; round < 70000; round++) { /* past the wrap of the 16-bit indices */
        CHECK(add(f, 3, 1, &tokens[0]));
        CHECK(add(f, 4, 4, &tokens[1]));
        (void)virtqueue_publish(&f->queue);
        device_hands_back(f, available_at(f, (uint16_t)(taken + 1)), 0);
        device_hands_back(f, available_at(f, taken), 200);
        taken = (uint16_t)(taken + 2);

        void *token;
        uint32_t written;
        CHECK_EQUAL(VIRTQUEUE_CHAIN, virtqueue_reap(&f->queue, &token, &written));
        CHECK(token == &tokens[1] && written == 0);
        CHECK_EQUAL(VIRTQUEUE_CHAIN, virtqueue_reap(&f->queue, &token, &written));
        CHECK(token == &tokens[0] && written == 200);
        CHECK_EQUAL(VIRTQUEUE_NOTHING, virtqueue_reap(&f->queue, &token, &written));
        CHECK_EQUAL(SIZE, f->queue.free_count);
    }
}

TEST(an_id_that_is_out_of_range_breaks_the_queue)
{
    static const uint32_t ids[] = {SIZE, 0xffff, 0x10000, UINT32_MAX};
    for (uint32_t i = 0; i < array_count(ids); i++) {
        struct fixture *f = fixture_make();
        void *token;
        CHECK(add(f, 1, 1, &tokens[0]));
        device_hands_back(f, ids[i], 0);
        CHECK_EQUAL(VIRTQUEUE_BROKEN, reap(f, &token));
        CHECK_EQUAL(VIRTQUEUE_BROKEN, reap(f, &token)); /* for good */
        CHECK(!add(f, 1, 1, &tokens[1]));
    }
}

TEST(an_id_that_is_not_the_head_of_a_chain_breaks_the_queue)
{
    struct fixture *f = fixture_make();
    void *token;
    CHECK(add(f, 2, 1, &tokens[0]));
    uint16_t head = available_at(f, 0);
    device_hands_back(f, load_le16(f->memory + 16u * head + 14), 0); /* its second descriptor */
    CHECK_EQUAL(VIRTQUEUE_BROKEN, reap(f, &token));
}

TEST(an_id_that_comes_back_twice_breaks_the_queue)
{
    struct fixture *f = fixture_make();
    void *token;
    CHECK(add(f, 1, 1, &tokens[0]));
    CHECK(add(f, 1, 1, &tokens[1]));
    device_hands_back(f, available_at(f, 0), 0);
    device_hands_back(f, available_at(f, 0), 0);
    CHECK_EQUAL(VIRTQUEUE_CHAIN, reap(f, &token));
    CHECK(token == &tokens[0]);
    CHECK_EQUAL(VIRTQUEUE_BROKEN, reap(f, &token));
}

TEST(more_bytes_written_than_the_chain_has_break_the_queue)
{
    struct fixture *f = fixture_make();
    void *token;
    CHECK(add(f, 3, 1, &tokens[0])); /* 200 bytes writable */
    device_hands_back(f, available_at(f, 0), 201);
    CHECK_EQUAL(VIRTQUEUE_BROKEN, reap(f, &token));
}

TEST(an_index_that_runs_ahead_of_what_was_added_breaks_the_queue)
{
    struct fixture *f = fixture_make();
    void *token;
    store_le16(used_ring(f) + 2, 1); /* nothing was added at all */
    CHECK_EQUAL(VIRTQUEUE_BROKEN, reap(f, &token));

    f = fixture_make();
    CHECK(add(f, 1, 1, &tokens[0]));
    store_le16(used_ring(f) + 2, 0xffff); /* as if it ran backwards */
    CHECK_EQUAL(VIRTQUEUE_BROKEN, reap(f, &token));
}

TEST(what_the_device_scribbles_into_descriptors_changes_nothing)
{
    struct fixture *f = fixture_make();
    CHECK(add(f, 3, 1, &tokens[0]));
    uint16_t head = available_at(f, 0);
    memset(f->memory, 0xff, 16u * SIZE);
    device_hands_back(f, head, 0);
    void *token;
    CHECK_EQUAL(VIRTQUEUE_CHAIN, reap(f, &token));
    CHECK(token == &tokens[0]);
    CHECK(add(f, SIZE, 0, &tokens[1])); /* all of them are free again, each once */
    CHECK(!add(f, 1, 0, &tokens[2]));
}

TEST(after_a_reset_every_chain_is_taken_back_once)
{
    struct fixture *f = fixture_make();
    for (uint32_t i = 0; i < 3; i++)
        CHECK(add(f, 2, 1, &tokens[i]));
    device_hands_back(f, UINT32_MAX, 0);
    void *token;
    CHECK_EQUAL(VIRTQUEUE_BROKEN, reap(f, &token));
    uint32_t seen = 0;
    while ((token = virtqueue_take_back(&f->queue)) != nullptr)
        seen |= 1u << ((int *)token - tokens);
    CHECK_EQUAL(7, seen);
    CHECK_EQUAL(SIZE, f->queue.free_count);
}

TEST(a_device_that_answers_at_random_never_gets_a_chain_twice)
{
    srand(7);
    for (int run = 0; run < 2000; run++) {
        struct fixture *f = fixture_make();
        bool in_flight[SIZE] = {0};
        for (int step = 0; step < 40; step++) {
            int which = rand() % SIZE;
            if (!in_flight[which] && add(f, (uint16_t)(1 + rand() % 3), 1, &tokens[which]))
                in_flight[which] = true;
            if (rand() % 2)
                device_hands_back(f, (uint32_t)rand() % (SIZE + 1), (uint32_t)rand() % 300);
            void *token;
            while (reap(f, &token) == VIRTQUEUE_CHAIN) {
                CHECK(in_flight[(int *)token - tokens]);
                in_flight[(int *)token - tokens] = false;
            }
        }
        void *token;
        while ((token = virtqueue_take_back(&f->queue)) != nullptr) {
            CHECK(in_flight[(int *)token - tokens]);
            in_flight[(int *)token - tokens] = false;
        }
        CHECK_EQUAL(SIZE, f->queue.free_count);
        for (uint32_t i = 0; i < SIZE; i++)
            CHECK(!in_flight[i]);
    }
}
