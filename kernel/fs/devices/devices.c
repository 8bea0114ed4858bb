/*
 * The directory of block devices.
 *
 * Its vnodes are made at boot, one for each device there can be, and stay; number n is that of the
 * device that was registered as number n, if there is one.
 */
#include "fs/devices/devices.h"
#include "base/bytes.h"
#include "base/container.h"
#include "fs/vfs/vfs.h"
#include "mm/heap.h"

struct device_object {
    struct object object;
    struct block_device *device;
    _Atomic bool is_writer; /* has a claim. Relaxed: set before anybody else has the object */
};

static struct vnode directory;
static struct vnode nodes[BLOCK_DEVICES_MAX];

static struct device_object *device_object_of(struct object *object)
{
    return container_of(object, struct device_object, object);
}

struct block_device *device_object_device(struct object *object)
{
    return device_object_of(object)->device;
}

status device_object_claim(struct object *object)
{
    struct device_object *opened = device_object_of(object);
    if (atomic_load_explicit(&opened->is_writer, memory_order_relaxed)) return OK;
    TRY(block_device_claim(opened->device, BLOCK_CLAIM_HANDLE));
    atomic_store_explicit(&opened->is_writer, true, memory_order_relaxed);
    return OK;
}

static uint64_t size_of(const struct block_device *device)
{
    return device->sector_count * device->sector_bytes;
}

void device_object_fill_stat(struct object *object, struct abi_stat *stat)
{
    const struct block_device *device = device_object_of(object)->device;
    stat->size_bytes = size_of(device);
    /* Relaxed: counters, ordered with nothing. */
    stat->block = (struct abi_stat_block){
        .sector_count = device->sector_count,
        .sector_bytes = device->sector_bytes,
        .flags = device->is_read_only ? ABI_VOLUME_READ_ONLY : 0,
        .reads = atomic_load_explicit(&device->reads, memory_order_relaxed),
        .writes = atomic_load_explicit(&device->writes, memory_order_relaxed),
        .flushes = atomic_load_explicit(&device->flushes, memory_order_relaxed),
        .read_bytes = atomic_load_explicit(&device->read_bytes, memory_order_relaxed),
        .written_bytes = atomic_load_explicit(&device->written_bytes, memory_order_relaxed),
        .errors = atomic_load_explicit(&device->errors, memory_order_relaxed),
    };
}

static void device_object_destroy(struct object *object)
{
    struct device_object *opened = device_object_of(object);
    if (atomic_load_explicit(&opened->is_writer, memory_order_relaxed))
        block_device_unclaim(opened->device, BLOCK_CLAIM_HANDLE);
    heap_give(opened);
}

static const struct object_type device_type = {
    .kind = ABI_KIND_BLOCK_DEVICE,
    .rights_all = ABI_RIGHT_READ | ABI_RIGHT_WRITE | ABI_RIGHT_DUP | ABI_RIGHT_TRANSFER |
                  ABI_RIGHT_CLOSE | ABI_RIGHT_STAT,
    .destroy = device_object_destroy,
};

/* ---- what the vfs asks ---- */

static object_result device_open(struct vnode *vnode)
{
    struct device_object *opened = heap_take(sizeof(*opened));
    if (opened == nullptr) return (object_result){.status = FAIL(OUT_OF_MEMORY)};
    object_init(&opened->object, &device_type);
    opened->device = block_device_at((uint32_t)(vnode - nodes));
    atomic_init(&opened->is_writer, false);
    return (object_result){.value = &opened->object};
}

static vnode_result devices_look_up(struct vnode *from, text name)
{
    (void)from;
    for (uint32_t i = 0; i < block_device_count(); i++) {
        if (!text_equal(block_device_name(block_device_at(i)), name)) continue;
        vnode_get(&nodes[i]);
        return (vnode_result){.value = &nodes[i]};
    }
    return (vnode_result){.status = FAIL(NOT_FOUND)};
}

static status devices_enumerate(struct vnode *from, uint64_t cookie, directory_visitor *visit,
                                void *context)
{
    (void)from;
    for (uint64_t i = cookie; i < block_device_count(); i++) {
        const struct block_device *device = block_device_at((uint32_t)i);
        struct abi_directory_entry record = {
            .kind = ABI_KIND_BLOCK_DEVICE,
            .next_cookie = i + 1,
            .size_bytes = size_of(device),
            .attributes = device->is_read_only ? ABI_ATTRIBUTE_READ_ONLY : 0,
        };
        if (!visit(context, &record, block_device_name(device))) break;
    }
    return OK;
}

/* There is a reference for ever. */
static void devices_release(struct vnode *vnode)
{
    (void)vnode;
    panic("a device's vnode was released");
}

static const struct vnode_operations directory_operations = {
    .look_up = devices_look_up,
    .enumerate = devices_enumerate,
    .release = devices_release,
};
static const struct vnode_operations device_operations = {
    .open = device_open,
    .release = devices_release,
};

vnode_result devices_open(void)
{
    uint64_t volume = vfs_take_volume_number();
    vnode_init(&directory, &directory_operations, ABI_KIND_DIRECTORY);
    directory.identity = vnode_identity(volume, 1);
    directory.volume_number = volume;
    directory.attributes = ABI_ATTRIBUTE_READ_ONLY;
    for (uint32_t i = 0; i < BLOCK_DEVICES_MAX; i++) {
        vnode_init(&nodes[i], &device_operations, ABI_KIND_BLOCK_DEVICE);
        nodes[i].identity = vnode_identity(volume, 2 + i);
        nodes[i].volume_number = volume;
    }
    vnode_get(&directory); /* the one for ever */
    return (vnode_result){.value = &directory};
}
