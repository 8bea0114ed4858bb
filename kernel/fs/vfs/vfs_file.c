/* Open files: reading, moving in them, what they are. */
#include "base/checked.h"
#include "fs/vfs/page_cache.h"
#include "fs/vfs/vfs_internal.h"
#include "mm/direct_map.h"
#include "sched/scheduler.h"
#include <abi/ring.h>

/* How often a page may be taken away again between its being read and its being copied. */
static constexpr uint32_t FILL_ATTEMPTS_MAX = 8;

/* ---- reading ---- */

/* How many of `length` bytes at the offset the file has. */
static inline uint64_t clamp_length(struct vnode *vnode, uint64_t offset, uint64_t length)
{
    uint64_t size = atomic_load_explicit(&vnode->size_bytes, memory_order_relaxed);
    return offset >= size ? 0 : min_of(length, size - offset);
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

/* page_cache_copy or copy_waiting */
typedef status copy_function(struct vnode *vnode, uint64_t offset, uint64_t length, void *to);

/* Bytes that lie inside one page of the file and one of the buffer. */
MUST_INLINE status copy_piece(struct vnode *vnode, uint64_t offset, uint64_t length,
                              struct buffer *buffer, uint64_t at, copy_function *copy)
{
    frame_result frame = buffer_touch(buffer, at / PAGE_BYTES);
    TRY(frame.status);
    return copy(vnode, offset, length, (uint8_t *)direct_map(frame.value) + at % PAGE_BYTES);
}

/* How many bytes there are up to the end of either page. */
static inline uint64_t piece_max(uint64_t offset, uint64_t at)
{
    return PAGE_BYTES - max_of(offset % PAGE_BYTES, at % PAGE_BYTES);
}

[[gnu::noinline]] static status copy_pieces(struct vnode *vnode, uint64_t offset, uint64_t length,
                                            const buffer_pin *to, copy_function *copy)
{
    uint64_t at = to->offset;
    while (length > 0) {
        uint64_t piece = min_of(length, piece_max(offset, at));
        TRY(copy_piece(vnode, offset, piece, to->buffer, at, copy));
        offset += piece;
        at += piece;
        length -= piece;
        if (length > 0 && !scheduler_pause()) return FAIL(INTERRUPTED);
    }
    return OK;
}

/* Mostly it is one piece, and never no page for no bytes. */
MUST_INLINE status copy_to_buffer(struct vnode *vnode, uint64_t offset, uint64_t length,
                                  const buffer_pin *to, copy_function *copy)
{
    if (unlikely(length == 0 || length > piece_max(offset, to->offset)))
        return copy_pieces(vnode, offset, length, to, copy);
    return copy_piece(vnode, offset, length, to->buffer, to->offset, copy);
}

/* A read at the position is done when it has moved the position from where it began. */
MUST_INLINE size_result read_with(struct object *object, uint64_t offset, const buffer_pin *to,
                                  copy_function *copy)
{
    struct open_file *file = open_file_of(object);
    bool is_at_position = offset == ABI_OFFSET_CURRENT;
    if (is_at_position) offset = atomic_load_explicit(&file->position, memory_order_relaxed);
    for (;;) {
        uint64_t length = clamp_length(file->vnode, offset, to->length);
        TRY_AS(size_result, copy_to_buffer(file->vnode, offset, length, to, copy));
        if (!is_at_position ||
            atomic_compare_exchange_strong_explicit(&file->position, &offset, offset + length,
                                                    memory_order_relaxed, memory_order_relaxed))
            return (size_result){.value = length};
    }
}

size_result vfs_read_cached(struct object *file, uint64_t offset, const buffer_pin *to)
{
    return read_with(file, offset, to, page_cache_copy);
}

size_result vfs_read(struct object *file, uint64_t offset, const buffer_pin *to)
{
    return read_with(file, offset, to, copy_waiting);
}

size_result vfs_read_kernel(struct vnode *vnode, uint64_t offset, void *to, uint64_t length)
{
    length = clamp_length(vnode, offset, length);
    for (uint64_t done = 0; done < length;) {
        uint64_t piece = min_of(length - done, PAGE_BYTES - (offset + done) % PAGE_BYTES);
        TRY_AS(size_result, copy_waiting(vnode, offset + done, piece, (uint8_t *)to + done));
        done += piece;
    }
    return (size_result){.value = length};
}

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
        .attributes = vnode->attributes,
    };
}
