#include "peal/bytes.h"

/* Unaligned 16-byte blocks that may alias anything. */
typedef uint8_t block __attribute__((vector_size(16), aligned(1), may_alias));

__attribute__((no_builtin("memcpy", "memmove"))) void *
memcpy(void *restrict to, const void *restrict from, size_t length)
{
    uint8_t *out = to;
    const uint8_t *in = from;
    for (; length >= 64; length -= 64, in += 64, out += 64) {
        block a = ((const block *)in)[0], b = ((const block *)in)[1];
        block c = ((const block *)in)[2], d = ((const block *)in)[3];
        ((block *)out)[0] = a;
        ((block *)out)[1] = b;
        ((block *)out)[2] = c;
        ((block *)out)[3] = d;
    }
    for (; length >= 16; length -= 16, in += 16, out += 16)
        *(block *)out = *(const block *)in;
#pragma clang loop vectorize(disable) unroll(disable)
    for (; length > 0; length--)
        *out++ = *in++;
    return to;
}

static void copy_backwards(uint8_t *out, const uint8_t *in, size_t length)
{
    for (; length >= 16; length -= 16)
        *(block *)(out + length - 16) = *(const block *)(in + length - 16);
#pragma clang loop vectorize(disable) unroll(disable)
    while (length > 0) {
        length--;
        out[length] = in[length];
        __asm__ volatile(""); /* keeps the loop from becoming a call of memmove */
    }
}

__attribute__((no_builtin("memcpy", "memmove"))) void *memmove(void *to, const void *from,
                                                               size_t length)
{
    uint8_t *out = to;
    const uint8_t *in = from;
    if ((uintptr_t)out - (uintptr_t)in < length) {
        copy_backwards(out, in, length);
        return to;
    }
    for (; length >= 16; length -= 16, in += 16, out += 16)
        *(block *)out = *(const block *)in;
#pragma clang loop vectorize(disable) unroll(disable)
    for (; length > 0; length--)
        *out++ = *in++;
    return to;
}

__attribute__((no_builtin("memset"))) void *memset(void *where, int byte, size_t length)
{
    uint8_t *out = where;
    uint8_t b = (uint8_t)byte;
    block pattern = {b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b};
    for (; length >= 64; length -= 64, out += 64) {
        ((block *)out)[0] = pattern;
        ((block *)out)[1] = pattern;
        ((block *)out)[2] = pattern;
        ((block *)out)[3] = pattern;
    }
    for (; length >= 16; length -= 16, out += 16)
        *(block *)out = pattern;
#pragma clang loop vectorize(disable) unroll(disable)
    for (; length > 0; length--)
        *out++ = b;
    return where;
}

__attribute__((no_builtin("memcmp", "bcmp"))) int memcmp(const void *a, const void *b,
                                                         size_t length)
{
    const uint8_t *left = a;
    const uint8_t *right = b;
    while (length >= 8) {
        uint64_t x, y;
        __builtin_memcpy(&x, left, 8);
        __builtin_memcpy(&y, right, 8);
        if (x != y) break;
        left += 8;
        right += 8;
        length -= 8;
    }
    for (; length > 0; length--, left++, right++)
        if (*left != *right) return *left < *right ? -1 : 1;
    return 0;
}
