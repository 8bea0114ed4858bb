/*
 * The directory of block devices: disks and partitions by name, and what a handle to one names.
 *
 * Opening an entry makes an object of kind block device. It can be read by whoever may; for writing
 * it claims the device, so that no volume is mounted there that is written to as well.
 *
 * Context: any, unless a function says otherwise.
 */
#pragma once
#include "device/block_device.h"
#include "fs/vfs/vnode.h"

/*
 * Boot, once, after the disks' drivers: the directory, one reference. What is registered later
 * shows up in it, too. OUT_OF_MEMORY
 */
vnode_result devices_open(void);

/* The device that an object of kind block device stands for. */
struct block_device *device_object_device(struct object *object);
/* Lets the object be written through. BUSY: a volume on the device, or a part of it, is. */
status device_object_claim(struct object *object);
/* Size and the block device's part; not kind, rights and object. */
void device_object_fill_stat(struct object *object, struct abi_stat *stat);
