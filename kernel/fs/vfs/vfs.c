/* Open files and directories: objects over vnodes. */
#include "fs/vfs/vfs.h"
#include "base/checked.h"
#include "fs/vfs/page_cache.h"
#include "fs/vfs/root.h"
#include "fs/vfs/vfs_internal.h"
#include "fs/vfs/write_error.h"
#include "mm/heap.h"

static struct slab_cache *open_files;
static _Atomic uint64_t volume_numbers; /* handed out so far. Relaxed: a counter */

struct vnode *vfs_vnode(struct object *file_or_directory)
{
    return open_file_of(file_or_directory)->vnode;
}

static void open_file_destroy(struct object *object)
{
    struct open_file *file = open_file_of(object);
    page_cache_forget_removed(file->vnode);
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
    if (vnode->operations->open != nullptr) return vnode->operations->open(vnode);
    struct open_file *file = slab_take(open_files);
    if (file == nullptr) return (object_result){.status = FAIL(OUT_OF_MEMORY)};
    vnode_get(vnode);
    object_init(&file->object, vnode->kind == ABI_KIND_FILE ? &file_type : &directory_type);
    file->vnode = vnode;
    atomic_init(&file->position, 0);
    atomic_init(&file->error_told, write_error_at_open(vnode));
    return (object_result){.value = &file->object};
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
