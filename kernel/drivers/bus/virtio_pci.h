/*
 * Virtio devices on PCI, modern transport only: Virtual I/O Device (VIRTIO) 1.2, chapters 2, 3 and
 * section 4.1.
 *
 *     virtio_open -> virtio_negotiate -> read configuration, virtio_queue_start... -> virtio_start
 *
 * A device that misbehaves is reset and brought up again from virtio_negotiate on.
 *
 * Context: task, except virtio_notify, virtio_is_gone and virtio_reset: any.
 * Locking: the driver's. A queue's calls are serialised by its driver.
 */
#pragma once
#include "drivers/bus/pci.h"
#include "drivers/bus/virtio_capability.h"
#include "drivers/bus/virtqueue.h"

#define VIRTIO_VENDOR_ID         0x1af4u
#define VIRTIO_DEVICE_ID(type)   (0x1040u + (type)) /* 4.1.2; types: chapter 5 */
#define VIRTIO_TYPE_BLOCK        2u
#define VIRTIO_FEATURE_VERSION_1 (1ull << 32) /* chapter 6 */
#define VIRTIO_FEATURE_PLATFORM \
    (1ull << 33) /* addresses are what the platform says: physical here */

struct virtio_common;

struct virtio_device {
    /* Fixed by virtio_open. */
    struct pci_function *function;
    struct virtio_layout layout;
    struct virtio_common *common;
    uint8_t *notify;
    uint8_t *config;   /* nullptr when the device has none */
    uint64_t features; /* agreed on */
};

struct virtio_queue {
    struct virtqueue ring;
    uint16_t index;
    uint32_t notify_offset;
    /* Kept across resets; owned, never given back: devices live as long as the kernel. */
    physical_address memory;
    uint32_t memory_order;
    bool has_memory;
};

/*
 * Maps the device's registers, turns on message interrupts and resets it.
 *   NOT_FOUND       no modern virtio device, or it has no message interrupts
 *   OUT_OF_MEMORY
 *   IO_ERROR        the reset does not end
 */
status virtio_open(struct virtio_device *device, struct pci_function *function);

/*
 * Tells the device it has a driver and agrees on those of `wanted` it offers; VERSION_1 is needed.
 *   IO_ERROR   it insists on something else
 */
status virtio_negotiate(struct virtio_device *device, uint64_t wanted);

/*
 * Reads one field of the device's configuration, or several of 32 bits, consistent as a whole:
 * 2.5.1.
 *   OUT_OF_RANGE   the device has no such bytes
 *   IO_ERROR       it keeps changing
 */
status virtio_read_config(const struct virtio_device *device, uint32_t offset, void *to,
                          uint32_t length);

/*
 * Makes queue `index` ready, empty, with message vector `vector`; at most size_max descriptors.
 *   NOT_FOUND       the device has no such queue
 *   IO_ERROR        it offers what cannot be, or refuses the vector
 *   OUT_OF_MEMORY
 */
status virtio_queue_start(struct virtio_device *device, struct virtio_queue *queue, uint16_t index,
                          uint16_t size_max, uint16_t vector);
/* From here on the device works. */
void virtio_start(struct virtio_device *device);
/* Tells the device that its queue has something new: where virtqueue_publish() says it wants that.
 */
void virtio_notify(struct virtio_device *device, struct virtio_queue *queue);

/*
 * Stops the device: afterwards it touches no memory. Waits a bounded time. False: it did not
 * confirm, and has been cut off from memory at the bus.
 */
bool virtio_reset(struct virtio_device *device);
/* The device says it is in trouble (2.1.1, DEVICE_NEEDS_RESET), or all its registers read as ones.
 */
bool virtio_needs_reset(const struct virtio_device *device);
bool virtio_is_gone(const struct virtio_device *device);
/* Gives up for good. */
void virtio_fail(struct virtio_device *device);
