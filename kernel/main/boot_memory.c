#include "main/boot_memory.h"
#include "base/checked.h"
#include "debug/assert.h"
#include "debug/log.h"
#include "mm/frame_pool.h"

#define FIRST_MIB (1ull << 20)

/* One firmware range may lie on both sides of 1 MiB. */
#define RANGES_MAX (BOOT_MEMORY_RANGES_MAX + 1)

static struct frame_range ranges[RANGES_MAX];
static uint32_t range_count;

/* Page 0 stays nobody's. */
static void add_range(uint64_t start, uint64_t end, bool is_held)
{
    start = max_of(start, PAGE_BYTES);
    if (start >= end) return;
    ranges[range_count++] = (struct frame_range){physical_at(start), end - start, is_held};
}

void boot_memory_init(const struct boot_info *boot)
{
    bool has_free = false;
    for (uint32_t i = 0; i < boot->memory_ranges_count; i++) {
        const struct boot_memory_range *range = &boot->memory_ranges[i];
        uint64_t end = range->start + range->length_bytes;
        if (range->kind == BOOT_MEMORY_LOADER) {
            add_range(range->start, end, true);
        } else if (range->kind == BOOT_MEMORY_USABLE) {
            add_range(range->start, min_of(end, FIRST_MIB), true);
            add_range(max_of(range->start, FIRST_MIB), end, false);
            has_free = has_free || end > FIRST_MIB;
        }
    }
    if (!has_free) panic("the firmware reports no usable memory above 1 MiB");
    frame_pool_init(ranges, range_count);
}

void boot_memory_reclaim(void)
{
    for (uint32_t i = 0; i < range_count; i++)
        if (ranges[i].is_held) frame_pool_open(ranges[i].start);
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
