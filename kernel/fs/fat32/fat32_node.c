/*
 * Nodes of a mounted volume: one for each file or directory that somebody refers to.
 *
 * A node is found by where its entry lies. Entries move and their places are used again, so that is
 * no identity: a counter is. A node that has lost its last reference is still in the table until
 * its release has the lock; whoever looks it up then does not get it and makes another. A removed
 * node leaves the table at once; its chain is given up when its last reference has gone, by the
 * volume's worker, because that sleeps.
 */
#include "base/checked.h"
#include "base/container.h"
#include "debug/log.h"
#include "device/block_device.h"
#include "fs/fat32/fat32_format.h"
#include "fs/fat32/fat32_mount_internal.h"
#include "fs/vfs/name_cache.h"
#include "mm/heap.h"

/* ---- the table ---- */

static struct list *bucket_of(struct mount *mount, uint64_t position) REQUIRES(mount->nodes_lock)
{
    return &mount->nodes[position % NODE_BUCKETS];
}

struct node *node_find(struct mount *mount, uint64_t position)
{
    struct node *node, *found = nullptr;
    spin_acquire(&mount->nodes_lock);
    list_for_each (node, bucket_of(mount, position), in_bucket) {
        if (node->position == position && vnode_get_try(&node->vnode)) {
            found = node;
            break;
        }
    }
    spin_release(&mount->nodes_lock);
    return found;
}

/* Into its bucket, out of wherever it was. */
void node_move(struct mount *mount, struct node *node, uint64_t position)
{
    spin_acquire(&mount->nodes_lock);
    list_remove(&node->in_bucket);
    node->position = position;
    list_push_back(bucket_of(mount, position), &node->in_bucket);
    spin_release(&mount->nodes_lock);
}

void node_remove(struct mount *mount, struct node *node)
{
    spin_acquire(&mount->nodes_lock);
    list_remove(&node->in_bucket);
    list_init(&node->in_bucket);
    /* Pairs with the acquire of the page cache, which then writes its pages to make room only. */
    atomic_store_explicit(&node->vnode.is_removed, true, memory_order_release);
    spin_release(&mount->nodes_lock);
    name_cache_forget(&node->vnode);
}

/* ---- the end ---- */

static void node_release(struct vnode *vnode)
{
    struct mount *mount = mount_of(vnode);
    struct node *node = node_of(vnode);
    /* A chain whose beginning no entry ever told is one, too. */
    bool has_chain = node->first_cluster != 0 || node->map.cluster_count > 0;
    bool is_doomed = node_is_removed(node) && has_chain;
    fat32_room_trim(node, 0);
    spin_acquire(&mount->nodes_lock);
    list_remove(&node->in_bucket);
    if (is_doomed) list_push_back(&mount->doomed, &node->in_bucket);
    spin_release(&mount->nodes_lock);
    if (is_doomed) {
        mount_wake(mount, true);
        return;
    }
    fat32_map_drop(&node->map);
    heap_give(node);
}

static struct node *take_doomed(struct mount *mount)
{
    spin_acquire(&mount->nodes_lock);
    struct list *link = list_take_front(&mount->doomed);
    spin_release(&mount->nodes_lock);
    return link == nullptr ? nullptr : list_entry(link, struct node, in_bucket);
}

void nodes_bury(struct mount *mount)
{
    struct node *node;
    while ((node = take_doomed(mount)) != nullptr) {
        status cut = node_load_map(mount, node);
        if (is_ok(cut)) cut = fat32_chain_cut(&mount->core, &node->map, 0);
        if (!is_ok(cut))
            log_line("fat32", "%s: the clusters of a removed file, from %u on, are lost: status %u",
                     mount->device->name, node->first_cluster, cut.code);
        fat32_map_drop(&node->map);
        heap_give(node);
    }
}

/* ---- making them ---- */

static uint32_t attributes_of(const struct mount *mount, uint8_t attributes)
{
    bool is_read_only = mount_is_read_only(mount) || (attributes & ATTRIBUTE_READ_ONLY) != 0;
    return (is_read_only ? ABI_ATTRIBUTE_READ_ONLY : 0) |
           (attributes & ATTRIBUTE_HIDDEN ? ABI_ATTRIBUTE_HIDDEN : 0) |
           (attributes & ATTRIBUTE_SYSTEM ? ABI_ATTRIBUTE_SYSTEM : 0);
}

