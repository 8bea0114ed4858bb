/*
 * Kernel stacks: slots of guard page and stack, one after the other. A slot once mapped stays so;
 * stacks that nobody uses form a list, linked through their topmost words, so that taking one again
 * is a few instructions and no processor ever has to forget a translation.
 */
#include "arch/arch/context.h"
#include "arch/arch/page_table.h"
#include "arch/x86_64/paging.h"
#include "mm/frame_pool.h"
#include "sync/spin_lock.h"

#define SLOT_BYTES  (KERNEL_STACK_BYTES + PAGE_BYTES)
#define STACK_PAGES (KERNEL_STACK_BYTES / PAGE_BYTES)

static spin_lock stacks_lock = SPIN_LOCK_INIT(LOCK_RANK_KERNEL_HALF);
static void **free_stacks GUARDED_BY(stacks_lock); /* the topmost word of the first, or nullptr */
static uint64_t next_slot GUARDED_BY(stacks_lock) = KERNEL_STACKS_START;

/* Maps frames at the pages of a new slot, or none of them. */
static bool map_stack(uint64_t bottom)
{
    physical_address frames[STACK_PAGES];
    for (uint32_t page = 0; page < STACK_PAGES; page++) {
        frame_result frame = frame_pool_take(nullptr, 0);
        status mapped = frame.status;
        if (is_ok(mapped)) {
            frames[page] = frame.value;
            mapped = kernel_half_map(bottom + page * PAGE_BYTES, frame.value, PAGE_BYTES,
                                     PAGE_READ | PAGE_WRITE);
            if (!is_ok(mapped)) frame_pool_give(nullptr, frame.value, 0);
        }
        if (is_ok(mapped)) continue;
        kernel_half_unmap(bottom, page * PAGE_BYTES); /* never touched: nothing to flush */
        while (page-- > 0)
            frame_pool_give(nullptr, frames[page], 0);
        return false;
    }
    return true;
}

void *kernel_stack_take(void)
{
    spin_acquire(&stacks_lock);
    void **reused = free_stacks;
    uint64_t slot = next_slot;
    if (reused != nullptr)
        free_stacks = *reused;
    else if (slot < KERNEL_STACKS_END - SLOT_BYTES)
        next_slot += SLOT_BYTES;
    spin_release(&stacks_lock);

    if (reused != nullptr) return reused + 1;
    if (slot >= KERNEL_STACKS_END - SLOT_BYTES) return nullptr;
    if (map_stack(slot + PAGE_BYTES)) return (void *)(uintptr_t)(slot + SLOT_BYTES);

    spin_acquire(&stacks_lock); /* the slot is lost if somebody took the next one meanwhile */
    if (next_slot == slot + SLOT_BYTES) next_slot = slot;
    spin_release(&stacks_lock);
    return nullptr;
}

void kernel_stack_give(void *stack_top)
{
    void **word = (void **)stack_top - 1;
    spin_acquire(&stacks_lock);
    *word = free_stacks;
    free_stacks = word;
    spin_release(&stacks_lock);
}
