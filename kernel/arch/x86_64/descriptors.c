/*
 * Segments, task state and the interrupt table. Segments do nothing in 64-bit mode except to name
 * the privilege level; the task state says on which stack a trap starts; the table, shared by all
 * processors, says where. Intel SDM vol. 3A, 3.4.5, 6.14 and 8.7.
 */
#include "arch/x86_64/instructions.h"
#include "arch/x86_64/x86_64.h"
#include "base/bytes.h"
#include "base/container.h"
#include "mm/direct_map.h"

#define SEGMENT_KERNEL_CODE 0x00af'9b00'0000'ffffull
#define SEGMENT_KERNEL_DATA 0x00cf'9300'0000'ffffull
#define SEGMENT_USER_DATA   0x00cf'f300'0000'ffffull
#define SEGMENT_USER_CODE   0x00af'fb00'0000'ffffull
#define SEGMENT_TASK_STATE  0x0000'8900'0000'0000ull

#define GATE_INTERRUPT 0x8eu /* interrupts off on entry, for the kernel only */
#define GATE_USER      0x60u /* programs may raise it with an instruction */

struct gate {
    uint16_t offset_low;
    uint16_t selector;
    uint8_t interrupt_stack;
    uint8_t type;
    uint16_t offset_middle;
    uint32_t offset_high;
    uint32_t reserved;
};
static_assert(sizeof(struct gate) == 16, "hardware layout");

struct [[gnu::packed]] table_register {
    uint16_t limit;
    uint64_t base;
};

struct cpu_local cpu_locals[CPU_COUNT_MAX];
static struct gate gates[256];

extern const uint8_t trap_stubs[];

/* Instructions that processors without SMAP do not know; 3 bytes each. */
extern uint8_t trap_clac_1[], trap_clac_2[];

static void gate_set(uint32_t vector, enum interrupt_stack stack, uint8_t type)
{
    uint64_t stub = (uintptr_t)trap_stubs + 16ull * vector;
    gates[vector] = (struct gate){
        .offset_low = (uint16_t)stub,
        .selector = SELECTOR_KERNEL_CODE,
        .interrupt_stack = stack,
        .type = type,
        .offset_middle = (uint16_t)(stub >> 16),
        .offset_high = (uint32_t)(stub >> 32),
    };
}

static void gates_init(void)
{
    for (uint32_t vector = 0; vector < array_count(gates); vector++)
        gate_set(vector, INTERRUPT_STACK_NONE, GATE_INTERRUPT);
    gate_set(2, INTERRUPT_STACK_NMI, GATE_INTERRUPT);
    gate_set(8, INTERRUPT_STACK_DOUBLE_FAULT, GATE_INTERRUPT);
    gate_set(18, INTERRUPT_STACK_MACHINE_CHECK, GATE_INTERRUPT);
    gate_set(3, INTERRUPT_STACK_NONE, GATE_INTERRUPT | GATE_USER); /* breakpoint */
    gate_set(4, INTERRUPT_STACK_NONE, GATE_INTERRUPT | GATE_USER); /* overflow */
}

static void segments_fill(struct cpu_local *cpu)
{
    uint64_t base = (uintptr_t)&cpu->task;
    cpu->segments[1] = SEGMENT_KERNEL_CODE;
    cpu->segments[2] = SEGMENT_KERNEL_DATA;
    cpu->segments[3] = SEGMENT_USER_DATA;
    cpu->segments[4] = SEGMENT_USER_CODE;
    cpu->segments[5] = SEGMENT_TASK_STATE | (sizeof(cpu->task) - 1) | (base & 0xff'ffff) << 16 |
                       (base >> 24 & 0xff) << 56;
    cpu->segments[6] = base >> 32;
}

static void segments_load(const struct cpu_local *cpu)
{
    struct table_register table = {sizeof(cpu->segments) - 1, (uintptr_t)cpu->segments};
    __asm__ volatile("lgdt %0\n\t"
                     "pushq %1\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n"
                     "1: movl %2, %%ds\n\t"
                     "movl %2, %%es\n\t"
                     "movl %2, %%ss\n\t"
                     "movl %3, %%fs\n\t"
                     "movl %3, %%gs\n\t"
                     "lldt %w3\n\t" /* after a reset there is one, at address 0 */
                     "ltr %4"
                     :
                     : "m"(table), "i"(SELECTOR_KERNEL_CODE), "r"(SELECTOR_KERNEL_DATA), "r"(0),
                       "r"((uint16_t)SELECTOR_TSS)
                     : "rax", "memory");
}

void descriptors_load(struct cpu_local *cpu, void *const interrupt_stacks[INTERRUPT_STACK_COUNT])
{
    segments_fill(cpu);
    cpu->task.io_map_base = sizeof(cpu->task);
    for (uint32_t i = 0; i < INTERRUPT_STACK_COUNT; i++) {
        /* Above the top lies the way to struct cpu_local: see trap_paranoid. */
        struct cpu_local **top = (struct cpu_local **)((uintptr_t)interrupt_stacks[i] - 16);
        *top = cpu;
        cpu->task.interrupt_stacks[i] = (uintptr_t)top;
    }
    segments_load(cpu);
    struct table_register table = {sizeof(gates) - 1, (uintptr_t)gates};
    __asm__ volatile("lidt %0" : : "m"(table));
    msr_write(MSR_GS_BASE, (uintptr_t)cpu);
    msr_write(MSR_KERNEL_GS_BASE, 0);
}

/* Through the loader's writable view of the image, which is gone once the kernel has its own
 * tables. */
static void patch_out(const uint8_t *clac, const struct boot_info *boot)
{
    static const uint8_t three_byte_nop[] = {0x0f, 0x1f, 0x00};
    uint64_t offset = (uintptr_t)clac - boot->kernel_virtual;
    bytes_copy(direct_map(physical_at(boot->kernel_physical + offset)), three_byte_nop,
               sizeof(three_byte_nop));
}

void descriptors_init(const struct boot_info *boot)
{
    static CACHE_ALIGNED uint8_t stacks[INTERRUPT_STACK_COUNT][8192];
    void *const tops[INTERRUPT_STACK_COUNT] = {stacks[0] + sizeof(stacks[0]),
                                               stacks[1] + sizeof(stacks[1]),
                                               stacks[2] + sizeof(stacks[2])};
    if (!processor.has_smap) {
        patch_out(trap_clac_1, boot);
        patch_out(trap_clac_2, boot);
    }
    gates_init();
    descriptors_load(&cpu_locals[0], tops);
}
