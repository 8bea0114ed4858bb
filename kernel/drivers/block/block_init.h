/* The disk drivers' parts of device_init_block(). Context: as there. */
#pragma once

/* Each finds its disks, registers them with their partitions, and says so in the log. */
void virtio_blk_init(void);
void nvme_init(void);
