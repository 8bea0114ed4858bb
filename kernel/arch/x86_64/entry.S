/*
 * Where the loader enters: interrupts off, the loader's page tables and stack, rdi = physical address of
 * struct boot_info (boot/boot/boot_info.h).
 *
 * The stack protector's guard gets a value no image has before any C function reads it: the loader's
 * random seed, the time stamp and where the firmware put things. Its lowest byte is zero, which text
 * copies cannot write.
 */
#include "arch/x86_64/cpu_local.h"

#define BOOT_DIRECT_MAP         0xffff800000000000
#define MSR_GS_BASE             0xc0000101
#define BOOT_RANDOM_SEED_OFFSET 128

    .section .text.entry, "ax"
    .globl kernel_entry
    .hidden kernel_entry
kernel_entry:
    cld
    leaq boot_stack_top(%rip), %rsp
    xorl %ebp, %ebp

    movabsq $BOOT_DIRECT_MAP, %rax
    addq %rax, %rdi
    rdtsc
    shlq $32, %rdx
    orq %rdx, %rax
    movabsq $0x9e3779b97f4a7c15, %rcx
    imulq %rcx, %rax
    xorq BOOT_RANDOM_SEED_OFFSET(%rdi), %rax
    addq %rdi, %rax
    movb $0, %al
    movq %rax, __stack_chk_guard(%rip)

    /* gs, so that even the first C function can ask which processor this is. */
    leaq cpu_locals(%rip), %rax
    movq %rax, %rdx
    shrq $32, %rdx
    movl $MSR_GS_BASE, %ecx
    wrmsr

    call kernel_main /* with rdi = struct boot_info in the direct map */
1:  cli
    hlt
    jmp 1b

    .section .bss.boot_stack, "aw", @nobits
    .balign 4096
    .globl boot_stack_guard, boot_stack_top
    .hidden boot_stack_guard, boot_stack_top
boot_stack_guard: /* unmapped by machine_init_paging */
    .skip 4096
    .skip 32768
boot_stack_top:
    .section .note.GNU-stack, "", @progbits
