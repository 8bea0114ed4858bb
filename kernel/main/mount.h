/*
 * What is mounted at boot, and where: the boot archive as /boot, the
 * block devices themselves as /dev, the EFI system partition as /esp
 * (further ones as /esp1, ...) and every other FAT32 volume found as /disk0, /disk1, ... in the
 * order of the devices.
 *
 * Context: boot, once, in a thread that may sleep, after vfs_init and the disks' drivers.
 */
#pragma once
#include <stdint.h>

/* `archive` is in the direct map and stays. Says in the log what was mounted, and why the rest was
 * not. */
void mount_all(const void *archive, uint64_t archive_bytes);
