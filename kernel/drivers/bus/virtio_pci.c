/* Virtio over PCI: Virtio 1.2; section numbers are its own. */
#include "drivers/bus/virtio_pci.h"
#include "arch/arch/mmio.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "mm/direct_map.h"
#include "mm/frame_pool.h"
#include "time/clock.h"

/* Common configuration: 4.1.4.3. 64-bit fields are written as two halves: 4.1.3.1. */
struct virtio_common {
    mmio32 device_feature_select;
    mmio32 device_feature;
    mmio32 driver_feature_select;
    mmio32 driver_feature;
    mmio16 config_vector;
    mmio16 queue_count;
    mmio8 device_status;
    mmio8 config_generation;
    mmio16 queue_select;
    mmio16 queue_size;
    mmio16 queue_vector;
    mmio16 queue_enable;
    mmio16 queue_notify_offset;
    mmio32 queue_descriptors[2];
    mmio32 queue_available[2];
    mmio32 queue_used[2];
};
static_assert(offsetof(struct virtio_common, device_status) == 20, "hardware layout");
static_assert(offsetof(struct virtio_common, queue_descriptors) == 32, "hardware layout");
static_assert(sizeof(struct virtio_common) == 56, "hardware layout");

/* Device status bits: 2.1 */
#define STATUS_BIT_ACKNOWLEDGE 1u
#define STATUS_BIT_DRIVER      2u
#define STATUS_BIT_DRIVER_OK   4u
#define STATUS_BIT_FEATURES_OK 8u
#define STATUS_BIT_NEEDS_RESET 64u
#define STATUS_BIT_FAILED      128u

static constexpr uint8_t STATUS_GONE = 0xff;
static constexpr uint16_t NO_VECTOR = 0xffff; /* 4.1.5.1.2 */
static constexpr uint64_t RESET_MS = 100;
static constexpr uint32_t CONFIG_ATTEMPTS = 16;

static void add_status(struct virtio_device *device, uint8_t bits)
{
    uint8_t now = mmio8_read(&device->common->device_status);
    mmio8_write(&device->common->device_status, now | bits);
}

bool virtio_is_gone(const struct virtio_device *device)
{
    return mmio8_read(&device->common->device_status) == STATUS_GONE;
}

bool virtio_needs_reset(const struct virtio_device *device)
{
    return (mmio8_read(&device->common->device_status) & STATUS_BIT_NEEDS_RESET) != 0;
}

void virtio_fail(struct virtio_device *device)
{
    add_status(device, STATUS_BIT_FAILED);
    pci_silence(device->function);
}

/* 4.1.4.3.2: after writing 0 the driver waits until it reads 0. */
bool virtio_reset(struct virtio_device *device)
{
    mmio8_write(&device->common->device_status, 0);
    deadline limit = deadline_in_ms(RESET_MS);
    for (;;) {
        bool is_last_look = deadline_passed(limit); /* first: we may be held up before the read */
        if (mmio8_read(&device->common->device_status) == 0) return true;
        if (is_last_look) break;
        cpu_relax();
    }
    pci_silence(device->function);
    return false;
}

static status map_part(struct virtio_device *device, struct virtio_region region, void **out)
{
    pci_memory_result mapped =
        pci_map(device->function, region.bar, region.offset, region.length_bytes);
    *out = mapped.value;
    return mapped.status;
}

status virtio_open(struct virtio_device *device, struct pci_function *function)
{
    *device = (struct virtio_device){.function = function};
    pci_open(function);
    TRY(virtio_layout_find(function->snapshot, function->bars, &device->layout));
    TRY(map_part(device, device->layout.common, (void **)&device->common));
    TRY(map_part(device, device->layout.notify, (void **)&device->notify));
    if (device->layout.device.length_bytes > 0)
        TRY(map_part(device, device->layout.device, (void **)&device->config));
    if (!virtio_reset(device)) return FAIL(IO_ERROR);
    return pci_msix_start(function);
}

static uint64_t offered_features(struct virtio_device *device)
{
    mmio32_write(&device->common->device_feature_select, 0);
    uint64_t low = mmio32_read(&device->common->device_feature);
    mmio32_write(&device->common->device_feature_select, 1);
    return low | (uint64_t)mmio32_read(&device->common->device_feature) << 32;
}

