/* For mm itself and its tests. */
#pragma once
#include "mm/frame_pool.h"

/*
 * A tagged run is one that only frame_pool_untag releases for giving: the heap tags its large
 * objects, so that a stray pointer to somebody's frames is not taken for one.
 */
void frame_pool_tag(physical_address start, uint32_t order);
/* The order of the tagged run that starts here, which is tagged no longer, or -1. */
int frame_pool_untag(physical_address start);

/* Tests only: forgets every region, cache and reclaimer. */
void frame_pool_reset(void);
