/* An NVMe controller as a whole: NVM Express Base Specification 2.0. */
#include "drivers/block/nvme_controller.h"
#include "arch/arch/mmio.h"
#include "mm/direct_map.h"
#include "mm/frame_pool.h"
#include "sched/wait_queue.h"

static constexpr uint8_t REGISTERS_BAR = 0; /* PCIe Transport Specification 1.0, 3.1.1 */
static constexpr uint16_t ADMIN_ENTRIES = 8;
static constexpr uint64_t COMMAND_MS = 5000;
static constexpr uint64_t NAP_NS = 100'000;
/* The pages of `memory`. */
static constexpr uint64_t COMMANDS_AT = 0;
static constexpr uint64_t COMPLETIONS_AT = NVME_PAGE_BYTES;
static constexpr uint64_t ANSWER_AT = 2ull * NVME_PAGE_BYTES;
static constexpr uint32_t MEMORY_ORDER = 2;

static uint32_t read32(const struct nvme_controller *controller, uint32_t offset)
{
    return mmio32_read((mmio32 *)(controller->registers + offset));
}

static void write32(const struct nvme_controller *controller, uint32_t offset, uint32_t value)
{
    mmio32_write((mmio32 *)(controller->registers + offset), value);
}

/* Two halves, which every controller takes: 3.1.2. */
static uint64_t read64(const struct nvme_controller *controller, uint32_t offset)
{
    return read32(controller, offset) | (uint64_t)read32(controller, offset + 4) << 32;
}

static void write64(const struct nvme_controller *controller, uint32_t offset, uint64_t value)
{
    write32(controller, offset, (uint32_t)value);
    write32(controller, offset + 4, (uint32_t)(value >> 32));
}

/* Sleeps a little. */
static void nap(void)
{
    spin_lock lock;
    struct wait_queue nobody;
    spin_lock_init(&lock, LOCK_RANK_DEVICE);
    wait_queue_init(&nobody);
    spin_acquire(&lock);
    ignore_status(wait_queue_sleep(&nobody, &lock, deadline_in_ns(NAP_NS), false));
    spin_release(&lock);
}

void nvme_controller_tell_tail(const struct nvme_controller *controller, uint16_t number,
                               uint16_t tail)
{
    uint32_t offset = 2u * number * controller->capabilities.doorbell_stride_bytes;
    mmio32_write((mmio32 *)(controller->doorbells + offset), tail);
}

void nvme_controller_tell_head(const struct nvme_controller *controller, uint16_t number,
                               uint16_t head)
{
    uint32_t offset = (2u * number + 1) * controller->capabilities.doorbell_stride_bytes;
    mmio32_write((mmio32 *)(controller->doorbells + offset), head);
}

bool nvme_controller_is_in_trouble(const struct nvme_controller *controller)
{
    uint32_t now = read32(controller, NVME_STATUS);
    return now == NVME_STATUS_GONE || (now & NVME_STATUS_FATAL) != 0 ||
           (now & NVME_STATUS_READY) == 0;
}

/* 3.5.1: waits until CSTS.RDY says so. IO_ERROR, TIMED_OUT */
static status wait_until_ready_is(struct nvme_controller *controller, bool wanted)
{
    deadline limit = deadline_in_ms(controller->capabilities.ready_ms_max);
    for (;;) {
        bool is_last_look = deadline_passed(limit); /* first: we may be held up before the read */
        uint32_t now = read32(controller, NVME_STATUS);
        if (now == NVME_STATUS_GONE) return FAIL(IO_ERROR);
        if (((now & NVME_STATUS_READY) != 0) == wanted) return OK;
        if (wanted && (now & NVME_STATUS_FATAL) != 0) return FAIL(IO_ERROR);
        if (is_last_look) return FAIL(TIMED_OUT);
        nap();
    }
}

bool nvme_controller_stop(struct nvme_controller *controller)
{
    uint32_t configuration = read32(controller, NVME_CONFIGURATION);
    write32(controller, NVME_CONFIGURATION, configuration & ~NVME_CONFIGURATION_ENABLE);
    if (is_ok(wait_until_ready_is(controller, false))) return true;
    pci_silence(controller->function);
    return false;
}

void nvme_controller_fail(struct nvme_controller *controller)
{
    pci_silence(controller->function);
}

static void *admin_memory(const struct nvme_controller *controller, uint64_t at)
{
    return (uint8_t *)direct_map(controller->memory) + at;
}

status nvme_controller_start(struct nvme_controller *controller)
{
    /* A controller that was exchanged, or went, does not say what it said before. */
    if (read64(controller, NVME_CAPABILITIES) != controller->capabilities_word)
        return FAIL(IO_ERROR);
    nvme_queue_init(&controller->admin, ADMIN_ENTRIES, admin_memory(controller, COMMANDS_AT),
                    admin_memory(controller, COMPLETIONS_AT));
    uint32_t entries = ADMIN_ENTRIES - 1u; /* 3.1.3.8: one less, for either queue */
    write32(controller, NVME_ADMIN_SIZES, entries << 16 | entries);
    write64(controller, NVME_ADMIN_SUBMISSION, controller->memory.value + COMMANDS_AT);
    write64(controller, NVME_ADMIN_COMPLETION, controller->memory.value + COMPLETIONS_AT);
    write32(controller, NVME_CONFIGURATION, NVME_CONFIGURATION_ON);
    return wait_until_ready_is(controller, true);
}

