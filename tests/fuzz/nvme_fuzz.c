/*
 * A hostile NVMe controller: what it says about itself, what it writes into a completion queue, and
 * any request cut into commands.
 *
 * Input: 1 byte that chooses. Identification: the answer's bytes. A queue: steps of 4 bytes {what,
 * id, place, status}: the driver pushes a command, or the controller writes a completion anywhere.
 * No command comes back twice, all of them come back in the end. Cutting: 4 bytes a piece; the
 * commands name the request's bytes in order.
 */
#include "base/bytes.h"
#include "base/checked.h"
#include "debug/assert.h"
#include "drivers/block/nvme_identify.h"
#include "drivers/block/nvme_prp.h"
#include "drivers/block/nvme_queue.h"

static constexpr uint16_t ENTRIES = 9;
static struct nvme_command commands[ENTRIES];
static struct nvme_completion completions[ENTRIES];
static struct nvme_queue queue;
static bool in_flight[ENTRIES - 1];

static void try_identify(const uint8_t *input, size_t size)
{
    static uint8_t answer[NVME_IDENTIFY_BYTES];
    bytes_zero(answer, sizeof(answer));
    bytes_copy(answer, input, min_of(size, sizeof(answer)));
    struct nvme_controller_identity controller;
    if (is_ok(nvme_identify_controller(answer, &controller)))
        ASSERT(controller.transfer_bytes_max >= NVME_PAGE_BYTES);
    struct nvme_namespace_identity space;
    if (is_ok(nvme_identify_namespace(answer, &space))) {
        ASSERT(space.sector_bytes >= 512 && space.sector_bytes <= 4096);
        uint64_t bytes;
        ASSERT(checked_multiply(space.sector_count, space.sector_bytes, &bytes) && bytes > 0);
    }
    struct nvme_capabilities capabilities;
    if (is_ok(nvme_capabilities_read(load_le64(answer), &capabilities)))
        ASSERT(capabilities.queue_entries_max >= 2 && capabilities.ready_ms_max > 0);
    (void)nvme_status_read(load_le16(answer)).code;
}

static void came_back(uint16_t id)
{
    ASSERT(id < ENTRIES - 1 && in_flight[id]);
    in_flight[id] = false;
}

static void try_queue(const uint8_t *input, size_t size)
{
    nvme_queue_init(&queue, ENTRIES, commands, completions);
    bytes_zero(in_flight, sizeof(in_flight));
    struct nvme_outcome outcome;
    for (; size >= 4; input += 4, size -= 4) {
        uint16_t id = input[1] % (ENTRIES - 1);
        if (input[0] & 1 && !in_flight[id]) {
            nvme_queue_push(&queue, &(struct nvme_command){.opcode = NVME_READ}, id);
            in_flight[id] = true;
        } else {
            struct nvme_completion *entry = &completions[input[2] % ENTRIES];
            atomic_store(&entry->id_and_status, (uint32_t)input[3] << 16 | input[1]);
        }
        while (nvme_queue_reap(&queue, &outcome) == NVME_COMPLETED)
            came_back(outcome.id);
        ASSERT(queue.head < ENTRIES && queue.tail < ENTRIES);
    }
    uint16_t id;
    while (nvme_queue_take_back(&queue, &id))
        came_back(id);
    for (uint32_t i = 0; i < ENTRIES - 1; i++)
        ASSERT(!in_flight[i]);
}

/* The address of byte `at` of a command, as the controller finds it. */
static uint64_t address_of(const struct nvme_prp_cut *cut, const uint64_t *list, uint32_t at)
{
    uint32_t first = NVME_PAGE_BYTES - (uint32_t)(cut->prp1 % NVME_PAGE_BYTES);
    if (at < first) return cut->prp1 + at;
    uint32_t page = (at - first) / NVME_PAGE_BYTES;
    ASSERT(page < NVME_PRP_LIST_ENTRIES);
    uint64_t start = cut->bytes > first + NVME_PAGE_BYTES ? list[page] : cut->prp2;
    ASSERT(start % NVME_PAGE_BYTES == 0);
    return start + (at - first) % NVME_PAGE_BYTES;
}

static void check_command(const struct block_request *request, struct block_cursor *cursor,
                          const struct nvme_prp_cut *cut, const uint64_t *list)
{
    for (uint32_t at = 0; at < cut->bytes; at += 4) {
        uint64_t wanted = request->pieces[cursor->piece].start.value + cursor->offset_bytes;
        ASSERT(address_of(cut, list, at) == wanted);
        block_cursor_advance(request, cursor, 4);
    }
}

static void try_cut(const uint8_t *input, size_t size)
{
    static alignas(NVME_PRP_LIST_BYTES) uint64_t entries[NVME_PRP_LIST_ENTRIES];
    struct nvme_prp_list list = {entries, {0x1000}};
    if (size < 1) return;
    uint32_t sector = input[0] & 1 ? 4096 : 512;
    struct nvme_prp_limits limits = {min_of((1u + (input[0] >> 1)) * 4096, NVME_PRP_BYTES_MAX),
                                     sector};
    struct block_request request = {0};
    uint32_t total = 0;
    for (input++, size--; size >= 4 && request.piece_count < BLOCK_PIECES_MAX;
         input += 4, size -= 4) {
        uint32_t length = 4u * (1 + load_le16(input) % 4096u);
        uint64_t start = (1ull << 24) * (request.piece_count + 1) + 4u * load_le16(input + 2);
        request.pieces[request.piece_count++] = (struct block_piece){physical_at(start), length};
        total += length;
    }
    struct block_cursor cursor = {0};
    while (total - cursor.done_bytes >= sector) {
        struct nvme_prp_cut cut = nvme_prp_cut(&request, &cursor, &limits, &list);
        ASSERT(cut.bytes <= limits.command_bytes_max && cut.bytes % sector == 0);
        if (cut.bytes == 0) break;
        check_command(&request, &cursor, &cut, entries);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    if (size < 1) return 0;
    switch (input[0] % 3) {
    case 0:
        try_identify(input + 1, size - 1);
        break;
    case 1:
        try_queue(input + 1, size - 1);
        break;
    case 2:
        try_cut(input + 1, size - 1);
        break;
    }
    return 0;
}
