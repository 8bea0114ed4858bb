/*
 * Block requests cut into NVMe commands, by the rules of physical region pages: NVM Express Base
 * Specification 2.0, 4.1.1.
 *
 * A command names its memory by pages: the first may begin anywhere in its page, all others begin
 * at a page, and all but the last reach its end. A request whose pieces keep to that is one
 * command, as long as the controller takes it; otherwise it is done command by command, each of
 * whole sectors. Nothing is copied, ever: a request with pieces that meet inside a page and inside
 * a sector cannot be expressed.
 *
 * Context: any; no state. Cost: a few instructions per page.
 */
#pragma once
#include "drivers/block/block_cursor.h"

/* Pages behind the first that one command can name: its list is one stretch of memory that crosses
 * no page. */
#define NVME_PRP_LIST_ENTRIES 128u
#define NVME_PRP_LIST_BYTES   (NVME_PRP_LIST_ENTRIES * sizeof(uint64_t))
/* Always fits, wherever the first page begins. */
#define NVME_PRP_BYTES_MAX (NVME_PRP_LIST_ENTRIES * 4096u)

/* Where a command's list goes: NVME_PRP_LIST_ENTRIES of them, aligned to NVME_PRP_LIST_BYTES. */
struct nvme_prp_list {
    uint64_t *entries;
    physical_address start; /* the same, for the controller */
};

struct nvme_prp_limits {
    uint32_t command_bytes_max; /* a multiple of the sector size, at most NVME_PRP_BYTES_MAX */
    uint32_t sector_bytes;
};

struct nvme_prp_cut {
    uint32_t bytes; /* of the command, whole sectors; 0: the pieces cannot be expressed */
    uint64_t prp1;
    uint64_t prp2;
};

/* The command at the cursor of a request that block_request_check() let pass and that is not done.
 */
struct nvme_prp_cut nvme_prp_cut(const struct block_request *request,
                                 const struct block_cursor *cursor,
                                 const struct nvme_prp_limits *limits,
                                 const struct nvme_prp_list *list);
