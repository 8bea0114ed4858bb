/* Small maps, walked from the start every time: booting sets a few hundred ranges once. */
#include "uefi/memory_map.h"
#include "uefi/uefi.h"

static constexpr uint64_t PAGE_BYTES = 4096;
static constexpr uint64_t ADDRESS_END = 1ull << 52; /* Intel SDM vol. 3A, 4.1.4: MAXPHYADDR <= 52 */

void memory_map_init(struct memory_map *map, struct boot_memory_range *ranges, uint32_t capacity)
{
    *map = (struct memory_map){.ranges = ranges, .capacity = capacity};
}

static uint64_t end_of(const struct boot_memory_range *range)
{
    return range->start + range->length_bytes;
}

static void remove_at(struct memory_map *map, uint32_t index)
{
    map->count--;
    __builtin_memmove(&map->ranges[index], &map->ranges[index + 1],
                      (map->count - index) * sizeof(map->ranges[0]));
}

/*
 * How little is lost when a range is forgotten. Reserved and device ranges first: they only repeat
 * what silence says. Then usable memory, the smallest first. The rest is needed for booting.
 */
static uint64_t weight_of(const struct boot_memory_range *range)
{
    switch ((enum boot_memory_kind)range->kind) {
    case BOOT_MEMORY_RESERVED:
    case BOOT_MEMORY_DEVICE:
        return 0;
    case BOOT_MEMORY_USABLE:
        return range->length_bytes;
    case BOOT_MEMORY_FIRMWARE:
        return UINT64_MAX - 2;
    case BOOT_MEMORY_LOADER:
    case BOOT_MEMORY_ACPI:
        return UINT64_MAX - 1;
    case BOOT_MEMORY_KERNEL:
    case BOOT_MEMORY_ARCHIVE:
        return UINT64_MAX;
    }
    return 0;
}

static void forget_the_lightest(struct memory_map *map)
{
    uint32_t lightest = 0;
    for (uint32_t i = 1; i < map->count; i++) {
        if (weight_of(&map->ranges[i]) < weight_of(&map->ranges[lightest])) lightest = i;
    }
    remove_at(map, lightest);
    map->forgotten++;
}

void memory_map_shrink(struct memory_map *map, uint32_t count)
{
    while (map->count > count)
        forget_the_lightest(map);
}

static void insert(struct memory_map *map, struct boot_memory_range range)
{
    if (map->count == map->capacity) forget_the_lightest(map);
    uint32_t index = 0;
    while (index < map->count && map->ranges[index].start < range.start)
        index++;
    __builtin_memmove(&map->ranges[index + 1], &map->ranges[index],
                      (map->count - index) * sizeof(map->ranges[0]));
    map->ranges[index] = range;
    map->count++;
}

/* Removes start..end from every range; one that reaches beyond both sides becomes two. */
static void cut(struct memory_map *map, uint64_t start, uint64_t end)
{
    for (uint32_t i = 0; i < map->count;) {
        struct boot_memory_range old = map->ranges[i];
        if (end_of(&old) <= start || old.start >= end) {
            i++;
            continue;
        }
        remove_at(map, i);
        struct boot_memory_range before = old, after = old;
        before.length_bytes = start > old.start ? start - old.start : 0;
        after.start = end;
        after.length_bytes = end_of(&old) > end ? end_of(&old) - end : 0;
        if (before.length_bytes) insert(map, before);
        if (after.length_bytes) insert(map, after);
        i = 0; /* inserting moves the others; nothing is cut twice, so this ends */
    }
}

static void merge_neighbours(struct memory_map *map)
{
    for (uint32_t i = 0; i + 1 < map->count;) {
        struct boot_memory_range *range = &map->ranges[i];
        if (range->kind == range[1].kind && end_of(range) == range[1].start) {
            range->length_bytes += range[1].length_bytes;
            remove_at(map, i + 1);
        } else {
            i++;
        }
    }
}

void memory_map_set(struct memory_map *map, uint64_t start, uint64_t length_bytes,
                    enum boot_memory_kind kind)
{
    if (start >= ADDRESS_END) return;
    if (length_bytes > ADDRESS_END - start) length_bytes = ADDRESS_END - start;
    uint64_t end = start + length_bytes;
    if (kind == BOOT_MEMORY_USABLE) {
        start = (start + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
        end &= ~(PAGE_BYTES - 1);
    } else {
        start &= ~(PAGE_BYTES - 1);
        end = (end + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
    }
    if (start >= end || length_bytes == 0) return;
    cut(map, start, end);
    insert(map, (struct boot_memory_range){start, end - start, kind, 0});
    merge_neighbours(map);
}

static enum boot_memory_kind kind_of(uint32_t type)
{
    switch (type) {
    case EFI_MEMORY_BOOT_CODE:
    case EFI_MEMORY_BOOT_DATA:
    case EFI_MEMORY_CONVENTIONAL:
        return BOOT_MEMORY_USABLE;
    case EFI_MEMORY_LOADER_CODE:
    case EFI_MEMORY_LOADER_DATA:
        return BOOT_MEMORY_LOADER;
    case EFI_MEMORY_RUNTIME_CODE:
    case EFI_MEMORY_RUNTIME_DATA:
        return BOOT_MEMORY_FIRMWARE;
    case EFI_MEMORY_ACPI_RECLAIM:
        return BOOT_MEMORY_ACPI;
    case EFI_MEMORY_DEVICE:
    case EFI_MEMORY_DEVICE_PORTS:
        return BOOT_MEMORY_DEVICE;
    default: /* any number is possible: types from 0x70000000 on are the firmware's own */
        return BOOT_MEMORY_RESERVED;
    }
}

void memory_map_add_firmware(struct memory_map *map, const void *descriptors, uint64_t bytes,
                             uint64_t stride_bytes)
{
    if (stride_bytes < sizeof(struct efi_memory_descriptor)) return;
    /* Kinds are numbered from the most trusting to the most careful, so later rounds win. */
    for (uint32_t kind = BOOT_MEMORY_USABLE; kind <= BOOT_MEMORY_RESERVED; kind++) {
        for (uint64_t at = 0; bytes - at >= stride_bytes; at += stride_bytes) {
            struct efi_memory_descriptor descriptor;
            __builtin_memcpy(&descriptor, (const uint8_t *)descriptors + at, sizeof(descriptor));
            if (kind_of(descriptor.type) != kind || descriptor.pages > ADDRESS_END / PAGE_BYTES)
                continue;
            memory_map_set(map, descriptor.physical_start, descriptor.pages * PAGE_BYTES,
                           (enum boot_memory_kind)kind);
        }
    }
}

bool memory_kind_is_memory(enum boot_memory_kind kind)
{
    switch (kind) {
    case BOOT_MEMORY_USABLE:
    case BOOT_MEMORY_LOADER:
    case BOOT_MEMORY_KERNEL:
    case BOOT_MEMORY_ARCHIVE:
    case BOOT_MEMORY_ACPI:
    case BOOT_MEMORY_FIRMWARE:
        return true;
    case BOOT_MEMORY_DEVICE:
    case BOOT_MEMORY_RESERVED:
        return false;
    }
    return false;
}
