/*
 * Processor instructions that C has no words for, and the numbers they take.
 * Intel SDM vol. 3A, 2.5 (control registers), vol. 4, 2.1 (model specific registers).
 *
 * Context: as the instruction allows; all are for privilege level 0.
 */
#pragma once
#include <stdint.h>

#define MSR_APIC_BASE      0x1bu
#define MSR_PAT            0x277u
#define MSR_X2APIC_FIRST   0x800u
#define MSR_EFER           0xc0000080u
#define MSR_STAR           0xc0000081u
#define MSR_LSTAR          0xc0000082u
#define MSR_SYSCALL_MASK   0xc0000084u
#define MSR_FS_BASE        0xc0000100u
#define MSR_GS_BASE        0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u

#define EFER_SYSCALL    (1ull << 0)
#define EFER_NO_EXECUTE (1ull << 11)

#define CR0_MONITOR       (1ull << 1)
#define CR0_EMULATE_FPU   (1ull << 2)
#define CR0_TASK_SWITCHED (1ull << 3)
#define CR0_NUMERIC_ERROR (1ull << 5)
#define CR0_WRITE_PROTECT (1ull << 16)

#define CR4_TIME_STAMP_USER_OFF (1ull << 2)
#define CR4_MACHINE_CHECK       (1ull << 6)
#define CR4_GLOBAL_PAGES        (1ull << 7)
#define CR4_FXSAVE              (1ull << 9)
#define CR4_SIMD_EXCEPTIONS     (1ull << 10)
#define CR4_UMIP                (1ull << 11)
#define CR4_FSGSBASE            (1ull << 16)
#define CR4_XSAVE               (1ull << 18)
#define CR4_SMEP                (1ull << 20)
#define CR4_SMAP                (1ull << 21)

struct cpuid_answer {
    uint32_t a, b, c, d;
};

static inline struct cpuid_answer cpuid(uint32_t leaf, uint32_t part)
{
    struct cpuid_answer r;
    __asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(part));
    return r;
}

static inline uint64_t msr_read(uint32_t which)
{
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(which));
    return ((uint64_t)high << 32) | low;
}

static inline void msr_write(uint32_t which, uint64_t value)
{
    __asm__ volatile("wrmsr"
                     :
                     : "c"(which), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}

#define DEFINE_CONTROL_REGISTER(number)                                          \
    static inline uint64_t cr##number##_read(void)                               \
    {                                                                            \
        uint64_t value;                                                          \
        __asm__ volatile("movq %%cr" #number ", %0" : "=r"(value) : : "memory"); \
        return value;                                                            \
    }                                                                            \
    static inline void cr##number##_write(uint64_t value)                        \
    {                                                                            \
        __asm__ volatile("movq %0, %%cr" #number : : "r"(value) : "memory");     \
    }
DEFINE_CONTROL_REGISTER(0)
DEFINE_CONTROL_REGISTER(2)
DEFINE_CONTROL_REGISTER(3)
DEFINE_CONTROL_REGISTER(4)
#undef DEFINE_CONTROL_REGISTER

static inline void xcr0_write(uint64_t value)
{
    __asm__ volatile("xsetbv"
                     :
                     : "c"(0), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}

static inline void invalidate_page(uint64_t address)
{
    __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

/* a * b / c with a product of 128 bits. The quotient must fit into 64. */
static inline uint64_t multiply_divide(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t quotient, high;
    __asm__("mulq %3\n\tdivq %4" : "=&a"(quotient), "=&d"(high) : "0"(a), "r"(b), "r"(c) : "cc");
    return quotient;
}
