#include "base/bytes.h"
#include "drivers/block/nvme_identify.h"
#include "support/test.h"

static uint8_t answer[NVME_IDENTIFY_BYTES];

static void make_controller(void)
{
    bytes_zero(answer, sizeof(answer));
    bytes_copy(answer + 24, "A Disk                                  ", 40);
    answer[77] = 7;
    answer[512] = 0x66;
    answer[513] = 0x44;
    store_le32(answer + 516, 3);
    answer[525] = 1;
}

TEST(a_controller_tells_its_limits)
{
    make_controller();
    struct nvme_controller_identity identity;
    CHECK_STATUS(OK, nvme_identify_controller(answer, &identity));
    CHECK_EQUAL(3, identity.namespace_count);
    CHECK_EQUAL(512 << 10, identity.transfer_bytes_max);
    CHECK(identity.has_write_cache);
    CHECK_BYTES("A Disk\0", identity.model, 7);
    answer[77] = 0;
    answer[525] = 6;
    answer[26] = '\n';
    CHECK_STATUS(OK, nvme_identify_controller(answer, &identity));
    CHECK_EQUAL(UINT32_MAX, identity.transfer_bytes_max);
    CHECK(!identity.has_write_cache);
    CHECK_BYTES("A ?isk\0", identity.model, 7);
    answer[77] = 255;
    CHECK_STATUS(OK, nvme_identify_controller(answer, &identity));
    CHECK_EQUAL(UINT32_MAX, identity.transfer_bytes_max);
}

TEST(a_controller_with_other_queue_entries_is_refused)
{
    struct nvme_controller_identity identity;
    make_controller();
    answer[512] = 0x77;
    CHECK_STATUS(IO_ERROR, nvme_identify_controller(answer, &identity));
    answer[512] = 0x55;
    CHECK_STATUS(IO_ERROR, nvme_identify_controller(answer, &identity));
    make_controller();
    answer[513] = 0x55;
    CHECK_STATUS(IO_ERROR, nvme_identify_controller(answer, &identity));
    answer[513] = 0x73;
    CHECK_STATUS(OK, nvme_identify_controller(answer, &identity));
}

static void make_namespace(uint8_t format, uint16_t metadata, uint8_t shift)
{
    bytes_zero(answer, sizeof(answer));
    store_le64(answer, 1000);
    answer[25] = 7;
    answer[26] = format;
    store_le16(answer + 128 + 4 * (format & 0xf), metadata);
    answer[128 + 4 * (format & 0xf) + 2] = shift;
}

TEST(a_namespace_tells_size_and_sectors)
{
    struct nvme_namespace_identity identity;
    make_namespace(4, 0, 12);
    CHECK_STATUS(OK, nvme_identify_namespace(answer, &identity));
    CHECK_EQUAL(1000, identity.sector_count);
    CHECK_EQUAL(4096, identity.sector_bytes);
    CHECK(!identity.is_read_only);
    make_namespace(0, 0, 9);
    answer[99] = 1;
    CHECK_STATUS(OK, nvme_identify_namespace(answer, &identity));
    CHECK_EQUAL(512, identity.sector_bytes);
    CHECK(identity.is_read_only);
}

TEST(namespaces_we_cannot_do_are_refused)
{
    struct nvme_namespace_identity identity;
    make_namespace(0, 0, 9);
    store_le64(answer, 0);
    CHECK_STATUS(NOT_FOUND, nvme_identify_namespace(answer, &identity));
    make_namespace(0, 8, 9); /* metadata */
    CHECK_STATUS(NOT_IMPLEMENTED, nvme_identify_namespace(answer, &identity));
    make_namespace(0, 0, 9);
    answer[29] = 1; /* protection */
    CHECK_STATUS(NOT_IMPLEMENTED, nvme_identify_namespace(answer, &identity));
    for (uint32_t shift = 0; shift < 256; shift++) {
        make_namespace(0, 0, (uint8_t)shift);
        CHECK(is_ok(nvme_identify_namespace(answer, &identity)) == (shift >= 9 && shift <= 12));
    }
    make_namespace(9, 0, 9); /* of eight formats */
    CHECK_STATUS(IO_ERROR, nvme_identify_namespace(answer, &identity));
    make_namespace(0, 0, 9);
    store_le64(answer, UINT64_MAX / 512 + 1);
    CHECK_STATUS(IO_ERROR, nvme_identify_namespace(answer, &identity));
}

TEST(more_than_sixteen_formats_have_a_longer_index)
{
    struct nvme_namespace_identity identity;
    make_namespace(0, 0, 9);
    answer[25] = 20;
    answer[26] = 1 << 5 | 2; /* 18 */
    CHECK_STATUS(NOT_IMPLEMENTED, nvme_identify_namespace(answer, &identity));
    answer[128 + 4 * 18 + 2] = 12;
    CHECK_STATUS(OK, nvme_identify_namespace(answer, &identity));
    CHECK_EQUAL(4096, identity.sector_bytes);
    answer[25] = 64;
    CHECK_STATUS(IO_ERROR, nvme_identify_namespace(answer, &identity));
}

TEST(a_list_gives_ids_until_zero)
{
    bytes_zero(answer, sizeof(answer));
    store_le32(answer, 1);
    store_le32(answer + 4, 9);
    CHECK_EQUAL(1, nvme_identify_list(answer, 0));
    CHECK_EQUAL(9, nvme_identify_list(answer, 1));
    CHECK_EQUAL(0, nvme_identify_list(answer, 2));
    CHECK_EQUAL(0, nvme_identify_list(answer, NVME_LIST_MAX - 1));
}

TEST(capabilities_that_make_no_sense_are_refused)
{
    constexpr uint64_t NVM = 1ull << 37;
    struct nvme_capabilities capabilities;
    CHECK_STATUS(OK, nvme_capabilities_read(NVM | 2ull << 32 | 3u << 24 | 63, &capabilities));
    CHECK_EQUAL(64, capabilities.queue_entries_max);
    CHECK_EQUAL(1500, capabilities.ready_ms_max);
    CHECK_EQUAL(16, capabilities.doorbell_stride_bytes);
    CHECK_STATUS(OK, nvme_capabilities_read(NVM | 1, &capabilities));
    CHECK_EQUAL(500, capabilities.ready_ms_max);
    CHECK_STATUS(IO_ERROR, nvme_capabilities_read(0, &capabilities));
    CHECK_STATUS(IO_ERROR, nvme_capabilities_read(UINT64_MAX, &capabilities));
    CHECK_STATUS(IO_ERROR, nvme_capabilities_read(NVM, &capabilities)); /* one entry */
    CHECK_STATUS(NOT_IMPLEMENTED, nvme_capabilities_read(63, &capabilities));
    CHECK_STATUS(NOT_IMPLEMENTED, nvme_capabilities_read(NVM | 1ull << 48 | 63, &capabilities));
}

TEST(statuses_become_ours)
{
    CHECK_STATUS(OK, nvme_status_read(0));
    CHECK_STATUS(OUT_OF_RANGE, nvme_status_read(0x4080)); /* with "do not retry" */
    CHECK_STATUS(PERMISSION_DENIED, nvme_status_read(0x020));
    CHECK_STATUS(PERMISSION_DENIED, nvme_status_read(0x182));
    CHECK_STATUS(PERMISSION_DENIED, nvme_status_read(0x286));
    CHECK_STATUS(IO_ERROR, nvme_status_read(0x281)); /* unrecovered read error */
    CHECK_STATUS(IO_ERROR, nvme_status_read(0x7ff));
    CHECK_STATUS(IO_ERROR, nvme_status_read(0x006));
}
