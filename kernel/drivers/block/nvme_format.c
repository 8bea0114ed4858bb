/* NVMe registers and statuses. */
#include "drivers/block/nvme_format.h"
#include "arch/arch/mmio.h"
#include "base/checked.h"

/* base 3.1.3.1 */
static constexpr bit_field QUEUE_ENTRIES = {0, 16}; /* one less */
static constexpr bit_field READY_TIME = {24, 8};    /* in units of 500 ms */
static constexpr bit_field DOORBELL_STRIDE = {32, 4};
static constexpr bit_field COMMAND_SET_NVM = {37, 1};
static constexpr bit_field PAGE_SIZE_MIN = {48, 4}; /* 2^(12 + this) bytes */
static constexpr uint32_t READY_UNIT_MS = 500;

status nvme_capabilities_read(uint64_t value, struct nvme_capabilities *out_capabilities)
{
    uint32_t entries = (uint32_t)bit_field_get(value, QUEUE_ENTRIES) + 1;
    if (value == 0 || value == UINT64_MAX || entries < 2) return FAIL(IO_ERROR);
    if (bit_field_get(value, COMMAND_SET_NVM) == 0 || bit_field_get(value, PAGE_SIZE_MIN) != 0)
        return FAIL(NOT_IMPLEMENTED);
    uint32_t units = (uint32_t)bit_field_get(value, READY_TIME);
    *out_capabilities = (struct nvme_capabilities){
        .queue_entries_max = entries,
        .ready_ms_max = READY_UNIT_MS * max_of(units, 1u),
        .doorbell_stride_bytes = 4u << bit_field_get(value, DOORBELL_STRIDE),
    };
    return OK;
}

/* Status code and its type together, the two lowest fields: base 3.3.3.2.1. */
#define STATUS_CODE_BITS      0x7ffu
#define STATUS_OF(type, code) ((uint16_t)((type) << 8 | (code)))

enum status_type : uint16_t { TYPE_GENERIC = 0, TYPE_COMMAND = 1, TYPE_MEDIA = 2 };

status nvme_status_read(uint16_t field)
{
    switch (field & STATUS_CODE_BITS) {
    case STATUS_OF(TYPE_GENERIC, 0x00): /* successful completion */
        return OK;
    case STATUS_OF(TYPE_GENERIC, 0x80): /* LBA out of range */
        return FAIL(OUT_OF_RANGE);
    case STATUS_OF(TYPE_GENERIC, 0x20): /* namespace is write protected */
    case STATUS_OF(TYPE_COMMAND, 0x82): /* attempted write to read only range: nvm 2.4.1 */
    case STATUS_OF(TYPE_MEDIA, 0x86):   /* access denied */
        return FAIL(PERMISSION_DENIED);
    default: /* a number from outside */
        return FAIL(IO_ERROR);
    }
}
