/*
 * An NVMe controller as a whole: its registers, starting and stopping it, the admin queues.
 * NVM Express Base Specification 2.0; section numbers are its own.
 *
 * Context: task; waiting sleeps. One caller at a time: whoever brings the controller up, and then
 *          its recovery. The functions marked "any" may be called by anybody meanwhile.
 */
#pragma once
#include "base/address.h"
#include "drivers/block/nvme_queue.h"
#include "drivers/bus/pci.h"

#define NVME_IO_QUEUES_MAX 64u

struct nvme_controller {
    /* Fixed when opened. */
    struct pci_function *function;
    uint8_t *registers;
    uint8_t *doorbells;
    uint64_t capabilities_word;
    struct nvme_capabilities capabilities;
    physical_address memory; /* admin queues and a page for answers */

    struct nvme_queue admin;
};

/*
 * Maps the controller and stops it.
 *   NOT_IMPLEMENTED   it cannot do what we need
 *   IO_ERROR          it makes no sense or does not stop
 *   OUT_OF_RANGE      its registers are not where they should be
 *   OUT_OF_MEMORY
 */
status nvme_controller_open(struct nvme_controller *controller, struct pci_function *function);

/* Any context. Has stopped working by itself, or is not there any more. */
bool nvme_controller_is_in_trouble(const struct nvme_controller *controller);

/* Stops it: afterwards it touches no memory. False: it did not confirm in the time it asks for, and
 * has been cut off from memory at the bus. */
bool nvme_controller_stop(struct nvme_controller *controller);
/* Starts the stopped controller, with empty admin queues. IO_ERROR, TIMED_OUT */
status nvme_controller_start(struct nvme_controller *controller);
/* Gives up for good. */
void nvme_controller_fail(struct nvme_controller *controller);

/*
 * An admin command and its answer, double word 0 of the completion.
 *   IO_ERROR, OUT_OF_RANGE, PERMISSION_DENIED   the controller said so, or broke the rules
 *   TIMED_OUT                                   it said nothing: nothing but a stop helps
 */
RESULT_TYPE(nvme_result, uint32_t);
nvme_result nvme_controller_command(struct nvme_controller *controller,
                                    const struct nvme_command *command);

/* Identifies; the answer's NVME_IDENTIFY_BYTES are at *out_bytes until the next time. Errors as
 * above. */
status nvme_controller_identify(struct nvme_controller *controller, uint32_t what,
                                uint32_t namespace_id, const uint8_t **out_bytes);

/* How many pairs of I/O queues it grants, `wanted` at most, one at least. */
uint32_t nvme_controller_grant_queues(struct nvme_controller *controller, uint32_t wanted);

/* Where a pair's queues are, each from a page's start. */
struct nvme_queue_place {
    uint16_t number; /* from 1 */
    uint16_t entries;
    physical_address commands;
    physical_address completions;
    bool has_vector;
    uint16_t vector;
};
/* Errors as of a command. */
status nvme_controller_create_queues(struct nvme_controller *controller,
                                     const struct nvme_queue_place *place);

/* Any context. Doorbells of pair `number`, 0: the admin queues. */
void nvme_controller_tell_tail(const struct nvme_controller *controller, uint16_t number,
                               uint16_t tail);
void nvme_controller_tell_head(const struct nvme_controller *controller, uint16_t number,
                               uint16_t head);
