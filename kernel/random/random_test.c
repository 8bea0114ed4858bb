#include "random/chacha20.h"
#include "random/random.h"
#include "support/test.h"
#include <pthread.h>
#include <string.h>

TEST(the_block_function_gives_the_standards_example)
{
    /* RFC 8439, section 2.3.2 */
    static const uint8_t expected[CHACHA20_BLOCK_BYTES] = {
        0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15, 0x50, 0x0f, 0xdd, 0x1f, 0xa3,
        0x20, 0x71, 0xc4, 0xc7, 0xd1, 0xf4, 0xc7, 0x33, 0xc0, 0x68, 0x03, 0x04, 0x22,
        0xaa, 0x9a, 0xc3, 0xd4, 0x6c, 0x4e, 0xd2, 0x82, 0x64, 0x46, 0x07, 0x9f, 0xaa,
        0x09, 0x14, 0xc2, 0xd7, 0x05, 0xd9, 0x8b, 0x02, 0xa2, 0xb5, 0x12, 0x9c, 0xd1,
        0xde, 0x16, 0x4e, 0xb9, 0xcb, 0xd0, 0x83, 0xe8, 0xa2, 0x50, 0x3c, 0x4e,
    };
    uint32_t key[8];
    for (uint32_t i = 0; i < 8; i++)
        key[i] = 0x03020100 + i * 0x04040404;
    uint8_t block[CHACHA20_BLOCK_BYTES];
    chacha20_block(key, 1, (const uint32_t[3]){0x09000000, 0x4a000000, 0}, block);
    CHECK_BYTES(expected, block, sizeof(block));
}

TEST(the_block_function_gives_the_standards_vector_of_zeros)
{
    /* RFC 8439, appendix A.1, test vector 1 */
    static const uint8_t expected[CHACHA20_BLOCK_BYTES] = {
        0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90, 0x40, 0x5d, 0x6a, 0xe5, 0x53,
        0x86, 0xbd, 0x28, 0xbd, 0xd2, 0x19, 0xb8, 0xa0, 0x8d, 0xed, 0x1a, 0xa8, 0x36,
        0xef, 0xcc, 0x8b, 0x77, 0x0d, 0xc7, 0xda, 0x41, 0x59, 0x7c, 0x51, 0x57, 0x48,
        0x8d, 0x77, 0x24, 0xe0, 0x3f, 0xb8, 0xd8, 0x4a, 0x37, 0x6a, 0x43, 0xb8, 0xf4,
        0x15, 0x18, 0xa1, 0x1c, 0xc3, 0x87, 0xb6, 0x69, 0xb2, 0xee, 0x65, 0x86,
    };
    uint8_t block[CHACHA20_BLOCK_BYTES];
    chacha20_block((const uint32_t[8]){0}, 0, (const uint32_t[3]){0}, block);
    CHECK_BYTES(expected, block, sizeof(block));
}

TEST(numbers_before_the_seed_stop_the_kernel)
{
    CHECK_STOPS("is_seeded", random_number());
}

static void seed(void)
{
    random_init((const uint8_t *)"not a secret", 12);
}

TEST(numbers_do_not_repeat_across_refills_and_keys)
{
    seed();
    static uint64_t numbers[4000];
    for (size_t i = 0; i < 4000; i++)
        numbers[i] = random_number();
    for (size_t i = 0; i < 4000; i++) {
        for (size_t k = i + 1; k < 4000; k++)
            CHECK(numbers[i] != numbers[k]);
    }
}

TEST(about_half_of_all_bits_are_set)
{
    seed();
    uint64_t ones = 0;
    for (int i = 0; i < 10000; i++)
        ones += (uint64_t)__builtin_popcountll(random_number());
    CHECK(ones > 318000 && ones < 322000); /* 320000, standard deviation 400 */
}

TEST(a_fill_writes_exactly_its_length)
{
    seed();
    static uint8_t area[3000];
    for (size_t length = 0; length < 2000; length += 97) {
        memset(area, 0x5a, sizeof(area));
        random_fill(area + 100, length);
        size_t unchanged = 0;
        for (size_t i = 0; i < length; i++)
            unchanged += area[100 + i] == 0x5a;
        CHECK(unchanged < 20 + length / 64);
        for (size_t i = 0; i < 100; i++)
            CHECK(area[i] == 0x5a && area[100 + length + i] == 0x5a);
    }
}

static void *draw_on_another(void *out)
{
    *(uint64_t *)out = random_number();
    return nullptr;
}

TEST(processors_draw_different_numbers)
{
    seed();
    random_stir(1);
    uint64_t other = 0;
    pthread_t processor;
    pthread_create(&processor, nullptr, draw_on_another, &other);
    uint64_t own = random_number();
    pthread_join(processor, nullptr);
    CHECK(other != 0 && other != own);
}