static status map_registers(struct nvme_controller *controller)
{
    pci_memory_result registers =
        pci_map(controller->function, REGISTERS_BAR, 0, NVME_REGISTERS_BYTES);
    TRY(registers.status);
    controller->registers = registers.value;
    controller->capabilities_word = read64(controller, NVME_CAPABILITIES);
    TRY(nvme_capabilities_read(controller->capabilities_word, &controller->capabilities));
    uint64_t bytes =
        2ull * (NVME_IO_QUEUES_MAX + 1) * controller->capabilities.doorbell_stride_bytes;
    /* Those of all the queues we may have, as far as the region goes. */
    uint64_t region_bytes = controller->function->bars[REGISTERS_BAR].length_bytes;
    if (region_bytes <= NVME_DOORBELLS) return FAIL(OUT_OF_RANGE);
    pci_memory_result doorbells =
        pci_map(controller->function, REGISTERS_BAR, NVME_DOORBELLS,
                bytes < region_bytes - NVME_DOORBELLS ? bytes : region_bytes - NVME_DOORBELLS);
    controller->doorbells = doorbells.value;
    return doorbells.status;
}

status nvme_controller_open(struct nvme_controller *controller, struct pci_function *function)
{
    *controller = (struct nvme_controller){.function = function};
    pci_open(function);
    TRY(map_registers(controller));
    frame_result memory = frame_pool_take(nullptr, MEMORY_ORDER);
    TRY(memory.status);
    controller->memory = memory.value;
    return nvme_controller_stop(controller) ? OK : FAIL(IO_ERROR);
}

/* ---- admin commands ---- */

/* One at a time, found by looking: they are few, and none is in a hurry. */
nvme_result nvme_controller_command(struct nvme_controller *controller,
                                    const struct nvme_command *command)
{
    struct nvme_queue *admin = &controller->admin;
    if (admin->flight_count > 0) return (nvme_result){.status = FAIL(TIMED_OUT)};
    nvme_queue_push(admin, command, 0);
    nvme_controller_tell_tail(controller, 0, admin->tail);
    deadline limit = deadline_in_ms(COMMAND_MS);
    struct nvme_outcome outcome;
    for (;;) {
        bool is_last_look = deadline_passed(limit);
        enum nvme_answer answer = nvme_queue_reap(admin, &outcome);
        if (answer == NVME_COMPLETED) break;
        if (answer == NVME_BROKEN) return (nvme_result){.status = FAIL(IO_ERROR)};
        if (is_last_look) return (nvme_result){.status = FAIL(TIMED_OUT)};
        nap();
    }
    nvme_controller_tell_head(controller, 0, admin->head);
    status answered = nvme_status_read(outcome.status_field);
    return (nvme_result){answered, is_ok(answered) ? outcome.result : 0};
}

status nvme_controller_identify(struct nvme_controller *controller, uint32_t what,
                                uint32_t namespace_id, const uint8_t **out_bytes)
{
    struct nvme_command command = {
        .opcode = NVME_ADMIN_IDENTIFY,
        .namespace_id = namespace_id,
        .prp1 = controller->memory.value + ANSWER_AT,
        .words = {what},
    };
    nvme_result identified = nvme_controller_command(controller, &command);
    if (is_ok(identified.status)) *out_bytes = admin_memory(controller, ANSWER_AT);
    return identified.status;
}

/* 5.27.1.5: both counts are one less. A controller without the feature has one pair. */
uint32_t nvme_controller_grant_queues(struct nvme_controller *controller, uint32_t wanted)
{
    struct nvme_command command = {
        .opcode = NVME_ADMIN_SET_FEATURES,
        .words = {NVME_FEATURE_QUEUE_COUNT, (wanted - 1) << 16 | (wanted - 1)},
    };
    nvme_result granted = nvme_controller_command(controller, &command);
    if (!is_ok(granted.status)) return 1;
    uint32_t submission = (granted.value & 0xffff) + 1;
    uint32_t completion = (granted.value >> 16) + 1;
    uint32_t both = submission < completion ? submission : completion;
    return both < wanted ? both : wanted;
}

/* 5.4 and 5.5 */
status nvme_controller_create_queues(struct nvme_controller *controller,
                                     const struct nvme_queue_place *place)
{
    uint32_t size = (uint32_t)(place->entries - 1) << 16 | place->number;
    uint32_t interrupts =
        place->has_vector ? (uint32_t)place->vector << 16 | NVME_QUEUE_INTERRUPTS : 0;
    struct nvme_command completions = {
        .opcode = NVME_ADMIN_CREATE_COMPLETION_QUEUE,
        .prp1 = place->completions.value,
        .words = {size, interrupts | NVME_QUEUE_CONTIGUOUS},
    };
    TRY(nvme_controller_command(controller, &completions).status);
    struct nvme_command commands = {
        .opcode = NVME_ADMIN_CREATE_SUBMISSION_QUEUE,
        .prp1 = place->commands.value,
        .words = {size, (uint32_t)place->number << 16 | NVME_QUEUE_CONTIGUOUS},
    };
    return nvme_controller_command(controller, &commands).status;
}
