/* Block requests cut into NVMe commands: NVM Express Base Specification 2.0, 4.1.1. */
#include "drivers/block/nvme_prp.h"
#include "base/checked.h"
#include "drivers/block/nvme_format.h"

static uint32_t offset_in_page(uint64_t address)
{
    return (uint32_t)(address % NVME_PAGE_BYTES);
}

/* How many pages `bytes` from there touch. */
static uint32_t pages_touched(uint64_t start, uint32_t bytes)
{
    return (offset_in_page(start) + bytes + NVME_PAGE_BYTES - 1) / NVME_PAGE_BYTES;
}

/* Names the pages of `bytes` from `start`, which are `count`: all but the command's first go to the
 * list. */
static void name_pages(const struct nvme_prp_list *list, uint32_t named, uint64_t start,
                       uint32_t count)
{
    uint64_t page = start - offset_in_page(start);
    for (uint32_t i = 0; i < count; i++, page += NVME_PAGE_BYTES)
        if (named + i > 0) list->entries[named + i - 1] = page;
}

struct nvme_prp_cut nvme_prp_cut(const struct block_request *request,
                                 const struct block_cursor *cursor,
                                 const struct nvme_prp_limits *limits,
                                 const struct nvme_prp_list *list)
{
    struct nvme_prp_cut cut = {0};
    uint32_t offset = cursor->offset_bytes;
    uint32_t named = 0;
    for (uint32_t i = cursor->piece; i < request->piece_count; i++, offset = 0) {
        uint64_t start = request->pieces[i].start.value + offset;
        uint32_t room = limits->command_bytes_max - cut.bytes;
        uint32_t length = min_of(request->pieces[i].length_bytes - offset, room);
        if (named == 0)
            cut.prp1 = start;
        else if (offset_in_page(start) != 0 || length == 0)
            break;
        uint32_t pages = pages_touched(start, length);
        name_pages(list, named, start, pages);
        named += pages;
        cut.bytes += length;
        if (offset_in_page(start + length) != 0) break;
    }
    /* What is not a whole sector waits for the next command. */
    cut.bytes -= cut.bytes % limits->sector_bytes;
    uint32_t pages = pages_touched(cut.prp1, cut.bytes);
    if (pages == 2)
        cut.prp2 = list->entries[0];
    else if (pages > 2)
        cut.prp2 = list->start.value;
    return cut;
}
