/*
 * Names: what paths lead to is opened, made, taken away and moved.
 *
 * A path is walked name by name, from the name cache where that knows, else by asking the file
 * system. What changes a name is the file system's alone, under its own lock; it tells the name
 * cache. So of two who change one name at once one comes first, and the other finds what is there
 * then.
 */
#include "fs/vfs/name_cache.h"
#include "fs/vfs/path.h"
#include "fs/vfs/vfs.h"

/* Where nothing depends on who asks. */
static const struct vnode_requester the_kernel;

/* ---- walking ---- */

/* One name, from the cache; else, if that is allowed, from the file system. */
static vnode_result step(struct vnode *directory, text name, bool may_wait,
                         const struct vnode_requester *requester)
{
    if (directory->kind != ABI_KIND_DIRECTORY) return (vnode_result){.status = FAIL(NOT_FOUND)};
    struct vnode *known = name_cache_find(directory, name);
    if (known != nullptr) return (vnode_result){.value = known};
    if (!may_wait) return (vnode_result){.status = FAIL(WOULD_BLOCK)};
    if (directory->operations->look_up_for != nullptr)
        return directory->operations->look_up_for(directory, name, requester);
    uint64_t seen = name_cache_changes();
    vnode_result found = directory->operations->look_up(directory, name);
    if (is_ok(found.status)) name_cache_add(directory, name, found.value, seen);
    return found;
}

/* What the checked path leads to, one reference; the directory itself for a path without names. */
static vnode_result walk(struct vnode *from, text path, bool may_wait,
                         const struct vnode_requester *requester)
{
    vnode_get(from);
    OWNED(vnode_owner) at = from;
    text name;
    while (path_next(&path, &name)) {
        vnode_result next = step(at, name, may_wait, requester);
        TRY_AS(vnode_result, next.status);
        vnode_put(at);
        at = next.value;
    }
    return (vnode_result){.value = TAKE(at)};
}

/* The directory that the path's last name is in, one reference, and that name. */
static vnode_result walk_to_last(struct object *from, text path, text *out_name)
{
    TRY_AS(vnode_result, path_check(path));
    size_t start = path.length;
    while (start > 0 && path.bytes[start - 1] != '/')
        start--;
    *out_name = (text){path.bytes + start, path.length - start};
    text before = {path.bytes, start > 0 ? start - 1 : 0};
    vnode_result parent = walk(vfs_vnode(from), before, true, &the_kernel);
    if (!is_ok(parent.status) || parent.value->kind == ABI_KIND_DIRECTORY) return parent;
    vnode_put(parent.value);
    return (vnode_result){.status = FAIL(NOT_FOUND)};
}

/* ---- opening ---- */

static object_result open_found(struct vnode *vnode)
{
    if (vnode->operations->open != nullptr) return vnode->operations->open(vnode);
    return vfs_open_vnode(vnode);
}

static object_result open_path(struct object *directory, text path, bool may_wait,
                               const struct vnode_requester *requester)
{
    TRY_AS(object_result, path_check(path));
    vnode_result found = walk(vfs_vnode(directory), path, may_wait, requester);
    TRY_AS(object_result, found.status);
    OWNED(vnode_owner) vnode = found.value;
    return open_found(vnode);
}

object_result vfs_open(struct object *directory, text path)
{
    return open_path(directory, path, true, &the_kernel);
}

object_result vfs_open_for(struct object *directory, text path,
                           const struct vnode_requester *requester)
{
    return open_path(directory, path, true, requester);
}

object_result vfs_open_cached(struct object *directory, text path)
{
    return open_path(directory, path, false, &the_kernel);
}

/* ---- changing ---- */

object_result vfs_create(struct object *directory, text path, enum abi_kind kind)
{
    text name;
    vnode_result parent = walk_to_last(directory, path, &name);
    TRY_AS(object_result, parent.status);
    OWNED(vnode_owner) at = parent.value;
    if (at->operations->create == nullptr)
        return (object_result){.status = FAIL(PERMISSION_DENIED)};
    uint64_t seen = name_cache_changes();
    vnode_result made = at->operations->create(at, name, kind);
    TRY_AS(object_result, made.status);
    OWNED(vnode_owner) vnode = made.value;
    name_cache_add(at, name, vnode, seen);
    return open_found(vnode);
}

status vfs_remove(struct object *directory, text path, enum abi_kind kind)
{
    text name;
    vnode_result parent = walk_to_last(directory, path, &name);
    TRY(parent.status);
    OWNED(vnode_owner) at = parent.value;
    if (at->operations->remove == nullptr) return FAIL(PERMISSION_DENIED);
    return at->operations->remove(at, name, kind);
}

status vfs_rename(struct object *from, text path, struct object *to, text new_path, bool keep)
{
    text name, new_name;
    vnode_result parent = walk_to_last(from, path, &name);
    TRY(parent.status);
    OWNED(vnode_owner) old_place = parent.value;
    parent = walk_to_last(to, new_path, &new_name);
    TRY(parent.status);
    OWNED(vnode_owner) new_place = parent.value;
    if (old_place->volume_number != new_place->volume_number) return FAIL(PERMISSION_DENIED);
    if (old_place->operations->rename == nullptr) return FAIL(PERMISSION_DENIED);
    return old_place->operations->rename(old_place, name, new_place, new_name, keep);
}

status vfs_set_modified(struct object *file_or_directory, uint64_t modified_ns)
{
    struct vnode *vnode = vfs_vnode(file_or_directory);
    if (vnode->operations->set_modified == nullptr) return FAIL(PERMISSION_DENIED);
    return vnode->operations->set_modified(vnode, modified_ns);
}
