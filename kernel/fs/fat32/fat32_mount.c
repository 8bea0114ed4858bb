/*
 * FAT32 for the vfs: a node for each file or directory that somebody refers to.
 *
 * Locking: the volume's mutex guards the core, which caches blocks, and the making of nodes; the
 * spin lock guards the table of nodes, so that the last reference to one can go without sleeping. A
 * node that has lost its last reference is still in the table until its release has the lock;
 * whoever looks it up then does not get it and makes another.
 */
#include "fs/fat32/fat32_mount.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "base/container.h"
#include "debug/assert.h"
#include "debug/log.h"
#include "device/block_device.h"
#include "fs/fat32/fat32_core.h"
#include "fs/fat32/fat32_format.h"
#include "fs/vfs/page_cache.h"
#include "fs/vfs/vfs.h"
#include "mm/direct_map.h"
#include "mm/heap.h"
#include "sync/spin_lock.h"

static constexpr uint32_t NODE_BUCKETS = 64;
static constexpr uint64_t POSITION_OF_ROOT = 1; /* in the boot sector, where no entry lies */

struct mount {
    /* Fixed at creation. */
    struct block_device *device;
    uint64_t volume_number;

    mutex lock; /* LOCK_RANK_VOLUME */
    struct fat32_volume core GUARDED_BY(lock);

    spin_lock nodes_lock; /* LOCK_RANK_FILE */
    struct list nodes[NODE_BUCKETS] GUARDED_BY(nodes_lock);
};

struct node {
    struct vnode vnode;
    struct list in_bucket;  /* guarded by nodes_lock */
    uint32_t first_cluster; /* fixed at creation */
    bool has_map;           /* guarded by the volume's lock, as the map */
    struct fat32_map map;
};

static struct node *node_of(struct vnode *vnode)
{
    return container_of(vnode, struct node, vnode);
}

static struct mount *mount_of(const struct vnode *vnode)
{
    return vnode->volume;
}

/* ---- the table of nodes ---- */

static struct list *bucket_of(struct mount *mount, uint64_t identity) REQUIRES(mount->nodes_lock)
{
    return &mount->nodes[identity % NODE_BUCKETS];
}

/* The node with this identity, with a reference, or nullptr. */
static struct node *node_find(struct mount *mount, uint64_t identity)
{
    struct node *node, *found = nullptr;
    spin_acquire(&mount->nodes_lock);
    list_for_each (node, bucket_of(mount, identity), in_bucket) {
        if (node->vnode.identity == identity && vnode_get_try(&node->vnode)) {
            found = node;
            break;
        }
    }
    spin_release(&mount->nodes_lock);
    return found;
}

static void node_publish(struct mount *mount, struct node *node)
{
    spin_acquire(&mount->nodes_lock);
    list_push_back(bucket_of(mount, node->vnode.identity), &node->in_bucket);
    spin_release(&mount->nodes_lock);
}

static void node_release(struct vnode *vnode)
{
    struct mount *mount = mount_of(vnode);
    struct node *node = node_of(vnode);
    spin_acquire(&mount->nodes_lock);
    list_remove(&node->in_bucket);
    spin_release(&mount->nodes_lock);
    fat32_map_drop(&node->map);
    heap_give(node);
}

/* ---- chains ---- */

/* The node's chain, followed when it is first needed. */
static status node_load_map(struct mount *mount, struct node *node) REQUIRES(mount->lock)
{
    if (node->has_map) return OK;
    status loaded = fat32_map_load(&mount->core, node->first_cluster, &node->map);
    node->has_map = is_ok(loaded);
    if (node->has_map && node->map.is_damaged)
        log_line("fat32", "%s: the chain from cluster %u is damaged, %u clusters can be read",
                 mount->device->name, node->first_cluster, node->map.cluster_count);
    return loaded;
}

/* A directory has a chain, and is where its parent says it is. */
static status node_check_directory(struct mount *mount, struct node *node, uint32_t parent_cluster)
    REQUIRES(mount->lock)
{
    TRY(node_load_map(mount, node));
    return fat32_directory_check(&mount->core, &node->map, node->first_cluster, parent_cluster);
}

/* ---- making nodes ---- */

static const struct vnode_operations node_operations;

static uint32_t attributes_of(const struct fat32_entry *entry)
{
    /* Nothing can be written to a volume that is mounted for reading. */
    return ABI_ATTRIBUTE_READ_ONLY |
           (entry->attributes & ATTRIBUTE_HIDDEN ? ABI_ATTRIBUTE_HIDDEN : 0) |
           (entry->attributes & ATTRIBUTE_SYSTEM ? ABI_ATTRIBUTE_SYSTEM : 0);
}

