/*
 * Direct reads and writes: see direct.h.
 *
 * The transfer is a part of the op, but for the request, which is large. One request is under way
 * at a time; the next is made and submitted by its completion, in interrupt context.
 */
#include "ops/direct.h"
#include "base/checked.h"
#include "fs/devices/devices.h"
#include "mm/heap.h"

struct transfer {
    struct block_device *device;
    struct block_request *request;
    uint64_t first_sector; /* where on the device byte 0 of the span belongs */
    uint64_t length_bytes; /* whole sectors, for this operation */
    uint64_t done_bytes;
};

static struct slab_cache *requests;

status direct_init(void)
{
    requests = slab_cache_create("direct request", sizeof(struct block_request),
                                 alignof(struct block_request));
    return requests != nullptr ? OK : FAIL(OUT_OF_MEMORY);
}

/* Adds a page's part to the request's pieces. False: there is no room. */
static bool add_piece(struct block_request *request, physical_address start, uint32_t bytes)
{
    if (request->piece_count > 0) {
        struct block_piece *last = &request->pieces[request->piece_count - 1];
        if (last->start.value + last->length_bytes == start.value) {
            last->length_bytes += bytes;
            return true;
        }
    }
    if (request->piece_count == BLOCK_PIECES_MAX) return false;
    request->pieces[request->piece_count++] = (struct block_piece){start, bytes};
    return true;
}

/*
 * Names the frames of the span from what is done on, as many as one request takes. All parts are of
 * whole sectors, for those lie in the buffer as they do on the device: aligned.
 *   OUT_OF_MEMORY   for a page that does not exist yet
 */
static status name_frames(const struct transfer *transfer, const buffer_pin *pin)
{
    struct block_request *request = transfer->request;
    uint64_t request_bytes_max =
        (uint64_t)transfer->device->sectors_per_request_max * transfer->device->sector_bytes;
    uint64_t left = min_of(transfer->length_bytes - transfer->done_bytes, request_bytes_max);
    uint64_t at = pin->offset + transfer->done_bytes;
    uint64_t named = 0;
    request->piece_count = 0;
    while (named < left) {
        uint32_t in_page = (uint32_t)(at % PAGE_BYTES);
        uint32_t bytes = (uint32_t)min_of(PAGE_BYTES - in_page, left - named);
        frame_result frame = buffer_touch(pin->buffer, at / PAGE_BYTES);
        TRY(frame.status);
        if (!add_piece(request, physical_add(frame.value, in_page), bytes)) break;
        named += bytes;
        at += bytes;
    }
    uint32_t sector_bytes = transfer->device->sector_bytes;
    request->first_sector = transfer->first_sector + transfer->done_bytes / sector_bytes;
    request->sector_count = (uint32_t)(named / sector_bytes);
    return OK;
}

/* What has been moved counts, even if an error ended it. */
static void finish(struct op *op, status outcome)
{
    const struct transfer *transfer = op_use(op, struct transfer);
    uint64_t done = transfer->done_bytes;
    slab_give(requests, transfer->request);
    op_complete(op, done > 0 ? op_done(done) : op_result(outcome, 0));
}

static void request_completed(struct block_request *request, status outcome)
{
    struct op *op = request->context;
    struct transfer *transfer = op_use(op, struct transfer);
    if (is_ok(outcome)) {
        transfer->done_bytes += (uint64_t)request->sector_count * transfer->device->sector_bytes;
        if (transfer->done_bytes < transfer->length_bytes) {
            outcome = name_frames(transfer, &op->pin);
            if (is_ok(outcome)) {
                transfer->device->submit(transfer->device, request);
                return;
            }
        }
    }
    finish(op, outcome);
}

/* The op is handed on when this answers pending. */
static op_outcome start_transfer(struct op *op, enum block_direction direction)
{
    struct transfer *transfer = op_use(op, struct transfer);
    struct block_request *request = slab_take(requests);
    if (request == nullptr) return op_failed(FAIL(OUT_OF_MEMORY));
    transfer->request = request;
    transfer->done_bytes = 0;
    request->direction = direction;
    request->completed = request_completed;
    request->context = op;
    status named = name_frames(transfer, &op->pin);
    if (!is_ok(named)) {
        slab_give(requests, request);
        return op_failed(named);
    }
    /* Not to be cancelled: the device has the frames. */
    op_outcome pending = op_park(op, nullptr, deadline_never());
    transfer->device->submit(transfer->device, request);
    return pending;
}

/* ---- block devices ---- */

static op_outcome move_device(struct op *op, enum block_direction direction)
{
    struct block_device *device = device_object_device(op_object(op));
    uint64_t offset = op->submission.offset_bytes;
    uint64_t length = min_of(op->pin.length, DIRECT_BYTES_MAX);
    uint64_t size = device->sector_count * device->sector_bytes;
    if (!is_aligned(offset | op->pin.length | op->pin.offset, device->sector_bytes))
        return op_failed(FAIL(INVALID_ARGUMENT));
    if (offset >= size) return direction == BLOCK_READ ? op_done(0) : op_failed(FAIL(OUT_OF_RANGE));
    *op_use(op, struct transfer) = (struct transfer){
        .device = device,
        .first_sector = offset / device->sector_bytes,
        .length_bytes = min_of(length, size - offset),
    };
    return length == 0 ? op_done(0) : start_transfer(op, direction);
}

op_outcome op_read_device(struct op *op)
{
    if (op->submission.op_flags & ABI_READ_DO_NOT_WAIT) return op_failed(FAIL(WOULD_BLOCK));
    return move_device(op, BLOCK_READ);
}

op_outcome op_write_device(struct op *op)
{
    if (op->submission.op_flags & ABI_WRITE_APPEND) return op_failed(FAIL(INVALID_ARGUMENT));
    return move_device(op, BLOCK_WRITE);
}

void stat_device(struct object *device, struct abi_stat *stat)
{
    device_object_fill_stat(device, stat);
}
