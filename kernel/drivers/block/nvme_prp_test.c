#include "drivers/block/nvme_format.h"
#include "drivers/block/nvme_prp.h"
#include "support/test.h"
#include <stdlib.h>

static alignas(NVME_PRP_LIST_BYTES) uint64_t entries[NVME_PRP_LIST_ENTRIES];
static const struct nvme_prp_list list = {entries, {0x7700'0000}};
static const struct nvme_prp_limits wide = {NVME_PRP_BYTES_MAX, 512};

static struct block_request request_of(uint32_t count, const struct block_piece *pieces)
{
    struct block_request request = {.piece_count = count};
    for (uint32_t i = 0; i < count; i++)
        request.pieces[i] = pieces[i];
    return request;
}

static struct nvme_prp_cut cut_first(const struct block_request *request,
                                     const struct nvme_prp_limits *limits)
{
    struct block_cursor start = {0};
    return nvme_prp_cut(request, &start, limits, &list);
}

TEST(one_page_needs_one_entry_and_two_need_no_list)
{
    struct block_request one = request_of(1, (struct block_piece[]){{physical_at(0x5200), 512}});
    struct nvme_prp_cut cut = cut_first(&one, &wide);
    CHECK_EQUAL(512, cut.bytes);
    CHECK_EQUAL(0x5200, cut.prp1);
    CHECK_EQUAL(0, cut.prp2);
    struct block_request two = request_of(1, (struct block_piece[]){{physical_at(0x5200), 4096}});
    cut = cut_first(&two, &wide);
    CHECK_EQUAL(4096, cut.bytes);
    CHECK_EQUAL(0x5200, cut.prp1);
    CHECK_EQUAL(0x6000, cut.prp2);
}

TEST(more_pages_are_named_in_the_list_wherever_they_are)
{
    struct block_request request =
        request_of(3, (struct block_piece[]){{physical_at(0x5e00), 512},
                                             {physical_at(0x9000), 8192},
                                             {physical_at(0x2000), 1024}});
    struct nvme_prp_cut cut = cut_first(&request, &wide);
    CHECK_EQUAL(512 + 8192 + 1024, cut.bytes);
    CHECK_EQUAL(0x5e00, cut.prp1);
    CHECK_EQUAL(0x7700'0000, cut.prp2);
    CHECK_EQUAL(0x9000, entries[0]);
    CHECK_EQUAL(0xa000, entries[1]);
    CHECK_EQUAL(0x2000, entries[2]);
}

TEST(pieces_that_meet_inside_a_page_are_two_commands)
{
    struct block_request request = request_of(
        2, (struct block_piece[]){{physical_at(0x5000), 512}, {physical_at(0x9200), 512}});
    struct block_cursor cursor = {0};
    struct nvme_prp_cut cut = nvme_prp_cut(&request, &cursor, &wide, &list);
    CHECK_EQUAL(512, cut.bytes);
    block_cursor_advance(&request, &cursor, cut.bytes);
    cut = nvme_prp_cut(&request, &cursor, &wide, &list);
    CHECK_EQUAL(512, cut.bytes);
    CHECK_EQUAL(0x9200, cut.prp1);
    CHECK_EQUAL(0, cut.prp2);
}

TEST(a_piece_that_begins_inside_its_page_begins_a_command)
{
    struct block_request request = request_of(
        2, (struct block_piece[]){{physical_at(0x5000), 4096}, {physical_at(0x9200), 512}});
    CHECK_EQUAL(4096, cut_first(&request, &wide).bytes);
}

TEST(a_command_is_of_whole_sectors_or_cannot_be)
{
    struct block_piece pieces[] = {{physical_at(0x5000), 4096 + 300}, {physical_at(0x9000), 212}};
    struct block_request request = request_of(2, pieces);
    struct nvme_prp_cut cut = cut_first(&request, &wide);
    CHECK_EQUAL(4096, cut.bytes);
    CHECK_EQUAL(0, cut.prp2);
    struct block_cursor cursor = {0};
    block_cursor_advance(&request, &cursor, cut.bytes);
    CHECK_EQUAL(0, nvme_prp_cut(&request, &cursor, &wide, &list).bytes);
}

TEST(the_controllers_limit_is_kept)
{
    struct block_request request =
        request_of(1, (struct block_piece[]){{physical_at(0x5000), 64 << 10}});
    struct nvme_prp_limits narrow = {8192, 4096};
    struct nvme_prp_cut cut = cut_first(&request, &narrow);
    CHECK_EQUAL(8192, cut.bytes);
    CHECK_EQUAL(0x6000, cut.prp2);
}

/* What the controller makes of a command: the address of byte `at`. */
static uint64_t address_of(const struct nvme_prp_cut *cut, uint32_t at)
{
    uint32_t first_bytes = NVME_PAGE_BYTES - (uint32_t)(cut->prp1 % NVME_PAGE_BYTES);
    if (at < first_bytes) return cut->prp1 + at;
    uint32_t page = (at - first_bytes) / NVME_PAGE_BYTES;
    uint64_t offset = (at - first_bytes) % NVME_PAGE_BYTES;
    bool has_list = cut->bytes > first_bytes + NVME_PAGE_BYTES;
    CHECK_EQUAL(has_list ? list.start.value : cut->prp2, cut->prp2);
    CHECK(page < NVME_PRP_LIST_ENTRIES);
    uint64_t start = has_list ? entries[page] : cut->prp2;
    CHECK_EQUAL(0, start % NVME_PAGE_BYTES);
    return start + offset;
}

static struct block_request random_request(uint32_t sector)
{
    struct block_request request = {.piece_count = 1 + (uint32_t)rand() % BLOCK_PIECES_MAX};
    for (uint32_t i = 0; i < request.piece_count; i++) {
        uint64_t start = 0x100'0000ull * (i + 1);
        uint32_t sectors = 1 + (uint32_t)rand() % 40;
        if (rand() % 3 == 0) start += (uint32_t)rand() % 8 * 512u;
        if (rand() % 2) sectors = NVME_PAGE_BYTES / sector * (1 + (uint32_t)rand() % 16);
        request.pieces[i] = (struct block_piece){physical_at(start), sectors * sector};
    }
    return request;
}

TEST(commands_of_any_request_move_its_bytes_in_order)
{
    srand(11);
    for (int run = 0; run < 3000; run++) {
        uint32_t sector = rand() % 2 ? 512 : 4096;
        struct block_request request = random_request(sector);
        struct nvme_prp_limits limits = {sector * (1 + (uint32_t)rand() % 128), sector};
        if (rand() % 2) limits.command_bytes_max = NVME_PRP_BYTES_MAX;
        struct block_cursor cursor = {0};
        while (cursor.piece < request.piece_count) {
            struct nvme_prp_cut cut = nvme_prp_cut(&request, &cursor, &limits, &list);
            CHECK(cut.bytes > 0 && cut.bytes <= limits.command_bytes_max);
            CHECK_EQUAL(0, cut.bytes % sector);
            for (uint32_t at = 0; at < cut.bytes; at += 512) {
                uint64_t wanted = request.pieces[cursor.piece].start.value + cursor.offset_bytes;
                CHECK_EQUAL(wanted, address_of(&cut, at));
                block_cursor_advance(&request, &cursor, 512);
            }
        }
    }
}
