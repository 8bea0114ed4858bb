/*
 * Reads and writes straight between a device and the memory of a program: of block devices, always,
 * and of files with ABI_IO_DIRECT.
 *
 * The frames of the pinned span are given to the device; nothing is copied, and what it costs
 * hardly grows with the length. The operation is parked meanwhile and cannot be cancelled: whoever
 * takes the buffer or the handle back waits until the device is done with it, which is bounded
 * (BLOCK_TIMEOUT_MS for each of the requests that an operation makes one after another, and
 * DIRECT_BYTES_MAX for the whole).
 *
 * An operation that has moved some bytes when an error comes answers how many; the error comes
 * again to whoever goes on from there. So a short answer means: the end of the device or file, an
 * error just behind, or a span longer than DIRECT_BYTES_MAX.
 */
#pragma once
#include "ops/ops.h"

#define DIRECT_BYTES_MAX (16ull << 20)

status direct_init(void); /* boot. OUT_OF_MEMORY */
