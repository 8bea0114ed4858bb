/*
 * Bytes: copying, clearing, comparing, and little-endian numbers at any alignment.
 *
 * memcpy, memmove, memset and memcmp are provided for the compiler, which emits calls to them. The
 * functions below expand in place where the length is a small constant.
 * Context: any; no state.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t length);
void *memmove(void *to, const void *from, size_t length);
void *memset(void *where, int byte, size_t length);
int memcmp(const void *a, const void *b, size_t length);

static inline void bytes_copy(void *restrict to, const void *restrict from, size_t length)
{
    __builtin_memcpy(to, from, length);
}

static inline void bytes_zero(void *where, size_t length)
{
    __builtin_memset(where, 0, length);
}

static inline bool bytes_equal(const void *a, const void *b, size_t length)
{
    return __builtin_memcmp(a, b, length) == 0;
}

static inline uint16_t load_le16(const void *from)
{
    uint16_t value;
    __builtin_memcpy(&value, from, sizeof(value));
    return value;
}

static inline uint32_t load_le32(const void *from)
{
    uint32_t value;
    __builtin_memcpy(&value, from, sizeof(value));
    return value;
}

static inline uint64_t load_le64(const void *from)
{
    uint64_t value;
    __builtin_memcpy(&value, from, sizeof(value));
    return value;
}

static inline void store_le16(void *to, uint16_t value)
{
    __builtin_memcpy(to, &value, sizeof(value));
}

static inline void store_le32(void *to, uint32_t value)
{
    __builtin_memcpy(to, &value, sizeof(value));
}

static inline void store_le64(void *to, uint64_t value)
{
    __builtin_memcpy(to, &value, sizeof(value));
}
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "loads and stores above");
