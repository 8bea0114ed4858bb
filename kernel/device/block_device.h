/*
 * Block devices: disks and partitions of disks.
 *
 * A request names sectors and a list of memory pieces, is queued without waiting and completes once, in any order. The device moves
 * the data by DMA, straight to and from the frames named.
 *
 * Context: submit from task context or from a completion; completions run in interrupt context.
 * Locking: the driver's own (LOCK_RANK_DEVICE), not held during completions.
 */
#pragma once
#include "base/address.h"
#include "base/list.h"
#include "base/status.h"
#include "base/text.h"

#define BLOCK_PIECES_MAX        32u
#define BLOCK_DEVICES_MAX       32u
#define BLOCK_NAME_BYTES_MAX    24u
#define BLOCK_TIMEOUT_MS        30000u

enum block_direction : uint8_t { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH };

struct block_piece {
    physical_address start; /* 4-byte aligned, does not cross what is contiguous */
    uint32_t length_bytes;
};

struct block_request {
    struct list link; /* the driver's, while queued */
    enum block_direction direction;
    uint32_t piece_count;
    uint64_t first_sector; /* in units of the device's sector size */
    uint32_t sector_count;
    struct block_piece pieces[BLOCK_PIECES_MAX]; /* sum of lengths = sector_count sectors */
    /* Once, when finished: OK, IO_ERROR, TIMED_OUT. The request is the submitter's again. */
    void (*completed)(struct block_request *request, status outcome);
    void *context;
    void *driver_data;
};

struct block_device {
    char name[BLOCK_NAME_BYTES_MAX]; /* "virtio0", "virtio0p1"; zero padded */
    uint32_t sector_bytes;           /* 512 or 4096 */
    uint64_t sector_count;
    uint32_t sectors_per_request_max;
    bool is_read_only;
    /* Queues it; always completes, also after errors found at once (then possibly before returning). */
    void (*submit)(struct block_device *device, struct block_request *request);
    void *driver;
    _Atomic uint64_t reads, writes, errors; /* statistics */
};

/* Boot and hot-plug: makes the device known. QUOTA_EXCEEDED when there are too many. The device lives as long as the kernel. */
status block_device_register(struct block_device *device);
uint32_t block_device_count(void);
struct block_device *block_device_at(uint32_t index);

/*
 * Reads or writes and waits. `memory` is kernel memory from the heap (physically contiguous) of sector_count sectors. Task context, sleeps.
 *   OUT_OF_RANGE, IO_ERROR, TIMED_OUT, OUT_OF_MEMORY
 */
status block_read(struct block_device *device, uint64_t first_sector, uint32_t sector_count, void *memory);
status block_write(struct block_device *device, uint64_t first_sector, uint32_t sector_count,
                   const void *memory);
/* Waits for a request the caller has filled in, except `completed` and `context`. Task context. */
status block_submit_and_wait(struct block_device *device, struct block_request *request);

/* ---- partitions ---- */

/*
 * Reads the partition table (device/gpt.h) and registers a device per partition, "NAMEpN". Answers how many; a disk without
 * a table has none and may hold a file system as a whole.
 */
uint32_t block_device_find_partitions(struct block_device *disk);