static struct node *node_create(struct mount *mount, const struct fat32_entry *entry)
{
    struct node *node = heap_take_zeroed(sizeof(*node));
    if (node == nullptr) return nullptr;
    vnode_init(&node->vnode, &node_operations,
               entry->is_directory ? ABI_KIND_DIRECTORY : ABI_KIND_FILE);
    node->vnode.volume = mount;
    node->vnode.volume_number = mount->volume_number;
    node->vnode.identity = vnode_identity(mount->volume_number, entry->position);
    node->vnode.size_bytes = entry->size_bytes;
    node->vnode.modified_ns = entry->modified_ns;
    node->vnode.created_ns = entry->created_ns;
    node->vnode.attributes = attributes_of(entry);
    node->first_cluster = entry->first_cluster;
    list_init(&node->in_bucket);
    return node;
}

/* Finds the name and the node for it, or makes that. */
static vnode_result look_up_locked(struct mount *mount, struct node *directory, text name)
    REQUIRES(mount->lock)
{
    struct fat32_entry entry;
    TRY_AS(vnode_result, node_load_map(mount, directory));
    TRY_AS(vnode_result, fat32_directory_find(&mount->core, &directory->map, name, &entry));
    struct node *node = node_find(mount, vnode_identity(mount->volume_number, entry.position));
    if (node != nullptr) return (vnode_result){.value = &node->vnode};

    node = node_create(mount, &entry);
    if (node == nullptr) return (vnode_result){.status = FAIL(OUT_OF_MEMORY)};
    if (entry.is_directory) {
        status checked = node_check_directory(mount, node, directory->first_cluster);
        if (!is_ok(checked)) {
            vnode_put(&node->vnode);
            return (vnode_result){.status = checked};
        }
    }
    node_publish(mount, node);
    return (vnode_result){.value = &node->vnode};
}

static vnode_result node_look_up(struct vnode *directory, text name)
{
    struct mount *mount = mount_of(directory);
    mutex_acquire(&mount->lock);
    vnode_result result = look_up_locked(mount, node_of(directory), name);
    mutex_release(&mount->lock);
    return result;
}

/* ---- enumerating: a cookie is the number of the next entry ---- */

static status enumerate_locked(struct mount *mount, struct node *directory, uint64_t cookie,
                               directory_visitor *visit, void *context) REQUIRES(mount->lock)
{
    TRY(node_load_map(mount, directory));
    if (cookie > UINT32_MAX) return OK;
    uint32_t index = (uint32_t)cookie;
    struct fat32_entry entry;
    for (;;) {
        status found = fat32_directory_next(&mount->core, &directory->map, &index, &entry);
        if (found.code == STATUS_NOT_FOUND) return OK;
        TRY(found);
        struct abi_directory_entry record = {
            .kind = entry.is_directory ? ABI_KIND_DIRECTORY : ABI_KIND_FILE,
            .next_cookie = index,
            .size_bytes = entry.size_bytes,
            .modified_ns = entry.modified_ns,
            .attributes = attributes_of(&entry),
        };
        if (!visit(context, &record, fat32_entry_name(&entry))) return OK;
    }
}

static status node_enumerate(struct vnode *directory, uint64_t cookie, directory_visitor *visit,
                             void *context)
{
    struct mount *mount = mount_of(directory);
    mutex_acquire(&mount->lock);
    status outcome = enumerate_locked(mount, node_of(directory), cookie, visit, context);
    mutex_release(&mount->lock);
    return outcome;
}

/* ---- contents ---- */

/* The next contiguous piece of the file, as far as one request may go. */
static status locate(struct mount *mount, struct node *file, uint64_t offset, uint64_t length,
                     struct fat32_extent *out_extent)
{
    mutex_acquire(&mount->lock);
    status found = node_load_map(mount, file);
    if (is_ok(found))
        found = fat32_locate(&mount->core, &file->map, offset, (uint32_t)length, out_extent);
    mutex_release(&mount->lock);
    if (is_ok(found))
        out_extent->sector_count =
            min_of(out_extent->sector_count, mount->device->sectors_per_request_max);
    return found;
}

/* Cuts `length` bytes, from `offset` of the pages on, into the request's pieces of memory. */
static void add_pieces(struct block_request *request, const physical_address *frames,
                       uint64_t offset, uint64_t length)
{
    while (length > 0) {
        uint64_t inside = offset % PAGE_BYTES;
        uint64_t piece = min_of(PAGE_BYTES - inside, length);
        request->pieces[request->piece_count++] = (struct block_piece){
            .start = physical_add(frames[offset / PAGE_BYTES], inside),
            .length_bytes = (uint32_t)piece,
        };
        offset += piece;
        length -= piece;
    }
}

