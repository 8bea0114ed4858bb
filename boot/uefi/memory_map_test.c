#include "support/test.h"
#include "uefi/memory_map.h"
#include "uefi/uefi.h"
#include <stdlib.h>

static struct boot_memory_range ranges[16];
static struct memory_map map;

static void start(uint32_t capacity)
{
    memory_map_init(&map, ranges, capacity);
}

static void check_range(uint32_t index, uint64_t first, uint64_t end, enum boot_memory_kind kind)
{
    CHECK(index < map.count);
    CHECK_EQUAL(first, map.ranges[index].start);
    CHECK_EQUAL(end - first, map.ranges[index].length_bytes);
    CHECK_EQUAL(kind, map.ranges[index].kind);
}

TEST(neighbours_of_one_kind_become_one_range)
{
    start(16);
    memory_map_set(&map, 0x3000, 0x1000, BOOT_MEMORY_USABLE);
    memory_map_set(&map, 0x1000, 0x1000, BOOT_MEMORY_USABLE);
    memory_map_set(&map, 0x2000, 0x1000, BOOT_MEMORY_USABLE);
    CHECK_EQUAL(1, map.count);
    check_range(0, 0x1000, 0x4000, BOOT_MEMORY_USABLE);
}

TEST(a_range_set_inside_another_splits_it)
{
    start(16);
    memory_map_set(&map, 0x1000, 0x9000, BOOT_MEMORY_USABLE);
    memory_map_set(&map, 0x4000, 0x2000, BOOT_MEMORY_KERNEL);
    CHECK_EQUAL(3, map.count);
    check_range(0, 0x1000, 0x4000, BOOT_MEMORY_USABLE);
    check_range(1, 0x4000, 0x6000, BOOT_MEMORY_KERNEL);
    check_range(2, 0x6000, 0xa000, BOOT_MEMORY_USABLE);
}

TEST(a_range_set_over_several_replaces_them_and_trims_the_ends)
{
    start(16);
    memory_map_set(&map, 0x1000, 0x2000, BOOT_MEMORY_USABLE);
    memory_map_set(&map, 0x4000, 0x1000, BOOT_MEMORY_ACPI);
    memory_map_set(&map, 0x6000, 0x2000, BOOT_MEMORY_DEVICE);
    memory_map_set(&map, 0x2000, 0x5000, BOOT_MEMORY_LOADER);
    CHECK_EQUAL(3, map.count);
    check_range(0, 0x1000, 0x2000, BOOT_MEMORY_USABLE);
    check_range(1, 0x2000, 0x7000, BOOT_MEMORY_LOADER);
    check_range(2, 0x7000, 0x8000, BOOT_MEMORY_DEVICE);
}

TEST(usable_memory_shrinks_to_whole_pages_and_the_rest_grows)
{
    start(16);
    memory_map_set(&map, 0x1001, 0x2ffe, BOOT_MEMORY_USABLE);
    memory_map_set(&map, 0x8001, 1, BOOT_MEMORY_RESERVED);
    memory_map_set(&map, 0x9001, 1, BOOT_MEMORY_USABLE);
    memory_map_set(&map, 0xa000, 0, BOOT_MEMORY_RESERVED);
    CHECK_EQUAL(2, map.count);
    check_range(0, 0x2000, 0x3000, BOOT_MEMORY_USABLE);
    check_range(1, 0x8000, 0x9000, BOOT_MEMORY_RESERVED);
}

TEST(ranges_beyond_every_address_are_cut)
{
    start(16);
    memory_map_set(&map, 1ull << 52, 0x1000, BOOT_MEMORY_USABLE);
    memory_map_set(&map, (1ull << 52) - 0x2000, UINT64_MAX, BOOT_MEMORY_DEVICE);
    CHECK_EQUAL(1, map.count);
    check_range(0, (1ull << 52) - 0x2000, 1ull << 52, BOOT_MEMORY_DEVICE);
}

TEST(without_room_reserved_ranges_go_first_then_the_smallest_usable_one)
{
    start(4);
    memory_map_set(&map, 0x1000, 0x1000, BOOT_MEMORY_RESERVED);
    memory_map_set(&map, 0x3000, 0x5000, BOOT_MEMORY_USABLE);
    memory_map_set(&map, 0x9000, 0x1000, BOOT_MEMORY_USABLE);
    memory_map_set(&map, 0xb000, 0x1000, BOOT_MEMORY_KERNEL);
    CHECK_EQUAL(0, map.forgotten);
    memory_map_set(&map, 0xd000, 0x2000, BOOT_MEMORY_USABLE);
    CHECK_EQUAL(1, map.forgotten);
    check_range(0, 0x3000, 0x8000, BOOT_MEMORY_USABLE);
    memory_map_shrink(&map, 2);
    CHECK_EQUAL(3, map.forgotten);
    check_range(0, 0x3000, 0x8000, BOOT_MEMORY_USABLE);
    check_range(1, 0xb000, 0xc000, BOOT_MEMORY_KERNEL);
}

/* A firmware whose descriptors are larger than the ones we know. */
struct large_descriptor {
    struct efi_memory_descriptor known;
    uint64_t more;
};

