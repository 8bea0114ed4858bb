/* Describing what a handle names: the part all kinds share, then what the kind adds. */
#include "ops/ops.h"

typedef void stat_filler(struct object *object, struct abi_stat *stat);

/* Kinds that add nothing have none. */
static stat_filler *const fillers[ABI_KIND_COUNT] = {
    [ABI_KIND_FILE] = stat_file,       [ABI_KIND_DIRECTORY] = stat_directory,
    [ABI_KIND_BUFFER] = stat_buffer,   [ABI_KIND_PROCESS] = stat_process,
    [ABI_KIND_SYSTEM] = stat_system,   [ABI_KIND_REQUEST] = stat_request,
    [ABI_KIND_CHANNEL] = stat_channel, [ABI_KIND_BLOCK_DEVICE] = stat_device,
};

op_outcome op_stat(struct op *op)
{
    struct object *object = op_object(op);
    struct abi_stat stat = {
        .kind = object_kind(object),
        .rights = op->capability->rights,
        .object_id = object->id,
    };
    stat_filler *filler = fillers[object_kind(object)];
    if (filler != nullptr) filler(object, &stat);
    /* A shorter span receives a prefix, down to the part all kinds share. */
    return op_answer_bytes(op, &stat, sizeof(stat), ABI_STAT_COMMON_BYTES);
}
