/*
 * The vnodes of /proc. Each look-up makes one: a directory is a process's number, a file is its
 * text. Nobody finds them a second time, so they are no more than a handle's, and live as long.
 */
#include "fs/procfs/procfs.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "base/format.h"
#include "debug/assert.h"
#include "fs/procfs/procfs_internal.h"
#include "fs/vfs/vfs.h"
#include "mm/direct_map.h"
#include "mm/heap.h"
#include "time/clock.h"

struct proc_node {
    struct vnode vnode;
    struct memory_quota *quota; /* counted; nullptr: the kernel's */
    uint64_t charged_bytes;
    uint64_t process; /* of a directory: whose */
    char content[];   /* of a file */
};

static struct vnode root;
static _Atomic uint64_t nodes_made; /* relaxed: a counter */

static struct proc_node *node_of(struct vnode *vnode)
{
    return container_of(vnode, struct proc_node, vnode);
}

/* ---- nodes ---- */

static void node_release(struct vnode *vnode)
{
    struct proc_node *node = node_of(vnode);
    struct memory_quota *quota = node->quota;
    memory_quota_uncharge(quota, node->charged_bytes);
    if (quota != nullptr) memory_quota_put(quota);
    heap_give(node);
}

static void set_identity(struct vnode *vnode)
{
    uint64_t number = atomic_fetch_add_explicit(&nodes_made, 1, memory_order_relaxed) + 1;
    vnode->volume_number = root.volume_number;
    vnode->identity = vnode_identity(root.volume_number, number);
    vnode->attributes = ABI_ATTRIBUTE_READ_ONLY;
    vnode->created_ns = clock_real_ns();
    vnode->modified_ns = vnode->created_ns;
}

RESULT_TYPE(node_result, struct proc_node *);

/* With room for so many bytes of content, which `quota` pays for. OUT_OF_MEMORY */
static node_result node_create(const struct vnode_operations *operations, enum abi_kind kind,
                               uint64_t content_bytes, struct memory_quota *quota)
{
    uint64_t bytes = sizeof(struct proc_node) + content_bytes;
    TRY_AS(node_result, memory_quota_charge(quota, bytes));
    struct proc_node *node = heap_take(bytes);
    if (node == nullptr) {
        memory_quota_uncharge(quota, bytes);
        return (node_result){.status = FAIL(OUT_OF_MEMORY)};
    }
    if (quota != nullptr) memory_quota_get(quota);
    vnode_init(&node->vnode, operations, kind);
    set_identity(&node->vnode);
    node->quota = quota;
    node->charged_bytes = bytes;
    node->process = 0;
    return (node_result){.value = node};
}

/* ---- files ---- */

static status file_read_pages(struct vnode *file, uint64_t first_page, uint32_t count,
                              const physical_address *frames)
{
    uint64_t size = atomic_load_explicit(&file->size_bytes, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t start = (first_page + i) * PAGE_BYTES;
        uint64_t length = start >= size ? 0 : min_of(size - start, PAGE_BYTES);
        uint8_t *page = direct_map(frames[i]);
        bytes_copy(page, node_of(file)->content + (length > 0 ? start : 0), length);
        bytes_zero(page + length, PAGE_BYTES - length);
    }
    return OK;
}

static const struct vnode_operations file_operations = {
    .file_system = TEXT("proc"),
    .read_pages = file_read_pages,
    .release = node_release,
};

/* The text as it is now. */
static vnode_result open_file(const struct proc_file *file, struct process *process,
                              const struct vnode_requester *requester)
{
    struct proc_subject subject = {process, requester->process};
    char *bytes;
    uint64_t length;
    TRY_AS(vnode_result, proc_document_make(file, &subject, &bytes, &length));
    node_result made = node_create(&file_operations, ABI_KIND_FILE, length, requester->quota);
    if (is_ok(made.status)) {
        bytes_copy(made.value->content, bytes, length);
        atomic_store_explicit(&made.value->vnode.size_bytes, length, memory_order_relaxed);
    }
    heap_give(bytes);
    TRY_AS(vnode_result, made.status);
    return (vnode_result){.value = &made.value->vnode};
}

static const struct proc_file *file_named(const struct proc_file *files, uint32_t count, text name)
{
    for (uint32_t i = 0; i < count; i++)
        if (text_equal(files[i].name, name)) return &files[i];
    return nullptr;
}

/* ---- directories ---- */

/* Somebody to whom directory entries are told. */
struct listing {
    directory_visitor *visit;
    void *context;
};

static bool tell(const struct listing *listing, text name, enum abi_kind kind, uint64_t next_cookie)
{
    struct abi_directory_entry entry = {
        .kind = kind,
        .next_cookie = next_cookie,
        .attributes = ABI_ATTRIBUTE_READ_ONLY,
    };
    return listing->visit(listing->context, &entry, name);
}