TEST(the_firmwares_descriptors_are_read_with_its_own_stride)
{
    const struct large_descriptor descriptors[] = {
        {{.type = EFI_MEMORY_CONVENTIONAL, .physical_start = 0x100000, .pages = 16}, 1},
        {{.type = EFI_MEMORY_BOOT_DATA, .physical_start = 0x110000, .pages = 16}, 2},
        {{.type = EFI_MEMORY_LOADER_DATA, .physical_start = 0x120000, .pages = 1}, 3},
        {{.type = EFI_MEMORY_RUNTIME_CODE, .physical_start = 0x121000, .pages = 1}, 4},
        {{.type = EFI_MEMORY_ACPI_RECLAIM, .physical_start = 0x122000, .pages = 1}, 5},
        {{.type = EFI_MEMORY_DEVICE, .physical_start = 0xf0000000, .pages = 1}, 6},
        {{.type = 0x80000001, .physical_start = 0x123000, .pages = 1}, 7},
    };
    start(16);
    memory_map_add_firmware(&map, descriptors, sizeof(descriptors), sizeof(descriptors[0]));
    CHECK_EQUAL(6, map.count);
    check_range(0, 0x100000, 0x120000, BOOT_MEMORY_USABLE);
    check_range(1, 0x120000, 0x121000, BOOT_MEMORY_LOADER);
    check_range(2, 0x121000, 0x122000, BOOT_MEMORY_FIRMWARE);
    check_range(3, 0x122000, 0x123000, BOOT_MEMORY_ACPI);
    check_range(4, 0x123000, 0x124000, BOOT_MEMORY_RESERVED);
    check_range(5, 0xf0000000, 0xf0001000, BOOT_MEMORY_DEVICE);
}

TEST(where_descriptors_contradict_each_other_the_careful_one_wins_in_any_order)
{
    const struct efi_memory_descriptor descriptors[] = {
        {.type = EFI_MEMORY_RESERVED, .physical_start = 0x2000, .pages = 1},
        {.type = EFI_MEMORY_CONVENTIONAL, .physical_start = 0x1000, .pages = 4},
        {.type = EFI_MEMORY_RUNTIME_DATA, .physical_start = 0x3000, .pages = 1},
        {.type = EFI_MEMORY_LOADER_DATA, .physical_start = 0x3000, .pages = 1},
    };
    start(16);
    memory_map_add_firmware(&map, descriptors, sizeof(descriptors), sizeof(descriptors[0]));
    CHECK_EQUAL(4, map.count);
    check_range(0, 0x1000, 0x2000, BOOT_MEMORY_USABLE);
    check_range(1, 0x2000, 0x3000, BOOT_MEMORY_RESERVED);
    check_range(2, 0x3000, 0x4000, BOOT_MEMORY_FIRMWARE);
    check_range(3, 0x4000, 0x5000, BOOT_MEMORY_USABLE);
}

TEST(a_nonsensical_stride_or_length_adds_nothing)
{
    const struct efi_memory_descriptor descriptor = {
        .type = EFI_MEMORY_CONVENTIONAL, .physical_start = 0x1000, .pages = UINT64_MAX};
    start(16);
    memory_map_add_firmware(&map, &descriptor, sizeof(descriptor), sizeof(descriptor));
    memory_map_add_firmware(&map, &descriptor, sizeof(descriptor), 0);
    memory_map_add_firmware(&map, &descriptor, sizeof(descriptor) - 1, sizeof(descriptor));
    CHECK_EQUAL(0, map.count);
}

TEST(ten_thousand_random_settings_agree_with_an_array_of_pages)
{
    enum { PAGES = 256 };
    static struct boot_memory_range many[2 * PAGES];
    static uint8_t model[PAGES];
    memory_map_init(&map, many, 2 * PAGES);
    unsigned seed = 1;
    for (int step = 0; step < 10000; step++) {
        uint32_t first = (uint32_t)rand_r(&seed) % PAGES;
        uint32_t length = 1 + (uint32_t)rand_r(&seed) % (PAGES - first);
        enum boot_memory_kind kind = 1 + (uint32_t)rand_r(&seed) % BOOT_MEMORY_RESERVED;
        memory_map_set(&map, first * 4096ull, length * 4096ull, kind);
        for (uint32_t i = first; i < first + length; i++)
            model[i] = (uint8_t)kind;

        uint64_t page = 0;
        for (uint32_t i = 0; i < map.count; i++) {
            for (; page * 4096 < map.ranges[i].start; page++)
                CHECK_EQUAL(0, model[page]);
            CHECK(i == 0 || map.ranges[i].kind != map.ranges[i - 1].kind ||
                  map.ranges[i].start > map.ranges[i - 1].start + map.ranges[i - 1].length_bytes);
            for (; page * 4096 < map.ranges[i].start + map.ranges[i].length_bytes; page++)
                CHECK_EQUAL(map.ranges[i].kind, model[page]);
        }
        for (; page < PAGES; page++)
            CHECK_EQUAL(0, model[page]);
    }
}
