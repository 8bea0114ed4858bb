/*
 * Where a virtio device keeps its registers: the PCI capabilities that say so, checked.
 * Virtual I/O Device (VIRTIO) 1.2, section 4.1.4.
 *
 * Context: any; no state.
 */
#pragma once
#include "drivers/bus/pci_config.h"

/* 4.1.4, cfg_type */
enum virtio_part : uint8_t {
    VIRTIO_PART_COMMON = 1,
    VIRTIO_PART_NOTIFY = 2,
    VIRTIO_PART_INTERRUPT = 3,
    VIRTIO_PART_DEVICE = 4,
};

struct virtio_region {
    uint8_t bar;
    uint32_t offset;
    uint32_t length_bytes; /* 0: the device has no such part */
};

struct virtio_layout {
    struct virtio_region common;
    struct virtio_region notify;
    struct virtio_region device;
    uint32_t notify_multiplier;
};

/*
 * `config` has PCI_CONFIG_BYTES, bars PCI_BAR_COUNT.
 *   NOT_FOUND   no modern virtio device: a part every device has is missing, or none of its
 *               capabilities describes a part inside a region
 */
status virtio_layout_find(const uint8_t *config, const struct pci_bar *bars,
                          struct virtio_layout *out_layout);
