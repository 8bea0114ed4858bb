/* Split virtqueues: Virtio 1.2, section 2.7. */
#include "drivers/bus/virtqueue.h"
#include "base/bytes.h"
#include "debug/assert.h"
#include <stdatomic.h>

/* 2.7.5 */
struct virtqueue_descriptor {
    uint64_t address;
    uint32_t length_bytes;
    uint16_t flags;
    uint16_t next;
};
static_assert(sizeof(struct virtqueue_descriptor) == 16, "hardware layout");
#define DESCRIPTOR_NEXT  1u
#define DESCRIPTOR_WRITE 2u

/* 2.7.6 */
struct virtqueue_available {
    _Atomic uint16_t flags;
    _Atomic uint16_t index; /* release after filling the ring */
    _Atomic uint16_t ring[];
};

/* 2.7.8. Written by the device: each field is read once. */
struct virtqueue_used_element {
    _Atomic uint32_t id;
    _Atomic uint32_t written_bytes;
};
struct virtqueue_used {
    _Atomic uint16_t flags;
    _Atomic uint16_t index; /* acquire before looking at the ring */
    struct virtqueue_used_element ring[];
};
static_assert(offsetof(struct virtqueue_used, ring) == 4, "hardware layout");
#define USED_NO_NOTIFY 1u

uint64_t virtqueue_available_offset(uint16_t size)
{
    return sizeof(struct virtqueue_descriptor) * size;
}

/* Behind flags, index, ring and the event field that follows it; aligned to 4: 2.7, 2.7.6. */
uint64_t virtqueue_used_offset(uint16_t size)
{
    return round_up(virtqueue_available_offset(size) + 6 + 2ull * size, 4);
}

uint64_t virtqueue_memory_bytes(uint16_t size)
{
    return virtqueue_used_offset(size) + 6 + sizeof(struct virtqueue_used_element) * size;
}

void virtqueue_init(struct virtqueue *queue, uint16_t size, void *memory)
{
    ASSERT(size > 0 && size <= VIRTQUEUE_SIZE_MAX && (size & (size - 1)) == 0);
    bytes_zero(memory, virtqueue_memory_bytes(size));
    *queue = (struct virtqueue){
        .size = size,
        .free_count = size,
        .descriptors = memory,
        .available = (void *)((uint8_t *)memory + virtqueue_available_offset(size)),
        .used = (void *)((uint8_t *)memory + virtqueue_used_offset(size)),
    };
    for (uint16_t i = 0; i < size; i++)
        queue->slots[i].next = (uint16_t)(i + 1);
}

bool virtqueue_add(struct virtqueue *queue, const struct virtqueue_segment *segments,
                   uint16_t count, uint16_t readable_count, void *token)
{
    ASSERT(count > 0 && readable_count <= count);
    if (count > queue->free_count || queue->is_broken) return false;

    uint16_t head = queue->free_first;
    uint16_t at = head;
    uint32_t writable_bytes = 0;
    for (uint16_t i = 0; i < count; i++) {
        bool is_last = i + 1 == count;
        bool is_written = i >= readable_count;
        if (is_written) writable_bytes += segments[i].length_bytes;
        uint16_t next = queue->slots[at].next;
        queue->descriptors[at] = (struct virtqueue_descriptor){
            .address = segments[i].start.value,
            .length_bytes = segments[i].length_bytes,
            .flags =
                (uint16_t)((is_last ? 0 : DESCRIPTOR_NEXT) | (is_written ? DESCRIPTOR_WRITE : 0)),
            .next = is_last ? 0 : next,
        };
        at = next;
    }
    queue->slots[head].token = token;
    queue->slots[head].writable_bytes = writable_bytes;
    queue->slots[head].chain_length = count;
    queue->free_first = at;
    queue->free_count = (uint16_t)(queue->free_count - count);
    queue->flight_count++;
    atomic_store_explicit(&queue->available->ring[queue->added % queue->size], head,
                          memory_order_relaxed); /* ordered by the index */
    queue->added++;
    return true;
}

bool virtqueue_publish(struct virtqueue *queue)
{
    /* Pairs with the device's acquire of the index: it sees ring and descriptors: 2.7.13. */
    atomic_store_explicit(&queue->available->index, queue->added, memory_order_release);
    /* The device clears its flag and then looks at the index; we write the index and then look at
     * its flag. Without the fence both could miss the other: 2.7.13.4.1. */
    atomic_thread_fence(memory_order_seq_cst);
    uint16_t flags = atomic_load_explicit(&queue->used->flags, memory_order_relaxed);
    return (flags & USED_NO_NOTIFY) == 0;
}

/* Puts a chain's descriptors back; the private links are what the device cannot have changed. */
static void free_chain(struct virtqueue *queue, uint16_t head)
{
    struct virtqueue_slot *first = &queue->slots[head];
    uint16_t last = head;
    for (uint16_t i = 1; i < first->chain_length; i++)
        last = queue->slots[last].next;
    queue->slots[last].next = queue->free_first;
    queue->free_first = head;
    queue->free_count = (uint16_t)(queue->free_count + first->chain_length);
    first->chain_length = 0;
    first->token = nullptr;
    queue->flight_count--;
}

static enum virtqueue_answer declare_broken(struct virtqueue *queue)
{
    queue->is_broken = true;
    return VIRTQUEUE_BROKEN;
}

enum virtqueue_answer virtqueue_reap(struct virtqueue *queue, void **out_token,
                                     uint32_t *out_written_bytes)
{
    if (queue->is_broken) return VIRTQUEUE_BROKEN;
    /* Pairs with the device's release of the index: 2.7.14. */
    uint16_t index = atomic_load_explicit(&queue->used->index, memory_order_acquire);
    uint16_t waiting = (uint16_t)(index - queue->reaped);
    if (waiting == 0) return VIRTQUEUE_NOTHING;
    if (waiting > queue->flight_count) return declare_broken(queue);

    struct virtqueue_used_element *element = &queue->used->ring[queue->reaped % queue->size];
    uint32_t id = atomic_load_explicit(&element->id, memory_order_relaxed);
    uint32_t written = atomic_load_explicit(&element->written_bytes, memory_order_relaxed);
    if (id >= queue->size) return declare_broken(queue);
    struct virtqueue_slot *slot = &queue->slots[id];
    if (slot->chain_length == 0 || written > slot->writable_bytes) return declare_broken(queue);

    *out_token = slot->token;
    *out_written_bytes = written;
    queue->reaped++;
    free_chain(queue, (uint16_t)id);
    return VIRTQUEUE_CHAIN;
}

void *virtqueue_take_back(struct virtqueue *queue)
{
    for (uint16_t i = 0; queue->flight_count > 0 && i < queue->size; i++) {
        if (queue->slots[i].chain_length == 0) continue;
        void *token = queue->slots[i].token;
        free_chain(queue, i);
        return token;
    }
    return nullptr;
}
