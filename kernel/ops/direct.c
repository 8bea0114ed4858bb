/*
 * Direct reads and writes: see direct.h.
 *
 * The transfer is a part of the op, but for the request, which is large. It goes extent by extent:
 * sectors of the device that lie side by side; a block device is one. One request is under way at a
 * time; the next of the same extent is made and submitted by its completion, in interrupt context.
 * For the next extent of a file the op goes to a worker, as the file system may have to look it up.
 */
#include "ops/direct.h"
#include "base/checked.h"
#include "fs/devices/devices.h"
#include "fs/vfs/vfs.h"
#include "mm/heap.h"

struct transfer {
    struct block_device *device;
    struct block_request *request; /* nullptr: not taken yet */
    struct object *file;           /* borrowed from the op; nullptr: a block device */
    uint64_t first_sector;         /* where the extent's first byte is on the device */
    uint64_t extent_begin;         /* the extent, in bytes from the span's start */
    uint64_t extent_end;
    uint64_t done_bytes;
    enum block_direction direction;
};

static struct slab_cache *requests;

status direct_init(void)
{
    requests = slab_cache_create("direct request", sizeof(struct block_request),
                                 alignof(struct block_request));
    return requests != nullptr ? OK : FAIL(OUT_OF_MEMORY);
}

/* ---- requests ---- */

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
    uint64_t sector_bytes = transfer->device->sector_bytes;
    uint64_t left = min_of(transfer->extent_end - transfer->done_bytes,
                           transfer->device->sectors_per_request_max * sector_bytes);
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
    uint64_t in_extent = transfer->done_bytes - transfer->extent_begin;
    request->first_sector = transfer->first_sector + in_extent / sector_bytes;
    request->sector_count = (uint32_t)(named / sector_bytes);
    return OK;
}

/* The outcome of the whole: what has been moved counts, even if an error ended it. */
static op_outcome conclude(struct op *op, status outcome)
{
    struct transfer *transfer = op_use(op, struct transfer);
    if (transfer->request != nullptr) slab_give(requests, transfer->request);
    return transfer->done_bytes > 0 ? op_done(transfer->done_bytes) : op_result(outcome, 0);
}

static void end_extent(struct transfer *transfer, uint64_t offset)
{
    if (transfer->file == nullptr) return;
    vfs_direct_end(transfer->file, offset + transfer->extent_begin,
                   transfer->extent_end - transfer->extent_begin,
                   transfer->direction == BLOCK_WRITE);
}

static uint64_t wanted_bytes(const struct op *op)
{
    return min_of(op->pin.length, DIRECT_BYTES_MAX);
}

static op_outcome go_on_waiting(struct op *op);

static void request_completed(struct block_request *request, status outcome)
{
    struct op *op = request->context;
    struct transfer *transfer = op_use(op, struct transfer);
    if (is_ok(outcome)) {
        transfer->done_bytes += (uint64_t)request->sector_count * transfer->device->sector_bytes;
        bool is_over = transfer->done_bytes == transfer->extent_end;
        if (!is_over) outcome = name_frames(transfer, &op->pin);
        if (!is_over && is_ok(outcome)) {
            transfer->device->submit(transfer->device, request);
            return;
        }
    }
    end_extent(transfer, op->submission.offset_bytes);
    bool has_more = transfer->file != nullptr && transfer->done_bytes < wanted_bytes(op);
    if (is_ok(outcome) && has_more)
        (void)op_defer(op, go_on_waiting).code;
    else
        op_complete(op, conclude(op, outcome));
}

