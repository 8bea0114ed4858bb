/* Open files and directories: objects over vnodes. */
#include "fs/vfs/vfs.h"
#include "base/checked.h"
#include "base/container.h"
#include "debug/assert.h"
#include "fs/vfs/name_cache.h"
#include "fs/vfs/page_cache.h"
#include "fs/vfs/path.h"
#include "fs/vfs/root.h"
#include "mm/direct_map.h"
#include "mm/heap.h"
#include "sched/scheduler.h"
#include <abi/ring.h>

/* How often a page may be taken away again between its being read and its being copied. */
static constexpr uint32_t FILL_ATTEMPTS_MAX = 8;

/* What a handle of kind file or directory names. */
struct open_file {
    struct object object;
    struct vnode *vnode;       /* counted */
    _Atomic uint64_t position; /* files: where reads go on. Relaxed: it orders nothing else */
};

static struct slab_cache *open_files;
static _Atomic uint64_t volume_numbers; /* handed out so far. Relaxed: a counter */

static struct open_file *open_file_of(struct object *object)
{
    return container_of(object, struct open_file, object);
}

struct vnode *vfs_vnode(struct object *file_or_directory)
{
    return open_file_of(file_or_directory)->vnode;
}

static void open_file_destroy(struct object *object)
{
    struct open_file *file = open_file_of(object);
    vnode_put(file->vnode);
    slab_give(open_files, file);
}

static constexpr uint64_t FILE_RIGHTS = ABI_RIGHT_READ | ABI_RIGHT_WRITE | ABI_RIGHT_SEEK |
                                        ABI_RIGHT_DUP | ABI_RIGHT_TRANSFER | ABI_RIGHT_CLOSE |
                                        ABI_RIGHT_STAT | ABI_RIGHT_EXECUTE;
static const struct object_type file_type = {
    .kind = ABI_KIND_FILE,
    .rights_all = FILE_RIGHTS,
    .destroy = open_file_destroy,
};
/* A directory carries the rights of files, too: what is opened in it gets no others. */
static const struct object_type directory_type = {
    .kind = ABI_KIND_DIRECTORY,
    .rights_all =
        FILE_RIGHTS | ABI_RIGHT_ENUMERATE | ABI_RIGHT_CREATE | ABI_RIGHT_DELETE | ABI_RIGHT_LOOK_UP,
    .destroy = open_file_destroy,
};

/* ---- opening ---- */

object_result vfs_open_vnode(struct vnode *vnode)
{
    struct open_file *file = slab_take(open_files);
    if (file == nullptr) return (object_result){.status = FAIL(OUT_OF_MEMORY)};
    vnode_get(vnode);
    object_init(&file->object, vnode->kind == ABI_KIND_FILE ? &file_type : &directory_type);
    file->vnode = vnode;
    atomic_init(&file->position, 0);
    return (object_result){.value = &file->object};
}

/* One name, from the cache; else, if that is allowed, from the file system. */
static vnode_result step(struct vnode *directory, text name, bool may_wait)
{
    if (directory->kind != ABI_KIND_DIRECTORY) return (vnode_result){.status = FAIL(NOT_FOUND)};
    struct vnode *known = name_cache_find(directory, name);
    if (known != nullptr) return (vnode_result){.value = known};
    if (!may_wait) return (vnode_result){.status = FAIL(WOULD_BLOCK)};
    vnode_result found = directory->operations->look_up(directory, name);
    if (is_ok(found.status)) name_cache_add(directory, name, found.value);
    return found;
}

static object_result open_path(struct object *directory, text path, bool may_wait)
{
    TRY_AS(object_result, path_check(path));
    OWNED(vnode_owner) at = vfs_vnode(directory);
    vnode_get(at);
    text rest = path, name;
    while (path_next(&rest, &name)) {
        vnode_result next = step(at, name, may_wait);
        TRY_AS(object_result, next.status);
        vnode_put(at);
        at = next.value;
    }
    return vfs_open_vnode(at);
}

object_result vfs_open(struct object *directory, text path)
{
    return open_path(directory, path, true);
}

object_result vfs_open_cached(struct object *directory, text path)
{
    return open_path(directory, path, false);
}

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

/* ---- directories ---- */

/* Records on their way into a buffer. */
struct packing {
    const buffer_pin *to;
    uint64_t written;
    status outcome;
};

static status pack_record(struct packing *packing, struct abi_directory_entry header, text name)
{
    static const uint8_t zeros[8];
    uint64_t at = packing->to->offset + packing->written;
    uint64_t filled = sizeof(header) + name.length;
    TRY(buffer_write(packing->to->buffer, at, &header, sizeof(header)));
    TRY(buffer_write(packing->to->buffer, at + sizeof(header), name.bytes, name.length));
    TRY(buffer_write(packing->to->buffer, at + filled, zeros, header.record_bytes - filled));
    packing->written += header.record_bytes;
    return OK;
}

static bool pack_entry(void *context, const struct abi_directory_entry *entry, text name)
{
    struct packing *packing = context;
    struct abi_directory_entry header = *entry;
    header.record_bytes = (uint32_t)round_up(sizeof(header) + name.length, 8);
    header.name_bytes = (uint32_t)name.length;
    if (!span_fits(packing->written, header.record_bytes, packing->to->length)) {
        if (packing->written == 0) packing->outcome = FAIL(OUT_OF_RANGE);
        return false;
    }
    packing->outcome = pack_record(packing, header, name);
    return is_ok(packing->outcome);
}

size_result vfs_enumerate(struct object *directory, uint64_t cookie, const buffer_pin *to)
{
    struct vnode *vnode = vfs_vnode(directory);
    struct packing packing = {.to = to, .outcome = OK};
    TRY_AS(size_result, vnode->operations->enumerate(vnode, cookie, pack_entry, &packing));
    TRY_AS(size_result, packing.outcome);
    return (size_result){.value = packing.written};
}

/* ---- volumes ---- */

status vfs_init(void)
{
    open_files =
        slab_cache_create("open file", sizeof(struct open_file), alignof(struct open_file));
    if (open_files == nullptr) return FAIL(OUT_OF_MEMORY);
    root_init();
    page_cache_init();
    return OK;
}

uint64_t vfs_take_volume_number(void)
{
    return atomic_fetch_add_explicit(&volume_numbers, 1, memory_order_relaxed) + 1;
}

uint64_t vfs_cache_bytes(void)
{
    return page_cache_pages() * PAGE_BYTES;
}
