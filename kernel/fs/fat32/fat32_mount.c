/*
 * Mounting FAT32 volumes: recovery, and what is done for a mounted one in the background.
 *
 * What is changed is made durable within a second or so by a worker, which a timer starts; the same
 * worker gives up the chains of files that were removed, once nobody has them open.
 */
#include "fs/fat32/fat32_mount.h"
#include "base/container.h"
#include "debug/log.h"
#include "device/block_device.h"
#include "fs/fat32/fat32_mount_internal.h"
#include "fs/vfs/vfs.h"
#include "mm/heap.h"
#include "time/clock.h"

static constexpr uint64_t CHECKPOINT_PERIOD_MS = 1000;

/* ---- the mutex ---- */

void mount_acquire(struct mount *mount)
{
    mutex_acquire(&mount->lock);
}

/* What others see without the mutex. */
static void update_flags(struct mount *mount) REQUIRES(mount->lock)
{
    bool is_read_only = mount->core.read_only_reason.length > 0;
    atomic_store_explicit(&mount->flags,
                          (is_read_only ? ABI_VOLUME_READ_ONLY : 0) |
                              (mount->core.is_damaged ? ABI_VOLUME_DAMAGED : 0),
                          memory_order_relaxed);
}

void mount_release(struct mount *mount)
{
    update_flags(mount);
    mutex_release(&mount->lock);
}

/* ---- in the background ---- */

static struct mount *mount_of_work(struct work *work)
{
    return container_of(work, struct mount, work);
}

/* What is changed from here on wants another run. */
static void begin_work(struct mount *mount)
{
    /* Its function has submitted the work, and may not have returned: then it cannot be armed. */
    timer_wait_idle(&mount->timer);
    spin_acquire(&mount->nodes_lock);
    mount->work_state = MOUNT_WORK_NONE;
    mount->workers++;
    spin_release(&mount->nodes_lock);
}

static void run_work(struct work *work)
{
    struct mount *mount = mount_of_work(work);
    begin_work(mount);
    mount_acquire(mount);
    nodes_store_touched(mount);
    nodes_bury(mount);
    status saved = mount_is_read_only(mount) ? OK : fat32_checkpoint(&mount->core);
    mount_release(mount);
    if (!is_ok(saved)) {
        log_line("fat32", "%s: changes could not be written: status %u", mount->device->name,
                 saved.code);
        mount_wake(mount, false);
    }
    spin_acquire(&mount->nodes_lock);
    mount->workers--; /* last: from here on the mount may go */
    spin_release(&mount->nodes_lock);
}

static void queue_work_locked(struct mount *mount) REQUIRES(mount->nodes_lock)
{
    mount->work_state = MOUNT_WORK_QUEUED;
    work_submit(work_queue_shared(), &mount->work, run_work);
}

static void timer_fired(struct timer *timer)
{
    struct mount *mount = container_of(timer, struct mount, timer);
    spin_acquire(&mount->nodes_lock);
    queue_work_locked(mount);
    spin_release(&mount->nodes_lock);
}

void mount_wake(struct mount *mount, bool at_once)
{
    spin_acquire(&mount->nodes_lock);
    bool is_idle = mount->work_state == MOUNT_WORK_NONE && !mount->is_ending;
    /* When it cannot be cancelled it has fired, which is soon enough. */
    bool is_late = mount->work_state == MOUNT_WORK_TIMED && at_once;
    if (is_idle && !at_once) {
        mount->work_state = MOUNT_WORK_TIMED;
        timer_arm(&mount->timer, deadline_in_ms(CHECKPOINT_PERIOD_MS));
    } else if (is_idle || (is_late && timer_cancel(&mount->timer))) {
        queue_work_locked(mount);
    }
    spin_release(&mount->nodes_lock);
}

/* ---- mounting ---- */

static status read_sectors(void *context, uint64_t first_sector, uint32_t sector_count, void *to)
{
    return block_read(context, first_sector, sector_count, to);
}

static status write_sectors(void *context, uint64_t first_sector, uint32_t sector_count,
                            const void *from)
{
    return block_write(context, first_sector, sector_count, from);
}

static status flush_device(void *context)
{
    return block_flush(context);
}

