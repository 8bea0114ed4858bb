/*
 * Contents of files: pages come from and go to the clusters of their chains.
 *
 * A file's size is in three places: the vnode's is what programs see; `stored_bytes` is what the
 * entry says and the chain holds, and lags behind while pages are dirty; the entry on the medium
 * follows with the next checkpoint. Clusters are taken when pages are written, as many at once and
 * as near to each other as can be; until then they are promised, so that a full volume is told to
 * who writes.
 */
#include "base/bytes.h"
#include "base/checked.h"
#include "base/container.h"
#include "device/block_device.h"
#include "fs/fat32/fat32_format.h"
#include "fs/fat32/fat32_mount_internal.h"
#include "fs/vfs/page_cache.h"
#include "mm/direct_map.h"

/* ---- room ---- */

static uint32_t clusters_for(const struct mount *mount, uint64_t bytes)
{
    return (uint32_t)((bytes + mount->cluster_bytes - 1) / mount->cluster_bytes);
}

static struct node_room room_of(struct node *node)
{
    return atomic_load_explicit(&node->room, memory_order_relaxed);
}

static bool room_replace(struct node *node, struct node_room *expected, struct node_room wanted)
{
    return atomic_compare_exchange_strong_explicit(&node->room, expected, wanted,
                                                   memory_order_relaxed, memory_order_relaxed);
}

/* Promises what is missing to so many clusters. NO_SPACE */
static status room_promise(struct mount *mount, struct node *node, uint32_t clusters) NO_LOCK_CHECK
{
    struct node_room room = room_of(node);
    while (room.has + room.promised < clusters) {
        uint32_t missing = clusters - room.has - room.promised;
        if (!fat32_promise_take(&mount->core, missing)) return FAIL(NO_SPACE);
        struct node_room larger = {room.has, room.promised + missing};
        if (room_replace(node, &room, larger)) return OK;
        fat32_promise_give(&mount->core, missing);
    }
    return OK;
}

void fat32_room_trim(struct node *node, uint32_t clusters) NO_LOCK_CHECK
{
    struct node_room room = room_of(node), smaller;
    uint32_t excess;
    do {
        uint32_t all = room.has + room.promised;
        excess = all <= clusters ? 0 : min_of(all - clusters, room.promised);
        smaller = (struct node_room){room.has, room.promised - excess};
    } while (!room_replace(node, &room, smaller));
    if (excess > 0) fat32_promise_give(&mount_of(&node->vnode)->core, excess);
}

/* The chain has so many clusters now; so many more are promised, and `used` fewer. */
static void room_change(struct node *node, uint32_t has, uint32_t added, uint32_t used)
{
    struct node_room room = room_of(node), changed;
    do
        changed = (struct node_room){has, room.promised + added - min_of(room.promised, used)};
    while (!room_replace(node, &room, changed));
}

static void room_set(struct node *node, uint32_t has, uint32_t used)
{
    room_change(node, has, 0, used);
}

/* The same; what removed files had is room, too. */
static status room_promise_locked(struct mount *mount, struct node *node, uint32_t clusters)
    REQUIRES(mount->lock)
{
    status promised = room_promise(mount, node, clusters);
    if (promised.code != STATUS_NO_SPACE) return promised;
    nodes_bury(mount);
    return room_promise(mount, node, clusters);
}

status fat32_reserve(struct vnode *vnode, uint64_t size_bytes, bool may_wait)
{
    struct mount *mount = mount_of(vnode);
    struct node *node = node_of(vnode);
    if (size_bytes > FILE_BYTES_MAX) return FAIL(OUT_OF_RANGE);
    if (vnode->attributes & ABI_ATTRIBUTE_READ_ONLY) return FAIL(PERMISSION_DENIED);
    if (mount_is_read_only(mount)) return FAIL(PERMISSION_DENIED);
    uint32_t clusters = clusters_for(mount, size_bytes);
    status promised = room_promise(mount, node, clusters);
    if (promised.code != STATUS_NO_SPACE) return promised;
    if (!may_wait) return FAIL(WOULD_BLOCK);
    mount_acquire(mount);
    promised = room_promise_locked(mount, node, clusters);
    mount_release(mount);
    return promised;
}

