/*
 * Names of a mounted volume: files and directories are made, taken away and moved.
 *
 * Everything happens under the volume's mutex, from finding the names to changing them.
 */
#include "base/container.h"
#include "fs/fat32/fat32_format.h"
#include "fs/fat32/fat32_internal.h"
#include "fs/fat32/fat32_mount_internal.h"
#include "fs/vfs/name_cache.h"
#include "time/clock.h"

/* ---- create ---- */

static status create_locked(struct mount *mount, struct node *directory, text name,
                            enum abi_kind kind, struct node *node) REQUIRES(mount->lock)
{
    struct fat32_entry entry;
    TRY(node_enter_directory(mount, directory));
    mount_wake(mount, false);
    nodes_bury(mount); /* there may be no other room */
    TRY(fat32_entry_create(&mount->core, &directory->map, directory->first_cluster,
                           &(struct fat32_new_entry){.name = name,
                                                     .is_directory = kind == ABI_KIND_DIRECTORY,
                                                     .created_ns = clock_real_ns()},
                           &entry));
    node_publish(mount, node, &entry);
    return OK;
}

vnode_result fat32_create(struct vnode *directory, text name, enum abi_kind kind)
{
    struct mount *mount = mount_of(directory);
    mount_acquire(mount);
    struct node *node = node_create(mount);
    status made = node == nullptr ? FAIL(OUT_OF_MEMORY)
                                  : create_locked(mount, node_of(directory), name, kind, node);
    mount_release(mount);
    if (is_ok(made)) return (vnode_result){.value = &node->vnode};
    if (node != nullptr) vnode_put(&node->vnode);
    return (vnode_result){.status = made};
}

/* ---- remove ---- */

/* Ready to go: of the wanted kind, and empty. */
static status check_removable(struct mount *mount, struct node *node, enum abi_kind kind)
    REQUIRES(mount->lock)
{
    if (kind != ABI_KIND_COUNT && node->vnode.kind != kind) return FAIL(NOT_FOUND);
    if (node->vnode.kind != ABI_KIND_DIRECTORY) return OK;
    TRY(node_load_map(mount, node));
    return fat32_directory_check_empty(&mount->core, &node->map);
}

static status remove_opened(struct mount *mount, struct node *directory,
                            const struct fat32_entry *entry, struct node *node, enum abi_kind kind)
    REQUIRES(mount->lock)
{
    TRY(check_removable(mount, node, kind));
    mount_wake(mount, false);
    TRY(fat32_entry_remove(&mount->core, &directory->map, entry));
    node_remove(mount, node);
    return OK;
}

static status remove_locked(struct mount *mount, struct node *directory, text name,
                            enum abi_kind kind) REQUIRES(mount->lock)
{
    struct fat32_entry entry;
    TRY(node_enter_directory(mount, directory));
    TRY(fat32_directory_find(&mount->core, &directory->map, name, &entry));
    node_result opened = node_open(mount, directory, &entry);
    TRY(opened.status);
    status removed = remove_opened(mount, directory, &entry, opened.value, kind);
    vnode_put(&opened.value->vnode);
    return removed;
}

status fat32_remove(struct vnode *directory, text name, enum abi_kind kind)
{
    struct mount *mount = mount_of(directory);
    mount_acquire(mount);
    status removed = remove_locked(mount, node_of(directory), name, kind);
    mount_release(mount);
    return removed;
}

/* ---- rename ---- */

/* A rename on its way: what is moved, and what is at the new place. */
struct move {
    struct node *from;
    struct node *to;
    text new_name;
    struct fat32_entry entry;
    struct fat32_entry target;
    bool has_target;          /* and it is not what is moved itself */
    struct node *node;        /* of what is moved, counted; nullptr: nobody has it */
    struct node *target_node; /* of what is replaced, counted; nullptr: nothing is */
};

/* What ".." of a directory says: 0 for the root. */
static status parent_cluster_of(struct mount *mount, uint32_t cluster, uint32_t *out_parent)
    REQUIRES(mount->lock)
{
    fat32_bytes_result slot =
        fat32_volume_bytes(&mount->core, fat32_cluster_start(&mount->core, cluster) + ENTRY_BYTES);
    TRY(slot.status);
    struct fat32_entry entry;
    fat32_entry_load(slot.value, &entry);
    *out_parent = entry.first_cluster;
    return OK;
}