struct node *node_create(struct mount *mount)
{
    struct node *node = heap_take_zeroed(sizeof(*node));
    if (node == nullptr) return nullptr;
    vnode_init(&node->vnode, &fat32_node_operations, ABI_KIND_FILE);
    node->vnode.volume = mount;
    node->vnode.volume_number = mount->volume_number;
    node->vnode.identity = vnode_identity(mount->volume_number, ++mount->nodes_made);
    list_init(&node->in_bucket);
    list_init(&node->in_touched);
    return node;
}

void node_publish(struct mount *mount, struct node *node, const struct fat32_entry *entry)
{
    node->vnode.kind = entry->is_directory ? ABI_KIND_DIRECTORY : ABI_KIND_FILE;
    node->vnode.size_bytes = node->stored_bytes = entry->size_bytes;
    node->vnode.modified_ns = entry->modified_ns;
    node->vnode.created_ns = entry->created_ns;
    node->vnode.attributes = attributes_of(mount, entry->attributes);
    node->attributes = entry->attributes;
    node->first_cluster = entry->first_cluster;
    uint64_t clusters =
        round_up((uint64_t)entry->size_bytes, mount->cluster_bytes) / mount->cluster_bytes;
    atomic_init(&node->room, ((struct node_room){.has = (uint32_t)clusters}));
    node_move(mount, node, entry->position);
}

status node_load_map(struct mount *mount, struct node *node)
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
static status check_directory(struct mount *mount, struct node *node, uint32_t parent_cluster)
    REQUIRES(mount->lock)
{
    TRY(node_load_map(mount, node));
    return fat32_directory_check(&mount->core, &node->map, node->first_cluster, parent_cluster);
}

node_result node_open(struct mount *mount, struct node *parent, const struct fat32_entry *entry)
{
    struct node *node = node_find(mount, entry->position);
    if (node != nullptr) return (node_result){.value = node};
    node = node_create(mount);
    if (node == nullptr) return (node_result){.status = FAIL(OUT_OF_MEMORY)};
    node_publish(mount, node, entry);
    status checked = entry->is_directory ? check_directory(mount, node, parent->first_cluster) : OK;
    if (is_ok(checked)) return (node_result){.value = node};
    vnode_put(&node->vnode);
    return (node_result){.status = checked};
}

status node_enter_directory(struct mount *mount, struct node *directory)
{
    if (node_is_removed(directory)) return FAIL(NOT_FOUND);
    return node_load_map(mount, directory);
}

status node_store(struct mount *mount, struct node *node)
{
    if (node_is_removed(node)) return OK;
    struct fat32_entry entry = {
        .is_directory = node->vnode.kind == ABI_KIND_DIRECTORY,
        .attributes = node->attributes,
        .first_cluster = node->first_cluster,
        .size_bytes = node->stored_bytes,
        .modified_ns = node->vnode.modified_ns,
        .created_ns = node->vnode.created_ns,
        .position = node->position,
    };
    mount_wake(mount, false);
    return fat32_entry_update(&mount->core, &entry);
}

/* ---- what was changed past the core ---- */

void node_touch(struct vnode *vnode)
{
    struct mount *mount = mount_of(vnode);
    struct node *node = node_of(vnode);
    spin_acquire(&mount->nodes_lock);
    bool was_touched = node->is_touched;
    node->is_touched = true;
    if (!was_touched) {
        vnode_get(vnode); /* the list's */
        list_push_back(&mount->touched, &node->in_touched);
    }
    spin_release(&mount->nodes_lock);
    if (!was_touched) mount_wake(mount, false);
}

static struct node *take_touched(struct mount *mount)
{
    struct node *node = nullptr;
    spin_acquire(&mount->nodes_lock);
    struct list *link = list_take_front(&mount->touched);
    if (link != nullptr) {
        node = list_entry(link, struct node, in_touched);
        list_init(link);
        node->is_touched = false;
    }
    spin_release(&mount->nodes_lock);
    return node;
}

