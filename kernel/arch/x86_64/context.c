/*
 * Threads seen from the processor: how one begins, what user code owns, and how it is entered.
 * The switches themselves are in trap_entry.S.
 */
#include "arch/arch/context.h"
#include "arch/x86_64/instructions.h"
#include "arch/x86_64/x86_64.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "debug/assert.h"
#include "mm/heap.h"
#include <abi/ops.h>

/* Initial control words and where they lie: Intel SDM vol. 1, 10.5.1 and 13.4.1. */
#define X87_CONTROL_DEFAULT 0x037fu
#define MXCSR_DEFAULT       0x1f80u
#define MXCSR_OFFSET        24u
#define VECTOR_ALIGNMENT    64u

extern const uint8_t context_begin[];
[[noreturn]] void user_enter_with(const struct user_entry *entry, uint64_t instruction_pointer);

/* What context_switch pops, from the lowest address up. */
struct switch_frame {
    uint64_t r15, r14, r13, r12, rbx, rbp;
    uint64_t return_address;
    uint64_t end_of_chain;
};

void context_init(struct thread_context *context, void *stack_top, void (*entry)(void *),
                  void *argument)
{
    /* After the return to context_begin the stack must be 16-byte aligned, as before any call. */
    struct switch_frame *frame = (struct switch_frame *)((uintptr_t)stack_top - 8) - 1;
    *frame = (struct switch_frame){
        .r12 = (uintptr_t)argument,
        .rbx = (uintptr_t)entry,
        .return_address = (uintptr_t)context_begin,
    };
    context->stack_pointer = (uintptr_t)frame;
}

static struct slab_cache *vector_areas;

void user_state_init(void)
{
    vector_areas = slab_cache_create("vector area", processor.vector_bytes, VECTOR_ALIGNMENT);
    ASSERT(vector_areas != nullptr);
}

size_t vector_area_bytes(void)
{
    return processor.vector_bytes;
}

status user_state_create(struct user_state *state, uint64_t thread_pointer)
{
    uint8_t *area = slab_take(vector_areas);
    if (area == nullptr) return FAIL(OUT_OF_MEMORY);
    bytes_zero(area, processor.vector_bytes);
    store_le16(area, X87_CONTROL_DEFAULT);
    store_le32(area + MXCSR_OFFSET, MXCSR_DEFAULT);
    *state = (struct user_state){
        .thread_pointer = min_of(thread_pointer, ABI_USER_ADDRESS_END), /* canonical in any case */
        .vector_area = area,
    };
    return OK;
}

void user_state_destroy(struct user_state *state)
{
    slab_give(vector_areas, state->vector_area);
    *state = (struct user_state){0};
}

/*
 * A program can change its bases only with the FSGSBASE instructions; without them they are what
 * the kernel wrote. While the kernel runs the program's gs base is in the exchange register.
 */
void user_state_save(struct user_state *state)
{
    if (processor.has_fsgsbase)
        __asm__ volatile("rdfsbase %0\n\tswapgs\n\trdgsbase %1\n\tswapgs"
                         : "=r"(state->thread_pointer), "=r"(state->second_pointer));
    if (processor.has_xsave)
        __asm__ volatile("xsave64 (%0)" : : "r"(state->vector_area), "a"(-1), "d"(-1) : "memory");
    else
        __asm__ volatile("fxsave64 (%0)" : : "r"(state->vector_area) : "memory");
}

void user_state_load(const struct user_state *state)
{
    if (processor.has_fsgsbase) {
        __asm__ volatile("wrfsbase %0\n\tswapgs\n\twrgsbase %1\n\tswapgs"
                         :
                         : "r"(state->thread_pointer), "r"(state->second_pointer)
                         : "memory");
    } else {
        msr_write(MSR_FS_BASE, state->thread_pointer);
        msr_write(MSR_KERNEL_GS_BASE, state->second_pointer);
    }
    if (processor.has_xsave)
        __asm__ volatile("xrstor64 (%0)" : : "r"(state->vector_area), "a"(-1), "d"(-1) : "memory");
    else
        __asm__ volatile("fxrstor64 (%0)" : : "r"(state->vector_area) : "memory");
}

void user_enter(const struct user_entry *entry)
{
    /* IRETQ to an address that is none would fault in the kernel; nothing is mapped at this one. */
    uint64_t where = min_of(entry->instruction_pointer, ABI_USER_ADDRESS_END);
    user_enter_with(entry, where);
}

void cpu_set_kernel_stack(void *stack_top)
{
    struct cpu_local *cpu = cpu_local();
    cpu->kernel_stack = stack_top;
    cpu->task.privileged_stacks[0] = (uintptr_t)stack_top;
}
