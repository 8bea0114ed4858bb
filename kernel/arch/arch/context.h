/*
 * Switching between threads. Kernel stacks only: what user code had is on its kernel stack.
 *
 * Context: context_switch with interrupts off; the rest in task context.
 */
#pragma once
#include "base/address.h"
#include "base/status.h"

/* Saved stack pointer of a thread that is not running. */
struct thread_context {
    uint64_t stack_pointer;
};

/*
 * Prepares a context that, when first switched to, calls entry(argument) on the stack whose top
 * (highest address, 16-byte aligned) is given, with interrupts off. entry must not return.
 */
void context_init(struct thread_context *context, void *stack_top, void (*entry)(void *),
                  void *argument);

/* Saves callee-saved state in *from, continues *to; returns when somebody switches back. */
void context_switch(struct thread_context *from, struct thread_context *to);

/*
 * Kernel stacks, with an unmapped guard page below each: running off the end is a double fault,
 * which has a stack of its own. A stack that is given is kept, mapped, for the next taker.
 *
 * Context: take in task context, interrupts in any state; give in any. Neither sleeps nor waits.
 * Cost:    a lock and a list step; mapping only when more stacks are alive than ever before.
 */
#define KERNEL_STACK_BYTES 16384u
/* The top (highest address) of a stack; nullptr when there is no memory. */
void *kernel_stack_take(void);
void kernel_stack_give(void *stack_top);

/* Processor state of user code that the kernel itself does not use: vector registers, segment
 * bases. */
struct user_state {
    uint64_t thread_pointer; /* fs base */
    uint64_t second_pointer; /* gs base */
    void *vector_area;       /* 64-byte aligned, vector_area_bytes() long; owned */
};
size_t vector_area_bytes(void);
/* Gives the state a start value; allocates the vector area. OUT_OF_MEMORY */
status user_state_create(struct user_state *state, uint64_t thread_pointer);
void user_state_destroy(struct user_state *state);
/* Around a switch between threads that run user code. Interrupts off. */
void user_state_save(struct user_state *state);
void user_state_load(const struct user_state *state);

/* Registers at the first instruction of user code. Others are zero. */
struct user_entry {
    uint64_t instruction_pointer;
    uint64_t stack_pointer;
    uint64_t arguments[3]; /* rdi, rsi, rdx */
};
/*
 * Leaves the kernel for user mode on the current thread, whose kernel stack top was announced with
 * cpu_set_kernel_stack. Never returns; the thread comes back through traps and system calls.
 */
[[noreturn]] void user_enter(const struct user_entry *entry);

/* Where traps and system calls from user mode on this processor put their frames. Interrupts off.
 */
void cpu_set_kernel_stack(void *stack_top);
