#include "base/bitmap.h"
#include "mm/buddy.h"
#include "support/test.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static constexpr uint32_t FRAMES_MAX = 4096;

/* A buddy and its memory; made by region_create, ended by region_destroy. */
static struct buddy region_create(uint32_t frame_count)
{
    struct buddy buddy;
    buddy_init(&buddy, frame_count, calloc(1, buddy_bookkeeping_bytes(frame_count)));
    return buddy;
}

static void region_destroy(struct buddy *buddy)
{
    free(buddy->free_bits);
}

static struct buddy region_all_free(uint32_t frame_count)
{
    struct buddy buddy = region_create(frame_count);
    bitmap_set_range(buddy.free_bits, 0, frame_count);
    buddy_build(&buddy, buddy.free_bits);
    CHECK(buddy_check(&buddy));
    return buddy;
}

TEST(seven_frames_are_four_and_two_and_one)
{
    struct buddy buddy = region_all_free(7);
    CHECK_EQUAL(2, buddy_largest_order(&buddy));
    CHECK_EQUAL(0, buddy.heads[2]);
    CHECK_EQUAL(4, buddy.heads[1]);
    CHECK_EQUAL(6, buddy.heads[0]);
    CHECK_EQUAL(7, buddy.free_count);

    CHECK_EQUAL(BUDDY_NONE, buddy_take(&buddy, 3));
    CHECK_EQUAL(0, buddy_take(&buddy, 2));
    CHECK_EQUAL(4, buddy_take(&buddy, 1));
    CHECK_EQUAL(6, buddy_take(&buddy, 0));
    CHECK_EQUAL(BUDDY_NONE, buddy_take(&buddy, 0));
    CHECK_EQUAL(-1, buddy_largest_order(&buddy));
    region_destroy(&buddy);
}

TEST(a_split_block_coalesces_up_to_the_top_order)
{
    struct buddy buddy = region_all_free(2048);
    CHECK_EQUAL((int)BUDDY_ORDER_MAX, buddy_largest_order(&buddy));
    uint32_t taken[2048];
    for (uint32_t i = 0; i < 2048; i++) {
        taken[i] = buddy_take(&buddy, 0);
        CHECK(taken[i] != BUDDY_NONE);
    }
    CHECK_EQUAL(0, buddy.free_count);
    for (uint32_t i = 0; i < 2048; i++)
        CHECK(buddy_give(&buddy, taken[(i * 1021) % 2048], 0));
    CHECK(buddy_check(&buddy));
    CHECK_EQUAL(BUDDY_NONE, buddy.heads[0]);
    CHECK(buddy_take(&buddy, BUDDY_ORDER_MAX) != BUDDY_NONE);
    CHECK(buddy_take(&buddy, BUDDY_ORDER_MAX) != BUDDY_NONE);
    region_destroy(&buddy);
}

TEST(what_was_not_handed_out_is_refused_and_changes_nothing)
{
    struct buddy buddy = region_all_free(64);
    uint32_t block = buddy_take(&buddy, 3);
    uint32_t single = buddy_take(&buddy, 0);
    uint32_t free_count = buddy.free_count;

    CHECK(!buddy_give(&buddy, block, 2)); /* wrong order */
    CHECK(!buddy_give(&buddy, block, 4));
    CHECK(!buddy_give(&buddy, block + 4, 2)); /* inside a block */
    CHECK(!buddy_give(&buddy, block + 1, 0));
    CHECK(!buddy_give(&buddy, 64, 0)); /* outside the region */
    CHECK(!buddy_give(&buddy, UINT32_MAX, 0));
    CHECK(!buddy_give(&buddy, 63, 1));
    CHECK(!buddy_give(&buddy, single + 1, 0)); /* free */
    CHECK(!buddy_give(&buddy, block, 11));     /* no such order */
    CHECK(!buddy_give(&buddy, block, UINT32_MAX));
    CHECK_EQUAL(free_count, buddy.free_count);

    CHECK(buddy_give(&buddy, single, 0));
    CHECK(!buddy_give(&buddy, single, 0)); /* twice, and by now part of a larger block */
    CHECK(buddy_give(&buddy, block, 3));
    CHECK(!buddy_give(&buddy, block, 3));
    CHECK(buddy_check(&buddy));
    CHECK_EQUAL(64, buddy.free_count);
    region_destroy(&buddy);
}

TEST(a_parked_or_tagged_block_can_only_be_given_by_whoever_knows)
{
    struct buddy buddy = region_all_free(8);
    uint32_t frame = buddy_take(&buddy, 0);
    CHECK_EQUAL(0, buddy_taken_order(&buddy, frame, 0));
    CHECK(buddy_change(&buddy, frame, 0, 0, BUDDY_MARK_PARKED));
    CHECK(!buddy_change(&buddy, frame, 0, 0, BUDDY_MARK_PARKED));
    CHECK(!buddy_give(&buddy, frame, 0));
    CHECK_EQUAL(-1, buddy_taken_order(&buddy, frame, 0));
    CHECK_EQUAL(0, buddy_taken_order(&buddy, frame, BUDDY_MARK_PARKED));
    CHECK(!buddy_change(&buddy, frame, 1, BUDDY_MARK_PARKED, 0));
    CHECK(buddy_change(&buddy, frame, 0, BUDDY_MARK_PARKED, 0));
    CHECK(buddy_give(&buddy, frame, 0));
    CHECK(!buddy_change(&buddy, frame, 0, 0, BUDDY_MARK_PARKED));
    CHECK(!buddy_change(&buddy, 8, 0, 0, BUDDY_MARK_PARKED));
    region_destroy(&buddy);
}

