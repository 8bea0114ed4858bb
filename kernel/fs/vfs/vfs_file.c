/* Open files: reading, moving in them, what they are. */
#include "base/bytes.h"
#include "base/checked.h"
#include "fs/vfs/page_cache.h"
#include "fs/vfs/vfs_internal.h"
#include <abi/ring.h>

/* How often a page may be taken away again between its being read and its being copied. */
static constexpr uint32_t FILL_ATTEMPTS_MAX = 8;

static inline uint64_t size_of(const struct vnode *vnode)
{
    return atomic_load_explicit(&vnode->size_bytes, memory_order_relaxed);
}

/* ---- reading ---- */

/* page_cache_read, or that with waiting. */
typedef status read_function(struct page_transfer *transfer);

static status read_waiting(struct page_transfer *transfer)
{
    uint64_t at = UINT64_MAX;
    for (uint32_t attempts = 0; attempts < FILL_ATTEMPTS_MAX; attempts++) {
        status outcome = page_cache_read(transfer);
        if (outcome.code != STATUS_WOULD_BLOCK) return outcome;
        if (transfer->offset != at) attempts = 0;
        at = transfer->offset;
        TRY(page_cache_fill(transfer->vnode, at / PAGE_BYTES));
    }
    return FAIL(OUT_OF_MEMORY);
}

/* A read at the position is done when it has moved the position from where it began. */
MUST_INLINE size_result read_with(struct object *object, uint64_t offset, const buffer_pin *to,
                                  read_function *read)
{
    struct open_file *file = open_file_of(object);
    bool is_at_position = offset == ABI_OFFSET_CURRENT;
    if (is_at_position) offset = atomic_load_explicit(&file->position, memory_order_relaxed);
    for (;;) {
        struct page_transfer transfer = {.vnode = file->vnode,
                                         .offset = offset,
                                         .length = to->length,
                                         .buffer = to->buffer,
                                         .at = to->offset};
        TRY_AS(size_result, read(&transfer));
        uint64_t length = to->length - transfer.length;
        if (!is_at_position ||
            atomic_compare_exchange_strong_explicit(&file->position, &offset, offset + length,
                                                    memory_order_relaxed, memory_order_relaxed))
            return (size_result){.value = length};
    }
}

[[gnu::noinline]] static size_result read_at_once(struct object *file, uint64_t offset,
                                                  const buffer_pin *to)
{
    return read_with(file, offset, to, page_cache_read);
}

/* Mostly it is one page, at an offset, into one page. */
size_result vfs_read_cached(struct object *file, uint64_t offset, const buffer_pin *to)
{
    physical_address frame;
    bool is_page = to->length == PAGE_BYTES && (offset | to->offset) % PAGE_BYTES == 0;
    if (likely(is_page && buffer_has_page(to->buffer, to->offset / PAGE_BYTES, &frame) &&
               page_cache_read_page(vfs_vnode(file), offset / PAGE_BYTES, frame)))
        return (size_result){.value = PAGE_BYTES};
    return read_at_once(file, offset, to);
}

size_result vfs_read(struct object *file, uint64_t offset, const buffer_pin *to)
{
    return read_with(file, offset, to, read_waiting);
}

/* As page_cache_copy, but reads the page first if need be. */
static status copy_waiting(struct vnode *vnode, uint64_t offset, uint64_t length, void *to)
{
    for (uint32_t attempt = 0; attempt < FILL_ATTEMPTS_MAX; attempt++) {
        status copied = page_cache_copy(vnode, offset, length, to);
        if (copied.code != STATUS_WOULD_BLOCK) return copied;
        TRY(page_cache_fill(vnode, offset / PAGE_BYTES));
    }
    return FAIL(OUT_OF_MEMORY);
}

/* A file that is cut meanwhile ends where it then ends. */
size_result vfs_read_kernel(struct vnode *vnode, uint64_t offset, void *to, uint64_t length)
{
    uint64_t done = 0;
    while (done < length && offset < size_of(vnode) && done < size_of(vnode) - offset) {
        uint64_t piece = min_of(length - done, size_of(vnode) - offset - done);
        piece = min_of(piece, PAGE_BYTES - (offset + done) % PAGE_BYTES);
        status copied = copy_waiting(vnode, offset + done, piece, (uint8_t *)to + done);
        if (copied.code == STATUS_OUT_OF_RANGE) continue;
        TRY_AS(size_result, copied);
        done += piece;
    }
    return (size_result){.value = done};
}

/* ---- seeking, what it is ---- */

/* base + offset, at least 0 and at most the size. */
static uint64_t moved(uint64_t base, int64_t offset, uint64_t size)
{
    uint64_t distance = offset < 0 ? 0 - (uint64_t)offset : (uint64_t)offset;
    if (offset < 0) return distance > base ? 0 : base - distance;
    uint64_t sum;
    return checked_add(base, distance, &sum) ? min_of(sum, size) : size;
}

size_result vfs_seek(struct object *object, int64_t offset, uint32_t whence)
{
    if (whence > ABI_SEEK_END) return (size_result){.status = FAIL(INVALID_ARGUMENT)};
    struct open_file *file = open_file_of(object);
    uint64_t size = atomic_load_explicit(&file->vnode->size_bytes, memory_order_relaxed);
    uint64_t before = atomic_load_explicit(&file->position, memory_order_relaxed);
    uint64_t after;
    do {
        uint64_t base = whence == ABI_SEEK_SET ? 0 : whence == ABI_SEEK_END ? size : before;
        after = moved(base, offset, size);
    } while (!atomic_compare_exchange_weak_explicit(&file->position, &before, after,
                                                    memory_order_relaxed, memory_order_relaxed));
    return (size_result){.value = after};
}

/* ---- stat ---- */

static void fill_volume(const struct vnode *vnode, struct abi_stat_file *stat)
{
    if (vnode->operations->volume_info == nullptr) return;
    struct vnode_volume_info info = {0};
    vnode->operations->volume_info(vnode, &info);
    stat->volume_flags = info.flags;
    stat->volume_total_bytes = info.total_bytes;
    stat->volume_free_bytes = info.free_bytes;
    stat->cluster_bytes = info.cluster_bytes;
    bytes_copy(stat->device, info.device.bytes, min_of(info.device.length, sizeof(stat->device)));
}

void vfs_fill_stat(struct object *file_or_directory, struct abi_stat *stat)
{
    struct open_file *file = open_file_of(file_or_directory);
    const struct vnode *vnode = file->vnode;
    stat->size_bytes = atomic_load_explicit(&vnode->size_bytes, memory_order_relaxed);
    stat->file = (struct abi_stat_file){
        .position_bytes = atomic_load_explicit(&file->position, memory_order_relaxed),
        .modified_ns = vnode->modified_ns,
        .created_ns = vnode->created_ns,
        .volume = vnode->volume_number,
        .number = vnode->identity,
        .attributes = vnode->attributes,
    };
    fill_volume(vnode, &stat->file);
}
