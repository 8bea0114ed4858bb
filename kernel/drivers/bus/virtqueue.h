/*
 * Split virtqueues: requests to a virtio device and what it says about them.
 * Virtual I/O Device (VIRTIO) 1.2, section 2.7; section numbers below are its own.
 *
 * A *chain* of descriptors is one request: segments the device reads, then segments it writes. The
 * driver adds chains and publishes them; the device hands each back once, in any order, with the
 * number of bytes it wrote.
 *
 * The device is not trusted. Which descriptors are free, how they are chained and what a chain may
 * hold is kept here, in memory the device is never told about; what the device writes is read once
 * and checked against that. A device that breaks the protocol is reported as broken, for good: its
 * driver resets it and takes its chains back.
 *
 * Context: any. Pure logic over memory it is given. The caller provides the locking.
 */
#pragma once
#include "base/address.h"
#include "base/status.h"

#define VIRTQUEUE_SIZE_MAX 256u /* descriptors; the device may offer more, we use no more */

struct virtqueue_segment {
    physical_address start;
    uint32_t length_bytes;
};

struct virtqueue_slot {
    void *token;             /* of a chain that starts here */
    uint32_t writable_bytes; /* of a chain that starts here: the most the device may write */
    uint16_t next;           /* in the chain, or in the list of free slots */
    uint16_t chain_length;   /* of a chain that starts here; 0: none does */
};

struct virtqueue_descriptor;
struct virtqueue_available;
struct virtqueue_used;

struct virtqueue {
    uint16_t size; /* a power of two up to VIRTQUEUE_SIZE_MAX */
    uint16_t free_first;
    uint16_t free_count;
    uint16_t added;        /* chains ever added, modulo 2^16 */
    uint16_t reaped;       /* chains ever handed back, modulo 2^16 */
    uint16_t flight_count; /* chains the device has */
    bool is_broken;
    /* Shared with the device. */
    struct virtqueue_descriptor *descriptors;
    struct virtqueue_available *available;
    struct virtqueue_used *used;
    struct virtqueue_slot slots[VIRTQUEUE_SIZE_MAX];
};

/* The parts of the shared memory, from its page-aligned start. */
uint64_t virtqueue_available_offset(uint16_t size);
uint64_t virtqueue_used_offset(uint16_t size);
uint64_t virtqueue_memory_bytes(uint16_t size);

/* An empty queue. `memory` has virtqueue_memory_bytes(size), which are cleared. */
void virtqueue_init(struct virtqueue *queue, uint16_t size, void *memory);

/*
 * Adds a chain: the first `readable_count` segments are read by the device, the rest written. False
 * when there are not enough free descriptors; nothing changed. The device does not see it yet.
 */
[[nodiscard]] bool virtqueue_add(struct virtqueue *queue, const struct virtqueue_segment *segments,
                                 uint16_t count, uint16_t readable_count, void *token);
/* Shows the device what was added. True when it wants to be notified. */
[[nodiscard]] bool virtqueue_publish(struct virtqueue *queue);

enum virtqueue_answer : uint8_t { VIRTQUEUE_NOTHING, VIRTQUEUE_CHAIN, VIRTQUEUE_BROKEN };
/* The next chain the device handed back: its token and how many bytes were written. */
enum virtqueue_answer virtqueue_reap(struct virtqueue *queue, void **out_token,
                                     uint32_t *out_written_bytes);

/*
 * After the device was reset and can touch nothing: takes back a chain it still had. nullptr when
 * there is none left.
 */
void *virtqueue_take_back(struct virtqueue *queue);
