#include "tree.h"
#include "peal/bytes.h"
#include "peal/heap.h"

#define CAPACITY_FIRST 4096u

struct node *tree_add(struct node *parent, text name, enum abi_kind kind)
{
    struct node *node = peal_allocate_zeroed(1, sizeof(*node));
    char *copy = peal_allocate(name.length > 0 ? name.length : 1);
    if (node == nullptr || copy == nullptr) {
        peal_release(node);
        peal_release(copy);
        return nullptr;
    }
    memcpy(copy, name.bytes, name.length);
    node->parent = parent;
    node->name = (text){copy, name.length};
    node->kind = kind;
    node->cookie = 1;
    if (parent == nullptr) return node;
    struct node **end = &parent->first;
    for (; *end != nullptr; end = &(*end)->next)
        node->cookie = (*end)->cookie + 1;
    *end = node;
    return node;
}

static void node_free(struct node *node)
{
    peal_release((void *)node->name.bytes);
    peal_release(node->bytes);
    peal_release(node);
}

/* Always the first leaf, so that no recursion is needed. */
void tree_free(struct node *root)
{
    struct node *at = root;
    while (at != nullptr) {
        if (at->first != nullptr) {
            at = at->first;
            continue;
        }
        struct node *parent = at == root ? nullptr : at->parent;
        if (parent != nullptr) parent->first = at->next;
        node_free(at);
        at = parent;
    }
}

static struct node *child_named(const struct node *folder, text name)
{
    struct node *child = folder->first;
    while (child != nullptr && !peal_text_equal(child->name, name))
        child = child->next;
    return child;
}

/* The same for every path, whatever there is in the tree. */
static status path_check(text path)
{
    if (path.length == 0) return FAIL(INVALID_ARGUMENT);
    if (path.bytes[0] == '/') return FAIL(PERMISSION_DENIED);
    if (path.bytes[path.length - 1] == '/') return FAIL(INVALID_ARGUMENT);
    while (path.length > 0) {
        text name = peal_text_split(&path, '/');
        if (peal_text_equal(name, TEXT(".."))) return FAIL(PERMISSION_DENIED);
        if (name.length == 0 || peal_text_equal(name, TEXT("."))) return FAIL(INVALID_ARGUMENT);
    }
    return OK;
}

status tree_find(struct node *from, text path, struct node **out_node)
{
    TRY(path_check(path));
    struct node *at = from;
    while (path.length > 0) {
        text name = peal_text_split(&path, '/');
        at = at->kind == ABI_KIND_DIRECTORY ? child_named(at, name) : nullptr;
        if (at == nullptr) return FAIL(NOT_FOUND);
    }
    *out_node = at;
    return OK;
}

status tree_create(struct node *from, text path, enum abi_kind kind, struct node **out_node)
{
    status found = tree_find(from, path, out_node);
    if (is_ok(found)) return FAIL(ALREADY_EXISTS);
    if (found.code != STATUS_NOT_FOUND) return found;
    size_t name_at = path.length;
    while (name_at > 0 && path.bytes[name_at - 1] != '/')
        name_at--;
    struct node *folder = from;
    if (name_at > 0) TRY(tree_find(from, (text){path.bytes, name_at - 1}, &folder));
    if (folder->kind != ABI_KIND_DIRECTORY) return FAIL(NOT_FOUND);
    *out_node = tree_add(folder, (text){path.bytes + name_at, path.length - name_at}, kind);
    return *out_node == nullptr ? FAIL(OUT_OF_MEMORY) : OK;
}

status tree_reserve(struct node *file, uint64_t end_bytes)
{
    if (end_bytes > TREE_FILE_BYTES_MAX) return FAIL(OUT_OF_RANGE);
    if (end_bytes <= file->capacity_bytes) return OK;
    uint64_t capacity = file->capacity_bytes == 0 ? CAPACITY_FIRST : file->capacity_bytes;
    while (capacity < end_bytes)
        capacity *= 2;
    uint8_t *larger = peal_resize(file->bytes, capacity);
    if (larger == nullptr) return FAIL(OUT_OF_MEMORY);
    file->bytes = larger;
    file->capacity_bytes = capacity;
    return OK;
}

void tree_written(struct node *file, uint64_t start_bytes, uint64_t end_bytes)
{
    if (start_bytes > file->size_bytes)
        memset(file->bytes + file->size_bytes, 0, start_bytes - file->size_bytes);
    if (end_bytes > file->size_bytes) file->size_bytes = end_bytes;
}

static uint32_t record_bytes(const struct node *node)
{
    return (uint32_t)((sizeof(struct abi_directory_entry) + node->name.length + 7) & ~7ull);
}

static void record_fill(const struct node *node, uint8_t *out)
{
    struct abi_directory_entry entry = {
        .record_bytes = record_bytes(node),
        .kind = node->kind,
        .next_cookie = node->cookie,
        .size_bytes = node->size_bytes,
        .modified_ns = node->modified_ns,
        .attributes = node->attributes,
        .name_bytes = (uint32_t)node->name.length,
    };
    memset(out, 0, entry.record_bytes);
    memcpy(out, &entry, sizeof(entry));
    memcpy(out + sizeof(entry), node->name.bytes, node->name.length);
}

size_result tree_list(const struct node *folder, uint64_t cookie, span out)
{
    uint64_t used = 0;
    const struct node *child = folder->first;
    while (child != nullptr && child->cookie <= cookie)
        child = child->next;
    for (; child != nullptr; child = child->next) {
        if (out.length - used < record_bytes(child)) break;
        record_fill(child, (uint8_t *)out.bytes + used);
        used += record_bytes(child);
    }
    if (used == 0 && child != nullptr) return (size_result){.status = FAIL(OUT_OF_RANGE)};
    return (size_result){.value = used};
}
