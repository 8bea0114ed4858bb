/*
 * Whole pages, 32 bytes at a time.
 *
 * The vector registers hold what the program on this processor left there, so those used here are put
 * back as they were. An interrupt between may come here, too, and does the same; threads are never
 * switched inside these functions. Needs AVX in XCR0 and AVX-512 not: a 256-bit move clears the part of
 * a register that only AVX-512 has, and there it would not be saved.
 */
#define PAGE_BYTES 4096
#define STEP_BYTES 1024
#define WIDTH      32

    .text

/* void page_copy_wide(void *to, const void *from) */
    .balign 64
    .globl page_copy_wide
    .hidden page_copy_wide
page_copy_wide:
    pushq %rbp
    movq %rsp, %rbp
    subq $(4 * WIDTH), %rsp
    vmovdqu %ymm0, 0 * WIDTH(%rsp)
    vmovdqu %ymm1, 1 * WIDTH(%rsp)
    vmovdqu %ymm2, 2 * WIDTH(%rsp)
    vmovdqu %ymm3, 3 * WIDTH(%rsp)
    movl $(PAGE_BYTES / STEP_BYTES), %ecx
1:  .set offset, 0
    .rept STEP_BYTES / (4 * WIDTH)
    vmovdqu offset + 0 * WIDTH(%rsi), %ymm0
    vmovdqu offset + 1 * WIDTH(%rsi), %ymm1
    vmovdqu offset + 2 * WIDTH(%rsi), %ymm2
    vmovdqu offset + 3 * WIDTH(%rsi), %ymm3
    vmovdqu %ymm0, offset + 0 * WIDTH(%rdi)
    vmovdqu %ymm1, offset + 1 * WIDTH(%rdi)
    vmovdqu %ymm2, offset + 2 * WIDTH(%rdi)
    vmovdqu %ymm3, offset + 3 * WIDTH(%rdi)
    .set offset, offset + 4 * WIDTH
    .endr
    addq $STEP_BYTES, %rsi
    addq $STEP_BYTES, %rdi
    decl %ecx
    jnz 1b
    vmovdqu 0 * WIDTH(%rsp), %ymm0
    vmovdqu 1 * WIDTH(%rsp), %ymm1
    vmovdqu 2 * WIDTH(%rsp), %ymm2
    vmovdqu 3 * WIDTH(%rsp), %ymm3
    leave
    ret

/* void page_clear_wide(void *page) */
    .balign 64
    .globl page_clear_wide
    .hidden page_clear_wide
page_clear_wide:
    pushq %rbp
    movq %rsp, %rbp
    subq $WIDTH, %rsp
    vmovdqu %ymm0, (%rsp)
    vxorps %ymm0, %ymm0, %ymm0
    movl $(PAGE_BYTES / STEP_BYTES), %ecx
1:  .set offset, 0
    .rept STEP_BYTES / WIDTH
    vmovdqu %ymm0, offset(%rdi)
    .set offset, offset + WIDTH
    .endr
    addq $STEP_BYTES, %rdi
    decl %ecx
    jnz 1b
    vmovdqu (%rsp), %ymm0
    leave
    ret
    .section .note.GNU-stack, "", @progbits