TEST(any_bitmap_is_built_into_exactly_its_frames)
{
    srand(4711);
    for (uint32_t round = 0; round < 300; round++) {
        uint32_t frames = 1 + (uint32_t)rand() % 300;
        uint64_t bits[BITMAP_WORDS(300)] = {0};
        uint32_t wanted = 0;
        for (uint32_t i = 0; i < frames; i++) {
            if (rand() % 8 == 0) continue;
            bitmap_set(bits, i);
            wanted++;
        }
        struct buddy buddy = region_create(frames);
        buddy_build(&buddy, bits);
        CHECK(buddy_check(&buddy));
        CHECK_EQUAL(wanted, buddy.free_count);
        for (uint32_t frame; (frame = buddy_take(&buddy, 0)) != BUDDY_NONE; wanted--) {
            CHECK(bitmap_test(bits, frame));
            bitmap_clear(bits, frame);
        }
        CHECK_EQUAL(0, wanted);
        region_destroy(&buddy);
    }
}

/* The model: who has each frame, by brute force. */
struct model {
    uint32_t frames;
    bool is_free[FRAMES_MAX];
};

static bool model_block_is_free(const struct model *model, uint32_t offset, uint32_t order)
{
    for (uint32_t i = 0; i < 1u << order; i++) {
        if (offset + i >= model->frames || !model->is_free[offset + i]) return false;
    }
    return true;
}

static bool model_has_block(const struct model *model, uint32_t order)
{
    for (uint32_t offset = 0; offset < model->frames; offset += 1u << order) {
        if (model_block_is_free(model, offset, order)) return true;
    }
    return false;
}

static void model_set(struct model *model, uint32_t offset, uint32_t order, bool is_free)
{
    for (uint32_t i = 0; i < 1u << order; i++)
        model->is_free[offset + i] = is_free;
}

TEST(random_takes_and_gives_agree_with_a_naive_model)
{
    struct taken {
        uint32_t offset, order;
    };
    static struct taken taken[FRAMES_MAX];
    static struct model model;
    for (unsigned seed = 1; seed <= 6; seed++) {
        srand(seed);
        uint32_t frames = 500 + (uint32_t)rand() % (FRAMES_MAX - 500);
        struct buddy buddy = region_all_free(frames);
        model.frames = frames;
        memset(model.is_free, true, sizeof(model.is_free));
        uint32_t count = 0;
        for (uint32_t step = 0; step < 3000; step++) {
            if (rand() % 5 < 3 && count < FRAMES_MAX) {
                uint32_t order = (uint32_t)(rand() % 16 < 11 ? rand() % 4 : rand() % 11);
                bool expected = model_has_block(&model, order);
                uint32_t offset = buddy_take(&buddy, order);
                CHECK_EQUAL(expected, offset != BUDDY_NONE);
                if (!expected) continue;
                CHECK_EQUAL(0, offset % (1u << order));
                CHECK(model_block_is_free(&model, offset, order));
                model_set(&model, offset, order, false);
                taken[count++] = (struct taken){offset, order};
            } else if (count > 0) {
                uint32_t which = (uint32_t)rand() % count;
                CHECK(buddy_give(&buddy, taken[which].offset, taken[which].order));
                CHECK(!buddy_give(&buddy, taken[which].offset, taken[which].order));
                model_set(&model, taken[which].offset, taken[which].order, true);
                taken[which] = taken[--count];
            }
            if (step % 64 == 0) CHECK(buddy_check(&buddy));
        }
        while (count > 0) {
            count--;
            CHECK(buddy_give(&buddy, taken[count].offset, taken[count].order));
        }
        CHECK(buddy_check(&buddy));
        CHECK_EQUAL(frames, buddy.free_count);
        region_destroy(&buddy);
    }
}

TEST(the_check_notices_every_kind_of_damage)
{
    struct buddy buddy = region_all_free(64);
    CHECK(buddy_take(&buddy, 2) != BUDDY_NONE);
    CHECK(buddy_check(&buddy));
    uint32_t listed = buddy.heads[2];

    buddy.free_count++;
    CHECK(!buddy_check(&buddy));
    buddy.free_count--;
    bitmap_clear(buddy.free_bits, listed + 1);
    CHECK(!buddy_check(&buddy));
    bitmap_set(buddy.free_bits, listed + 1);
    buddy.marks[listed] = 2;
    CHECK(!buddy_check(&buddy));
    buddy.marks[listed] = 3;
    buddy.links[listed].next = listed;
    CHECK(!buddy_check(&buddy));
    buddy.links[listed].next = BUDDY_NONE;
    buddy.marks[listed + 2] = 1;
    CHECK(!buddy_check(&buddy));
    buddy.marks[listed + 2] = 0;
    CHECK(buddy_check(&buddy));
    region_destroy(&buddy);
}
