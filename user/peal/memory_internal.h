/* Between memory.c and start-up, which knows regions nobody mapped: code, data, the first stack. */
#pragma once
#include "peal/region_table.h"

/* False when the table is full or the region overlaps one that is there. */
bool peal_region_add(struct region region);
