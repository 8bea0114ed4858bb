/*
 * Open files: writing, truncating, syncing, direct transfers.
 *
 * A write inside the file needs no mutex: each page is put under its table's lock. Whatever may
 * change the size, and whatever writes at a position or at the end, has the vnode's write_lock, so
 * that an append is in one piece and two who write at one position write behind each other.
 *
 * Room on the volume is promised (`reserve`) before anything is changed; so is, piece by piece,
 * room among the dirty pages.
 */
#include "base/checked.h"
#include "device/block_device.h"
#include "fs/vfs/page_cache.h"
#include "fs/vfs/vfs_internal.h"
#include "fs/vfs/write_error.h"
#include "time/clock.h"
#include <abi/ops.h>
#include <abi/ring.h>

static constexpr uint32_t FILL_ATTEMPTS_MAX = 8;
/* How much is written between two looks at how much is dirty. */
static constexpr uint64_t STEP_BYTES = PAGE_CACHE_WRITE_PAGES * PAGE_BYTES;

static inline uint64_t size_of(const struct vnode *vnode)
{
    return atomic_load_explicit(&vnode->size_bytes, memory_order_relaxed);
}

static inline uint64_t pages_touched(uint64_t length)
{
    return length / PAGE_BYTES + 2;
}

/* OK when a file may end there. */
static status check_end(uint64_t offset, uint64_t length)
{
    return span_fits(offset, length, ABI_FILE_BYTES_MAX) ? OK : FAIL(OUT_OF_RANGE);
}

/* Room up to there, or, for a file that is so long already, only whether it may be written. */
static status reserve(struct vnode *vnode, uint64_t end, bool may_wait)
{
    if (vnode->operations->write_pages == nullptr) return FAIL(PERMISSION_DENIED);
    return vnode->operations->reserve(vnode, max_of(end, size_of(vnode)), may_wait);
}

/* A write that lies inside the file and finds it dirty has been allowed before. */
static status reserve_if_needed(struct vnode *vnode, uint64_t end, bool may_wait)
{
    if (likely(page_cache_is_dirty(vnode) && end <= size_of(vnode))) return OK;
    return reserve(vnode, end, may_wait);
}

/* ---- without waiting ---- */

static struct page_transfer transfer_from(struct vnode *vnode, uint64_t offset,
                                          const buffer_pin *from)
{
    return (struct page_transfer){.vnode = vnode,
                                  .offset = offset,
                                  .length = from->length,
                                  .buffer = from->buffer,
                                  .at = from->offset};
}

/* What has not been done yet may be done by waiting. */
static size_result would_block_after(uint64_t done)
{
    return (size_result){.status = FAIL(WOULD_BLOCK), .value = done};
}

static size_result put_at_once(struct vnode *vnode, uint64_t offset, bool may_grow,
                               const buffer_pin *from)
{
    TRY_AS(size_result, check_end(offset, from->length));
    TRY_AS(size_result, reserve_if_needed(vnode, offset + from->length, false));
    if (unlikely(!page_cache_has_room(pages_touched(from->length)))) return would_block_after(0);
    struct page_transfer transfer = transfer_from(vnode, offset, from);
    status outcome = page_cache_put(&transfer, may_grow);
    if (likely(is_ok(outcome))) return (size_result){.value = from->length};
    if (outcome.code == STATUS_INTERRUPTED) return (size_result){.status = outcome};
    return would_block_after(from->length - transfer.length);
}

/* Where a write begins that is not told where. */
static uint64_t begin_of(struct open_file *file, uint64_t offset, bool append)
{
    if (append) return size_of(file->vnode);
    if (offset != ABI_OFFSET_CURRENT) return offset;
    return atomic_load_explicit(&file->position, memory_order_relaxed);
}

static void move_position(struct open_file *file, uint64_t offset, bool append, uint64_t end)
{
    if (append || offset == ABI_OFFSET_CURRENT)
        atomic_store_explicit(&file->position, end, memory_order_relaxed);
}

[[gnu::noinline]] static size_result put_at_end_at_once(struct open_file *file, uint64_t offset,
                                                        bool append, const buffer_pin *from)
{
    struct vnode *vnode = file->vnode;
    if (!mutex_try_acquire(&vnode->write_lock)) return would_block_after(0);
    uint64_t begin = begin_of(file, offset, append);
    size_result put =
        begin > size_of(vnode) ? would_block_after(0) : put_at_once(vnode, begin, true, from);
    if (put.value > 0) move_position(file, offset, append, begin + put.value);
    mutex_release(&vnode->write_lock);
    return put;
}

size_result vfs_write_cached(struct object *object, uint64_t offset, bool append,
                             const buffer_pin *from)
{
    struct open_file *file = open_file_of(object);
    if (unlikely(from->length == 0)) return (size_result){.value = 0};
    if (append || !span_fits(offset, from->length, size_of(file->vnode)))
        return put_at_end_at_once(file, offset, append, from);
    return put_at_once(file->vnode, offset, false, from);
}

/* ---- with waiting ---- */

