/*
 * The dispatch table, made from abi/ops.def.
 *
 * The macros below give the words of that table their meaning here: sets become bit masks, and what
 * an operation does not define becomes the mask of bits that must be zero, so that all unused
 * fields are checked by looking at each word once.
 */
#include "ops/dispatch.h"

#define NO_CAPABILITY 0u
#define ANY_KIND      ABI_KINDS_ANY
#define K(NAME)       ABI_KIND_BIT(NAME)
#define NO_RIGHTS     0ull
#define R(NAME)       ABI_RIGHT_##NAME
#define NO_FIELDS     0u
#define F(NAME)       FIELD_##NAME

/* What HANDLES says about the capability given. */
#define KEEPS_CAPABILITY           false
#define YIELDS_CAPABILITY          false
#define CONSUMES_CAPABILITY        true
#define CONSUMES_YIELDS_CAPABILITY true
#define CLOSES_CAPABILITY          true
#define ENDS_CAPABILITY            false

/* An operation that yields a handle is never bare: the flight recorder has it. */
#define KEEPS_IS_YIELDING           false
#define YIELDS_IS_YIELDING          true
#define CONSUMES_IS_YIELDING        false
#define CONSUMES_YIELDS_IS_YIELDING true
#define CLOSES_IS_YIELDING          false
#define ENDS_IS_YIELDING            false

enum {
    HANDLES_KEEPS,
    HANDLES_YIELDS,
    HANDLES_CONSUMES,
    HANDLES_CONSUMES_YIELDS,
    HANDLES_CLOSES,
    HANDLES_ENDS
};
enum : uint32_t {
    FIELD_OFFSET = 1,
    FIELD_ARG0 = 2,
    FIELD_ARG1 = 4,
    FIELD_SECOND = 8,
};

#define ALL_BITS                UINT64_MAX
#define LOW_HALF                0x00000000ffffffffull
#define HIGH_HALF               0xffffffff00000000ull
#define UNLESS(condition, bits) ((condition) ? 0ull : (bits))

#define WORD0(BUFFER) \
    ((OP_BARE_FORBIDDEN_WORD0 & LOW_HALF) | UNLESS(OP_BUFFER_##BUFFER != OP_BUFFER_NONE, HIGH_HALF))
#define WORD4(FIELDS, FLAGS) \
    (UNLESS((FIELDS) & FIELD_SECOND, HIGH_HALF) | (LOW_HALF & ~(uint64_t)(FLAGS)))
static_assert(offsetof(struct abi_submission, flags) == 1, "word 0");
static_assert(offsetof(struct abi_submission, op_flags) == 32, "word 4");
static_assert(offsetof(struct abi_submission, args) == 48, "words 6 and 7");

#define TAKES_CLAIMS(KINDS, BUFFER) ((KINDS) != 0 || OP_BUFFER_##BUFFER != OP_BUFFER_NONE)
#define SHAPE(KINDS, BUFFER, FIELDS, FLAGS, IS_YIELDING)            \
    (TAKES_CLAIMS(KINDS, BUFFER)                        ? OP_CLAIMS \
     : ((FIELDS) != 0 || (FLAGS) != 0 || (IS_YIELDING)) ? OP_PLAIN  \
     : (WORD0(BUFFER) != OP_BARE_FORBIDDEN_WORD0)       ? OP_PLAIN  \
                                                        : OP_BARE)

#define OP(number, NAME, opname, KINDS, RIGHTS, BUFFER, FIELDS, FLAGS, HANDLES, SERVED, ...)    \
    static_assert(!HANDLES##_CAPABILITY || OP_BUFFER_##BUFFER == OP_BUFFER_NONE,                \
                  "a refused buffer must not cost the handle");                                 \
    static_assert(OP_SERVED_##SERVED != OP_SERVED_LOCAL || (KINDS) == 0 || (KINDS) == ANY_KIND, \
                  "a handler must not take a server's object for the kernel's");                \
    static const struct op_descriptor row_##opname = {                                          \
        .forbidden = {WORD0(BUFFER), UNLESS((KINDS) != 0, ALL_BITS),                            \
                      UNLESS((FIELDS) & FIELD_OFFSET, ALL_BITS),                                \
                      UNLESS(OP_BUFFER_##BUFFER != OP_BUFFER_NONE, ALL_BITS),                   \
                      WORD4(FIELDS, FLAGS), 0, UNLESS((FIELDS) & FIELD_ARG0, ALL_BITS),         \
                      UNLESS((FIELDS) & FIELD_ARG1, ALL_BITS)},                                 \
        .handler = op_##opname,                                                                 \
        .rights = (RIGHTS),                                                                     \
        .kinds = (KINDS),                                                                       \
        .flags_known = (FLAGS),                                                                 \
        .shape = SHAPE(KINDS, BUFFER, FIELDS, FLAGS, HANDLES##_IS_YIELDING),                    \
        .buffer_use = OP_BUFFER_##BUFFER,                                                       \
        .served = OP_SERVED_##SERVED,                                                           \
        .consumes_capability = HANDLES##_CAPABILITY,                                            \
        .closes_capability = HANDLES_##HANDLES == HANDLES_CLOSES,                               \
        .is_link_timeout = (number) == ABI_OP_LINK_TIMEOUT,                                     \
        .name = #opname,                                                                        \
    };
#include <abi/ops.def>
#undef OP

const struct op_descriptor *const dispatch_rows[RING_OPERATIONS] = {
#define OP(number, NAME, opname, ...) [number] = &row_##opname,
#include <abi/ops.def>
#undef OP
};
