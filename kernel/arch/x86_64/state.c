/* What a panic wants to know of the processors, and to do to them. */
#include "arch/x86_64/instructions.h"
#include "arch/x86_64/paging.h"
#include "arch/x86_64/x86_64.h"
#include "base/format.h"

#define STOP_LOOKS_MAX   1000u
#define STOP_LOOK_US     100u
#define FRAME_STRIDE_MAX 65536u /* from one caller's frame to the next */

extern const uint8_t kernel_text_start[], kernel_text_end[];

_Atomic bool stop_requested;

void machine_stop_others(void)
{
    uint32_t count = cpu_count();
    uint32_t own = cpu_index();
    atomic_store_explicit(&stop_requested, true, memory_order_release);
    for (uint32_t i = 0; i < count; i++)
        if (i != own && !atomic_load(&cpu_locals[i].is_stopped))
            local_apic_send_nmi(cpu_locals[i].apic_id);
    for (uint32_t look = 0; look < STOP_LOOKS_MAX; look++) {
        bool all = true;
        for (uint32_t i = 0; i < count; i++)
            all = all && (i == own || atomic_load(&cpu_locals[i].is_stopped));
        if (all) return;
        delay_us(STOP_LOOK_US);
    }
}

void machine_describe(struct text_writer *writer)
{
    const struct trap_frame *f = cpu_local()->frame;
    if (f != nullptr) {
        text_format(writer, "trap %llu (%s), error code %#llx\n", (unsigned long long)f->vector,
                    f->vector < 32 ? trap_name(f->vector) : "interrupt",
                    (unsigned long long)f->error_code);
        const struct {
            const char *name;
            uint64_t value;
        } registers[] = {
            {"rax", f->rax}, {"rbx", f->rbx}, {"rcx", f->rcx}, {"rdx", f->rdx},    {"rsi", f->rsi},
            {"rdi", f->rdi}, {"rbp", f->rbp}, {"rsp", f->rsp}, {"r8 ", f->r8},     {"r9 ", f->r9},
            {"r10", f->r10}, {"r11", f->r11}, {"r12", f->r12}, {"r13", f->r13},    {"r14", f->r14},
            {"r15", f->r15}, {"rip", f->rip}, {"cs ", f->cs},  {"flg", f->rflags}, {"ss ", f->ss},
        };
        for (uint32_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++)
            text_format(writer, "%s %016llx%c", registers[i].name,
                        (unsigned long long)registers[i].value, i % 4 == 3 ? '\n' : ' ');
    }
    text_format(writer, "cr0 %016llx cr2 %016llx cr3 %016llx cr4 %016llx\n",
                (unsigned long long)cr0_read(), (unsigned long long)cr2_read(),
                (unsigned long long)cr3_read(), (unsigned long long)cr4_read());
}

static bool is_readable(uint64_t address)
{
    if (!is_aligned(address, 8) || address < DIRECT_MAP_BASE) return false;
    const struct page_table *table = page_table_kernel();
    if (table->root.value == 0) return true; /* on the loader's stack still */
    return page_table_find(table, address).access & PAGE_READ;
}

static bool is_code(uint64_t address)
{
    return address >= (uintptr_t)kernel_text_start && address < (uintptr_t)kernel_text_end;
}

uint32_t machine_backtrace(uint64_t *addresses, uint32_t capacity)
{
    uint32_t count = 0;
    uint64_t frame = (uintptr_t)__builtin_frame_address(0);
    const struct trap_frame *trap = cpu_local()->frame;
    if (trap != nullptr) {
        frame = trap->rbp;
        if (count < capacity) addresses[count++] = trap->rip;
    }
    while (count < capacity && is_readable(frame) && is_readable(frame + 8)) {
        const uint64_t *words = (const uint64_t *)frame; /* caller's frame, return address */
        if (!is_code(words[1])) break;
        addresses[count++] = words[1];
        if (words[0] <= frame || words[0] - frame > FRAME_STRIDE_MAX) break;
        frame = words[0];
    }
    return count;
}