static struct mount *mount_create(struct block_device *device)
{
    struct mount *mount = heap_take_zeroed(sizeof(*mount));
    if (mount == nullptr) return nullptr;
    mount->device = device;
    mount->volume_number = vfs_take_volume_number();
    mutex_init(&mount->lock, LOCK_RANK_VOLUME);
    spin_lock_init(&mount->nodes_lock, LOCK_RANK_FILE);
    timer_init(&mount->timer, timer_fired);
    spin_acquire(&mount->nodes_lock);
    for (uint32_t i = 0; i < NODE_BUCKETS; i++)
        list_init(&mount->nodes[i]);
    list_init(&mount->doomed);
    list_init(&mount->touched);
    spin_release(&mount->nodes_lock);
    return mount;
}

static void tell_report(const struct mount *mount, const struct fat32_report *report)
{
    const char *device = mount->device->name;
    if (report->was_dirty)
        log_line("fat32",
                 "%s: was not unmounted in order%s; %u clusters freed, %u chains cut, %u parts of "
                 "names removed, %u sectors of tables made alike",
                 device, report->journal_replayed ? ", a rename was finished" : "",
                 report->clusters_freed, report->chains_cut, report->name_parts_removed,
                 report->table_sectors_apart);
}

/* Ready for writing, or read-only with a reason. */
static void recover(struct mount *mount) REQUIRES(mount->lock)
{
    struct fat32_report report;
    mount->total_bytes = (uint64_t)mount->core.cluster_count * mount->core.cluster_bytes;
    mount->cluster_bytes = mount->core.cluster_bytes;
    ignore_status(fat32_recover(&mount->core, &report)); /* told by the reason */
    tell_report(mount, &report);
    if (mount->core.read_only_reason.length > 0)
        log_line("fat32", "%s: read-only: %.*s", mount->device->name,
                 TEXT_ARGUMENTS(mount->core.read_only_reason));
    update_flags(mount);
}

/* The root's node; its chain must hold, or nothing of the volume can be found. */
static vnode_result open_root_locked(struct mount *mount, text *out_reason) REQUIRES(mount->lock)
{
    struct fat32_device device = {
        .context = mount->device,
        .sector_bytes = mount->device->sector_bytes,
        .sector_count = mount->device->sector_count,
        .is_read_only = mount->device->is_read_only,
        .read = read_sectors,
        .write = write_sectors,
        .flush = flush_device,
    };
    TRY_AS(vnode_result, fat32_open(&device, &mount->core, out_reason));
    recover(mount);
    struct fat32_entry entry = {.is_directory = true,
                                .first_cluster = mount->core.root_cluster,
                                .position = POSITION_OF_ROOT};
    struct node *root = node_create(mount);
    if (root != nullptr) node_publish(mount, root, &entry);
    status loaded = root == nullptr ? FAIL(OUT_OF_MEMORY) : node_load_map(mount, root);
    if (is_ok(loaded) && root->map.cluster_count == 0) loaded = FAIL(IO_ERROR);
    if (is_ok(loaded)) return (vnode_result){.value = &root->vnode};
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
    mount_acquire(mount);
    vnode_result root = open_root_locked(mount, out_reason);
    mount_release(mount);
    if (is_ok(root.status)) return root;
    if (root.status.code == STATUS_OUT_OF_MEMORY) *out_reason = TEXT("there is no memory for it");
    heap_give(mount);
    return root;
}

/* No more work is begun, and none is under way. */
static void end_work(struct mount *mount)
{
    bool is_busy = true;
    while (is_busy) {
        spin_acquire(&mount->nodes_lock);
        mount->is_ending = true;
        if (mount->work_state == MOUNT_WORK_TIMED && timer_cancel(&mount->timer))
            mount->work_state = MOUNT_WORK_NONE;
        is_busy = mount->work_state != MOUNT_WORK_NONE || mount->workers > 0;
        spin_release(&mount->nodes_lock);
        if (is_busy) scheduler_yield();
    }
    timer_wait_idle(&mount->timer);
}

void fat32_unmount(CONSUMED struct vnode *root)
{
    struct mount *mount = mount_of(root);
    vnode_put(root);
    end_work(mount);
    mount_acquire(mount);
    nodes_store_touched(mount);
    nodes_bury(mount);
    if (mount->core.read_only_reason.length == 0) ignore_status(fat32_mark_clean(&mount->core));
    fat32_close(&mount->core);
    mount_release(mount);
    heap_give(mount);
}
