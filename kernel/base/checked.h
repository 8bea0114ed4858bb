/*
 * Arithmetic on numbers from outside: true and a result, or false.
 * Context: any; no state.
 */
#pragma once
#include <stdint.h>

[[nodiscard]] static inline bool checked_add(uint64_t a, uint64_t b, uint64_t *out_sum)
{
    return !__builtin_add_overflow(a, b, out_sum);
}

[[nodiscard]] static inline bool checked_multiply(uint64_t a, uint64_t b, uint64_t *out_product)
{
    return !__builtin_mul_overflow(a, b, out_product);
}

/* True when offset..offset+length lies inside 0..limit; no sum is formed that could wrap. */
[[nodiscard]] static inline bool span_fits(uint64_t offset, uint64_t length, uint64_t limit)
{
    return offset <= limit && length <= limit - offset;
}

#define min_of(a, b)        \
    ({                      \
        typeof(a) a_ = (a); \
        typeof(b) b_ = (b); \
        a_ < b_ ? a_ : b_;  \
    })
#define max_of(a, b)        \
    ({                      \
        typeof(a) a_ = (a); \
        typeof(b) b_ = (b); \
        a_ > b_ ? a_ : b_;  \
    })
