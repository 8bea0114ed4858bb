/*
 * The operation table as data: what abi/ops.def says of each operation, for tests that go through
 * all.
 */
#pragma once
#include <abi/ops.h>

enum row_buffer : uint8_t {
    ROW_NONE,
    ROW_IN,
    ROW_OUT,
    ROW_OUT_MAYBE,
    ROW_WORD,
    ROW_IN_MAYBE,
    ROW_OUT_POOL
};
enum row_handles : uint8_t {
    ROW_KEEPS,
    ROW_CONSUMES,
    ROW_YIELDS,
    ROW_CONSUMES_YIELDS,
    ROW_CLOSES,
    ROW_ENDS,
};
enum row_served : uint8_t { ROW_LOCAL, ROW_FORWARDED, ROW_KERNEL };

#define ROW_FIELD_OFFSET 1u
#define ROW_FIELD_ARG0   2u
#define ROW_FIELD_ARG1   4u
#define ROW_FIELD_SECOND 8u

/* A set of statuses; those beyond 62, of which there is one, share the last bit. */
#define ROW_ERROR_BIT(code) (1ull << ((code) < 63 ? (code) : 63))

struct op_row {
    uint8_t number;
    enum row_buffer buffer;
    enum row_handles handles;
    enum row_served served;
    uint8_t fields;
    uint32_t kinds; /* 0: takes no capability */
    uint64_t rights;
    uint32_t flags;
    uint64_t errors; /* of its own: ROW_ERROR_BIT each */
    const char *name;
};

extern const struct op_row op_rows[];
extern const uint32_t op_rows_count;