/* 3.1.1, steps 2 to 6 */
status virtio_negotiate(struct virtio_device *device, uint64_t wanted)
{
    add_status(device, STATUS_BIT_ACKNOWLEDGE);
    add_status(device, STATUS_BIT_DRIVER);
    wanted |= VIRTIO_FEATURE_VERSION_1 | VIRTIO_FEATURE_PLATFORM;
    device->features = offered_features(device) & wanted;
    if ((device->features & VIRTIO_FEATURE_VERSION_1) == 0) return FAIL(IO_ERROR);
    mmio32_write(&device->common->driver_feature_select, 0);
    mmio32_write(&device->common->driver_feature, (uint32_t)device->features);
    mmio32_write(&device->common->driver_feature_select, 1);
    mmio32_write(&device->common->driver_feature, (uint32_t)(device->features >> 32));
    add_status(device, STATUS_BIT_FEATURES_OK);
    uint8_t now = mmio8_read(&device->common->device_status);
    if (now == STATUS_GONE || (now & STATUS_BIT_FEATURES_OK) == 0) return FAIL(IO_ERROR);
    return OK;
}

/* Fields of 32 and 64 bits are read in words, others bytewise: 4.1.3.1. */
static void read_fields(uint8_t *from, uint8_t *to, uint32_t length)
{
    bool has_words = is_aligned((uintptr_t)from | length, sizeof(uint32_t));
    uint32_t step = has_words ? sizeof(uint32_t) : 1;
    for (uint32_t i = 0; i < length; i += step) {
        if (has_words)
            store_le32(to + i, mmio32_read((mmio32 *)(from + i)));
        else
            to[i] = mmio8_read((mmio8 *)(from + i));
    }
}

status virtio_read_config(const struct virtio_device *device, uint32_t offset, void *to,
                          uint32_t length)
{
    if (!span_fits(offset, length, device->layout.device.length_bytes)) return FAIL(OUT_OF_RANGE);
    for (uint32_t attempt = 0; attempt < CONFIG_ATTEMPTS; attempt++) {
        uint8_t before = mmio8_read(&device->common->config_generation);
        read_fields(device->config + offset, to, length);
        if (mmio8_read(&device->common->config_generation) == before) return OK;
    }
    return FAIL(IO_ERROR);
}

static status take_memory(struct virtio_queue *queue, uint16_t size)
{
    uint64_t bytes = virtqueue_memory_bytes(size);
    uint32_t order = 0;
    while ((PAGE_BYTES << order) < bytes)
        order++;
    if (queue->has_memory && queue->memory_order >= order) return OK;
    frame_result frames = frame_pool_take(nullptr, order);
    TRY(frames.status);
    if (queue->has_memory) frame_pool_give(nullptr, queue->memory, queue->memory_order);
    queue->memory = frames.value;
    queue->memory_order = order;
    queue->has_memory = true;
    return OK;
}

static void write_address(mmio32 halves[2], physical_address address)
{
    mmio32_write(&halves[0], (uint32_t)address.value);
    mmio32_write(&halves[1], (uint32_t)(address.value >> 32));
}

/* The largest power of two that both sides can have. */
static uint16_t choose_size(uint16_t offered, uint16_t size_max)
{
    uint16_t size = VIRTQUEUE_SIZE_MAX;
    while (size > offered || size > size_max)
        size /= 2;
    return size;
}

/* 4.1.5.1.3 */
status virtio_queue_start(struct virtio_device *device, struct virtio_queue *queue, uint16_t index,
                          uint16_t size_max, uint16_t vector)
{
    struct virtio_common *common = device->common;
    mmio16_write(&common->queue_select, index);
    uint16_t size = choose_size(mmio16_read(&common->queue_size), size_max);
    if (size == 0) return FAIL(NOT_FOUND);
    uint64_t notify_offset =
        (uint64_t)mmio16_read(&common->queue_notify_offset) * device->layout.notify_multiplier;
    if (!span_fits(notify_offset, sizeof(uint16_t), device->layout.notify.length_bytes) ||
        !is_aligned(notify_offset, sizeof(uint16_t)))
        return FAIL(IO_ERROR);
    TRY(take_memory(queue, size));
    queue->index = index;
    queue->notify_offset = (uint32_t)notify_offset;
    virtqueue_init(&queue->ring, size, direct_map(queue->memory));

    mmio16_write(&common->queue_size, size);
    mmio16_write(&common->queue_vector, vector);
    if (mmio16_read(&common->queue_vector) != vector) return FAIL(IO_ERROR);
    write_address(common->queue_descriptors, queue->memory);
    write_address(common->queue_available,
                  physical_add(queue->memory, virtqueue_available_offset(size)));
    write_address(common->queue_used, physical_add(queue->memory, virtqueue_used_offset(size)));
    mmio16_write(&common->queue_enable, 1);
    return OK;
}

void virtio_start(struct virtio_device *device)
{
    mmio16_write(&device->common->config_vector, NO_VECTOR);
    add_status(device, STATUS_BIT_DRIVER_OK);
}

void virtio_notify(struct virtio_device *device, struct virtio_queue *queue)
{
    /* 4.1.5.2: the queue's index, at its own address. */
    mmio16_write((mmio16 *)(device->notify + queue->notify_offset), queue->index);
}