/* INVALID_ARGUMENT when the directory `to` is the moved one or below it. */
static status check_not_below(struct mount *mount, const struct move *move) REQUIRES(mount->lock)
{
    uint32_t cluster = move->to->first_cluster;
    for (uint32_t depth = 0; depth <= mount->core.cluster_count; depth++) {
        if (cluster == 0 || cluster == mount->core.root_cluster) return OK;
        if (cluster == move->entry.first_cluster) return FAIL(INVALID_ARGUMENT);
        if (!fat32_is_cluster(&mount->core, cluster)) return FAIL(IO_ERROR);
        TRY(parent_cluster_of(mount, cluster, &cluster));
    }
    return FAIL(IO_ERROR);
}

/* Finds both entries, and refuses what cannot be. */
static status move_find(struct mount *mount, struct move *move, text name, bool keep)
    REQUIRES(mount->lock)
{
    TRY(node_enter_directory(mount, move->from));
    TRY(node_enter_directory(mount, move->to));
    TRY(fat32_directory_find(&mount->core, &move->from->map, name, &move->entry));
    if (move->entry.is_directory) TRY(check_not_below(mount, move));
    status found =
        fat32_directory_find(&mount->core, &move->to->map, move->new_name, &move->target);
    if (!is_ok(found) && found.code != STATUS_NOT_FOUND) return found;
    move->has_target = is_ok(found) && move->target.position != move->entry.position;
    if (!move->has_target) return OK;
    bool is_other_kind = move->target.is_directory != move->entry.is_directory;
    return keep || is_other_kind ? FAIL(ALREADY_EXISTS) : OK;
}

static status move_open(struct mount *mount, struct move *move) REQUIRES(mount->lock)
{
    move->node = node_find(mount, move->entry.position);
    if (!move->has_target) return OK;
    node_result opened = node_open(mount, move->to, &move->target);
    TRY(opened.status);
    move->target_node = opened.value;
    return check_removable(mount, opened.value, ABI_KIND_COUNT);
}

static status move_run(struct mount *mount, struct move *move) REQUIRES(mount->lock)
{
    struct fat32_entry moved;
    mount_wake(mount, false);
    nodes_bury(mount); /* there may be no other room */
    TRY(fat32_entry_rename(&mount->core, &move->from->map, &move->entry, &move->to->map,
                           move->to->first_cluster, move->new_name,
                           move->has_target ? &move->target : nullptr, &moved));
    if (move->target_node != nullptr) node_remove(mount, move->target_node);
    if (move->node == nullptr) return OK;
    node_move(mount, move->node, moved.position);
    name_cache_forget(&move->node->vnode);
    return OK;
}

static status rename_locked(struct mount *mount, struct move *move, text name, bool keep)
    REQUIRES(mount->lock)
{
    TRY(move_find(mount, move, name, keep));
    status moved = move_open(mount, move);
    if (is_ok(moved)) moved = move_run(mount, move);
    if (move->target_node != nullptr) vnode_put(&move->target_node->vnode);
    if (move->node != nullptr) vnode_put(&move->node->vnode);
    return moved;
}

status fat32_rename(struct vnode *from, text name, struct vnode *to, text new_name, bool keep)
{
    struct mount *mount = mount_of(from);
    struct move move = {.from = node_of(from), .to = node_of(to), .new_name = new_name};
    mount_acquire(mount);
    status renamed = rename_locked(mount, &move, name, keep);
    mount_release(mount);
    return renamed;
}

/* ---- times ---- */

status fat32_set_modified(struct vnode *vnode, uint64_t modified_ns)
{
    struct mount *mount = mount_of(vnode);
    struct node *node = node_of(vnode);
    if (node->position == POSITION_OF_ROOT) return FAIL(PERMISSION_DENIED); /* it has no entry */
    if (mount_is_read_only(mount)) return FAIL(PERMISSION_DENIED);
    mount_acquire(mount);
    atomic_store_explicit(&vnode->modified_ns, modified_ns, memory_order_relaxed);
    status stored = node_store(mount, node);
    mount_release(mount);
    return stored;
}