/* ---- moving bytes ---- */

/* The next contiguous piece of the file, as far as one request may go. */
static status locate(struct mount *mount, struct node *file, uint64_t offset, uint64_t length,
                     struct fat32_extent *out_extent)
{
    mount_acquire(mount);
    status found = node_load_map(mount, file);
    if (is_ok(found))
        found = fat32_locate(&mount->core, &file->map, offset, (uint32_t)length, out_extent);
    mount_release(mount);
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

/* Moves `length` bytes of the file, from `start` on, into the frames or out of them; whole sectors.
 */
static status move_extents(struct node *file, enum block_direction direction, uint64_t start,
                           uint64_t length, const physical_address *frames)
{
    struct mount *mount = mount_of(&file->vnode);
    for (uint64_t done = 0; done < length;) {
        struct fat32_extent extent;
        TRY(locate(mount, file, start + done, length - done, &extent));
        struct block_request request = {
            .direction = direction,
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

status fat32_read_pages(struct vnode *vnode, uint64_t first_page, uint32_t count,
                        const physical_address *frames)
{
    struct node *node = node_of(vnode);
    uint64_t start = first_page * PAGE_BYTES;
    uint64_t size = atomic_load_explicit(&node->stored_bytes, memory_order_relaxed);
    uint64_t inside = start >= size ? 0 : min_of(size - start, count * PAGE_BYTES);
    TRY(move_extents(node, BLOCK_READ, start,
                     round_up(inside, mount_of(vnode)->device->sector_bytes), frames));
    zero_behind(inside, frames, count);
    return OK;
}

/* ---- writing ---- */

/* The chain becomes long enough for so many bytes. */
static status grow_locked(struct mount *mount, struct node *node, uint64_t end)
    REQUIRES(mount->lock)
{
    TRY(node_load_map(mount, node));
    uint32_t clusters = clusters_for(mount, end), before = node->map.cluster_count;
    if (before >= clusters) return OK;
    room_set(node, before, 0);
    TRY(room_promise_locked(mount, node, clusters));
    mount_wake(mount, false);
    TRY(fat32_chain_extend_promised(&mount->core, &node->map, clusters));
    room_set(node, clusters, clusters - before);
    return OK;
}

static status grow(struct mount *mount, struct node *node, uint64_t end)
{
    mount_acquire(mount);
    status grown = grow_locked(mount, node, end);
    mount_release(mount);
    return grown;
}

/* What could not be filled goes: the entry does not tell of it. It stays promised, for the next
 * attempt. */
static void shrink_back(struct mount *mount, struct node *node)
{
    mount_acquire(mount);
    uint32_t before = node->map.cluster_count;
    uint32_t clusters = clusters_for(mount, node->stored_bytes);
    /* When that fails the chain is longer, and the next attempt finds it so. */
    ignore_status(fat32_chain_cut_promised(&mount->core, &node->map, clusters));
    room_change(node, node->map.cluster_count, before - node->map.cluster_count, 0);
    mount_release(mount);
}

/* The entry tells of so many bytes from there on, or of what it did before. */
static status store_extent(struct mount *mount, struct node *node, uint32_t size,
                           uint32_t first_cluster) REQUIRES(mount->lock)
{
    uint32_t old_size = node->stored_bytes, old_first = node->first_cluster;
    atomic_store_explicit(&node->stored_bytes, size, memory_order_relaxed);
    node->first_cluster = first_cluster;
    status stored = node_store(mount, node);
    if (is_ok(stored)) return OK;
    atomic_store_explicit(&node->stored_bytes, old_size, memory_order_relaxed);
    node->first_cluster = old_first;
    return stored;
}

/* The entry tells of what is written. */
static status store_written(struct mount *mount, struct node *node, uint64_t end)
{
    mount_acquire(mount);
    fat32_data_written(&mount->core);
    node->attributes |= ATTRIBUTE_ARCHIVE;
    status stored = store_extent(mount, node, max_of(node->stored_bytes, (uint32_t)end),
                                 fat32_map_first(&node->map));
    mount_release(mount);
    return stored;
}

status fat32_write_pages(struct vnode *vnode, uint64_t first_page, uint32_t count,
                         const physical_address *frames)
{
    struct mount *mount = mount_of(vnode);
    struct node *node = node_of(vnode);
    uint64_t start = first_page * PAGE_BYTES;
    uint64_t size = atomic_load_explicit(&vnode->size_bytes, memory_order_relaxed);
    uint64_t end = min_of(start + count * PAGE_BYTES, size);
    if (end <= start) return OK;
    TRY(grow(mount, node, end));
    status written = move_extents(node, BLOCK_WRITE, start,
                                  round_up(end, mount->device->sector_bytes) - start, frames);
    if (is_ok(written)) written = store_written(mount, node, end);
    if (!is_ok(written)) shrink_back(mount, node);
    return written;
}

/* ---- truncating ---- */

static status truncate_locked(struct mount *mount, struct node *node, uint32_t size)
    REQUIRES(mount->lock)
{
    TRY(node_load_map(mount, node));
    TRY(store_extent(mount, node, size, size == 0 ? 0 : node->first_cluster));
    return fat32_chain_cut(&mount->core, &node->map, clusters_for(mount, size));
}

status fat32_truncate(struct vnode *vnode, uint64_t size_bytes)
{
    struct mount *mount = mount_of(vnode);
    struct node *node = node_of(vnode);
    status cut = OK;
    if (size_bytes < node->stored_bytes) {
        mount_acquire(mount);
        cut = truncate_locked(mount, node, (uint32_t)size_bytes);
        if (node->has_map) room_set(node, node->map.cluster_count, 0);
        mount_release(mount);
    }
    if (is_ok(cut)) fat32_room_trim(node, clusters_for(mount, size_bytes));
    return cut;
}

/* ---- for direct transfers ---- */

void fat32_direct_written(struct vnode *vnode) NO_LOCK_CHECK
{
    fat32_data_written(&mount_of(vnode)->core);
    node_touch(vnode);
}

static status locate_locked(struct mount *mount, struct node *node, uint64_t offset,
                            uint64_t length, struct vnode_extent *out_extent) REQUIRES(mount->lock)
{
    struct fat32_extent extent;
    uint32_t sector_bytes = mount->device->sector_bytes;
    uint64_t end = round_up((uint64_t)node->stored_bytes, sector_bytes);
    if (offset >= end) return FAIL(NOT_FOUND);
    TRY(fat32_locate(&mount->core, &node->map, offset, (uint32_t)min_of(length, end - offset),
                     &extent));
    *out_extent = (struct vnode_extent){
        .device = mount->device,
        .first_sector = extent.first_sector,
        .length_bytes = (uint64_t)extent.sector_count * sector_bytes,
    };
    return OK;
}

status fat32_file_locate(struct vnode *vnode, uint64_t offset_bytes, uint64_t length_bytes,
                         bool may_wait, struct vnode_extent *out_extent)
{
    struct mount *mount = mount_of(vnode);
    struct node *node = node_of(vnode);
    if (may_wait)
        mount_acquire(mount);
    else if (!mutex_try_acquire(&mount->lock))
        return FAIL(WOULD_BLOCK);
    status found = node->has_map ? OK : FAIL(WOULD_BLOCK);
    if (may_wait) found = node_load_map(mount, node);
    if (is_ok(found)) found = locate_locked(mount, node, offset_bytes, length_bytes, out_extent);
    mount_release(mount);
    return found;
}
