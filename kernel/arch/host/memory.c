/* Memory of the process, handed to the frame pool as if the firmware had reported it. */
#include "arch/host/host.h"
#include "debug/assert.h"
#include "mm/frame_pool.h"
#include <pthread.h>
#include <sys/mman.h>

static constexpr uint64_t HOST_MEMORY_BYTES = 64ull << 20;

static void init_once(void)
{
    /* More than needed, so that a stretch aligned to the largest run is inside. */
    uint64_t wanted = HOST_MEMORY_BYTES + (PAGE_BYTES << FRAME_ORDER_MAX);
    void *memory = mmap(nullptr, wanted, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) panic("no memory for the host's frames");
    struct frame_range range = {
        .start = physical_at(round_up((uintptr_t)memory, PAGE_BYTES << FRAME_ORDER_MAX)),
        .length_bytes = HOST_MEMORY_BYTES,
    };
    frame_pool_init(&range, 1);
}

void host_memory_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_once);
}
