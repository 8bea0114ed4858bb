/*
 * How a function of the native library says whether it worked.
 *
 * The codes are those of the kernel (abi/status.def): a refusal is passed on, never translated.
 * Context: any; no state.
 */
#pragma once
#include "peal/text.h"
#include <abi/types.h>

enum status_code : uint32_t {
#define STATUS(NAME, number, meaning) STATUS_##NAME = (number),
#include <abi/status.def>
#undef STATUS
};

/* A struct, not an int: it cannot be ignored, used as a bool, or mistaken for a length. */
typedef struct [[nodiscard]] status {
    enum status_code code;
} status;

#define OK         ((status){STATUS_OK})
#define FAIL(name) ((status){STATUS_##name})

static inline bool is_ok(status s)
{
    return s.code == STATUS_OK;
}

/* A value, or the reason there is none. Values of up to 8 bytes come back in registers. */
#define RESULT_TYPE(name, T)                     \
    typedef struct [[nodiscard]] name {          \
        status status;                           \
        T value; /* zero unless is_ok(status) */ \
    } name

RESULT_TYPE(size_result, uint64_t);
RESULT_TYPE(pointer_result, void *);

/* The only two macros that may return. Use them where every live resource is OWNED(). */
#define TRY(expr)                      \
    do {                               \
        status try_ = (expr);          \
        if (!is_ok(try_)) return try_; \
    } while (0)
#define TRY_AS(result_type, expr)                               \
    do {                                                        \
        status try_ = (expr);                                   \
        if (!is_ok(try_)) return (result_type){.status = try_}; \
    } while (0)

/* For the rare call whose failure changes nothing; say why in a comment beside it. */
static inline void ignore_status(status s)
{
    (void)s;
}

/* The code's name ("NOT_FOUND") and its meaning as one sentence; "unknown status" for others. */
text peal_status_name(status s);
text peal_status_meaning(status s);
