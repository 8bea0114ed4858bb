/*
 * The four functions that the compiler calls by name.
 *
 * The kernel is built without vector registers, so the widest step is eight bytes. Short lengths
 * are two overlapping loads and stores; long ones are the processor's own string instructions,
 * which take eight bytes a step whatever the alignment.
 */
#include "base/bytes.h"

/* Up to here a few plain moves beat starting a string instruction. */
static constexpr size_t SHORT_BYTES_MAX = 32;

/* Both ends are loaded before either is stored, so the spans may overlap. length <= 32 */
static void copy_short(uint8_t *to, const uint8_t *from, size_t length)
{
    if (length > 16) {
        uint64_t first = load_le64(from);
        uint64_t second = load_le64(from + 8);
        uint64_t third = load_le64(from + length - 16);
        uint64_t fourth = load_le64(from + length - 8);
        store_le64(to, first);
        store_le64(to + 8, second);
        store_le64(to + length - 16, third);
        store_le64(to + length - 8, fourth);
    } else if (length >= 8) {
        uint64_t first = load_le64(from);
        uint64_t last = load_le64(from + length - 8);
        store_le64(to, first);
        store_le64(to + length - 8, last);
    } else if (length >= 4) {
        uint32_t first = load_le32(from);
        uint32_t last = load_le32(from + length - 4);
        store_le32(to, first);
        store_le32(to + length - 4, last);
    } else if (length >= 2) {
        uint16_t first = load_le16(from);
        uint16_t last = load_le16(from + length - 2);
        store_le16(to, first);
        store_le16(to + length - 2, last);
    } else if (length == 1) {
        *to = *from;
    }
}

static void copy_words_forward(void *to, const void *from, size_t words)
{
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
}

void *memcpy(void *restrict to, const void *restrict from, size_t length)
{
    uint8_t *target = to;
    const uint8_t *source = from;
    if (length <= SHORT_BYTES_MAX) {
        copy_short(target, source, length);
        return to;
    }
    uint64_t last = load_le64(source + length - 8);
    copy_words_forward(target, source, length / 8);
    store_le64(target + length - 8, last);
    return to;
}

/* From the end down, for a target that lies behind its source. length > 32 */
static void copy_backward(uint8_t *to, const uint8_t *from, size_t length)
{
    uint64_t first = load_le64(from);
    while (length >= 8) {
        length -= 8;
        store_le64(to + length, load_le64(from + length));
    }
    store_le64(to, first);
}

void *memmove(void *to, const void *from, size_t length)
{
    uint8_t *target = to;
    const uint8_t *source = from;
    if (length <= SHORT_BYTES_MAX) {
        copy_short(target, source, length);
    } else if ((uintptr_t)target - (uintptr_t)source >= length) { /* wraps when it lies before */
        uint64_t last = load_le64(source + length - 8);
        copy_words_forward(target, source, length / 8);
        store_le64(target + length - 8, last);
    } else {
        copy_backward(target, source, length);
    }
    return to;
}

void *memset(void *where, int byte, size_t length)
{
    uint8_t *target = where;
    uint64_t pattern = 0x0101010101010101ull * (uint8_t)byte;
    if (length >= 8) {
        void *cursor = where;
        size_t words = length / 8;
        store_le64(target + length - 8, pattern);
        __asm__ volatile("rep stosq" : "+D"(cursor), "+c"(words) : "a"(pattern) : "memory");
    } else if (length >= 4) {
        store_le32(target, (uint32_t)pattern);
        store_le32(target + length - 4, (uint32_t)pattern);
    } else if (length >= 2) {
        store_le16(target, (uint16_t)pattern);
        store_le16(target + length - 2, (uint16_t)pattern);
    } else if (length == 1) {
        *target = (uint8_t)byte;
    }
    return where;
}

int memcmp(const void *a, const void *b, size_t length)
{
    const uint8_t *left = a;
    const uint8_t *right = b;
    for (; length >= 8; left += 8, right += 8, length -= 8) {
        uint64_t x = load_le64(left);
        uint64_t y = load_le64(right);
        if (x != y) return __builtin_bswap64(x) < __builtin_bswap64(y) ? -1 : 1;
    }
    for (; length > 0; left++, right++, length--) {
        if (*left != *right) return *left < *right ? -1 : 1;
    }
    return 0;
}
