/*
 * What an NVMe controller and its driver write for each other: registers, commands, completions.
 *
 * NVM Express Base Specification 2.0 ("base"), NVM Command Set Specification 1.0 ("nvm") and NVMe
 * over PCIe Transport Specification 1.0 ("pcie"); section numbers are theirs.
 *
 * Context: any; no state.
 */
#pragma once
#include "base/status.h"
#include <stdatomic.h>
#include <stddef.h>

/* What the controller calls a memory page; we ask for this size (CC.MPS = 0): base 3.1.3.5. */
#define NVME_PAGE_BYTES 4096u

/* Registers, offsets in the first region: base 3.1.3; doorbells: pcie 3.1.2. */
#define NVME_CAPABILITIES     0x00u /* 64 bits */
#define NVME_CONFIGURATION    0x14u
#define NVME_STATUS           0x1cu
#define NVME_ADMIN_SIZES      0x24u
#define NVME_ADMIN_SUBMISSION 0x28u /* 64 bits */
#define NVME_ADMIN_COMPLETION 0x30u /* 64 bits */
#define NVME_REGISTERS_BYTES  0x38u /* of those above */
#define NVME_DOORBELLS        0x1000u

/* base 3.1.3.5: enabled, NVM command set, pages of 4 KiB, entries of 2^6 and 2^4 bytes */
#define NVME_CONFIGURATION_ENABLE 1u
#define NVME_CONFIGURATION_ON     (NVME_CONFIGURATION_ENABLE | 6u << 16 | 4u << 20)
/* base 3.1.3.6 */
#define NVME_STATUS_READY 1u
#define NVME_STATUS_FATAL 2u
#define NVME_STATUS_GONE  0xffffffffu /* what is read where there is nothing any more */

/* base 5, figure 138, and 7.1; nvm 3.2 */
enum nvme_opcode : uint8_t {
    NVME_ADMIN_CREATE_SUBMISSION_QUEUE = 0x01,
    NVME_ADMIN_CREATE_COMPLETION_QUEUE = 0x05,
    NVME_ADMIN_IDENTIFY = 0x06,
    NVME_ADMIN_SET_FEATURES = 0x09,
    NVME_FLUSH = 0x00,
    NVME_WRITE = 0x01,
    NVME_READ = 0x02,
};

#define NVME_FEATURE_QUEUE_COUNT 0x07u /* base 5.27.1.5 */
/* base 5.17.1 */
#define NVME_IDENTIFY_NAMESPACE  0x00u
#define NVME_IDENTIFY_CONTROLLER 0x01u
#define NVME_IDENTIFY_LIST       0x02u /* of namespaces that are active */
#define NVME_IDENTIFY_BYTES      4096u
/* base 5.4 and 5.5, double word 11 */
#define NVME_QUEUE_CONTIGUOUS 1u
#define NVME_QUEUE_INTERRUPTS 2u /* completion queues */

/* base 3.3.3.1, figure 87 */
struct nvme_command {
    uint8_t opcode;
    uint8_t flags; /* 0: PRPs, not fused */
    uint16_t id;
    uint32_t namespace_id;
    uint64_t reserved;
    uint64_t metadata;
    uint64_t prp1;
    uint64_t prp2;
    uint32_t words[6]; /* double words 10 to 15 */
};
static_assert(sizeof(struct nvme_command) == 64 && offsetof(struct nvme_command, words) == 40,
              "hardware layout");

/* base 3.3.3.2, figure 89. Written by the device: each field is read once. */
struct nvme_completion {
    _Atomic uint32_t result;
    uint32_t reserved;
    uint32_t submission_queue; /* and its head */
    /* Command id in the lower half; phase and status in the upper one. Acquire before the rest. */
    _Atomic uint32_t id_and_status;
};
static_assert(sizeof(struct nvme_completion) == 16, "hardware layout");

/* base 3.1.3.1. What is in the capabilities register. */
struct nvme_capabilities {
    uint32_t queue_entries_max; /* 2 at least */
    uint32_t ready_ms_max;      /* until a change of CC.EN shows */
    uint32_t doorbell_stride_bytes;
};
/*
 * NOT_IMPLEMENTED   the controller has no NVM command set, or cannot do with pages of 4 KiB
 * IO_ERROR          it makes no sense, or there is nothing there
 */
status nvme_capabilities_read(uint64_t value, struct nvme_capabilities *out_capabilities);

/*
 * What a completion's status field (base 3.3.3.2.1, phase bit left out) means for a block request:
 *   OK
 *   OUT_OF_RANGE, PERMISSION_DENIED, IO_ERROR
 */
status nvme_status_read(uint16_t field);
