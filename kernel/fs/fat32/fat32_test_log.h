/* The logging disk of the tests as the FAT32 core sees a device. */
#pragma once
#include "fs/fat32/fat32_core.h"
#include "support/disk_log.h"

static inline status log_disk_read(void *context, uint64_t first_sector, uint32_t sector_count,
                                   void *to)
{
    return disk_log_read(context, first_sector, sector_count, to);
}

static inline status log_disk_write(void *context, uint64_t first_sector, uint32_t sector_count,
                                    const void *from)
{
    return disk_log_write(context, first_sector, sector_count, from);
}

static inline status log_disk_flush(void *context)
{
    return disk_log_flush(context);
}

static inline struct fat32_device log_disk_device(struct disk_log *log)
{
    return (struct fat32_device){.context = log,
                                 .sector_bytes = log->sector_bytes,
                                 .sector_count = log->sector_count,
                                 .read = log_disk_read,
                                 .write = log_disk_write,
                                 .flush = log_disk_flush};
}
