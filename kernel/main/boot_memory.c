#include "main/boot_memory.h"
#include "base/checked.h"
#include "debug/assert.h"
#include "debug/log.h"
#include "mm/frame_pool.h"

#define FIRST_MIB (1ull << 20)

void boot_memory_init(const struct boot_info *boot)
{
    static struct frame_range ranges[BOOT_MEMORY_RANGES_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < boot->memory_ranges_count; i++) {
        const struct boot_memory_range *range = &boot->memory_ranges[i];
        uint64_t end = range->start + range->length_bytes;
        uint64_t start = max_of(range->start, FIRST_MIB);
        if (range->kind != BOOT_MEMORY_USABLE || start >= end) continue;
        ranges[count++] = (struct frame_range){physical_at(start), end - start};
    }
    if (count == 0) panic("the firmware reports no usable memory above 1 MiB");
    frame_pool_init(ranges, count);
}

void boot_memory_reclaim(const struct boot_info *boot)
{
    for (uint32_t i = 0; i < boot->memory_ranges_count; i++) {
        const struct boot_memory_range *range = &boot->memory_ranges[i];
        uint64_t start = max_of(range->start, PAGE_BYTES); /* page 0 stays nobody's */
        uint64_t end = range->start + range->length_bytes;
        if (range->kind == BOOT_MEMORY_USABLE)
            end = min_of(end, FIRST_MIB);
        else if (range->kind != BOOT_MEMORY_LOADER)
            continue;
        if (start < end) frame_pool_add((struct frame_range){physical_at(start), end - start});
    }
}

void boot_memory_report(const struct boot_info *boot)
{
    static const char *const names[] = {
        [BOOT_MEMORY_USABLE] = "usable", [BOOT_MEMORY_LOADER] = "loader",
        [BOOT_MEMORY_KERNEL] = "kernel", [BOOT_MEMORY_ARCHIVE] = "archive",
        [BOOT_MEMORY_ACPI] = "ACPI",     [BOOT_MEMORY_FIRMWARE] = "firmware",
        [BOOT_MEMORY_DEVICE] = "device", [BOOT_MEMORY_RESERVED] = "reserved",
    };
    for (uint32_t kind = BOOT_MEMORY_USABLE; kind <= BOOT_MEMORY_RESERVED; kind++) {
        uint64_t bytes = 0;
        uint32_t count = 0;
        for (uint32_t i = 0; i < boot->memory_ranges_count; i++) {
            if (boot->memory_ranges[i].kind != kind) continue;
            bytes += boot->memory_ranges[i].length_bytes;
            count++;
        }
        if (count > 0)
            log_line("memory", "%-8s %8llu KiB in %u ranges", names[kind],
                     (unsigned long long)(bytes / 1024), count);
    }
    struct frame_pool_counts frames = frame_pool_count();
    log_line("memory", "%llu of %llu frames free", (unsigned long long)frames.free_frames,
             (unsigned long long)frames.total_frames);
}
