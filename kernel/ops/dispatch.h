/*
 * The dispatch table: what each operation number needs and who runs it.
 * Context: any; constant.
 */
#pragma once
#include "ops/ops.h"

/* By number; nullptr where there is no operation. */
extern const struct op_descriptor *const dispatch_rows[RING_OPERATIONS];
