/* PCI configuration space: PCI Express Base Specification 5.0. */
#include "drivers/bus/pci_config.h"
#include "arch/arch/mmio.h"
#include "base/bitmap.h"
#include "base/bytes.h"
#include "base/checked.h"

static constexpr uint32_t HEADER_BYTES = 0x40; /* capabilities lie behind it: 7.5.3 */

uint8_t pci_capability_next(const uint8_t *config, uint8_t previous, uint8_t id, uint32_t bytes)
{
    if ((load_le16(config + PCI_STATUS) & PCI_STATUS_CAPABILITIES) == 0) return 0;
    bool is_behind = previous == 0;
    uint32_t at = config[PCI_CAPABILITIES] & ~3u; /* the low bits are reserved: 7.5.1.1.11 */
    uint64_t seen = 0; /* a bit per aligned offset: a list that comes back to one ends there */
    while (at >= HEADER_BYTES && !bitmap_test(&seen, at / 4)) {
        bitmap_set(&seen, at / 4);
        if (is_behind && config[at] == id && span_fits(at, bytes, PCI_CONFIG_BYTES))
            return (uint8_t)at;
        is_behind = is_behind || at == previous;
        at = config[at + 1] & ~3u;
    }
    return 0;
}

/* 7.5.1.2.1, bits of a base address register */
static constexpr uint32_t BAR_IS_IO = 1;
static constexpr uint32_t BAR_TYPE = 6;
static constexpr uint32_t BAR_TYPE_64 = 4;
static constexpr uint32_t BAR_FLAGS = 15;

struct pci_bar pci_bar_decode(uint32_t low, uint32_t high, uint32_t low_mask, uint32_t high_mask)
{
    if (low & BAR_IS_IO) return (struct pci_bar){0};
    bool is_wide = (low & BAR_TYPE) == BAR_TYPE_64;
    uint64_t upper = is_wide ? (uint64_t)high_mask << 32 : 0xffffffff00000000ull;
    uint64_t mask = upper | (low_mask & ~BAR_FLAGS);
    struct pci_bar bar = {
        .start = (low & ~BAR_FLAGS) | (is_wide ? (uint64_t)high << 32 : 0),
        .length_bytes = ~mask + 1,
        .is_wide = is_wide,
    };
    bool is_implemented = (low_mask & ~BAR_FLAGS) != 0 || (is_wide && high_mask != 0);
    bool is_power_of_two = (bar.length_bytes & (bar.length_bytes - 1)) == 0;
    /* Firmware that found no room leaves zero. */
    if (!is_implemented || !is_power_of_two || bar.start == 0 ||
        (bar.start & (bar.length_bytes - 1)) != 0)
        bar.start = bar.length_bytes = 0;
    return bar;
}

static bool fits_bar(const struct pci_bar *bars, uint8_t index, uint64_t offset, uint64_t length)
{
    return index < PCI_BAR_COUNT && span_fits(offset, length, bars[index].length_bytes);
}

status pci_msix_decode(const uint8_t *capability, const struct pci_bar *bars,
                       struct pci_msix_layout *out_layout)
{
    uint32_t table = load_le32(capability + 4);
    uint32_t pending = load_le32(capability + 8);
    struct pci_msix_layout layout = {
        .table_bar = table & 7,
        .pending_bar = pending & 7,
        .vector_count = (uint16_t)((load_le16(capability + PCI_MSIX_CONTROL) & 0x7ff) + 1),
        .table_offset = table & ~7u,
        .pending_offset = pending & ~7u,
    };
    uint64_t pending_bytes = (layout.vector_count + 63ull) / 64 * 8;
    if (!fits_bar(bars, layout.table_bar, layout.table_offset,
                  (uint64_t)layout.vector_count * PCI_MSIX_ENTRY_BYTES) ||
        !fits_bar(bars, layout.pending_bar, layout.pending_offset, pending_bytes))
        return FAIL(IO_ERROR);
    *out_layout = layout;
    return OK;
}

/* Buses found and not looked at yet; each enters once. */
struct bus_queue {
    uint8_t buses[PCI_BUSES_MAX];
    uint32_t count;
    uint64_t seen[BITMAP_WORDS(PCI_BUSES_MAX)];
};

static void queue_bus(struct bus_queue *queue, const struct pci_walk *walk, uint8_t bus)
{
    if (bus < walk->first_bus || bus > walk->last_bus || bitmap_test(queue->seen, bus)) return;
    bitmap_set(queue->seen, bus);
    queue->buses[queue->count++] = bus;
}

static uint8_t config8(void *config, uint32_t offset)
{
    return mmio8_read((mmio8 *)((uint8_t *)config + offset));
}

/* Answers the header type, or 0 when there is nothing. */
static uint8_t walk_function(struct pci_walk *walk, struct bus_queue *queue, struct pci_place place,
                             void *config)
{
    if (mmio16_read((mmio16 *)config) == PCI_VENDOR_NONE) return 0;
    uint8_t type = config8(config, PCI_HEADER_TYPE);
    if ((type & PCI_HEADER_LAYOUT) == PCI_LAYOUT_BRIDGE)
        queue_bus(queue, walk, config8(config, PCI_SECONDARY_BUS));
    if ((type & PCI_HEADER_LAYOUT) == PCI_LAYOUT_DEVICE) walk->visit(walk, place, config);
    return type;
}

static void walk_bus(struct pci_walk *walk, struct bus_queue *queue, uint8_t bus)
{
    uint8_t *space = walk->map_bus(walk, bus);
    if (space == nullptr) return;
    for (uint8_t device = 0; device < PCI_DEVICES_PER_BUS; device++) {
        uint8_t functions = 1; /* more only where function 0 says so: 7.5.1.1.9 */
        for (uint8_t function = 0; function < functions; function++) {
            uint32_t index = device * PCI_FUNCTIONS_PER_DEVICE + function;
            struct pci_place place = {walk->segment, bus, device, function};
            uint8_t type =
                walk_function(walk, queue, place, space + index * PCI_CONFIG_SPACE_BYTES);
            if (function == 0 && (type & PCI_HEADER_MULTI)) functions = PCI_FUNCTIONS_PER_DEVICE;
        }
    }
}

void pci_walk_buses(struct pci_walk *walk)
{
    struct bus_queue queue = {0};
    queue_bus(&queue, walk, walk->first_bus);
    for (uint32_t i = 0; i < queue.count; i++)
        walk_bus(walk, &queue, queue.buses[i]);
}
