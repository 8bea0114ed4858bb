/* Mounting at boot. */
#include "main/mount.h"
#include "base/checked.h"
#include "base/format.h"
#include "base/owned.h"
#include "debug/log.h"
#include "device/block_device.h"
#include "fs/archive/archive.h"
#include "fs/devices/devices.h"
#include "fs/fat32/fat32_mount.h"
#include "fs/procfs/procfs.h"
#include "fs/vfs/vfs.h"

/* Shows the volume, whose reference is consumed, in the root directory. */
static bool show(text name, CONSUMED struct vnode *root)
{
    status added = vfs_add_volume(name, root);
    vnode_put(root);
    if (!is_ok(added))
        log_line("mount", "%.*s: no room in the root directory", TEXT_ARGUMENTS(name));
    return is_ok(added);
}

static void mount_archive(const void *archive, uint64_t archive_bytes)
{
    vnode_result root = archive_open(archive, archive_bytes);
    if (!is_ok(root.status)) {
        log_line("mount", "boot archive: there is no memory for it");
        return;
    }
    if (show(TEXT("boot"), root.value))
        log_line("mount", "/boot is the boot archive, %llu KiB",
                 (unsigned long long)(archive_bytes >> 10));
}

static void mount_proc(void)
{
    struct vnode *root = procfs_init();
    vnode_get(root); /* its own reference stays */
    show(TEXT("proc"), root);
}

/* How many volumes of each kind are in the root. */
struct volume_counts {
    uint32_t disks;
    uint32_t system_partitions;
};

/* "disk0", "disk1", ...; the firmware's partitions are "esp", "esp1", ... */
static void name_volume(struct text_writer *name, const struct block_device *device,
                        const struct volume_counts *counts)
{
    if (!device->is_system_partition)
        text_format(name, "disk%u", counts->disks);
    else if (counts->system_partitions == 0)
        text_format(name, "esp");
    else
        text_format(name, "esp%u", counts->system_partitions);
}

static void mount_device(struct block_device *device, struct volume_counts *counts)
{
    text reason;
    vnode_result root = fat32_mount(device, &reason);
    if (!is_ok(root.status)) {
        log_line("mount", "%s is not mounted: %.*s", device->name, TEXT_ARGUMENTS(reason));
        return;
    }
    /* Nobody else writes to it while we may; at boot nobody does. */
    if (!device->is_read_only) ignore_status(block_device_claim(device, BLOCK_CLAIM_VOLUME));
    char name_bytes[VFS_VOLUME_NAME_BYTES_MAX];
    struct text_writer name = TEXT_WRITER(name_bytes);
    name_volume(&name, device, counts);
    if (!show(text_written(&name), root.value)) return;
    if (device->is_system_partition)
        counts->system_partitions++;
    else
        counts->disks++;
    log_line("mount", "/%.*s is %s, FAT32, %llu MiB", TEXT_ARGUMENTS(text_written(&name)),
             device->name, (unsigned long long)(device->sector_count * device->sector_bytes >> 20));
}

/* A disk with partitions is not tried as a whole: what looks like a volume there is not one. */
static bool has_partitions(const struct block_device *disk)
{
    text name = block_device_name(disk);
    for (uint32_t i = 0; i < block_device_count(); i++) {
        text other = block_device_name(block_device_at(i));
        bool is_longer = other.length > name.length && text_starts_with(other, name);
        if (is_longer && other.bytes[name.length] == 'p') return true;
    }
    return false;
}

static void mount_devices(void)
{
    vnode_result root = devices_open();
    if (is_ok(root.status) && show(TEXT("dev"), root.value))
        log_line("mount", "/dev is the %u disks and partitions", block_device_count());
}

void mount_all(const void *archive, uint64_t archive_bytes)
{
    mount_archive(archive, archive_bytes);
    mount_proc();
    mount_devices();
    struct volume_counts counts = {0};
    for (uint32_t i = 0; i < block_device_count(); i++) {
        struct block_device *device = block_device_at(i);
        if (!has_partitions(device)) mount_device(device, &counts);
    }
    if (counts.disks + counts.system_partitions == 0)
        log_line("mount", "there is no disk with a FAT32 volume");
}
