/*
 * A volume of one file in memory, for tests: what is on its "disk", and how it fails.
 *
 * It holds what the vfs does against what vnode.h promises: pages come in ascending order, with
 * fill_lock held, and never beyond a gap. What is behind the file's end on the disk is garbage, as
 * on a real one.
 */
#pragma once
#include "arch/host/host.h"
#include "base/checked.h"
#include "device/block_device.h"
#include "fs/vfs/page_cache.h"
#include "fs/vfs/vfs.h"
#include "mm/direct_map.h"
#include "support/test.h"
#include <string.h>

#define VOLUME_BYTES_MAX (4u << 20)
#define GARBAGE          0xee

static struct {
    struct vnode vnode;
    uint8_t disk[VOLUME_BYTES_MAX];
    uint64_t disk_size;      /* what the directory entry says */
    uint64_t room;           /* how long the file may become */
    uint32_t write_failures; /* how many of the next writes fail, and how */
    status write_failure;
    uint32_t truncate_failures;
    uint32_t reads, writes, pages_written, truncations, syncs, direct_writes;
    bool is_released;
} volume;
static struct block_device volume_device = {.sector_bytes = 512, .name = "toy"};

static status volume_read_pages(struct vnode *vnode, uint64_t first, uint32_t count,
                                const physical_address *frames)
{
    CHECK(mutex_is_held_by_me(&vnode->fill_lock));
    volume.reads++;
    uint64_t end = min_of(volume.disk_size, atomic_load(&vnode->size_bytes));
    for (uint64_t i = 0; i < count; i++) {
        uint64_t start = (first + i) * PAGE_BYTES;
        uint64_t inside = start >= end ? 0 : min_of(end - start, PAGE_BYTES);
        uint8_t *page = direct_map(frames[i]);
        memcpy(page, volume.disk + start, inside);
        memset(page + inside, 0, PAGE_BYTES - inside);
    }
    return OK;
}

static status volume_reserve(struct vnode *vnode, uint64_t size_bytes, bool may_wait)
{
    (void)vnode, (void)may_wait;
    if (size_bytes >= 1ull << 32) return FAIL(OUT_OF_RANGE);
    return size_bytes > volume.room ? FAIL(NO_SPACE) : OK;
}

static status volume_write_pages(struct vnode *vnode, uint64_t first, uint32_t count,
                                 const physical_address *frames)
{
    CHECK(mutex_is_held_by_me(&vnode->fill_lock));
    CHECK(count > 0 && count <= PAGE_CACHE_WRITE_PAGES);
    CHECK(first * PAGE_BYTES <= volume.disk_size); /* no gap */
    volume.writes++;
    if (volume.write_failures > 0) {
        volume.write_failures--;
        return volume.write_failure;
    }
    for (uint64_t i = 0; i < count; i++)
        memcpy(volume.disk + (first + i) * PAGE_BYTES, direct_map(frames[i]), PAGE_BYTES);
    volume.pages_written += count;
    uint64_t end = min_of((first + count) * PAGE_BYTES, atomic_load(&vnode->size_bytes));
    /* Nothing of what was cut off leaves memory. */
    for (uint64_t at = end; at < (first + count) * PAGE_BYTES; at++)
        CHECK_EQUAL(0, volume.disk[at]);
    if (end > volume.disk_size) volume.disk_size = end;
    memset(volume.disk + volume.disk_size, GARBAGE,
           round_up(volume.disk_size, PAGE_BYTES) - volume.disk_size);
    return OK;
}

static status volume_truncate(struct vnode *vnode, uint64_t size_bytes)
{
    CHECK(mutex_is_held_by_me(&vnode->fill_lock));
    CHECK_EQUAL(0, atomic_load(&vnode->direct_transfers));
    volume.truncations++;
    if (volume.truncate_failures > 0) {
        volume.truncate_failures--;
        return FAIL(IO_ERROR);
    }
    if (size_bytes >= volume.disk_size) return OK;
    memset(volume.disk + size_bytes, GARBAGE, volume.disk_size - size_bytes);
    volume.disk_size = size_bytes;
    return OK;
}

static status volume_sync(struct vnode *any)
{
    CHECK(!mutex_is_held_by_me(&any->fill_lock));
    volume.syncs++;
    return OK;
}

static status volume_locate(struct vnode *file, uint64_t offset, uint64_t length, bool may_wait,
                            struct vnode_extent *out_extent)
{
    (void)file, (void)may_wait;
    if (offset >= volume.disk_size) return FAIL(NOT_FOUND);
    *out_extent = (struct vnode_extent){&volume_device, offset / 512, length};
    return OK;
}

static void volume_direct_written(struct vnode *vnode)
{
    CHECK(atomic_load(&vnode->direct_transfers) > 0); /* whoever waits for it finds it told */
    volume.direct_writes++;
}

static void volume_release(struct vnode *vnode)
{
    (void)vnode;
    volume.is_released = true;
}

static const struct vnode_operations volume_operations = {
    .read_pages = volume_read_pages,
    .reserve = volume_reserve,
    .write_pages = volume_write_pages,
    .truncate = volume_truncate,
    .sync = volume_sync,
    .locate = volume_locate,
    .direct_written = volume_direct_written,
    .release = volume_release,
};

static uint8_t volume_byte_at(uint64_t offset)
{
    return (uint8_t)(1 + (offset * 7 + offset / 4096) % 200);
}

/* A file of so many bytes, of which none is in memory. */
[[maybe_unused]] static void volume_make(uint64_t bytes)
{
    static uint64_t identities = 1;
    memset(&volume, 0, sizeof(volume));
    memset(volume.disk, GARBAGE, sizeof(volume.disk));
    for (uint64_t i = 0; i < bytes; i++)
        volume.disk[i] = volume_byte_at(i);
    vnode_init(&volume.vnode, &volume_operations, ABI_KIND_FILE);
    volume.vnode.identity = vnode_identity(8, identities++);
    volume.vnode.volume_number = 8;
    atomic_store(&volume.vnode.size_bytes, bytes);
    volume.disk_size = bytes;
    volume.room = VOLUME_BYTES_MAX;
    volume.write_failure = FAIL(IO_ERROR);
}

[[maybe_unused]] static struct object *volume_open(void)
{
    object_result opened = vfs_open_vnode(&volume.vnode);
    CHECK_STATUS(OK, opened.status);
    return opened.value;
}

/* Nothing of it is left in memory. */
[[maybe_unused]] static void volume_drop(void)
{
    if (page_cache_is_dirty(&volume.vnode)) CHECK_STATUS(OK, page_cache_write(&volume.vnode));
    vnode_put(&volume.vnode);
    CHECK(volume.is_released);
    CHECK_EQUAL(0, page_cache_pages());
    CHECK_EQUAL(0, page_cache_dirty_pages());
}
