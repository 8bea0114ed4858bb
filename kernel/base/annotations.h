/*
 * What the compiler checks about locks (clang -Wthread-safety) and a few attributes by name.
 *
 * A member says GUARDED_BY(lock), the lock functions ACQUIRES(lock) of their pointer parameter.
 */
#pragma once

#define CAPABILITY(name)      __attribute__((capability(name)))
#define GUARDED_BY(lock)      __attribute__((guarded_by(&lock)))
#define REQUIRES(lock)        __attribute__((requires_capability(&lock)))
#define ACQUIRES(pointer)     __attribute__((acquire_capability(pointer)))
#define RELEASES(pointer)     __attribute__((release_capability(pointer)))
#define TRY_ACQUIRES(pointer) __attribute__((try_acquire_capability(true, pointer)))
#define NO_LOCK_CHECK         __attribute__((no_thread_safety_analysis))

#define PRINTF_LIKE(format_index, first_index) \
    __attribute__((format(printf, format_index, first_index)))
#define CACHE_LINE_BYTES 64
#define CACHE_ALIGNED    __attribute__((aligned(CACHE_LINE_BYTES)))
#define MUST_INLINE      static inline __attribute__((always_inline))
#define likely(x)        __builtin_expect(!!(x), 1)
#define unlikely(x)      __builtin_expect(!!(x), 0)
