/*
 * The synthetic root: a directory in memory whose entries are the volumes' own roots. Volumes are
 * added, never removed.
 */
#include "fs/vfs/root.h"
#include "base/bytes.h"
#include "debug/assert.h"
#include "fs/vfs/vfs.h"
#include "sync/spin_lock.h"

static struct vnode root;
static spin_lock root_lock = SPIN_LOCK_INIT(LOCK_RANK_FILE);
/* An entry below entry_count never changes, and counts its vnode. */
static struct vfs_volume entries[VFS_VOLUMES_MAX] GUARDED_BY(root_lock);
static uint32_t entry_count GUARDED_BY(root_lock);

static text entry_name(const struct vfs_volume *entry)
{
    return (text){entry->name, entry->name_bytes};
}

static struct vfs_volume *find_locked(text name) REQUIRES(root_lock)
{
    for (uint32_t i = 0; i < entry_count; i++) {
        if (text_equal(entry_name(&entries[i]), name)) return &entries[i];
    }
    return nullptr;
}

static vnode_result root_look_up(struct vnode *directory, text name)
{
    (void)directory;
    vnode_result result = {.status = FAIL(NOT_FOUND)};
    spin_acquire(&root_lock);
    const struct vfs_volume *entry = find_locked(name);
    if (entry != nullptr) {
        vnode_get(entry->root);
        result = (vnode_result){.value = entry->root};
    }
    spin_release(&root_lock);
    return result;
}

bool vfs_volume_at(uint64_t index, struct vfs_volume *out_volume)
{
    spin_acquire(&root_lock);
    bool is_there = index < entry_count;
    if (is_there) *out_volume = entries[index];
    spin_release(&root_lock);
    return is_there;
}

static status root_enumerate(struct vnode *directory, uint64_t cookie, directory_visitor *visit,
                             void *context)
{
    (void)directory;
    struct vfs_volume entry;
    for (uint64_t i = cookie; vfs_volume_at(i, &entry); i++) {
        struct abi_directory_entry record = {
            .kind = ABI_KIND_DIRECTORY,
            .next_cookie = i + 1,
            .modified_ns = entry.root->modified_ns,
            .attributes = entry.root->attributes,
        };
        if (!visit(context, &record, entry_name(&entry))) break;
    }
    return OK;
}

/* The kernel keeps a reference for ever. */
static void root_release(struct vnode *vnode)
{
    (void)vnode;
    panic("the root directory was released");
}

static const struct vnode_operations root_operations = {
    .file_system = TEXT("root"),
    .look_up = root_look_up,
    .enumerate = root_enumerate,
    .release = root_release,
};

void root_init(void)
{
    vnode_init(&root, &root_operations, ABI_KIND_DIRECTORY);
    root.identity = vnode_identity(0, 1);
    root.attributes = ABI_ATTRIBUTE_READ_ONLY;
}

struct vnode *vfs_root(void)
{
    return &root;
}

static status add_locked(text name, struct vnode *vnode) REQUIRES(root_lock)
{
    if (find_locked(name) != nullptr) return FAIL(ALREADY_EXISTS);
    if (entry_count == VFS_VOLUMES_MAX) return FAIL(OUT_OF_MEMORY);
    struct vfs_volume *entry = &entries[entry_count++];
    bytes_copy(entry->name, name.bytes, name.length);
    entry->name_bytes = (uint8_t)name.length;
    entry->root = vnode;
    return OK;
}

status vfs_add_volume(text name, struct vnode *vnode)
{
    if (name.length > VFS_VOLUME_NAME_BYTES_MAX) return FAIL(OUT_OF_RANGE);
    vnode_get(vnode);
    spin_acquire(&root_lock);
    status added = add_locked(name, vnode);
    spin_release(&root_lock);
    if (!is_ok(added)) vnode_put(vnode);
    return added;
}
