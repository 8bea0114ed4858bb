/*
 * Pairs of NVMe queues: commands to the controller, and completions from it.
 * NVM Express Base Specification 2.0, 3.3.1; section numbers below are its own.
 *
 * A submission queue and the completion queue of the same number of entries it answers into. Each
 * command in flight has an id, chosen by the driver below the number of entries less one; so
 * neither queue can ever be full, and the controller's idea of the submission queue's head is of no
 * interest.
 *
 * The controller is not trusted: which ids are in flight is kept in memory it is never told about.
 * A completion for a command that is not in flight makes the pair broken, for good: its driver
 * resets the controller and takes its commands back.
 *
 * Context: any. Pure logic over memory it is given. The caller provides the locking, and writes the
 * doorbells: `tail` after commands were pushed, `head` after completions were reaped.
 */
#pragma once
#include "drivers/block/nvme_format.h"

#define NVME_QUEUE_ENTRIES_MAX 128u
#define NVME_COMMANDS_MAX      (NVME_QUEUE_ENTRIES_MAX - 1) /* in flight in one pair */

struct nvme_queue {
    uint16_t entries;
    uint16_t tail; /* of the submission queue: where the next command goes */
    uint16_t head; /* of the completion queue: where the next completion comes */
    uint16_t flight_count;
    bool phase; /* of completions that are new: 3.3.3.2.2 */
    bool is_broken;
    /* Shared with the controller. */
    struct nvme_command *commands;
    struct nvme_completion *completions;
    bool in_flight[NVME_COMMANDS_MAX]; /* by id */
};

/* An empty pair. entries is 2..NVME_QUEUE_ENTRIES_MAX; the memory holds that many of each and is
 * cleared. */
void nvme_queue_init(struct nvme_queue *queue, uint16_t entries, void *commands, void *completions);
/* How many commands may be in flight; ids are below. */
static inline uint16_t nvme_queue_commands_max(const struct nvme_queue *queue)
{
    return (uint16_t)(queue->entries - 1);
}

/* Adds a command with this id, which is in flight from here on and was not. The controller looks at
 * it when the doorbell has the new tail. */
void nvme_queue_push(struct nvme_queue *queue, const struct nvme_command *command, uint16_t id);

enum nvme_answer : uint8_t { NVME_NOTHING, NVME_COMPLETED, NVME_BROKEN };
struct nvme_outcome {
    uint16_t id;           /* not in flight any more */
    uint16_t status_field; /* for nvme_status_read() */
    uint32_t result;
};
/* The next completion. */
enum nvme_answer nvme_queue_reap(struct nvme_queue *queue, struct nvme_outcome *out_outcome);

/*
 * After the controller was reset and can touch nothing: takes back a command it still had, and
 * answers true with its id; false when there is none left.
 */
bool nvme_queue_take_back(struct nvme_queue *queue, uint16_t *out_id);
