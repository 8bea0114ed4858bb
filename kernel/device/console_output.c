/* What programs write to the console, on every output there is. */
#include "debug/assert.h"
#include "device/console.h"
#include "sched/mutex.h"

static struct {
    console_output *write;
    mutex lock; /* one write at a time */
} outputs[CONSOLE_OUTPUTS_MAX];
static _Atomic uint32_t output_count; /* release after filling the slot, acquire before using it */

void console_add_output(console_output *output)
{
    uint32_t count = atomic_load_explicit(&output_count, memory_order_relaxed);
    ASSERT(count < CONSOLE_OUTPUTS_MAX);
    outputs[count].write = output;
    mutex_init(&outputs[count].lock, LOCK_RANK_CONSOLE_OUTPUT);
    atomic_store_explicit(&output_count, count + 1, memory_order_release);
}

void console_write(const char *bytes, size_t length)
{
    uint32_t count = atomic_load_explicit(&output_count, memory_order_acquire);
    for (uint32_t i = 0; i < count; i++) {
        mutex_acquire(&outputs[i].lock);
        outputs[i].write(bytes, length);
        mutex_release(&outputs[i].lock);
    }
}
