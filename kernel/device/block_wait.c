/* Block requests that a thread waits for. */
#include "base/checked.h"
#include "debug/assert.h"
#include "device/block_device.h"
#include "mm/direct_map.h"
#include "mm/heap.h"
#include "sched/wait_queue.h"

struct block_waiter {
    spin_lock lock;
    struct wait_queue sleepers;
    bool is_done GUARDED_BY(lock);
    status outcome GUARDED_BY(lock);
};

static void wake_waiter(struct block_request *request, status outcome)
{
    struct block_waiter *waiter = request->context;
    spin_acquire(&waiter->lock);
    waiter->outcome = outcome;
    waiter->is_done = true;
    /* Under the lock: the waiter's stack is there until it has had the lock again. */
    wait_queue_wake_all(&waiter->sleepers);
    spin_release(&waiter->lock);
}

status block_submit_and_wait(struct block_device *device, struct block_request *request)
{
    struct block_waiter waiter = {0};
    spin_lock_init(&waiter.lock, LOCK_RANK_DEVICE);
    wait_queue_init(&waiter.sleepers);
    request->completed = wake_waiter;
    request->context = &waiter;
    device->submit(device, request);

    spin_acquire(&waiter.lock);
    /* Not interruptible and without a limit: the device writes into memory that is ours until it
     * completes, and it always does (BLOCK_TIMEOUT_MS). */
    while (!waiter.is_done)
        ignore_status(wait_queue_sleep(&waiter.sleepers, &waiter.lock, deadline_never(), false));
    status outcome = waiter.outcome;
    spin_release(&waiter.lock);
    return outcome;
}

/* Moves one stretch of at most sectors_per_request_max sectors; `request` is scratch. */
static status move_stretch(struct block_device *device, struct block_request *request,
                           enum block_direction direction, uint64_t first_sector,
                           uint32_t sector_count, void *memory)
{
    request->direction = direction;
    request->first_sector = first_sector;
    request->sector_count = sector_count;
    request->piece_count = 1;
    request->pieces[0] = (struct block_piece){
        .start = direct_map_reverse(memory),
        .length_bytes = sector_count * device->sector_bytes,
    };
    return block_submit_and_wait(device, request);
}

static status move(struct block_device *device, enum block_direction direction,
                   uint64_t first_sector, uint32_t sector_count, void *memory)
{
    struct block_request request = {0};
    uint32_t stretch_max =
        min_of(device->sectors_per_request_max, (uint32_t)(HEAP_BYTES_MAX / device->sector_bytes));
    uint8_t *at = memory;
    while (sector_count > 0) {
        uint32_t stretch = min_of(sector_count, stretch_max);
        TRY(move_stretch(device, &request, direction, first_sector, stretch, at));
        first_sector += stretch;
        sector_count -= stretch;
        at += (uint64_t)stretch * device->sector_bytes;
    }
    return OK;
}

status block_read(struct block_device *device, uint64_t first_sector, uint32_t sector_count,
                  void *memory)
{
    return move(device, BLOCK_READ, first_sector, sector_count, memory);
}

status block_write(struct block_device *device, uint64_t first_sector, uint32_t sector_count,
                   const void *memory)
{
    /* A write only reads from the memory. */
    return move(device, BLOCK_WRITE, first_sector, sector_count, (void *)(uintptr_t)memory);
}

status block_flush(struct block_device *device)
{
    struct block_request request = {.direction = BLOCK_FLUSH};
    return block_submit_and_wait(device, &request);
}
