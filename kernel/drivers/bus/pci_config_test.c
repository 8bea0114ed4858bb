#include "base/bytes.h"
#include "base/container.h"
#include "drivers/bus/pci_config.h"
#include "support/test.h"
#include <stdlib.h>

static void add_capability(uint8_t *config, uint8_t at, uint8_t id, uint8_t next)
{
    config[at] = id;
    config[at + 1] = next;
}

static void start_list(uint8_t *config, uint8_t first)
{
    bytes_zero(config, PCI_CONFIG_BYTES);
    config[PCI_STATUS] = PCI_STATUS_CAPABILITIES;
    config[PCI_CAPABILITIES] = first;
}

TEST(capabilities_are_found_one_after_the_other)
{
    uint8_t config[PCI_CONFIG_BYTES];
    start_list(config, 0x40);
    add_capability(config, 0x40, 9, 0x50);
    add_capability(config, 0x50, 17, 0x61); /* low bits are to be ignored */
    add_capability(config, 0x60, 9, 0);
    CHECK_EQUAL(0x40, pci_capability_next(config, 0, 9, 16));
    CHECK_EQUAL(0x60, pci_capability_next(config, 0x40, 9, 16));
    CHECK_EQUAL(0, pci_capability_next(config, 0x60, 9, 16));
    CHECK_EQUAL(0x50, pci_capability_next(config, 0, 17, 12));
    CHECK_EQUAL(0, pci_capability_next(config, 0, 5, 2));
}

TEST(a_function_without_the_list_has_no_capabilities)
{
    uint8_t config[PCI_CONFIG_BYTES];
    start_list(config, 0x40);
    add_capability(config, 0x40, 9, 0);
    config[PCI_STATUS] = 0;
    CHECK_EQUAL(0, pci_capability_next(config, 0, 9, 2));
}

TEST(circular_and_wild_lists_end)
{
    uint8_t config[PCI_CONFIG_BYTES];
    start_list(config, 0x40);
    add_capability(config, 0x40, 9, 0x50);
    add_capability(config, 0x50, 9, 0x40);
    CHECK_EQUAL(0, pci_capability_next(config, 0, 17, 2));
    uint32_t steps = 0;
    for (uint8_t at = 0; (at = pci_capability_next(config, at, 9, 2)) != 0 && steps < 1000;)
        steps++;
    CHECK_EQUAL(2, steps);
    start_list(config, 0x20); /* into the header */
    CHECK_EQUAL(0, pci_capability_next(config, 0, 0, 2));
}

TEST(a_capability_that_does_not_fit_is_not_found)
{
    uint8_t config[PCI_CONFIG_BYTES];
    start_list(config, 0xf8);
    add_capability(config, 0xf8, 17, 0);
    CHECK_EQUAL(0xf8, pci_capability_next(config, 0, 17, 8));
    CHECK_EQUAL(0, pci_capability_next(config, 0, 17, 9));
}

TEST(regions_are_decoded_by_what_sticks)
{
    struct pci_bar bar = pci_bar_decode(0xfebd1000, 0, 0xfffff000, 0);
    CHECK(bar.start == 0xfebd1000 && bar.length_bytes == 0x1000 && !bar.is_wide);
    bar = pci_bar_decode(0x0000000c, 0x80, 0xffffc00c, 0xffffffff);
    CHECK(bar.start == 0x8000000000 && bar.length_bytes == 0x4000 && bar.is_wide);
    bar = pci_bar_decode(0x0000000c, 0x100, 0x0000000c, 0xffffff00);
    CHECK(bar.start == 0x10000000000 && bar.length_bytes == 0x10000000000);
    CHECK_EQUAL(0, pci_bar_decode(0xc001, 0, 0xffffffe1, 0).length_bytes);     /* I/O space */
    CHECK_EQUAL(0, pci_bar_decode(0, 0, 0, 0).length_bytes);                   /* absent */
    CHECK_EQUAL(0, pci_bar_decode(0, 0, 0xfffff000, 0).length_bytes);          /* no room given */
    CHECK_EQUAL(0, pci_bar_decode(0xfebd1000, 0, 0xfffef000, 0).length_bytes); /* holes */
    CHECK_EQUAL(0, pci_bar_decode(0xfebd1000, 0, 0xffff0000, 0).length_bytes); /* unaligned */
    CHECK_EQUAL(0, pci_bar_decode(4, 0, 4, 0).length_bytes);
}

