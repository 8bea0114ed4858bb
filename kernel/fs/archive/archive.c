/*
 * The boot archive: a tree of nodes, made once, that lives as long as its root.
 *
 * A node holds no references to others: the tree as a whole holds one to each node, so that none is
 * ever released before archive_close.
 */
#include "fs/archive/archive.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "base/container.h"
#include "debug/log.h"
#include "fs/archive/ustar.h"
#include "fs/vfs/path.h"
#include "fs/vfs/vfs.h"
#include "mm/direct_map.h"
#include "mm/heap.h"

struct archive_node {
    struct vnode vnode;
    struct list children;   /* of a directory, as they came */
    struct list link;       /* in the parent's children */
    uint64_t number;        /* among all nodes of the archive, from 1 */
    const uint8_t *content; /* of a file; borrowed from the archive */
    uint32_t name_bytes;
    char name[];
};

/* An archive being opened, or open: what all its vnodes have as their volume. */
struct archive {
    struct archive_node *root;
    uint64_t volume_number;
    uint64_t node_count;
};

static struct archive_node *node_of(struct vnode *vnode)
{
    return container_of(vnode, struct archive_node, vnode);
}

static text node_name(const struct archive_node *node)
{
    return (text){node->name, node->name_bytes};
}

static struct archive_node *child_find(struct archive_node *directory, text name)
{
    struct archive_node *child;
    list_for_each (child, &directory->children, link) {
        if (text_equal(node_name(child), name)) return child;
    }
    return nullptr;
}

/* ---- what the vfs asks ---- */

static vnode_result archive_look_up(struct vnode *directory, text name)
{
    struct archive_node *child = child_find(node_of(directory), name);
    if (child == nullptr) return (vnode_result){.status = FAIL(NOT_FOUND)};
    vnode_get(&child->vnode);
    return (vnode_result){.value = &child->vnode};
}

/* A cookie is the number of the child that came last: numbers grow along the list. */
static status archive_enumerate(struct vnode *directory, uint64_t cookie, directory_visitor *visit,
                                void *context)
{
    struct archive_node *child;
    list_for_each (child, &node_of(directory)->children, link) {
        if (child->number <= cookie) continue;
        struct abi_directory_entry record = {
            .kind = child->vnode.kind,
            .next_cookie = child->number,
            .size_bytes = child->vnode.size_bytes,
            .modified_ns = child->vnode.modified_ns,
            .attributes = child->vnode.attributes,
        };
        if (!visit(context, &record, node_name(child))) break;
    }
    return OK;
}

static status archive_read_pages(struct vnode *file, uint64_t first_page, uint32_t count,
                                 const physical_address *frames)
{
    uint64_t size = file->size_bytes;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t start = (first_page + i) * PAGE_BYTES;
        uint64_t length = start >= size ? 0 : min_of(size - start, PAGE_BYTES);
        uint8_t *page = direct_map(frames[i]);
        if (length > 0) bytes_copy(page, node_of(file)->content + start, length);
        bytes_zero(page + length, PAGE_BYTES - length);
    }
    return OK;
}

static void archive_release(struct vnode *vnode)
{
    heap_give(node_of(vnode));
}

static const struct vnode_operations archive_operations = {
    .file_system = TEXT("archive"),
    .look_up = archive_look_up,
    .enumerate = archive_enumerate,
    .read_pages = archive_read_pages,
    .release = archive_release,
};

/* ---- making the tree ---- */

static struct archive_node *node_create(struct archive *archive, enum abi_kind kind, text name)
{
    struct archive_node *node = heap_take(sizeof(*node) + name.length);
    if (node == nullptr) return nullptr;
    vnode_init(&node->vnode, &archive_operations, kind);
    list_init(&node->children);
    list_init(&node->link);
    node->number = ++archive->node_count;
    node->content = nullptr;
    node->name_bytes = (uint32_t)name.length;
    bytes_copy(node->name, name.bytes, name.length);
    node->vnode.volume = archive;
    node->vnode.volume_number = archive->volume_number;
    node->vnode.identity = vnode_identity(archive->volume_number, node->number);
    node->vnode.attributes = ABI_ATTRIBUTE_READ_ONLY;
    return node;
}

