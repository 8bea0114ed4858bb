/*
 * FAT32 volumes of block devices as vnodes.
 *
 * A volume is recovered before it is shown: what a power cut left is put right, and logged. One
 * that is damaged beyond that, or on a disk that cannot be written, is mounted for reading; the log
 * says why. Changes are durable after `sync`, and otherwise within a second or so.
 *
 * Context: task, sleeps. Locking: LOCK_RANK_VOLUME around tables and directories; file contents are
 * moved without it.
 */
#pragma once
#include "base/owned.h"
#include "fs/vfs/vnode.h"

struct block_device;

/*
 * The root directory of the device's volume, one reference. The volume stays mounted until
 * fat32_unmount. *out_reason says why there is none, in words for people.
 *   NOT_FOUND   no FAT32 volume that can be used
 *   IO_ERROR, TIMED_OUT, OUT_OF_MEMORY
 */
vnode_result fat32_mount(struct block_device *device, text *out_reason);
/* Ends a mount whose root is not shown anywhere and has the last reference to any of its vnodes;
 * marks the volume clean. */
void fat32_unmount(CONSUMED struct vnode *root);