/* page_cache_put, with pages read that are not written whole. */
static status put_waiting(struct page_transfer *transfer, bool may_grow)
{
    uint64_t at = UINT64_MAX;
    for (uint32_t attempts = 0; attempts < FILL_ATTEMPTS_MAX; attempts++) {
        status outcome = page_cache_put(transfer, may_grow);
        if (outcome.code != STATUS_WOULD_BLOCK) return outcome;
        if (transfer->offset != at) attempts = 0;
        at = transfer->offset;
        TRY(page_cache_fill(transfer->vnode, at / PAGE_BYTES));
    }
    return FAIL(OUT_OF_MEMORY);
}

/* In steps, each when there is room for its dirty pages. */
static status put_in_steps(struct page_transfer *all, bool may_grow)
{
    while (all->length > 0) {
        struct page_transfer step = *all;
        step.length = min_of(all->length, STEP_BYTES);
        uint64_t wanted = step.length;
        status outcome = page_cache_make_room(all->vnode, pages_touched(wanted));
        if (is_ok(outcome)) outcome = put_waiting(&step, may_grow);
        uint64_t done = wanted - step.length;
        all->offset += done;
        all->at += done;
        all->length -= done;
        TRY(outcome);
    }
    return OK;
}

/* The same, for a file that may grow; the caller has write_lock. */
static status put_growing(struct page_transfer *all)
{
    status outcome = put_in_steps(all, true);
    /* What was put and could not be written is gone, and the file ends where that was. */
    return outcome.code == STATUS_OUT_OF_RANGE ? FAIL(IO_ERROR) : outcome;
}

/* Makes the file at least `size_bytes` long, with zeros. Room is reserved. */
static status grow_locked(struct vnode *vnode, uint64_t size_bytes) REQUIRES(vnode->write_lock)
{
    uint64_t size = size_of(vnode);
    if (size >= size_bytes) return OK;
    struct page_transfer zeros = {.vnode = vnode, .offset = size, .length = size_bytes - size};
    return put_growing(&zeros);
}

/* What was done before a failure was done: the failure is told when nothing was. */
static size_result result_of(status outcome, uint64_t done)
{
    if (is_ok(outcome) || done > 0) return (size_result){.value = done};
    return (size_result){.status = outcome};
}

static size_result write_inside(struct vnode *vnode, uint64_t offset, const buffer_pin *from,
                                bool *out_is_beyond)
{
    TRY_AS(size_result, reserve_if_needed(vnode, offset + from->length, true));
    struct page_transfer transfer = transfer_from(vnode, offset, from);
    status outcome = put_in_steps(&transfer, false);
    *out_is_beyond = outcome.code == STATUS_OUT_OF_RANGE; /* it was cut meanwhile */
    return result_of(outcome, from->length - transfer.length);
}

static size_result write_locked(struct vnode *vnode, uint64_t begin, const buffer_pin *from)
    REQUIRES(vnode->write_lock)
{
    TRY_AS(size_result, check_end(begin, from->length));
    TRY_AS(size_result, reserve(vnode, begin + from->length, true));
    TRY_AS(size_result, grow_locked(vnode, begin));
    struct page_transfer transfer = transfer_from(vnode, begin, from);
    status outcome = put_growing(&transfer);
    return result_of(outcome, from->length - transfer.length);
}

size_result vfs_write(struct object *object, uint64_t offset, bool append,
                      const buffer_pin *from) NO_LOCK_CHECK
{
    struct open_file *file = open_file_of(object);
    struct vnode *vnode = file->vnode;
    if (from->length == 0) return (size_result){.value = 0};
    if (!append && span_fits(offset, from->length, size_of(vnode))) {
        bool is_beyond = false;
        size_result written = write_inside(vnode, offset, from, &is_beyond);
        if (!is_beyond) return written;
    }
    mutex_acquire(&vnode->write_lock);
    uint64_t begin = begin_of(file, offset, append);
    size_result written = write_locked(vnode, begin, from);
    if (is_ok(written.status)) move_position(file, offset, append, begin + written.value);
    mutex_release(&vnode->write_lock);
    return written;
}

static status truncate_locked(struct vnode *vnode, uint64_t size_bytes) REQUIRES(vnode->write_lock)
{
    TRY(check_end(size_bytes, 0));
    TRY(reserve(vnode, size_bytes, true));
    if (size_bytes >= size_of(vnode)) return grow_locked(vnode, size_bytes);
    return page_cache_cut(vnode, size_bytes);
}

size_result vfs_truncate(struct object *object, uint64_t size_bytes)
{
    struct vnode *vnode = vfs_vnode(object);
    mutex_acquire(&vnode->write_lock);
    status outcome = truncate_locked(vnode, size_bytes);
    mutex_release(&vnode->write_lock);
    if (!is_ok(outcome)) return (size_result){.status = outcome};
    return (size_result){.value = size_bytes};
}

/* ---- syncing ---- */

static status sync_volume(struct vnode *any)
{
    return any->operations->sync == nullptr ? OK : any->operations->sync(any);
}

