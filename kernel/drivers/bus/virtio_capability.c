/* The capabilities of a virtio PCI function: Virtio 1.2, section 4.1.4. */
#include "drivers/bus/virtio_capability.h"
#include "base/address.h"
#include "base/bytes.h"
#include "base/checked.h"

/* struct virtio_pci_cap, and what the notification capability adds: 4.1.4.4 */
#define CAPABILITY_LENGTH     2
#define CAPABILITY_PART       3
#define CAPABILITY_BAR        4
#define CAPABILITY_OFFSET     8
#define CAPABILITY_SIZE       12
#define CAPABILITY_BYTES      16u
#define CAPABILITY_MULTIPLIER 16
#define NOTIFY_BYTES          20u

static constexpr uint32_t COMMON_BYTES_MIN = 56; /* up to queue_device: 4.1.4.3 */
static constexpr uint32_t NOTIFY_BYTES_MIN = 2;  /* one queue's: 4.1.4.4 */
static constexpr uint32_t BAR_NUMBER_MAX = 5;    /* others are reserved: 4.1.4 */

/* The region a capability describes; length 0 when it lies outside its memory. */
static struct virtio_region read_region(const uint8_t *capability, const struct pci_bar *bars)
{
    struct virtio_region region = {
        .bar = capability[CAPABILITY_BAR],
        .offset = load_le32(capability + CAPABILITY_OFFSET),
        .length_bytes = load_le32(capability + CAPABILITY_SIZE),
    };
    if (region.bar > BAR_NUMBER_MAX ||
        !span_fits(region.offset, region.length_bytes, bars[region.bar].length_bytes) ||
        !is_aligned(region.offset, 4))
        region.length_bytes = 0;
    return region;
}

/* The first usable capability of a kind is the device's preference: 4.1.4.1. */
static void keep_first(struct virtio_region *kept, struct virtio_region found, uint32_t bytes_min)
{
    if (kept->length_bytes == 0 && found.length_bytes >= bytes_min) *kept = found;
}

status virtio_layout_find(const uint8_t *config, const struct pci_bar *bars,
                          struct virtio_layout *out_layout)
{
    struct virtio_layout layout = {0};
    uint8_t at = 0;
    while ((at = pci_capability_next(config, at, PCI_CAPABILITY_VENDOR, CAPABILITY_BYTES)) != 0) {
        const uint8_t *capability = config + at;
        if (capability[CAPABILITY_LENGTH] < CAPABILITY_BYTES) continue;
        struct virtio_region region = read_region(capability, bars);
        uint8_t part = capability[CAPABILITY_PART];
        if (part == VIRTIO_PART_COMMON) keep_first(&layout.common, region, COMMON_BYTES_MIN);
        if (part == VIRTIO_PART_DEVICE) keep_first(&layout.device, region, 1);
        if (part == VIRTIO_PART_NOTIFY && layout.notify.length_bytes == 0 &&
            capability[CAPABILITY_LENGTH] >= NOTIFY_BYTES &&
            span_fits(at, NOTIFY_BYTES, PCI_CONFIG_BYTES)) {
            keep_first(&layout.notify, region, NOTIFY_BYTES_MIN);
            layout.notify_multiplier = load_le32(capability + CAPABILITY_MULTIPLIER);
        }
    }
    if (layout.common.length_bytes == 0 || layout.notify.length_bytes == 0) return FAIL(NOT_FOUND);
    *out_layout = layout;
    return OK;
}
