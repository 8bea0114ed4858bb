/* Mounting at boot. */
#include "main/mount.h"
#include "base/checked.h"
#include "base/format.h"
#include "base/owned.h"
#include "debug/log.h"
#include "device/block_device.h"
#include "fs/archive/archive.h"
#include "fs/fat32/fat32_mount.h"
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
        log_line("mount", "/boot is the boot archive, %llu bytes",
                 (unsigned long long)archive_bytes);
}

/* Answers whether there is one more disk in the root. */
static bool mount_device(struct block_device *device, uint32_t number)
{
    text reason;
    vnode_result root = fat32_mount(device, &reason);
    if (!is_ok(root.status)) {
        log_line("mount", "%s is not mounted: %.*s", device->name, TEXT_ARGUMENTS(reason));
        return false;
    }
    char name_bytes[VFS_VOLUME_NAME_BYTES_MAX];
    struct text_writer name = TEXT_WRITER(name_bytes);
    text_format(&name, "disk%u", number);
    if (!show(text_written(&name), root.value)) return false;
    log_line("mount", "/%.*s is %s, FAT32, %llu MiB", TEXT_ARGUMENTS(text_written(&name)),
             device->name, (unsigned long long)(device->sector_count * device->sector_bytes >> 20));
    return true;
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

void mount_all(const void *archive, uint64_t archive_bytes)
{
    mount_archive(archive, archive_bytes);
    uint32_t mounted = 0;
    for (uint32_t i = 0; i < block_device_count(); i++) {
        struct block_device *device = block_device_at(i);
        if (!has_partitions(device) && mount_device(device, mounted)) mounted++;
    }
    if (mounted == 0) log_line("mount", "there is no disk with a FAT32 volume");
}