RESULT_TYPE(node_result, struct archive_node *);

/* The child of that name and kind, made if there is none. ALREADY_EXISTS: there is one of another
 * kind. */
static node_result child_of(struct archive *archive, struct archive_node *directory, text name,
                            enum abi_kind kind)
{
    struct archive_node *child = child_find(directory, name);
    if (child == nullptr) {
        child = node_create(archive, kind, name);
        if (child == nullptr) return (node_result){.status = FAIL(OUT_OF_MEMORY)};
        list_push_back(&directory->children, &child->link);
    }
    if (child->vnode.kind != kind) return (node_result){.status = FAIL(ALREADY_EXISTS)};
    return (node_result){.value = child};
}

/* Adds the entry and the directories on the way to it. A file that comes again replaces what it
 * was. */
static status add_entry(struct archive *archive, const struct ustar_entry *entry)
{
    text path = {entry->name, entry->name_bytes};
    TRY(path_check(path));
    enum abi_kind kind = entry->kind == USTAR_FILE ? ABI_KIND_FILE : ABI_KIND_DIRECTORY;
    struct archive_node *at = archive->root;
    text name;
    while (path_next(&path, &name)) {
        node_result next = child_of(archive, at, name, path.length > 0 ? ABI_KIND_DIRECTORY : kind);
        TRY(next.status);
        at = next.value;
    }
    if (entry->kind == USTAR_FILE) {
        at->content = entry->content;
        at->vnode.size_bytes = entry->size_bytes;
    }
    uint64_t modified_ns;
    if (checked_multiply(entry->modified_seconds, 1000000000, &modified_ns))
        at->vnode.modified_ns = at->vnode.created_ns = modified_ns;
    return OK;
}

static void log_left_out(const struct ustar_entry *entry)
{
    text name = {entry->name, entry->name_bytes};
    if (!text_is_utf8(name)) name = TEXT("(a name that is no text)");
    log_line("archive", "left out, being no plain file or folder with a plain name: %.*s",
             TEXT_ARGUMENTS(name));
}

/* Adds everything up to the end or the first damage. */
static status add_all(struct archive *archive, struct ustar_reader *reader)
{
    struct ustar_entry entry;
    text reason;
    for (;;) {
        status next = ustar_next(reader, &entry, &reason);
        if (next.code == STATUS_NOT_FOUND) return OK;
        if (!is_ok(next)) {
            log_line("archive", "damaged at byte %llu: %.*s; what is behind is left out",
                     (unsigned long long)reader->offset, TEXT_ARGUMENTS(reason));
            return OK;
        }
        status added =
            entry.kind == USTAR_OTHER ? FAIL(NOT_IMPLEMENTED) : add_entry(archive, &entry);
        if (added.code == STATUS_OUT_OF_MEMORY) return added;
        if (!is_ok(added)) log_left_out(&entry);
    }
}

vnode_result archive_open(const void *bytes, uint64_t length)
{
    struct archive *archive = heap_take_zeroed(sizeof(*archive));
    if (archive == nullptr) return (vnode_result){.status = FAIL(OUT_OF_MEMORY)};
    archive->volume_number = vfs_take_volume_number();
    archive->root = node_create(archive, ABI_KIND_DIRECTORY, TEXT(""));
    if (archive->root == nullptr) {
        heap_give(archive);
        return (vnode_result){.status = FAIL(OUT_OF_MEMORY)};
    }
    struct vnode *root = &archive->root->vnode;
    struct ustar_reader reader = {.bytes = bytes, .length = length};
    status added = add_all(archive, &reader);
    if (is_ok(added)) return (vnode_result){.value = root};
    archive_close(root);
    return (vnode_result){.status = added};
}

/* From the top down: a node's children take its place in the list before it goes. */
void archive_close(struct vnode *root)
{
    struct archive *archive = root->volume;
    struct list doomed = LIST_INIT(doomed);
    list_push_back(&doomed, &node_of(root)->link);
    struct list *link;
    while ((link = list_take_front(&doomed)) != nullptr) {
        struct archive_node *node = list_entry(link, struct archive_node, link);
        list_move_all(&doomed, &node->children);
        vnode_put(&node->vnode);
    }
    heap_give(archive);
}
