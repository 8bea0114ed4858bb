/*
 * Block devices: disks and partitions, by sectors. They are entries of /dev, and are read and
 * written straight into and out of the caller's memory: nothing is cached or copied.
 *
 * Offsets, lengths and the memory's address are multiples of the device's sector size
 * (block_device_stat() says it, in block.sector_bytes). Transfers may be short: at the end, in
 * front of an error, and when they are very long.
 *
 * Context: any thread; sleeps until the device has answered.
 */
#pragma once
#include "peal/file.h"

/*
 *   NOT_FOUND   nothing of that name, or it is no block device
 *   BUSY        `rights` has RIGHT_WRITE, and a volume on the device is mounted
 */
block_device_result peal_block_device_open(directory_ref folder, text path, uint64_t rights);
/* INVALID_ARGUMENT (no multiple of a sector), IO_ERROR, TIMED_OUT */
size_result peal_block_device_read(block_device_ref device, span into, uint64_t offset_bytes);
/* As above; OUT_OF_RANGE at the end, PERMISSION_DENIED when the device is read-only */
size_result peal_block_device_write(block_device_ref device, view from, uint64_t offset_bytes);
