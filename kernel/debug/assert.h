/*
 * For faults of the kernel itself. What the world can cause is a status, never an assertion.
 *
 * ASSERT stays in release kernels; DEBUG_ASSERT is for checks that cost. Both stop the machine with
 * panic(), which on the host prints and aborts.
 */
#pragma once
#include "base/annotations.h"

/* Prints the reason, where it happened, a backtrace and the processor's state; never returns. */
[[noreturn]] void panic(const char *format, ...) PRINTF_LIKE(1, 2);

#define ASSERT(condition)                                                          \
    do {                                                                           \
        if (__builtin_expect(!(condition), 0))                                     \
            panic("assertion failed: %s (%s:%d)", #condition, __FILE__, __LINE__); \
    } while (0)

#ifdef PEAL_DEBUG
#define DEBUG_ASSERT(condition) ASSERT(condition)
#else
#define DEBUG_ASSERT(condition)   \
    do {                          \
        if (0) (void)(condition); \
    } while (0)
#endif