/* A file's cookie is its place. False: no more is wanted. */
static bool tell_files(const struct listing *listing, const struct proc_file *files, uint64_t count,
                       uint64_t cookie)
{
    for (uint64_t i = cookie; i < count; i++)
        if (!tell(listing, files[i].name, ABI_KIND_FILE, i + 1)) return false;
    return true;
}

/* ---- the directory of a process ---- */

/* The process, counted, if it has not ended. */
static struct process *find_process(uint64_t number)
{
    struct process *found = process_find_from(number);
    if (found == nullptr || process_id(found) == number) return found;
    object_put(process_object(found));
    return nullptr;
}

static vnode_result process_look_up(struct vnode *directory, text name,
                                    const struct vnode_requester *requester)
{
    const struct proc_file *file = file_named(proc_process_files, PROC_PROCESS_FILES, name);
    if (file == nullptr) return (vnode_result){.status = FAIL(NOT_FOUND)};
    struct process *process = find_process(node_of(directory)->process);
    if (process == nullptr) return (vnode_result){.status = FAIL(NOT_FOUND)};
    vnode_result opened = open_file(file, process, requester);
    object_put(process_object(process));
    return opened;
}

static status process_enumerate(struct vnode *directory, uint64_t cookie, directory_visitor *visit,
                                void *context)
{
    (void)directory;
    struct listing listing = {visit, context};
    tell_files(&listing, proc_process_files, PROC_PROCESS_FILES, cookie);
    return OK;
}

static const struct vnode_operations process_operations = {
    .file_system = TEXT("proc"),
    .look_up_for = process_look_up,
    .enumerate = process_enumerate,
    .release = node_release,
};

static vnode_result open_process(uint64_t number, const struct vnode_requester *requester)
{
    struct process *process = find_process(number);
    if (process == nullptr) return (vnode_result){.status = FAIL(NOT_FOUND)};
    object_put(process_object(process));
    node_result made = node_create(&process_operations, ABI_KIND_DIRECTORY, 0, requester->quota);
    TRY_AS(vnode_result, made.status);
    made.value->process = number;
    return (vnode_result){.value = &made.value->vnode};
}

/* ---- the root ---- */

static constexpr uint64_t COOKIE_SELF = PROC_MACHINE_FILES;        /* of the entry itself */
static constexpr uint64_t COOKIE_PROCESS = PROC_MACHINE_FILES + 1; /* and its number */

/* Decimal digits as the kernel writes them: "7", not "07" nor "0x7". */
static bool is_process_number(text name, uint64_t *out_number)
{
    return name.length > 0 && name.bytes[0] != '0' && text_to_number(name, out_number);
}

static vnode_result root_look_up(struct vnode *directory, text name,
                                 const struct vnode_requester *requester)
{
    (void)directory;
    const struct proc_file *file = file_named(proc_machine_files, PROC_MACHINE_FILES, name);
    if (file != nullptr) return open_file(file, nullptr, requester);
    uint64_t number;
    if (text_equal(name, TEXT("self"))) return open_process(requester->process, requester);
    if (is_process_number(name, &number)) return open_process(number, requester);
    return (vnode_result){.status = FAIL(NOT_FOUND)};
}

/* From the number on. */
static void tell_processes(const struct listing *listing, uint64_t number)
{
    for (struct process *process; (process = process_find_from(number)) != nullptr;) {
        char bytes[24];
        struct text_writer name = TEXT_WRITER(bytes);
        number = process_id(process);
        object_put(process_object(process));
        text_format(&name, "%llu", (unsigned long long)number);
        number++;
        if (!tell(listing, text_written(&name), ABI_KIND_DIRECTORY, COOKIE_PROCESS + number))
            return;
    }
}

static status root_enumerate(struct vnode *directory, uint64_t cookie, directory_visitor *visit,
                             void *context)
{
    (void)directory;
    struct listing listing = {visit, context};
    if (!tell_files(&listing, proc_machine_files, PROC_MACHINE_FILES, cookie)) return OK;
    if (cookie <= COOKIE_SELF && !tell(&listing, TEXT("self"), ABI_KIND_DIRECTORY, COOKIE_PROCESS))
        return OK;
    tell_processes(&listing, cookie > COOKIE_PROCESS ? cookie - COOKIE_PROCESS : 0);
    return OK;
}

/* The kernel keeps a reference for ever. */
static void root_release(struct vnode *vnode)
{
    (void)vnode;
    panic("the root of /proc was released");
}

static const struct vnode_operations root_operations = {
    .file_system = TEXT("proc"),
    .look_up_for = root_look_up,
    .enumerate = root_enumerate,
    .release = root_release,
};

struct vnode *procfs_init(void)
{
    vnode_init(&root, &root_operations, ABI_KIND_DIRECTORY);
    root.volume_number = vfs_take_volume_number();
    set_identity(&root);
    return &root;
}
