/*
 * How another processor gets from its reset state into the kernel.
 *
 * smp.c copies this to a page below 1 MiB and fills in the words at its end. The processor starts at the
 * copy's first byte in real mode, with cs = page / 16, and goes to 64-bit mode in one step, on page tables
 * that map this page at its physical address and the kernel's half where it always is.
 */
#define AT(label)       (label - trampoline_start)
#define MSR_EFER        0xc0000080
#define EFER_LONG_NX    0x900
#define CR4_PAE         0x20
#define CR0_PAGING      0x80010011 /* paging, write protection, protected mode */

    .section .rodata.trampoline, "a"
    .globl trampoline_start, trampoline_words, trampoline_long_mode, trampoline_segments, trampoline_end
    .hidden trampoline_start, trampoline_words, trampoline_long_mode, trampoline_segments, trampoline_end
    .balign 16
trampoline_start:
    .code16
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    lgdtl AT(trampoline_words)
    movl $CR4_PAE, %eax
    movl %eax, %cr4
    movl AT(trampoline_words) + 8, %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    rdmsr
    orl $EFER_LONG_NX, %eax
    wrmsr
    movl $CR0_PAGING, %eax
    movl %eax, %cr0
    ljmpl *AT(trampoline_words) + 12

    .code64
trampoline_long_mode:
    movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movq trampoline_words + 20(%rip), %rsp
    movq trampoline_words + 28(%rip), %rdi
    movq trampoline_words + 36(%rip), %rax
    xorl %ebp, %ebp
    pushq $0 /* in the place of a return address: there is none */
    jmpq *%rax

    .balign 8
trampoline_segments: /* marked as accessed, so that the processor need not write here */
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff

    .balign 8
trampoline_words: /* struct trampoline_words in smp.c */
    .skip 48
trampoline_end:
    .section .note.GNU-stack, "", @progbits
