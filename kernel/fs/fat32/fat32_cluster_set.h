/*
 * A set of clusters of one volume: a bit for each, in pages that are allocated when their first bit
 * is set. All zero is the empty set of no volume.
 *
 * Context: any; the caller excludes two calls for one set. Cost: constant.
 */
#pragma once
#include "base/status.h"

struct fat32_cluster_set {
    uint64_t **pages; /* owned, as each page; nullptr: no bit of it is set */
    uint32_t page_count;
    uint32_t cluster_count; /* in the set */
};

/* For clusters below `end`. OUT_OF_MEMORY */
status fat32_cluster_set_init(struct fat32_cluster_set *set, uint32_t end);
void fat32_cluster_set_deinit(struct fat32_cluster_set *set);
/* Makes the set empty. */
void fat32_cluster_set_clear(struct fat32_cluster_set *set);

bool fat32_cluster_set_has(const struct fat32_cluster_set *set, uint32_t cluster);
/* Adds one that is not in it. OUT_OF_MEMORY */
status fat32_cluster_set_add(struct fat32_cluster_set *set, uint32_t cluster);
