/* What an NVMe controller says about itself. */
#include "drivers/block/nvme_identify.h"
#include "base/bytes.h"
#include "debug/assert.h"
#include "device/block_device.h"

/* base 5.17.2.1, figure 275: offsets */
#define CONTROLLER_MODEL                 24
#define CONTROLLER_TRANSFER_MAX          77 /* MDTS: 2^this pages of the smallest size; 0: no limit */
#define CONTROLLER_COMMAND_ENTRY_SIZE    512
#define CONTROLLER_COMPLETION_ENTRY_SIZE 513
#define CONTROLLER_NAMESPACES            516
#define CONTROLLER_WRITE_CACHE           525

/* nvm 4.1.5.1, figure 97: offsets */
#define NAMESPACE_SECTORS    0
#define NAMESPACE_FORMATS    25 /* one less */
#define NAMESPACE_FORMAT     26
#define NAMESPACE_PROTECTION 29
#define NAMESPACE_ATTRIBUTES 99
#define NAMESPACE_FORMAT_LIST \
    128 /* four bytes each: metadata size (2), log2 of the data size (1) */

static constexpr uint8_t ATTRIBUTE_WRITE_PROTECTED = 1;
static constexpr uint8_t PROTECTION_TYPE = 7;
static constexpr uint32_t FORMATS_MAX = 64;

/* The sizes are exponents: the smallest in the lower half, the largest in the upper one. */
static bool has_entry_size(uint8_t sizes, uint8_t wanted)
{
    return (sizes & 0xf) <= wanted && sizes >> 4 >= wanted;
}

static void read_model(const uint8_t *bytes, struct nvme_controller_identity *identity)
{
    uint32_t length = NVME_MODEL_BYTES_MAX;
    while (length > 0 && bytes[CONTROLLER_MODEL + length - 1] == ' ')
        length--;
    bytes_zero(identity->model, sizeof(identity->model));
    for (uint32_t i = 0; i < length; i++) {
        uint8_t byte = bytes[CONTROLLER_MODEL + i];
        identity->model[i] = (char)(byte >= ' ' && byte < 0x7f ? byte : '?');
    }
}

status nvme_identify_controller(const uint8_t *bytes, struct nvme_controller_identity *out_identity)
{
    if (!has_entry_size(bytes[CONTROLLER_COMMAND_ENTRY_SIZE], 6) ||
        !has_entry_size(bytes[CONTROLLER_COMPLETION_ENTRY_SIZE], 4))
        return FAIL(IO_ERROR);
    uint8_t pages = bytes[CONTROLLER_TRANSFER_MAX];
    bool has_limit = pages != 0 && pages < 20; /* beyond 4 GiB it is none */
    read_model(bytes, out_identity);
    out_identity->namespace_count = load_le32(bytes + CONTROLLER_NAMESPACES);
    out_identity->transfer_bytes_max = has_limit ? NVME_PAGE_BYTES << pages : UINT32_MAX;
    out_identity->has_write_cache = (bytes[CONTROLLER_WRITE_CACHE] & 1) != 0;
    return OK;
}

status nvme_identify_namespace(const uint8_t *bytes, struct nvme_namespace_identity *out_identity)
{
    uint64_t sectors = load_le64(bytes + NAMESPACE_SECTORS);
    if (sectors == 0) return FAIL(NOT_FOUND);
    /* The index has two more bits where there are more than sixteen formats. */
    uint32_t format_count = bytes[NAMESPACE_FORMATS] + 1u;
    uint32_t format = bytes[NAMESPACE_FORMAT] & 0xf;
    if (format_count > 16) format |= (uint32_t)(bytes[NAMESPACE_FORMAT] >> 5 & 3) << 4;
    if (format_count > FORMATS_MAX || format >= format_count) return FAIL(IO_ERROR);

    const uint8_t *entry = bytes + NAMESPACE_FORMAT_LIST + 4 * (size_t)format;
    uint8_t shift = entry[2];
    if (load_le16(entry) != 0 || (bytes[NAMESPACE_PROTECTION] & PROTECTION_TYPE) != 0)
        return FAIL(NOT_IMPLEMENTED);
    if (shift < 9 || shift > 12) return FAIL(NOT_IMPLEMENTED);
    if (sectors > UINT64_MAX >> shift) return FAIL(IO_ERROR);
    *out_identity = (struct nvme_namespace_identity){
        .sector_count = sectors,
        .sector_bytes = 1u << shift,
        .is_read_only = (bytes[NAMESPACE_ATTRIBUTES] & ATTRIBUTE_WRITE_PROTECTED) != 0,
    };
    static_assert(BLOCK_SECTOR_BYTES_MIN == 1 << 9 && BLOCK_SECTOR_BYTES_MAX == 1 << 12);
    return OK;
}

uint32_t nvme_identify_list(const uint8_t *bytes, uint32_t index)
{
    ASSERT(index < NVME_LIST_MAX);
    return load_le32(bytes + 4 * (size_t)index);
}
