/*
 * Finding out what the processor offers, and switching on what protects the kernel from programs.
 * Intel SDM vol. 2A, CPUID; vol. 3A, 2.5 and 2.6; vol. 1, 13.
 */
#include "arch/x86_64/instructions.h"
#include "arch/x86_64/x86_64.h"

/* x87, SSE, AVX; and AVX-512, whose three components only come together. */
#define VECTOR_COMPONENTS_BASE   0x7ull
#define VECTOR_COMPONENT_AVX     0x4ull
#define VECTOR_COMPONENTS_WIDE   0xe0ull
#define VECTOR_COMPONENTS_NEEDED 0x3ull
#define FXSAVE_BYTES             512u

/* The page attribute table: entry 1 (PWT) write-combining, entry 3 (PCD and PWT) uncached. See
 * paging. */
#define PAGE_ATTRIBUTE_TABLE 0x0007'0406'0007'0106ull

/* Trap, interrupt, direction, nested task and alignment check (SMAP's key) flags, and the privilege
 * level. */
#define RFLAGS_CLEARED_BY_SYSCALL 0x0004'7700ull

struct processor_features processor;

static bool bit(uint32_t word, uint32_t number)
{
    return (word >> number & 1) != 0;
}

static void detect_vector_state(void)
{
    processor.has_xsave = bit(cpuid(1, 0).c, 26);
    processor.vector_bytes = FXSAVE_BYTES;
    if (!processor.has_xsave) return;

    struct cpuid_answer offered = cpuid(13, 0);
    uint64_t components = ((uint64_t)offered.d << 32 | offered.a) & VECTOR_COMPONENTS_BASE;
    if ((offered.a & VECTOR_COMPONENTS_WIDE) == VECTOR_COMPONENTS_WIDE &&
        (offered.a & VECTOR_COMPONENT_AVX))
        components |= VECTOR_COMPONENTS_WIDE;
    processor.vector_components = components | VECTOR_COMPONENTS_NEEDED;
    cr4_write(cr4_read() | CR4_XSAVE);
    xcr0_write(processor.vector_components);
    processor.vector_bytes = cpuid(13, 0).b; /* for what XCR0 enables now */
    processor.has_wide_moves =
        (components & (VECTOR_COMPONENT_AVX | VECTOR_COMPONENTS_WIDE)) == VECTOR_COMPONENT_AVX;
}

void processor_detect(void)
{
    uint32_t leaves = cpuid(0, 0).a;
    struct cpuid_answer basic = cpuid(1, 0);
    struct cpuid_answer structured = leaves >= 7 ? cpuid(7, 0) : (struct cpuid_answer){0};
    struct cpuid_answer extended = cpuid(0x8000'0001, 0);
    processor.has_x2apic = bit(basic.c, 21);
    processor.has_rdrand = bit(basic.c, 30);
    processor.has_fsgsbase = bit(structured.b, 0);
    processor.has_smep = bit(structured.b, 7);
    processor.has_rdseed = bit(structured.b, 18);
    processor.has_smap = bit(structured.b, 20);
    processor.has_umip = bit(structured.c, 2);
    processor.has_huge_pages = bit(extended.d, 26);
    detect_vector_state();
}

static void enable_control_registers(void)
{
    uint64_t cr0 = cr0_read() & ~(CR0_EMULATE_FPU | CR0_TASK_SWITCHED);
    cr0_write(cr0 | CR0_WRITE_PROTECT | CR0_NUMERIC_ERROR | CR0_MONITOR);

    uint64_t cr4 = cr4_read() & ~CR4_TIME_STAMP_USER_OFF;
    cr4 |= CR4_MACHINE_CHECK | CR4_GLOBAL_PAGES | CR4_FXSAVE | CR4_SIMD_EXCEPTIONS;
    if (processor.has_smep) cr4 |= CR4_SMEP;
    if (processor.has_smap) cr4 |= CR4_SMAP;
    if (processor.has_umip) cr4 |= CR4_UMIP;
    if (processor.has_fsgsbase) cr4 |= CR4_FSGSBASE;
    if (processor.has_xsave) cr4 |= CR4_XSAVE;
    cr4_write(cr4);
    if (processor.has_xsave) xcr0_write(processor.vector_components);
}

extern const uint8_t syscall_entry[];

void processor_enable(void)
{
    enable_control_registers();
    msr_write(MSR_PAT, PAGE_ATTRIBUTE_TABLE);
    msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_SYSCALL | EFER_NO_EXECUTE);
    /* SYSRET loads ss from the first word + 8 and cs from it + 16; SYSCALL cs from the second, ss
     * + 8. */
    msr_write(MSR_STAR,
              (uint64_t)(SELECTOR_USER_DATA - 8) << 48 | (uint64_t)SELECTOR_KERNEL_CODE << 32);
    msr_write(MSR_LSTAR, (uintptr_t)syscall_entry);
    msr_write(MSR_SYSCALL_MASK, RFLAGS_CLEARED_BY_SYSCALL);
}

static bool random_from(bool seed, uint64_t *out)
{
    for (uint32_t attempt = 0; attempt < 16; attempt++) {
        bool worked;
        if (seed)
            __asm__ volatile("rdseed %0" : "=r"(*out), "=@ccc"(worked));
        else
            __asm__ volatile("rdrand %0" : "=r"(*out), "=@ccc"(worked));
        if (worked) return true;
        cpu_relax();
    }
    return false;
}

bool cpu_random(uint64_t *out)
{
    if (processor.has_rdseed && random_from(true, out)) return true;
    if (processor.has_rdrand && random_from(false, out)) return true;
    *out = cpu_ticks() * 0x9e37'79b9'7f4a'7c15ull;
    return false;
}
