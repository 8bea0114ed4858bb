/*
 * Submissions made from abi/ops.def by chance: mostly such as the table allows, with handles of the
 * right kind, spans in registered buffers and arguments that mean something somewhere.
 *
 * What an operation does with its arguments is not known here, except where it would hurt the
 * program that asks: so operations, flags and kinds that the table gains take part by themselves.
 *
 * Context: a process has one stock, shared by its threads; a chance belongs to one thread.
 */
#pragma once
#include "support/op_table.h"
#include "support/raw.h"

/* xorshift64*: fast, and the seed is printed. Never zero. */
struct chance {
    uint64_t state;
};
uint64_t chance_next(struct chance *chance);
/* 0 .. limit-1 */
uint32_t chance_below(struct chance *chance, uint32_t limit);
static inline bool chance_one_in(struct chance *chance, uint32_t count)
{
    return chance_below(chance, count) == 0;
}

/*
 * What submissions refer to: handles, and what else has been yielded so far. Entries are replaced
 * as new ones come; a handle that falls out has to be closed by whoever put the new one in.
 */
#define STOCK_HANDLES 64u
#define STOCK_FIXED   16u /* handles the program had: never consumed */
#define STOCK_NUMBERS 32u

struct stock_handle {
    uint64_t handle; /* through __atomic operations only, as all in here that changes */
    uint32_t kinds;  /* a set: what it may be */
};
struct stock {
    struct stock_handle fixed[STOCK_FIXED];
    uint32_t fixed_count;
    struct raw_scratch scratch;   /* spans; scribbled on */
    struct raw_scratch templates; /* what must be right, or would hurt */
    struct stock_handle handles[STOCK_HANDLES];
    uint64_t numbers[STOCK_NUMBERS]; /* values that operations yielded: indices, sizes, ... */
};

/* Before any other thread runs: takes handles of every kind there is. */
void stock_fill(struct stock *stock);
/* Takes in what the operation yielded, whose handle might be of `kinds_given`; answers a handle to
 * close, or 0. */
uint64_t stock_take(struct stock *stock, struct chance *chance,
                    const struct abi_submission *submission, uint32_t kinds_given, uint64_t value);
/* What a handle may be; any kind for one that is not known. */
uint32_t stock_kinds_of(const struct stock *stock, uint64_t handle);
/* The handle has been consumed. */
void stock_forget(struct stock *stock, uint64_t handle);
bool stock_is_fixed(const struct stock *stock, uint64_t handle);

/* The next submission, without user data. */
struct abi_submission grammar_make(struct stock *stock, struct chance *chance);
/* An outcome the table gives no reason for. */
bool grammar_allows(const struct abi_submission *submission, uint32_t status, bool is_served);
const struct op_row *grammar_row(uint8_t number);