status vfs_sync(struct object *object)
{
    struct open_file *file = open_file_of(object);
    struct vnode *vnode = file->vnode;
    status written = OK;
    if (vnode->kind == ABI_KIND_FILE)
        written = page_cache_write(vnode);
    else if (page_cache_write_all(vnode->volume_number) > 0)
        written = FAIL(IO_ERROR);
    status synced = sync_volume(vnode);
    status told = write_error_take(vnode, &file->error_told);
    if (!is_ok(written)) return written;
    return is_ok(synced) ? told : synced;
}

bool vfs_close_needs_wait(struct object *object)
{
    const struct open_file *file = open_file_of(object);
    uint32_t told = atomic_load_explicit(&file->error_told, memory_order_relaxed);
    return page_cache_is_dirty(file->vnode) || write_error_is_new(file->vnode, told);
}

status vfs_close(struct object *object)
{
    struct open_file *file = open_file_of(object);
    status written = OK;
    /* What nobody can open again need not be written. */
    if (!atomic_load_explicit(&file->vnode->is_removed, memory_order_acquire))
        written = page_cache_write(file->vnode);
    status told = write_error_take(file->vnode, &file->error_told);
    return is_ok(written) ? told : written;
}

static void settle_volume(struct vnode *volume)
{
    /* Its log says what is wrong with it; the machine stops all the same. */
    if (volume->operations->mark_clean != nullptr)
        ignore_status(volume->operations->mark_clean(volume));
    else
        ignore_status(sync_volume(volume));
}

void vfs_sync_all(void)
{
    page_cache_write_all(VOLUME_ANY);
    struct vfs_volume volume;
    for (uint64_t i = 0; vfs_volume_at(i, &volume); i++)
        settle_volume(volume.root);
}

/* ---- direct transfers ---- */

/* Whole sectors that lie inside the file, as far as the extent goes. */
static uint64_t direct_length(const struct vnode *vnode, uint64_t offset, uint64_t length,
                              const struct vnode_extent *extent)
{
    uint64_t size = size_of(vnode);
    uint64_t inside = offset >= size ? 0 : min_of(length, size - offset);
    return round_down(min_of(inside, extent->length_bytes), extent->device->sector_bytes);
}

static status locate(struct vnode *vnode, uint64_t offset, uint64_t length, bool is_write,
                     bool may_wait, struct vnode_extent *out_extent)
{
    TRY(vnode->operations->locate(vnode, offset, length, may_wait, out_extent));
    const struct block_device *device = out_extent->device;
    if (!is_aligned(offset | length, device->sector_bytes)) return FAIL(INVALID_ARGUMENT);
    if (is_write && device->is_read_only) return FAIL(PERMISSION_DENIED);
    out_extent->length_bytes = direct_length(vnode, offset, length, out_extent);
    return OK;
}

/* A write behind the end goes into a file that is long enough, and on the disk. */
static status lengthen(struct vnode *vnode, uint64_t end, bool may_wait)
{
    if (end <= size_of(vnode)) return reserve(vnode, end, may_wait);
    if (!may_wait) return FAIL(WOULD_BLOCK);
    mutex_acquire(&vnode->write_lock);
    status outcome = reserve(vnode, end, true);
    if (is_ok(outcome)) outcome = grow_locked(vnode, end);
    mutex_release(&vnode->write_lock);
    TRY(outcome);
    return page_cache_write(vnode);
}

status vfs_direct_begin(struct object *object, uint64_t offset, uint64_t length, bool is_write,
                        bool may_wait, struct vnode_extent *out_extent)
{
    struct vnode *vnode = vfs_vnode(object);
    if (vnode->operations->locate == nullptr) return FAIL(PERMISSION_DENIED);
    if (!is_aligned(offset | length, BLOCK_SECTOR_BYTES_MIN)) return FAIL(INVALID_ARGUMENT);
    TRY(check_end(offset, length));
    if (is_write) TRY(lengthen(vnode, offset + length, may_wait));
    *out_extent = (struct vnode_extent){0};
    if (length == 0 || offset >= size_of(vnode)) return OK;
    TRY(page_cache_direct_begin(vnode, offset, length, is_write, may_wait));
    struct vnode_extent extent = {0};
    status found = locate(vnode, offset, length, is_write, may_wait, &extent);
    /* What has begun may be longer than what then ends. */
    if (!is_ok(found) || extent.length_bytes == 0)
        page_cache_direct_end(vnode, offset, length, false);
    else
        *out_extent = extent;
    return found;
}

void vfs_direct_end(struct object *file, uint64_t offset, uint64_t length, bool is_write)
{
    struct vnode *vnode = vfs_vnode(file);
    if (is_write) {
        atomic_store_explicit(&vnode->modified_ns, clock_real_ns(), memory_order_relaxed);
        /* Before the transfer is over for others: a sync that follows it must know. */
        if (vnode->operations->direct_written != nullptr) vnode->operations->direct_written(vnode);
    }
    page_cache_direct_end(vnode, offset, length, is_write);
}
