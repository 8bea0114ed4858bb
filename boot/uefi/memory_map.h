/*
 * The memory map, from what the firmware says to what the kernel is told.
 *
 * Ranges are set one after another, each replacing what was there; the map is sorted, without
 * overlaps and merged at every moment. Pure: the caller brings the array.
 */
#pragma once
#include <boot/boot_info.h>

struct memory_map {
    struct boot_memory_range *ranges;
    uint32_t count;
    uint32_t capacity;
    uint32_t forgotten; /* ranges given up for want of room */
};

void memory_map_init(struct memory_map *map, struct boot_memory_range *ranges, uint32_t capacity);

/*
 * Says that start..+length is of this kind. Usable memory loses the parts of pages at its ends;
 * everything else is extended to whole pages. With no room left a range that matters less is
 * forgotten: what the map does not name, the kernel does not touch. `capacity` must be 4 or more.
 */
void memory_map_set(struct memory_map *map, uint64_t start, uint64_t length_bytes,
                    enum boot_memory_kind kind);

/*
 * Sets every descriptor of GetMemoryMap's answer. Where two contradict each other, the more careful
 * reading wins. `stride_bytes` is the firmware's descriptor size.
 */
void memory_map_add_firmware(struct memory_map *map, const void *descriptors, uint64_t bytes,
                             uint64_t stride_bytes);

/* Forgets what matters least until at most `count` ranges are left. */
void memory_map_shrink(struct memory_map *map, uint32_t count);

/* Is this memory, as opposed to device registers and what must be left alone? */
bool memory_kind_is_memory(enum boot_memory_kind kind);
