#include "base/bytes.h"
#include "drivers/bus/virtio_capability.h"
#include "support/test.h"
#include <stdlib.h>

static const struct pci_bar bars[PCI_BAR_COUNT] = {
    [4] = {.start = 0xc000000000, .length_bytes = 0x4000},
};

static void add_part(uint8_t *config, uint8_t at, uint8_t next, uint8_t part, uint32_t offset,
                     uint32_t length)
{
    uint8_t *capability = config + at;
    capability[0] = PCI_CAPABILITY_VENDOR;
    capability[1] = next;
    capability[2] = part == VIRTIO_PART_NOTIFY ? 20 : 16;
    capability[3] = part;
    capability[4] = 4;
    store_le32(capability + 8, offset);
    store_le32(capability + 12, length);
    if (part == VIRTIO_PART_NOTIFY) store_le32(capability + 16, 4);
}

/* As QEMU's modern devices have it. */
static void make_config(uint8_t *config)
{
    bytes_zero(config, PCI_CONFIG_BYTES);
    config[PCI_STATUS] = PCI_STATUS_CAPABILITIES;
    config[PCI_CAPABILITIES] = 0x40;
    add_part(config, 0x40, 0x54, VIRTIO_PART_COMMON, 0, 0x1000);
    add_part(config, 0x54, 0x68, VIRTIO_PART_INTERRUPT, 0x1000, 0x1000);
    add_part(config, 0x68, 0x7c, VIRTIO_PART_DEVICE, 0x2000, 0x1000);
    add_part(config, 0x7c, 0, VIRTIO_PART_NOTIFY, 0x3000, 0x1000);
}

static status find(const uint8_t *config)
{
    struct virtio_layout layout;
    return virtio_layout_find(config, bars, &layout);
}

TEST(the_parts_of_a_modern_device_are_found)
{
    uint8_t config[PCI_CONFIG_BYTES];
    make_config(config);
    struct virtio_layout layout;
    CHECK_STATUS(OK, virtio_layout_find(config, bars, &layout));
    CHECK(layout.common.bar == 4 && layout.common.offset == 0);
    CHECK_EQUAL(0x1000, layout.common.length_bytes);
    CHECK_EQUAL(0x2000, layout.device.offset);
    CHECK_EQUAL(0x3000, layout.notify.offset);
    CHECK_EQUAL(4, layout.notify_multiplier);
}

TEST(a_part_outside_its_region_counts_as_missing)
{
    uint8_t config[PCI_CONFIG_BYTES];
    make_config(config);
    store_le32(config + 0x40 + 8, 0x3004); /* common: 0x1000 bytes from there do not fit */
    CHECK_STATUS(NOT_FOUND, find(config));
    make_config(config);
    store_le32(config + 0x7c + 12, UINT32_MAX);
    CHECK_STATUS(NOT_FOUND, find(config));
    make_config(config);
    config[0x40 + 4] = 6;
    CHECK_STATUS(NOT_FOUND, find(config));
    make_config(config);
    config[0x7c + 4] = 0; /* a region that is not there */
    CHECK_STATUS(NOT_FOUND, find(config));
}

TEST(a_part_that_is_too_short_counts_as_missing)
{
    uint8_t config[PCI_CONFIG_BYTES];
    make_config(config);
    store_le32(config + 0x40 + 12, 55);
    CHECK_STATUS(NOT_FOUND, find(config));
    make_config(config);
    config[0x7c + 2] = 16; /* no room for the multiplier */
    CHECK_STATUS(NOT_FOUND, find(config));
}

TEST(of_two_descriptions_the_first_usable_one_counts)
{
    uint8_t config[PCI_CONFIG_BYTES];
    make_config(config);
    add_part(config, 0x54, 0x68, VIRTIO_PART_COMMON, 0x2000, 0x1000);
    struct virtio_layout layout;
    CHECK_STATUS(OK, virtio_layout_find(config, bars, &layout));
    CHECK_EQUAL(0, layout.common.offset);
    config[0x40 + 4] = 200;
    CHECK_STATUS(OK, virtio_layout_find(config, bars, &layout));
    CHECK_EQUAL(0x2000, layout.common.offset);
}

TEST(random_configuration_space_never_leads_outside_the_regions)
{
    srand(11);
    for (int run = 0; run < 20000; run++) {
        uint8_t config[PCI_CONFIG_BYTES];
        make_config(config);
        for (int i = 0; i < 1 + run % 40; i++)
            config[(uint32_t)rand() % PCI_CONFIG_BYTES] = (uint8_t)rand();
        struct virtio_layout layout;
        if (!is_ok(virtio_layout_find(config, bars, &layout))) continue;
        const struct virtio_region *regions[] = {&layout.common, &layout.notify, &layout.device};
        for (int i = 0; i < 3; i++) {
            if (regions[i]->length_bytes == 0) continue;
            CHECK_EQUAL(4, regions[i]->bar);
            CHECK((uint64_t)regions[i]->offset + regions[i]->length_bytes <= 0x4000);
        }
    }
}
