/*
 * What the trap entry calls. Upper layers install handlers; nothing here knows them.
 *
 * Context: as each line says. A trap from user mode runs on the thread's kernel stack.
 */
#pragma once
#include "base/status.h"
#include <stdint.h>

/* Registers of the interrupted code, in the order the entry pushed them. Read it, do not resume by
 * it. */
struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
    uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error_code;
    uint64_t rip, cs, rflags, rsp, ss;
};

struct user_fault {
    uint64_t vector;     /* Intel SDM vol. 3A, 6.3.1 */
    uint64_t error_code; /* as pushed */
    uint64_t address;    /* page fault: the address touched, else 0 */
    const struct trap_frame *frame;
};

/* "page fault" and the like, for people. Any context. */
const char *trap_name(uint64_t vector);

/*
 * A fault in user mode. Task context, interrupts on. Returns to retry the instruction, or ends the
 * thread (does not return).
 */
void trap_set_user_fault(void (*handler)(const struct user_fault *fault));

/* A system call. Task context, interrupts on; returns what goes to rax. See abi/ring.h. */
typedef uint64_t syscall_handler(uint64_t number, uint64_t argument0, uint64_t argument1);
void trap_set_syscall(syscall_handler *handler);

/*
 * Called with interrupts off on the way back to user mode, after system calls, faults and
 * interrupts: reschedules and ends threads that were told to end. May switch threads.
 */
void trap_set_return_to_user(void (*handler)(void));

/* A processor's own timer fired, or it was kicked. Interrupt context, interrupts off. */
void trap_set_timer(void (*handler)(void));
void trap_set_kick(void (*handler)(void));

/*
 * Device interrupts. Allocates a vector that will run handler(argument) in interrupt context on
 * `cpu`; the controller has been acknowledged when the handler returns. QUOTA_EXCEEDED when none is
 * left.
 */
typedef void interrupt_handler(void *argument);
typedef struct interrupt_vector {
    uint8_t vector; /* 0: none */
    uint32_t cpu;
} interrupt_vector;
status interrupt_allocate(interrupt_handler *handler, void *argument, uint32_t cpu,
                          interrupt_vector *out_vector);
/* The device must have been told to be silent; its handler may still be running on its processor.
 */
void interrupt_free(interrupt_vector vector);

/* Message-signalled interrupts: what a device writes where. Intel SDM vol. 3A, 11.11. */
uint64_t interrupt_message_address(interrupt_vector vector);
uint32_t interrupt_message_data(interrupt_vector vector);
/* Legacy ISA line 0..15 through the I/O APIC. NOT_FOUND when there is no such pin. */
status interrupt_route_legacy(uint32_t line, interrupt_vector vector);
