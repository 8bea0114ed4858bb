/*
 * Block devices: disks and partitions of disks.
 *
 * A request names sectors and a list of memory pieces, is queued without waiting and completes
 * once, in any order relative to others. The device moves the data by DMA, straight to and from the
 * frames named.
 *
 * Context: submit from task context or from a completion; completions run in interrupt context, or
 *          in the caller's during submit, holding no lock.
 * Locking: the driver's own (LOCK_RANK_DEVICE), not held during completions.
 */
#pragma once
#include "base/address.h"
#include "base/list.h"
#include "base/status.h"
#include "base/text.h"
#include <stdatomic.h>

#define BLOCK_PIECES_MAX       32u
#define BLOCK_DEVICES_MAX      32u
#define BLOCK_NAME_BYTES_MAX   24u
#define BLOCK_TIMEOUT_MS       30000u
#define BLOCK_SECTOR_BYTES_MIN 512u
#define BLOCK_SECTOR_BYTES_MAX 4096u

enum block_direction : uint8_t { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH };

struct block_piece {
    physical_address start; /* 4-byte aligned, does not cross what is contiguous */
    uint32_t length_bytes;  /* multiple of 4, not 0 */
};

/* From submit to `completed` all of it is the device's, which may change first_sector. */
struct block_request {
    struct list link; /* the driver's */
    enum block_direction direction;
    uint32_t piece_count;                        /* 0 for a flush */
    uint64_t first_sector;                       /* in units of the device's sector size */
    uint32_t sector_count;                       /* 0 for a flush */
    struct block_piece pieces[BLOCK_PIECES_MAX]; /* sum of lengths = sector_count sectors */
    /*
     * Once, when finished. The request is the submitter's again.
     *   OK
     *   INVALID_ARGUMENT    pieces that break the rules above, or that meet inside a sector
     *                       elsewhere than at a page's end, which NVMe cannot do
     *   OUT_OF_RANGE        not inside the device, or more than sectors_per_request_max
     *   PERMISSION_DENIED   a write to what is read-only
     *   IO_ERROR            the device said so, lied, or is gone
     *   TIMED_OUT           it did not answer in BLOCK_TIMEOUT_MS
     */
    void (*completed)(struct block_request *request, status outcome);
    void *context;
    void *driver_data;
};

/* Who writes to a device: what is mounted there, or whoever has a handle to the device itself. */
enum block_claim : uint8_t { BLOCK_CLAIM_VOLUME, BLOCK_CLAIM_HANDLE, BLOCK_CLAIM_COUNT };

struct block_device {
    /* Fixed when registered. */
    char name[BLOCK_NAME_BYTES_MAX]; /* "virtio0", "virtio0p1"; zero padded */
    uint32_t sector_bytes;           /* a power of two, 512..4096 */
    uint64_t sector_count;
    uint32_t sectors_per_request_max;
    bool is_read_only;
    bool is_system_partition;  /* the firmware's, with what boots the machine */
    struct block_device *disk; /* a part of this one; nullptr: a disk */
    /* Queues it; always completes, also after errors found at once (then possibly before
     * returning). */
    void (*submit)(struct block_device *device, struct block_request *request);
    void *driver;

    /* Atomic, statistics: ordered with nothing. Requests taken, and those that did not end well. */
    _Atomic uint64_t reads, writes, flushes, errors;
    _Atomic uint64_t read_bytes, written_bytes; /* asked for */

    uint32_t claims[BLOCK_CLAIM_COUNT]; /* guarded by the registry's lock */
};

/*
 * Boot and hot-plug: makes the device known. It lives as long as the kernel.
 *   QUOTA_EXCEEDED   there are BLOCK_DEVICES_MAX already
 */
status block_device_register(struct block_device *device);
uint32_t block_device_count(void);
/* index < block_device_count() */
struct block_device *block_device_at(uint32_t index);
text block_device_name(const struct block_device *device);

/*
 * Begins and ends writing. Volumes and handles exclude each other, on a disk and all its
 * partitions; among themselves they are let alone. Any context.
 *   BUSY   claimed by the other kind
 */
status block_device_claim(struct block_device *device, enum block_claim claim);
void block_device_unclaim(struct block_device *device, enum block_claim claim);

/* For drivers: notes a request in the device's statistics. Any context. */
void block_device_count_request(struct block_device *device, const struct block_request *request);
/* For drivers: the checks that every request must pass before the hardware sees it; see
 * `completed`. */
status block_request_check(const struct block_device *device, const struct block_request *request);

/*
 * Reads or writes and waits. `memory` is kernel memory from the heap (physically contiguous),
 * 4-byte aligned, of sector_count sectors. Task context, sleeps. Errors as for a request's
 * `completed`.
 */
status block_read(struct block_device *device, uint64_t first_sector, uint32_t sector_count,
                  void *memory);
status block_write(struct block_device *device, uint64_t first_sector, uint32_t sector_count,
                   const void *memory);
/* Waits until everything written is on the medium. Task context, sleeps. */
status block_flush(struct block_device *device);
/* Waits for a request the caller has filled in, except `completed` and `context`. Task context. */
status block_submit_and_wait(struct block_device *device, struct block_request *request);

/* ---- partitions ---- */

/*
 * Reads the partition table (device/gpt.h), or its backup when that is damaged, and registers a
 * device per partition, "NAMEpN" with N from 1. Entries that are damaged or overlap an earlier one
 * are left out, with a line in the log. Answers how many; a disk without a table has none and may
 * hold a file system as a whole. Task context, sleeps.
 */
uint32_t block_device_find_partitions(struct block_device *disk);
