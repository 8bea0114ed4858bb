/* Page tables on the host are the real ones, used by no processor: nothing to load, nothing to
 * flush. */
#include "arch/arch/page_table.h"
#include "arch/arch/tlb.h"
#include "arch/host/host.h"
#include "debug/assert.h"
#include "mm/direct_map.h"
#include "mm/frame_pool.h"
#include <pthread.h>

_Atomic uint64_t host_flushes;

static struct page_table kernel_table;

static void make_kernel_table(void)
{
    host_memory_init();
    frame_result root = frame_pool_take_zeroed(nullptr);
    ASSERT(is_ok(root.status));
    kernel_table = (struct page_table){.root = root.value, .table_frames = 1};
}

struct page_table *page_table_kernel(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_kernel_table);
    return &kernel_table;
}

void page_table_use(const struct page_table *table)
{
    (void)table;
}

void tlb_flush(cpu_set cpus, uint64_t address, uint64_t length)
{
    (void)cpus, (void)address, (void)length;
    host_flushes++;
}
