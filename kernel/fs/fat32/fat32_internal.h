/* What the files of the core share: bytes of the volume and steps through its table. */
#pragma once
#include "fs/fat32/fat32_core.h"

RESULT_TYPE(fat32_bytes_result, uint8_t *);
/*
 * The bytes at an offset of the volume, up to the end of its block, until the next call. Entries of
 * the table and of directories never cross a block.
 *   IO_ERROR (also past the end), TIMED_OUT, OUT_OF_MEMORY
 */
fat32_bytes_result fat32_volume_bytes(struct fat32_volume *volume, uint64_t offset_bytes);

/*
 * The same, of a directory, to be changed at once: the whole sector that holds the offset is
 * written at the next checkpoint. PERMISSION_DENIED when the volume is read-only.
 */
fat32_bytes_result fat32_volume_change(struct fat32_volume *volume, uint64_t offset_bytes);
/* Damage was met that writing could make worse: nothing is written from now on. */
void fat32_volume_protect(struct fat32_volume *volume, text reason);

/* True for the number of a cluster that exists; says nothing about whether it is in use. */
bool fat32_is_cluster(const struct fat32_volume *volume, uint32_t cluster);
/* Where it starts, in bytes from the volume's start. */
uint64_t fat32_cluster_start(const struct fat32_volume *volume, uint32_t cluster);
/* The table's entry for a cluster that exists: the next one, or a mark. Statuses as above. */
status fat32_next_cluster(struct fat32_volume *volume, uint32_t cluster, uint32_t *out_next);
