/* Expands abi/ops.def into rows. */
#include "op_table.h"

#define K(NAME)       ABI_KIND_BIT(NAME)
#define ANY_KIND      ABI_KINDS_ANY
#define NO_CAPABILITY 0u
#define R(NAME)       ABI_RIGHT_##NAME
#define NO_RIGHTS     0ull
#define F(NAME)       ROW_FIELD_##NAME
#define NO_FIELDS     0u
#define S(NAME)       | ROW_ERROR_BIT(ABI_STATUS_##NAME)

const struct op_row op_rows[] = {
#define OP(number_, NAME, name_, KINDS, RIGHTS, BUFFER, FIELDS, FLAGS, HANDLES, SERVED, value_, \
           ERRORS, summary_)                                                                    \
    {                                                                                           \
        .number = (number_),                                                                    \
        .buffer = ROW_##BUFFER,                                                                 \
        .handles = ROW_##HANDLES,                                                               \
        .served = ROW_##SERVED,                                                                 \
        .fields = (FIELDS),                                                                     \
        .kinds = (KINDS),                                                                       \
        .rights = (uint64_t)(RIGHTS),                                                           \
        .errors = 0 ERRORS,                                                                     \
        .flags = (FLAGS),                                                                       \
        .name = #name_,                                                                         \
    },
#include <abi/ops.def>
#undef OP
};
const uint32_t op_rows_count = sizeof(op_rows) / sizeof(op_rows[0]);
