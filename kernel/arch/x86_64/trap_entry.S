/*
 * The ways into the kernel, and out.
 *
 * Every trap pushes a struct trap_frame (arch/arch/trap.h). From user mode gs is exchanged first, so that it
 * points to this processor's struct cpu_local. NMI, double fault and machine check may come between
 * any two instructions, even before that exchange, so they trust neither gs nor the stack: they run on
 * stacks of their own, above whose top lies the address of struct cpu_local.
 *
 * AC is cleared so that SMAP holds in the kernel: by `clac` in traps (patched out where there is no SMAP,
 * see descriptors.c) and by the system call mask.
 */
#include "arch/x86_64/cpu_local.h"

#define MSR_GS_BASE 0xc0000101
#define FRAME_BYTES 176
#define FRAME_CS    144

    .macro push_registers
    pushq %rax
    pushq %rbx
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %rbp
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    .endm

    .macro pop_registers
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rbp
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rbx
    popq %rax
    .endm

    .text

    .globl trap_common
    .hidden trap_common
trap_common:
    push_registers
    cld
    .globl trap_clac_1
    .hidden trap_clac_1
trap_clac_1:
    clac
    movq %rsp, %rdi
    testb $3, FRAME_CS(%rsp)
    jnz 1f
    xorl %ebp, %ebp
    call trap_dispatch
    jmp 2f
1:  swapgs
    xorl %ebp, %ebp
    call trap_dispatch
    callq *return_to_user_handler(%rip)
    swapgs
2:  pop_registers
    addq $16, %rsp
    iretq

    .globl trap_paranoid
    .hidden trap_paranoid
trap_paranoid:
    push_registers
    cld
    .globl trap_clac_2
    .hidden trap_clac_2
trap_clac_2:
    clac
    movl $MSR_GS_BASE, %ecx
    rdmsr
    movl %eax, %ebx
    shlq $32, %rdx
    orq %rdx, %rbx
    movq FRAME_BYTES(%rsp), %rax
    movq %rax, %rdx
    shrq $32, %rdx
    wrmsr
    movq %rsp, %rdi
    xorl %ebp, %ebp
    call trap_dispatch_paranoid
    movl $MSR_GS_BASE, %ecx
    movl %ebx, %eax
    movq %rbx, %rdx
    shrq $32, %rdx
    wrmsr
    pop_registers
    addq $16, %rsp
    iretq

/*
 * Number in rax, arguments in rdi and rsi, answer in rax; rcx and r11 are lost. What C may change and the
 * program may keep is saved here; the rest C itself preserves. The return address needs no check: no
 * program has a page whose end is not a canonical address (ABI_USER_ADDRESS_END).
 */
    .balign 64
    .globl syscall_entry
    .hidden syscall_entry
syscall_entry:
    swapgs
    movq %rsp, %gs:CPU_LOCAL_USER_STACK
    movq %gs:CPU_LOCAL_KERNEL_STACK, %rsp
    pushq %gs:CPU_LOCAL_USER_STACK
    pushq %r11
    pushq %rcx
    pushq %rdi
    pushq %rsi
    pushq %rdx
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %rax
    sti
    movq %rsi, %rdx
    movq %rdi, %rsi
    movq %rax, %rdi
    callq *syscall_function(%rip)
    cli
    movq %rax, (%rsp)
    callq *return_to_user_handler(%rip)
    popq %rax
    popq %r10
    popq %r9
    popq %r8
    popq %rdx
    popq %rsi
    popq %rdi
    popq %rcx
    popq %r11
    popq %rsp
    swapgs
    sysretq

/* void user_enter_with(const struct user_entry *entry, uint64_t rip): see context.c */
    .globl user_enter_with
    .hidden user_enter_with
user_enter_with:
    cli
    pushq $SELECTOR_USER_DATA
    pushq 8(%rdi)
    pushq $0x202 /* interrupts on */
    pushq $SELECTOR_USER_CODE
    pushq %rsi
    movq 32(%rdi), %rdx
    movq 24(%rdi), %rsi
    movq 16(%rdi), %rdi
    xorl %eax, %eax
    xorl %ebx, %ebx
    xorl %ecx, %ecx
    xorl %ebp, %ebp
    xorl %r8d, %r8d
    xorl %r9d, %r9d
    xorl %r10d, %r10d
    xorl %r11d, %r11d
    xorl %r12d, %r12d
    xorl %r13d, %r13d
    xorl %r14d, %r14d
    xorl %r15d, %r15d
    swapgs
    iretq

/* void context_switch(struct thread_context *from, struct thread_context *to) */
    .globl context_switch
    .hidden context_switch
context_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq (%rsi), %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret

/* The first thing a thread runs: context_init left the entry in rbx and its argument in r12. */
    .globl context_begin
    .hidden context_begin
context_begin:
    movq %r12, %rdi
    callq *%rbx
    ud2 /* entry must not return */

/* One stub per vector, 16 bytes each, so that the address of a vector's stub is trap_stubs + 16 * vector. */
    .balign 16
    .globl trap_stubs
    .hidden trap_stubs
trap_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    .if (vector != 8) && ((vector < 10) || (vector > 14)) && (vector != 17) && (vector != 21) && (vector != 29) && (vector != 30)
    pushq $0 /* in the place of an error code */
    .endif
    pushq $vector
    .if (vector == 2) || (vector == 8) || (vector == 18)
    jmp trap_paranoid
    .else
    jmp trap_common
    .endif
    .set vector, vector + 1
    .endr
    .section .note.GNU-stack, "", @progbits
