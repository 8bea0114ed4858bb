#include "peal/heap_arena.h"
#include "support/test.h"
#include <stdlib.h>
#include <string.h>

#define ARENA_CHUNKS 64u

static struct heap_arena arena;
static void *memory;

static void begin(void)
{
    memory = aligned_alloc(HEAP_CHUNK_BYTES, ARENA_CHUNKS * HEAP_CHUNK_BYTES);
    CHECK(memory != nullptr);
    memset(memory, 0, ARENA_CHUNKS * HEAP_CHUNK_BYTES);
    heap_arena_init(&arena, memory, ARENA_CHUNKS * HEAP_CHUNK_BYTES);
}

TEST(blocks_are_aligned_large_enough_and_apart)
{
    begin();
    static const size_t sizes[] = {0,    1,     16,    17,    100,   1000,
                                   4096, 16368, 16369, 65472, 65473, 300000};
    uint8_t *blocks[12];
    for (size_t i = 0; i < 12; i++) {
        blocks[i] = heap_arena_take(&arena, sizes[i]);
        CHECK(blocks[i] != nullptr);
        CHECK_EQUAL(0, (uintptr_t)blocks[i] % HEAP_ALIGNMENT);
        CHECK(heap_arena_block_bytes(&arena, blocks[i]) >= sizes[i]);
        memset(blocks[i], (int)i + 1, sizes[i]);
    }
    for (size_t i = 0; i < 12; i++) {
        for (size_t at = 0; at < sizes[i]; at++)
            CHECK_EQUAL(i + 1, blocks[i][at]);
        CHECK(heap_arena_give(&arena, blocks[i]));
    }
    free(memory);
}

TEST(giving_twice_or_what_is_no_block_is_noticed)
{
    begin();
    uint8_t *small = heap_arena_take(&arena, 40), *other = heap_arena_take(&arena, 40);
    uint8_t *large = heap_arena_take(&arena, 100000);
    CHECK(!heap_arena_give(&arena, small + 1));
    CHECK(!heap_arena_give(&arena, small + 48 * 100));
    CHECK(!heap_arena_give(&arena, large + HEAP_CHUNK_BYTES));
    CHECK(!heap_arena_give(&arena, memory));
    CHECK(!heap_arena_give(&arena, &arena));
    CHECK(heap_arena_give(&arena, small));
    CHECK(!heap_arena_give(&arena, small));
    CHECK(heap_arena_give(&arena, large));
    CHECK(!heap_arena_give(&arena, large));
    CHECK(heap_arena_give(&arena, other));
    free(memory);
}

TEST(a_full_arena_says_so_and_is_whole_again_when_all_is_given_back)
{
    begin();
    static void *blocks[100000];
    for (uint32_t round = 0; round < 2; round++) {
        uint32_t count = 0;
        while ((blocks[count] = heap_arena_take(&arena, 100)) != nullptr)
            count++;
        CHECK(count > 30000);
        CHECK(heap_arena_take(&arena, 100000) == nullptr);
        while (count > 0)
            CHECK(heap_arena_give(&arena, blocks[--count]));
        void *nearly_all = heap_arena_take(&arena, (ARENA_CHUNKS - 3) * HEAP_CHUNK_BYTES);
        CHECK(nearly_all != nullptr);
        CHECK(heap_arena_give(&arena, nearly_all));
    }
    free(memory);
}

/* Against a model that knows every live block by its fill byte. */
TEST(random_takes_and_gives_never_mix_blocks)
{
    begin();
    struct {
        uint8_t *bytes;
        size_t length;
        uint8_t fill;
    } live[200] = {0};
    uint64_t seed = 12345;
    for (uint32_t step = 0; step < 40000; step++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint32_t which = (uint32_t)(seed >> 33) % 200;
        if (live[which].bytes != nullptr) {
            for (size_t i = 0; i < live[which].length; i += 97)
                CHECK_EQUAL(live[which].fill, live[which].bytes[i]);
            CHECK(heap_arena_give(&arena, live[which].bytes));
            live[which].bytes = nullptr;
            continue;
        }
        size_t length = (seed >> 20) % ((seed >> 50) % 16 == 0 ? 200000 : 2000) + 1;
        live[which].bytes = heap_arena_take(&arena, length);
        if (live[which].bytes == nullptr) continue;
        live[which].length = length;
        live[which].fill = (uint8_t)(step | 1);
        memset(live[which].bytes, live[which].fill, length);
    }
    free(memory);
}
