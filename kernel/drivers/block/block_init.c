/* Disks, whatever drives them. Their order is that of the names /disk0, /disk1, ... */
#include "drivers/block/block_init.h"
#include "debug/log.h"
#include "device/block_device.h"
#include "device/device_init.h"

void device_init_block(void)
{
    virtio_blk_init();
    nvme_init();
    if (block_device_count() == 0) log_line("block", "no disks");
}
