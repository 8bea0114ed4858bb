/*
 * Bits in an array of 64-bit words, bit 0 of word 0 first.
 *
 * Context: any; no state. The caller locks. Cost: constant; ranges and searches go word by word.
 */
#pragma once
#include <stdint.h>

#define BITMAP_WORDS(bit_count) (((bit_count) + 63) / 64)

static inline bool bitmap_test(const uint64_t *words, uint64_t bit)
{
    return (words[bit / 64] >> (bit % 64)) & 1;
}

static inline void bitmap_set(uint64_t *words, uint64_t bit)
{
    words[bit / 64] |= 1ull << (bit % 64);
}

static inline void bitmap_clear(uint64_t *words, uint64_t bit)
{
    words[bit / 64] &= ~(1ull << (bit % 64));
}

/* The bits of one word that belong to first..first+count, where the word starts at `base`. */
static inline uint64_t bitmap_word_mask(uint64_t base, uint64_t first, uint64_t count)
{
    uint64_t low = first > base ? first - base : 0;
    uint64_t end = first + count - base; /* > 0: the word overlaps the range */
    uint64_t mask = ~0ull << low;
    return end < 64 ? mask & ((1ull << end) - 1) : mask;
}

/* Sets every bit of first..first+count. */
static inline void bitmap_set_range(uint64_t *words, uint64_t first, uint64_t count)
{
    for (uint64_t base = first & ~63ull; base < first + count; base += 64)
        words[base / 64] |= bitmap_word_mask(base, first, count);
}

static inline void bitmap_clear_range(uint64_t *words, uint64_t first, uint64_t count)
{
    for (uint64_t base = first & ~63ull; base < first + count; base += 64)
        words[base / 64] &= ~bitmap_word_mask(base, first, count);
}

/* True when every bit of first..first+count equals `value`; true of no bits. */
static inline bool bitmap_range_is(const uint64_t *words, uint64_t first, uint64_t count,
                                   bool value)
{
    for (uint64_t base = first & ~63ull; base < first + count; base += 64) {
        uint64_t mask = bitmap_word_mask(base, first, count);
        if ((words[base / 64] & mask) != (value ? mask : 0)) return false;
    }
    return true;
}

/* The first bit at or after `start` that equals `value`, or bit_count. */
static inline uint64_t bitmap_find(const uint64_t *words, uint64_t bit_count, uint64_t start,
                                   bool value)
{
    for (uint64_t base = start & ~63ull; base < bit_count; base += 64) {
        uint64_t word = value ? words[base / 64] : ~words[base / 64];
        if (base < start) word &= ~0ull << (start - base);
        if (word == 0) continue;
        uint64_t found = base + (uint64_t)__builtin_ctzll(word);
        return found < bit_count ? found : bit_count;
    }
    return bit_count;
}
