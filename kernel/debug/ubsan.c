/*
 * The functions that clang's -fsanitize=undefined calls, and the data it passes: compiler-rt,
 * lib/ubsan/ubsan_handlers.h. Only the place is taken from the data; a report changes nothing.
 * Reports are bounded, so that a loop cannot drown the log, and one inside the other is only
 * counted.
 */
#include "debug/ubsan.h"
#include "debug/log.h"
#include <stdatomic.h>

#define REPORTS_SHOWN_MAX 100u

struct source_location {
    const char *file;
    uint32_t line;
    uint32_t column;
};

static _Atomic uint64_t reports; /* a counter, ordered with nothing */
static _Atomic bool is_reporting;

uint64_t ubsan_reports(void)
{
    return atomic_load_explicit(&reports, memory_order_relaxed);
}

static void report(const struct source_location *where, const char *what)
{
    uint64_t number = atomic_fetch_add_explicit(&reports, 1, memory_order_relaxed);
    if (number >= REPORTS_SHOWN_MAX) return;
    if (atomic_exchange_explicit(&is_reporting, true, memory_order_acquire)) return;
    log_line("ubsan", "%s at %s:%u:%u", what, where->file, where->line, where->column);
    atomic_store_explicit(&is_reporting, false, memory_order_release);
}

/* Every kind of data begins with a location. The other arguments are values: nobody needs them. */
#define DEFINE_HANDLER(name, what)                                   \
    void __ubsan_handle_##name(const struct source_location *where); \
    void __ubsan_handle_##name(const struct source_location *where)  \
    {                                                                \
        report(where, what);                                         \
    }
DEFINE_HANDLER(add_overflow, "signed addition overflows")
DEFINE_HANDLER(sub_overflow, "signed subtraction overflows")
DEFINE_HANDLER(mul_overflow, "signed multiplication overflows")
DEFINE_HANDLER(negate_overflow, "negation overflows")
DEFINE_HANDLER(divrem_overflow, "division by zero, or overflowing")
DEFINE_HANDLER(shift_out_of_bounds, "shift out of bounds")
DEFINE_HANDLER(out_of_bounds, "array index out of bounds")
DEFINE_HANDLER(builtin_unreachable, "unreachable code reached")
DEFINE_HANDLER(missing_return, "no value returned")
DEFINE_HANDLER(vla_bound_not_positive, "array length not positive")
DEFINE_HANDLER(load_invalid_value, "value outside its type")
DEFINE_HANDLER(invalid_builtin, "builtin called with zero")
DEFINE_HANDLER(pointer_overflow, "pointer arithmetic overflows")
DEFINE_HANDLER(type_mismatch_v1, "null, misaligned or too small object")
DEFINE_HANDLER(nonnull_arg, "null argument")
DEFINE_HANDLER(nullability_arg, "null argument")
DEFINE_HANDLER(alignment_assumption, "alignment assumed wrongly")

/* Here the location is the second argument. */
#define DEFINE_RETURN_HANDLER(name)                                                    \
    void __ubsan_handle_##name(const void *data, const struct source_location *where); \
    void __ubsan_handle_##name(const void *data, const struct source_location *where)  \
    {                                                                                  \
        (void)data;                                                                    \
        report(where, "null returned");                                                \
    }
DEFINE_RETURN_HANDLER(nonnull_return_v1)
DEFINE_RETURN_HANDLER(nullability_return_v1)
