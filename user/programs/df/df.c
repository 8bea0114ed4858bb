#include "peal/output.h"
#include "peal/usage.h"
#include "peal/volumes.h"

static const char usage[] = "df\nShows how full each volume is.\n";

static void print_bytes(uint64_t bytes)
{
    char digits[16];
    struct writer size = WRITER(digits);
    peal_format_bytes(&size, bytes);
    peal_print("%8.*s", TEXT_ARGUMENTS(writer_text(&size)));
}

static void print_volume(const struct volume *volume)
{
    const struct abi_stat_file *about = &volume->stat.file;
    uint64_t used = about->volume_total_bytes - about->volume_free_bytes;
    peal_print("%-12.*s %-12.*s", TEXT_ARGUMENTS(volume_name(volume)),
               TEXT_ARGUMENTS(volume_device(volume)));
    print_bytes(about->volume_total_bytes);
    print_bytes(used);
    print_bytes(about->volume_free_bytes);
    uint64_t percent = used / (about->volume_total_bytes / 100 + 1);
    peal_print("%5lu%%%s\n", percent,
               about->volume_flags & ABI_VOLUME_READ_ONLY ? "  read-only" : "");
}

int peal_main(struct peal_arguments arguments)
{
    if (peal_wants_help(arguments, usage)) return 0;
    static struct volume_walk walk;
    static struct volume volume;
    status begun = volume_walk_begin(&walk);
    if (is_ok(begun))
        peal_print("%-12s %-12s%8s%8s%8s%6s\n", "volume", "disk", "size", "used", "free", "used");
    while (is_ok(begun) && volume_walk_next(&walk, &volume))
        if (volume.stat.file.volume_total_bytes > 0) print_volume(&volume);
    if (is_ok(begun)) begun = volume_walk_end(&walk);
    if (is_ok(begun)) return 0;
    peal_error_status(TEXT("/"), begun);
    return EXIT_CODE_FAILED;
}
