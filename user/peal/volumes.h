/*
 * The volumes there are: what df and mount tell about. Context: any thread; sleeps.
 */
#pragma once
#include "peal/file.h"

struct volume {
    char name[ABI_NAME_BYTES_MAX + 1]; /* its path, "/disk0"; zero padded */
    struct abi_stat stat;              /* of its root */
};

/* Goes through the volumes below the root that was granted. */
struct volume_walk {
    directory_handle root;
    struct listing listing;
};
status volume_walk_begin(struct volume_walk *walk);
/* False behind the last. */
bool volume_walk_next(struct volume_walk *walk, struct volume *out_volume);
/* OK, or why not all were seen. */
status volume_walk_end(struct volume_walk *walk);
static inline text volume_name(const struct volume *volume)
{
    return peal_text_from_field((const uint8_t *)volume->name, sizeof(volume->name));
}
/* "virtio0p1", or "-" for one without a disk. */
static inline text volume_device(const struct volume *volume)
{
    text device = peal_text_from_field(volume->stat.file.device, sizeof(volume->stat.file.device));
    return device.length > 0 ? device : TEXT("-");
}