void nodes_store_touched(struct mount *mount)
{
    struct node *node;
    while ((node = take_touched(mount)) != nullptr) {
        node->attributes |= ATTRIBUTE_ARCHIVE;
        status stored = node_store(mount, node);
        if (!is_ok(stored))
            log_line("fat32", "%s: the time of a file's change is not stored: status %u",
                     mount->device->name, stored.code);
        vnode_put(&node->vnode);
    }
}

/* ---- looking up, listing ---- */

static vnode_result look_up_locked(struct mount *mount, struct node *directory, text name)
    REQUIRES(mount->lock)
{
    struct fat32_entry entry;
    TRY_AS(vnode_result, node_enter_directory(mount, directory));
    TRY_AS(vnode_result, fat32_directory_find(&mount->core, &directory->map, name, &entry));
    node_result opened = node_open(mount, directory, &entry);
    TRY_AS(vnode_result, opened.status);
    return (vnode_result){.value = &opened.value->vnode};
}

static vnode_result node_look_up(struct vnode *directory, text name)
{
    struct mount *mount = mount_of(directory);
    mount_acquire(mount);
    vnode_result result = look_up_locked(mount, node_of(directory), name);
    mount_release(mount);
    return result;
}

/* What is open may be larger than its entry says yet. */
static void complete_record(struct mount *mount, const struct fat32_entry *entry,
                            struct abi_directory_entry *record)
{
    struct node *node = node_find(mount, entry->position);
    if (node == nullptr) return;
    record->size_bytes = node->vnode.size_bytes;
    record->modified_ns = node->vnode.modified_ns;
    vnode_put(&node->vnode);
}

/* A cookie is the number of the next entry. A removed directory has none. */
static status enumerate_locked(struct mount *mount, struct node *directory, uint64_t cookie,
                               directory_visitor *visit, void *context) REQUIRES(mount->lock)
{
    if (node_is_removed(directory) || cookie > UINT32_MAX) return OK;
    TRY(node_load_map(mount, directory));
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
            .attributes = attributes_of(mount, entry.attributes),
        };
        complete_record(mount, &entry, &record);
        if (!visit(context, &record, fat32_entry_name(&entry))) return OK;
    }
}

static status node_enumerate(struct vnode *directory, uint64_t cookie, directory_visitor *visit,
                             void *context)
{
    struct mount *mount = mount_of(directory);
    mount_acquire(mount);
    status outcome = enumerate_locked(mount, node_of(directory), cookie, visit, context);
    mount_release(mount);
    return outcome;
}

/* ---- the volume ---- */

static status node_sync(struct vnode *any)
{
    struct mount *mount = mount_of(any);
    mount_acquire(mount);
    nodes_store_touched(mount);
    nodes_bury(mount);
    status synced = fat32_checkpoint(&mount->core);
    mount_release(mount);
    return synced;
}

static status node_mark_clean(struct vnode *any)
{
    struct mount *mount = mount_of(any);
    if (mount_is_read_only(mount)) return OK;
    mount_acquire(mount);
    nodes_store_touched(mount);
    nodes_bury(mount);
    status marked = fat32_mark_clean(&mount->core);
    mount_release(mount);
    return marked;
}

static void node_volume_info(const struct vnode *vnode,
                             struct vnode_volume_info *out_info) NO_LOCK_CHECK
{
    const struct mount *mount = mount_of(vnode);
    *out_info = (struct vnode_volume_info){
        .total_bytes = mount->total_bytes,
        .free_bytes = (uint64_t)fat32_free_clusters(&mount->core) * mount->cluster_bytes,
        .cluster_bytes = mount->cluster_bytes,
        .flags = atomic_load_explicit(&mount->flags, memory_order_relaxed),
        .device = block_device_name(mount->device),
    };
}

const struct vnode_operations fat32_node_operations = {
    .file_system = TEXT("fat32"),
    .look_up = node_look_up,
    .enumerate = node_enumerate,
    .read_pages = fat32_read_pages,
    .reserve = fat32_reserve,
    .write_pages = fat32_write_pages,
    .truncate = fat32_truncate,
    .sync = node_sync,
    .mark_clean = node_mark_clean,
    .locate = fat32_file_locate,
    .direct_written = fat32_direct_written,
    .create = fat32_create,
    .remove = fat32_remove,
    .rename = fat32_rename,
    .set_modified = fat32_set_modified,
    .volume_info = node_volume_info,
    .release = node_release,
};
