/* The machine as an object: what handles of kind SYSTEM name. */
#include "base/bytes.h"
#include "base/version.h"
#include "debug/assert.h"
#include "fs/vfs/vfs.h"
#include "mm/frame_pool.h"
#include "mm/heap.h"
#include "ops/ops.h"
#include "ops/ops_internal.h"
#include "sched/scheduler.h"
#include "task/process.h"
#include "time/clock.h"

static const char VERSION_TEXT[] = PEAL_NAME " " PEAL_VERSION;

static void system_destroy(struct object *object)
{
    (void)object;
    panic("the system's own reference was put");
}

static const struct object_type system_type = {
    .kind = ABI_KIND_SYSTEM,
    .rights_all = ABI_RIGHT_DUP | ABI_RIGHT_TRANSFER | ABI_RIGHT_CLOSE | ABI_RIGHT_STAT |
                  ABI_RIGHT_ENUMERATE | ABI_RIGHT_LOOK_UP | ABI_RIGHT_CONTROL |
                  /* for those who open processes through it: a handle's rights come from its own */
                  ABI_RIGHT_WAIT | ABI_RIGHT_KILL,
    .destroy = system_destroy,
};
static struct object system; /* initialised by system_init(), constant for its users */

void system_init(void)
{
    object_init(&system, &system_type);
}

struct object *system_object(void)
{
    return &system;
}

void stat_system(struct object *object, struct abi_stat *stat)
{
    (void)object;
    struct frame_pool_counts frames = frame_pool_count();
    struct ring_counts rings = ring_count_all();
    struct image_counts images = image_count();
    stat->system = (struct abi_stat_system){
        .memory_total_bytes = frames.total_frames * PAGE_BYTES,
        .memory_free_bytes = frames.free_frames * PAGE_BYTES,
        .memory_cache_bytes = vfs_cache_bytes() + images.idle_bytes,
        .memory_kernel_bytes = heap_count().bytes_reserved + frames.bookkeeping_bytes,
        .uptime_ns = clock_now_ns(),
        .idle_ns = scheduler_idle_ns(),
        .submissions_total = rings.accepted,
        .syscalls_total = rings.entered,
        .cpu_count = cpu_count(),
        .process_count = process_count(),
        .thread_count = scheduler_thread_count(),
        .object_count = (uint32_t)object_count() - images.buffers,
        .handle_count = (uint32_t)handle_count_all(),
    };
    bytes_copy(stat->system.version, VERSION_TEXT, sizeof(VERSION_TEXT) - 1);
}
