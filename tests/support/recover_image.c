/*
 * recover_image FILE [OFFSET]: makes the FAT32 volume at that byte of an image perfect again, as
 * the kernel does when it mounts it, with the kernel's own code. Prints what was found; ends with 0
 * when the volume may be written now, 1 when it is damaged, 2 when there is none.
 */
#include "fs/fat32/fat32_core.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int image;
static off_t image_offset;

static off_t place_of(uint64_t sector)
{
    return image_offset + (off_t)(sector * 512);
}

static status read_sectors(void *context, uint64_t first, uint32_t count, void *to)
{
    (void)context;
    ssize_t length = (ssize_t)count * 512;
    return pread(image, to, (size_t)length, place_of(first)) == length ? OK : FAIL(IO_ERROR);
}

static status write_sectors(void *context, uint64_t first, uint32_t count, const void *from)
{
    (void)context;
    ssize_t length = (ssize_t)count * 512;
    return pwrite(image, from, (size_t)length, place_of(first)) == length ? OK : FAIL(IO_ERROR);
}

static status flush_nothing(void *context)
{
    (void)context;
    return OK;
}

static int recover(const struct fat32_device *device)
{
    static struct fat32_volume volume;
    struct fat32_report report;
    text reason;
    status opened = fat32_open(device, &volume, &reason);
    if (!is_ok(opened)) {
        printf("not opened: %.*s\n", TEXT_ARGUMENTS(reason));
        return 2;
    }
    status recovered = fat32_recover(&volume, &report);
    if (is_ok(recovered) && volume.read_only_reason.length == 0)
        recovered = fat32_mark_clean(&volume);
    printf("dirty %d, journal %d, freed %u, cut %u, status %u, damage: %.*s, read-only: %.*s\n",
           report.was_dirty, report.journal_replayed, report.clusters_freed, report.chains_cut,
           recovered.code, TEXT_ARGUMENTS(report.damage), TEXT_ARGUMENTS(volume.read_only_reason));
    bool is_writable = is_ok(recovered) && volume.read_only_reason.length == 0;
    fat32_close(&volume);
    return is_writable ? 0 : 1;
}

int main(int count, char **arguments)
{
    if (count < 2 || (image = open(arguments[1], O_RDWR)) < 0) {
        fprintf(stderr, "recover_image FILE [OFFSET]\n");
        return 2;
    }
    image_offset = count > 2 ? atoll(arguments[2]) : 0;
    off_t end = lseek(image, 0, SEEK_END);
    struct fat32_device device = {
        .sector_bytes = 512,
        .sector_count = (uint64_t)(end - image_offset) / 512,
        .read = read_sectors,
        .write = write_sectors,
        .flush = flush_nothing,
    };
    return recover(&device);
}