/* Reads `length` bytes of the file from `start` on into the frames; whole sectors. */
static status read_extents(struct node *file, uint64_t start, uint64_t length,
                           const physical_address *frames)
{
    struct mount *mount = mount_of(&file->vnode);
    for (uint64_t done = 0; done < length;) {
        struct fat32_extent extent;
        TRY(locate(mount, file, start + done, length - done, &extent));
        struct block_request request = {
            .direction = BLOCK_READ,
            .first_sector = extent.first_sector,
            .sector_count = extent.sector_count,
        };
        uint64_t bytes = (uint64_t)extent.sector_count * mount->device->sector_bytes;
        add_pieces(&request, frames, done, bytes);
        TRY(block_submit_and_wait(mount->device, &request));
        done += bytes;
    }
    return OK;
}

static void zero_behind(uint64_t length, const physical_address *frames, uint32_t count)
{
    for (uint64_t at = length; at < count * PAGE_BYTES;
         at = round_down(at, PAGE_BYTES) + PAGE_BYTES)
        bytes_zero((uint8_t *)direct_map(frames[at / PAGE_BYTES]) + at % PAGE_BYTES,
                   PAGE_BYTES - at % PAGE_BYTES);
}

static_assert(PAGE_CACHE_READ_AHEAD_PAGES <= BLOCK_PIECES_MAX, "a request holds a read-ahead");

static status node_read_pages(struct vnode *vnode, uint64_t first_page, uint32_t count,
                              const physical_address *frames)
{
    uint64_t start = first_page * PAGE_BYTES;
    uint64_t size = atomic_load_explicit(&vnode->size_bytes, memory_order_relaxed);
    uint64_t inside = start >= size ? 0 : min_of(size - start, count * PAGE_BYTES);
    TRY(read_extents(node_of(vnode), start, round_up(inside, mount_of(vnode)->device->sector_bytes),
                     frames));
    zero_behind(inside, frames, count);
    return OK;
}

static const struct vnode_operations node_operations = {
    .file_system = TEXT("fat32"),
    .look_up = node_look_up,
    .enumerate = node_enumerate,
    .read_pages = node_read_pages,
    .release = node_release,
};

/* ---- mounting ---- */

static status read_sectors(void *context, uint64_t first_sector, uint32_t sector_count, void *to)
{
    return block_read(context, first_sector, sector_count, to);
}

static struct mount *mount_create(struct block_device *device)
{
    struct mount *mount = heap_take_zeroed(sizeof(*mount));
    if (mount == nullptr) return nullptr;
    mount->device = device;
    mount->volume_number = vfs_take_volume_number();
    mutex_init(&mount->lock, LOCK_RANK_VOLUME);
    spin_lock_init(&mount->nodes_lock, LOCK_RANK_FILE);
    spin_acquire(&mount->nodes_lock);
    for (uint32_t i = 0; i < NODE_BUCKETS; i++)
        list_init(&mount->nodes[i]);
    spin_release(&mount->nodes_lock);
    return mount;
}

/* The root's node; its chain must hold, or nothing of the volume can be found. */
static vnode_result open_root_locked(struct mount *mount, text *out_reason) REQUIRES(mount->lock)
{
    struct fat32_device device = {
        .context = mount->device,
        .sector_bytes = mount->device->sector_bytes,
        .sector_count = mount->device->sector_count,
        .read = read_sectors,
    };
    TRY_AS(vnode_result, fat32_open(&device, &mount->core, out_reason));
    struct fat32_entry entry = {.is_directory = true,
                                .first_cluster = mount->core.root_cluster,
                                .position = POSITION_OF_ROOT};
    struct node *root = node_create(mount, &entry);
    status loaded = root == nullptr ? FAIL(OUT_OF_MEMORY) : node_load_map(mount, root);
    if (is_ok(loaded) && root->map.cluster_count == 0) loaded = FAIL(IO_ERROR);
    if (is_ok(loaded)) {
        node_publish(mount, root);
        return (vnode_result){.value = &root->vnode};
    }
    if (loaded.code == STATUS_IO_ERROR) *out_reason = TEXT("its root directory cannot be read");
    if (root != nullptr) vnode_put(&root->vnode);
    fat32_close(&mount->core);
    return (vnode_result){.status = loaded};
}

vnode_result fat32_mount(struct block_device *device, text *out_reason)
{
    *out_reason = TEXT("there is no memory for it");
    struct mount *mount = mount_create(device);
    if (mount == nullptr) return (vnode_result){.status = FAIL(OUT_OF_MEMORY)};
    mutex_acquire(&mount->lock);
    vnode_result root = open_root_locked(mount, out_reason);
    mutex_release(&mount->lock);
    if (is_ok(root.status)) return root;
    if (root.status.code == STATUS_OUT_OF_MEMORY) *out_reason = TEXT("there is no memory for it");
    heap_give(mount);
    return root;
}

void fat32_unmount(CONSUMED struct vnode *root)
{
    struct mount *mount = mount_of(root);
    vnode_put(root);
    mutex_acquire(&mount->lock);
    fat32_close(&mount->core);
    mutex_release(&mount->lock);
    heap_give(mount);
}
