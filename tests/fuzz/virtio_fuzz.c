/*
 * A hostile virtio device: its configuration space, and what it writes into a queue.
 *
 * Input: 1 byte; then either a configuration space to find the device's parts in, or steps of 4
 * bytes {what, which, id, written / 8}: the driver adds a chain, or the device hands one back or
 * scribbles over descriptors. Whatever happens, no chain comes back twice, and all of them come
 * back in the end.
 */
#include "base/bytes.h"
#include "base/checked.h"
#include "debug/assert.h"
#include "drivers/bus/virtio_capability.h"
#include "drivers/bus/virtqueue.h"

static constexpr uint16_t SIZE = 16;
static _Alignas(4096) uint8_t memory[4096];
static struct virtqueue queue;
static bool in_flight[SIZE];
static uint8_t tokens[SIZE];

static void check_region(const struct virtio_region *region, const struct pci_bar *bars)
{
    if (region->length_bytes == 0) return;
    ASSERT(region->bar < PCI_BAR_COUNT);
    ASSERT(span_fits(region->offset, region->length_bytes, bars[region->bar].length_bytes));
}

static void try_layout(const uint8_t *input, size_t size)
{
    if (size < PCI_CONFIG_BYTES) return;
    struct pci_bar bars[PCI_BAR_COUNT];
    for (uint32_t i = 0; i < PCI_BAR_COUNT; i++) {
        uint32_t low = load_le32(input + PCI_BAR_0 + 4 * i);
        bars[i] = pci_bar_decode(low, 0, (uint32_t)-(1 << (i + 10)), 0);
    }
    struct virtio_layout layout;
    if (is_ok(virtio_layout_find(input, bars, &layout))) {
        check_region(&layout.common, bars);
        check_region(&layout.notify, bars);
        check_region(&layout.device, bars);
    }
    uint8_t msix = pci_capability_next(input, 0, PCI_CAPABILITY_MSIX, PCI_MSIX_BYTES);
    struct pci_msix_layout messages;
    if (msix != 0 && is_ok(pci_msix_decode(input + msix, bars, &messages)))
        ASSERT(span_fits(messages.table_offset,
                         (uint64_t)messages.vector_count * PCI_MSIX_ENTRY_BYTES,
                         bars[messages.table_bar].length_bytes));
}

static void came_back(void *token)
{
    size_t index = (size_t)((uint8_t *)token - tokens);
    ASSERT(index < SIZE && in_flight[index]);
    in_flight[index] = false;
}

static void add_chain(uint8_t which, uint8_t shape)
{
    if (in_flight[which % SIZE]) return;
    struct virtqueue_segment segments[4];
    uint16_t count = 1 + shape % 4;
    for (uint16_t i = 0; i < count; i++)
        segments[i] = (struct virtqueue_segment){physical_at(0x1000), 64};
    uint16_t readable = (shape >> 2) % (count + 1);
    if (!virtqueue_add(&queue, segments, count, readable, &tokens[which % SIZE])) return;
    in_flight[which % SIZE] = true;
    (void)virtqueue_publish(&queue);
}

static void hand_back(uint8_t where, uint8_t id, uint8_t written, uint8_t advance)
{
    uint8_t *used = memory + virtqueue_used_offset(SIZE);
    store_le32(used + 4 + 8 * (where % SIZE), id);
    store_le32(used + 8 + 8 * (where % SIZE), written * 8u);
    store_le16(used + 2, (uint16_t)(load_le16(used + 2) + advance % 4));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    if (size < 1) return 0;
    if (input[0] & 1) {
        try_layout(input + 1, size - 1);
        return 0;
    }
    virtqueue_init(&queue, SIZE, memory);
    bytes_zero(in_flight, sizeof(in_flight));
    void *token;
    uint32_t written;
    for (input++, size--; size >= 4; input += 4, size -= 4) {
        if (input[0] % 4 <= 1) add_chain(input[1], input[2]);
        if (input[0] % 4 == 2) hand_back(input[1], input[2], input[3], input[0] >> 2);
        if (input[0] % 4 == 3) memory[input[1] % virtqueue_available_offset(SIZE)] = input[2];
        while (virtqueue_reap(&queue, &token, &written) == VIRTQUEUE_CHAIN)
            came_back(token);
    }
    while ((token = virtqueue_take_back(&queue)) != nullptr)
        came_back(token);
    for (uint32_t i = 0; i < SIZE; i++)
        ASSERT(!in_flight[i]);
    ASSERT(queue.free_count == SIZE && queue.flight_count == 0);
    return 0;
}
