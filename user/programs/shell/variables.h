/*
 * The shell's variables: all of them are the environment of what it runs. Names and values are
 * copies on the heap.
 */
#pragma once
#include "peal/status.h"

#define VARIABLES_MAX 256u

struct variables {
    uint32_t count;
    text items[VARIABLES_MAX]; /* "NAME=value", owned */
};

bool variables_get(const struct variables *variables, text name, text *out_value);
/* OUT_OF_MEMORY, QUOTA_EXCEEDED (VARIABLES_MAX) */
status variables_set(struct variables *variables, text name, text value);
void variables_unset(struct variables *variables, text name);
