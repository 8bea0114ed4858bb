/* Pairs of NVMe queues: NVM Express Base Specification 2.0, 3.3.1. */
#include "drivers/block/nvme_queue.h"
#include "base/bytes.h"
#include "debug/assert.h"

static constexpr uint32_t STATUS_SHIFT = 16;
static constexpr uint16_t TURN_BIT = 1; /* the phase tag: 3.3.3.2.2 */

void nvme_queue_init(struct nvme_queue *queue, uint16_t entries, void *commands, void *completions)
{
    ASSERT(entries >= 2 && entries <= NVME_QUEUE_ENTRIES_MAX);
    bytes_zero(commands, entries * sizeof(struct nvme_command));
    bytes_zero(completions, entries * sizeof(struct nvme_completion));
    /* Entries never written have the tag clear; what comes in the first round has it set. */
    *queue = (struct nvme_queue){
        .entries = entries,
        .phase = true,
        .commands = commands,
        .completions = completions,
    };
}

static uint16_t next_index(const struct nvme_queue *queue, uint16_t index)
{
    return index + 1 == queue->entries ? 0 : (uint16_t)(index + 1);
}

void nvme_queue_push(struct nvme_queue *queue, const struct nvme_command *command, uint16_t id)
{
    ASSERT(id < nvme_queue_commands_max(queue) && !queue->in_flight[id]);
    struct nvme_command *entry = &queue->commands[queue->tail];
    *entry = *command;
    entry->id = id;
    queue->in_flight[id] = true;
    queue->flight_count++;
    queue->tail = next_index(queue, queue->tail);
}

enum nvme_answer nvme_queue_reap(struct nvme_queue *queue, struct nvme_outcome *out_outcome)
{
    if (queue->is_broken) return NVME_BROKEN;
    struct nvme_completion *entry = &queue->completions[queue->head];
    /* Pairs with the device's write of the phase, which comes last: 3.3.3.2.2. */
    uint32_t word = atomic_load_explicit(&entry->id_and_status, memory_order_acquire);
    uint16_t field = (uint16_t)(word >> STATUS_SHIFT);
    if (((field & TURN_BIT) != 0) != queue->phase) return NVME_NOTHING;

    uint16_t id = (uint16_t)word;
    if (id >= nvme_queue_commands_max(queue) || !queue->in_flight[id]) {
        queue->is_broken = true;
        return NVME_BROKEN;
    }
    *out_outcome = (struct nvme_outcome){
        .id = id,
        .status_field = field >> 1,
        .result = atomic_load_explicit(&entry->result, memory_order_relaxed),
    };
    queue->in_flight[id] = false;
    queue->flight_count--;
    queue->head = next_index(queue, queue->head);
    if (queue->head == 0) queue->phase = !queue->phase;
    return NVME_COMPLETED;
}

bool nvme_queue_take_back(struct nvme_queue *queue, uint16_t *out_id)
{
    for (uint16_t id = 0; queue->flight_count > 0 && id < nvme_queue_commands_max(queue); id++) {
        if (!queue->in_flight[id]) continue;
        queue->in_flight[id] = false;
        queue->flight_count--;
        *out_id = id;
        return true;
    }
    return false;
}
