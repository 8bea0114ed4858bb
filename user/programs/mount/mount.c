#include "peal/output.h"
#include "peal/usage.h"
#include "peal/volumes.h"

static const char usage[] =
    "mount\n"
    "Lists the volumes: where they are, on which disk, and how they may be used. All disks with a\n"
    "FAT32 file system are mounted when the machine starts.\n";

static void print_volume(const struct volume *volume)
{
    const struct abi_stat_file *about = &volume->stat.file;
    const char *use = about->volume_flags & ABI_VOLUME_DAMAGED     ? "read-only: it is damaged"
                      : about->volume_flags & ABI_VOLUME_READ_ONLY ? "read-only"
                      : about->volume_total_bytes > 0              ? "read and write"
                                                                   : "made by the kernel";
    peal_print("%-12.*s %-12.*s %s", TEXT_ARGUMENTS(volume_name(volume)),
               TEXT_ARGUMENTS(volume_device(volume)), use);
    if (about->cluster_bytes > 0) peal_print(", in units of %u bytes", about->cluster_bytes);
    peal_print("\n");
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    static struct volume_walk walk;
    static struct volume volume;
    status begun = volume_walk_begin(&walk);
    while (is_ok(begun) && volume_walk_next(&walk, &volume))
        print_volume(&volume);
    if (is_ok(begun)) begun = volume_walk_end(&walk);
    if (is_ok(begun)) return 0;
    peal_error_status(TEXT("/"), begun);
    return EXIT_CODE_FAILED;
}