static status decode_msix(uint16_t control, uint32_t table, uint32_t pending)
{
    uint8_t capability[PCI_MSIX_BYTES] = {PCI_CAPABILITY_MSIX};
    store_le16(capability + 2, control);
    store_le32(capability + 4, table);
    store_le32(capability + 8, pending);
    struct pci_bar bars[PCI_BAR_COUNT] = {[1] = {.start = 0x1000, .length_bytes = 0x1000}};
    struct pci_msix_layout layout;
    return pci_msix_decode(capability, bars, &layout);
}

TEST(a_message_table_must_lie_in_its_region)
{
    CHECK_STATUS(OK, decode_msix(1, 0x000 | 1, 0x800 | 1));
    CHECK_STATUS(OK, decode_msix(127, 0x000 | 1, 0x800 | 1)); /* 128 vectors fill 0x800 bytes */
    CHECK_STATUS(OK, decode_msix(1, 0xfe0 | 1, 0xff8 | 1));
    CHECK_STATUS(IO_ERROR, decode_msix(2, 0xfe0 | 1, 0xff8 | 1));
    CHECK_STATUS(IO_ERROR, decode_msix(64, 0x000 | 1, 0xff8 | 1)); /* pending bits need 16 bytes */
    CHECK_STATUS(IO_ERROR, decode_msix(0x7ff, 0x000 | 1, 0x800 | 1));
    CHECK_STATUS(IO_ERROR, decode_msix(1, 0x000 | 0, 0x800 | 1)); /* no such region */
    CHECK_STATUS(IO_ERROR, decode_msix(1, 0x000 | 7, 0x800 | 1));
    CHECK_STATUS(IO_ERROR, decode_msix(1, 0xfffffff8 | 1, 0x800 | 1));
}

/* A machine of a few buses. */
static uint8_t *buses[4];
static uint32_t maps[4];
static uint32_t visited;
static uint32_t visits;

static void *map_test_bus(struct pci_walk *walk, uint8_t bus)
{
    (void)walk;
    if (bus >= array_count(buses)) return nullptr;
    maps[bus]++;
    return buses[bus];
}

static void note_visit(struct pci_walk *walk, struct pci_place place, void *config)
{
    (void)walk;
    visits++;
    visited |= 1u << (place.bus * 8 + place.function);
    CHECK(config == buses[place.bus] + (place.device * 8u + place.function) * 4096u);
}

static uint8_t *put_function(uint8_t bus, uint8_t device, uint8_t function, uint8_t type)
{
    uint8_t *config = buses[bus] + (device * 8u + function) * 4096u;
    store_le16(config, 0x1af4);
    config[PCI_HEADER_TYPE] = type;
    return config;
}

static void make_buses(void)
{
    for (uint32_t i = 0; i < array_count(buses); i++) {
        buses[i] = malloc(PCI_BUS_BYTES);
        memset(buses[i], 0xff, PCI_BUS_BYTES);
        maps[i] = 0;
    }
    visited = visits = 0;
}

static void free_buses(void)
{
    for (uint32_t i = 0; i < array_count(buses); i++)
        free(buses[i]);
}

static void walk_all(uint8_t last_bus)
{
    struct pci_walk walk = {.last_bus = last_bus, .map_bus = map_test_bus, .visit = note_visit};
    pci_walk_buses(&walk);
}

TEST(functions_behind_bridges_are_visited)
{
    make_buses();
    put_function(0, 0, 0, PCI_LAYOUT_DEVICE);
    put_function(0, 0, 3, PCI_LAYOUT_DEVICE); /* function 0 does not say there are more */
    put_function(0, 5, 0, PCI_LAYOUT_BRIDGE)[PCI_SECONDARY_BUS] = 2;
    put_function(2, 31, 0, PCI_LAYOUT_DEVICE | PCI_HEADER_MULTI);
    put_function(2, 31, 7, PCI_LAYOUT_DEVICE);
    walk_all(255);
    CHECK_EQUAL(3, visits);
    CHECK_EQUAL(1u << 0 | 1u << 16 | 1u << 23, visited);
    free_buses();
}

TEST(bridges_that_lie_about_their_bus_cannot_keep_the_walk_going)
{
    make_buses();
    for (uint8_t device = 0; device < 32; device++) {
        put_function(0, device, 0, PCI_LAYOUT_BRIDGE)[PCI_SECONDARY_BUS] = device % 4;
        put_function(1, device, 0, PCI_LAYOUT_BRIDGE)[PCI_SECONDARY_BUS] = 0;
        put_function(2, device, 0, PCI_LAYOUT_BRIDGE)[PCI_SECONDARY_BUS] = (uint8_t)(device + 200);
    }
    walk_all(2);
    CHECK_EQUAL(0, visits);
    CHECK(maps[0] == 1 && maps[1] == 1 && maps[2] == 1 && maps[3] == 0); /* 3 is out of range */
    free_buses();
}
