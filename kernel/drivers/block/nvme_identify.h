/*
 * What an NVMe controller says about itself and its namespaces: NVM Express Base Specification 2.0,
 * 5.17.2 ("base"), and NVM Command Set Specification 1.0, 4.1.5 ("nvm"). Pure, and trusts nothing.
 *
 * Context: any; no state. All take NVME_IDENTIFY_BYTES.
 */
#pragma once
#include "base/text.h"
#include "drivers/block/nvme_format.h"

#define NVME_MODEL_BYTES_MAX 40u

struct nvme_controller_identity {
    uint32_t namespace_count;         /* ids are 1 to this */
    uint32_t transfer_bytes_max;      /* of one command; UINT32_MAX: no limit */
    bool has_write_cache;             /* what was written is on the medium only after a flush */
    char model[NVME_MODEL_BYTES_MAX]; /* printable, padded with zeros */
};
/* IO_ERROR: queue entries of our sizes are none of its. */
status nvme_identify_controller(const uint8_t *bytes,
                                struct nvme_controller_identity *out_identity);

struct nvme_namespace_identity {
    uint64_t sector_count;
    uint32_t sector_bytes; /* 512..4096, a power of two */
    bool is_read_only;
};
/*
 *   NOT_FOUND         there is no such namespace, or it is empty
 *   NOT_IMPLEMENTED   its sectors are of a size we do not do, or have metadata or protection
 *   IO_ERROR          it makes no sense
 */
status nvme_identify_namespace(const uint8_t *bytes, struct nvme_namespace_identity *out_identity);

/* The namespace id at `index` of a list, or 0 behind its end. index < NVME_LIST_MAX */
#define NVME_LIST_MAX (NVME_IDENTIFY_BYTES / 4)
uint32_t nvme_identify_list(const uint8_t *bytes, uint32_t index);