/* Submits the first request of the extent. The op is handed on when this answers pending. */
static op_outcome start_extent(struct op *op)
{
    struct transfer *transfer = op_use(op, struct transfer);
    status named = OK;
    if (transfer->request == nullptr) transfer->request = slab_take(requests);
    if (transfer->request == nullptr) named = FAIL(OUT_OF_MEMORY);
    if (is_ok(named)) named = name_frames(transfer, &op->pin);
    if (!is_ok(named)) {
        end_extent(transfer, op->submission.offset_bytes);
        return conclude(op, named);
    }
    struct block_request *request = transfer->request;
    request->direction = transfer->direction;
    request->completed = request_completed;
    request->context = op;
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
    uint64_t length = wanted_bytes(op);
    uint64_t size = device->sector_count * device->sector_bytes;
    if (!is_aligned(offset | op->pin.length | op->pin.offset, device->sector_bytes))
        return op_failed(FAIL(INVALID_ARGUMENT));
    if (offset >= size) return direction == BLOCK_READ ? op_done(0) : op_failed(FAIL(OUT_OF_RANGE));
    if (length == 0) return op_done(0);
    *op_use(op, struct transfer) = (struct transfer){
        .device = device,
        .first_sector = offset / device->sector_bytes,
        .extent_end = min_of(length, size - offset),
        .direction = direction,
    };
    return start_extent(op);
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

/* A transfer of nothing, whose one request is a flush. */
op_outcome op_sync_device(struct op *op)
{
    *op_use(op, struct transfer) = (struct transfer){
        .device = device_object_device(op_object(op)),
        .direction = BLOCK_FLUSH,
    };
    return start_extent(op);
}

void stat_device(struct object *device, struct abi_stat *stat)
{
    device_object_fill_stat(device, stat);
}

/* ---- files ---- */

/* What cannot go directly: the part of a sector at the end of the file. */
static op_outcome copy_rest(struct op *op)
{
    struct transfer *transfer = op_use(op, struct transfer);
    uint64_t offset = op->submission.offset_bytes + transfer->done_bytes;
    buffer_pin rest = op->pin; /* borrowed */
    rest.offset += transfer->done_bytes;
    rest.length = wanted_bytes(op) - transfer->done_bytes;
    size_result copied = transfer->direction == BLOCK_READ
                             ? vfs_read(op_object(op), offset, &rest)
                             : vfs_write(op_object(op), offset, false, &rest);
    transfer->done_bytes += copied.value;
    return conclude(op, copied.status);
}

/* Begins the next extent. WOULD_BLOCK, and nothing has begun: only when !may_wait. */
static op_outcome go_on(struct op *op, bool may_wait)
{
    struct transfer *transfer = op_use(op, struct transfer);
    uint64_t done = transfer->done_bytes;
    struct vnode_extent extent;
    status begun = vfs_direct_begin(transfer->file, op->submission.offset_bytes + done,
                                    wanted_bytes(op) - done, transfer->direction == BLOCK_WRITE,
                                    may_wait, &extent);
    if (!may_wait && begun.code == STATUS_WOULD_BLOCK) return op_failed(begun);
    if (!is_ok(begun)) return conclude(op, begun);
    if (extent.length_bytes == 0) return may_wait ? copy_rest(op) : op_failed(FAIL(WOULD_BLOCK));
    transfer->device = extent.device;
    transfer->first_sector = extent.first_sector;
    transfer->extent_begin = done;
    transfer->extent_end = done + extent.length_bytes;
    if (is_aligned(op->pin.offset, extent.device->sector_bytes)) return start_extent(op);
    end_extent(transfer, op->submission.offset_bytes);
    return conclude(op, FAIL(INVALID_ARGUMENT));
}

static op_outcome go_on_waiting(struct op *op)
{
    return go_on(op, true);
}

static op_outcome move_file(struct op *op, enum block_direction direction)
{
    if (op->pin.length == 0) return op_done(0);
    *op_use(op, struct transfer) = (struct transfer){
        .file = op_object(op),
        .direction = direction,
    };
    op_outcome begun = go_on(op, false);
    return begun.code == STATUS_WOULD_BLOCK ? op_defer(op, go_on_waiting) : begun;
}

op_outcome op_read_file_direct(struct op *op)
{
    return move_file(op, BLOCK_READ);
}

op_outcome op_write_file_direct(struct op *op)
{
    if (op->submission.op_flags & ABI_WRITE_APPEND) return op_failed(FAIL(INVALID_ARGUMENT));
    return move_file(op, BLOCK_WRITE);
}
